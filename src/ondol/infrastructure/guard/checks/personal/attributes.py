"""What describes a person without naming one: birth date, age, height, weight, postal code; and codes that only a word before them gives away."""

from __future__ import annotations

import re
from typing import Final

from ondol.infrastructure.guard.checks.personal import checksums
from ondol.infrastructure.guard.checks.personal.context import Word, Words
from ondol.infrastructure.guard.checks.personal.digits import glued_left, glued_right
from ondol.infrastructure.guard.checks.personal.found import DISTINCT_FORMAT, FORMAT_AND_CONTEXT, LIKELY_FORMAT, WEAK_FORMAT, Found

BEHIND_WORD_CHARS = 48
"""How far behind its word a birth date, licence or code may end."""

BIRTH_EXPRESSION: Final = r"[0-9][0-9.일년]? ?(?:생[^0-9가-힣]|생$|생입|생이|생으|생의|년생|출생|born)"
AGE_EXPRESSION: Final = (
    r"[0-9] ?(?:세|살)|[0-9][ \-]?(?:years?[ \-]old|yrs?[ \-]old|y/o|yo[ ,.)])|"
    r"(?:^|[ (\n,])(?:aged?|age of|age is|age:|turn(?:ed|ing|s)?|나이는?|연령)[ :]{1,2}[0-9]{1,3}|"
    r"(?:^|[ (\n,])(?:i'm|i am|she's|he's|he is|she is) [0-9]{2}[ .,!?;)]|[0-9]y[,)/ ]|"
    r"when (?:he|she|i) (?:was|is|turned) [0-9]{1,2}|[(:/ ](?:m|f|남|여) ?/ ?[0-9]{2}[), /]"
)
BODY_EXPRESSION: Final = r"[0-9] ?(?:cm|kg|센티|킬로|lbs?[ .,)]|pounds)|[4-7](?:'|ft|feet)[ ]?[0-9]"
POSTAL_EXPRESSION: Final = r"우[ :)\].]{0,3}[0-9]{5}"
POSTAL_WORD_EXPRESSION: Final = r"우편번호|우 편 번 호|zip|postcode|post code|postal code"
BRACKETED_EXPRESSION: Final = r"\((?:우 ?)?[0-9]{5}\)"
STATE_EXPRESSION: Final = r"[A-Z]{2},? [0-9]{5}"
LICENCE_EXPRESSION: Final = r"(?:driver'?s?|drivers'|driver’s|driving) licen[sc]e|(?:^|[ (])dl ?(?:#|no)"
PRESCRIPTION_EXPRESSION: Final = r"처 ?방[가-힣 ]{0,5}번 ?호|rx-[0-9]|prescription (?:no|num|id)"

_MONTHS: Final = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}"
_DATE: Final = re.compile(
    r"(?<![0-9])(?:(?:19|20)[0-9]{2}|[0-9]{2})(?: ?년 ?| ?[.\-/] ?)"
    r"(?:1[0-2]|0?[1-9])(?: ?월 ?| ?[.\-/] ?)(?:3[01]|[12][0-9]|0?[1-9])(?: ?일)?(?![0-9])"
    r"|(?<![0-9])(?:[12][0-9]|3[01]|1[0-2]|0?[1-9])[./\-](?:[12][0-9]|3[01]|1[0-2]|0?[1-9])[./\-](?:(?:19|20)[0-9]{2}|[0-9]{2})(?![0-9])"
    r"|(?<![0-9])(?:19|20)[0-9]{6}(?![0-9])|(?<![0-9])[0-9]{6}(?![0-9])"
    rf"|{_MONTHS}\.? [0-9]{{1,2}}(?:st|nd|rd|th)?,? (?:19|20)[0-9]{{2}}"
    rf"|(?<![0-9])[0-9]{{1,2}}(?:st|nd|rd|th)? {_MONTHS}\.?,? (?:19|20)[0-9]{{2}}",
    re.IGNORECASE,
)
_BORN_IN: Final = re.compile(r"(?<![0-9])(?:19|20)?[0-9]{2} ?년생")
_AGE: Final = re.compile(r"(?:만 ?)?(?<![0-9.,\-])(?:1[01][0-9]|[1-9]?[0-9]) ?(?:세|살)(?![0-9])")
_AGE_NOT_AFTER: Final = (
    *("이상", "미만", "이하", "초과", "부터", "까지", "이전", "이후", "이 되", "가 되"),
    *("대 ", "트", "계", "탁", "금"),
)
"""Limits of age in rules, and other words that begin like 세 and 살 (세기, 세트, 살 대)."""
_AGE_ENGLISH: Final = re.compile(r"(?<![0-9A-Za-z.$\[])[0-9]{1,3}(?![0-9])(?!\.[0-9]|,[0-9]|%)")
_MEASURE: Final = re.compile(
    r"(?<![0-9.,])([0-9]{1,3}(?:\.[0-9]{1,2})?) ?(cm|kg|센티미터|센티|킬로그램|킬로|lbs?|pounds)"
    r"|[4-7](?:'|’| ?ft| ?feet) ?[0-9]{1,2}(?:\"|”|''| ?in(?:ch(?:es)?)?)?",
    re.IGNORECASE,
)
_FIVE: Final = re.compile(r"(?<![0-9])[0-9]{5}(?![0-9])(?!-[0-9]{5})")
_KOREAN_CODE: Final = re.compile(r"[^0-9]{0,12}?([0-9]{5}|[0-9]{3}-[0-9]{3})(?![0-9])")
_FOREIGN_CODE: Final = re.compile(
    r"[a-z ]{0,10}(?: is| number is|:|=| no\.?)?[ :]{0,3}"
    r"([0-9][0-9A-Z]{0,5}(?:[ \-](?:[0-9]{2,4}|[0-9A-Z]{2,3}))?)(?![0-9A-Za-z])"
)
_STATE_CODE: Final = re.compile(r"([A-Z]{2}),? ([0-9]{5}(?:-[0-9]{4})?)(?![0-9])")
_CODE: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9\-]*[A-Za-z0-9])?")
_STATE_NAMES: Final = (
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA "
    "WV WI WY DC PR AE AP AA"
)
_STATES: Final = frozenset(_STATE_NAMES.split())


def birth_date_behind(text: str, word_end: int) -> Found | None:
    """The first date behind a word such as 생년월일, unless another line or sentence begins before it."""
    window = text[word_end : word_end + BEHIND_WORD_CHARS]
    found = _DATE.search(window)
    if found is None or found.start() > _DATE_GAP_CHARS or window[: found.start()].count("\n") > 1:
        return None
    value = found[0]
    if value.isdigit() and len(value) == 6 and not checksums.month_and_day(value[2:]):
        return None
    return Found("BIRTH_DATE", word_end + found.start(), word_end + found.end(), FORMAT_AND_CONTEXT, "format+context")


_DATE_GAP_CHARS = 20


def birth_date_before(text: str, end: int) -> Found | None:
    """A date or year right before 생, 년생, 출생 or born, whose first digit before it lies within the match that ends here."""
    low = max(0, end - BEHIND_WORD_CHARS)
    window = text[low:end]
    year = _last(_BORN_IN, window, 0, len(window))
    if year is not None and year.end() >= len(window) - 1:
        return Found("BIRTH_DATE", low + year.start(), low + year.end(), DISTINCT_FORMAT, "format")
    date = _last(_DATE, window, 0, len(window))
    if date is None or len(window) - date.end() > _BORN_CHARS:
        return None
    return Found("BIRTH_DATE", low + date.start(), low + date.end(), FORMAT_AND_CONTEXT, "format+context")


_BORN_CHARS = 6


def _last(expression: re.Pattern[str], text: str, low: int, high: int) -> re.Match[str] | None:
    """The last match in a window."""
    found = None
    for found in expression.finditer(text, low, high):  # noqa: B007 - the last one is wanted
        pass
    return found


def _ordinal(text: str, found: re.Match[str]) -> bool:
    """Whether it may be the number of a king or an heir: one digit right behind a word (나폴레옹 3세)."""
    before = text[max(0, found.start() - 8) : found.start()].rstrip(" ")
    named = before.endswith(("나이", "연령", "나이는", "연령은"))
    return len(found[0].rstrip("세 ")) == 1 and not named and "가" <= before[-1:] <= "힣"


def age_at(text: str, end: int) -> Found | None:
    """An age whose digits or unit a match ends with. Limits of age in rules (65세 이상) are not somebody's age."""
    low = max(0, end - 14)
    if text[end - 1] in "세살":
        found = None
        for found in _AGE.finditer(text, low, min(len(text), end + 1)):
            if found.end() >= end:
                break
        if found is None or found.end() < end or text[end : end + 1] == "기" or text[end : end + 3].lstrip().startswith(_AGE_NOT_AFTER):
            return None
        confidence = WEAK_FORMAT if _ordinal(text, found) else DISTINCT_FORMAT
        return Found("AGE", found.start(), found.end(), confidence, "format")
    found = None
    for found in _AGE_ENGLISH.finditer(text, low, min(len(text), end + 3)):
        if found.end() >= end - 2:
            break
    if found is None:
        found = _last(_AGE_ENGLISH, text, max(0, end - 20), end)
    if found is None or not 0 < int(found[0]) <= 120 or text[found.end() : found.end() + 3].lstrip().startswith(("%", "세", "살", "km", "min")):
        return None
    return Found("AGE", found.start(), found.end(), LIKELY_FORMAT + 0.05, "format+context")


def measures_at(text: str, end: int, words: Words) -> Found | None:
    """A height or weight of a person: beside a word, or one beside the other, within what people are."""
    low = max(0, end - 9)
    found = None
    for found in _MEASURE.finditer(text, low, min(len(text), end + 4)):
        if found.end() >= end - 1:
            break
    if found is None or found.end() < end - 1:
        return None
    unit = (found[2] or "ft").lower()
    tall = unit in {"cm", "센티", "센티미터", "ft"}
    if found[1] is not None and not _human(float(found[1]), unit):
        return None
    distance = words.distance(Word.BODY, *found.span())
    if distance is None or distance > _BODY_NEAR_CHARS:
        if not _paired(text, found.start(), found.end(), tall):
            return None
        return Found("HEIGHT" if tall else "WEIGHT", found.start(), found.end(), LIKELY_FORMAT, "format")
    return Found("HEIGHT" if tall else "WEIGHT", found.start(), found.end(), FORMAT_AND_CONTEXT, "format+context")


_BODY_NEAR_CHARS = 18


def _human(value: float, unit: str) -> bool:
    if unit in {"cm", "센티", "센티미터"}:
        return 40 <= value <= 230
    if unit in {"kg", "킬로", "킬로그램"}:
        return 2 <= value <= 250
    return 60 <= value <= 550


_PAIR_GAP: Final = frozenset(" ,/()·에")


def _paired(text: str, start: int, end: int, tall: bool) -> bool:
    """Whether the other of height and weight stands within a few characters, and this is large enough for a grown person's."""
    for other in _MEASURE.finditer(text, max(0, start - 12), min(len(text), end + 14)):
        between = text[other.end() : start] if other.start() < start else text[end : other.start()]
        if other[1] is None or (other.start() < end and other.end() > start) or not _PAIR_GAP.issuperset(between):
            continue
        other_tall = other[2].lower() in {"cm", "센티", "센티미터"}
        height = other[1] if other_tall else text[start:end].partition("c")[0]
        if other_tall is not tall and height.strip().replace(".", "", 1).isdigit() and float(height) >= 100:
            return True
    return False


def postal_code_at(text: str, end: int) -> Found | None:
    """A postal code behind 우 that ends here."""
    start = end - 5
    before = text[max(0, start - 5) : start].rfind("우")
    place = max(0, start - 5) + before
    if before < 0 or glued_right(text, end) or (place and "가" <= text[place - 1] <= "힣") or not _korean_area(text[start:end]):
        return None
    return Found("POSTAL_CODE", start, end, FORMAT_AND_CONTEXT, "format+context")


def bracketed_code_at(text: str, end: int) -> Found | None:
    """A postal code in brackets that end here, behind what an address ends with."""
    start = end - 6
    if not _korean_area(text[start : end - 1]) or _ADDRESS_TAIL.search(text[max(0, end - 24) : end - 7]) is None:
        return None
    return Found("POSTAL_CODE", start, end - 1, LIKELY_FORMAT + 0.1, "format+context")


def state_code_at(text: str, end: int) -> Found | None:
    """A ZIP code behind a US state, of which the first five digits end here."""
    found = _STATE_CODE.search(text, max(0, end - 9), min(len(text), end + 6))
    if found is None or found[1] not in _STATES or glued_left(text, found.start()) or glued_right(text, found.end()):
        return None
    return Found("POSTAL_CODE", found.start(2), found.end(2), LIKELY_FORMAT, "format")


_ADDRESS_TAIL: Final = re.compile(r"[시도군구읍면동리로길호층] ?[0-9]|[0-9] ?(?:동|호|층|번지|번길)")


def _korean_area(code: str) -> bool:
    """Codes in use lie between 01000 and 63644 (Korea Post)."""
    return 1000 <= int(code) < 64000


def postal_code_behind(text: str, end: int) -> Found | None:
    """A postal code behind the word for it, which ends here."""
    window = text[end : end + BEHIND_WORD_CHARS // 2]
    found = (_KOREAN_CODE if text[end - 1] == "호" else _FOREIGN_CODE).match(window)
    if found is None or "\n" in window[: found.start(1)].strip(" "):
        return None
    if not found[1][-1].isdigit() and not found[1][-1].isupper():
        return None
    return Found("POSTAL_CODE", end + found.start(1), end + found.end(1), FORMAT_AND_CONTEXT, "format+context")


def licence_behind(text: str, word_end: int) -> Found | None:
    """A driving licence of any country behind the word: 5 to 20 letters, digits and dashes with at least four digits."""
    return _code_behind(text, word_end, "DRIVER_LICENCE", 5, 20)


def prescription_behind(text: str, word_end: int) -> Found | None:
    """A prescription's number behind the word, or the code that begins with RX-."""
    if text[max(0, word_end - 4) : word_end - 1].lower() == "rx-":
        found = _CODE.match(text[word_end - 4 : word_end + BEHIND_WORD_CHARS // 2])
        if found is None or sum(map(str.isdigit, found[0])) < 6:
            return None
        return Found("PRESCRIPTION_ID", word_end - 4, word_end - 4 + found.end(), DISTINCT_FORMAT, "format")
    return _code_behind(text, word_end, "PRESCRIPTION_ID", 6, 28)


def _code_behind(text: str, word_end: int, entity: str, least: int, most: int) -> Found | None:
    """The first code behind a word with at least four digits, on the same line, within `BEHIND_WORD_CHARS`."""
    window = text[word_end : word_end + BEHIND_WORD_CHARS]
    window = window.split("\n", 1)[0]
    for found in _CODE.finditer(window):
        digits = sum(map(str.isdigit, found[0]))
        if not digits:
            continue
        if found.start() > 24 or digits < 4 or not least <= len(found[0]) <= most or (found.end() == len(window) == BEHIND_WORD_CHARS):
            return None
        return Found(entity, word_end + found.start(), word_end + found.end(), FORMAT_AND_CONTEXT - 0.02, "format+context")
    return None
