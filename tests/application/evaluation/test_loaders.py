"""All types of scorers in one place."""

from __future__ import annotations

from ondol.application.evaluation import judges, scorers
from ondol.application.evaluation.loaders import LOADERS


def test_every_type_of_scorer_and_judge_is_there_once() -> None:
    assert set(LOADERS) == {*scorers.LOADERS, *judges.LOADERS, "red_team"}
    assert not set(scorers.LOADERS) & set(judges.LOADERS)
    assert list(judges.LOADERS) == sorted(judges.LOADERS)
    assert all(name.startswith("judge.") for name in judges.LOADERS)
