from __future__ import annotations

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ondol.core.errors import UpstreamError
from ondol.infrastructure.serving.sse import LINE_BYTES_MAX, FrameReader, SseEvent, SseReader, SseTooLarge
from ondol.infrastructure.serving.types import END_MARK, Frame

LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])
TEXT = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12)


def read(pieces: list[bytes]) -> list[SseEvent]:
    reader = SseReader()
    return [event for piece in pieces for event in reader.feed(piece)] + reader.finish()


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[SseEvent]]:
    """A stream as an upstream may write it, and the events that are in it."""
    written, events = "", []
    for _ in range(draw(st.integers(0, 5))):
        end = draw(LINE_ENDS)
        data = draw(st.lists(TEXT, min_size=1, max_size=3))
        name = draw(st.sampled_from(["", "error"]))
        lines = [f"data: {line}" for line in data] + ([f"event: {name}"] if name else [])
        for noise in draw(st.lists(st.sampled_from([": comment", "id: 7", "retry: 10", "unknown", ":"]), max_size=2)):
            lines.insert(draw(st.integers(0, len(lines))), noise)
        written += end.join([*lines, "", ""])
        events.append(SseEvent("\n".join(data).encode(), name.encode()))
    return written.encode(), events


@given(streams(), st.lists(st.integers(0, 400), max_size=12))
def test_any_split_of_the_bytes_gives_the_same_events(stream: tuple[bytes, list[SseEvent]], cuts: list[int]) -> None:
    written, events = stream
    assert read([bytes([byte]) for byte in written]) == events
    places = sorted({0, len(written), *(min(cut, len(written)) for cut in cuts)})
    assert read([written[start:stop] for start, stop in pairwise(places)]) == events


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=8))
@settings(max_examples=200)
def test_arbitrary_bytes_read_the_same_in_any_pieces(written: bytes, cuts: list[int]) -> None:
    places = sorted({0, len(written), *(min(cut, len(written)) for cut in cuts)})
    assert read([written[start:stop] for start, stop in pairwise(places)]) == read([written])


def test_byte_by_byte_with_every_line_end() -> None:
    written = b"\xef\xbb\xbfdata: a\r\ndata:b\rdata:  c\n\ndata\n\n"
    assert read([bytes([byte]) for byte in written]) == [SseEvent(b"a\nb\n c"), SseEvent(b"")]


def test_an_event_without_its_blank_line_is_marked() -> None:
    assert read([b"data: whole\n\ndata: half"]) == [SseEvent(b"whole"), SseEvent(b"half", whole=False)]


def test_limits_hold_for_lines_events_and_streams() -> None:
    with pytest.raises(SseTooLarge, match="line"):
        read([b"x" * 65_536] * (LINE_BYTES_MAX // 65_536 + 1))
    with pytest.raises(SseTooLarge, match="event"):
        read([b"data: " + b"x" * 1_000 + b"\n"] * 1_100)
    reader = SseReader(stream_bytes_max=100)
    with pytest.raises(SseTooLarge, match="stream"):
        for _ in range(30):
            reader.feed(b": ok\n")


def frames_of(pieces: list[bytes]) -> tuple[list[Frame], bool]:
    """All frames, and whether the stream ended in trouble."""
    reader, found = FrameReader(), []
    try:
        for piece in pieces:
            found += reader.frames(piece)
        return found + reader.last_frames(), reader.trouble is not None
    except UpstreamError as error:
        assert error.code == "upstream_garbage"
        return found, True


def slowly(written: bytes) -> tuple[list[Frame], bool]:
    """The same by the general reader alone: what the short way must agree with."""
    found: list[Frame] = []
    for event in read([written]):
        if event.data.strip() == b"[DONE]":
            found.append(Frame({}, END_MARK))
            continue
        try:
            data = msgspec.json.decode(event.data, type=dict)
        except ValueError:
            return found, event.whole
        found.append(Frame(data, event.name.decode("utf-8", "replace")))
    return found, False


PARTS = st.one_of(
    st.sampled_from([b'data: {"a":1}\n\n', b'data: {"a":"\xea\xb0\x80"}\n\n', b'event: delta\ndata: {"b":2}\n\n', b"data: [DONE]\n\n"]),
    st.sampled_from([b": ping\n\n", b'data:{"c":3}\n\n', b'data: {"d":\ndata: 4}\n\n', b'data: {"e":5}\r\n\r\n', b'data: {"f":6}\r\r']),
    st.sampled_from([b'id: 1\nevent: x\ndata: {"g":7}\n\n', b"event: y\n\n", b"data\n\n", b"data: nonsense\n\n", b'data: {"h":8}\n']),
    st.sampled_from([b"\n", b"\n\n", b"\r", b"\xef\xbb\xbf", b"event: z\n", b"data: [1]\n\n"]),
)


@given(st.lists(PARTS, max_size=12), st.lists(st.integers(0, 300), max_size=10))
@settings(max_examples=400)
def test_the_short_way_reads_what_the_long_one_does_in_any_pieces(parts: list[bytes], cuts: list[int]) -> None:
    written = b"".join(parts)
    expected = slowly(written)
    places = sorted({0, len(written), *(min(cut, len(written)) for cut in cuts)})
    assert frames_of([written[start:stop] for start, stop in pairwise(places)]) == expected
    assert frames_of([bytes([byte]) for byte in written]) == expected


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_no_bytes_break_the_frame_reader(pieces: list[bytes]) -> None:
    frames_of([b"data: ", *pieces, b"\n\n"])


def test_frames_have_limits_too() -> None:
    assert frames_of([b"data: " + b"x" * LINE_BYTES_MAX, b"x\n\n"]) == ([], True)
    assert frames_of([b'data: {"a":' + b"[" * 100_000 + b"\n\n"]) == ([], True)
    reader = FrameReader(stream_bytes_max=100)
    with pytest.raises(UpstreamError, match="larger"):
        for _ in range(20):
            reader.frames(b'data: {"a":1}\n\n')
