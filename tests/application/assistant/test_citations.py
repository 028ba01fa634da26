from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.application.assistant.citations import CitationGate

TEXT = "Hello intro:\n1. A is 5 [1].\n2. B [2][9]!\n\nUncited paragraph.\n\nRun this [2]:\n\n```\nx[1]\n\ny\n```\n\nDone."
SHOWN = "Hello intro:\n1. A is 5 [1].\n2. B [2]!\n\n\n\nRun this [2]:\n\n```\nx[1]\n\ny\n```\n\n"


def through(gate: CitationGate, pieces: list[str]) -> str:
    shown = [piece for text in pieces for piece in gate.push(text)]
    return "".join([*shown, *gate.finish()])


def cut(text: str, places: list[int]) -> list[str]:
    bounds = [0, *sorted({place % (len(text) + 1) for place in places}), len(text)]
    return [text[start:end] for start, end in pairwise(bounds)]


@given(st.lists(st.integers(0, 10_000), max_size=30))
def test_every_cutting_of_a_text_shows_the_same(places: list[int]) -> None:
    gate = CitationGate(2)
    assert through(gate, cut(TEXT, places)) == SHOWN
    assert gate.cited == [1, 2]


@given(st.text(alphabet="ab[]0123 .\n`~", max_size=120), st.lists(st.integers(0, 1000), max_size=10), st.integers(0, 3))
def test_whatever_a_model_writes_no_mark_points_at_nothing(text: str, places: list[int], count: int) -> None:
    import re

    gate = CitationGate(count)
    shown = through(gate, cut(text, places))
    outside_code = re.sub(r"(?ms)^[ \t]*(```|~~~).*?(^[ \t]*(```|~~~)|\Z)", "", shown)
    assert all(1 <= int(number) <= count for number in re.findall(r"\[(\d{1,3})\]", outside_code))
    if not gate.cited:
        assert shown.strip() == ""


def test_uncited_words_are_counted() -> None:
    gate = CitationGate(1)
    assert through(gate, ["No source here."]) == ""
    assert gate.withheld_characters == len("No source here.")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Uncited.\n\n[1]", "[1]"),
        ("Uncited.\r\n\r\nCited [1].", "Cited [1]."),
        ("Do so [1].\n```\nx\n```", "Do so [1].\n```\nx\n```"),
        ("Do so [1]:\n```\nx\n```\nAnd then lie.", "Do so [1]:\n```\nx\n```"),
        ("So [1].\n\n```\nx\n```\nLies.\n```\ny\n```", "So [1].\n\n```\nx\n```"),
        ("```\nx\n```", ""),
    ],
)
@given(places=st.lists(st.integers(0, 1000), max_size=10))
def test_only_what_is_cited_is_shown(text: str, shown: str, places: list[int]) -> None:
    assert through(CitationGate(1), cut(text, places)).strip() == shown
