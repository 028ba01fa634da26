"""The forms of the admin API that need no server: schemas of settings, cells of CSV, ends of pages."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.core.errors import RequestError
from ondol.core.ids import new_id, unix_ms_of
from ondol.infrastructure.gateway.admin_api.base import schema_of
from ondol.infrastructure.gateway.admin_api.requests import page_end
from ondol.infrastructure.gateway.admin_api.usage import UsageLine, csv_of
from ondol.infrastructure.serving.settings import ModelSettings, ProviderSettings, TenantSettings, settings_from

LINE: dict[str, Any] = {
    **dict.fromkeys(("day", "model", "person_id", "login", "key_id", "key", "group_id", "group", "currency", "cost")),
    **dict.fromkeys(
        (
            "requests",
            "failed",
            "estimated",
            "input_tokens",
            "cached_tokens",
            "cache_write_tokens",
            "output_tokens",
            "reasoning_tokens",
            "images",
            "audio_ms",
            "characters",
        ),
        0,
    ),
}


@pytest.mark.parametrize("kind", [ProviderSettings, ModelSettings, TenantSettings])
def test_what_is_described_is_what_is_taken(kind: type[Any]) -> None:
    described = schema_of(kind)
    assert "$ref" not in json.dumps(described)
    assert jsonschema_rs.is_valid(described, msgspec.to_builtins(kind()))
    for wrong in ({"unknown": 1}, {"connect_s": 0}, {"retries_max": 11}, {"content": "some"}, {"parameters": {"x": {"lest": 1}}}):
        with pytest.raises(RequestError):
            settings_from(kind, wrong)
        assert not jsonschema_rs.is_valid(described, wrong)


@given(st.text(st.characters(codec="utf-8"), max_size=30))
def test_a_cell_is_read_back_and_never_begins_a_formula(text: str) -> None:
    written = csv_of([UsageLine(**{**LINE, "model": text})])
    [row] = list(csv.DictReader(io.StringIO(written, newline="")))
    assert row["model"] in (text, "'" + text)
    assert not row["model"].startswith(("=", "+", "-", "@", "\t", "\r"))


def test_a_page_ends_at_the_earlier_of_a_moment_and_an_id() -> None:
    moment = datetime(2026, 3, 4, tzinfo=UTC)
    early, late = new_id(unix_ms=int(moment.timestamp() * 1000) - 1), new_id(unix_ms=int(moment.timestamp() * 1000) + 1)
    end = page_end(moment, None)
    assert end is not None
    assert unix_ms_of(end) == int(moment.timestamp() * 1000)
    assert (page_end(None, None), page_end(None, late), page_end(moment, late), page_end(moment, early)) == (None, late, end, early)
