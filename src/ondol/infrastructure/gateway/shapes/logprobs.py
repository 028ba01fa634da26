"""Log probabilities of a text that goes out through the guard. They spell out tokens, so only those of what went out word for word may follow it."""

from __future__ import annotations

from typing import Any


class Faithful:
    """How far a text has gone out as it was written.

    Attributes:
        characters: of its beginning that went out unchanged.
        written: characters that were written.
    """

    __slots__ = ("_is_broken", "_waiting", "characters", "written")

    def __init__(self) -> None:
        self.characters = 0
        self.written = 0
        self._waiting = ""
        self._is_broken = False

    def wrote(self, text: str) -> None:
        """More was written."""
        self.written += len(text)
        if not self._is_broken:
            self._waiting += text

    def went(self, text: str) -> None:
        """More went out: unchanged as long as it is what was written."""
        if self._is_broken or not text:
            return
        waiting = self._waiting
        if waiting.startswith(text):
            self._waiting = waiting[len(text) :]
            self.characters += len(text)
            return
        self._is_broken = True
        self._waiting = ""
        self.characters += next(
            (place for place, (written, went) in enumerate(zip(waiting, text, strict=False)) if written != went), min(len(waiting), len(text))
        )


class Waiting:
    """What belongs to tokens that have not gone out yet."""

    __slots__ = ("_entries", "_faithful")

    def __init__(self, faithful: Faithful) -> None:
        self._faithful = faithful
        self._entries: list[tuple[int, Any]] = []

    def __bool__(self) -> bool:
        return bool(self._entries)

    def add(self, text: str, tokens: list[tuple[str, Any]]) -> None:
        """The tokens of the piece of text that was written last, each with what belongs to it.

        Where they do not spell the piece, as parts of one letter do not, they go out with what follows it.
        """
        place = self._faithful.written - len(text)
        spell = "".join(token for token, _ in tokens) == text
        for token, entry in tokens:
            place += len(token)
            self._entries.append((place if spell else self._faithful.written + 1, entry))

    def going(self, *, is_whole: bool) -> list[Any]:
        """What may go out now.

        Args:
            is_whole: the text has ended, and all of it went out as it was written.
        """
        found: list[Any] = []
        while self._entries and (is_whole or self._entries[0][0] <= self._faithful.characters):
            found.append(self._entries.pop(0)[1])
        return found

    def clear(self) -> None:
        """None of it goes out any more."""
        self._entries.clear()
