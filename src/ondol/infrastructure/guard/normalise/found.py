"""What a decoder finds."""

from __future__ import annotations

from dataclasses import dataclass

from ondol.infrastructure.guard.normalise.words import KOREAN, is_english

PRINTABLE_SHARE_MIN = 0.95
LETTERS_SHARE_MIN = 0.5
DECODED_CHARACTERS_MIN = 4


@dataclass(frozen=True, slots=True)
class Found:
    """An encoded run, half-open, in characters of the text that was searched, and what it says."""

    kind: str
    start: int
    end: int
    text: str


def readable(data: bytes) -> str:
    """What bytes say, when that is text; otherwise nothing. A character cut off at the end is left out."""
    if data.count(0) * 3 >= len(data) > 0:
        text = data.decode("utf-16-le", "replace")
    else:
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            if error.start < len(data) - 3:
                return ""
            text = data[: error.start].decode()
    return text if is_text(text) else ""


def is_text(text: str) -> bool:
    """Whether nearly all of it can be printed and half of it is letters, digits and spaces."""
    if len(text) < DECODED_CHARACTERS_MIN or "\ufffd" in text:
        return False
    printable = sum(char.isprintable() or char.isspace() for char in text)
    letters = sum(char.isalnum() or char == " " for char in text)
    return printable >= PRINTABLE_SHARE_MIN * len(text) and letters >= LETTERS_SHARE_MIN * len(text)


def says_something(text: str) -> bool:
    """Whether a known word stands in it."""
    return any(is_english(word) for word in text.lower().replace(".", " ").replace(",", " ").split() if len(word) > 2) or any(
        word in text for word in KOREAN
    )
