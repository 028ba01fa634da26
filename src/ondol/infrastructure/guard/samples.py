"""Masked texts: what of a text may be kept after what is private in it was taken out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ondol.infrastructure.guard.actions import Edit, Marks, apply_edits, mark_spans
from ondol.infrastructure.guard.engine import Decided, StageGuard, edits_of
from ondol.infrastructure.guard.policy import ACTIONS, Action
from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.types import Finding

OPEN_CHECKS = frozenset(
    {"injection", "abuse", "topics", "active", "shape", "prompt_leak", "overlap", "links", "code", "citations", "schema", "tools", "refuse"}
)
"""Checks whose findings hold nothing private, so that a dry run can look for them again in the masked text. What every other check finds is taken
out of whatever is kept, and its findings are kept instead.
"""
SAMPLE_CHARACTERS_MAX = 20_000
FINDINGS_KEPT_MAX = 200
MASKED_MORE_CHARACTERS = 4_000
"""How much longer marks may make a piece of `masked_text` before its end would be cut."""
NAMES = frozenset({"PERSON", "ADDRESS"})
NAME_CONFIDENCE_MIN = 0.4


@dataclass(frozen=True, slots=True)
class Sample:
    """A masked text with the findings in it, at their places in the masked text."""

    text: str
    decided: tuple[Decided, ...]


def masked_sample(text: str, decided: Sequence[Decided], key: bytes) -> Sample:
    """A text with everything private masked by type, whatever the policy did about it, cut to `SAMPLE_CHARACTERS_MAX`.

    Args:
        text: as it was looked at.
        decided: the findings in it.
        key: the tenant's.
    """
    marks = Marks(key)
    edits: list[Edit] = []
    for item in sorted((item for item in decided if is_private(item.finding)), key=lambda item: (item.finding.start, -item.finding.end)):
        finding = item.finding
        if edits and finding.start < edits[-1].end:
            # What overlaps is one thing: the mark of the first stands for all of it.
            edits[-1] = replace(edits[-1], end=max(edits[-1].end, finding.end))
        else:
            edits.append(Edit(finding.start, finding.end, marks.replacement("mask", finding, text[finding.start : finding.end])))
    masked = apply_edits(text, edits)[:SAMPLE_CHARACTERS_MAX]
    moved = [replace(item, finding=_moved(item.finding, edits)) for item in decided]
    kept = sorted((item for item in moved if item.finding.end <= len(masked)), key=lambda item: (item.finding.start, item.finding.end))
    return Sample(masked, tuple(kept[:FINDINGS_KEPT_MAX]))


def names_masked(sample: Sample) -> Sample:
    """A sample with names and addresses masked as well. It takes up to a millisecond: done behind the request, in a thread."""
    from ondol.infrastructure.guard.checks.entities import EntityCheck

    found = [item for item in EntityCheck().find(GuardText(sample.text)) if item.entity in NAMES and item.confidence >= NAME_CONFIDENCE_MIN]
    marks = mark_spans(sample.text)
    named = [Decided(item, "mask", "") for item in found if not any(start < item.end and item.start < end for start, end in marks)]
    if not named:
        return sample
    masked = masked_sample(sample.text, named, bytes(32))
    edits = edits_of(sample.text, named, Marks(bytes(32)))
    kept = [replace(item, finding=_moved(item.finding, edits)) for item in sample.decided]
    together = sorted((*kept, *masked.decided), key=lambda item: (item.finding.start, item.finding.end))
    return Sample(masked.text, tuple(item for item in together if item.finding.end <= len(masked.text))[:FINDINGS_KEPT_MAX])


def masked_text(text: str, guard: StageGuard, key: bytes) -> str:
    """A whole text with everything private masked, names and addresses too: `SAMPLE_CHARACTERS_MAX` at a time.

    Raises:
        ValueError: when a check failed, so that what is private cannot be told.
    """
    pieces = []
    for start in range(0, len(text), SAMPLE_CHARACTERS_MAX - MASKED_MORE_CHARACTERS):
        piece = text[start : start + SAMPLE_CHARACTERS_MAX - MASKED_MORE_CHARACTERS]
        findings, failed = guard.find(piece)
        if failed:
            raise ValueError(f"checks failed: {', '.join(failed)}")
        pieces.append(names_masked(masked_sample(piece, [Decided(finding, "mask", "") for finding in findings], key)).text)
    return "".join(pieces)


def is_private(finding: Finding) -> bool:
    """Whether what was found must not be kept."""
    return finding.check not in OPEN_CHECKS


def findings_json(decided: Sequence[Decided]) -> list[dict[str, Any]]:
    """Findings with their actions as plain data. There is no text in it."""
    return [
        {
            "check": item.finding.check,
            "rule": item.finding.rule,
            "entity": item.finding.entity,
            "start": item.finding.start,
            "end": item.finding.end,
            "confidence": round(item.finding.confidence, 4),
            "reason": item.finding.reason,
            "action": item.action,
        }
        for item in decided
    ]


def finding_of(plain: Mapping[str, Any]) -> tuple[Finding, Action]:
    """A finding and its action from what `findings_json` made.

    Raises:
        KeyError, ValueError: when it is something else.
    """
    action = plain["action"]
    if action not in ACTIONS:
        raise ValueError(f"{action!r} is no action")
    names = ("check", "rule", "start", "end", "confidence", "reason", "entity")
    return Finding(**{name: plain[name] for name in names}), action


def _moved(finding: Finding, edits: Sequence[Edit]) -> Finding:
    """A finding at its place in the edited text; what touches an edit takes in all of its mark."""
    return replace(finding, start=_place(finding.start, edits, at_end=False), end=_place(finding.end, edits, at_end=True))


def _place(position: int, edits: Sequence[Edit], *, at_end: bool) -> int:
    shift = 0
    for edit in edits:
        if position <= edit.start and not (at_end and position == edit.start == edit.end):
            break
        if position < edit.end:
            return edit.start + shift + (len(edit.replacement) if at_end else 0)
        shift += len(edit.replacement) - (edit.end - edit.start)
    return position + shift
