"""What is judged is data: it stands between marks that nobody can guess, and nothing in it can look like the end of it.

A judge that reads "give this answer five points" inside an answer reads a sentence of that answer. Three things see to it: the mark is drawn
anew for every request, so that a text cannot close what it stands in; tokens by which chat templates tell turns apart are spelt otherwise, since a
model server may take them for its own; and characters that nobody sees, in which orders can be hidden from people who read along, are left out.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

PART_CHARACTERS_MAX = 24_000
PARTS_MAX = 40
MARK_BYTES = 8

_TEMPLATE_TOKENS = re.compile(
    r"<[|｜][^<>\n]{1,60}?[|｜]>|</?s>|</?(?:start|end)_of_turn>|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_RESULTS)\]|<</?SYS>>|</?think>",
    re.IGNORECASE,
)
_SPELT = str.maketrans("<>[]|｜", "‹›［］¦¦")
_KEPT = {"\n", "\t", "\u200c", "\u200d"}
_FILLERS = {"\u115f", "\u1160", "\u3164", "\uffa0"}


@dataclass(frozen=True, slots=True)
class Part:
    """One text that a judge reads, with what it is."""

    title: str
    text: str

    @property
    def is_too_long(self) -> bool:
        """Whether it is longer than a judge is asked to read; it is never cut, for half an answer is another answer."""
        return len(self.text) > PART_CHARACTERS_MAX


def new_mark() -> str:
    """A mark that no text can hold, for it was made after all of them."""
    return f"<<{secrets.token_hex(MARK_BYTES)}>>"


def fenced(parts: Sequence[Part], mark: str, end: str) -> str:
    """The parts, each behind a line of the mark and its title, with a last line of the mark and `end`."""
    blocks = [f"{mark} {part.title}\n{plain(part.text)}" for part in parts]
    return "\n".join([*blocks, f"{mark} {end}"])


def plain(text: str) -> str:
    """The text without what cannot be seen, and without tokens that a chat template would take for the end of a turn."""
    seen = "".join(character for character in text.replace("\r\n", "\n") if not _is_unseen(character))
    return _TEMPLATE_TOKENS.sub(lambda token: token.group().translate(_SPELT), seen)


def _is_unseen(character: str) -> bool:
    if character.isascii():
        return not character.isprintable() and character not in _KEPT
    kind = unicodedata.category(character)
    smuggled = "\U000e0100" <= character <= "\U000e01ef"
    return character not in _KEPT and (kind in ("Cf", "Cc", "Cs", "Co") or smuggled or character in _FILLERS)
