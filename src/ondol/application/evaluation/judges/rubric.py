"""`judge.rubric`: one answer, one criterion, one to five points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ondol.application.evaluation.judges.asking import Judge, Judged, Question, Unjudged, language_of, owner_of, repeat_of
from ondol.application.evaluation.judges.data import Part
from ondol.application.evaluation.judges.reply import reason_in, whole_points
from ondol.application.evaluation.judges.settings import criterion_of, judge_of
from ondol.application.evaluation.judges.words import RUBRIC, TITLES, Language, by_language
from ondol.application.evaluation.scorers.base import Tools
from ondol.application.evaluation.scorers.settings import Settings
from ondol.application.evaluation.types import Answer, Better, Case, Score, Unit

POINTS_LEAST, POINTS_MOST = 1, 5
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"reason": {"type": "string"}, "points": {"type": "integer", "minimum": POINTS_LEAST, "maximum": POINTS_MOST}},
    "required": ["reason", "points"],
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True)
class Rated:
    """What a judge gave, and why."""

    points: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rubric:
    """The scorer.

    Attributes:
        criteria: what is asked, in each language.
    """

    name: str
    judge: Judge
    criteria: Mapping[Language, str]
    version: str
    unit: Unit = "points"
    better: Better = "higher"
    is_hard_zero: bool = False

    async def score(self, case: Case, answer: Answer) -> Score:
        """Score an answer whose status is `ok`."""
        judged = await rate(self.judge, self.criteria, case, answer)
        if isinstance(judged, Unjudged):
            return judged.score()
        return Score(value=float(judged.verdict.points), reason=judged.verdict.reason, details=judged.told())


def load(name: str, told: Mapping[str, Any], tools: Tools) -> Rubric:
    """Make the scorer of its settings: `model`, `criterion` or a `rubric` of one's own, `seed`, `tokens_max`.

    Raises:
        RequestError: names the field.
    """
    settings = Settings(name, told)
    judge = judge_of(settings, name, tools)
    criteria = criterion_of(settings)
    settings.close()
    return Rubric(name=name, judge=judge, criteria=criteria, version=judge.version("judge.rubric", by_language(criteria)))


async def rate(judge: Judge, criteria: Mapping[Language, str], case: Case, answer: Answer) -> Judged[Rated] | Unjudged:
    """Have an answer rated by one judge."""
    language = language_of(case)
    question = Question(
        language=language,
        task=RUBRIC[language].format(criterion=criteria[language]),
        parts=(*conversation(case, language), Part(TITLES[language]["answer"], answer.text)),
        schema=SCHEMA,
        read=_read,
    )
    return await judge.judge(question, repeat=repeat_of(answer), owner=owner_of(answer))


def conversation(case: Case, language: Language) -> tuple[Part, ...]:
    """The earlier turns of a case and its question, as parts of what is judged."""
    titles = TITLES[language]
    earlier = (Part(f"{titles['earlier']} ({turn.role})", turn.text) for turn in case.turns[:-1] if turn.text)
    return (*earlier, Part(titles["question"], case.question))


def _read(told: Mapping[str, Any]) -> Rated:
    return Rated(whole_points(told, "points", POINTS_LEAST, POINTS_MOST), reason_in(told))
