"""The index of identifiers: which documents speak of somebody, by keyed hashes of what the guard's check of personal data finds in them."""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Sequence
from functools import cache

from ondol.application.knowledge.store import QUERIES
from ondol.core.canonical import keyed_digest
from ondol.core.errors import RequestError
from ondol.infrastructure.guard.checks.identifiers import PERSONAL_REACH, PersonalCheck
from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.storage.postgres import Connection, rows

CONFIDENCE_MIN = 0.5
PIECE_CHARACTERS = 200_000
"""So much of a document is looked at at once."""
MARGIN_CHARACTERS = 2 * PERSONAL_REACH
"""So much is seen to both sides of a piece: what lies at a cut is found whole, by the piece in which it begins."""
IDENTIFIERS_MAX = 20_000
"""Of one document; a longer list is no document about people but a table of them, and is found by its first ones."""
VALUE_CHARACTERS_MIN = 4
VALUE_CHARACTERS_MAX = 320
DOCUMENTS_MAX = 10_000

NOBODYS = frozenset({"URL", "IP_ADDRESS", "AGE", "BIRTH_DATE", "HEIGHT", "WEIGHT", "POSTAL_CODE"})
"""What the check finds that stands for no person by itself."""

_APART = re.compile(r"[\W_]+")

Identifier = tuple[str, bytes]
"""What kind of thing it is, such as ``EMAIL``, and the keyed hash of its plain form, 32 bytes."""


def identifiers_in(text: str, key: bytes) -> tuple[Identifier, ...]:
    """The identifiers of people in a text, without repetition, in order.

    Args:
        key: the tenant's for identifiers, 32 bytes.
    """
    check = _check()
    found: set[Identifier] = set()
    for start in range(0, max(len(text), 1), PIECE_CHARACTERS):
        before = min(start, MARGIN_CHARACTERS)
        piece = text[start - before : start + PIECE_CHARACTERS + MARGIN_CHARACTERS]
        for finding in check.find(GuardText(piece)):
            if not before <= finding.start < before + PIECE_CHARACTERS:
                continue
            value = plain_identifier(piece[finding.start : finding.end])
            if finding.confidence >= CONFIDENCE_MIN and finding.entity not in NOBODYS and len(value) >= VALUE_CHARACTERS_MIN:
                found.add((finding.entity, _hash(key, value)))
        if len(found) >= IDENTIFIERS_MAX:
            break
    return tuple(sorted(found)[:IDENTIFIERS_MAX])


def plain_identifier(value: str) -> str:
    """The form in which two spellings of an identifier are one: without case, width, spaces and separators; a telephone number without +82."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", value).casefold()).strip()
    if "@" in folded:
        return folded
    plain = _APART.sub("", folded)
    return f"0{plain[2:]}" if folded.startswith("+82") and plain[2:].isdigit() else plain


async def documents_that_name(connection: Connection, key: bytes, values: Sequence[str]) -> list[tuple[uuid.UUID, uuid.UUID]]:
    """The documents of the tenant that hold one of some identifiers, each with its base.

    Raises:
        RequestError: when a value is too short or too long to be an identifier, or there are too many documents.
    """
    plain = [plain_identifier(value) for value in values]
    if not all(VALUE_CHARACTERS_MIN <= len(value) <= VALUE_CHARACTERS_MAX for value in plain):
        hint = f"An identifier has {VALUE_CHARACTERS_MIN} to {VALUE_CHARACTERS_MAX} letters or digits."
        raise RequestError("A value is no identifier.", hint, code="bad_identifier", param="identifiers")
    values_hashed = [_hash(key, value) for value in plain]
    found = await rows(connection, QUERIES["documents_that_name"], {"hashes": values_hashed, "limit": DOCUMENTS_MAX + 1})
    if len(found) > DOCUMENTS_MAX:
        raise RequestError(f"More than {DOCUMENTS_MAX:,} documents hold these identifiers.", "Give fewer.", code="too_many_documents")
    return [(row["document_id"], row["base_id"]) for row in found]


@cache
def _check() -> PersonalCheck:
    """One for the process: its patterns take a third of a second to make."""
    return PersonalCheck()


def _hash(key: bytes, value: str) -> bytes:
    return keyed_digest(key, "identifier", value.encode("utf-8", "surrogatepass"))
