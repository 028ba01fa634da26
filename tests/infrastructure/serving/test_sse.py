from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ondol.infrastructure.serving.sse import LINE_BYTES_MAX, SseEvent, SseReader, SseTooLarge

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
