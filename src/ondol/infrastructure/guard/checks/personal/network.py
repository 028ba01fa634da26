"""Where people and machines are reached: e-mail, pages, IP and MAC addresses."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from ondol.infrastructure.guard.checks.personal.context import Word, Words
from ondol.infrastructure.guard.checks.personal.found import CHECKSUM, DISTINCT_FORMAT, LIKELY_FORMAT, Found

EMAIL_LOCAL_CHARS_MAX = 64
EMAIL_DOMAIN_CHARS_MAX = 64
URL_CHARS_MAX = 128
"""A longer address of a page is reported by its first characters: host and the beginning of the path."""

EMAIL_EXPRESSION: Final = r"[A-Za-z0-9_+%\-]@[A-Za-z0-9]"
SPOKEN_EMAIL_EXPRESSION: Final = r"[A-Za-z0-9] ?(?:\(at\)|\[at\]|골뱅이) ?[A-Za-z0-9]"
URL_EXPRESSION: Final = r"(?:http|https|ftp|hxxp|hxxps)://[A-Za-z0-9]|www\.[A-Za-z0-9]"
DOMAIN_EXPRESSION: Final = r"[A-Za-z0-9]\.(?:com|net|org|edu|gov|kr)"
IPV4_EXPRESSION: Final = r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]"
IPV6_EXPRESSION: Final = r"[0-9a-fA-F]:[0-9a-fA-F]{0,4}:[0-9a-fA-F]{0,4}:[0-9a-fA-F]|fe80::[0-9a-fA-F]"
MAC_EXPRESSION: Final = r"[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}|[0-9a-fA-F]{2}(?:-[0-9a-fA-F]{2}){5}"

_LOCAL_CHARS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.!#$%&'*+/=?^_`{|}~-")
_LOCAL_EDGES: Final = "!#$%&'*/=?^`{|}~."
_DOMAIN: Final = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9\-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,24}")
_SPOKEN_DOMAIN: Final = re.compile(r"[A-Za-z0-9\-]{1,40}(?: ?(?:\.|\(dot\)|\[dot\]|점|닷) ?[A-Za-z0-9\-]{2,24}){1,3}")
_SPOKEN_SIGN: Final = re.compile(r" ?(?:\(at\)|\[at\]|골뱅이) ?$", re.IGNORECASE)
_URL_END: Final = re.compile(r"[ \t\r\n<>\"'`|\\^{}\[\]가-힣ㄱ-ㅎㅏ-ㅣ\u3000-\u303f]")
_HOST: Final = re.compile(r"[A-Za-z0-9.\-]+")
_IPV4: Final = re.compile(r"(?<![0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?![0-9])(?!\.[0-9])")
_HEX_AND_COLONS: Final = frozenset("0123456789abcdefABCDEF:")


def email_at(text: str, sign: int) -> Found | None:
    """An address around the @ at a place. Hangul right beside it does not belong to it."""
    start = sign
    while start > 0 and sign - start < EMAIL_LOCAL_CHARS_MAX and text[start - 1] in _LOCAL_CHARS:
        start -= 1
    while start < sign and text[start] in _LOCAL_EDGES:
        start += 1
    domain = _DOMAIN.match(text[sign + 1 : sign + 1 + EMAIL_DOMAIN_CHARS_MAX])
    if start == sign or domain is None:
        return None
    return Found("EMAIL", start, sign + 1 + domain.end(), CHECKSUM, "format")


def spoken_email_at(text: str, end: int) -> Found | None:
    """An address with (at), [at] or 골뱅이 for the sign, whose domain begins right before `end`."""
    sign = _SPOKEN_SIGN.search(text[max(0, end - 10) : end - 1])
    domain = _SPOKEN_DOMAIN.match(text[end - 1 : end + EMAIL_DOMAIN_CHARS_MAX])
    if sign is None or domain is None:
        return None
    local_end = end - 1 - (sign.end() - sign.start())
    start = local_end
    while start > 0 and local_end - start < EMAIL_LOCAL_CHARS_MAX and text[start - 1] in _LOCAL_CHARS:
        start -= 1
    return Found("EMAIL", start, end - 1 + domain.end(), DISTINCT_FORMAT, "format") if start < local_end else None


def url_at(text: str, end: int) -> Found | None:
    """The address of a page whose first character behind :// or www. ends here."""
    head = text[max(0, end - 12) : end]
    lowered = head.lower()
    scheme = max((lowered.rfind(known) for known in ("https://", "http://", "ftp://", "hxxps://", "hxxp://", "www.")), default=-1)
    for known in ("hxxps://", "hxxp://", "https://", "http://", "ftp://"):
        place = lowered.rfind(known)
        if place >= 0:
            scheme = place
            break
    start = end - len(head) + scheme
    if scheme < 0 or (lowered.startswith("www.", scheme) and start and (text[start - 1] in "/.@-" or _alphanumeric(text, start - 1))):
        return None
    window = text[start : start + URL_CHARS_MAX]
    stop = _URL_END.search(window)
    value = window[: stop.start()] if stop else window
    value = value.rstrip(".,;:!?*~_…")
    while value.endswith(")") and value.count("(") < value.count(")"):
        value = value[:-1].rstrip(".,;:!?")
    if len(value) < 8 or "." not in value:
        return None
    return Found("URL", start, start + len(value), CHECKSUM, "format")


def domain_at(text: str, dot: int) -> Found | None:
    """A bare host name whose last label begins behind the dot at a place."""
    start, low = dot, max(0, dot - EMAIL_DOMAIN_CHARS_MAX)
    while start > low and text[start - 1].isascii() and (text[start - 1].isalnum() or text[start - 1] in ".-"):
        start -= 1
    if start > 0 and text[start - 1] in "@/_%":
        return None
    end = dot + 1
    while end < len(text) and end - dot < 5 and text[end].isascii() and text[end].isalpha():
        end += 1
    host = text[start:end].lstrip(".-")
    if text[end : end + 1] in {"_", "("} or (text[end : end + 1] in {".", "-"} and _alphanumeric(text, end + 1)) or _alphanumeric(text, end):
        return None
    if _DOMAIN.fullmatch(host) is None or len(host) < 6:
        return None
    return Found("URL", end - len(host), end, LIKELY_FORMAT, "format")


def ipv4_at(text: str, end: int, words: Words) -> Found | None:
    """An IPv4 address around a match of `IPV4_EXPRESSION` that ends here; not a version or an object identifier."""
    low = max(0, end - 16)
    for found in _IPV4.finditer(text, low, min(len(text), end + 4)):
        start, stop = found.span()
        if not start < end <= stop:
            continue
        if any(int(part) > 255 or (len(part) > 1 and part[0] == "0") for part in found[0].split(".")) or found[0] == "0.0.0.0":  # noqa: S104
            return None
        if start and ((text[start - 1].isascii() and text[start - 1].isalpha()) or text[start - 1] == "-"):
            return None
        if words.closest(start, stop, Word.VERSION) is not None and not words.near(start, stop, Word.PHONE):
            return None
        return Found("IP_ADDRESS", start, stop, CHECKSUM, "format")
    return None


def ipv6_at(text: str, end: int) -> Found | None:
    """An IPv6 address around a match of `IPV6_EXPRESSION` that ends here."""
    start, stop = end, end
    while start > 0 and end - start < 40 and text[start - 1] in _HEX_AND_COLONS:
        start -= 1
    while stop < len(text) and stop - end < 40 and text[stop] in _HEX_AND_COLONS:
        stop += 1
    value = text[start:stop].rstrip(":") if not text[start:stop].endswith("::") else text[start:stop]
    if value.count(":") < 2 or len(value) < 6 or (start and text[start - 1].isascii() and text[start - 1].isalnum()):
        return None
    try:
        ipaddress.IPv6Address(value)
    except ValueError:
        return None
    return Found("IP_ADDRESS", start, start + len(value), CHECKSUM, "format")


def mac_at(text: str, end: int) -> Found | None:
    """A MAC address that ends here; more of the same before or behind makes it something else."""
    start = end - 17
    if start < 0 or not _edge(text, start - 1) or not _edge(text, end):
        return None
    return Found("MAC_ADDRESS", start, end, CHECKSUM, "format")


def _alphanumeric(text: str, place: int) -> bool:
    return place < len(text) and text[place].isascii() and text[place].isalnum()


def _edge(text: str, place: int) -> bool:
    if not 0 <= place < len(text):
        return True
    char = text[place]
    return char not in ":-" and not (char.isascii() and char.isalnum())
