"""Whether a sentence is borne out by the passages that it cites.

What must stand there as it is: amounts with their units, dates, times, identifiers. What must not be turned round: a denial, one side of a pair of
opposites. What must be covered: the words of the sentence, Korean ones by morphemes, with the synonyms that search knows. No model is asked, so the
same sentence and the same passages give the same verdict at any time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ondol.application.assistant.verify.amounts import Amount
from ondol.application.assistant.verify.claims import Claim, Clause, Passage, read_claim, synonyms_of
from ondol.application.knowledge.index import ANALYSER_ID

Verdict: TypeAlias = Literal["supported", "partial", "unsupported"]
Kind: TypeAlias = Literal["amount", "date", "time", "identifier", "name", "denial", "opposite", "words", "no_source"]

COVERED_MIN = 0.8
"""Share of a sentence's words that must stand in what it cites; with less it is partly supported at most."""
PARTLY_MIN = 0.45
"""With less it is unsupported."""
SENTENCES_MAX = 3
"""Sentences of the passages that one sentence may rest on."""
ALIKE_MIN = 0.5
"""Share of a clause's words that another clause must hold to speak of the same thing."""


VERIFIER_RULES = 2
"""Raised by hand whenever the same sentence and passages may get another verdict."""


def _verifier_id() -> str:
    parts = (
        f"rules={VERIFIER_RULES}",
        f"covered={COVERED_MIN}",
        f"partly={PARTLY_MIN}",
        f"alike={ALIKE_MIN}",
        f"sentences={SENTENCES_MAX}",
        ANALYSER_ID,
    )
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=16, person=b"ondol-verifier").hexdigest()


VERIFIER_ID = _verifier_id()
"""Names the rules that gave a verdict; it changes with them and with the analyser."""


@dataclass(frozen=True, slots=True)
class Reason:
    """What a sentence says that its passages do not."""

    kind: Kind
    said: str


@dataclass(frozen=True, slots=True)
class Span:
    """Where a sentence's support stands.

    Attributes:
        source: index into the passages that were given.
        start, end: half-open, in characters of that passage's text.
    """

    source: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Verified:
    """The verdict on one sentence.

    Attributes:
        coverage: share of its words that its passages hold, 0 to 1.
        reasons: why it is not supported; empty when it is.
        spans: the sentences it rests on, the one that holds most first.
    """

    verdict: Verdict
    coverage: float
    reasons: tuple[Reason, ...] = ()
    spans: tuple[Span, ...] = ()


def verify_sentence(sentence: str, cited: Sequence[Passage]) -> Verified:
    """Check one sentence against the passages that it cites.

    Args:
        sentence: as it is shown; marks such as ``[1]`` are passed over.
        cited: the passages; without any, nothing is supported.
    """
    if not cited:
        return Verified("unsupported", 0.0, (Reason("no_source", ""),))
    claim = read_claim(sentence)
    if claim.is_empty:
        return Verified("supported", 1.0)
    support, coverage, missing = _support(claim, cited)
    hard = [*_missing_figures(claim, cited), *_turned_round(claim, support)]
    soft = [Reason("name", name) for name in claim.names() if not _is_named(name, cited)]
    soft += _figures_elsewhere(claim, support, cited)
    spans = tuple(Span(source, found.start, found.end) for source, found in support)
    if hard or coverage < PARTLY_MIN:
        words = [Reason("words", " ".join(missing))] if coverage < PARTLY_MIN else []
        return Verified("unsupported", coverage, (*hard, *soft, *words), spans)
    if soft or coverage < COVERED_MIN:
        words = [Reason("words", " ".join(missing))] if coverage < COVERED_MIN else []
        return Verified("partial", coverage, (*soft, *words), spans)
    return Verified("supported", coverage, (), spans)


def _support(claim: Claim, cited: Sequence[Passage]) -> tuple[list[tuple[int, Claim]], float, list[str]]:
    """The sentences that hold most of a claim's words, the share that they and the headings hold, and what is missing."""
    wanted = set(claim.terms)
    around: set[str] = set().union(*(one.around for one in cited))
    left = {term for term in wanted if not _holds(around, term)}
    if not left and not claim.amounts:
        left = set(wanted)
    sentences = [(source, found) for source, one in enumerate(cited) for found in one.sentences]
    support: list[tuple[int, Claim]] = []
    while sentences and len(support) < SENTENCES_MAX:
        best = max(sentences, key=lambda item: (_gain(left, claim, item[1]), -len(item[1].terms)))
        if _gain(left, claim, best[1]) == 0:
            break
        support.append(best)
        sentences.remove(best)
        left = {term for term in left if not _holds(best[1].terms, term)}
    missing = sorted(term for term in left if not _holds(around, term))
    return support, 1.0 - len(missing) / len(wanted) if wanted else 1.0, missing


def _gain(left: set[str], claim: Claim, found: Claim) -> float:
    """How much a sentence adds: words, and half as much for each amount or date it shares, if it speaks of any of this at all."""
    if claim.terms and not any(_holds(found.terms, term) for term in claim.terms):
        return 0.0
    words = sum(_holds(found.terms, term) for term in left)
    amounts = sum(any(amount.is_same(other) for other in found.amounts) for amount in claim.amounts)
    dates = sum(any(date.is_same(other) for other in found.dates) for date in claim.dates)
    return words + 0.5 * (amounts + dates)


def _holds(terms: frozenset[str] | set[str], term: str) -> bool:
    return term in terms or not terms.isdisjoint(synonyms_of(term))


def _missing_figures(claim: Claim, cited: Sequence[Passage]) -> list[Reason]:
    """What must stand in the passages as it is and does not stand in any of them."""
    every = [found for one in cited for found in one.sentences]
    reasons = [Reason("amount", claim.words_of(amount)) for amount in claim.amounts if not _has_amount(claim, amount, every, cited, nearly=True)]
    reasons += [
        Reason("date", claim.words_of(date)) for date in claim.dates if not any(date.is_same(other) for found in every for other in found.dates)
    ]
    clocks = {minutes for found in every for minutes in found.clocks}
    reasons += [
        Reason("time", f"{minutes // 60}:{minutes % 60:02}") for minutes in sorted(claim.clocks) if not clocks & {minutes, (minutes + 720) % 1440}
    ]
    reasons += [Reason("identifier", name) for name in claim.identifiers() if not any(name in one.plain for one in cited)]
    return reasons


def _figures_elsewhere(claim: Claim, support: Sequence[tuple[int, Claim]], cited: Sequence[Passage]) -> list[Reason]:
    """Amounts that stand in the passages, but not where they speak of this, or with another kind of days."""
    near = [found for _, found in support]
    every = [found for one in cited for found in one.sentences]
    return [
        Reason("amount", claim.words_of(amount))
        for amount in claim.amounts
        if not _has_amount(claim, amount, near, cited) and _has_amount(claim, amount, every, cited, nearly=True)
    ]


def _has_amount(claim: Claim, amount: Amount, sentences: Sequence[Claim], cited: Sequence[Passage], *, nearly: bool = False) -> bool:
    if amount.value == 1 and not amount.unit:
        return True  # `one of`, `한 가지`: no figure
    if any(amount.is_same(other) or (nearly and amount.is_near(other)) for found in sentences for other in found.amounts):
        return True
    said = "".join(claim.words_of(amount).lower().split())
    return amount.unit != "second" and len(said) > 2 and any(said in one.squeezed for one in cited)


def _is_named(name: str, cited: Sequence[Passage]) -> bool:
    return any(name in one.plain or name in one.squeezed for one in cited)


def _turned_round(claim: Claim, support: Sequence[tuple[int, Claim]]) -> list[Reason]:
    """Clauses that deny what the passages say, or say what they deny, or take the other side of a pair of opposites."""
    others = [clause for _, found in support for clause in found.clauses()]
    reasons: list[Reason] = []
    for clause in claim.clauses():
        alike = max(others, key=lambda other: _alikeness(clause, other), default=None)
        if alike is None or _alikeness(clause, alike) < ALIKE_MIN:
            continue
        opposite = sorted(side for side in clause.sides if -side in alike.sides)
        denied = sorted(_denied_here_only(clause, alike) | _denied_here_only(alike, clause))
        if bool(opposite) is not bool(denied):
            kind: Kind = "opposite" if opposite else "denial"
            reasons.append(Reason(kind, " ".join(denied or sorted(clause.terms))))
    return reasons


def _denied_here_only(clause: Clause, other: Clause) -> frozenset[str]:
    """Words that one clause denies and the other says."""
    return frozenset(term for term in clause.denied if _holds(other.terms, term) and not _holds(other.denied, term))


def _alikeness(clause: Clause, other: Clause) -> float:
    return sum(_holds(other.terms, term) for term in clause.terms) / len(clause.terms)
