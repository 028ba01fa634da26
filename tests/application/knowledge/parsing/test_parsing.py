"""What holds for every format: any bytes at all are parsed or refused, and always alike."""

from __future__ import annotations

import io

import docx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ondol.application.knowledge import parsing
from ondol.application.knowledge.parsing import SUPPORTED_SUFFIXES, limits, media_type_of, parse
from ondol.application.knowledge.parsing.builder import DocumentBuilder
from ondol.application.knowledge.passages import cut_passages
from ondol.core.errors import UnreadableDocument
from tests.application.knowledge.parsing.checks import sound
from tests.application.knowledge.parsing.pdf_file import Text, pdf

MARKDOWN = b"---\nid: a\nclass: public\n---\n# T\n\n- a\n  1. b\n\n|x|y|\n|-|-|\n|1|2|\n\n```\ncode\n```\n<div hidden>h</div>\n\n> q {{< note >}}\n"
HTML = (
    b"<head><meta charset=utf-8><title>t</title></head><main><h1>a</h1><ul><li>b<table><tr><th>c<td rowspan=2>d<tr><td>e</table><pre>f</pre></main>"
)


def word_file() -> bytes:
    document = docx.Document()
    document.add_heading("Title", 1)
    document.add_paragraph("item", style="List Number")
    document.add_table(rows=2, cols=2).cell(0, 0).text = "cell"
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


SAMPLES = {
    ".md": MARKDOWN,
    ".html": HTML,
    ".txt": "한 줄\n\n- 항목\n1. 둘\n".encode("cp949"),
    ".pdf": pdf([Text(60, 700, "Title", 20), Text(60, 670, "A line of text."), Text(60, 650, "한글")], title="T"),
    ".docx": word_file(),
}


def read_or_refuse(name: str, data: bytes) -> None:
    try:
        document = sound(parse(name, data))
    except UnreadableDocument as error:
        assert error.hint
        return
    cut_passages(document)


@given(st.sampled_from(SUPPORTED_SUFFIXES), st.binary(max_size=400))
def test_any_bytes(suffix: str, data: bytes) -> None:
    read_or_refuse(f"x{suffix}", data)


@pytest.mark.parametrize("suffix", SAMPLES)
@given(data=st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_mutated_files(suffix: str, data: st.DataObject) -> None:
    content = bytearray(SAMPLES[suffix])
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, max(len(content) - 1, 0)))
        match data.draw(st.sampled_from(["flip", "cut", "double", "insert"])):
            case "flip" if content:
                content[place] ^= data.draw(st.integers(1, 255))
            case "cut":
                del content[place : place + data.draw(st.integers(1, 50))]
            case "double":
                content[place:place] = content[place : place + data.draw(st.integers(1, 200))]
            case _:
                content[place:place] = data.draw(st.binary(max_size=20))
    read_or_refuse(f"x{suffix}", bytes(content))


@pytest.mark.parametrize("suffix", SAMPLES)
def test_files_cut_off_anywhere(suffix: str) -> None:
    content = SAMPLES[suffix]
    for share in range(40):
        read_or_refuse(f"x{suffix}", content[: len(content) * share // 40])


@pytest.mark.parametrize("suffix", SAMPLES)
def test_the_same_bytes_give_the_same_document(suffix: str) -> None:
    assert parse(f"a{suffix}", SAMPLES[suffix]) == parse(f"B/b{suffix.upper()}", SAMPLES[suffix])


def test_other_kinds_are_refused() -> None:
    for name in ("x", "x.exe", ".md.zip", "md", "x.doc"):
        with pytest.raises(UnreadableDocument) as caught:
            parse(name, b"x")
        assert ".docx" in caught.value.hint


def test_every_kind_has_a_media_type() -> None:
    assert all(media_type_of(f"X{suffix.upper()}") != media_type_of("x.bin") for suffix in SUPPORTED_SUFFIXES)


def test_size_is_limited_before_anything_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "INPUT_BYTES_MAX", 10)
    for suffix in SUPPORTED_SUFFIXES:
        with pytest.raises(UnreadableDocument, match="11 bytes"):
            parse(f"x{suffix}", b"x" * 11)


def test_text_and_blocks_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    builder = DocumentBuilder("x")
    monkeypatch.setattr("ondol.application.knowledge.parsing.builder.TEXT_CHARS_MAX", 20)
    builder.add("paragraph", "x" * 20)
    with pytest.raises(UnreadableDocument, match="characters"):
        builder.add("paragraph", "x")
    monkeypatch.setattr("ondol.application.knowledge.parsing.builder.TEXT_CHARS_MAX", limits.TEXT_CHARS_MAX)
    monkeypatch.setattr("ondol.application.knowledge.parsing.builder.BLOCKS_MAX", 1)
    with pytest.raises(UnreadableDocument, match="paragraphs"):
        builder.add("paragraph", "x")
