"""A line holds a record whole, whatever it holds, and is canonical.

Rules out of the field's defects: cached and reasoning tokens that are dropped on the way to the record (4: LiteLLM #36168), and rows that grow with
what an upstream or a price list says (9: LiteLLM #41499, Bifrost #2172): a line has a greatest length.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.core.canonical import canonical_json, digest
from ondol.core.ids import new_id
from ondol.infrastructure.access.limits.types import Settlement
from ondol.infrastructure.gateway.records import RequestRecord
from ondol.infrastructure.gateway.records.lines import COLUMNS, FORM, LINE_BYTES_MAX, canonical_form, current_line, line_digest, line_in, line_of
from tests.infrastructure.gateway.records.making import make_record

FULL: dict[str, Any] = {
    "api_key_id": new_id(), "group_ids": (new_id(), new_id()), "model": "도움말 {a,b} it's", "provider": "openai", "upstream_model": "gpt",
    "stream": True, "release_id": new_id(), "cached_tokens": 1, "cache_write_tokens": 2, "reasoning_tokens": 3, "usage_estimated": True,
    "cost_nano": -7, "currency": "KRW", "price_id": new_id(), "queue_us": 4, "guard_us": 5, "upstream_us": 6, "first_token_us": 0, "attempts": 2,
    "guard_policy": bytes(range(32)), "guard_decision": "block", "guard_rules": ("secrets.key", "null", "with space"), "trace_id": "0af7" * 8,
    "settlement": Settlement(new_id(), 3, ()), "images": 2, "audio_ms": 1_500, "characters": 40,
    "created_at": datetime(2026, 3, 4, 5, 6, 7, tzinfo=timezone(timedelta(hours=9))),
}  # fmt: skip

words = st.text(max_size=300)
settlements = st.builds(Settlement, st.uuids(), st.integers(0, 2**70), st.just(()))
numbers = st.integers(-(2**70), 2**70)
changes = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("model", "route", "provider", "upstream_model", "outcome", "guard_decision", "trace_id"), words),
        **{name: numbers for name in RequestRecord.__struct_fields__ if name.endswith(("_tokens", "_us"))},
        **dict.fromkeys(("images", "audio_ms", "characters"), numbers),
        "status": numbers, "attempts": numbers, "cost_nano": st.none() | numbers, "currency": st.none() | st.sampled_from(["USD", "KRW"]),
        "guard_rules": st.lists(words, max_size=60).map(tuple), "settlement": st.none() | settlements,
        "group_ids": st.lists(st.uuids(), max_size=3).map(tuple), "guard_policy": st.none() | st.binary(min_size=32, max_size=32),
        "created_at": st.datetimes(timezones=st.just(UTC)),
    },
)  # fmt: skip


def columns(line: bytes) -> dict[str, str]:
    return dict(zip(COLUMNS, line.decode().split("\t"), strict=True))


@given(changes)
def test_a_line_is_one_clean_row_whatever_the_record_claims(changed: dict[str, Any]) -> None:
    line = line_of(make_record(new_id(), **changed))
    assert len(columns(line)) == len(COLUMNS)
    assert b"\n" not in line
    assert len(line) <= LINE_BYTES_MAX
    assert all(text.isprintable() for text in line.decode().split("\t"))


@given(changes)
def test_its_digest_is_the_one_of_the_canonical_json_of_its_columns(changed: dict[str, Any]) -> None:
    line = line_of(make_record(new_id(), **changed))
    values = json.loads(canonical_form(line))
    assert canonical_form(line) == canonical_json(values)
    assert line_digest(line) == digest(values)


def test_numbers_stay_in_their_columns() -> None:
    too_much = columns(line_of(make_record(new_id(), input_tokens=2**40, duration_us=-1, status=10**6, cost_nano=1, currency=None)))
    assert [too_much[name] for name in ("input_tokens", "duration_us", "status", "cost_nano")] == [str(2**31 - 1), "0", str(2**15 - 1), ""]


def test_texts_that_nobody_should_write_are_cleaned() -> None:
    row = columns(line_of(make_record(new_id(), model='a\tb\n"c"\\\x00d\udc80' + "x" * 300, trace_id="not a trace", outcome="")))
    assert (row["model"], row["trace_id"], row["outcome"]) == ("a_b__c___d_" + "x" * 189, "", "-")


def test_nothing_and_everything_have_a_line() -> None:
    empty, full = columns(line_of(make_record(new_id()))), columns(line_of(make_record(new_id(), **FULL)))
    assert [name for name, text in empty.items() if not text] == [
        "api_key_id", "group_ids", "provider", "upstream_model", "guard_decision", "currency", "trace_id", "release_id", "cost_nano", "price_id",
        "first_token_us", "guard_policy", "guard_rules", "replica_id", "replica_number", "pool_ids", "pool_amounts",
    ]  # fmt: skip
    assert all(full.values())
    assert full["created_at"] == "2026-03-03T20:06:07+00:00"


def test_a_line_of_before_is_read_and_told_as_it_was() -> None:
    line = line_of(make_record(new_id(), **{**FULL, "images": 0, "audio_ms": 0, "characters": 0}))
    before = b"\t".join(line.split(b"\t")[:-3])
    assert (current_line(before), current_line(line)) == (line, line)
    assert (line_in(line, "requests-1"), line_in(line, FORM)) == (before, line)
    with pytest.raises(ValueError, match="no column"):
        line_in(line_of(make_record(new_id(), **FULL)), "requests-1")
    with pytest.raises(KeyError):
        line_in(line, "requests-0")


def test_a_record_of_something_else_has_none() -> None:
    with pytest.raises((TypeError, AttributeError)):
        line_of(msgspec.structs.replace(make_record(new_id()), created_at=None))
