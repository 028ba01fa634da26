"""Many patterns in one pass over a text, in linear time, by the Vectorscan automaton (`hyperscan`).

Expressions are PCRE without what needs backtracking: no look-around, no back-references, no atomic groups. What stands beside a match is looked
at by the check that asked for it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import hyperscan

MATCHES_MAX = 20_000
"""A text with more matches is cut off here: it is refused for its shape before that matters."""


COUNTED_MAX = 16
"""The places of so many matches are counted out one by one; for more, those of all characters are made at once."""
_ANCHORS = frozenset(("^", "$", r"\b", r"\B", r"\A", r"\Z", r"\z"))
_ANCHOR_OR_OTHER = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[\^$]", re.DOTALL)
"""An escape, a class of characters, or an anchor."""


class TooManyMatches(Exception):
    """The text matches more often than is looked at; whoever asked must fail closed."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """An expression to look for.

    Attributes:
        expression: PCRE as Vectorscan reads it; characters are Unicode.
        ignore_case: ASCII and Unicode letters match in either case.
        finds_start: whether matches tell where they begin; False for expressions that are too large for that (see `Match`).
    """

    expression: str
    ignore_case: bool = False
    finds_start: bool = True


@dataclass(frozen=True, slots=True)
class Match:
    """Where a pattern matched: half-open, in characters. Without `finds_start` the start is the end."""

    pattern: int
    start: int
    end: int


class PatternSet:
    """Patterns that are looked for together. Compiled on first use, which takes milliseconds for each; safe to share between threads."""

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self.patterns = tuple(patterns)
        self._database: hyperscan.Database | None = None
        self._lock = threading.Lock()
        self._threads = threading.local()

    def compile(self, cache: Path | None = None) -> None:
        """Compile now rather than on first use.

        Args:
            cache: a folder that only we can write to, in which the compiled form is kept; one that this machine cannot use is made anew.

        Raises:
            ValueError: for an expression that Vectorscan does not take.
        """
        with self._lock:
            if self._database is None and self.patterns:
                self._database = _compiled(self.patterns) if cache is None else _kept(self.patterns, cache)

    def scan(self, text: str) -> list[Match]:
        """All matches, by start; of those of one pattern that begin at one place the longest, and none that lies within a longer one of the same.

        Raises:
            TooManyMatches: when there are more than `MATCHES_MAX` raw ones.
        """
        raw, data = self.raw(text)
        if not raw:
            return []
        longest: dict[tuple[int, int], int] = {}
        for pattern, start, end in raw:
            begin = start if self.patterns[pattern].finds_start else end
            if end > longest.get((pattern, begin), -1):
                longest[pattern, begin] = end
        places = None if len(data) == len(text) else _characters(data, longest)
        return _outermost(longest, places)

    def raw(self, text: str) -> tuple[list[tuple[int, int, int]], bytes]:
        """Everything that matches as the automaton tells it: pattern, start and end in bytes of the text's UTF-8, which comes with it.

        Raises:
            TooManyMatches: when there are more than `MATCHES_MAX`.
        """
        raw: list[tuple[int, int, int]] = []
        if not self.patterns or not text:
            return raw, b""
        database = self._database
        if database is None:
            self.compile()
            database = self._database
            assert database is not None  # noqa: S101 - compile sets it
        try:
            data = text.encode()
        except UnicodeEncodeError:
            data = _encoded(text)
        try:
            scratch = self._threads.scratch
        except AttributeError:
            scratch = self._threads.scratch = _scratch(database)
        try:
            database.scan(data, match_event_handler=_keep, context=raw, scratch=scratch)
        except _terminated():
            raise TooManyMatches(f"more than {MATCHES_MAX:,} matches") from None
        if len(raw) > MATCHES_MAX:
            raise TooManyMatches(f"more than {MATCHES_MAX:,} matches")
        return raw, data


def unanchored(expression: str) -> str:
    """An expression that matches wherever this one does, and wherever it does in any part of a text: without what looks at the text's ends or at the
    edges of words. Such a condition taken away only makes an expression match more."""
    return _ANCHOR_OR_OTHER.sub(lambda part: "" if part[0] in _ANCHORS else part[0], expression)


def _keep(pattern: int, start: int, end: int, _flags: int, raw: Any) -> bool | None:
    raw.append((pattern, start, end))
    return True if len(raw) > MATCHES_MAX else None


def _scratch(database: hyperscan.Database) -> hyperscan.Scratch:
    import hyperscan

    return hyperscan.Scratch(database)


def _terminated() -> type[Exception]:
    import hyperscan

    terminated: type[Exception] = hyperscan.ScanTerminated
    return terminated


def _kept(patterns: Sequence[Pattern], folder: Path) -> hyperscan.Database:
    """The compiled form from the folder, or compiled and put there. Vectorscan checks version, processor and checksum of what it reads."""
    import hyperscan

    says = json.dumps([[item.expression, item.ignore_case, item.finds_start] for item in patterns])
    file = folder / f"patterns-{hashlib.sha256(says.encode()).hexdigest()[:32]}.hs"
    try:
        return hyperscan.loadb(file.read_bytes(), hyperscan.HS_MODE_BLOCK)
    except (OSError, hyperscan.HyperscanError, ValueError):
        database = _compiled(patterns)
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        fresh = folder / f".{file.name}.{os.getpid()}"
        fresh.write_bytes(hyperscan.dumpb(database))
        fresh.replace(file)
    return database


def _compiled(patterns: Sequence[Pattern]) -> hyperscan.Database:
    import hyperscan

    flags = []
    for pattern in patterns:
        flag = hyperscan.HS_FLAG_UTF8
        flag |= hyperscan.HS_FLAG_CASELESS if pattern.ignore_case else 0
        flag |= hyperscan.HS_FLAG_SOM_LEFTMOST if pattern.finds_start else 0
        flags.append(flag)
    database = hyperscan.Database()
    try:
        database.compile(expressions=[pattern.expression.encode() for pattern in patterns], ids=list(range(len(patterns))), flags=flags)
    except hyperscan.HyperscanError as error:
        raise ValueError(f"these patterns cannot be compiled: {error}") from error
    return database


def _encoded(text: str) -> bytes:
    """UTF-8 that is always valid: a lone surrogate becomes a character of the same number of bytes."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return "".join("�" if "\ud800" <= char <= "\udfff" else char for char in text).encode()


def _characters(data: bytes, longest: Mapping[tuple[int, int], int]) -> Mapping[int, int] | NDArray[np.int64]:
    """For each byte where one of these begins or ends, how many characters begin before it."""
    if len(longest) <= COUNTED_MAX:
        places: dict[int, int] = {}
        before = count = 0
        for place in sorted({place for (_, start), end in longest.items() for place in (start, end)}):
            count += len(data[before:place].decode())
            before = place
            places[place] = count
        return places
    starts = (np.frombuffer(data, np.uint8) & 0xC0) != 0x80
    return np.concatenate(([0], np.cumsum(starts)))


def _outermost(longest: dict[tuple[int, int], int], places: Mapping[int, int] | NDArray[np.int64] | None) -> list[Match]:
    matches: list[Match] = []
    reached: dict[int, int] = {}
    for (pattern, start), end in sorted(longest.items(), key=lambda item: (item[0][1], -item[1])):
        if end <= reached.get(pattern, -1):
            continue
        reached[pattern] = end
        matches.append(Match(pattern, start, end) if places is None else Match(pattern, int(places[start]), int(places[end])))
    matches.sort(key=attrgetter("start", "end", "pattern"))
    return matches
