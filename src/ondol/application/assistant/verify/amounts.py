"""Numbers with their units, dates and times of day in a text, by value: `3만 3천 원` is `33,000 won`, `사흘` is `3 days`, `6 p.m.` is `18:00`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

_DAY_S = 86_400
DIGITS_MAX = 24
"""A longer run of digits is an identifier, no amount."""


@dataclass(frozen=True, slots=True)
class Amount:
    """A number as it stands in a text.

    Attributes:
        value: in base units where those are exact: seconds for minutes, hours, days and weeks, months for years.
        unit: a name in English, empty where none stands beside it.
        start, end: half-open, in characters.
        factor: how many base units the unit is that stands in the text.
    """

    value: Decimal
    unit: str
    start: int
    end: int
    factor: int = field(default=1, compare=False)

    def is_same(self, other: Amount) -> bool:
        """Whether both may be the same amount: units count where both have one."""
        return self.value == other.value and (self.unit == other.unit or not self.unit or not other.unit)

    def is_near(self, other: Amount) -> bool:
        """Whether only working days and days in general are taken for each other."""
        days, workdays = (self, other) if other.unit == "workday" else (other, self)
        return days.unit == "second" and workdays.unit == "workday" and days.value == workdays.value * _DAY_S


@dataclass(frozen=True, slots=True)
class Date:
    """A date or a part of one; 0 stands for a part that is not said."""

    year: int
    month: int
    day: int
    start: int
    end: int

    def is_same(self, other: Date) -> bool:
        """Whether all that this one says, the other says too."""
        return all(not mine or mine == theirs for mine, theirs in ((self.year, other.year), (self.month, other.month), (self.day, other.day)))


_DIGITS = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?!\d|[.,]\d|-\d+-)"
_SCALES = {"십": 10, "백": 100, "천": 1000, "만": 10**4, "억": 10**8, "조": 10**12}
_ENGLISH_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_ONES = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen
"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ENGLISH_WORDS = {
    **{word: number for number, word in enumerate(_ONES.split())},
    **{word: 10 * number for number, word in enumerate(_TENS.split(), 2)},
}
_NATIVE = "한 두 세 네 다섯 여섯 일곱 여덟 아홉 열"
_KOREAN_WORDS = {**{word: number for number, word in enumerate(_NATIVE.split(), 1)}, "하나": 1, "둘": 2, "셋": 3, "넷": 4}
_NATIVE_DAYS = "하루 이틀 사흘 나흘 닷새 엿새 이레 여드레 아흐레 열흘"
_KOREAN_DAYS = {**{word: number for number, word in enumerate(_NATIVE_DAYS.split(), 1)}, "보름": 15}
_COUNTERS = "개월|개|명|번|회|시간|달|주|살|대|곳|가지|장|권|편|건|차례|배|사람|단계|종류|줄"

_UNITS: tuple[tuple[str, str, int], ...] = (
    # name, expression, factor to the base unit
    ("workday", r"영업일|business[ -]days?|working[ -]days?", 1),
    ("second", r"seconds?\b|secs?\b|초(?![가-힣]?기)", 1),
    ("second", r"minutes?\b|mins?\b|분(?!기|의|야|량)", 60),
    ("second", r"hours?\b|hrs?\b|시간", 3600),
    ("second", r"days?\b|일(?!본|반|부|정|월)", _DAY_S),
    ("second", r"weeks?\b|주일|주(?!소|문|의|요|제|년|차)", 604_800),
    ("month", r"months?\b|개월|달(?!러)", 1),
    ("month", r"years?\b|년", 12),
    ("percent", r"%|percent\b|per cent\b|퍼센트|프로(?!그|젝|세)", 1),
    ("won", r"원(?!칙|본|인|격|활|문|래)|won\b|krw\b", 1),
    ("dollar", r"달러|dollars?\b|usd\b", 1),
    ("euro", r"유로(?!운)|euros?\b|eur\b", 1),
    ("kib", r"kib?(?![a-z0-9_])", 1),
    ("mib", r"mib?(?![a-z0-9_])", 1),
    ("gib", r"gib?(?![a-z0-9_])", 1),
    ("kb", r"kb(?![a-z0-9_])|킬로바이트", 1),
    ("mb", r"mb(?![a-z0-9_])|메가(?:바이트)?", 1),
    ("gb", r"gb(?![a-z0-9_])|기가(?:바이트)?", 1),
    ("tb", r"tb(?![a-z0-9_])|테라(?:바이트)?", 1),
    ("person", r"명|people\b|persons?\b", 1),
    ("time", r"번(?!호|째)|회(?!사|원|의|계|선)|times\b", 1),
    ("degree", r"℃|°c|도씨", 1),
)
_UNIT = re.compile("|".join(f"(?P<u{place}>{expression})" for place, (_, expression, _) in enumerate(_UNITS)), re.IGNORECASE)
_KOREAN_GROUP = rf"{_DIGITS}\s?(?:[십백천]\s?(?:[만억조])?|[만억조])"
_NUMBER = re.compile(
    rf"(?P<korean>{_KOREAN_GROUP}(?:\s?{_KOREAN_GROUP})*(?:\s?(?:\d{{1,3}},\d{{3}}|\d{{1,4}})(?![\d,]))?(?!\s?[가-힣]{{0,1}}시간?\b))"
    rf"|(?P<digits>{_DIGITS})(?:\s(?P<scale>hundred|thousand|million|billion|trillion)\b)?"
    rf"|\b(?P<words>(?:{'|'.join(sorted(_ENGLISH_WORDS, key=len, reverse=True))})(?:-(?:one|two|three|four|five|six|seven|eight|nine))?"
    r"(?:\s(?:hundred|thousand|million|billion))?)\b"
    rf"|(?<![가-힣])(?P<native>{'|'.join(sorted(_KOREAN_WORDS, key=len, reverse=True))})\s?(?=(?:{_COUNTERS})(?![가-힣]{{3}}))"
    rf"|(?<![가-힣])(?P<days>{'|'.join(sorted(_KOREAN_DAYS, key=len, reverse=True))})(?=[가-힣]{{0,3}}(?:\W|\Z))"
    r"|(?<![가-힣])(?P<week>일주일)",
    re.IGNORECASE,
)
_IN_GROUP = re.compile(rf"({_DIGITS})\s?([십백천]?)\s?([만억조]?)")
_CURRENCY_BEFORE = re.compile(r"(?:(?P<won>₩|krw\s?)|(?P<dollar>\$|usd\s?)|(?P<euro>€|eur\s?))\Z", re.IGNORECASE)
_BETWEEN = re.compile(r"\s?(?:~|–|—|-|to|and|or|내지|에서)\s?", re.IGNORECASE)
_PART_OF_WORD = re.compile(r"[A-Za-z_][\w.-]*\Z|\d[.:/]\Z|\d-\d*-\Z|제\s?\Z")
_WORKDAYS_BEFORE = re.compile(r"영업일\s?(?:기준)?(?:으로)?\s?\Z")
_WORKDAYS_BEHIND = re.compile(r"\s?\(?\s?영업일")

_MONTH_BEGINNINGS = "jan feb mar apr may jun jul aug sep oct nov dec"
_MONTHS = _MONTH_BEGINNINGS.split()
_MONTH = (
    r"(?P<{0}>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DATES = re.compile(
    r"(?P<y1>[12]\d{3})\s?년(?:\s?(?P<m1>\d{1,2})\s?월(?:\s?(?P<d1>\d{1,2})\s?일)?)?"
    r"|(?<!\d)(?P<m2>\d{1,2})\s?월(?:\s?(?P<d2>\d{1,2})\s?일)?"
    r"|(?<![\d-])(?P<y3>[12]\d{3})[-./]\s?(?P<m3>\d{1,2})[-./]\s?(?P<d3>\d{1,2})(?![\d-])"
    rf"|\b{_MONTH.format('m4')}\s(?P<d4>\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s(?P<y4>[12]\d{{3}}))?\b"
    rf"|\b(?P<d5>\d{{1,2}})(?:st|nd|rd|th)?\s(?:of\s)?{_MONTH.format('m5')}(?:,?\s(?P<y5>[12]\d{{3}}))?\b"
    rf"|\b{_MONTH.format('m6')}\s(?P<y6>[12]\d{{3}})\b",
    re.IGNORECASE,
)
_CLOCK = re.compile(
    r"(?P<half>오전|오후|새벽|아침|저녁|밤|정오)?\s?(?P<h1>\d{1,2})\s?시(?!간)(?:\s?(?P<m1>\d{1,2})\s?분)?"
    r"|(?<![\d:])(?P<h2>\d{1,2}):(?P<m2>[0-5]\d)(?::[0-5]\d)?(?!\d)(?:\s?(?P<ap2>[ap])\.?m\b)?"
    r"|\b(?P<h3>\d{1,2})\s?(?P<ap3>[ap])\.?m\b",
    re.IGNORECASE,
)


def amounts_of(text: str) -> list[Amount]:
    """All amounts, dates and times of day left out, in order. Linear in the text."""
    taken = bytearray(len(text))
    for expression in (_DATES, _CLOCK):
        for other in expression.finditer(text):
            taken[other.start() : other.end()] = b"\1" * (other.end() - other.start())
    found = [amount for amount in _amounts(text) if not any(taken[amount.start : amount.end])]
    for place in range(len(found) - 2, -1, -1):
        first, second = found[place], found[place + 1]
        if not first.unit and second.unit and _BETWEEN.fullmatch(text, first.end, second.start):
            factor = _factor_of(text, second)
            found[place] = Amount(first.value * factor, second.unit, first.start, first.end, factor)
    return found


def dates_of(text: str) -> list[Date]:
    """All dates, in order."""
    dates = []
    for found in _DATES.finditer(text):
        part = {name[0]: value for name, value in found.groupdict().items() if value}
        month = part.get("m", "0")
        number = int(month) if month.isdigit() else _MONTHS.index(month[:3].lower()) + 1
        date = Date(int(part.get("y", 0)), number, int(part.get("d", 0)), found.start(), found.end())
        if date.month <= 12 and date.day <= 31:
            dates.append(date)
    return dates


def clocks_of(text: str) -> list[tuple[int, int, int]]:
    """Times of day as minutes since midnight, with their spans. `6시` without a half of the day may be either: it is told as of the morning."""
    found = []
    for clock in _CLOCK.finditer(text):
        hour = int(clock["h1"] or clock["h2"] or clock["h3"])
        minute = int(clock["m1"] or clock["m2"] or 0)
        is_late = (clock["half"] or "") in ("오후", "저녁", "밤") or (clock["ap2"] or clock["ap3"] or "").lower() == "p"
        if hour <= 24 and minute < 60:
            found.append(((hour % 12 + 12 if is_late and hour <= 12 else hour) * 60 + minute, clock.start(), clock.end()))
    return found


def _amounts(text: str) -> Iterator[Amount]:
    for found in _NUMBER.finditer(text):
        before = text[max(0, found.start() - 40) : found.start()]
        kind = found.lastgroup if found.lastgroup != "scale" else "digits"
        is_inside = before.endswith("-") and text.startswith("-", found.end())
        if kind in ("digits", "korean") and (is_inside or _PART_OF_WORD.search(before) or len(found[0]) > DIGITS_MAX):
            continue
        value, unit, factor, end = _value_of(found), "", 1, found.end()
        if value is None:
            continue
        if kind == "days":
            unit, factor = "second", _DAY_S
        elif kind == "week":
            unit, factor = "second", 604_800
        else:
            told = _unit_at(text, end)
            currency = _CURRENCY_BEFORE.search(before)
            if told is not None:
                unit, factor, end = told
                if factor == _DAY_S and (_WORKDAYS_BEFORE.search(before) or _WORKDAYS_BEHIND.match(text, end)):
                    unit, factor = "workday", 1
            elif currency is not None:
                unit = str(currency.lastgroup)
            elif end < len(text) and (text[end].isascii() and (text[end].isalpha() or text[end] == "_")):
                continue  # `3rd`, `4xx`, `5k`: part of a word
        yield Amount((value * factor).normalize(), unit, found.start(), end, factor)


def _value_of(found: re.Match[str]) -> Decimal | None:
    try:
        if found["korean"]:
            return _korean_value(found["korean"])
        if found["digits"]:
            return Decimal(found["digits"].replace(",", "")) * _ENGLISH_SCALES.get((found["scale"] or "").lower(), 1)
        if found["words"]:
            return _english_value(found["words"].lower())
    except InvalidOperation:
        return None
    if found["native"]:
        return Decimal(_KOREAN_WORDS[found["native"]])
    return Decimal(_KOREAN_DAYS[found["days"]]) if found["days"] else Decimal(1)


def _korean_value(text: str) -> Decimal:
    """`1억 2,000만 300`: the groups added up."""
    total = Decimal(0)
    for digits, small, large in _IN_GROUP.findall(text):
        total += Decimal(digits.replace(",", "")) * _SCALES.get(small, 1) * _SCALES.get(large, 1)
    return total


def _english_value(text: str) -> Decimal:
    words, _, scale = text.partition(" ")
    tens, _, ones = words.partition("-")
    return Decimal(_ENGLISH_WORDS[tens] + (_ENGLISH_WORDS[ones] if ones else 0)) * _ENGLISH_SCALES.get(scale, 1)


def _unit_at(text: str, place: int) -> tuple[str, int, int] | None:
    """The unit that follows a number: its name, its factor, where it ends."""
    start = place
    if text[start : start + 1] in ("여", "-", " "):
        start += 1
    found = _UNIT.match(text, start) or _UNIT.match(text, place)
    if found is None or found.lastgroup is None:
        return None
    name, _, factor = _UNITS[int(found.lastgroup[1:])]
    return name, factor, found.end()


def _factor_of(text: str, amount: Amount) -> int:
    """The factor of an amount's unit, as it is written."""
    for place in range(amount.start, amount.end):
        found = _UNIT.match(text, place)
        if found is not None and found.end() == amount.end and found.lastgroup is not None:
            return _UNITS[int(found.lastgroup[1:])][2]
    return 1
