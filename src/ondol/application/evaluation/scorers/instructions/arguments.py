"""What an instruction says besides its kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

ITEMS_MAX = 200
CHARACTERS_MAX = 20_000
NUMBER_MAX = 1_000_000

_RELATIONS: Mapping[str, Callable[[int, int], bool]] = {
    "less than": lambda found, limit: found < limit,
    "미만": lambda found, limit: found < limit,
    "at least": lambda found, limit: found >= limit,
    "이상": lambda found, limit: found >= limit,
    "at most": lambda found, limit: found <= limit,
    "이하": lambda found, limit: found <= limit,
    "more than": lambda found, limit: found > limit,
    "초과": lambda found, limit: found > limit,
    "exactly": lambda found, limit: found == limit,
    "정확히": lambda found, limit: found == limit,
}


class BadArgument(Exception):
    """An argument is missing, or not what it should be; the message names it."""


class Arguments:
    """The arguments of one instruction, read by name."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self._told = told

    def whole(self, name: str) -> int:
        """A whole number from 0.

        Raises:
            BadArgument: when it is none.
        """
        value = self._told.get(name)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= NUMBER_MAX:
            raise BadArgument(f"`{name}` is a whole number from 0 to {NUMBER_MAX:,}")
        return value

    def text(self, name: str) -> str:
        """A text that is not empty.

        Raises:
            BadArgument: when it is none.
        """
        value = self._told.get(name)
        if not isinstance(value, str) or not value.strip() or len(value) > CHARACTERS_MAX:
            raise BadArgument(f"`{name}` is a text of 1 to {CHARACTERS_MAX:,} characters")
        return value.strip()

    def texts(self, name: str, default: Sequence[str] | None = None) -> list[str]:
        """A list of texts.

        Raises:
            BadArgument: when it is none.
        """
        value = self._told.get(name)
        if value is None and default is not None:
            return list(default)
        if not isinstance(value, list | tuple) or not 0 < len(value) <= ITEMS_MAX:
            raise BadArgument(f"`{name}` is a list of 1 to {ITEMS_MAX} texts")
        if not all(isinstance(text, str) and text.strip() and len(text) <= CHARACTERS_MAX for text in value):
            raise BadArgument(f"`{name}` holds texts of 1 to {CHARACTERS_MAX:,} characters")
        return list(value)

    def compares(self, found: int, relation: str, limit: str) -> bool:
        """Whether a number is as `relation` (such as `at least`, `미만`) and `limit` say.

        Raises:
            BadArgument: when one of them is missing.
        """
        told = self._told.get(relation)
        if not isinstance(told, str) or told not in _RELATIONS:
            raise BadArgument(f"`{relation}` is one of {', '.join(_RELATIONS)}")
        return _RELATIONS[told](found, self.whole(limit))
