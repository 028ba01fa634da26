"""A tolerant, bounded reader of server-sent events (WHATWG HTML, section 9.2.6) that takes bytes in any pieces, and one of decoded frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from ondol.infrastructure.serving.errors import UpstreamFailure, garbage
from ondol.infrastructure.serving.types import END_MARK, Frame

LINE_BYTES_MAX = 1 << 20
EVENT_BYTES_MAX = 1 << 20
STREAM_BYTES_MAX = 16 << 20

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LINE_ENDS = (b"\n", b"\r")


class SseTooLarge(ValueError):
    """A line, an event or the whole stream is larger than its limit."""


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One event.

    Attributes:
        data: its `data` lines joined by line feeds.
        name: empty for the usual ``message``.
        whole: false when the stream ended before the blank line that ends an event.
    """

    data: bytes
    name: bytes = b""
    whole: bool = True


class SseReader:
    """Splits bytes into events. Lines end in CRLF, LF or CR; comments, ids, retry times and unknown fields are passed over.

    Args:
        line_bytes_max: longest line.
        stream_bytes_max: largest stream.
    """

    def __init__(self, *, line_bytes_max: int = LINE_BYTES_MAX, stream_bytes_max: int = STREAM_BYTES_MAX) -> None:
        self._line_bytes_max = line_bytes_max
        self._stream_bytes_max = stream_bytes_max
        self._stream_bytes = 0
        # An unfinished line is kept in pieces and joined once: joining at every piece would let a slow drip cost quadratic time.
        self._pieces: list[bytes] = []
        self._piece_bytes = 0
        self._after_return = False
        self._at_start = True
        self._data: list[bytes] = []
        self._data_bytes = 0
        self._name = b""

    @property
    def waiting_bytes(self) -> int:
        """How much of an event is here that has not ended."""
        return self._piece_bytes + self._data_bytes

    def feed(self, piece: bytes) -> list[SseEvent]:
        """The events that this piece completes.

        Raises:
            SseTooLarge: when a limit is passed.
        """
        self._count(piece)
        return self._take(piece)

    def finish(self) -> list[SseEvent]:
        """What is left when the stream ends without its last blank line: at most one event, which may be cut off."""
        rest = b"".join(self._pieces)
        self._pieces.clear()
        if rest:
            self._line(rest)
        event = self._dispatch()
        return [SseEvent(event.data, event.name, whole=False)] if event else []

    def _count(self, piece: bytes) -> None:
        self._stream_bytes += len(piece)
        if self._stream_bytes > self._stream_bytes_max:
            raise SseTooLarge(f"the stream is larger than {self._stream_bytes_max} bytes")

    def _take(self, piece: bytes) -> list[SseEvent]:
        if self._after_return and piece:
            self._after_return = False
            piece = piece.removeprefix(b"\n")
        if not piece:
            return []
        self._after_return = piece.endswith(b"\r")
        if b"\n" not in piece and b"\r" not in piece:
            self._keep(piece)
            return []
        lines = b"".join((*self._pieces, piece)).splitlines(keepends=True)
        self._pieces.clear()
        self._piece_bytes = 0
        if not lines[-1].endswith(_LINE_ENDS):
            self._keep(lines.pop())
        return [event for line in lines if (event := self._line(line.rstrip(b"\r\n"))) is not None]

    def _keep(self, piece: bytes) -> None:
        self._pieces.append(piece)
        self._piece_bytes += len(piece)
        if self._piece_bytes > self._line_bytes_max:
            raise SseTooLarge(f"a line is longer than {self._line_bytes_max} bytes")

    def _line(self, line: bytes) -> SseEvent | None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if len(line) > self._line_bytes_max:
            raise SseTooLarge(f"a line is longer than {self._line_bytes_max} bytes")
        if not line:
            return self._dispatch()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data_bytes += len(value) + 1
            if self._data_bytes > EVENT_BYTES_MAX:
                raise SseTooLarge(f"an event is larger than {EVENT_BYTES_MAX} bytes")
            self._data.append(value)
        elif field == b"event":
            self._name = value
        return None

    def _dispatch(self) -> SseEvent | None:
        data, name = self._data, self._name
        self._data, self._data_bytes, self._name = [], 0, b""
        return SseEvent(b"\n".join(data), name) if data else None


_decode = msgspec.json.Decoder(dict[str, Any]).decode


class FrameReader(SseReader):
    """Frames of a stream whose events hold JSON objects. The usual event, ``data: {...}`` between blank lines and whole in one read, takes a short
    way; everything else takes the long one, with the same result.

    Attributes:
        trouble: why nothing after the last frames can be read; raised by the next call.
    """

    trouble: UpstreamFailure | None = None

    def frames(self, piece: bytes) -> list[Frame]:
        """The frames that this piece completes.

        Raises:
            UpstreamError: ``upstream_garbage`` for an event that is no JSON object, or when a limit is passed; frames before it come first.
        """
        if self.trouble is not None:
            raise self.trouble
        found: list[Frame] = []
        try:
            self._count(piece)
            self._read(piece, found)
        except (ValueError, RecursionError) as error:
            self.trouble = garbage(str(error) if isinstance(error, SseTooLarge) else "an event is no JSON object")
            if not found:
                raise self.trouble from None
        return found

    def last_frames(self) -> list[Frame]:
        """What is left when the stream ends without its last blank line: at most one frame; half an event is none, nor is
        anything behind what cannot be read."""
        if self.trouble is not None:
            return []
        try:
            return [_frame(event.data, event.name.decode("utf-8", "replace")) for event in self.finish()]
        except (ValueError, RecursionError):
            return []

    def _read(self, piece: bytes, found: list[Frame]) -> None:
        if self._pieces and b"\n\n" in piece and not (self._data or self._name or self._at_start):
            piece = b"".join((*self._pieces, piece))
            self._pieces.clear()
            self._piece_bytes = 0
        if self._pieces or self._data or self._name or self._after_return or self._at_start or b"\r" in piece or len(piece) > self._line_bytes_max:
            self._read_slowly(piece, found)
            return
        end = len(piece) if piece[-2:] == b"\n\n" else piece.rfind(b"\n\n") + 2
        if end < 2:
            self._read_slowly(piece, found)
            return
        for event in (piece[: end - 2]).split(b"\n\n"):
            if event[:6] == b"data: " and b"\n" not in event:
                found.append(_frame(event[6:], ""))
                continue
            first, _, second = event.partition(b"\n")
            if first[:7] == b"event: " and second[:6] == b"data: " and b"\n" not in second:
                found.append(_frame(second[6:], first[7:].decode("utf-8", "replace")))
            else:
                self._read_slowly(event + b"\n\n", found)
        if end < len(piece):
            self._read_slowly(piece[end:], found)

    def _read_slowly(self, piece: bytes, found: list[Frame]) -> None:
        for event in self._take(piece):
            found.append(_frame(event.data, event.name.decode("utf-8", "replace")))


def _frame(data: bytes, name: str) -> Frame:
    if data[:1] != b"{" and data.strip() == b"[DONE]":
        return Frame({}, END_MARK)
    return Frame(_decode(data), name)
