"""Reads plain data field by field: whatever is missing, unknown or of another type is told with its place, and the nearest name that is known."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date
from typing import Any, TypeVar

from ondol.core.errors import RequestError

T = TypeVar("T")

TEXT_CHARACTERS_MAX = 200_000
NAME_CHARACTERS_MAX = 200
_SHOWN_CHARACTERS = 60
_ABSENT: Any = object()
_NO_TEXT = re.compile("[\x00\ud800-\udfff]")


class SuiteError(RequestError):
    """A suite, or a case of it, cannot be used."""

    code = "invalid_suite"


class Fields:
    """The fields of one mapping, each taken once; `close` refuses those that nobody took.

    Args:
        tree: what should be a mapping.
        place: where it stands, such as `card` or `cases[3]`; empty at the top.

    Raises:
        SuiteError: when it is no mapping, or a key is no text.
    """

    def __init__(self, tree: object, place: str = "") -> None:
        self.place = place
        if not isinstance(tree, Mapping):
            raise SuiteError(f"{place or 'The suite'} must be a mapping of names, not {_kind(tree)}.", param=place or None)
        strange = next((key for key in tree if not isinstance(key, str)), None)
        if strange is not None:
            hint = "Put quotes around it: YAML reads words like yes, no and on as true and false."
            raise SuiteError(f"{place or 'The suite'} has the key {str(strange)[:_SHOWN_CHARACTERS]}, which is no text.", hint, param=place or None)
        self._left = dict(tree)
        self._known: list[str] = []

    def at(self, name: str) -> str:
        """Where a field stands."""
        return f"{self.place}.{name}" if self.place else name

    @property
    def names(self) -> tuple[str, ...]:
        """Of the fields that nobody took yet."""
        return tuple(self._left)

    def peek(self, name: str) -> Any:
        """A field that stays to be taken; None where it is absent or taken."""
        return self._left.get(name)

    def take(self, name: str, default: Any = _ABSENT) -> Any:
        """A field as it is; null is the same as absent.

        Raises:
            SuiteError: when it is missing and has no default.
        """
        self._known.append(name)
        value = self._left.pop(name, None)
        if value is not None:
            return value
        if default is _ABSENT:
            raise self._error(name, "is missing")
        return default

    def text(self, name: str, default: Any = _ABSENT, *, characters_max: int = TEXT_CHARACTERS_MAX, may_be_empty: bool = False) -> Any:
        """A text; whatever the default is when it is absent."""
        value = self.take(name, default)
        return value if value is default else plain_text(value, self.at(name), characters_max, may_be_empty=may_be_empty)

    def name(self, name: str, default: Any = _ABSENT) -> Any:
        """A short text of one line; whole numbers are taken as text."""
        value = self.take(name, default)
        if value is default:
            return value
        text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
        return plain_text(text, self.at(name), NAME_CHARACTERS_MAX, lines=1)

    def texts(self, name: str, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """A list of texts; one text stands for a list of one."""
        value = self.take(name, default)
        if isinstance(value, str):
            value = [value]
        if not isinstance(value, list | tuple):
            raise self._error(name, f"must be a list of texts, not {_kind(value)}")
        return tuple(plain_text(item, f"{self.at(name)}[{number}]", may_be_empty=True) for number, item in enumerate(value))

    def whole(self, name: str, default: Any = _ABSENT, *, low: int, high: int) -> Any:
        """A whole number within bounds."""
        value = self.take(name, default)
        if value is default:
            return value
        if isinstance(value, bool) or not isinstance(value, int):
            raise self._error(name, f"must be a whole number, not {_kind(value)}")
        if not low <= value <= high:
            raise self._error(name, f"must be from {low:,} to {high:,}")
        return value

    def number(self, name: str, default: Any = _ABSENT, *, low: float, high: float) -> Any:
        """A number within bounds."""
        value = self.take(name, default)
        return value if value is default else plain_number(value, self.at(name), low, high)

    def flag(self, name: str, default: bool = False) -> bool:
        """True or false."""
        value = self.take(name, default)
        if not isinstance(value, bool):
            raise self._error(name, f"must be true or false, not {_kind(value)}")
        return value

    def choice(self, name: str, known: Collection[str], default: Any = _ABSENT) -> Any:
        """One of a few words."""
        value = self.take(name, default)
        if value is default:
            return value
        if not isinstance(value, str) or value not in known:
            shown = str(value)[:_SHOWN_CHARACTERS]
            raise SuiteError(f"{self.at(name)} is {shown!r}; known are {', '.join(sorted(known))}.", did_you_mean(shown, known), param=self.at(name))
        return value

    def day(self, name: str) -> date:
        """A day such as 2027-01-31."""
        value = self.take(name)
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value)
        except (TypeError, ValueError):
            raise self._error(name, "must be a day such as 2027-01-31") from None

    def section(self, name: str, default: Any = _ABSENT) -> Fields:
        """A mapping within this one."""
        return Fields(self.take(name, default), self.at(name))

    def each(self, name: str, read: Callable[[Fields], T], *, most: int) -> tuple[T, ...]:
        """A list of mappings, each read by `read`."""
        value = self.take(name, ())
        if not isinstance(value, list | tuple):
            raise self._error(name, f"must be a list, not {_kind(value)}")
        if len(value) > most:
            raise self._error(name, f"has {len(value):,} entries; at most {most:,} are read")
        return tuple(read(Fields(item, f"{self.at(name)}[{number}]")) for number, item in enumerate(value))

    def numbers_by_name(self) -> dict[str, float]:
        """All fields that are left, each of them a number."""
        return {name: plain_number(self.take(name), self.at(name), -1e15, 1e15) for name in list(self._left)}

    def rest(self) -> dict[str, Any]:
        """All fields that are left, for somebody else to read."""
        left, self._left = self._left, {}
        return left

    def close(self, also: Iterable[str] = ()) -> None:
        """Refuse fields that nobody took.

        Args:
            also: names that are known besides those that were asked for.
        """
        for unknown in self._left:
            shown = unknown[:_SHOWN_CHARACTERS]
            known = [*self._known, *also]
            raise SuiteError(f"{self.place or 'The suite'} has the unknown key {shown!r}.", did_you_mean(shown, known), param=self.at(shown))

    def _error(self, name: str, said: str) -> SuiteError:
        return SuiteError(f"{self.at(name)} {said}.", param=self.at(name))


def did_you_mean(unknown: str, known: Collection[str]) -> str:
    """The nearest known name as a hint, or all of them."""
    close = difflib.get_close_matches(unknown, known, n=1, cutoff=0.5)
    return f"Did you mean {close[0]!r}?" if close else f"Known are: {', '.join(sorted(known))}."


def plain_text(value: object, place: str, characters_max: int = TEXT_CHARACTERS_MAX, *, lines: int | None = None, may_be_empty: bool = False) -> str:
    """A text that can be kept.

    Raises:
        SuiteError: when it is none, empty, too long, or holds what no text holds.
    """
    if not isinstance(value, str):
        raise SuiteError(f"{place} must be text, not {_kind(value)}.", "Put quotes around it.", param=place)
    if not may_be_empty and not value.strip():
        raise SuiteError(f"{place} is empty.", param=place)
    if len(value) > characters_max:
        raise SuiteError(f"{place} has {len(value):,} characters; at most {characters_max:,} are read.", param=place)
    if lines == 1 and not value.isprintable():
        raise SuiteError(f"{place} must be one line without control characters.", param=place)
    if _NO_TEXT.search(value):
        raise SuiteError(f"{place} holds a null character or half of a surrogate pair, which is no text.", param=place)
    return value


def plain_number(value: object, place: str, low: float, high: float) -> float:
    """A finite number within bounds.

    Raises:
        SuiteError: when it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SuiteError(f"{place} must be a number, not {_kind(value)}.", param=place)
    if not low <= value <= high:
        raise SuiteError(f"{place} must be from {low:g} to {high:g}.", param=place)
    return float(value)


def _kind(value: object) -> str:
    words: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (type(None), "nothing"),
        (bool, "true or false"),
        ((int, float), "a number"),
        (str, "text"),
        (Mapping, "a mapping"),
        ((list, tuple), "a list"),
        (date, "a date"),
    )
    return next((word for kind, word in words if isinstance(value, kind)), type(value).__name__)
