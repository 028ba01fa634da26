from __future__ import annotations

import json
import uuid
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.core.canonical import canonical_json, digest, keyed_digest

SEOUL = timezone(timedelta(hours=9))
words = st.text(st.characters(codec="utf-8"), max_size=6)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (None, "null"),
        ({"b": 1, "a": [True, None, "온돌"]}, '{"a":[true,null,"온돌"],"b":1}'),
        ({"\U00010000": 1, "\uffff": 2, "Z": 3, "a": 4}, '{"Z":3,"a":4,"\uffff":2,"\U00010000":1}'),
        ('"\\\n\x00/\u2028', '"\\"\\\\\\n\\u0000/\u2028"'),
        (2**200, str(2**200)),
        (b"\x00\xff", '"00ff"'),
        (uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (datetime(2026, 3, 4, 9, 0, 0, 5, tzinfo=SEOUL), '"2026-03-04T00:00:00.000005Z"'),
        (datetime(1, 2, 3, tzinfo=UTC), '"0001-02-03T00:00:00.000000Z"'),
        ((1, (2,)), "[1,[2]]"),
    ],
)
def test_documented_forms(value: Any, wanted: str) -> None:
    assert canonical_json(value) == wanted.encode()


def test_documented_digests() -> None:
    assert digest({}).hex() == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    # HMAC-SHA-256 of "purpose", a zero byte and the data; no other purpose or key gives it.
    made = keyed_digest(bytes(32), "content", b"data")
    assert made.hex() == "ed0de2835ce3bffc7f1c1f4d22940c079f32e59fae9ecdcc1c1a16e8e591d717"
    assert len({made, keyed_digest(bytes(32), "login", b"data"), keyed_digest(b"\x01" * 32, "content", b"data")}) == 3


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        Decimal(1),
        date(2026, 3, 4),
        datetime(2026, 3, 4),  # noqa: DTZ001
        {1: 2},
        {"a": {b"b": 1}},
        bytearray(b"x"),
        memoryview(b"x"),
        {1},
        object(),
    ],
)
def test_what_has_no_canonical_form_is_refused(value: Any) -> None:
    with pytest.raises(TypeError):
        canonical_json(value)
    with pytest.raises(TypeError):
        canonical_json([{"deep": value}])


@given(values)
def test_it_is_json_that_says_the_same(value: Any) -> None:
    made = canonical_json(value)
    assert json.loads(made) == value
    assert canonical_json(json.loads(made)) == made


@given(st.dictionaries(words, values, max_size=5), st.randoms())
def test_the_order_of_keys_does_not_matter(value: dict[str, Any], random: Any) -> None:
    keys = list(value)
    random.shuffle(keys)
    assert digest({key: value[key] for key in keys}) == digest(value)


@given(values, values)
def test_different_values_have_different_digests(first: Any, second: Any) -> None:
    assert (digest(first) == digest(second)) == (json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True))
