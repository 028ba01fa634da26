from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ondol.application.evaluation.scorers import Settings
from ondol.core.errors import RequestError

TOLD: dict[str, Any] = {"k": 5, "floor": 0.5, "strict": True, "stage": "fused", "field": "tests", "words": ["가", "b"]}


def test_what_is_told_and_what_holds_without_it() -> None:
    for told, expected in ((TOLD, (5, 0.5, True, "fused", "tests", ("가", "b"))), ({}, (10, 0.1, False, "final", "code", ()))):
        settings = Settings("recall", told)
        whole, number = settings.whole("k", 10, least=1, most=100), settings.number("floor", 0.1, least=0, most=1)
        flag, choice = settings.flag("strict", default=False), settings.choice("stage", "final", ("fused", "final"))
        found = (whole, number, flag, choice, settings.text("field", "code"), settings.words("words"))
        settings.close()
        assert found == expected


@pytest.mark.parametrize(
    ("told", "read"),
    [
        ({"k": 0}, lambda settings: settings.whole("k", 10, least=1, most=100)),
        ({"k": True}, lambda settings: settings.whole("k", 10, least=1, most=100)),
        ({"k": "10"}, lambda settings: settings.whole("k", 10, least=1, most=100)),
        ({"k": float("nan")}, lambda settings: settings.number("k", 0.5, least=0, most=1)),
        ({"k": "x"}, lambda settings: settings.choice("k", "final", ("final",))),
        ({"k": ["final"]}, lambda settings: settings.choice("k", "final", ("final",))),
        ({"k": 1}, lambda settings: settings.flag("k", default=False)),
        ({}, lambda settings: settings.text("k")),
        ({"k": "word"}, lambda settings: settings.words("k")),
        ({"k": ["word", " "]}, lambda settings: settings.words("k")),
        ({"k": 1}, lambda settings: settings.close()),
    ],
    ids=lambda value: None if callable(value) else str(value),
)
def test_what_is_wrong_is_told_by_its_field(told: dict[str, Any], read: Callable[[Settings], object]) -> None:
    with pytest.raises(RequestError) as caught:
        read(Settings("recall", told))
    assert (caught.value.param, "scorer recall" in str(caught.value)) == ("k", True)
