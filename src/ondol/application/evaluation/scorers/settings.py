"""Settings of a scorer, read one after the other; what is wrong, or left over, is told by the name of its field."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ondol.core.errors import RequestError

WORDS_MAX = 2_000
WORD_CHARACTERS_MAX = 1_000


class Settings:
    """What a suite says of one scorer. Every reader names its field once; `close` then refuses what nobody asked for.

    Args:
        scorer: its name in the suite, for messages.
        told: without `name` and `type`.
    """

    def __init__(self, scorer: str, told: Mapping[str, Any]) -> None:
        self._scorer = scorer
        self._told = dict(told)
        self._asked: list[str] = []

    def whole(self, field: str, default: int, *, least: int, most: int) -> int:
        """A whole number within bounds."""
        value = self._take(field, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.wrong(field, f"is a whole number from {least:,} to {most:,}")
        return value

    def number(self, field: str, default: float, *, least: float, most: float) -> float:
        """A number within bounds."""
        value = self._take(field, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise self.wrong(field, f"is a number from {least:g} to {most:g}")
        return float(value)

    def flag(self, field: str, *, default: bool) -> bool:
        """True or false."""
        value = self._take(field, default)
        if not isinstance(value, bool):
            raise self.wrong(field, "is true or false")
        return value

    def choice(self, field: str, default: str, of: Sequence[str]) -> str:
        """One of some words."""
        value = self._take(field, default)
        if value not in of or not isinstance(value, str):
            raise self.wrong(field, f"is one of {', '.join(of)}")
        return value

    def text(self, field: str, default: str | None = None) -> str:
        """Words; without a default they must be there."""
        value = self._take(field, default)
        if not isinstance(value, str) or not value.strip() or len(value) > WORD_CHARACTERS_MAX:
            raise self.wrong(field, f"is a text of 1 to {WORD_CHARACTERS_MAX:,} characters")
        return value

    def words(self, field: str, default: Sequence[str] = ()) -> tuple[str, ...]:
        """A list of words."""
        value = self._take(field, list(default))
        if not isinstance(value, list | tuple) or len(value) > WORDS_MAX:
            raise self.wrong(field, f"is a list of at most {WORDS_MAX:,} words")
        if not all(isinstance(word, str) and word.strip() and len(word) <= WORD_CHARACTERS_MAX for word in value):
            raise self.wrong(field, f"holds words of 1 to {WORD_CHARACTERS_MAX:,} characters")
        return tuple(value)

    def mapping(self, field: str) -> Mapping[str, Any] | None:
        """An object with fields of its own; None where it is not said."""
        value = self._take(field, None)
        if value is not None and not isinstance(value, Mapping):
            raise self.wrong(field, "is an object")
        return value

    def anything(self, field: str, default: Any) -> Any:
        """What is told, unread: whoever asks looks at it."""
        return self._take(field, default)

    def close(self) -> None:
        """Refuse fields that no reader asked for.

        Raises:
            RequestError: names the first.
        """
        for field in self._told:
            if field not in self._asked:
                known = f"It knows {', '.join(self._asked)}." if self._asked else "It has no settings."
                raise RequestError(
                    f"The scorer {self._scorer} has no setting `{str(field)[:50]}`.", known, code="invalid_scorer", param=str(field)[:50]
                )

    def wrong(self, field: str, what: str) -> RequestError:
        """The error for a field that is not what it should be."""
        return RequestError(f"`{field}` of the scorer {self._scorer} {what}.", "Mend the suite.", code="invalid_scorer", param=field)

    def _take(self, field: str, default: Any) -> Any:
        self._asked.append(field)
        return self._told.get(field, default)
