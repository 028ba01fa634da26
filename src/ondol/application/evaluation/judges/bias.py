"""What a judge prefers besides the better answer: a place, length, itself. Each is told as a shift of how often it picks something, from -0.5 to 0.5.

| bias | figure |
|---|---|
| position | how often the text in the first place is picked, every pair asked in both orders, less 0.5 |
| length | how often the longer text is picked, less 0.5, the mean of pairs whose better text is the longer one and of those where it is the shorter |
| itself | how often its own text is picked, less how often people pick it; where nobody said, and both texts say the same in other words, less 0.5 |

A judge that looks at nothing else than the place, or the length, has 0.5 there. Taking the mean of both kinds of pairs keeps quality out of it:
that better answers are often longer is no bias. A tie is half a pick. Intervals are clustered by pair.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ondol.application.evaluation.judges.asking import Judge, Unjudged
from ondol.application.evaluation.judges.pairs import Pair
from ondol.application.evaluation.judges.pairwise import Choice, Compared, compare
from ondol.application.evaluation.judges.words import BETTER_ANSWER, by_language
from ondol.application.evaluation.scorers.base import Asked, AskModel
from ondol.application.evaluation.statistics.clusters import Floats
from ondol.application.evaluation.statistics.intervals import Interval, bootstrap_statistic, mean_interval
from ondol.application.evaluation.types import Case, Status, Turn

CONCURRENCY_MAX = 64
PAIRS_LEAST = 10
"""With fewer pairs of a kind its bias is not told."""

_FIRST: Mapping[Choice, float] = {"first": 1.0, "second": 0.0, "tie": 0.5}


@dataclass(frozen=True, slots=True)
class Picked:
    """What a judge picked of a pair.

    Attributes:
        first_place: the mean of both orders: 1 where the text in the first place was picked.
        first_text: the same of the pair's first text.
    """

    pair: Pair
    first_place: float
    first_text: float
    is_consistent: bool
    is_tie: bool


@dataclass(frozen=True, slots=True)
class Shift:
    """How much more often than it should something is picked, with its interval, and the pairs that tell it."""

    value: float
    low: float
    high: float
    pairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BiasReport:
    """What was found of a judge.

    Attributes:
        failures: pairs without a verdict, by why.
        consistent: share of pairs in which both orders agree.
        ties: share of pairs in which it found no difference in either order.
        agreement: with people, disagreement of orders counted as a tie and a tie as half; None where nobody labelled.
        position, length, itself: None where too few pairs tell.
    """

    model: str
    version: str
    pairs: int
    failures: Mapping[Status, int]
    consistent: Interval | None
    ties: Interval | None
    agreement: Interval | None
    position: Shift | None
    length: Shift | None
    itself: Shift | None


async def measure_bias(
    judge: Judge,
    pairs: Sequence[Pair],
    *,
    concurrency: int = 8,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> BiasReport:
    """Ask a judge about pairs in both orders, and tell what it prefers."""
    room = asyncio.Semaphore(min(CONCURRENCY_MAX, max(1, concurrency)))
    done = 0

    async def asked(pair: Pair) -> Compared | Unjudged:
        nonlocal done
        async with room:
            case = Case(id=pair.id, turns=(Turn("user", pair.question),), slices={"language": pair.language})
            compared = await compare(judge, BETTER_ANSWER, case, pair.texts)
        done += 1
        progress(done, len(pairs))
        return compared

    verdicts = await asyncio.gather(*map(asked, pairs))
    picked = [_picked(pair, told) for pair, told in zip(pairs, verdicts, strict=True) if isinstance(told, Compared)]
    failures: Counter[Status] = Counter(told.status for told in verdicts if isinstance(told, Unjudged))
    version = judge.version("judge.pairwise", by_language(BETTER_ANSWER))
    return tell_bias(picked, judge.model, version=version, failures=failures, seed=seed)


def tell_bias(picked: Sequence[Picked], model: str, *, version: str, failures: Mapping[Status, int], seed: int = 0) -> BiasReport:
    """The report of what was picked.

    Args:
        model: the judge's name, as authors of pairs are named.
    """
    labelled = [item for item in picked if item.pair.preferred is not None]
    own = [item for item in picked if (item.pair.authors[0] == model) != (item.pair.authors[1] == model)]
    return BiasReport(
        model=model,
        version=version,
        pairs=len(picked),
        failures=dict(failures),
        consistent=_share([float(item.is_consistent) for item in picked], seed),
        ties=_share([float(item.is_tie) for item in picked], seed),
        agreement=_share([_agreed(item) for item in labelled], seed),
        position=_shift([item.first_place - 0.5 for item in picked], seed),
        length=_length(labelled, seed),
        itself=_shift([_own_pick(item, model) for item in own], seed),
    )


async def in_own_words(ask: AskModel, models: tuple[str, str], pairs: Sequence[Pair], *, concurrency: int = 8) -> list[Pair]:
    """Pairs of one text that two models have each said in their own words: what a judge prefers among these is a manner, not a content.

    The text is the one that people prefer, or the first. A pair of which either model said nothing is left out.
    """
    room = asyncio.Semaphore(min(CONCURRENCY_MAX, max(1, concurrency)))

    async def said(model: str, pair: Pair) -> str:
        async with room:
            answer = await ask(model, Asked((Turn("system", _REPHRASE[pair.language]), Turn("user", pair.texts[pair.preferred or 0]))))
        return answer.text.strip() if answer.status == "ok" else ""

    async def both(pair: Pair) -> Pair | None:
        first, second = await asyncio.gather(*(said(model, pair) for model in models))
        if not first or not second:
            return None
        return Pair(id=f"{pair.id}*", question=pair.question, texts=(first, second), authors=models, language=pair.language)

    return [pair for pair in await asyncio.gather(*map(both, pairs)) if pair is not None]


_REPHRASE = {
    "en": "Say the following text in your own words. Leave nothing out, add nothing, and keep about its length. Write the text alone.",
    "ko": "다음 글을 당신의 표현으로 다시 쓰십시오. 빼거나 보태지 말고 길이도 비슷하게 하십시오. 글만 쓰십시오.",
}


def _picked(pair: Pair, told: Compared) -> Picked:
    forwards, backwards = _FIRST[told.forwards.verdict.choice], _FIRST[told.backwards.verdict.choice]
    return Picked(
        pair=pair,
        first_place=(forwards + backwards) / 2,
        first_text=(forwards + 1 - backwards) / 2,
        is_consistent=told.is_consistent,
        is_tie=told.is_consistent and told.choice == "tie",
    )


def _agreed(item: Picked) -> float:
    """1 where both orders pick what people prefer, 0 where both pick the other, else 0.5."""
    decided = item.first_text if item.is_consistent else 0.5
    return decided if item.pair.preferred == 0 else 1 - decided


def _own_pick(item: Picked, model: str) -> float:
    is_first = item.pair.authors[0] == model
    picked = item.first_text if is_first else 1 - item.first_text
    if item.pair.preferred is None:
        return picked - 0.5
    return picked - float((item.pair.preferred == 0) == is_first)


def _length(labelled: Sequence[Picked], seed: int) -> Shift | None:
    apart = [item for item in labelled if len(item.pair.texts[0]) != len(item.pair.texts[1])]
    first_longer = np.array([len(item.pair.texts[0]) > len(item.pair.texts[1]) for item in apart], dtype=bool)
    picks = np.array([item.first_text for item in apart])
    longer = np.where(first_longer, picks, 1 - picks)
    better = np.array([(item.pair.preferred == 0) == first for item, first in zip(apart, first_longer, strict=True)], dtype=bool)
    if min(int(better.sum()), int((~better).sum())) < PAIRS_LEAST:
        return None

    def shift(often: Floats) -> float:
        with np.errstate(invalid="ignore"):
            means = [(longer * often)[kind].sum() / often[kind].sum() for kind in (better, ~better)]
        return float(sum(means)) / 2 - 0.5

    low, high = bootstrap_statistic([item.pair.id for item in apart], shift, seed=seed)
    return Shift(shift(np.ones(len(apart))), low, high, len(apart))


def _shift(values: Sequence[float], seed: int) -> Shift | None:
    if len(values) < PAIRS_LEAST:
        return None
    told = mean_interval(values, seed=seed, bounds=(-1.0, 1.0))
    return Shift(told.value, told.low, told.high, len(values))


def _share(values: Sequence[float], seed: int) -> Interval | None:
    return mean_interval(values, seed=seed, bounds=(0.0, 1.0)) if values else None
