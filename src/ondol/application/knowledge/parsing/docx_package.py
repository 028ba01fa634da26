"""The inside of a .docx: a ZIP archive of XML parts, opened with distrust."""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from typing import Final
from xml.etree import ElementTree

from ondol.core.errors import UnreadableDocument

ENTRIES_MAX: Final = 5_000
PART_BYTES_MAX: Final = 64 * 1024 * 1024
"""The largest XML part after unpacking."""

UNPACKED_BYTES_MAX: Final = 512 * 1024 * 1024
"""All entries after unpacking, pictures included, as the archive states them."""

RATIO_MAX: Final = 200
"""An entry that unpacks to more than this many times its packed size is a bomb (Word's XML reaches about 30)."""

RATIO_FREE_BYTES: Final = 1024 * 1024
"""Below this size the ratio does not matter."""

ELEMENTS_MAX: Final = 3_000_000
DEPTH_MAX: Final = 250
"""XML elements in each other (frames and text boxes in each other are read by recursion)."""

DOCUMENT_PART: Final = "word/document.xml"


class Package:
    """An opened .docx.

    Raises:
        UnreadableDocument: not a ZIP archive, not a Word document, encrypted, or a bomb.
    """

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        if data.startswith(b"\xd0\xcf\x11\xe0"):
            raise UnreadableDocument(
                f"{name} is encrypted or in the old .doc format.", "Remove its password, or save it as .docx in a word processor."
            )
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, EOFError, OverflowError, struct.error) as error:
            raise self._damaged(error) from error
        self._refuse_bombs()
        self._names = {info.filename.lower(): info for info in self._archive.infolist()}
        if DOCUMENT_PART not in self._names:
            raise UnreadableDocument(f"{name} is a ZIP archive but not a Word document.", "Save it as .docx in a word processor.")

    def part(self, path: str) -> ElementTree.Element | None:
        """The root element of an XML part, or None if there is no such part.

        Raises:
            UnreadableDocument: the part is damaged, declares a document type (no entity is ever expanded) or is too large.
        """
        info = self._names.get(path.lower())
        return None if info is None else self._root(self._read(info), path)

    def _refuse_bombs(self) -> None:
        entries = self._archive.infolist()
        unpacked = sum(info.file_size for info in entries)
        if len(entries) > ENTRIES_MAX or unpacked > UNPACKED_BYTES_MAX:
            raise UnreadableDocument(f"{self.name} unpacks to {len(entries):,} files with {unpacked:,} bytes, too many.", "Remove large pictures.")
        for info in entries:
            if info.file_size > RATIO_FREE_BYTES and info.file_size > RATIO_MAX * max(info.compress_size, 1):
                raise UnreadableDocument(f"{self.name} holds an entry packed more than {RATIO_MAX}-fold.", "Save it anew in a word processor.")

    def _read(self, info: zipfile.ZipInfo) -> bytes:
        if info.flag_bits & 1:
            raise UnreadableDocument(f"{self.name} is encrypted.", "Remove its password.")
        try:
            with self._archive.open(info) as stream:
                content = stream.read(PART_BYTES_MAX + 1)
        except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, ValueError, OSError, EOFError, NotImplementedError, RuntimeError) as error:
            raise self._damaged(error) from error
        if len(content) > PART_BYTES_MAX:
            raise UnreadableDocument(f"{self.name} holds a part of more than {PART_BYTES_MAX:,} bytes.", "Split it into several files.")
        return content

    def _root(self, content: bytes, path: str) -> ElementTree.Element:
        head = content.removeprefix(b"\xef\xbb\xbf").lstrip()
        # Entities need a document type, which Office never writes. In UTF-16 the word could hide from this search.
        if not head.startswith(b"<") or b"\x00" in content[:200] or b"<!DOCTYPE" in content:
            raise UnreadableDocument(f"{self.name} holds XML that no word processor writes ({path}).", "Save it anew in a word processor.")
        depth = count = 0
        root: ElementTree.Element | None = None
        try:
            # Without a document type there is no entity to expand or to fetch, which is what the standard parser is warned of.
            for event, element in ElementTree.iterparse(io.BytesIO(content), events=("start", "end")):  # noqa: S314
                if event == "end":
                    depth -= 1
                    continue
                root = element if root is None else root
                depth, count = depth + 1, count + 1
                if depth > DEPTH_MAX or count > ELEMENTS_MAX:
                    raise UnreadableDocument(f"{self.name} is too deep or too large ({path}).", "Split it into several files.")
        except (ElementTree.ParseError, ValueError, LookupError) as error:
            raise self._damaged(error) from error
        if root is None:
            raise UnreadableDocument(f"{self.name} has an empty part ({path}).", "Save it anew in a word processor.")
        return root

    def _damaged(self, error: Exception) -> UnreadableDocument:
        return UnreadableDocument(f"{self.name} is damaged or not a .docx ({type(error).__name__}).", "Open it in a word processor and save it anew.")


def local(element: ElementTree.Element) -> str:
    """The element's name without its namespace (there are two sets of namespaces, Transitional and Strict)."""
    tag: object = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def child(element: ElementTree.Element | None, *path: str) -> ElementTree.Element | None:
    """The first child of a name, then its first child of the next name, and so on."""
    for name in path:
        if element is None:
            return None
        element = next((candidate for candidate in element if local(candidate) == name), None)
    return element


def attribute(element: ElementTree.Element | None, name: str = "val") -> str | None:
    """An attribute by its name without namespace."""
    if element is None:
        return None
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return value
    return None


def switched_on(element: ElementTree.Element | None) -> bool:
    """Whether an on/off property such as <w:vanish/> is there and not off."""
    return element is not None and (attribute(element) or "true").lower() not in ("0", "false", "off", "none")
