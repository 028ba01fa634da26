"""What a broken or hostile upstream may send, byte by byte: replies for `ScriptedModel`, and what the client makes of each."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ondol.infrastructure.serving.scripted import Reply

BODY = b'{"id":"1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"Hi."},"finish_reason":"stop"}]}'
DELTA = b'data: {"choices":[{"index":0,"delta":{"content":"Hi."},"finish_reason":null}]}\n\n'
STOP = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
DONE = b"data: [DONE]\n\n"
_ZIPPED = gzip.compress(BODY)


@dataclass(frozen=True, slots=True)
class Fault:
    """A way to misbehave.

    Attributes:
        code: of the error that a caller gets; empty when the answer counts all the same.
        stream: a stream was asked for.
        content: text of the answer, when it counts.
    """

    reply: Reply
    code: str
    stream: bool = False
    content: str = "Hi."


def head(*lines: bytes, status: bytes = b"200 OK") -> bytes:
    """A head with these lines."""
    return b"\r\n".join((b"HTTP/1.1 " + status, *lines, b"", b""))


def whole(body: bytes = BODY, *lines: bytes, status: bytes = b"200 OK", content_type: bytes = b"application/json") -> bytes:
    """A sound answer with its length."""
    return head(b"content-type: " + content_type, b"content-length: %d" % len(body), *lines, status=status) + body


def chunked(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """A chunked body."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + end


_JSON = b"content-type: application/json"
_CHUNKED = b"transfer-encoding: chunked"
_STREAM = head(b"content-type: text/event-stream", _CHUNKED)


def _raw(*pieces: bytes, then: Literal["keep", "close", "hold"] = "keep") -> Reply:
    return Reply(raw=pieces, then=then)


WHOLE_FAULTS: Mapping[str, Fault] = {
    "closes without a word": Fault(_raw(then="close"), "upstream_cut_off"),
    "closes inside the head": Fault(_raw(b"HTTP/1.1 200 OK\r\ncontent-", then="close"), "upstream_cut_off"),
    "is silent": Fault(_raw(), "upstream_timeout"),
    "is silent inside the head": Fault(_raw(b"HTTP/1.1 200 OK\r\ncontent-"), "upstream_timeout"),
    "is silent inside the body": Fault(_raw(whole()[:-5]), "upstream_timeout"),
    "speaks another protocol": Fault(_raw(b"SSH-2.0-OpenSSH_9.6\r\n"), "upstream_garbage"),
    "speaks HTTP/2": Fault(_raw(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00"), "upstream_garbage"),
    "ends lines with bare line feeds": Fault(_raw(whole().replace(b"\r\n", b"\n")), "upstream_garbage"),
    "folds a header": Fault(_raw(whole(BODY, b"x-a: 1\r\n 2")), "upstream_garbage"),
    "has a null in a header": Fault(_raw(whole(BODY, b"x-a: \0")), "upstream_garbage"),
    "has endless headers": Fault(_raw(b"HTTP/1.1 200 OK\r\n", *([b"x-a: " + b"b" * 1000 + b"\r\n"] * 200)), "upstream_garbage"),
    "has one endless header": Fault(_raw(b"HTTP/1.1 200 OK\r\nx-a: ", *([b"b" * 10_000] * 50)), "upstream_garbage"),
    "has too many headers": Fault(_raw(whole(BODY, *([b"x: y"] * 500))), "upstream_garbage"),
    "announces more than it sends": Fault(_raw(head(_JSON, b"content-length: 5000") + BODY, then="close"), "upstream_cut_off"),
    "announces less than it sends": Fault(_raw(head(_JSON, b"content-length: 20") + BODY), "upstream_garbage"),
    "has two lengths": Fault(_raw(whole(BODY, b"content-length: 3")), "upstream_garbage"),
    "has a negative length": Fault(_raw(head(_JSON, b"content-length: -1") + BODY), "upstream_garbage"),
    "has a length and chunks": Fault(_raw(head(_JSON, _CHUNKED, b"content-length: 5") + chunked(BODY)), "upstream_garbage"),
    "has a chunk size that is none": Fault(_raw(head(_JSON, _CHUNKED) + b"zz\r\n" + BODY), "upstream_garbage"),
    "has an overflowing chunk size": Fault(_raw(head(_JSON, _CHUNKED) + b"fffffffffffffffff\r\n" + BODY), "upstream_garbage"),
    "has a chunk longer than its size": Fault(_raw(head(_JSON, _CHUNKED) + b"5\r\n" + BODY), "upstream_garbage"),
    "closes before the last chunk": Fault(_raw(head(_JSON, _CHUNKED) + chunked(BODY, end=b""), then="close"), "upstream_cut_off"),
    "sends 100 first": Fault(_raw(head(status=b"100 Continue") + head(b"link: <x>", status=b"103 Early Hints") + whole()), ""),
    "sends 100 for ever": Fault(_raw(*([head(status=b"100 Continue")] * 100)), "upstream_garbage"),
    "changes the protocol": Fault(_raw(head(b"connection: upgrade", b"upgrade: x", status=b"101 Switching")), "upstream_garbage"),
    "has no content": Fault(_raw(head(status=b"204 No Content")), "upstream_garbage"),
    "has content in a 204": Fault(_raw(whole(status=b"204 No Content")), "upstream_garbage"),
    "answers twice": Fault(_raw(whole() + whole()), "upstream_garbage"),
    "redirects": Fault(_raw(whole(b"", b"location: http://169.254.169.254/", status=b"307 Temporary Redirect")), "upstream_garbage"),
    "is compressed": Fault(_raw(whole(_ZIPPED, b"content-encoding: gzip")), "upstream_garbage"),
    "is compressed as transfer": Fault(_raw(head(_JSON, b"transfer-encoding: gzip, chunked") + chunked(_ZIPPED)), "upstream_garbage"),
    "is HTML": Fault(_raw(whole(b"<p>Sign in</p>", content_type=b"text/html")), "upstream_garbage"),
    "is a stream that nobody asked for": Fault(_raw(_STREAM + chunked(DELTA, STOP, DONE)), "upstream_garbage"),
    "is no JSON": Fault(_raw(whole(b"I am fine, thank you.")), "upstream_garbage"),
    "ends by closing": Fault(_raw(head(_JSON) + BODY, then="close"), ""),
    "speaks HTTP/1.0": Fault(_raw(whole().replace(b"1.1", b"1.0", 1), then="close"), ""),
    "has trailers": Fault(_raw(head(_JSON, _CHUNKED) + chunked(BODY, end=b"0\r\nx-sum: 1\r\n\r\n")), ""),
    "comes byte by byte": Fault(_raw(*(bytes([byte]) for byte in whole())), ""),
}

STREAM_FAULTS: Mapping[str, Fault] = {
    "ends without a frame": Fault(_raw(_STREAM + chunked()), "upstream_cut_off", stream=True),
    "ends without a reason": Fault(_raw(_STREAM + chunked(DELTA)), "upstream_cut_off", stream=True),
    "closes after a reason": Fault(_raw(_STREAM + chunked(DELTA, STOP)), "", stream=True),
    "breaks off after a reason": Fault(_raw(_STREAM + chunked(DELTA, STOP, end=b""), then="close"), "", stream=True),
    "breaks off inside an event": Fault(_raw(_STREAM + chunked(DELTA, STOP[:20], end=b""), then="close"), "upstream_cut_off", stream=True),
    "ends its last event with the stream": Fault(_raw(_STREAM + chunked(DELTA, STOP, DONE.rstrip())), "", stream=True),
    "has no length and closes": Fault(_raw(head(b"content-type: text/event-stream") + DELTA + STOP + DONE, then="close"), "", stream=True),
    "is silent before an event": Fault(_raw(_STREAM), "upstream_timeout", stream=True),
    "only comments": Fault(_raw(_STREAM, *([chunked(b": still here\n\n", end=b"")] * 500)), "upstream_timeout", stream=True),
    "is silent after an event": Fault(_raw(_STREAM + chunked(DELTA, end=b"")), "upstream_timeout", stream=True),
    "goes on after its end": Fault(_raw(_STREAM + chunked(DELTA, STOP, DONE, DELTA)), "", stream=True),
    "has an event that is no JSON": Fault(_raw(_STREAM + chunked(DELTA, b"data: {nope}\n\n", STOP, DONE)), "upstream_garbage", stream=True),
    "has an event that is no object": Fault(_raw(_STREAM + chunked(DELTA, b"data: [1]\n\n", STOP, DONE)), "upstream_garbage", stream=True),
    "has an event that is no UTF-8": Fault(_raw(_STREAM + chunked(DELTA, b'data: {"a":"\xff\xfe"}\n\n')), "upstream_garbage", stream=True),
    "nests 100,000 deep": Fault(_raw(_STREAM + chunked(DELTA, b'data: {"a":' + b"[" * 100_000 + b"\n\n")), "upstream_garbage", stream=True),
    "has choices that are none": Fault(_raw(_STREAM + chunked(DELTA, b'data: {"choices":{"0":1}}\n\n')), "upstream_garbage", stream=True),
    "has a choice that is none": Fault(_raw(_STREAM + chunked(DELTA, b'data: {"choices":[7]}\n\n')), "upstream_garbage", stream=True),
    "has a wild index": Fault(_raw(_STREAM + chunked(DELTA, b'data: {"choices":[{"index":-1}]}\n\n')), "upstream_garbage", stream=True),
    "has a huge line": Fault(_raw(_STREAM, *([chunked(b"data: " + b"x" * 60_000, end=b"")] * 40)), "upstream_garbage", stream=True),
    "tells of an error": Fault(_raw(_STREAM + chunked(DELTA, b'data: {"error":{"message":"no"}}\n\n')), "upstream_failed", stream=True),
    "tells of an error first": Fault(_raw(_STREAM + chunked(b'data: {"error":{"type":"overloaded_error"}}\n\n')), "upstream_overloaded", stream=True),
    "is JSON": Fault(_raw(whole()), "upstream_garbage", stream=True),
    "has a bad chunk size inside": Fault(_raw(_STREAM + chunked(DELTA, end=b"") + b"xyz\r\n"), "upstream_garbage", stream=True),
    "sends the end twice": Fault(_raw(_STREAM + chunked(DELTA, STOP, DONE, DONE)), "", stream=True),
    "ends lines with CRLF": Fault(_raw(_STREAM + chunked(*(event.replace(b"\n", b"\r\n") for event in (DELTA, STOP, DONE)))), "", stream=True),
    "comes byte by byte": Fault(_raw(*(bytes([byte]) for byte in _STREAM + chunked(DELTA, STOP, DONE))), "", stream=True),
}
"""All of them answer a request for chat completions."""
