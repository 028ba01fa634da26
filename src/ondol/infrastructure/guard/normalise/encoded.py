"""Runs that encode text byte by byte or character by character: base64, hex, percent, HTML, escapes, lists of codes, binary."""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

import numpy as np

from ondol.infrastructure.guard.normalise.found import Found, is_text, readable, says_something
from ondol.infrastructure.guard.normalise.tracked import Codes

ENCODED_CHARACTERS_MAX = 1_000_000
"""Of one run so many are decoded."""
DIGITS_MIN = 8
"""A text with fewer digits holds no hex, binary or list of codes that says anything."""
WIDENED_MAX = 64
BASE64_KINDS_MIN = 6
"""Different characters at the beginning of a run; a line of one letter encodes nothing."""
BASE64_LOOKED_AT = 64
HEX_TRIES_MAX = 3
HEX_DIGITS_ALONE_MIN = 24
"""Hex that is decimal digits throughout is a number when it is shorter."""

# Each expression is linear: what repeats is possessive or of bounded length.
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/_-]{60,}+\r?\n)*+[A-Za-z0-9+/_-]{16,}+={0,2}+")
_HEX = re.compile(r"[0-9a-fA-F][0-9a-fA-F](?:[ ,:]{0,2}+(?:0x)?[0-9a-fA-F]{2}){7,}+")
_PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2}[A-Za-z0-9_.~+-]{0,64}+){3,}+")
_ENTITIES = re.compile(r"(?:&(?:#[0-9]{1,7}+|#[xX][0-9a-fA-F]{1,6}+|[A-Za-z]{2,31}+);[^&\n]{0,64}+){2,}+")
_ESCAPE = r"\\(?:u[0-9a-fA-F]{4}|u\{[0-9a-fA-F]{1,6}\}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|[0-7]{3})"
_ESCAPES = re.compile(rf"(?:{_ESCAPE}[^\\\n]{{0,64}}+){{3,}}+")
_ESCAPED = re.compile(rf"((?:\\x[0-9a-fA-F]{{2}})++)|{_ESCAPE}")
_POINTS = re.compile(r"[Uu]\+[0-9a-fA-F]{4,6}+(?:[ ,;]{0,2}+[Uu]\+[0-9a-fA-F]{4,6}+){3,}+")
_CODES = re.compile(r"[0-9][0-9]{1,4}+(?:[ ,;]{1,2}+[0-9]{2,5}+){4,}+")
_BINARY = re.compile(r"[01][01]{7}(?:[ ,]{0,2}+[01]{8}){3,}+")

_IN_BASE64 = np.array([chr(code).isalnum() or chr(code) in "+/_-" for code in range(0x80)] + [False])
"""For each ASCII character whether base64 writes with it, and one more for all others."""
LONG_RUN_CHARACTERS = 16
"""A shorter run is not looked at as base64."""
_LONG_RUN = b"\1" * LONG_RUN_CHARACTERS
BINARY_DIGITS_MIN = 32
"""Four bytes."""


def encoded_in(text: str, codes: Codes, digits: int) -> Iterator[Found]:
    """All runs that decode to text.

    Args:
        codes: its code points.
        digits: how many ASCII digits the text has.
    """
    for run in _BASE64.finditer(text) if _LONG_RUN in _IN_BASE64.take(codes, mode="clip").tobytes() else ():
        if said := _base64(run[0][:ENCODED_CHARACTERS_MAX]):
            yield Found("base64", run.start(), run.end(), said)
    if digits >= DIGITS_MIN:
        yield from _numbers(text, digits)
    if text.count("%") >= 3:
        for run in _PERCENT.finditer(text):
            start = _widened(text, run.start())
            said = readable(unquote_to_bytes(text[start : min(run.end(), start + ENCODED_CHARACTERS_MAX)].replace("+", " ")))
            if said:
                yield Found("url", start, run.end(), said)
    if text.count("&") >= 2:
        for run in _ENTITIES.finditer(text):
            start, end = _widened(text, run.start()), text.rindex(";", run.start(), run.end()) + 1
            source = text[start : min(end, start + ENCODED_CHARACTERS_MAX)]
            said = html.unescape(source)
            if said != source and is_text(said):
                yield Found("html", start, end, said)
    if text.count("\\") >= 3:
        for run in _ESCAPES.finditer(text):
            last = _ESCAPED.match(text, text.rindex("\\", run.start(), run.end()))
            start, end = _widened(text, run.start()), last.end() if last else run.end()
            said = _unescaped(text[start : min(end, start + ENCODED_CHARACTERS_MAX)])
            if is_text(said):
                yield Found("unicode_escape", start, end, said)


def _widened(text: str, start: int) -> int:
    """Where the word that a run continues begins."""
    least = max(0, start - WIDENED_MAX)
    while start > least and text[start - 1].isalnum():
        start -= 1
    return start


def _base64(run: str) -> str:
    letters = "".join(run.split()).rstrip("=").replace("-", "+").replace("_", "/")
    if letters.isdigit() or len(set(letters[:BASE64_LOOKED_AT])) < BASE64_KINDS_MIN:
        return ""
    if len(letters) % 2 == 0:
        try:
            said = readable(bytes.fromhex(letters))
        except ValueError:
            said = ""
        if said:
            return ""  # hex, which is found as such
    letters = letters[: len(letters) - (len(letters) % 4 == 1)]
    try:
        return readable(base64.b64decode(letters + "=" * (-len(letters) % 4)))
    except binascii.Error:
        return ""


def _numbers(text: str, digit_count: int) -> Iterator[Found]:
    for run in _HEX.finditer(text):
        start = run.start()
        for _ in range(HEX_TRIES_MAX):
            digits = re.sub(r"0x|[ ,:]", "", text[start : min(run.end(), start + ENCODED_CHARACTERS_MAX)])
            said = readable(bytes.fromhex(digits[: len(digits) // 2 * 2])) if not digits.isdigit() or len(digits) >= HEX_DIGITS_ALONE_MIN else ""
            if said:
                start -= 2 * (text[max(0, start - 2) : start] == "0x")
                yield Found("hex", start, run.end(), said)
                break
            # The end of the word before ("decode: 69 6e") may look like the first byte.
            start += 2
            while text[start : start + 1] in (" ", ",", ":"):
                start += 1
    for run in _BINARY.finditer(text) if digit_count >= BINARY_DIGITS_MIN else ():
        bits = re.sub(r"[ ,]", "", run[0][:ENCODED_CHARACTERS_MAX])
        bits = bits[: len(bits) // 8 * 8]
        said = readable(int(bits, 2).to_bytes(len(bits) // 8, "big"))
        if said:
            yield Found("binary", run.start(), run.end(), said)
    for kind, expression, base in (("codes", _CODES, 10), ("codes", _POINTS, 16)):
        for run in expression.finditer(text) if base == 10 or "+" in text else ():
            numbers = re.findall(r"[0-9a-fA-F]+", run[0][:ENCODED_CHARACTERS_MAX])
            said = _of_points([int(number, base) for number in numbers])
            if is_text(said) and says_something(said):
                yield Found(kind, run.start(), run.end(), said)


def _of_points(points: list[int]) -> str:
    return "".join(chr(point) for point in points) if all(0 < point <= 0x10FFFF and not 0xD800 <= point < 0xE000 for point in points) else ""


def _unescaped(text: str) -> str:
    units = _ESCAPED.sub(_character, text)
    # Pairs of surrogates are one character each, single ones are none.
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _character(escape: re.Match[str]) -> str:
    if escape[1]:
        data = bytes.fromhex(escape[1].replace("\\x", ""))
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data.decode("latin-1")
    digits = escape[0][1:].lstrip("uU").strip("{}")
    point = int(digits, 8) if escape[0][1] in "01234567" else int(digits, 16)
    return chr(point) if point <= 0x10FFFF else "\ufffd"
