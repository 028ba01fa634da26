"""Incidents: blocked, leaked and canary cases, from the alarm to the person who closes them.

    open -> proposed (a rule or prompt change is proposed, then its effect measured) -> closed, by a named person, with a note

An incident holds rule names, counts and one masked sample, sealed. Each step is an event of the ledger.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from psycopg.types.json import Jsonb

from ondol.core.canonical import Json, canonical_json, keyed_digest
from ondol.core.errors import Conflict, KeyDestroyed, NotFound, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.guard.defaults import REFUSE
from ondol.infrastructure.guard.engine import Verdict
from ondol.infrastructure.guard.sealing import open_text, seal_text, tenant_key
from ondol.infrastructure.guard.store import QUERIES
from ondol.infrastructure.guard.types import Stage
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Connection, one, rows

IncidentKind: TypeAlias = Literal["blocked", "leaked", "canary", "approval"]
IncidentState: TypeAlias = Literal["open", "proposed", "closed"]

GROUP_SECONDS = 3600
"""Cases of one hour (of the clock, in UTC) are one incident."""
RULES_MAX = 50
PAGE_MAX = 200
PROPOSAL_BYTES_MAX = 64 * 1024
NOTE_CHARACTERS_MAX = 4_000
SAMPLE_CHARACTERS_MAX = 4_000

_LAST = uuid.UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class Case:
    """One thing that happened, on its way into an incident.

    Attributes:
        rules: the rules that found something.
        sample: the masked text, cut to `SAMPLE_CHARACTERS_MAX` when it is kept.
    """

    tenant_id: uuid.UUID
    kind: IncidentKind
    stage: Stage
    policy: bytes
    rules: tuple[str, ...]
    sample: str
    at: datetime
    person_id: uuid.UUID | None = None
    api_key_id: uuid.UUID | None = None
    request_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident as people see it.

    Attributes:
        policy_digest: of the policy that was in force, 32 bytes.
        sample: the first case's masked text; empty when its person was erased.
        effect: what the proposal would have changed, measured on masked traffic.
    """

    id: uuid.UUID
    kind: IncidentKind
    state: IncidentState
    stage: Stage
    policy_digest: bytes
    rules: tuple[str, ...]
    api_key_id: uuid.UUID | None
    person_id: uuid.UUID | None
    request_id: uuid.UUID | None
    sample: str
    count: int
    opened_at: datetime
    last_at: datetime
    proposal: Mapping[str, Any] | None
    effect: Mapping[str, Any] | None
    closed_by: uuid.UUID | None
    closed_at: datetime | None
    note: str


def kind_of(stage: Stage, verdict: Verdict) -> IncidentKind | None:
    """What kind of incident a verdict is; None when it is none."""
    if any(item.finding.check == "canary" and item.action != "observe" for item in verdict.decided):
        return "canary"
    if verdict.decision != "block" or (all(item.finding.check == REFUSE for item in verdict.decided) and not verdict.failed):
        return None  # a policy that is not ready or cannot be read says so in readiness
    return "leaked" if stage == "output" else "blocked"


def rules_of(verdict: Verdict) -> tuple[str, ...]:
    """The rules that an incident is grouped by: those that did something, and the checks that failed."""
    acting = sorted({item.finding.rule for item in verdict.decided if item.action != "observe"} | {f"failed.{name}" for name in verdict.failed})
    return tuple(acting[:RULES_MAX])


async def open_incident(connection: Connection, keyring: KeyRing, case: Case) -> tuple[uuid.UUID, bool]:
    """Count a case: a new incident, or one more of the same hour, rules and key. Its id, and whether it is new."""
    incident_id = new_id()
    values: dict[str, object] = {
        "tenant_id": case.tenant_id,
        "id": incident_id,
        "kind": case.kind,
        "stage": case.stage,
        "policy": case.policy,
        "rules": list(case.rules[:RULES_MAX]),
        "group_hash": _group_hash(keyring, case),
        "api_key_id": case.api_key_id,
        "person_id": case.person_id,
        "request_id": case.request_id,
        "sample_sealed": _seal(keyring, case.tenant_id, case.person_id, case.sample[:SAMPLE_CHARACTERS_MAX], b"sample", incident_id),
        "now": case.at,
    }
    row = await one(connection, QUERIES["incident_count_up"], values)
    assert row is not None  # noqa: S101 - an insert returns its row
    is_new = row["id"] == incident_id
    if is_new:
        body: dict[str, Json] = {"incident": incident_id, "kind": case.kind, "stage": case.stage, "policy": case.policy, "rules": len(case.rules)}
        await record(connection, case.tenant_id, kind="guard.incident_opened", actor_id=None, body=body, now=case.at)
    return row["id"], is_new


async def get_incident(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, incident_id: uuid.UUID) -> Incident:
    """An incident of the transaction's tenant.

    Raises:
        NotFound: when there is none.
    """
    row = await one(connection, QUERIES["incident_by_id"], {"id": incident_id})
    if row is None:
        raise NotFound("There is no such incident.", "`ondol guard incidents list` shows all.", code="incident_not_found")
    return _incident(keyring, tenant_id, row)


async def list_incidents(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    *,
    state: IncidentState | None = None,
    kind: IncidentKind | None = None,
    before: uuid.UUID | None = None,
    limit: int = 50,
) -> list[Incident]:
    """Incidents, the newest first. The next page begins before the last one's id.

    Raises:
        RequestError: when the limit is not between 1 and `PAGE_MAX`.
    """
    if not 1 <= limit <= PAGE_MAX:
        raise RequestError(f"A page has 1 to {PAGE_MAX} incidents.", "Ask for the next page with `before`.", code="bad_limit", param="limit")
    values: dict[str, object] = {"before": before or _LAST, "state": state, "kind": kind, "limit": limit}
    return [_incident(keyring, tenant_id, row) for row in await rows(connection, QUERIES["incidents_page"], values)]


async def propose(
    connection: Connection, tenant_id: uuid.UUID, incident_id: uuid.UUID, proposal: Mapping[str, Any], *, by: uuid.UUID | None, now: datetime
) -> None:
    """Propose a change of rules or of a prompt. A new proposal takes the place of the last one and of its measured effect.

    Args:
        proposal: plain data, such as ``{"policy": "...", "note": "..."}``; no text of requests belongs into it.

    Raises:
        NotFound: when there is no such incident.
        Conflict: when it is closed.
        RequestError: when the proposal is too large.
    """
    if len(canonical_json(_words(proposal))) > PROPOSAL_BYTES_MAX:
        raise RequestError(f"A proposal has at most {PROPOSAL_BYTES_MAX // 1024} KiB.", "Propose less.", code="proposal_too_large")
    row = await one(connection, QUERIES["incident_propose"], {"id": incident_id, "proposal": Jsonb(dict(proposal))})
    await _moved(connection, tenant_id, incident_id, row, "guard.incident_proposed", by, now)


async def measure(
    connection: Connection, tenant_id: uuid.UUID, incident_id: uuid.UUID, effect: Mapping[str, Any], *, by: uuid.UUID | None, now: datetime
) -> None:
    """Keep what a proposal would have changed; see `dry_run`.

    Raises:
        NotFound: when there is no such incident.
        Conflict: when it holds no open proposal.
    """
    row = await one(connection, QUERIES["incident_measure"], {"id": incident_id, "effect": Jsonb(dict(effect))})
    await _moved(connection, tenant_id, incident_id, row, "guard.incident_measured", by, now)


async def close_incident(
    connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, incident_id: uuid.UUID, note: str, *, by: uuid.UUID, now: datetime
) -> None:
    """Close an incident in a person's name.

    Raises:
        NotFound: when there is no such incident.
        Conflict: when it is closed already.
        RequestError: when the note is empty or too long.
    """
    if not note.strip() or len(note) > NOTE_CHARACTERS_MAX:
        raise RequestError(f"A closing note has 1 to {NOTE_CHARACTERS_MAX} characters.", "Say what was done.", code="bad_note", param="note")
    sealed = _seal(keyring, tenant_id, None, note, b"note", incident_id)
    row = await one(connection, QUERIES["incident_close"], {"id": incident_id, "by": by, "now": now, "note_sealed": sealed})
    await _moved(connection, tenant_id, incident_id, row, "guard.incident_closed", by, now)


async def erase_samples(connection: Connection, person_id: uuid.UUID | None, erasure_id: uuid.UUID | None = None) -> int:
    """Empty the samples that one person's requests left; how many that were."""
    return (await connection.execute(QUERIES["samples_erase"], {"person_id": person_id, "erasure_id": erasure_id})).rowcount


async def _moved(
    connection: Connection, tenant_id: uuid.UUID, incident_id: uuid.UUID, row: object | None, event: str, by: uuid.UUID | None, now: datetime
) -> None:
    if row is None:
        found = await one(connection, QUERIES["incident_by_id"], {"id": incident_id})
        if found is None:
            raise NotFound("There is no such incident.", "`ondol guard incidents list` shows all.", code="incident_not_found")
        raise Conflict(f"The incident is {found['state']}.", "Closed ones stay as they are; only a proposal is measured.", code="incident_state")
    await record(connection, tenant_id, kind=event, actor_id=by, body={"incident": incident_id}, now=now)


def _group_hash(keyring: KeyRing, case: Case) -> bytes:
    hour = int(case.at.timestamp()) // GROUP_SECONDS
    group: list[Json] = [case.kind, case.stage, sorted(case.rules), str(case.api_key_id or ""), hour]
    return keyed_digest(tenant_key(keyring, case.tenant_id), "guard-incident", canonical_json(group))


def _incident(keyring: KeyRing, tenant_id: uuid.UUID, row: Mapping[str, Any]) -> Incident:
    values = dict(row)
    sample, note = bytes(values.pop("sample_sealed")), values.pop("note_sealed")
    values["policy_digest"], values["rules"] = bytes(values["policy_digest"]), tuple(values["rules"])
    return Incident(
        **values,
        sample=_open(keyring, tenant_id, row["person_id"], sample, b"sample", row["id"]) if sample else "",
        note=_open(keyring, tenant_id, None, bytes(note), b"note", row["id"]) if note else "",
    )


def _seal(keyring: KeyRing, tenant_id: uuid.UUID, person_id: uuid.UUID | None, text: str, what: bytes, incident_id: uuid.UUID) -> bytes:
    return seal_text(keyring, tenant_id, person_id, text, b"guard-incident-" + what + incident_id.bytes)


def _open(keyring: KeyRing, tenant_id: uuid.UUID, person_id: uuid.UUID | None, sealed: bytes, what: bytes, incident_id: uuid.UUID) -> str:
    try:
        return open_text(keyring, tenant_id, person_id, sealed, b"guard-incident-" + what + incident_id.bytes)
    except KeyDestroyed:
        return ""


def _words(value: Any) -> Any:
    """Canonical JSON has no floats: for its size their text is as good."""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, Mapping):
        return {str(key): _words(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_words(item) for item in value]
    return value
