"""What holds for every parsed document, and a short way to write one down."""

from __future__ import annotations

import unicodedata

from ondol.application.knowledge.parsing import parse
from ondol.application.knowledge.types import ParsedDocument


def sound(document: ParsedDocument) -> ParsedDocument:
    """Check the promises of `ParsedDocument` and give it back."""
    assert unicodedata.is_normalized("NFC", document.text)
    assert not any(unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t" for character in document.text)
    position = 0
    for block in document.blocks:
        slice_ = document.text[block.start : block.end]
        assert block.start >= position
        assert slice_.strip()
        assert slice_ == slice_.rstrip()
        assert document.text[position : block.start].strip() == ""
        position = block.end
    assert document.text[position:] == ""
    return document


def outline(name: str, data: bytes | str) -> list[str]:
    """The blocks as ``kind[level]: text``."""
    document = sound(parse(name, data.encode() if isinstance(data, str) else data))
    return [f"{block.kind}{block.level or ''}: {document.text[block.start : block.end]}" for block in document.blocks]
