"""Signing: a finding becomes a statement in an envelope, kept, told to the ledger and put into the lineage, in one transaction."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime

import msgspec

from ondol.application.evaluation.verdicts.dsse import seal_envelope
from ondol.application.evaluation.verdicts.statement import statement_bytes, statement_of
from ondol.application.evaluation.verdicts.store import add_verdict
from ondol.application.evaluation.verdicts.types import Finding, Verdict
from ondol.core.canonical import Json
from ondol.core.ids import new_id
from ondol.infrastructure.ledger import LedgerSigner, Link, NewArtefact, add_artefacts, add_links, record
from ondol.infrastructure.storage.postgres import Connection

EVENT = "evaluation.verdict"


async def sign_finding(
    connection: Connection, signer: LedgerSigner, tenant_id: uuid.UUID, finding: Finding, now: datetime, *, actor_id: uuid.UUID | None = None
) -> Verdict:
    """Sign what an evaluation came to, and keep it.

    Args:
        connection: an open transaction of that tenant.
        signer: the platform's key, which signs the ledger too.

    Raises:
        NotFound: when one of the artefacts that it was evaluated on was never added to the lineage.
    """
    verdict_id = new_id()
    payload = statement_bytes(statement_of(verdict_id, tenant_id, finding, now))
    verdict = Verdict(
        id=verdict_id,
        outcome=finding.outcome,
        suite=finding.inputs.suite_name,
        suite_digest=finding.inputs.suite,
        target=finding.inputs.target_name,
        target_digest=finding.inputs.target,
        assistant_id=finding.assistant_id,
        release_id=finding.release_id,
        run_id=finding.run_id,
        envelope=msgspec.json.encode(seal_envelope(signer, payload)),
        statement_digest=hashlib.sha256(payload).digest(),
        signer=signer.key_id,
        created_by=actor_id,
        created_at=now,
    )
    await add_verdict(connection, tenant_id, verdict)
    await add_artefacts(connection, tenant_id, [NewArtefact(id=verdict_id, kind="evaluation", address=verdict.statement_digest)], now)
    await add_links(connection, tenant_id, [Link(verdict_id, parent, "evaluated_on") for parent in dict.fromkeys(finding.parents)], now)
    body: dict[str, Json] = {
        "verdict": verdict_id,
        "statement": verdict.statement_digest,
        "outcome": finding.outcome,
        "run": finding.run_id,
        "release": finding.release_id,
        "signer": signer.key_id,
    }
    await record(connection, tenant_id, kind=EVENT, actor_id=actor_id, body=body, now=now, event_id=verdict_id)
    return verdict
