from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from ondol.application.evaluation.sandbox import walls_here
from ondol.application.evaluation.scorers import LOADERS, Tools
from ondol.application.evaluation.scorers.pass_at_k import pass_at_k, program_of
from ondol.application.evaluation.types import Answer
from ondol.core.errors import RequestError, UserError
from tests.application.evaluation.scorers.asking import score

PROMPT = 'import math\n\ndef area(r):\n    """Of a circle."""\n'
TESTS = "def check(candidate):\n    assert abs(candidate(1) - math.pi) < 1e-9\n"
FACTS = {"prompt": PROMPT, "tests": TESTS, "entry_point": "area"}
RIGHT = "    return math.pi * r * r\n"


@pytest.fixture
def isolated() -> None:
    try:
        walls_here()
    except UserError as error:
        pytest.skip(f"this machine cannot isolate code: {error}")


@pytest.mark.parametrize(("count", "passed", "k"), [(5, 2, 1), (5, 2, 3), (6, 1, 6), (4, 0, 2), (4, 4, 2), (10, 3, 5)])
def test_the_estimate_is_the_share_of_choices_with_one_that_passes(count: int, passed: int, k: int) -> None:
    chosen = list(combinations(range(count), k))
    share = sum(any(one < passed for one in choice) for choice in chosen) / len(chosen)
    assert pass_at_k(count, passed, k) == pytest.approx(share, abs=1e-12)


@pytest.mark.parametrize(
    ("answer", "program"),
    [
        (RIGHT, PROMPT + RIGHT),
        ("def area(r): return 3", f"{PROMPT}\ndef area(r): return 3"),
        ("Here you are:\n```python\ndef area(r): return 3\n```\nGood luck!", f"{PROMPT}\ndef area(r): return 3\n"),
        ("```sh\npip install x\n```\n```\ndef area(r): return 3\n```", f"{PROMPT}\ndef area(r): return 3\n"),
    ],
    ids=["goes on", "whole", "fenced", "two blocks"],
)
def test_the_program_in_an_answer(answer: str, program: str) -> None:
    assert program_of(answer, PROMPT, "area") == program


@pytest.mark.usefixtures("isolated")
@pytest.mark.parametrize(("k", "value"), [(1, 0.5), (2, 5 / 6), (4, 1.0)])
def test_answers_are_run(k: int, value: float) -> None:
    samples = (RIGHT, "    return 3\n", "```python\nimport math\ndef area(r): return math.pi\n```", "    import os; os._exit(0)\n")
    found = score("pass_at_k", Answer(text=samples[0], samples=samples), FACTS, settings={"k": k})
    assert (found.status, found.value and round(found.value, 12)) == ("ok", round(value, 12)), found.reason
    assert (found.details["answers"], found.details["passed"], len(found.details["failures"])) == (4, 2, 2)


@pytest.mark.usefixtures("isolated")
def test_what_cannot_be_scored_is_told() -> None:
    assert score("pass_at_k", RIGHT, {}).status == "skipped"
    assert score("pass_at_k", RIGHT, FACTS, settings={"k": 2}).status == "scorer_error"
    assert score("pass_at_k", "", FACTS).value == 0.0
    assert score("pass_at_k", "def f(x): return x", {"tests": ["assert f(1) == 1", "assert f(2) == 2"]}).value == 1.0


@pytest.mark.parametrize("told", [{"k": 0}, {"seconds": 0}, {"memory_mb": 1}, {"language": "c"}], ids=lambda told: next(iter(told)))
def test_wrong_settings_are_told_by_their_field(told: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as caught:
        LOADERS["pass_at_k"]("code", told, Tools())
    assert caught.value.param == next(iter(told))
