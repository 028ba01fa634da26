"""Log probabilities of a text that goes out through the guard. They spell out tokens, so only those of what went out word for word may follow it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

REACH_CHARACTERS = 200
"""Of what alternatives spelled before is read again with what they spell now: what the guard finds may be spread over many tokens."""


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


class Spelled:
    """What log probabilities spell beside the text that went out: tokens that might have been, at each rank a text of its own, and tokens that are
    not the text's. Nobody wrote it, but whoever reads them reads it.

    Args:
        lets: the guard's word on a text.
    """

    __slots__ = ("_is_shut", "_lets", "_tails")

    def __init__(self, lets: Callable[[str], bool]) -> None:
        self._lets = lets
        self._tails: dict[int, str] = {}
        self._is_shut = False

    def passes(self, ranks: Sequence[Sequence[str]]) -> bool:
        """Whether the alternatives of the next tokens may go out; none once the guard has had something against one of their texts.

        Args:
            ranks: of each token its alternatives, the likeliest first.
        """
        for rank in range(max(map(len, ranks), default=0)):
            spelled = self._tails.get(rank, "") + "".join(tokens[rank] for tokens in ranks if rank < len(tokens))
            self._is_shut = self._is_shut or not self._lets(spelled)
            self._tails[rank] = spelled[-REACH_CHARACTERS:]
        return not self._is_shut

    def entries(self, told: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """A chat's entries as they may go out, field by field; none whose own tokens the guard has something against."""
        if not self._lets("".join(str(item.get("token", "")) for item in told)):
            return []
        others = [[other for other in _listed(item.get("top_logprobs")) if isinstance(other, dict)] for item in told]
        opened = self.passes([[str(other.get("token", "")) for other in each] for each in others])
        return [
            {**_entry(item), "top_logprobs": [_entry(other) for other in each] if opened else []} for item, each in zip(told, others, strict=True)
        ]


def _listed(told: Any) -> list[Any]:
    return told if isinstance(told, list) else []


def _entry(told: dict[str, Any]) -> dict[str, Any]:
    """One token; its bytes where they are the token's."""
    token, value = str(told.get("token", "")), told.get("logprob")
    written = list(token.encode("utf-8", "surrogatepass"))
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    return {"token": token, "logprob": number, "bytes": written if told.get("bytes") == written else None}
