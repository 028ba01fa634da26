"""`judge.pairwise`: an answer beside another one, asked in both orders; what the orders do not agree on is a tie.

Judges prefer a place: asked in one order only, many pick the first text in most pairs whatever it says (arXiv 2306.05685, 2406.07791). So each pair
is asked twice with the texts exchanged, and whether both verdicts agree is told as `consistent` in the details of each score.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from ondol.application.evaluation.judges.asking import NOBODY, Judge, Judged, Question, Unjudged, language_of, owner_of, repeat_of, told_kept
from ondol.application.evaluation.judges.data import Part
from ondol.application.evaluation.judges.reply import one_of, reason_in
from ondol.application.evaluation.judges.rubric import conversation
from ondol.application.evaluation.judges.settings import criterion_of, judge_of
from ondol.application.evaluation.judges.words import PAIRWISE, TITLES, Language, by_language
from ondol.application.evaluation.scorers.base import Owner, Tools, skipped
from ondol.application.evaluation.scorers.settings import Settings
from ondol.application.evaluation.types import Answer, Better, Case, Score, Unit
from ondol.core.canonical import Json

Choice: TypeAlias = Literal["first", "second", "tie"]

SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {"reason": {"type": "string"}, "better": {"type": "string", "enum": ["1", "2", "tie"]}},
    "required": ["reason", "better"],
    "additionalProperties": False,
}
_WORDS: Mapping[str, Choice] = {"1": "first", "2": "second", "tie": "tie"}
_SWAPPED: Mapping[Choice, Choice] = {"first": "second", "second": "first", "tie": "tie"}
_VALUES: Mapping[Choice, float] = {"first": 1.0, "second": 0.0, "tie": 0.5}


@dataclass(frozen=True, slots=True)
class Preferred:
    """Which of two texts a judge prefers by its place, and why."""

    choice: Choice
    reason: str


@dataclass(frozen=True, slots=True)
class Compared:
    """What a judge said in both orders.

    Attributes:
        forwards: with the texts as they were given; the choice is of a place.
        backwards: with the texts exchanged; the choice is of a place too.
    """

    forwards: Judged[Preferred]
    backwards: Judged[Preferred]

    @property
    def is_consistent(self) -> bool:
        """Whether both orders prefer the same text, or neither."""
        return self.forwards.verdict.choice == _SWAPPED[self.backwards.verdict.choice]

    @property
    def choice(self) -> Choice:
        """Which text is preferred, as they were given; a tie where the orders do not agree."""
        return self.forwards.verdict.choice if self.is_consistent else "tie"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairwise:
    """The scorer. Its value is 1 where the answer is preferred, 0 where the other one is, and 0.5 for a tie.

    Attributes:
        against: the case's fact that holds the other answer.
    """

    name: str
    judge: Judge
    criteria: Mapping[Language, str]
    against: str
    version: str
    unit: Unit = "share"
    better: Better = "higher"
    is_hard_zero: bool = False

    async def score(self, case: Case, answer: Answer) -> Score:
        """Score an answer whose status is `ok`."""
        other = case.facts.get(self.against)
        if not isinstance(other, str) or not other.strip():
            return skipped(f"The case has no `{self.against}` to compare with.")
        compared = await compare(self.judge, self.criteria, case, (answer.text, other), repeat=repeat_of(answer), owner=owner_of(answer))
        if isinstance(compared, Unjudged):
            return compared.score()
        forwards, backwards = compared.forwards, compared.backwards
        told = {
            "consistent": compared.is_consistent,
            "forwards": forwards.verdict.choice,
            "backwards": backwards.verdict.choice,
            "asks": forwards.asks + backwards.asks,
            "repaired": forwards.is_repaired or backwards.is_repaired,
            "cost_nano": forwards.cost_nano + backwards.cost_nano,
            "currency": forwards.currency,
            **told_kept(forwards, backwards),
        }
        return Score(value=_VALUES[compared.choice], reason=forwards.verdict.reason, details=told)


def load(name: str, told: Mapping[str, Any], tools: Tools) -> Pairwise:
    """Make the scorer of its settings: `model`, `criterion` or a `rubric` of one's own, `against`, `seed`, `tokens_max`.

    Raises:
        RequestError: names the field.
    """
    settings = Settings(name, told)
    judge = judge_of(settings, name, tools)
    criteria = criterion_of(settings)
    against = settings.text("against", "baseline")
    settings.close()
    texts: Json = {"criteria": by_language(criteria), "task": by_language(PAIRWISE), "against": against}
    return Pairwise(name=name, judge=judge, criteria=criteria, against=against, version=judge.version("judge.pairwise", texts))


async def compare(
    judge: Judge, criteria: Mapping[Language, str], case: Case, texts: tuple[str, str], *, repeat: int = 0, owner: Owner = NOBODY
) -> Compared | Unjudged:
    """Have two texts compared in both orders."""
    first, second = texts
    forwards, backwards = await asyncio.gather(
        *(judge.judge(_question(criteria, case, *pair), repeat=repeat, owner=owner) for pair in ((first, second), (second, first)))
    )
    if isinstance(forwards, Unjudged):
        return forwards
    return backwards if isinstance(backwards, Unjudged) else Compared(forwards, backwards)


def _question(criteria: Mapping[Language, str], case: Case, first: str, second: str) -> Question[Preferred]:
    language = language_of(case)
    titles = TITLES[language]
    return Question(
        language=language,
        task=PAIRWISE[language].format(criterion=criteria[language]),
        parts=(*conversation(case, language), Part(titles["first"], first), Part(titles["second"], second)),
        schema=SCHEMA,
        read=_read,
    )


def _read(told: Mapping[str, Any]) -> Preferred:
    number = {**told, "better": str(told["better"])} if type(told.get("better")) is int else told
    return Preferred(one_of(number, "better", _WORDS), reason_in(told))
