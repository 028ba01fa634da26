"""Canaries that come out: a made-up word that stands in a prompt, a document or a memory, and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence

from ondol.infrastructure.guard.checks.held import last_word
from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.types import Finding

CANARY_LETTERS_MIN = 8
"""Shorter values would be met by chance once spaces and case are gone."""
CANARY_CHARACTERS_MAX = 128
REACH_CHARACTERS = 512
"""A canary spelled out with up to three characters between its letters, or encoded once or twice, is not longer than this."""
FINDINGS_MAX = 100
BEGINNING_LETTERS_MIN = 3
"""So many letters of a canary are its possible beginning; fewer stand in any text."""


class CanaryCheck:
    """Finds canaries as they are, in another case, spaced, written backwards, and in what is encoded in the text. Always sure.

    Args:
        canaries: the values in force.

    Raises:
        ValueError: when a value holds too few letters and digits, or is too long.
    """

    name = "canary"
    reach: int | None = REACH_CHARACTERS

    def __init__(self, canaries: Sequence[str] = ()) -> None:
        words: dict[str, str] = {}
        for canary in canaries:
            word = GuardText(canary).squeezed.text
            if len(word) < CANARY_LETTERS_MIN or len(canary) > CANARY_CHARACTERS_MAX:
                raise ValueError(f"a canary has {CANARY_LETTERS_MIN} letters or digits at least and {CANARY_CHARACTERS_MAX} characters at most")
            words.setdefault(word, "squeezed")
            words.setdefault(word[::-1], "reversed")
        self._words = tuple(words.items())

    def find(self, text: GuardText) -> Sequence[Finding]:
        """All findings, by where they begin; a canary within something encoded has the span of what is encoded."""
        if not self._words:
            return []
        found = [Finding(self.name, "canary.value", start, end, 1.0, reason, "CANARY") for start, end, reason in self._places(text)]
        for layer in text.layers:
            if self._is_inside(layer.text):
                found.append(Finding(self.name, "canary.value", layer.start, layer.end, 1.0, "encoded", "CANARY"))
        return sorted(set(found), key=lambda item: (item.start, item.end))[:FINDINGS_MAX]

    def open_from(self, text: str) -> int:
        """From where a text that goes on may still hold a canary: where one may have begun, or the last word, which may be encoded."""
        if not self._words:
            return len(text)
        begin = max(0, len(text) - REACH_CHARACTERS)
        view = GuardText(text[begin:]).squeezed
        place = last_word(text)
        for word, _ in self._words:
            for length in range(min(len(word), len(view.text)), BEGINNING_LETTERS_MIN - 1, -1):
                if view.text.endswith(word[:length]):
                    place = min(place, begin + view.span(len(view.text) - length, len(view.text))[0])
                    break
        return place

    def _is_inside(self, text: GuardText) -> bool:
        return any(word in text.squeezed.text for word, _ in self._words) or any(self._is_inside(layer.text) for layer in text.layers)

    def _places(self, text: GuardText) -> list[tuple[int, int, str]]:
        squeezed = text.squeezed
        places: list[tuple[int, int, str]] = []
        for word, reason in self._words:
            start = squeezed.text.find(word)
            while start >= 0 and len(places) < FINDINGS_MAX:
                places.append((*squeezed.span(start, start + len(word)), reason))
                start = squeezed.text.find(word, start + len(word))
        return places
