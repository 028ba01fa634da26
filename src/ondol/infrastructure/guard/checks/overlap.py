"""Long runs of words out of a registered corpus, such as copyrighted works."""

from __future__ import annotations

from collections.abc import Sequence

from ondol.infrastructure.guard.checks.shingles import HasRuns, long_runs
from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.types import WHOLE_TEXT, Finding

WORDS_MIN = 24
"""Fewer words in a row are quotation."""
WORDS_MIN_LEAST = 12
"""Fewer may be shorter than what is looked for."""
ENTITY = "PROTECTED_TEXT"


class OverlapCheck:
    """Finds runs of at least `words_min` words that stand in the corpus; without an index it finds nothing.

    Raises:
        ValueError: when `words_min` is below `WORDS_MIN_LEAST`.
    """

    name = "overlap"
    reach: int | None = WHOLE_TEXT

    def __init__(self, index: HasRuns | None = None, words_min: int = WORDS_MIN) -> None:
        if index is not None and words_min < WORDS_MIN_LEAST:
            raise ValueError(f"words_min is at least {WORDS_MIN_LEAST}")
        self._index, self._words_min = index, words_min

    def find(self, text: GuardText) -> Sequence[Finding]:
        """The runs, by where they begin."""
        if self._index is None:
            return []
        return [
            Finding(self.name, "overlap.run", start, end, 0.9, "run of words in the corpus", ENTITY)
            for start, end in long_runs(text, self._index, self._words_min)
        ]
