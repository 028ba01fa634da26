"""What a candidate and its tests say to each other: lines of JSON with values that are plain data. It stands alone, as `inside` does."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, BinaryIO

MESSAGE_BYTES_MAX = 4_000_000
DEPTH_MAX = 60
KEPT_MAX = 10_000
"""Objects of the candidate's that the tests may hold at once."""


class Kept:
    """Objects that have no plain form: they stay here, and the other process names them by number."""

    def __init__(self) -> None:
        self.objects: dict[int, Any] = {}

    def keep(self, value: Any) -> int:
        """Keep one; its number."""
        if len(self.objects) >= KEPT_MAX:
            raise ValueError("too many objects")
        number = len(self.objects)
        self.objects[number] = value
        return number


_SCALARS: tuple[tuple[str, type, Callable[[Any], Any], Callable[[Any], Any]], ...] = (
    # The name, what it is, as JSON, and back. An exact built-in value comes back, whatever subclass went in.
    ("int", int, lambda value: f"{int(value):x}", lambda told: int(told, 16)),
    ("float", float, lambda value: float(value).hex(), float.fromhex),
    ("str", str, str.__str__, str),
    ("bytes", bytes, bytes.hex, bytes.fromhex),
    ("complex", complex, lambda value: [value.real.hex(), value.imag.hex()], lambda told: complex(*map(float.fromhex, told))),
    ("range", range, lambda value: [value.start, value.stop, value.step], lambda told: range(*map(int, told))),
    ("timedelta", timedelta, lambda value: [value.days, value.seconds, value.microseconds], lambda told: timedelta(*map(int, told))),
    ("Decimal", Decimal, str, Decimal),
    ("Fraction", Fraction, str, Fraction),
    ("datetime", datetime, datetime.isoformat, datetime.fromisoformat),
    ("date", date, date.isoformat, date.fromisoformat),
    ("time", time, time.isoformat, time.fromisoformat),
)
_SEQUENCES: Mapping[str, type[Any]] = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset, "deque": deque}
_BACK = {name: back for name, _, _, back in _SCALARS}


def plain(value: Any, other: Callable[[Any], Any], depth: int = 0) -> Any:
    """A value as JSON; of what has no plain form, what `other` makes of it."""
    if depth > DEPTH_MAX:
        raise ValueError("nested too deep")
    if value is None or isinstance(value, bool):
        return value
    for name, kind, said, _ in _SCALARS:
        if isinstance(value, kind):
            return {name: said(value)}
    if isinstance(value, dict):
        return {"dict": [[plain(key, other, depth + 1), plain(held, other, depth + 1)] for key, held in value.items()]}
    for name, kind in _SEQUENCES.items():
        if isinstance(value, kind):
            return {name: [plain(held, other, depth + 1) for held in value]}
    return other(value)


def built(told: Any, other: Callable[[str, Any], Any], depth: int = 0) -> Any:
    """The value of what `plain` made: exact built-in types, whatever the other process meant."""
    if told is None or isinstance(told, bool):
        return told
    if depth > DEPTH_MAX or not isinstance(told, dict) or len(told) != 1:
        raise ValueError("not a value")
    [(name, held)] = told.items()
    if name in _BACK:
        return _BACK[name](held)
    if name == "dict":
        return {built(key, other, depth + 1): built(value, other, depth + 1) for key, value in held}
    if name in _SEQUENCES:
        return _SEQUENCES[name]([built(one, other, depth + 1) for one in held])
    return other(name, held)


def send(pipe: BinaryIO, message: Any) -> None:
    """Write one line. Raises ValueError where it is too long."""
    data = json.dumps(message).encode() + b"\n"
    if len(data) > MESSAGE_BYTES_MAX:
        raise ValueError("too much data")
    pipe.write(data)
    pipe.flush()


def receive(pipe: BinaryIO) -> Any:
    """Read one line. Raises EOFError at the end, ValueError or RecursionError where it is none."""
    line = pipe.readline(MESSAGE_BYTES_MAX + 1)
    if not line:
        raise EOFError
    if not line.endswith(b"\n"):
        raise ValueError("too much data")
    return json.loads(line)


def no_value(name: str, _: Any) -> Any:
    """Refuse what is neither plain data nor known."""
    raise ValueError(f"{name[:50]} is no value")
