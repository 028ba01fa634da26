"""Bytes of unknown encoding to text."""

from __future__ import annotations

import codecs
import re

from ondol.core.errors import UnreadableDocument

NEARLY_UTF8_BROKEN_SHARE_MAX = 0.05
"""A UTF-8 file with fewer broken characters than this (of those outside ASCII) is UTF-8 that was cut or damaged, not another encoding."""

KOREAN_SHARE_MIN = 0.5
"""CP949 accepts nearly any bytes; it is believed when at least this share of the characters outside ASCII are Hangul syllables."""

WESTERN_SHARE_MAX = 0.1
"""Windows-1252 accepts nearly anything as well; it is believed when at most this share of the bytes lie outside ASCII."""

_BOMS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_HANGUL = re.compile("[\uac00-\ud7a3]")
_NOT_ASCII = re.compile("[^\x00-\x7f]")
_KOREAN_NAMES = frozenset({"euc-kr", "ks_c_5601-1987", "ks_c_5601-1989", "ksc5601", "ksc_5601", "ks-c-5601", "uhc", "windows-949", "cp949"})


def decode(name: str, data: bytes, *, declared: str | None = None) -> str:
    """The text of a file: by its byte order mark, then as declared, then UTF-8, CP949 (EUC-KR), Windows-1252.

    Args:
        name: the file's name, for messages.
        declared: the encoding that the file itself names, if it does.

    Raises:
        UnreadableDocument: the file is binary, or none of the encodings fits.
    """
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors="replace")
    if b"\x00" in data:
        raise UnreadableDocument(f"{name} holds zero bytes, so it is a binary file or UTF-16 without a byte order mark.", "Save it as UTF-8 text.")
    text = _try(data, declared) if declared else None
    for attempt in (_utf8, _cp949, _western):
        if text is not None:
            return text
        text = attempt(data)
    if text is None:
        raise UnreadableDocument(f"{name} is in an encoding that was not recognised.", "Save it as UTF-8 text.")
    return text


def _try(data: bytes, encoding: str) -> str | None:
    wanted = "cp949" if encoding.strip().lower() in _KOREAN_NAMES else encoding.strip().lower()
    try:
        codec = codecs.lookup(wanted)
    except (LookupError, ValueError):
        return None
    # A page cannot be in UTF-16 or UTF-32 and have been read so far; UTF-7 and the codecs that are not of text have no place here.
    if not getattr(codec, "_is_text_encoding", True) or codec.name.startswith(("utf-16", "utf-32", "utf-7", "idna", "punycode", "raw", "unicode")):
        return None
    try:
        return data.decode(codec.name)
    except (UnicodeError, ValueError):
        return None


def _utf8(data: bytes) -> str | None:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        text = data.decode("utf-8", errors="replace")
    broken = text.count("\ufffd")
    return text if broken <= NEARLY_UTF8_BROKEN_SHARE_MAX * len(_NOT_ASCII.findall(text)) else None


def _cp949(data: bytes) -> str | None:
    try:
        text = data.decode("cp949")
    except UnicodeDecodeError:
        return None
    return text if len(_HANGUL.findall(text)) >= KOREAN_SHARE_MIN * len(_NOT_ASCII.findall(text)) else None


def _western(data: bytes) -> str | None:
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return None
    return text if len(_NOT_ASCII.findall(text)) <= WESTERN_SHARE_MAX * len(text) else None
