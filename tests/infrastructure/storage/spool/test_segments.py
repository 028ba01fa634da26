"""What lies in a segment is read back, and a damaged place costs the records that it touches and no others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.infrastructure.storage.spool import claim, frame, keep_aside, read_records, segment_files, spool_bytes
from ondol.infrastructure.storage.spool.segments import ASIDE_BYTES_MAX, ASIDE_NAME

records = st.lists(st.binary(max_size=60).map(lambda data: data.replace(b"\n", b" ")), max_size=8)


@given(records)
def test_records_come_back_whole_and_in_order(kept: list[bytes]) -> None:
    assert read_records(b"".join(map(frame, kept))) == (kept, [])


@given(records.filter(bool), st.data())
def test_one_damaged_byte_costs_one_record_at_most(kept: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(map(frame, kept))
    place = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[place]))
    found, broken = read_records(whole[:place] + bytes([other]) + whole[place + 1 :])
    assert all(record in kept for record in found)
    assert len(found) >= len(kept) - 1
    assert broken or len(found) == len(kept)


@given(records.filter(bool), st.data())
def test_a_segment_cut_off_anywhere_keeps_all_whole_records(kept: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(map(frame, kept))
    size = data.draw(st.integers(0, len(whole)))
    ends = [len(b"".join(map(frame, kept[: count + 1]))) for count in range(len(kept))]
    complete = sum(end <= size for end in ends)
    found, broken = read_records(whole[:size])
    assert found == kept[:complete]
    assert bool(broken) == (size not in (0, *ends))


def test_a_damaged_line_feed_costs_nothing() -> None:
    whole = frame(b"first") + frame(b"second") + frame(b"third")
    place = whole.index(b"\n")
    assert read_records(whole[:place] + b"x" + whole[place + 1 :]) == ([b"second", b"first", b"third"], [])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, data in enumerate((b"a" * 10, b"b" * 20, b"c" * 30)):
        path = tmp_path / f"x-{number}.spool"
        path.write_bytes(data)
        os.utime(path, (number, number))
    (tmp_path / "x-9.new").write_bytes(b"not yet")
    return tmp_path


def test_the_oldest_are_claimed_first_and_once(folder: Path) -> None:
    first = claim(folder, 15)
    assert [segment.path.name for segment in first] == ["x-0.spool"]
    rest = claim(folder, 1000)
    assert [segment.read() for segment in rest] == [b"b" * 20, b"c" * 30]
    assert claim(folder, 1000) == []
    first[0].release()
    again = claim(folder, 1000)
    assert [segment.path.name for segment in again] == ["x-0.spool"]
    for segment in (*again, *rest):
        segment.remove()
    assert (segment_files(folder), spool_bytes(folder)) == ([], 0)


def test_one_segment_is_claimed_however_large_it_is(folder: Path) -> None:
    [segment] = claim(folder, 1)
    segment.release()
    assert claim(folder / "absent", 1) == []


def test_what_is_put_aside_is_bounded(tmp_path: Path) -> None:
    assert keep_aside(tmp_path, [b"one", b"two"])
    assert keep_aside(tmp_path, [b"three"])
    assert (tmp_path / ASIDE_NAME).read_bytes() == b"one\ntwo\nthree\n"
    assert not keep_aside(tmp_path, [b"x" * ASIDE_BYTES_MAX])
    assert not keep_aside(tmp_path / "absent", [b"one"])
