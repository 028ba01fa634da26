"""The bounds of every parser, in one place. A file beyond one of them is an `UnreadableDocument`."""

from __future__ import annotations

from typing import Final

from ondol.core.errors import UnreadableDocument

INPUT_BYTES_MAX: Final = 64 * 1024 * 1024
"""The largest file of any format."""

MARKDOWN_BYTES_MAX: Final = 4 * 1024 * 1024
MARKDOWN_LINES_MAX: Final = 200_000
MARKDOWN_BRACKETS_MAX: Final = 200_000
"""Markdown costs up to 0.1 ms a line and 0.03 ms an opening bracket, so that these keep the worst file below a minute."""

HTML_BYTES_MAX: Final = 16 * 1024 * 1024
"""HTML becomes a tree in memory, so its limit is lower."""

TEXT_CHARS_MAX: Final = 32_000_000
"""The longest text that a document may become (repeated table headers and spans can make it longer than the file)."""

BLOCKS_MAX: Final = 500_000

HEADING_CHARS_MAX: Final = 300
"""A longer heading is a paragraph in a large font."""

LIST_DEPTH_MAX: Final = 20
"""Deeper list items count as this deep."""

TABLE_HEADER_CHARS_MAX: Final = 120
"""A column's name is cut here before it is repeated in each row."""

TABLE_SPAN_MAX: Final = 1_000
"""The most columns or rows that one cell may span."""

TABLE_CELLS_MAX: Final = 1_000_000
"""The most cells of one table after spans are spread out."""


def check_size(name: str, size_bytes: int, bytes_max: int) -> None:
    """Refuse a file that is too large.

    Raises:
        UnreadableDocument: `size_bytes` is more than `bytes_max`.
    """
    if size_bytes > bytes_max:
        raise UnreadableDocument(
            f"{name} has {size_bytes:,} bytes, more than the {bytes_max:,} that are read of this kind of file.",
            "Split it into several files.",
        )
