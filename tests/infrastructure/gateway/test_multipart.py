"""Uploads: what clients send is read; what two readers could read differently is refused; what goes on says the same."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ondol.core.errors import RequestError
from ondol.infrastructure.gateway.multipart import FIELD_BYTES_MAX, PARTS_MAX, File, read_multipart, write_multipart

KIND = b"multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
END = b"--b--\r\n"


def plain(parts: list[tuple[str, str | File]]) -> list[tuple[str, object]]:
    return [(name, value if isinstance(value, str) else (value.ending, value.media_type, bytes(value.data))) for name, value in parts]


_fields = st.tuples(st.sampled_from(["model", "prompt", "a[]"]), st.text(st.characters(exclude_categories=["Cs"]), max_size=20))


@settings(max_examples=100, deadline=None)
@given(st.lists(_fields, max_size=5), st.binary(max_size=200))
def test_what_is_written_is_read_again(fields: list[tuple[str, str]], data: bytes) -> None:
    parts: list[tuple[str, str | File]] = [*fields, ("file", File("wav", b"audio/wav", memoryview(data)))]
    assert plain(read_multipart(*write_multipart(parts))) == plain(parts)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [b"--b", b"--", b"\r\n", b"\r", b"\n", b"content-disposition: form-data; ", b'name="a"', b'filename="x.y"', b":", b"x", PART, END]
        )
    )
)
def test_whatever_comes_is_read_or_refused(pieces: list[bytes]) -> None:
    try:
        parts = read_multipart(KIND, b"".join(pieces))
    except RequestError as error:
        assert error.status == 400
    else:
        assert plain(read_multipart(*write_multipart(parts))) == plain(parts)


def test_what_clients_send_is_read() -> None:
    request = httpx.Request(
        "POST", "http://x", data={"model": "m", "prompt": "한글"}, files={"file": ('홍길동 "x".MP3', b"\r\n--data", "audio/mpeg")}
    )
    parts = plain(read_multipart(request.headers["content-type"].encode(), request.read()))
    assert parts == [("model", "m"), ("prompt", "한글"), ("file", ("mp3", b"audio/mpeg", b"\r\n--data"))]


def test_a_file_keeps_nothing_of_its_name_but_the_ending() -> None:
    _, body = write_multipart([("file", File("mp3", b"", memoryview(b"x")))])
    assert b'filename="upload.mp3"\r\ncontent-type: application/octet-stream' in body


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"preamble\r\n" + PART + END, id="something before it"),
        pytest.param(PART, id="no end"),
        pytest.param(PART + END + b"more", id="something behind it"),
        pytest.param(PART.replace(b"--b", b"--bb", 1) + END, id="another boundary"),
        pytest.param(PART.replace(b'name="a"', b'name="a"; name="b"') + END, id="two names"),
        pytest.param(PART.replace(b'name="a"', b'name="a b"') + END, id="a name that is none"),
        pytest.param(PART.replace(b'; name="a"', b"") + END, id="no name"),
        pytest.param(PART.replace(b"\r\n\r\n", b"\r\nContent-Disposition: form-data; name=b\r\n\r\n") + END, id="two dispositions"),
        pytest.param(PART.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n") + END, id="an encoding"),
        pytest.param(PART.replace(b"\r\n\r\n", b"\r\n folded\r\n\r\n") + END, id="a folded header"),
        pytest.param(PART.replace(b"\r\n\r\n", b"\r\n" + b"x" * 5_000 + b"\r\n\r\n") + END, id="a long head"),
        pytest.param(PART.replace(b"1", b"\xff") + END, id="no UTF-8"),
        pytest.param(PART.replace(b"1", b"1" * (FIELD_BYTES_MAX + 1)) + END, id="a long field"),
        pytest.param(PART * (PARTS_MAX + 1) + END, id="many parts"),
    ],
)
def test_what_is_doubtful_is_refused(body: bytes) -> None:
    with pytest.raises(RequestError):
        read_multipart(KIND, body)


@pytest.mark.parametrize(
    "kind", [b"", b"application/json", b"multipart/form-data", b"multipart/form-data; boundary=" + b"x" * 71, b"multipart/mixed; boundary=b"]
)
def test_what_is_no_upload_is_refused(kind: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        read_multipart(kind, PART + END)
    assert caught.value.code == "invalid_content_type"
