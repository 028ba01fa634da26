r"""A record as one line: what the spool keeps, what Postgres copies, and what the ledger's digest covers, written once.

The line is a row of Postgres's COPY text format: `COLUMNS` with tabs between them, nothing for null. Every text in it is clean (printable, short,
without quotes and backslashes), so that the row, put between ``["`` and ``"]`` with ``","`` for its tabs, is the canonical JSON of the list of its
columns, and the digest of a record is the one of `core.canonical` over that list. (The only escapes, ``\\`` and ``\"``, mean the same to both.)
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from ondol.infrastructure.access.limits.types import Charge, Settlement
from ondol.infrastructure.gateway.records.types import RequestRecord

COLUMNS = (
    "tenant_id", "id", "person_id", "api_key_id", "group_ids", "model", "route", "provider", "upstream_model", "outcome", "guard_decision",
    "currency", "trace_id", "stream", "release_id", "input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens",
    "usage_estimated", "cost_nano", "price_id", "queue_us", "guard_us", "upstream_us", "first_token_us", "duration_us", "attempts", "status",
    "guard_policy", "guard_rules", "replica_id", "replica_number", "pool_ids", "pool_amounts", "created_at", "images", "audio_ms", "characters",
)  # fmt: skip
"""The columns of `requests` in the order of a line. Another order, or another set of them, is another `FORM`."""

FORM = "requests-2"
"""Stands in each batch's event: a record can be checked for as long as its form is known."""

FORMS: Mapping[str, int] = {"requests-1": len(COLUMNS) - 3, FORM: len(COLUMNS)}
"""All forms there were, and how many of `COLUMNS` the lines of each have: columns came at the end."""

WORD_CHARACTERS_MAX = 200
RULES_MAX = 50
GROUPS_MAX = 100
CHARGES_MAX = 100
LINE_BYTES_MAX = 64 * 1024

_INT32_MAX = 2**31 - 1
_INT64_MAX = 2**63 - 1
_INT16_MAX = 2**15 - 1
_TEXTS = 8
_TEXTS_CHARACTERS_USUAL = 400
_sha256 = hashlib.sha256
_UNCLEAN = re.compile(r"[\"'\\{},]")
_TRACE = re.compile(r"[0-9a-f]{32}")


def line_of(record: RequestRecord) -> bytes:
    """A record as its line. What no column could hold is cut to what it can: a request is recorded, whatever its upstream claimed.

    Raises:
        AttributeError, TypeError, ValueError: for a record whose fields have other types than they say.
    """
    r = record
    created_at = r.created_at
    if created_at.tzinfo is not UTC:
        created_at = created_at.astimezone(UTC)
    asked = f"{r.model or '-'}\t{r.route or '-'}\t{r.provider}\t{r.upstream_model}"
    texts = f"{asked}\t{r.outcome or '-'}\t{r.guard_decision or ''}\t{r.currency or ''}\t{r.trace_id}"
    # One look at all texts and numbers together: hardly ever is one of them out of its bounds.
    if (
        len(texts) > _TEXTS_CHARACTERS_USUAL
        or texts.count("\t") != _TEXTS - 1
        or not texts.replace("\t", " ").isprintable()
        or '"' in texts
        or "\\" in texts
        or len(r.trace_id) not in (0, 32)
    ):
        texts = _clean_texts(r)
    if (r.input_tokens | r.output_tokens | r.cached_tokens | r.cache_write_tokens | r.reasoning_tokens | r.images) >> 31 or (
        r.queue_us | r.guard_us | r.upstream_us | r.duration_us | (r.first_token_us or 0) | r.audio_ms | r.characters
    ) >> 63 or (r.attempts | r.status) >> 15 or (r.cost_nano is None) != (r.currency is None) or not _fits(r.cost_nano):  # fmt: skip
        return line_of(_clamped(r))
    line = (
        f"{r.tenant_id.int:032x}\t{r.id.int:032x}\t{r.person_id.int:032x}\t{r.api_key_id.int:032x}\t" if r.api_key_id is not None
        else f"{r.tenant_id.int:032x}\t{r.id.int:032x}\t{r.person_id.int:032x}\t\t"
    ) + (
        f"{_array([item.hex for item in r.group_ids[:GROUPS_MAX]]) if r.group_ids else ''}\t{texts}\t{'t' if r.stream else 'f'}\t"
        f"{'' if r.release_id is None else r.release_id.hex}\t{r.input_tokens}\t{r.cached_tokens}\t{r.cache_write_tokens}\t{r.output_tokens}\t"
        f"{r.reasoning_tokens}\t{'t' if r.usage_estimated else 'f'}\t{'' if r.cost_nano is None else r.cost_nano}\t"
        f"{'' if r.price_id is None else r.price_id.hex}\t{r.queue_us}\t{r.guard_us}\t{r.upstream_us}\t"
        f"{'' if r.first_token_us is None else r.first_token_us}\t{r.duration_us}\t{r.attempts}\t{r.status}\t"
        f"{'' if r.guard_policy is None else _bytes(r.guard_policy)}\t{_rules(r.guard_rules) if r.guard_rules else ''}\t"
        f"{_settled(r.settlement) if r.settlement is not None else _NOTHING_SETTLED}\t{created_at.isoformat()}\t"
        f"{r.images}\t{r.audio_ms}\t{r.characters}"
    )  # fmt: skip
    return line.encode()


def current_line(line: bytes) -> bytes:
    """A line that an older version wrote, with what its records lack as nothing; one of this version as it is."""
    return line + _LACKS_UNITS if line.count(b"\t") == FORMS["requests-1"] - 1 else line


def line_in(line: bytes, form: str) -> bytes:
    """A line as it was in a form, which its batch's digest covers.

    Raises:
        KeyError: for a form that this version does not know.
        ValueError: when it holds what that form could not.
    """
    lacking = len(COLUMNS) - FORMS[form]
    if lacking and not line.endswith(_LACKS_UNITS):
        raise ValueError("the record holds what its form has no column for")
    return line.rsplit(b"\t", lacking)[0] if lacking else line


def canonical_form(line: bytes) -> bytes:
    """The canonical JSON of the list of a line's columns."""
    return b'["' + line.replace(b"\t", b'","') + b'"]'


def line_digest(line: bytes) -> bytes:
    """SHA-256 of the canonical form, 32 bytes: the data of a record's leaf."""
    return _sha256(b'["' + line.replace(b"\t", b'","') + b'"]').digest()


def record_of(row: Mapping[str, Any]) -> RequestRecord:
    """The record that a row of `requests` holds.

    Raises:
        TypeError, ValueError: when it holds what no record holds.
    """
    values = {name: row[name] for name in RequestRecord.__struct_fields__ if name in row}
    for name in ("provider", "upstream_model", "trace_id", "model", "route", "outcome"):
        values[name] = values[name] or ""
    values["group_ids"] = tuple(row["group_ids"] or ())
    values["guard_rules"] = tuple(row["guard_rules"] or ())
    values["guard_policy"] = None if row["guard_policy"] is None else bytes(row["guard_policy"])
    values["settlement"] = settlement_of(row)
    if not isinstance(row["created_at"], datetime):
        raise ValueError("the time of a record is none")
    values["created_at"] = row["created_at"].astimezone(UTC)
    return RequestRecord(**values)


def settlement_of(row: Mapping[str, Any]) -> Settlement | None:
    """The settlement that a row of `requests` holds.

    Raises:
        ValueError: when its columns do not fit each other.
    """
    if row["replica_id"] is None:
        return None
    pairs = zip(row["pool_ids"], row["pool_amounts"], strict=True)
    return Settlement(row["replica_id"], row["replica_number"], tuple(Charge(row["tenant_id"], pool_id, amount) for pool_id, amount in pairs))


_NOTHING_SETTLED = "\t\t\t"
_LACKS_UNITS = b"\t0\t0\t0"


def _array(items: list[str]) -> str:
    return "{" + ",".join(items) + "}"


def _bytes(value: bytes) -> str:
    return "\\\\x" + value.hex()


def _rules(rules: tuple[str, ...]) -> str:
    return "{" + ",".join(f'\\"{_clean_word(rule)}\\"' for rule in rules[:RULES_MAX]) + "}"


def _settled(settlement: Settlement) -> str:
    kept = settlement.charges[:CHARGES_MAX]
    pools = _array([charge.pool_id.hex for charge in kept])
    amounts = _array([str(max(-_INT64_MAX, min(charge.amount, _INT64_MAX))) for charge in kept])
    return f"{settlement.replica_id.hex}\t{max(0, min(settlement.number, _INT64_MAX))}\t{pools}\t{amounts}"


def _fits(cost: int | None) -> bool:
    return cost is None or -_INT64_MAX <= cost <= _INT64_MAX


def _clean_texts(r: RequestRecord) -> str:
    given = (r.model or "-", r.route or "-", r.provider, r.upstream_model, r.outcome or "-", r.guard_decision or "", r.currency or "")
    words = [_clean_word(text) for text in given]
    return "\t".join([*words, r.trace_id if _TRACE.fullmatch(r.trace_id) else ""])


def _clean_word(text: str) -> str:
    """A text without what is not printable, without quotes, backslashes and braces, and not too long."""
    short = _UNCLEAN.sub("_", text[:WORD_CHARACTERS_MAX])
    return short if short.isprintable() else "".join(letter if letter.isprintable() else "_" for letter in short)


def _clamped(r: RequestRecord) -> RequestRecord:
    """The record with every number cut to what its column holds."""
    changes: dict[str, Any] = {}
    for names, most in (
        (("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens", "images"), _INT32_MAX),
        (("queue_us", "guard_us", "upstream_us", "duration_us", "audio_ms", "characters"), _INT64_MAX),
        (("attempts", "status"), _INT16_MAX),
    ):
        changes |= {name: max(0, min(getattr(r, name), most)) for name in names}
    if r.first_token_us is not None:
        changes["first_token_us"] = max(0, min(r.first_token_us, _INT64_MAX))
    if r.cost_nano is None or r.currency is None:
        changes |= {"cost_nano": None, "currency": None}
    else:
        changes["cost_nano"] = max(-_INT64_MAX, min(r.cost_nano, _INT64_MAX))
    return msgspec.structs.replace(r, **changes)
