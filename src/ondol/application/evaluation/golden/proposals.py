"""From production into a golden set: somebody proposes, somebody else lets it in, and never the one who wrote its last word."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import msgspec

from ondol.application.evaluation.golden.change import Change, put_version
from ondol.application.evaluation.golden.plain import canonical_item, item_of, plain_item
from ondol.application.evaluation.golden.production import SKIPPED_MAX, Mask, Sample, Sampled, Way, sample_answers
from ondol.application.evaluation.golden.store import QUERIES
from ondol.application.evaluation.golden.types import FromAnswer, GoldenItem, GoldenSet, GoldenVersion
from ondol.core.canonical import Json
from ondol.core.errors import Forbidden, NotFound, RequestError
from ondol.core.ids import new_id
from ondol.core.language import detect_language
from ondol.infrastructure.guard.sealing import open_text, seal_text
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Connection, rows

DECIDED_AT_ONCE_MAX = 200
PAGE_MAX = 200


@dataclass(frozen=True, slots=True)
class Proposal:
    """Something that is put up for a set.

    Attributes:
        item: as it would stand in the set.
        answer: what was answered then, masked; for whoever decides.
        reasons: what speaks for looking at it.
        proposed_by: who wrote its last word.
    """

    id: uuid.UUID
    request_id: uuid.UUID
    item: GoldenItem
    answer: str
    reasons: tuple[str, ...]
    proposed_by: uuid.UUID
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Proposed:
    """How many were put up, and how many of the sample were left out because they could not be masked or asked nothing."""

    proposals: int
    left_out: int


async def propose_sample(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    golden: GoldenSet,
    mask: Mask,
    *,
    way: Way,
    count: int,
    seed: int,
    since: datetime,
    by: uuid.UUID,
    now: datetime,
) -> Proposed:
    """Put answers up that were given in production, those that were put up before not again. See `sample_answers`."""
    known = await rows(connection, QUERIES["proposals_of_answers"], {"set_id": golden.id, "limit": SKIPPED_MAX})
    skipped = [row["request_id"] for row in known]
    sample: Sample = await sample_answers(
        connection, keyring, tenant_id, mask, way=way, count=count, seed=seed, since=since, now=now, skipped=skipped
    )
    made = await propose_answers(connection, keyring, tenant_id, golden, sample.answers, by=by, now=now)
    body: dict[str, Json] = {"set": golden.id, "way": way, "proposals": made}
    await record(connection, tenant_id, kind="golden.proposed", actor_id=by, body=body, now=now)
    return Proposed(made, sample.left_out + len(sample.answers) - made)


async def propose_answers(
    connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, golden: GoldenSet, answers: Sequence[Sampled], *, by: uuid.UUID, now: datetime
) -> int:
    """Put masked answers up for a set; how many are short enough for it. Those that were put up before stay as they are."""
    made = 0
    for sampled in answers:
        item = _item_of(sampled)
        if item is not None:
            await _propose(connection, keyring, tenant_id, golden, sampled, item, by, now)
            made += 1
    return made


async def list_proposals(
    connection: Connection, keyring: KeyRing, golden: GoldenSet, *, after: uuid.UUID | None = None, limit: int = 50
) -> list[Proposal]:
    """What is put up and not decided, in the order of coming, behind an id."""
    values: dict[str, object] = {"set_id": golden.id, "after": after, "limit": min(limit, PAGE_MAX)}
    return [_opened(keyring, row) for row in await rows(connection, QUERIES["proposals_page"], values)]


async def reword(
    connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, golden: GoldenSet, proposal_id: uuid.UUID, item: GoldenItem, *, by: uuid.UUID
) -> Proposal:
    """Give a proposal another wording, a right answer or documents. Whoever does that has proposed it, and somebody else must let it in.

    Raises:
        NotFound: when nothing of this id waits.
    """
    [row] = await _waiting(connection, golden, [proposal_id])
    found = replace(_opened(keyring, row), item=replace(item, id=item_id_of(row["request_id"])), proposed_by=by)
    sealed = _sealed(keyring, tenant_id, row["person_id"], proposal_id, found.item, found.answer)
    await connection.execute(QUERIES["proposal_reword"], {"id": proposal_id, "content_sealed": sealed, "by": by})
    return found


async def approve(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    golden: GoldenSet,
    ids: Sequence[uuid.UUID],
    *,
    by: uuid.UUID,
    now: datetime,
    may_miss: bool = False,
) -> GoldenVersion:
    """Let proposals in: the next version of the set has them.

    Raises:
        Forbidden: when one of them was proposed by the same person.
        NotFound: when one of them does not wait.
        RequestError: as `put_version` does.
    """
    found = await _waiting(connection, golden, ids)
    if any(row["proposed_by"] == by for row in found):
        raise Forbidden("Who proposed an item does not let it in.", "Ask a second person.", code="second_person_required")
    items = {row["id"]: _opened(keyring, row).item for row in found}
    sources = {items[row["id"]].id: FromAnswer(row["request_id"], row["person_id"]) for row in found}
    change = Change(items=list(items.values()), from_answers=sources, may_miss=may_miss)
    version, _ = await put_version(connection, keyring, tenant_id, golden, change, by=by, now=now)
    await _decide(connection, tenant_id, golden, found, "approved", by, now)
    return version


async def reject(connection: Connection, tenant_id: uuid.UUID, golden: GoldenSet, ids: Sequence[uuid.UUID], *, by: uuid.UUID, now: datetime) -> int:
    """Turn proposals down, which whoever made them may do too; how many that were.

    Raises:
        NotFound: when one of them does not wait.
    """
    found = await _waiting(connection, golden, ids)
    await _decide(connection, tenant_id, golden, found, "rejected", by, now)
    return len(found)


def item_id_of(request_id: uuid.UUID) -> str:
    """The id of an item that was taken from an answer."""
    return f"answer-{request_id}"


def _item_of(sampled: Sampled) -> GoldenItem | None:
    """What was asked as an item; None where it is longer than an item may be."""
    item = GoldenItem(
        id=item_id_of(sampled.request_id),
        turns=sampled.turns,
        expected=(sampled.corrected,) if sampled.corrected.strip() else (),
        slices={"language": detect_language(sampled.turns[-1].text)},
    )
    try:
        return item_of(plain_item(item))
    except RequestError:
        return None


async def _propose(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    golden: GoldenSet,
    sampled: Sampled,
    item: GoldenItem,
    by: uuid.UUID,
    now: datetime,
) -> None:
    proposal_id = new_id()
    values = {
        "tenant_id": tenant_id,
        "id": proposal_id,
        "set_id": golden.id,
        "request_id": sampled.request_id,
        "person_id": sampled.person_id,
        "reasons": list(sampled.reasons),
        "content_sealed": _sealed(keyring, tenant_id, sampled.person_id, proposal_id, item, sampled.answer),
        "by": by,
        "now": now,
    }
    await connection.execute(QUERIES["proposal_add"], values)


async def _waiting(connection: Connection, golden: GoldenSet, ids: Sequence[uuid.UUID]) -> list[Mapping[str, Any]]:
    """Those of some proposals that wait, which must be all of them."""
    wanted = set(ids)
    if not 0 < len(wanted) <= DECIDED_AT_ONCE_MAX:
        raise RequestError(f"1 to {DECIDED_AT_ONCE_MAX} proposals are decided at once.", code="bad_ids", param="ids")
    found: list[Mapping[str, Any]] = [*await rows(connection, QUERIES["proposals_by_id"], {"set_id": golden.id, "ids": list(wanted)})]
    if len(found) != len(wanted):
        raise NotFound("Not all of these proposals wait for a decision.", "List them again.", code="proposal_not_found", param="ids")
    return found


async def _decide(
    connection: Connection,
    tenant_id: uuid.UUID,
    golden: GoldenSet,
    found: Sequence[Mapping[str, Any]],
    state: str,
    by: uuid.UUID,
    now: datetime,
) -> None:
    await connection.execute(QUERIES["proposals_decide"], {"ids": [row["id"] for row in found], "state": state, "by": by, "now": now})
    for row in found:
        body: dict[str, Json] = {"set": golden.id, "proposal": row["id"], "request": row["request_id"], "proposed_by": row["proposed_by"]}
        await record(connection, tenant_id, kind=f"golden.{state}", actor_id=by, body=body, now=now)


def _sealed(keyring: KeyRing, tenant_id: uuid.UUID, person_id: uuid.UUID, proposal_id: uuid.UUID, item: GoldenItem, answer: str) -> bytes:
    content = msgspec.json.encode({"item": msgspec.json.decode(canonical_item(item)), "answer": answer}).decode()
    return seal_text(keyring, tenant_id, person_id, content, _context(proposal_id))


def _opened(keyring: KeyRing, row: Mapping[str, Any]) -> Proposal:
    content = msgspec.json.decode(open_text(keyring, row["tenant_id"], row["person_id"], bytes(row["content_sealed"]), _context(row["id"])))
    item = item_of(content["item"])
    return Proposal(row["id"], row["request_id"], item, content["answer"], tuple(row["reasons"]), row["proposed_by"], row["created_at"])


def _context(proposal_id: uuid.UUID) -> bytes:
    return b"proposal" + proposal_id.bytes
