"""What the checks that look for patterns have in common."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Literal, Protocol, TypeAlias

from ondol.infrastructure.guard.patterns import Match, Pattern, PatternSet
from ondol.infrastructure.guard.text import GuardText, View
from ondol.infrastructure.guard.types import Finding

ViewName: TypeAlias = Literal["plain", "folded", "squeezed"]


def view_of(text: GuardText, name: ViewName) -> View:
    """The view of that name."""
    match name:
        case "plain":
            return text.plain
        case "folded":
            return text.folded
        case "squeezed":
            return text.squeezed


class PatternCheck(Protocol):
    """A check whose candidates come from patterns. The engine scans each view once, for all checks, and hands each its own matches.

    Attributes:
        patterns: what to look for; a `Match.pattern` is an index into it.
        view: where.
        needs_match: without a match of a pattern it finds nothing.
        only_context: the patterns, by index, that give no finding without a match of another.
    """

    name: str
    reach: int | None
    patterns: Sequence[Pattern]
    view: ViewName
    needs_match: bool = False
    only_context: frozenset[int] = frozenset()

    def confirm(self, text: GuardText, matches: Sequence[Match]) -> Sequence[Finding]:
        """The findings that the matches are, by where they begin. Looks only at bounded windows around them."""
        ...

    @cached_property
    def _own(self) -> PatternSet:
        return PatternSet(self.patterns)

    def find(self, text: GuardText) -> Sequence[Finding]:
        """All findings of this check alone."""
        return self.confirm(text, self._own.scan(view_of(text, self.view).text))
