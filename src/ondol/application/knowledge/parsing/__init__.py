"""Files to text with blocks: Markdown, HTML, plain text, PDF and DOCX."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath

from ondol.application.knowledge.parsing import docx, html, markdown, pdf, plaintext
from ondol.application.knowledge.parsing.limits import INPUT_BYTES_MAX, check_size
from ondol.application.knowledge.types import ParsedDocument
from ondol.core.errors import UnreadableDocument

__all__ = ["INPUT_BYTES_MAX", "SUPPORTED_SUFFIXES", "media_type_of", "parse"]

_LOADERS: dict[str, Callable[[str, bytes], ParsedDocument]] = {
    ".md": markdown.load,
    ".markdown": markdown.load,
    ".mdx": markdown.load,
    ".html": html.load,
    ".htm": html.load,
    ".txt": plaintext.load,
    ".pdf": pdf.load,
    ".docx": docx.load,
}

SUPPORTED_SUFFIXES: tuple[str, ...] = tuple(_LOADERS)
"""The file name endings that `parse` reads, lower case, with their dot."""


_MEDIA_TYPES = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".mdx": "text/markdown",
    ".html": "text/html",
    ".htm": "text/html",
    ".txt": "text/plain",
    ".pdf": "application/pdf",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
}


def media_type_of(name: str) -> str:
    """The media type of a file by its ending; ``application/octet-stream`` for one that is not read."""
    return _MEDIA_TYPES.get(PurePosixPath(name.replace("\\", "/")).suffix.lower(), "application/octet-stream")


def parse(name: str, data: bytes) -> ParsedDocument:
    """Read a file as the format that its name ends in.

    Pure and synchronous; takes from microseconds to seconds, so call it in a worker thread. The same bytes give the same document.

    Args:
        name: the file's name or path; only its ending matters.

    Raises:
        UnreadableDocument: the ending is none of `SUPPORTED_SUFFIXES`, the file is damaged, encrypted, without text or beyond a limit.
    """
    suffix = PurePosixPath(name.replace("\\", "/")).suffix.lower()
    loader = _LOADERS.get(suffix)
    if loader is None:
        raise UnreadableDocument(f"{name} is of a kind that is not read.", f"Readable are {', '.join(SUPPORTED_SUFFIXES)}.")
    check_size(name, len(data), INPUT_BYTES_MAX)
    return loader(name, data)
