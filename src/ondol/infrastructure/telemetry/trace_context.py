"""W3C trace context, level 1: the caller's trace goes on to upstreams, with spans whose ids follow from the request's own id.

So nothing random is drawn for a request, and a span that is exported later has the id that its upstream was sent.
"""

from __future__ import annotations

import re
import uuid

FRESH_BITS = 56
"""The random bits of a trace id, its last seven bytes (W3C trace context, level 2)."""
_TRACEPARENT = re.compile(rb"(?!ff)(?!00.{54})[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-.{0,200})?")
_QUEUE = 1 << 32
_GUARD = 2 << 32


class TraceContext:
    """One request's place in a trace.

    Args:
        request_id: a UUIDv7; without a trace of the caller's own it is the trace id too, so that `x-request-id` finds the trace.
        traceparent: the caller's header; what is none counts as absent.
        ratio: the share of traces that are exported, 0 to 1.

    Attributes:
        trace_id: 32 hexadecimal digits.
        parent: the caller's span, 16 hexadecimal digits; empty when there is none.
        asked: how often an upstream was asked.
        sampled: spans are exported. A caller can keep its traces out but not in: what is exported is paid for here.
    """

    __slots__ = ("_root", "asked", "parent", "sampled", "trace_id")

    def __init__(self, request_id: uuid.UUID, traceparent: bytes = b"", ratio: float = 1.0) -> None:
        self.asked = 0
        self._root = request_id.int & 0xFFFFFFFFFFFFFFFF
        if traceparent and is_traceparent(traceparent):
            text = traceparent.decode("ascii")
            self.trace_id = text[3:35]
            self.parent = text[36:52]
            self.sampled = int(text[53:55], 16) & 1 == 1 and is_sampled(self.trace_id, ratio)
        else:
            self.trace_id = request_id.hex
            self.parent = ""
            self.sampled = is_sampled(self.trace_id, ratio)

    @property
    def span_id(self) -> int:
        """Of the request itself."""
        return self._root

    @property
    def upstream_id(self) -> int:
        """Of the last attempt at an upstream; that of the first where none was made."""
        return self._root ^ max(1, self.asked)

    @property
    def queue_id(self) -> int:
        """Of the time until the request was admitted."""
        return self._root ^ _QUEUE

    @property
    def guard_id(self) -> int:
        """Of the guard's reading."""
        return self._root ^ _GUARD

    def outgoing(self) -> bytes:
        """The header for one more attempt at an upstream."""
        self.asked += 1
        return b"00-%b-%016x-0%d" % (self.trace_id.encode("ascii"), self._root ^ self.asked, self.sampled)


def is_traceparent(told: bytes) -> bool:
    """Whether a header is a trace context that can be gone on with. One of a later version is read as far as version 00 goes."""
    return _TRACEPARENT.fullmatch(told) is not None


def is_sampled(trace_id: str, ratio: float) -> bool:
    """The same answer wherever the same ratio is asked for (OpenTelemetry's consistent probability sampling: randomness above a threshold)."""
    if ratio >= 1.0:
        return True
    return int(trace_id[18:], 16) >= round((1.0 - ratio) * (1 << FRESH_BITS))
