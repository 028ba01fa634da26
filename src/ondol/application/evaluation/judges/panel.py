"""`judge.panel`: several models rate by the same rubric; the median or the most common points count, and how far they lie apart is told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal, TypeAlias, cast, get_args

from ondol.application.evaluation.judges.asking import Judge, Judged, Unjudged, told_kept
from ondol.application.evaluation.judges.rubric import rate
from ondol.application.evaluation.judges.settings import criterion_of, judges_of
from ondol.application.evaluation.judges.words import RUBRIC, Language, by_language
from ondol.application.evaluation.scorers.base import Tools
from ondol.application.evaluation.scorers.settings import Settings
from ondol.application.evaluation.types import Answer, Better, Case, Score, Unit
from ondol.core.canonical import Json

JUDGES_MAX = 9
By: TypeAlias = Literal["median", "majority"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """The scorer. It has a value where more than half of its judges have one: a panel of three that lost two is one judge.

    Attributes:
        by: `median`, or `majority`: the points that most judges gave, and the median where several are as common.
    """

    name: str
    judges: tuple[Judge, ...]
    criteria: Mapping[Language, str]
    by: By
    version: str
    unit: Unit = "points"
    better: Better = "higher"
    is_hard_zero: bool = False

    async def score(self, case: Case, answer: Answer) -> Score:
        """Score an answer whose status is `ok`."""
        verdicts = await asyncio.gather(*(rate(judge, self.criteria, case, answer) for judge in self.judges))
        points: dict[str, int] = {}
        failed: dict[str, str] = {}
        for judge, judged in zip(self.judges, verdicts, strict=True):
            if isinstance(judged, Judged):
                points[judge.model] = judged.verdict.points
            else:
                failed[judge.model] = judged.status
        cost = {"asks": sum(judged.asks for judged in verdicts), "cost_nano": sum(judged.cost_nano for judged in verdicts)}
        told = {"points": points, "failed": failed, **cost, "currency": verdicts[0].currency, **told_kept(*verdicts)}
        if 2 * len(points) <= len(self.judges):
            first = next(judged for judged in verdicts if isinstance(judged, Unjudged))
            reason = f"Of {len(self.judges)} judges {len(failed)} gave no verdict. {first.reason}"
            return Score(value=None, status=first.status, reason=reason, details=told)
        given = sorted(points.values())
        reasons = "; ".join(f"{model}: {count}" for model, count in points.items())
        return Score(
            value=_together(given, self.by), reason=reasons, details={**told, "apart": given[-1] - given[0], "unanimous": len(set(given)) == 1}
        )


def load(name: str, told: Mapping[str, Any], tools: Tools) -> Panel:
    """Make the scorer of its settings: `models`, `by`, `criterion` or a `rubric` of one's own, `seed`, `tokens_max`.

    Raises:
        RequestError: names the field.
    """
    settings = Settings(name, told)
    judges = judges_of(settings, name, tools, most=JUDGES_MAX)
    criteria = criterion_of(settings)
    by = cast("By", settings.choice("by", "median", get_args(By)))
    settings.close()
    texts: Json = {"criteria": by_language(criteria), "task": by_language(RUBRIC), "by": by, "models": sorted(judge.model for judge in judges)}
    return Panel(name=name, judges=judges, criteria=criteria, by=by, version=judges[0].version("judge.panel", texts))


def _together(points: Sequence[int], by: By) -> float:
    if by == "majority":
        (most, times), *others = Counter(points).most_common()
        if not others or others[0][1] < times:
            return float(most)
    return float(median(points))
