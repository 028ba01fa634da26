"""A chunked body, read strictly (RFC 9112, section 7.1): no trailers, no space beside a size, no line that ends in another way than CR LF."""

from __future__ import annotations

import re

from ondol.infrastructure.gateway.request_head import malformed

CHUNK_LINE_BYTES_MAX = 256
CHUNK_BYTES_SMALL = 16
SMALL_CHUNKS_MAX = 4_096
"""Nobody who means well sends more chunks that are this small: each costs us a hundred times what it costs to send."""

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,8})(?:;[\t\x20-\x7e]*)?")
_SIZE, _DATA, _DATA_END, _LAST = range(4)


class ChunkReader:
    """Takes the bytes of a chunked body in any pieces.

    Attributes:
        whole: the body has ended.
    """

    __slots__ = ("_kept", "_remaining", "_small", "_stage", "whole")

    def __init__(self) -> None:
        self.whole = False
        self._kept = b""
        self._remaining = 0
        self._small = 0
        self._stage = _SIZE

    def feed(self, data: bytes, place: int = 0) -> tuple[bytes, int]:
        """The content in what has come from `place` on, and the place behind what was read.

        Raises:
            Refused: 400, when it is not framed as it must be.
        """
        before = 0
        if self._kept:
            before, data, self._kept = place - len(self._kept), self._kept + data[place:], b""
            place = 0
        content: list[bytes] = []
        while not self.whole and place < len(data):
            if self._stage == _DATA:
                piece = data[place : place + self._remaining]
                content.append(piece)
                place += len(piece)
                self._remaining -= len(piece)
                if self._remaining == 0:
                    self._stage = _DATA_END
                continue
            end = data.find(b"\r\n", place, place + CHUNK_LINE_BYTES_MAX + 2) if self._stage == _SIZE else place
            if end < 0 or len(data) - end < 2:
                self._keep(data[place:])
                place = len(data)
                break
            if data[end : end + 2] != b"\r\n":
                raise malformed("A chunk does not end where its size says, or trailers follow the last one.")
            self._next_stage(data[place:end])
            place = end + 2
        return (content[0] if len(content) == 1 else b"".join(content)), before + place

    def _keep(self, line: bytes) -> None:
        """The beginning of a line; what cannot become one is refused before its end comes."""
        if self._stage != _SIZE:
            if not b"\r\n".startswith(line):
                raise malformed("A chunk does not end where its size says, or trailers follow the last one.")
        elif len(line) > CHUNK_LINE_BYTES_MAX:
            raise malformed("The line of a chunk's size is too long.")
        elif _SIZE_LINE.fullmatch(line.removesuffix(b"\r")) is None:
            raise malformed("A chunk's size is not a hexadecimal number.")
        self._kept = line

    def _next_stage(self, line: bytes) -> None:
        if self._stage == _DATA_END:
            self._stage = _SIZE
        elif self._stage == _LAST:
            self.whole = True
        else:
            match = _SIZE_LINE.fullmatch(line)
            if match is None:
                raise malformed("A chunk's size is not a hexadecimal number.")
            self._remaining = int(match[1], 16)
            self._stage = _DATA if self._remaining else _LAST
            if self._remaining < CHUNK_BYTES_SMALL:
                self._small += 1
                if self._small > SMALL_CHUNKS_MAX:
                    raise malformed("The body comes in too many small chunks.")
