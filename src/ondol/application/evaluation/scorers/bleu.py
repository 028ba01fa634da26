"""`bleu`: shared n-grams with a brevity penalty (Papineni et al. 2002), equal to sacrebleu (Post 2018), for one answer and for all of them."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ondol.application.evaluation.scorers.base import Rule, Scorer, Tools, skipped
from ondol.application.evaluation.scorers.reference import NOTHING_EXPECTED, too_long
from ondol.application.evaluation.scorers.settings import Settings
from ondol.application.evaluation.types import Answer, Case, Score
from ondol.application.knowledge.index.analyser import ANALYSER_ID, surfaces_of
from ondol.core.language import detect_language

ORDER = 4
"""The longest n-gram."""

_ENTITIES = (("<skipped>", ""), ("-\n", ""), ("\n", " "), ("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
_CUTS = (
    (re.compile(r"([{-~\[-` -&(-+:-@/])"), r" \1 "),
    (re.compile(r"([^0-9])([.,])"), r"\1 \2 "),
    (re.compile(r"([.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)


def load_bleu(name: str, settings: Mapping[str, Any], _tools: Tools) -> Scorer:
    """BLEU of one answer against all its expected ones, 0 to 1.

    Orders that the answer is too short for are left out; one without a match counts as half a match, the next such one as a quarter, and so on (`exp`
    smoothing). `corpus_bleu` makes one figure of many answers from `statistics` in the details.

    Settings: `by` (`auto`: `morphemes` for Korean, `13a` else; or `13a`, mteval's words, `morphemes`, as MeCab cuts them, `characters`).
    """
    told = Settings(name, settings)
    by = told.choice("by", "auto", ("auto", "13a", "morphemes", "characters"))
    told.close()

    def of(case: Case, answer: Answer) -> Score:
        if not case.expected:
            return skipped(NOTHING_EXPECTED)
        if refused := too_long(answer):
            return refused
        cut = _cut_by(by, case)
        statistics = counted(cut(answer.text.rstrip()), [cut(expected.rstrip()) for expected in case.expected])
        return Score(value=bleu_of(statistics, is_sentence=True) / 100, details={"statistics": statistics})

    return Rule(name=name, of=of, version=f"1+{ANALYSER_ID}" if by in ("auto", "morphemes") else "1")


def corpus_bleu(scores: Iterable[Score]) -> float:
    """BLEU of many answers together, 0 to 1, of the scores that `bleu` gave to each; those without a value are left out."""
    totals = [sum(column) for column in zip(*(score.details["statistics"] for score in scores if score.value is not None), strict=True)]
    return bleu_of(totals, is_sentence=False) / 100 if totals else 0.0


def counted(answer: Sequence[str], expected: Sequence[Sequence[str]]) -> list[int]:
    """The answer's length, that of the nearest expected text (the shorter on a tie), then shared n-grams of each order, then the answer's own."""
    nearest = min((abs(len(answer) - len(text)), len(text)) for text in expected)[1]
    shared, own = [], []
    for order in range(1, ORDER + 1):
        mine = _grams(answer, order)
        theirs: Counter[tuple[str, ...]] = Counter()
        for text in expected:
            theirs |= _grams(text, order)
        shared.append((mine & theirs).total())
        own.append(mine.total())
    return [len(answer), nearest, *shared, *own]


def bleu_of(statistics: Sequence[int], *, is_sentence: bool) -> float:
    """BLEU of what `counted` gave, or of sums of it, 0 to 100 as sacrebleu has it.

    Args:
        is_sentence: whether orders that are too long for the text are left out of the mean.
    """
    length, nearest, shared, own = statistics[0], statistics[1], statistics[2 : 2 + ORDER], statistics[2 + ORDER :]
    if not any(shared):
        return 0.0
    penalty = 1.0 if length >= nearest else math.exp(1 - nearest / length)
    precisions = [0.0] * ORDER
    smoothing, orders = 1.0, ORDER
    for order in range(ORDER):
        if own[order] == 0:
            break
        if is_sentence:
            orders = order + 1
        if shared[order] == 0:
            smoothing *= 2
            precisions[order] = 100.0 / (smoothing * own[order])
        else:
            precisions[order] = 100.0 * shared[order] / own[order]
    if 0.0 in precisions[:orders]:
        return 0.0
    return penalty * math.exp(sum(math.log(precision) for precision in precisions[:orders]) / orders)


def words_13a(text: str) -> list[str]:
    """Words as mteval-v13a cuts them, the rule of WMT: punctuation apart, but not inside numbers."""
    for sign, instead in _ENTITIES:
        text = text.replace(sign, instead)
    text = f" {text} "
    for place, instead in _CUTS:
        text = place.sub(instead, text)
    return text.split()


def _cut_by(by: str, case: Case) -> Callable[[str], list[str]]:
    if by == "auto":
        by = "morphemes" if (case.language or detect_language(case.expected[0])) == "ko" else "13a"
    return {"13a": words_13a, "morphemes": surfaces_of, "characters": lambda text: list("".join(text.split()))}[by]


def _grams(tokens: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(tokens[start:] for start in range(order)), strict=False))
