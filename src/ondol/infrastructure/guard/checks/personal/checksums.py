"""Check digits of identifiers. Each function takes digits (or letters and digits) without separators and says whether they fit."""

from __future__ import annotations

import hashlib

_RESIDENT_WEIGHTS = (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)
_BUSINESS_WEIGHTS = (1, 3, 7, 1, 3, 7, 1, 3, 5)
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_BECH32_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
BECH32_CONSTANTS = frozenset({1, 0x2BC830A3})
"""Of BIP-173 (version 0) and BIP-350 (later versions)."""


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B. A run of one and the same digit is refused although zeros would fit."""
    if len(set(digits)) < 2:
        return False
    total = sum(map(int, digits[-1::-2]))
    for char in digits[-2::-2]:
        doubled = 2 * int(char)
        total += doubled - 9 if doubled > 9 else doubled
    return total % 10 == 0


def resident_number(digits: str) -> bool:
    """The check digit of a Korean resident registration number given before October 2020; later ones end in random digits."""
    total = sum(weight * int(digit) for weight, digit in zip(_RESIDENT_WEIGHTS, digits, strict=False))
    return (11 - total % 11) % 10 == int(digits[12])


def foreigner_number(digits: str) -> bool:
    """The check digit of a Korean foreigner registration number: as a resident number's, moved on by two. Not all in use fit."""
    total = sum(weight * int(digit) for weight, digit in zip(_RESIDENT_WEIGHTS, digits, strict=False))
    return (13 - total % 11) % 10 == int(digits[12])


def business_number(digits: str) -> bool:
    """The check digit of a Korean business registration number (National Tax Service)."""
    total = sum(weight * int(digit) for weight, digit in zip(_BUSINESS_WEIGHTS, digits, strict=False))
    return (10 - (total + int(digits[8]) * 5 // 10) % 10) % 10 == int(digits[9])


def corporate_number(digits: str) -> bool:
    """The check digit of a Korean corporate registration number: weights 1 and 2 in turn, products not folded."""
    total = sum((1 + place % 2) * int(digit) for place, digit in enumerate(digits[:12]))
    return (10 - total % 10) % 10 == int(digits[12])


def month_and_day(digits: str) -> bool:
    """Whether four digits are a month and a day that occurs in some year."""
    month, day = int(digits[:2]), int(digits[2:4])
    return 1 <= month <= 12 and 1 <= day <= _DAYS[month - 1]


def birth_date(digits: str, century: int) -> bool:
    """Whether six digits YYMMDD are a date of that century (such as 1900): 29 February only in leap years."""
    if not month_and_day(digits[2:6]):
        return False
    year = century + int(digits[:2])
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return digits[2:6] != "0229" or leap


def ean13(digits: str) -> bool:
    """The check digit of an article number (GS1), which ISBN-13 shares."""
    return sum((3 if place % 2 else 1) * int(digit) for place, digit in enumerate(digits)) % 10 == 0


def mod_97(text: str) -> bool:
    """ISO 13616 (IBAN) by ISO 7064 MOD 97-10; upper-case letters and digits."""
    moved = text[4:] + text[:4]
    return int("".join(str(int(char, 36)) for char in moved)) % 97 == 1


def social_security_number(digits: str) -> bool:
    """Whether nine digits may be a US social security number: no area 000, 666 or 900 and up, no group 00, no serial 0000 (SSA, 2011)."""
    area = int(digits[:3])
    return area not in {0, 666} and area < 900 and digits[3:5] != "00" and digits[5:] != "0000"


def taxpayer_number(digits: str) -> bool:
    """Whether nine digits may be a US individual taxpayer number: 9xx with a fourth and fifth digit that the IRS gives out."""
    group = int(digits[3:5])
    return digits[0] == "9" and (50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99)


def base58_address(text: str) -> bool:
    """A Bitcoin address in Base58Check: 25 bytes of which the last four are a double SHA-256."""
    number = 0
    for char in text:
        place = _BASE58.find(char)
        if place < 0:
            return False
        number = number * 58 + place
    if number.bit_length() > 200:
        return False
    data = number.to_bytes(25, "big")
    return hashlib.sha256(hashlib.sha256(data[:21]).digest()).digest()[:4] == data[21:]


def bech32_address(text: str) -> bool:
    """A Bitcoin address in Bech32 or Bech32m (BIP-173, BIP-350), lower-case."""
    prefix, _, data = text.rpartition("1")
    if any(char not in _BECH32 for char in data) or not data:
        return False
    values = [ord(char) >> 5 for char in prefix] + [0] + [ord(char) & 31 for char in prefix] + [_BECH32.index(char) for char in data]
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate(_BECH32_GENERATOR):
            check ^= generator if (top >> bit) & 1 else 0
    return check in BECH32_CONSTANTS
