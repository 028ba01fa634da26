"""Citation marks in generated text: words are released only up to a mark that points at evidence which was given."""

from __future__ import annotations

import re
from collections.abc import Iterator

HELD_CHARACTERS_MAX = 16_000

_MARK = re.compile(r"\s?\[(\d{1,3})\]")
_BLANK_LINE = re.compile(r"\n[ \t]*\r?\n")
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)", re.MULTILINE)
_GOES_ON = re.compile(r"\s+[^\s\[]|[^\s\[.!?,;:)»”’\"'。！？]")
_CLOSING = re.compile(r"[.!?,;:)»”’\"'。！？]{0,3}")
_CLOSED = re.compile(r"[.!?,;:)»”’\"'。！？]{1,3}(?=\s)")


class CitationGate:
    """Holds generated text back until it is cited.

    Text is released up to each valid mark; what stands before it in the same paragraph goes with it. Marks of evidence that does not exist
    are taken out. At the end of a paragraph the uncited rest is withheld, except for closing punctuation and for a code block that follows
    cited text. So nothing uncited reaches the reader.

    Args:
        evidence_count: how many passages the model was given; marks run from 1 to this.
    """

    def __init__(self, evidence_count: int) -> None:
        self._count = evidence_count
        self._held = ""
        self._released = False
        self._at_mark = False
        self.cited: list[int] = []
        self.withheld_characters = 0

    @property
    def has_moved_on(self) -> bool:
        """Whether text is held that begins something new: no more marks and no closing punctuation can follow what went out."""
        return _GOES_ON.match(self._held) is not None

    def push(self, text: str) -> Iterator[str]:
        """Take the next piece of the model's text and give what may be shown now."""
        self._held += text
        yield from self._release_closing()
        yield from self._release_cited()
        while (end := self._paragraph_end()) is not None:
            paragraph, self._held = self._held[:end], self._held[end:]
            yield from self._settle_rest(paragraph)
            yield from self._release_cited()
        if len(self._held) > HELD_CHARACTERS_MAX:
            rest, self._held = self._held, ""
            yield from self._settle_rest(rest)

    def finish(self) -> Iterator[str]:
        """Give what of the rest may be shown."""
        rest, self._held = self._held, ""
        yield from self._settle_rest(rest)

    def _release_cited(self) -> Iterator[str]:
        """Release the text up to the last valid mark of the first held paragraph, and take invalid marks out."""
        position = 0
        while (mark := _MARK.search(self._held, position)) is not None:
            end = self._paragraph_end()
            if end is not None and mark.start(1) > end:
                return
            if self._in_code(mark.start()):
                position = mark.end()
                continue
            number = int(mark[1])
            if not 1 <= number <= self._count:
                self._held = self._held[: mark.start()] + self._held[mark.end() :]
                position = mark.start()
                continue
            if number not in self.cited:
                self.cited.append(number)
            self._released = self._at_mark = True
            shown, self._held = self._held[: mark.end()], self._held[mark.end() :]
            position = 0
            yield shown
            yield from self._release_closing()

    def _release_closing(self) -> Iterator[str]:
        """The punctuation right behind a mark that went out, once it is certain where it ends."""
        closing = _CLOSED.match(self._held) if self._at_mark else None
        if closing is not None:
            self._held = self._held[closing.end() :]
            yield closing[0]
        if _CLOSING.fullmatch(self._held.strip()) is None:
            self._at_mark = False

    def _in_code(self, position: int) -> bool:
        return len(_FENCE.findall(self._held[:position])) % 2 == 1

    def _paragraph_end(self) -> int | None:
        """Where the first blank line outside a code block ends."""
        for blank in _BLANK_LINE.finditer(self._held):
            if not self._in_code(blank.start()):
                return blank.end()
        return None

    def _settle_rest(self, rest: str) -> Iterator[str]:
        """The uncited end of a paragraph: closing punctuation, blank lines and code after cited text stay, words are withheld."""
        closing = _CLOSING.match(rest) if self._released else None
        kept = closing[0] if closing is not None else ""
        kept += rest[len(kept) :][: _code_end(rest[len(kept) :])] if self._released else ""
        words = rest[len(kept) :].strip()
        self.withheld_characters += len(words)
        if self._released:
            yield kept + (rest[len(rest.rstrip()) :] if len(kept) < len(rest) else "")


def _code_end(text: str) -> int:
    """Where the code block ends that a text begins with; 0 when it begins with none. An open one ends with the text."""
    lead = len(text) - len(text.lstrip())
    fences = list(_FENCE.finditer(text, lead)) if _FENCE.match(text, lead) else []
    if not fences:
        return 0
    line_end = text.find("\n", fences[1].end()) if len(fences) > 1 else -1
    return len(text) if line_end < 0 else line_end
