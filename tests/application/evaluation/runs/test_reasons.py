"""Reasons of an outcome: kept in English, read in either language with the same figures."""

from __future__ import annotations

import re

import pytest

from ondol.application.evaluation.runs.reasons import SENTENCES, Kind, reason_in, said

PLACES = {"metric": "정확도 (F1)", "count": "1,234", "total": "5,678", "wanted": "0.9", "value": "0.75", "currency": "KRW"}


@pytest.mark.parametrize("kind", SENTENCES)
def test_every_reason_has_its_korean_with_the_same_figures(kind: Kind) -> None:
    english, korean = SENTENCES[kind]
    names = sorted(re.findall(r"{(\w+)}", english))
    assert names == sorted(re.findall(r"{(\w+)}", korean))
    kept = said(kind, **{name: PLACES[name] for name in names})
    assert reason_in("en", kept) == kept
    assert reason_in("ko", kept) == korean.format(**PLACES)


def test_what_is_none_of_ours_stays() -> None:
    assert reason_in("ko", "{metric} is {0}") == "{metric} is {0}"
    assert reason_in("ko", said("hits", metric="{count} {x}")) == "{count} {x}: 하나도 없어야 하는데 나온 것이 있습니다."
