"""Numbers of other countries and of no country: cards, US, UK and other telephones, social security, IBAN, passports, crypto addresses."""

from __future__ import annotations

import re
from typing import Final

from ondol.infrastructure.guard.checks.personal import checksums
from ondol.infrastructure.guard.checks.personal.context import BEFORE_CHARS, Word, Words
from ondol.infrastructure.guard.checks.personal.digits import Number, glued_left, glued_right
from ondol.infrastructure.guard.checks.personal.found import (
    CHECKSUM,
    DISTINCT_FORMAT,
    FORMAT_AND_CONTEXT,
    LIKELY_FORMAT,
    WEAK_FORMAT,
    Found,
    graded,
)

_CARD_GROUPS: Final = frozenset({(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (6, 6), (4, 4, 4, 3), (4, 4, 4, 4, 3), (6, 13)})

IBAN_EXPRESSION: Final = r"(?:^|[^A-Za-z0-9])[A-Za-z]{2}[0-9]{2}(?:[ \-]?[A-Za-z0-9]){11}"
IBAN_LENGTHS: Final = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BR": 29, "CH": 21, "CR": 22, "CY": 28, "CZ": 24,
    "DE": 22, "DK": 18, "DO": 28, "EE": 20, "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28,
    "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LI": 21, "LT": 20, "LU": 20, "LV": 21,
    "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18, "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29,
    "RO": 24, "RS": 22, "SA": 24, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "TN": 24, "TR": 26, "UA": 29, "VG": 24, "XK": 20,
}  # fmt: skip
"""Characters of an IBAN by country (SWIFT IBAN registry)."""
_IBAN_CHARS_MAX = 48

PASSPORT_EXPRESSION: Final = r"(?:^|[^A-Za-z0-9])[A-Za-z]{1,2}[0-9](?:[0-9]{6}|[0-9]{2}[A-Za-z][0-9]{4})"
_PASSPORT: Final = re.compile(r"[A-Za-z]{1,2}(?:[0-9]{3}[A-Za-z][0-9]{4}|[0-9]{6,9})(?![0-9A-Za-z])")
NINO_EXPRESSION: Final = r"(?:^|[^A-Za-z0-9])[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]"
_NINO: Final = re.compile(r"[A-Z]{2} ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]$")
_NINO_NOT: Final = frozenset({"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"})
CRYPTO_EXPRESSION: Final = r"0x[0-9a-fA-F]{10}|bc1[a-z0-9]{6}|(?:^|[ \n:('\"=,])[13][1-9A-HJ-NP-Za-km-z]{25}"
_CRYPTO: Final = re.compile(r"(?:0x[0-9a-fA-F]{40}|bc1[a-z0-9]{20,59}|[13][1-9A-HJ-NP-Za-km-z]{25,34})(?![0-9A-Za-z])")
UK_POSTCODE_EXPRESSION: Final = r"(?:^|[^A-Za-z0-9])[A-Z]{1,2}[0-9][0-9A-Z]? [0-9][ABD-HJLNP-UW-Z]{2}"


def card(number: Number, words: Words) -> Found | None:
    """A payment card: issuer and length (ISO/IEC 7812), Luhn; Korean domestic ones begin with 9."""
    digits = number.digits
    if not _issued(digits) or not _card_shaped(number):
        return None
    named = words.closest(number.start, number.end, Word.CARD, *_NOT_CARDS)
    context, checksum = named is Word.CARD, checksums.luhn(digits)
    part = number.glued and not (checksum and (context or number.groups == (4, 4, 4, 4)))
    if part or named in {Word.RESIDENT, Word.FOREIGNER, Word.CORPORATE} or (not context and number.crowded):
        return None
    if named is Word.ORDER and not checksum:
        return None
    run = len(number.groups) == 1 and not number.spelled
    rare = digits[0] == "9" or len(digits) not in {15, 16, 19}
    if run and checksum and not context and (named is Word.ORDER or rare):
        return Found("CARD", number.start, number.end, WEAK_FORMAT, "checksum")
    quarters = number.groups == (4, 4, 4, 4) or (number.groups == (4, 6, 5) and digits[:2] in {"34", "37"})
    alone = LIKELY_FORMAT if quarters or number.spaced or number.spelled else 0
    return graded("CARD", number.start, number.end, checksum=checksum, context=context, alone=alone)


_NOT_CARDS: Final = (Word.ORDER, Word.ACCOUNT, Word.PHONE, Word.RESIDENT, Word.FOREIGNER, Word.CORPORATE)


def _issued(digits: str) -> bool:
    """Whether an issuer gives out cards that begin like this, with this many digits."""
    count, two, four = len(digits), int(digits[:2]), int(digits[:4])
    match digits[0]:
        case "4":
            issued = count in {13, 16, 19}
        case "5":
            issued = (51 <= two <= 55 and count == 16) or (two in {50, 56, 57, 58} and 12 <= count <= 19)
        case "2":
            issued = (2221 <= four <= 2720 and count == 16) or (four == 2131 and count == 15)
        case "3":
            issued = (two in {34, 37} and count == 15) or (two in {30, 36, 38, 39} and count in {14, 16}) or (two == 35 and 16 <= count <= 19)
        case "6":
            issued = 12 <= count <= 19 and two in {60, 62, 63, 64, 65, 67, 68, 69}
        case "1":
            issued = four == 1800 and count == 15
        case _:
            issued = digits[0] == "9" and count == 16
    return issued


def _card_shaped(number: Number) -> bool:
    """Groups as on a card, one run, or all single or paired digits; joined by at most two kinds of separator."""
    if number.spaced:
        return len(number.digits) in {15, 16, 19}
    if len(number.groups) == 1:
        return True
    return number.groups in _CARD_GROUPS or max(number.groups) == 2


def us_number(number: Number, words: Words) -> Found | None:
    """A US social security number or individual taxpayer number: 9 digits, 3, 2 and 4."""
    digits, start, end = number.digits, number.start, number.end
    if not number.cuts(3, 2, 4) or (number.glued and not number.spelled):
        return None
    context = words.near(start, end, Word.SOCIAL)
    shaped = number.groups == (3, 2, 4) and number.text[start + 3] in "- " and number.text[start + 3] == number.text[start + 6]
    if not context and not (shaped and number.text[start + 3] == "-"):
        return None
    if checksums.social_security_number(digits):
        return graded("US_SSN", start, end, checksum=False, context=context, alone=DISTINCT_FORMAT)
    if checksums.taxpayer_number(digits):
        return graded("US_ITIN", start, end, checksum=False, context=context, alone=DISTINCT_FORMAT)
    return Found("US_SSN", start, end, LIKELY_FORMAT, "context") if context and shaped else None


def foreign_telephone(number: Number, words: Words) -> Found | None:
    """A telephone number outside Korea: + and 8 to 15 digits (ITU-T E.164), a North American one, or 7 to 12 digits right beside a word for it."""
    text, digits, start, end = number.text, number.digits, number.start, number.end
    written = text[start:end]
    if "\n" in written or written.count("(") > written.count(")") or (number.glued_right and not _labelled_behind(text, end)):
        return None
    if start and text[start - 1] == "+" and digits[0] != "0" and digits[:2] != "82" and 8 <= len(digits) <= 15:
        return Found("PHONE", start - 1, _extension(text, end), DISTINCT_FORMAT, "format")
    opened = start - 1 if start and text[start - 1] == "(" and ")" in written else start
    distance = words.distance(Word.PHONE, start, end)
    plan = not number.glued_left and _north_american(number) and (distance is not None or any(sign in written for sign in "-)."))
    if plan or (digits.startswith("00") and not number.glued_left and len(digits) >= 11 and distance is not None):
        context = distance is not None
        reason = "format+context" if context else "format"
        return Found("PHONE", opened, _extension(text, end), FORMAT_AND_CONTEXT if context else DISTINCT_FORMAT, reason)
    if distance is None or number.glued_left or not (distance <= _PHONE_NEAR_CHARS or BEFORE_CHARS < distance <= BEFORE_CHARS + _PHONE_NEAR_CHARS):
        return None
    named = words.closest(start, end, Word.PHONE, Word.ACCOUNT, Word.CARD, Word.ORDER, Word.SOCIAL, Word.BIRTH)
    if named is not Word.PHONE or len(digits) > 12 or _dated(number) or not _telephone_like(number):
        return None
    return Found("PHONE", opened, _extension(text, end), LIKELY_FORMAT + 0.05, "context")


_PHONE_NEAR_CHARS = 14


def _labelled_behind(text: str, end: int) -> bool:
    """Whether what hangs on is an extension, or a dash and the kind of line: 555-0100x12, 555-0100-Fax."""
    return _EXTENSION.match(text, end) is not None or text[end : end + 7].lower().startswith(_LINE_KINDS)


_LINE_KINDS: Final = ("-office", "-fax", "-mobile", "-home", "-cell", "-work", "-desk")


def _north_american(number: Number) -> bool:
    """Area code and exchange begin with 2 to 9 (NANP), perhaps after 1 or 001."""
    digits, groups = number.digits, number.groups
    for country in ("001", "1"):
        if digits.startswith(country) and len(digits) == 10 + len(country):
            digits = digits[len(country) :]
            groups = groups[1:] if groups[0] == len(country) else groups
            break
    return (
        len(digits) == 10
        and digits[0] > "1"
        and digits[3] > "1"
        and groups in {(3, 3, 4), (10,), (3, 7)}
        and number.groups != (1, 10)
        and digits[1:3] != "11"
    )


def _telephone_like(number: Number) -> bool:
    """Two to five groups of at least two digits, or one run of at least eight."""
    groups = number.groups
    if len(groups) == 1:
        return len(number.digits) >= 8
    return len(groups) <= 6 and min(groups[1:]) >= 2 and max(groups) <= 8


def _dated(number: Number) -> bool:
    """Whether it looks like a date: 2024-01-31, 31/01/2024, 20240131."""
    groups, digits = number.groups, number.digits
    if groups[:3] in {(4, 2, 2), (4, 1, 2), (4, 2, 1)}:
        return digits[:2] in {"19", "20"}
    if groups in {(2, 2, 4), (1, 2, 4), (2, 1, 4)}:
        return digits[-4:-2] in {"19", "20"}
    return len(digits) == 8 and digits[:2] in {"19", "20"} and groups in {(8,), (4, 4)} and checksums.month_and_day(digits[4:])


def _extension(text: str, end: int) -> int:
    """Behind an extension such as x1234 or ext. 12, or `end`."""
    found = _EXTENSION.match(text, end)
    return found.end() if found else end


_EXTENSION: Final = re.compile(r" ?(?:x|ext\.? ?|#)[0-9]{1,6}(?![0-9A-Za-z])")


def iban_at(text: str, end: int, words: Words) -> Found | None:
    """An IBAN whose first 15 characters end here."""
    start = _token_start(text, end, 15)
    country = text[start : start + 2].upper()
    length = IBAN_LENGTHS.get(country)
    if length is None:
        return None
    value: list[str] = []
    place = start
    while place < len(text) and len(value) < length and place - start < _IBAN_CHARS_MAX:
        char = text[place]
        if char.isascii() and char.isalnum():
            value.append(char)
        elif char not in " -":
            break
        place += 1
    if len(value) < length or (place < len(text) and text[place].isascii() and text[place].isalnum()):
        return None
    checksum = checksums.mod_97("".join(value).upper())
    return graded("IBAN", start, place, checksum=checksum, context=words.near(start, place, Word.IBAN), alone=0)


def _token_start(text: str, end: int, count: int) -> int:
    """Where the last `count` ASCII letters and digits before a place begin, spaces and dashes between them not counted."""
    place = end
    while place > 0 and count:
        place -= 1
        count -= text[place].isascii() and text[place].isalnum()
    return place


def passport_at(text: str, end: int, words: Words) -> Found | None:
    """A passport whose number reaches here: Korean ones (M, S, R, O, D, G and 8 digits, or 3 digits, a letter and 4), others beside the word."""
    start = end - 1
    while start > 0 and end - start < 11 and text[start - 1].isascii() and text[start - 1].isalnum():
        start -= 1
    found = _PASSPORT.match(text, start)
    if found is None or glued_left(text, start) or glued_right(text, found.end()):
        return None
    value = found[0].upper()
    korean = value[0] in "MSRODG" and len(value) == 9 and not value[1].isalpha()
    named = words.closest(start, found.end(), Word.PASSPORT, Word.LICENCE, Word.ORDER, Word.PRESCRIPTION)
    if named is not Word.PASSPORT:
        return Found("KR_PASSPORT", start, found.end(), WEAK_FORMAT, "format") if korean and named is None else None
    return Found("KR_PASSPORT" if korean else "PASSPORT", start, found.end(), FORMAT_AND_CONTEXT, "format+context")


def numeric_passport(number: Number, words: Words) -> Found | None:
    """A passport of nine digits (US, UK) beside the word."""
    named = words.closest(number.start, number.end, Word.PASSPORT, Word.PHONE, Word.SOCIAL, Word.ACCOUNT)
    if number.groups != (9,) or number.glued or named is not Word.PASSPORT:
        return None
    return Found("PASSPORT", number.start, number.end, FORMAT_AND_CONTEXT - 0.02, "format+context")


def nino_at(text: str, end: int) -> Found | None:
    """A UK national insurance number that ends here (HMRC NIM39110)."""
    found = _NINO.search(text[max(0, end - 13) : end])
    if found is None or found[0][:2] in _NINO_NOT or glued_right(text, end):
        return None
    return Found("UK_NINO", end - len(found[0]), end, DISTINCT_FORMAT, "format")


def crypto_at(text: str, end: int) -> Found | None:
    """A Bitcoin or Ethereum address whose beginning ends here."""
    start = end
    while start > 0 and end - start < 42 and text[start - 1].isascii() and text[start - 1].isalnum():
        start -= 1
    found = _CRYPTO.match(text, start)
    if found is None:
        return None
    value = found[0]
    if value.startswith("0x"):
        return Found("CRYPTO_ADDRESS", start, found.end(), DISTINCT_FORMAT, "format")
    right = checksums.bech32_address(value) if value.startswith("bc1") else checksums.base58_address(value)
    return Found("CRYPTO_ADDRESS", start, found.end(), CHECKSUM, "checksum") if right else None


def uk_postcode_at(text: str, end: int) -> Found | None:
    """A UK postcode that ends here."""
    start = end
    while start > 0 and end - start < 8 and (text[start - 1].isascii() and (text[start - 1].isalnum() or text[start - 1] == " ")):
        start -= 1
    found = _UK_POSTCODE.search(text[start:end])
    if found is None or glued_right(text, end):
        return None
    return Found("POSTAL_CODE", end - len(found[0]), end, LIKELY_FORMAT, "format")


_UK_POSTCODE: Final = re.compile(r"(?<![A-Za-z0-9])[A-Z]{1,2}[0-9][0-9A-Z]? [0-9][A-Z]{2}$")
