"""Verification of a verdict, by the platform or by anybody with a file and the public keys: the envelope, what it names, and the ledger's event.

A file is the envelope, as any tool for DSSE reads it, with the proof beside it that the ledger's chain holds the event which names it. It is
checked to the byte: a file that says the same in other words is refused as well.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from ondol.application.evaluation.verdicts.dsse import Envelope, Signature, open_envelope
from ondol.application.evaluation.verdicts.sign import EVENT
from ondol.application.evaluation.verdicts.statement import RESULTS, Statement, parse_statement
from ondol.application.evaluation.verdicts.store import get_verdict
from ondol.application.evaluation.verdicts.types import Verdict
from ondol.core.canonical import Json, canonical_json
from ondol.core.errors import Conflict, LedgerBroken, NotFound
from ondol.infrastructure.ledger import Event, InclusionProof, PublicKeys, SealedBatch, check_proof, prove
from ondol.infrastructure.releases import get_release
from ondol.infrastructure.storage.postgres import Connection, Database

FILE_BYTES_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that a verdict may be signed with.

    Attributes:
        public: all that were ever used, by id.
        revoked: ids of those that are trusted no more.
    """

    public: PublicKeys
    revoked: Set[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Checked:
    """A verdict that holds.

    Attributes:
        sealed: the ledger's chain holds its event. False for the second in which the event waits for the sealer.
    """

    statement: Statement
    proof: InclusionProof | None

    @property
    def sealed(self) -> bool:
        """Whether the ledger's chain holds its event."""
        return self.proof is not None


class _Proof(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An inclusion proof as the file has it; digests in hexadecimal."""

    event: dict[str, Any]
    place: int
    path: list[str]
    batch: dict[str, Any]


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """A verdict as a file."""

    payload_type: str
    payload: str
    signatures: list[Signature]
    ledger: _Proof


async def check_stored(database: Database, keys: Keys, tenant_id: uuid.UUID, verdict_id: uuid.UUID) -> Checked:
    """Check a verdict that is kept here: the row, the envelope, the release that it names, and its event in the ledger's chain.

    Raises:
        NotFound: when the tenant has no such verdict.
        LedgerBroken: naming what does not hold.
    """
    async with database.tenant_tx(tenant_id) as connection:
        verdict = await get_verdict(connection, verdict_id)
        statement = check_row(verdict, tenant_id, keys)
        await _check_release(connection, verdict)
    try:
        proof = await prove(database, tenant_id, verdict_id)
    except NotFound as error:
        raise LedgerBroken("The ledger has no event of this verdict.") from error
    except Conflict:
        return Checked(statement, None)
    check_proof(proof, keys.public)
    _check_event(proof.event, statement, verdict.statement_digest)
    return Checked(statement, proof)


def check_row(verdict: Verdict, tenant_id: uuid.UUID, keys: Keys) -> Statement:
    """Check that a row says what its envelope says, and that the platform signed it.

    Raises:
        LedgerBroken: naming what does not hold.
    """
    try:
        envelope = msgspec.json.decode(verdict.envelope, type=Envelope)
    except msgspec.MsgspecError as error:
        raise LedgerBroken(f"The envelope of verdict {verdict.id} cannot be read: {error}.") from error
    payload = open_envelope(envelope, keys.public, keys.revoked)
    statement = parse_statement(payload)
    told, [subject] = statement.predicate, statement.subject
    pairs: dict[str, tuple[object, object]] = {
        "id": (verdict.id, told.verdict),
        "tenant": (tenant_id, told.tenant),
        "outcome": (RESULTS.get(verdict.outcome), told.result),
        "suite": ((verdict.suite, verdict.suite_digest.hex()), (told.suite.name, told.suite.digest.sha256)),
        "target": ((verdict.target, verdict.target_digest.hex()), (subject.name, subject.digest.sha256)),
        "run": (verdict.run_id, told.run.id),
        "signer": (verdict.signer, envelope.signatures[0].keyid),
        "time": (verdict.created_at, told.issued_on),
        "digest": (verdict.statement_digest, hashlib.sha256(payload).digest()),
    }
    wrong = [name for name, (kept, said) in pairs.items() if kept != said]
    if wrong:
        raise LedgerBroken(f"The row of verdict {verdict.id} was altered: its {wrong[0]} is not what was signed.")
    return statement


def file_of(verdict: Verdict, proof: InclusionProof) -> bytes:
    """A verdict as a file, with the proof that the ledger holds it."""
    envelope: dict[str, Json] = msgspec.json.decode(verdict.envelope)
    return canonical_json({**envelope, "ledger": _plain_proof(proof)}) + b"\n"


def check_file(content: bytes, keys: Keys) -> Checked:
    """Check a file, without a database.

    Raises:
        LedgerBroken: naming what does not hold.
    """
    if len(content) > FILE_BYTES_MAX:
        raise LedgerBroken(f"The file has more than {FILE_BYTES_MAX:,} bytes, which no verdict has.")
    try:
        read = msgspec.json.decode(content, type=_File)
        proof = _read_proof(read.ledger)
        written = canonical_json({**msgspec.to_builtins(read), "ledger": _plain_proof(proof)}) + b"\n"
    except (msgspec.MsgspecError, TypeError, ValueError, KeyError, OverflowError, RecursionError) as error:
        raise LedgerBroken(f"The file is no verdict: {error}.") from error
    if written != content:
        raise LedgerBroken("The file is not written as a verdict is written.")
    payload = open_envelope(Envelope(payload_type=read.payload_type, payload=read.payload, signatures=read.signatures), keys.public, keys.revoked)
    statement = parse_statement(payload)
    check_proof(proof, keys.public)
    _check_event(proof.event, statement, hashlib.sha256(payload).digest())
    return Checked(statement, proof)


def _check_event(event: Event, statement: Statement, statement_digest: bytes) -> None:
    named = (event.id, event.tenant_id, event.kind, event.body.get("statement"))
    if named != (statement.predicate.verdict, statement.predicate.tenant, EVENT, statement_digest.hex()):
        raise LedgerBroken(f"The ledger's event {event.id} does not name this verdict.")


async def _check_release(connection: Connection, verdict: Verdict) -> None:
    if verdict.release_id is None:
        return
    release = await get_release(connection, verdict.release_id)
    if release.digest != verdict.target_digest or release.assistant_id != verdict.assistant_id:
        raise LedgerBroken(f"The row of verdict {verdict.id} was altered: its release is not what was evaluated.")


def _plain_proof(proof: InclusionProof) -> dict[str, Json]:
    event, batch = proof.event, proof.batch
    told: dict[str, Json] = {
        "tenant": event.tenant_id,
        "id": event.id,
        "kind": event.kind,
        "actor": event.actor_id,
        "body": event.body,
        "created_at": event.created_at,
    }
    sealed: dict[str, Json] = {
        "number": batch.number,
        "event_count": batch.event_count,
        "root": batch.root,
        "previous_digest": batch.previous_digest,
        "digest": batch.digest,
        "signature": batch.signature,
        "signer": batch.signer,
        "sealed_at": batch.sealed_at,
    }
    return {"event": told, "place": proof.place, "path": list(proof.path), "batch": sealed}


def _read_proof(read: _Proof) -> InclusionProof:
    event, batch = read.event, read.batch
    return InclusionProof(
        event=Event(
            tenant_id=uuid.UUID(event["tenant"]),
            id=uuid.UUID(event["id"]),
            kind=_word(event, "kind"),
            actor_id=None if event["actor"] is None else uuid.UUID(event["actor"]),
            body=dict(event["body"]),
            created_at=datetime.fromisoformat(event["created_at"]),
        ),
        place=read.place,
        path=tuple(bytes.fromhex(each) for each in read.path),
        batch=SealedBatch(
            number=int(batch["number"]),
            event_count=int(batch["event_count"]),
            root=bytes.fromhex(batch["root"]),
            previous_digest=bytes.fromhex(batch["previous_digest"]),
            digest=bytes.fromhex(batch["digest"]),
            signature=bytes.fromhex(batch["signature"]),
            signer=_word(batch, "signer"),
            sealed_at=datetime.fromisoformat(batch["sealed_at"]),
        ),
    )


def _word(told: Mapping[str, Any], name: str) -> str:
    if not isinstance(told[name], str):
        raise TypeError(f"{name} is no string")
    return str(told[name])
