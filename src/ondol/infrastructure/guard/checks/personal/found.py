"""What a rule of personal data found, before it is a finding, and how sure each kind of evidence makes it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

CHECKSUM_AND_CONTEXT: Final = 0.99
"""The check digit fits and a word beside it says what it is."""

CHECKSUM: Final = 0.95
"""The check digit fits, or the form has no room for anything else (an e-mail address)."""

FORMAT_AND_CONTEXT: Final = 0.85
"""The form fits and a word says what it is; the check digit does not fit, or there is none. Never left out: typing errors and resident
numbers given since October 2020 look like this."""

DISTINCT_FORMAT: Final = 0.75
"""No word, no check digit, but a form that few other things have (900101-1234567, 12가3456, 010-1234-5678)."""

LIKELY_FORMAT: Final = 0.6
"""No word, and a form that other things have too (214-86-33729)."""

WEAK_FORMAT: Final = 0.4
"""No word, no check digit, a form that many numbers have by chance (13 digits that begin like a date).
A policy that asks for 0.5 leaves these out."""

ACTED_ON_MIN: Final = 0.5
"""What a policy should act on unless it says otherwise, and what the published figures count."""

OVERLAP_ROUNDS: Final = 3
"""Rounds of choosing between overlapping candidates; what is still open then is dropped. It bounds how far a choice depends on its neighbours."""


@dataclass(frozen=True, slots=True)
class Found:
    """A candidate: a span of the view, half-open, in characters."""

    entity: str
    start: int
    end: int
    confidence: float
    reason: str


def graded(entity: str, start: int, end: int, *, checksum: bool, context: bool, alone: float) -> Found | None:
    """A candidate whose form fits, graded by its evidence; `alone` is its confidence without any, 0 for nothing at all."""
    if checksum:
        reason = "checksum+context" if context else "checksum"
        return Found(entity, start, end, CHECKSUM_AND_CONTEXT if context else CHECKSUM, reason)
    if context:
        return Found(entity, start, end, FORMAT_AND_CONTEXT, "format+context")
    return Found(entity, start, end, alone, "format") if alone else None


def best_of(candidates: Iterable[Found]) -> list[Found]:
    """Of candidates that overlap, those that no surer one (then longer, then earlier) overlaps; by where they begin.

    A number inside an address of a page stays beside it only when its check digit fits. Linear in the number of candidates as long as each
    overlaps few, which their bounded length sees to.
    """
    ranked = sorted(set(candidates), key=lambda found: (found.start, -found.end))
    kept = [found for found in ranked if _contains(found)]
    outside = [found for found in ranked if not _contains(found) and not _covered(found, kept)]
    for _round in range(OVERLAP_ROUNDS):
        if not outside:
            break
        winners = _winners(outside)
        kept += winners
        outside = _apart(outside, winners)
    kept.sort(key=lambda found: (found.start, found.end, found.entity))
    return kept


def _rank(found: Found) -> tuple[float, int, int, str]:
    return (found.confidence, found.end - found.start, -found.start, found.entity)


def _winners(ranked: list[Found]) -> list[Found]:
    """Those that beat all that they overlap."""
    beaten = [False] * len(ranked)
    for place, found in enumerate(ranked):
        for other in range(place + 1, len(ranked)):
            if ranked[other].start >= found.end:
                break
            beaten[place if _rank(found) < _rank(ranked[other]) else other] = True
    return [found for place, found in enumerate(ranked) if not beaten[place]]


def _apart(ranked: list[Found], winners: list[Found]) -> list[Found]:
    """Those that overlap no winner; winners do not overlap each other."""
    left: list[Found] = []
    place = 0
    for found in ranked:
        while place < len(winners) and winners[place].end <= found.start:
            place += 1
        if place == len(winners) or winners[place].start >= found.end:
            left.append(found)
    return left


def _contains(found: Found) -> bool:
    return found.entity == "URL" and found.confidence >= CHECKSUM


def _covered(found: Found, containers: list[Found]) -> bool:
    return found.confidence < CHECKSUM and any(outer.start <= found.start < outer.end for outer in containers)
