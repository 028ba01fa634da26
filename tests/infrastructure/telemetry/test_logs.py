from __future__ import annotations

import json
import logging
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.infrastructure.access.secrets import mint_key, new_token
from ondol.infrastructure.telemetry.logs import LINE_CHARACTERS_MAX, JsonFormatter, TextFormatter, mask, set_up_logging

KEY = mint_key()
SECRET = new_token()
CARRIERS = [
    f"key {KEY.text} came",
    f"Authorization: Bearer {SECRET}",
    f"authorization=bearer {SECRET}, next",
    f"postgresql://owner:{SECRET}@db.example.com:5432/ondol",
    f"postgresql://owner:a@{SECRET}@db.example.com/ondol",
    f"redis://:{SECRET}@db and s3://a:{SECRET}@b",
    f"host=db password={SECRET} user=x",
    f"host=db password='{SECRET} with spaces {SECRET}' user=x",
    f'password="{SECRET}"',
    f"GET /welcome?code={SECRET}&x=1",
    f"https://x/?api_key={SECRET}#t",
    f"cookie: other=1; ondol_session={SECRET}; more=2",
    f"sk-proj-{SECRET}",
    f"token={SECRET};x",
]


def record(message: str, exc_info: Any = None, **fields: object) -> logging.LogRecord:
    return logging.makeLogRecord({"name": "ondol.test", "levelno": 20, "levelname": "INFO", "msg": message, "exc_info": exc_info, **fields})


def lines(made: logging.LogRecord) -> tuple[str, str]:
    return TextFormatter().format(made), JsonFormatter().format(made)


def hidden(text: str) -> bool:
    return SECRET not in text and KEY.text[-43:] not in text


@pytest.mark.parametrize("carrier", CARRIERS, ids=map(str, range(len(CARRIERS))))
def test_a_secret_is_masked_whatever_carries_it(carrier: str) -> None:
    class Odd:
        def __str__(self) -> str:
            return carrier

    try:
        raise ValueError(carrier)
    except ValueError:
        raised = sys.exc_info()
    for made in (
        record(carrier),
        record("event", reason=carrier),
        record("event", raised),
        record("event", where={"deep": [carrier, (carrier, {carrier})]}),
        record("event", error=raised[1]),
        record("event", odd=Odd()),
        record("event", deepest=[[[[[[carrier]]]]]]),
    ):
        assert all(map(hidden, lines(made))), carrier
    assert hidden(mask(carrier))
    assert "***" in mask(carrier)


@pytest.mark.parametrize("name", ["password", "api_key", "apikey", "authorization", "set_cookie", "session_token", "client_secret"])
def test_a_field_with_a_secret_name_is_never_written(name: str) -> None:
    assert all(map(hidden, lines(record("event", **{name: SECRET}))))
    assert hidden(lines(record("event", headers={name: SECRET}))[1])


def test_what_is_no_secret_stays() -> None:
    plain = "status_code=200 https://example.com/a@b sk-short input_tokens=7 비밀번호 없음 key sk-ondol-"
    assert mask(plain) == plain
    assert KEY.public_id in mask(KEY.text)
    entry = json.loads(JsonFormatter().format(record("gone", count=3, share=0.5, good=True, nothing=None, input_tokens=9, names=("a", "b"))))
    moment = entry.pop("time")
    assert moment.endswith("Z")
    assert entry == {"level": "info", "logger": "ondol.test", "event": "gone", "count": 3, "share": 0.5, "good": True, "nothing": None,
                     "input_tokens": 9, "names": ["a", "b"]}  # fmt: skip


@given(st.text(max_size=50), st.text(max_size=50))
def test_an_event_is_one_line_that_nobody_can_forge(event: str, field: str) -> None:
    text, as_json = lines(record(event.replace("%", ""), field=field))
    assert len(text.splitlines()) == 1
    assert "\n" not in as_json
    assert json.loads(as_json)["field"] == mask(field)


def test_a_field_cannot_pass_for_the_event_and_lines_have_a_length() -> None:
    made = record("real", event="forged", level="error", long="x" * 100_000)
    text, as_json = lines(made)
    assert json.loads(as_json)["event"] == "real"
    assert json.loads(as_json)["level"] == "info"
    assert len(text) == LINE_CHARACTERS_MAX
    assert len(as_json) < 2 * LINE_CHARACTERS_MAX


def test_the_chosen_form_goes_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    kept = root.handlers[:], root.level
    try:
        set_up_logging("warning", "json")
        logging.getLogger("ondol.x").info("quiet")
        logging.getLogger("ondol.x").warning("loud", extra={"n": 1})
        logging.getLogger("httpx").info("chatter")
        out, err = capfd.readouterr()
        assert out == ""
        assert [(entry["event"], entry["n"]) for entry in map(json.loads, err.splitlines())] == [("loud", 1)]
    finally:
        root.handlers[:], _ = kept
        root.setLevel(kept[1])
