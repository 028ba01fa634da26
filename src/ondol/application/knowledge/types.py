"""The frozen records of the knowledge room: what a parser returns and what a passage is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

import msgspec

from ondol.core.errors import RequestError
from ondol.infrastructure.access.rules import Clause
from ondol.infrastructure.access.types import SecurityClass

__all__ = [
    "PASSAGE_CHARS_MAX",
    "PASSAGE_CHARS_MIN",
    "Block",
    "BlockKind",
    "DocumentMetadata",
    "EmbedderRef",
    "IndexSettings",
    "ParsedDocument",
    "Passage",
    "Retrieval",
    "SecurityClass",
]

PASSAGE_CHARS_MIN = 50
"""A shorter aim cuts between the sentences of nearly every text, so that a passage says too little to be found by."""

PASSAGE_CHARS_MAX = 100_000
"""The largest maximum that may be asked for."""

BlockKind: TypeAlias = Literal["heading", "paragraph", "list_item", "table_row", "code", "quote"]


@dataclass(frozen=True, slots=True)
class Block:
    """One contiguous piece of a document's text.

    `start` and `end` are character offsets into `ParsedDocument.text`, half-open; the slice is never empty and has no
    whitespace at its ends (a code block may begin with spaces). `level` is the heading's level (1 is the outermost) or the depth
    of the list that the block stands in (0 outside lists). `heading_path` names the headings above the block, outermost first;
    that of a heading does not hold itself. `page` counts from 1 and is known for PDF only.
    """

    kind: BlockKind
    start: int
    end: int
    level: int = 0
    heading_path: tuple[str, ...] = ()
    page: int | None = None


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A document as plain text (NFC, ``\\n`` line ends, no invisible characters) with its blocks in reading order.

    Between two blocks stand only line ends and the indentation of nested list items. `metadata` is raw: the front matter or the
    ``ondol:`` meta tags as written; `read_metadata` makes a `DocumentMetadata` of it. `language` is what the document declares,
    else what its letters suggest, and None for a document without letters.
    """

    text: str
    blocks: tuple[Block, ...]
    title: str | None
    language: str | None
    metadata: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Passage:
    """A slice of `ParsedDocument.text` that is indexed, found and quoted as one.

    `ordinal` counts from 0 in reading order. `heading_path` and `page` are those of the first block that is not a heading.
    """

    ordinal: int
    start: int
    end: int
    heading_path: tuple[str, ...]
    page: int | None


class EmbedderRef(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which embedder an index version's vectors are of.

    Attributes:
        name: of a model of the tenant, or ``local/<folder>``.
        identity: what the embedder says of itself; vectors of another one cannot be compared with these.
        query_prefix, passage_prefix: what the model wants to stand before a question and a passage, such as ``query: ``.
        rotation: names the rotation of the vectors' codes.
    """

    name: str
    identity: str
    dimensions: int
    query_prefix: str = ""
    passage_prefix: str = ""
    rotation: int = 1

    @property
    def id(self) -> str:
        """Everything that decides a passage's vector and code, as a text."""
        return "\n".join((self.identity, str(self.dimensions), self.passage_prefix, str(self.rotation)))


class Retrieval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a base is searched; all but the reranker has to do with vectors, where its index has any.

    Attributes:
        fusion: by reciprocal ranks, or by weighted scores.
        rank_constant: of reciprocal ranks: the greater, the less the first places stand out.
        vector_weight: the vectors' share in [0, 1]; the full text has the rest.
        depth: so many passages of each ranking are put together.
        diversity: in [0, 1]: how much saying something new counts beside relevance; 0 leaves the order as it is.
        reranker: a model of the tenant or ``local/<folder>`` that scores the best passages anew; empty for none.
        rerank_depth: so many of them.
    """

    fusion: Literal["ranks", "scores"] = "ranks"
    rank_constant: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 60
    vector_weight: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    depth: Annotated[int, msgspec.Meta(ge=10, le=1_000)] = 100
    diversity: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    reranker: Annotated[str, msgspec.Meta(max_length=200)] = ""
    rerank_depth: Annotated[int, msgspec.Meta(ge=1, le=100)] = 30


class IndexSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an index version is built with, besides the analyser; it never changes once the version is there.

    `passage_chars` is the length that passages aim at, in characters, and none is longer than `passage_chars_max`. `embedder` makes their vectors;
    there are none without one.
    """

    passage_chars: int = 600
    passage_chars_max: int = 1200
    embedder: EmbedderRef | None = None

    @property
    def cut(self) -> str:
        """The name of the cut of documents into passages by these settings."""
        return f"{self.passage_chars}-{self.passage_chars_max}"

    @property
    def sizes(self) -> IndexSettings:
        """The same without an embedder: what decides the passages and their terms."""
        return msgspec.structs.replace(self, embedder=None)

    def resized(self, passage_chars: int | None, passage_chars_max: int | None) -> IndexSettings:
        """The same with other sizes; what is None stays, and the maximum is twice the aim when only that is given.

        Raises:
            RequestError: unless the aim is at least `PASSAGE_CHARS_MIN` and no more than the maximum, and that no more than `PASSAGE_CHARS_MAX`.
        """
        aim = passage_chars or self.passage_chars
        most = passage_chars_max or (min(2 * aim, PASSAGE_CHARS_MAX) if passage_chars else self.passage_chars_max)
        if not PASSAGE_CHARS_MIN <= aim <= most <= PASSAGE_CHARS_MAX:
            raise RequestError(
                f"Passages cannot aim at {aim:,} characters with at most {most:,}.",
                f"Give an aim of at least {PASSAGE_CHARS_MIN} and a maximum from there to {PASSAGE_CHARS_MAX:,}.",
                code="bad_passage_size",
            )
        return msgspec.structs.replace(self, passage_chars=aim, passage_chars_max=most)


@dataclass(frozen=True, slots=True)
class DocumentMetadata:
    """What a document says about itself; None where it says nothing.

    `key` names the document across its versions, a higher `version` supersedes a lower one. It is valid in the half-open interval
    from `valid_from` to `valid_until` (both UTC). `groups` limits the readers; None means everybody up to their clearance.
    Of each of the `clauses` a reader has a value.
    """

    key: str | None
    language: str | None
    title: str | None
    version: int | None
    valid_from: datetime | None
    valid_until: datetime | None
    security_class: SecurityClass | None
    groups: tuple[str, ...] | None
    clauses: tuple[Clause, ...] | None = None
