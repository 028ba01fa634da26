"""`step_consistency`: whether the sums that an answer states along the way are right, each of them computed again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

from ondol.application.evaluation.scorers.base import Rule, Scorer, Tools, skipped
from ondol.application.evaluation.scorers.reference import too_long
from ondol.application.evaluation.scorers.settings import Settings
from ondol.application.evaluation.types import Answer, Case, Score

EQUATION_CHARACTERS_MAX = 400
DEPTH_MAX = 20
"""Of brackets."""
DIGITS_MAX = 30

_ANNOTATION = re.compile(r"<<([^<>\n]{1,400})>>")
_RUN = re.compile(r"[\d\s.,()+\-−–*×xX÷/%=$₩€원]+")
_BETWEEN = re.compile(r"[.,](?!\d)")
_TOKEN = re.compile(r"\s*(?:(?P<number>(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)(?P<percent>%)?|(?P<sign>[-+*/()]))")
_SIGNS = str.maketrans({"−": "-", "–": "-", "×": "*", "x": "*", "X": "*", "÷": "/", "$": " ", "₩": " ", "€": " ", "원": " "})
_OPERATION = re.compile(r"[\d.%)]\s*[-+*/]\s*[-(\d.]")
_ENDING = re.compile(r"[\s.,]+\Z")


@dataclass(frozen=True, slots=True)
class Step:
    """A stated equation.

    Attributes:
        text: as it stands in the answer.
        is_right: whether both sides are the same, to the digits that the written result has.
    """

    text: str
    is_right: bool


class _Unreadable(Exception):
    """This is no sum."""


def load_step_consistency(name: str, settings: Mapping[str, Any], _tools: Tools) -> Scorer:
    """The share of the equations of an answer that hold, such as `3 × 4,500원 = 13,500원`, those of GSM8K's `<<3*4=12>>` too.

    A result may be rounded to the digits that it has. An answer without an equation is not spoken of.

    Settings: `strict` (false; true: 1 where all hold, else 0).
    """
    told = Settings(name, settings)
    is_strict = told.flag("strict", default=False)
    told.close()

    def of(_case: Case, answer: Answer) -> Score:
        if refused := too_long(answer):
            return refused
        steps = list(steps_of(answer.text))
        if not steps:
            return skipped("the answer states no equation")
        wrong = [step.text for step in steps if not step.is_right]
        value = float(not wrong) if is_strict else 1 - len(wrong) / len(steps)
        return Score(value=value, reason=f"{wrong[0]} does not hold" if wrong else "", details={"equations": len(steps), "wrong": wrong[:20]})

    return Rule(name=name, of=of)


def steps_of(text: str) -> Iterator[Step]:
    """The equations of a text, in order. `2 + 3 = 5 * 2 = 10` is two of them, and the first is wrong."""
    for line in text.splitlines():
        yield from (step for part in _ANNOTATION.findall(line) for step in _steps(part))
        for run in _RUN.finditer(_ANNOTATION.sub("", line)):
            for part in _BETWEEN.split(run[0]):
                yield from _steps(part)


def _steps(run: str) -> Iterator[Step]:
    if "=" not in run or len(run) > EQUATION_CHARACTERS_MAX:
        return
    sides = [_ENDING.sub("", side.translate(_SIGNS)).strip() for side in run.split("=")]
    for left, right in pairwise(sides):
        if not _OPERATION.search(left) and not _OPERATION.search(right):
            continue
        try:
            is_right = _is_right(left, right)
            if not is_right and right.endswith("%") and not _OPERATION.search(right):  # `1 / 4 * 100 = 25%`
                is_right = _is_right(left, right[:-1])
        except (_Unreadable, ZeroDivisionError):
            continue
        yield Step(f"{left} = {right}", is_right)


def _is_right(left: str, right: str) -> bool:
    return abs(_value(left) - _value(right)) <= _allowed(left, right)


def _allowed(left: str, right: str) -> Fraction:
    """What rounding explains: half a unit of the last digit of a side that is one number; of a whole number nothing, unless a division made it."""
    for side, other in ((right, left), (left, right)):
        if not _OPERATION.search(side):
            decimals = len(side.rstrip("% ").partition(".")[2])
            scale = Fraction(1, 100) if side.endswith("%") else Fraction(1)
            return Fraction(1, 2 * 10**decimals) * scale if decimals or "/" in other else Fraction(0)
    return Fraction(0)


def _value(text: str) -> Fraction:
    tokens = []
    place = 0
    while place < len(text.rstrip()):
        found = _TOKEN.match(text, place)
        if found is None or len(found[0]) > DIGITS_MAX:
            raise _Unreadable
        tokens.append(found)
        place = found.end()
    value, at = _sum(tokens, 0, 0)
    if at != len(tokens):
        raise _Unreadable
    return value


def _sum(tokens: list[re.Match[str]], at: int, depth: int) -> tuple[Fraction, int]:
    value, at = _product(tokens, at, depth)
    while at < len(tokens) and tokens[at]["sign"] in ("+", "-"):
        sign = 1 if tokens[at]["sign"] == "+" else -1
        other, at = _product(tokens, at + 1, depth)
        value += sign * other
    return value, at


def _product(tokens: list[re.Match[str]], at: int, depth: int) -> tuple[Fraction, int]:
    value, at = _factor(tokens, at, depth)
    while at < len(tokens) and tokens[at]["sign"] in ("*", "/", "("):
        sign = tokens[at]["sign"]
        other, at = _factor(tokens, at if sign == "(" else at + 1, depth)
        value = value / other if sign == "/" else value * other
    return value, at


def _factor(tokens: list[re.Match[str]], at: int, depth: int) -> tuple[Fraction, int]:
    if at >= len(tokens) or depth > DEPTH_MAX:
        raise _Unreadable
    token = tokens[at]
    if token["number"]:
        return Fraction(Decimal(token["number"].replace(",", ""))) / (100 if token["percent"] else 1), at + 1
    if token["sign"] == "-":
        value, at = _factor(tokens, at + 1, depth + 1)
        return -value, at
    if token["sign"] == "(":
        value, at = _sum(tokens, at + 1, depth + 1)
        if at < len(tokens) and tokens[at]["sign"] == ")":
            return value, at + 1
    raise _Unreadable
