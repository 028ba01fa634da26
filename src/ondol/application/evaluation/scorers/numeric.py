"""`numeric`: whether an answer gives the expected number, by value and unit: `3만 3천 원` is `33,000 won`, and `1.5억` is `150,000,000`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ondol.application.assistant.verify.amounts import DIGITS_MAX, amounts_of
from ondol.application.evaluation.scorers.base import Rule, Scorer, Tools, skipped
from ondol.application.evaluation.scorers.reference import NOTHING_EXPECTED, too_long
from ondol.application.evaluation.scorers.settings import Settings
from ondol.application.evaluation.types import Answer, Case, Score

_PLAIN = re.compile(
    r"(?<![\d/])(?P<over>\d{1,12})\s?/\s?(?P<under>\d{1,12})(?![/\d])|(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?(?P<power>[eE][+-]?\d{1,2}(?!\d))?"
)
_MINUS = re.compile(r"(?:\A|[^\w)\]])[-−–]\s?[$₩€]?\Z")
_SPELLED = re.compile(
    r"(?<![가-힣\d])(?<!\d\s)(?=[일이삼사오육륙칠팔구]?[십백천만억조])(?:[일이삼사오육륙칠팔구]?[십백천]|[일이삼사오육륙칠팔구]|[만억조]|\s(?=[일이삼사오육륙칠팔구]?[십백천만]))+"
    r"(?=\s?(?:원|명|개|년|월|일|시간|분|초|퍼센트|프로|달러|킬로|미터|그램|살|회|번|건|대|곳|권|장))"
)
_DIGITS = {digit: number for number, digits in enumerate(("일", "이", "삼", "사", "오", "육륙", "칠", "팔", "구"), 1) for digit in digits}
_SMALL = {"십": 10, "백": 100, "천": 1_000}
_LARGE = {"만": 10**4, "억": 10**8, "조": 10**12}


@dataclass(frozen=True, slots=True)
class Number:
    """A number of a text.

    Attributes:
        value: in base units (seconds for all that is shorter than a month, months for years).
        unit: its name in English, empty where none stands beside it.
        written: as it is written, in the unit that stands beside it.
        start: where it stands, in characters.
    """

    value: Decimal
    unit: str
    written: Decimal
    start: int

    def is_near(self, other: Number, tolerance: Decimal, relative: Decimal) -> bool:
        """Whether both are the same but for a tolerance, in this one's unit as it is written, or a share of it. Units count where both have one."""
        if self.unit and other.unit:
            scale = self.value / self.written if self.written else Decimal(1)
            apart, own, allowed = abs(self.value - other.value), abs(self.value), tolerance * scale
            return self.unit == other.unit and apart <= max(allowed, relative * own)
        return abs(self.written - other.written) <= max(tolerance, relative * abs(self.written))


def load_numeric(name: str, settings: Mapping[str, Any], _tools: Tools) -> Scorer:
    """1 where the answer's number is the expected one, else 0.

    Settings: `take` (`last` number of the answer, `first`, `any`, or `only`: wrong where it has several), `tolerance` (0, in the unit of the expected
    number), `relative` (0, a share of the expected number), `units` (true: they must agree where both have one).
    """
    told = Settings(name, settings)
    take = told.choice("take", "last", ("last", "first", "any", "only"))
    tolerance = Decimal(str(told.number("tolerance", 0, least=0, most=1e12)))
    relative = Decimal(str(told.number("relative", 0, least=0, most=1)))
    units = told.flag("units", default=True)
    told.close()

    def of(case: Case, answer: Answer) -> Score:
        if not case.expected:
            return skipped(NOTHING_EXPECTED)
        if refused := too_long(answer):
            return refused
        wanted = [number for expected in case.expected for number in numbers_of(expected)[-1:]]
        if not wanted:
            return Score(value=None, status="scorer_error", reason=f"no expected answer of the case {case.id[:100]} holds a number")
        found = numbers_of(answer.text)
        taken = {"last": found[-1:], "first": found[:1], "any": found, "only": found if len(found) == 1 else []}[take]
        if not units:
            wanted, taken = [_bare(number) for number in wanted], [_bare(number) for number in taken]
        is_right = any(right.is_near(number, tolerance, relative) for right in wanted for number in taken)
        reason = "" if found else "the answer has no number"
        return Score(value=float(is_right), reason=reason, details={"found": [f"{number.written} {number.unit}".strip() for number in taken[:10]]})

    return Rule(name=name, of=of)


def numbers_of(text: str) -> list[Number]:
    """All numbers of a text in order: amounts with their units, and figures that stand in dates, times and elsewhere, without one."""
    text = _SPELLED.sub(lambda spelled: str(_spelled_value(spelled[0])), unicodedata.normalize("NFKC", text))
    return sorted(_numbers(text), key=lambda number: number.start)


def _numbers(text: str) -> Iterator[Number]:
    amounts = amounts_of(text)
    taken = bytearray(len(text))
    for ratio in _PLAIN.finditer(text):
        if ratio["under"] and int(ratio["under"]):
            taken[ratio.start() : ratio.end()] = b"\1" * (ratio.end() - ratio.start())
            value = _signed(Decimal(int(ratio["over"])) / int(ratio["under"]), text, ratio.start())
            yield Number(value, "", value, ratio.start())
    for amount in amounts:
        if not any(taken[amount.start : amount.end]):
            taken[amount.start : amount.end] = b"\1" * (amount.end - amount.start)
            value = _signed(amount.value, text, amount.start)
            yield Number(value, amount.unit, value / amount.factor, amount.start)
    for plain in _PLAIN.finditer(text):
        if not any(taken[plain.start() : plain.end()]) and not plain["under"] and len(plain[0]) <= DIGITS_MAX:
            value = _signed(Decimal(plain[0].replace(",", "")), text, plain.start())
            yield Number(value, "", value, plain.start())


def _signed(value: Decimal, text: str, start: int) -> Decimal:
    return -value if _MINUS.search(text[max(0, start - 4) : start]) else value


def _bare(number: Number) -> Number:
    return Number(number.written, "", number.written, number.start)


def _spelled_value(spelled: str) -> int:
    """`삼만 오천` is 35,000; a scale by itself is one of it."""
    total = group = digit = 0
    for sign in spelled:
        if sign in _DIGITS:
            digit = _DIGITS[sign]
        elif sign in _SMALL:
            group, digit = group + (digit or 1) * _SMALL[sign], 0
        elif sign in _LARGE:
            total, group, digit = total + (group + digit or 1) * _LARGE[sign], 0, 0
    return total + group + digit
