"""Uploads as browsers and clients send them (multipart/form-data, RFC 7578): read strictly, in memory, and written anew.

An upload that two readers could take for two different things would be guarded as one and answered as the other. So what is doubtful is refused,
and what goes on is written from what was read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from ondol.core.errors import RequestError

PARTS_MAX = 64
HEADER_BYTES_MAX = 4_096
FIELD_BYTES_MAX = 256 << 10

_BOUNDARY = re.compile(
    rb"""multipart/form-data\s*;\s*(?:charset=[\w-]+\s*;\s*)?boundary=(?:"([\w'()+,./:=? -]{1,70})"|([\w'()+,./:=?-]{1,70}))\s*""", re.I
)
_DISPOSITION = re.compile(rb'form-data((?:;\s*[a-z*]+=(?:"(?:[^"\\\r\n]|\\.)*"|[^;"\s]+)\s*)*)', re.IGNORECASE)
_PARAMETER = re.compile(rb';\s*([a-z*]+)=(?:"((?:[^"\\\r\n]|\\.)*)"|([^;"\s]+))', re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z0-9_.\[\]-]{1,64}")
_MEDIA_TYPE = re.compile(rb"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60}", re.IGNORECASE)
_ENDING = re.compile(r"\.([A-Za-z0-9]{1,8})$")


class File:
    """A file of an upload.

    Attributes:
        ending: of its name, in small letters; all that goes on of it, since names of files are what people wrote.
        media_type: as it was declared.
        data: its bytes, where they lie in the body.
    """

    __slots__ = ("data", "ending", "media_type")

    def __init__(self, ending: str, media_type: bytes, data: memoryview) -> None:
        self.ending = ending
        self.media_type = media_type
        self.data = data


def read_multipart(content_type: bytes, body: bytes) -> list[tuple[str, str | File]]:
    """The fields and files of an upload, in order.

    Raises:
        RequestError: when it is no upload, or not one that every reader would read the same.
    """
    found = _BOUNDARY.fullmatch(content_type)
    if found is None:
        raise RequestError("The request is no upload.", "Send it as multipart/form-data.", code="invalid_content_type")
    delimiter = b"--" + (found[1] or found[2])
    if not body.startswith(delimiter):
        raise _broken("it does not begin with its boundary")
    view = memoryview(body)
    parts: list[tuple[str, str | File]] = []
    place = len(delimiter)
    while body[place : place + 2] != b"--":
        if body[place : place + 2] != b"\r\n":
            raise _broken("a boundary does not end its line")
        if len(parts) >= PARTS_MAX:
            raise _broken(f"it has more than {PARTS_MAX} parts")
        begin = body.find(b"\r\n\r\n", place, place + HEADER_BYTES_MAX)
        end = body.find(b"\r\n" + delimiter, begin + 2) if begin >= 0 else -1
        if end < 0:
            raise _broken("a part has no end, or its head is too long")
        parts.append(_part(body[place + 2 : begin], view[begin + 4 : max(end, begin + 4)]))
        place = end + 2 + len(delimiter)
    if body[place + 2 :].strip(b"\r\n"):
        raise _broken("something follows its end")
    return parts


def _part(head: bytes, data: memoryview) -> tuple[str, str | File]:
    disposition = media_type = b""
    for line in head.split(b"\r\n"):
        header, colon, value = line.partition(b":")
        match header.lower():
            case b"content-disposition" if not disposition:
                disposition = value.strip()
            case b"content-type" if not media_type:
                media_type = value.strip()
            case b"content-length":
                pass
            case b"content-transfer-encoding" if value.strip().lower() in (b"binary", b"8bit", b"7bit"):
                pass
            case _:
                raise _broken("a part has a header that is not known here") if colon else _broken("a part's head is no header")
    found = _DISPOSITION.fullmatch(disposition)
    told = [(item[1].lower(), item[2] if item[2] is not None else item[3]) for item in _PARAMETER.finditer(found[1])] if found else []
    parameters = dict(told)
    name = parameters.get(b"name", b"").decode("utf-8", "replace")
    if len(parameters) < len(told) or set(parameters) - {b"name", b"filename", b"filename*"} or not _NAME.fullmatch(name):
        raise _broken("a part has no proper name")
    if b"filename" in parameters or b"filename*" in parameters:
        ending = _ENDING.search(parameters.get(b"filename", b"").decode("utf-8", "replace"))
        return name, File(ending[1].lower() if ending else "", media_type if _MEDIA_TYPE.fullmatch(media_type) else b"", data)
    if len(data) > FIELD_BYTES_MAX:
        raise RequestError(f"`{name}` is longer than {FIELD_BYTES_MAX} bytes.", "Send less text.", param=name, code="text_too_long")
    try:
        return name, str(data, "utf-8")
    except UnicodeDecodeError:
        raise RequestError(f"`{name}` is not valid UTF-8.", param=name, code="invalid_value") from None


def write_multipart(parts: Iterable[tuple[str, str | File]]) -> tuple[bytes, bytes]:
    """An upload of these fields and files: its content type and body."""
    boundary = os.urandom(16).hex().encode()
    pieces: list[bytes | memoryview] = []
    for name, value in parts:
        head = b'--%b\r\ncontent-disposition: form-data; name="%b"' % (boundary, name.encode("ascii"))
        if isinstance(value, File):
            ending = f".{value.ending}" if value.ending else ""
            media_type = value.media_type or b"application/octet-stream"
            pieces += [head, b'; filename="upload%b"\r\ncontent-type: %b\r\n\r\n' % (ending.encode("ascii"), media_type), value.data, b"\r\n"]
        else:
            pieces += [head, b"\r\n\r\n", value.encode("utf-8"), b"\r\n"]
    pieces.append(b"--%b--\r\n" % boundary)
    return b"multipart/form-data; boundary=" + boundary, b"".join(pieces)


def _broken(what: str) -> RequestError:
    return RequestError(f"The upload cannot be read: {what}.", "Send it as multipart/form-data, as clients do.", code="invalid_upload")
