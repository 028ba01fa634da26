"""Records of the guard: what a check finds, where, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from ondol.infrastructure.guard.text import GuardText

Stage: TypeAlias = Literal["input", "model", "tool", "output"]
"""Where a text stands: what a person sends, what goes on to a model (documents, tool results), arguments of a tool, what a model answers."""

WHOLE_TEXT: None = None
"""The reach of a check that judges a text as one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found. It holds no text: logs and records keep findings as they are.

    Attributes:
        check: the check's name, such as ``personal``.
        rule: what found it, below the check's name, such as ``personal.kr_resident_number``.
        start, end: span in the text as it was given, half-open, in characters.
        confidence: between 0 and 1; each check says how it comes to it.
        reason: why, in words of the rule and never of the text, such as ``checksum`` or ``context``.
        entity: what kind of thing it is, such as ``KR_RESIDENT_NUMBER``; empty where the rule says it.
    """

    check: str
    rule: str
    start: int
    end: int
    confidence: float
    reason: str
    entity: str = ""


class Check(Protocol):
    """Text in, findings out. A check keeps no state between texts and is safe to share between threads.

    Attributes:
        name: as policies write it.
        reach: no finding is longer than this, nor depends on text further away from it than this, in characters; `WHOLE_TEXT` when the
            text is judged as one. What streams is held back by it, or less where the check has a method `open_from`: given a text that may go
            on, from where on a finding may still come about or change.

    A check whose class says ``is_pure = True`` goes by the text and the policy's settings alone: not by canaries, registered texts, the time, or what
    was said before. What it finds may be remembered (`remembered.Remembered`).
    """

    @property
    def name(self) -> str:
        """As policies write it."""
        ...

    @property
    def reach(self) -> int | None:
        """In characters; None is the whole text."""
        ...

    def find(self, text: GuardText) -> Sequence[Finding]:
        """All findings, by where they begin. Work is linear in the text's length."""
        ...
