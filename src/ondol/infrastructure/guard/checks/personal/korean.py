"""Korean numbers: resident, foreigner, corporate, business, driving licence, health insurance, customs, bank accounts, telephones, plates."""

from __future__ import annotations

import re
from typing import Final

from ondol.infrastructure.guard.checks.personal import checksums
from ondol.infrastructure.guard.checks.personal.context import Word, Words
from ondol.infrastructure.guard.checks.personal.digits import SMALL_DIGITS_MAX, Number, glued_left, glued_right
from ondol.infrastructure.guard.checks.personal.found import (
    DISTINCT_FORMAT,
    FORMAT_AND_CONTEXT,
    LIKELY_FORMAT,
    WEAK_FORMAT,
    Found,
    graded,
)

_CENTURIES: Final = {"1": 1900, "2": 1900, "3": 2000, "4": 2000, "5": 1900, "6": 1900, "7": 2000, "8": 2000, "9": 1800, "0": 1800}
"""Of the seventh digit of a resident (1-4, 9, 0) or foreigner (5-8) number."""

BIRTH_YEAR_MAX: Final = 2040
"""Numbers with a later birth are not taken for resident numbers. A fixed year, so that the same text always gives the same findings."""

_REGIONS: Final = frozenset("서울 부산 대구 인천 광주 대전 울산 세종 경기 강원 충북 충남 전북 전남 경북 경남 제주".split())  # noqa: SIM905
_REPRESENTATIVE: Final = frozenset(
    "1522 1533 1544 1551 1555 1566 1577 1588 1599 1600 1644 1660 1661 1666 1668 1670 1688 1800 1811 1833 1844 1855 1866 1877 1899".split()  # noqa: SIM905
)
_AREA_CODES: Final = frozenset("031 032 033 041 042 043 044 051 052 053 054 055 061 062 063 064".split())  # noqa: SIM905
_MOBILE_CODES: Final = frozenset({"010", "011", "016", "017", "018", "019"})
_TWELVE_DIGIT_CODES: Final = frozenset(f"050{last}" for last in "2345678")
_PLATE_SYLLABLES: Final = "가나다라마거너더러머버서어저고노도로모보소오조구누두루무부수우주바사아자허하호배육해공국합"
_PLATE_COUNTERS: Final = frozenset("조구부수우주로도호사공국오육")
"""Syllables of plates that also count or join things (10조 2000, 12호 1234): without a word they need to be written without spaces."""

PLATE_EXPRESSION: Final = rf"[0-9][ ]?[{_PLATE_SYLLABLES}][ ]?[0-9]{{4}}"
_PLATE: Final = re.compile(rf"(?<![0-9])[0-9]{{2,3}}( ?)([{_PLATE_SYLLABLES}])( ?)[0-9]{{4}}$")
_PLATE_WINDOW_CHARS = 14
_COUNTED_AFTER: Final = frozenset("년월일원명개건호번만천억조회차시분초")


def resident_number(number: Number, words: Words) -> Found | None:
    """A resident, foreigner or corporate registration number: 13 digits, 6 and 7."""
    digits = number.digits
    if not number.cuts(6, 7):
        return None
    named = words.closest(number.start, number.end, Word.RESIDENT, Word.FOREIGNER, Word.CORPORATE)
    dashed = number.groups == (6, 7) and number.text[number.start + 6] == "-"
    run = number.groups == (13,) and not number.spelled
    if named is Word.CORPORATE or (named is None and not run and _is_corporate(digits)):
        context = named is Word.CORPORATE
        return graded("KR_CORPORATE_NUMBER", number.start, number.end, checksum=checksums.corporate_number(digits), context=context, alone=0)
    century = _CENTURIES[digits[6]]
    foreign = digits[6] in "5678"
    entity = "KR_FOREIGNER_NUMBER" if foreign else "KR_RESIDENT_NUMBER"
    dated = checksums.birth_date(digits, century) and century + int(digits[:2]) <= BIRTH_YEAR_MAX
    if not dated or (century == 1800 and named is None):
        context = named is not None and digits[:6].strip("0") != ""
        return Found(entity, number.start, number.end, FORMAT_AND_CONTEXT, "format+context") if context else None
    checksum = checksums.foreigner_number(digits) if foreign else checksums.resident_number(digits)
    if named is None and ((number.glued and not (checksum and dashed)) or not _natural(number) or number.crowded):
        return None
    if named is None and run and checksum and words.near(number.start, number.end, Word.ORDER):
        return Found(entity, number.start, number.end, WEAK_FORMAT, "checksum")
    return graded(entity, number.start, number.end, checksum=checksum, context=named is not None, alone=_alone(number, words, dashed))


def _is_corporate(digits: str) -> bool:
    """Without a word: a corporate number's check digit, and not a resident number's."""
    century = _CENTURIES[digits[6]]
    dated = checksums.birth_date(digits, century) and century != 1800
    right = checksums.foreigner_number(digits) if digits[6] in "5678" else checksums.resident_number(digits)
    return digits[0] in "12" and digits[6] == "0" and checksums.corporate_number(digits) and not (dated and right)


_ARTICLES: Final = ("880", "978", "979")
"""How article numbers of Korea and of books begin (GS1)."""


def _natural(number: Number) -> bool:
    """Whether the groups are ones that people write, and not neighbours in a table."""
    return number.spelled or number.groups in {(13,), (6, 7), (6, 1, 6)} or max(number.groups) <= SMALL_DIGITS_MAX


def _alone(number: Number, words: Words, dashed: bool) -> float:
    """How sure a date and a sex are without a word and without a check digit that fits."""
    if dashed:
        return DISTINCT_FORMAT
    if number.spelled or len(number.groups) > 1:
        return LIKELY_FORMAT
    if words.near(number.start, number.end, Word.ORDER) or (number.digits.startswith(_ARTICLES) and checksums.ean13(number.digits)):
        return 0
    return WEAK_FORMAT


_STARS_MAX = 8
"""People type one or two more than the six that there are."""


def masked_resident_number(number: Number, words: Words) -> Found | None:
    """A resident number of which only the birth date and the sex are left: 900101-1******."""
    text, end = number.text, number.end
    stars = 0
    while stars < _STARS_MAX and end + stars < len(text) and text[end + stars] in "*xX●○•＊#":
        stars += 1
    century = _CENTURIES[number.digits[6]]
    if stars < 6 or number.groups not in {(6, 1), (7,)} or number.glued_left or not checksums.birth_date(number.digits, century):
        return None
    entity = "KR_FOREIGNER_NUMBER" if number.digits[6] in "5678" else "KR_RESIDENT_NUMBER"
    return Found(entity, number.start, end + stars, FORMAT_AND_CONTEXT, "format+masked")


def business_number(number: Number, words: Words) -> Found | None:
    """A business registration number: 10 digits, 3, 2 and 5."""
    if not number.cuts(3, 2, 5):
        return None
    context = words.closest(number.start, number.end, Word.BUSINESS, Word.ACCOUNT, Word.PHONE, Word.SOCIAL, Word.ORDER) is Word.BUSINESS
    if not context and (number.groups != (3, 2, 5) or number.glued or number.text[number.start + 3] != "-"):
        return None
    checksum = checksums.business_number(number.digits)
    return graded("KR_BUSINESS_NUMBER", number.start, number.end, checksum=checksum, context=context, alone=LIKELY_FORMAT)


def driving_licence(number: Number, words: Words) -> Found | None:
    """A driving licence: 2 (region 11-28), 2, 6 and 2 digits, or the region's name before 2, 6 and 2. Its check digits are not public."""
    start, end, digits = number.start, number.end, number.digits
    context = words.closest(start, end, Word.LICENCE, Word.ACCOUNT, Word.PHONE, Word.BUSINESS, Word.CARD) is Word.LICENCE
    if number.glued:
        return None
    if len(digits) == 12:
        dashed = number.groups == (2, 2, 6, 2)
        if not number.cuts(2, 2, 6, 2) or not (context or (dashed and 11 <= int(digits[:2]) <= 28)):
            return None
        return graded("KR_DRIVER_LICENCE", start, end, checksum=False, context=context, alone=DISTINCT_FORMAT)
    region = _region_before(number.text, start)
    if not number.cuts(2, 6, 2) or not (context or region < start) or (number.groups != (2, 6, 2) and not context):
        return None
    return graded("KR_DRIVER_LICENCE", region, end, checksum=False, context=context, alone=DISTINCT_FORMAT)


def _region_before(text: str, start: int) -> int:
    """Where the name of a region right before a place begins, or the place."""
    place = start
    while place > 0 and start - place < 2 and text[place - 1] in " -":
        place -= 1
    return place - 2 if text[max(0, place - 2) : place] in _REGIONS else start


def health_insurance(number: Number, words: Words) -> Found | None:
    """A health insurance certificate: one digit and ten."""
    if not number.cuts(1, 10) or number.glued:
        return None
    if words.near(number.start, number.end, Word.INSURANCE):
        return Found("KR_HEALTH_INSURANCE_NUMBER", number.start, number.end, FORMAT_AND_CONTEXT, "format+context")
    shaped = number.groups == (1, 10) and number.digits[0] in "12356789" and number.text[number.start + 1] == "-"
    return Found("KR_HEALTH_INSURANCE_NUMBER", number.start, number.end, LIKELY_FORMAT, "format") if shaped else None


def bank_account(number: Number, words: Words) -> Found | None:
    """An account beside a bank's name or a word such as 계좌. There is no check digit that banks share."""
    if not 10 <= len(number.digits) <= 14 or len(number.groups) > 5 or (number.glued and not number.spelled):
        return None
    if len(number.groups) > 1 and (max(number.groups) < 4 or _gaps_differ(number)):
        return None
    if _telephone_kind(number.digits, number.groups, loose=False) >= DISTINCT_FORMAT and len(number.groups) > 1:
        return None
    nearest = words.closest(
        number.start,
        number.end,
        Word.ACCOUNT,
        Word.PHONE,
        Word.RESIDENT,
        Word.BUSINESS,
        Word.CORPORATE,
        Word.LICENCE,
        Word.ORDER,
        Word.INSURANCE,
        Word.FOREIGNER,
    )
    if nearest is not Word.ACCOUNT or set(number.digits) == {"0"}:
        return None
    return Found("BANK_ACCOUNT", number.start, number.end, FORMAT_AND_CONTEXT - 0.01, "format+context")


def _gaps_differ(number: Number) -> bool:
    """Whether groups are joined by more than dashes or single spaces, as columns of a table are."""
    between = {char for char in number.text[number.start : number.end] if not char.isalnum()}
    return not between <= {"-"} and between != {" "}


def telephone(number: Number, words: Words) -> Found | None:
    """A Korean telephone number: mobile, area, internet, personal or representative, with or without +82."""
    digits, start, groups = number.digits, number.start, number.groups
    international = digits.startswith("82") and len(digits) >= 10 and number.text[max(0, start - 1) : start] == "+"
    if international:
        number_start = start - 1
        digits = digits[2:] if digits[2] == "0" else "0" + digits[2:]
        lead = groups[0] - 2
        groups = (*((lead,) if lead > 0 else ()), *groups[1:])
    else:
        number_start = start - 1 if start and number.text[start - 1] == "(" and ")" in number.text[start : start + 5] else start
    certainty = _telephone_kind(digits, groups, loose=international or number.spaced or number.spelled)
    if not certainty or (number.glued and not _attached(number)):
        return None
    context = words.near(start, number.end, Word.PHONE)
    if not context and (certainty < LIKELY_FORMAT or number.crowded):
        return None
    return Found("PHONE", number_start, number.end, FORMAT_AND_CONTEXT if context else certainty, "format+context" if context else "format")


def _attached(number: Number) -> bool:
    """Whether what hangs on to the left is no more than a word for telephone: tel010-1234-5678."""
    before = number.text[max(0, number.start - 8) : number.start].rstrip(".-").lower()
    return not number.glued_right and before.endswith(("tel", "phone", "mobile", "fax", "hp"))


def _telephone_kind(digits: str, groups: tuple[int, ...], *, loose: bool) -> float:
    """How sure the numbering plan alone makes it: 0 for no telephone number."""
    count, code = len(digits), digits[:3]
    if count == 8 and digits[:4] in _REPRESENTATIVE:
        certainty = LIKELY_FORMAT if groups == (4, 4) and not _years(digits) else WEAK_FORMAT
    elif code in _MOBILE_CODES and count in {10, 11}:
        certainty = DISTINCT_FORMAT if loose or _grouped(groups, 3, count) else 0
    elif digits[:2] == "02" and count in {9, 10} and digits[2] not in "01":
        certainty = _sure(groups, 2, count, loose)
    elif count in {10, 11} and (code in {"070", "080"} or (code in _AREA_CODES and digits[3] not in "01")):
        certainty = _sure(groups, 3, count, loose)
    elif digits[:4] in _TWELVE_DIGIT_CODES and count in {11, 12}:
        certainty = _sure(groups, 4, count, loose)
    else:
        certainty = 0
    return certainty


def _grouped(groups: tuple[int, ...], code: int, count: int) -> bool:
    """One run, or code, exchange and the last four; the code and the exchange may be written together."""
    return groups in {(count,), (code, count - code - 4, 4), (count - 4, 4), (code, count - code)}


def _sure(groups: tuple[int, ...], code: int, count: int, loose: bool) -> float:
    if groups == (code, count - code - 4, 4):
        return DISTINCT_FORMAT
    return WEAK_FORMAT if loose or _grouped(groups, code, count) else 0


def _years(digits: str) -> bool:
    """Whether two groups of four could be the years of a period."""
    return int(digits[:4]) < int(digits[4:]) <= 2100


def plate_at(text: str, end: int, words: Words) -> Found | None:
    """A vehicle plate that ends here: two or three digits, a syllable, four digits, with the region before it on older commercial ones."""
    found = _PLATE.search(text[max(0, end - _PLATE_WINDOW_CHARS) : end])
    if found is None or glued_right(text, end):
        return None
    start = end - (found.end() - found.start())
    if text[end : end + 1] in _COUNTED_AFTER or text[max(0, start - 1) : start] == "제" or glued_left(text, start):
        return None
    region = _region_before(text, start)
    context = region < start or words.near(start, end, Word.VEHICLE)
    spaced = bool(found[1] or found[3])
    if not context and found[2] in _PLATE_COUNTERS and (spaced or found[2] in "조호부수주"):
        return None
    return graded("VEHICLE_PLATE", region, end, checksum=False, context=context, alone=DISTINCT_FORMAT)


def customs_code(number: Number, words: Words) -> Found | None:
    """A personal customs clearance code: P and 12 digits."""
    start = number.start
    if number.groups != (12,) or start == 0 or number.text[start - 1] not in "Pp" or glued_left(number.text, start - 1) or number.glued_right:
        return None
    context = words.near(start, number.end, Word.CUSTOMS)
    return graded("KR_CUSTOMS_CODE", start - 1, number.end, checksum=False, context=context, alone=DISTINCT_FORMAT)
