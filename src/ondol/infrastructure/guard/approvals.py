"""Approvals of tool calls: somebody asks, somebody else in the named role says yes or no, and a yes lets exactly that call run, once, in time.

    pending -> approved -> used
           \\-> denied        (and any of the first two -> expired)

The arguments are sealed under the asker's key. Each step is an event of the ledger, and a question opens an incident, so that its alarm tells people.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias, get_args

from ondol.core.canonical import Json, keyed_digest
from ondol.core.errors import Conflict, Forbidden, KeyDestroyed, NotFound, RequestError, TooManyRequests
from ondol.core.ids import new_id
from ondol.infrastructure.access.types import ROLES, Person
from ondol.infrastructure.guard.incidents import Case, close_incident, open_incident
from ondol.infrastructure.guard.sealing import open_text, seal_text, tenant_key
from ondol.infrastructure.guard.store import QUERIES
from ondol.infrastructure.guard.tools.types import Approval
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Connection, Database, one, rows

ApprovalState: TypeAlias = Literal["pending", "approved", "denied", "used", "expired"]
STATES: tuple[ApprovalState, ...] = get_args(ApprovalState)

WAITING_PERSON_MAX = 100
"""Questions of one person that wait for an answer."""
WAITING_MAX = 1_000
"""Of one tenant."""
PAGE_MAX = 200
NOTE_CHARACTERS_MAX = 4_000
KEPT = timedelta(days=90)
"""After its end an approval is kept for so long; the ledger keeps who decided."""
SWEEP_MAX = 10_000
"""Rows that one sweep removes; the next one goes on."""

_LAST = uuid.UUID(int=2**128 - 1)
_MISSING = ("There is no such approval.", "`ondol guard approvals list` shows all.")


@dataclass(frozen=True, slots=True)
class Question:
    """A call for which somebody must say yes.

    Attributes:
        tool: its name.
        arguments: JSON, exactly those that would run.
        digest: of the call (`tools.digest_of`), 32 bytes.
        reasons: why a person is asked, such as ``destructive``.
        role: in which it can be approved.
        policy: digest of the policy in force, 32 bytes.
        expires_at: until then it is approved and used, or not at all.
    """

    tenant_id: uuid.UUID
    tool: str
    arguments: str
    digest: bytes
    reasons: tuple[str, ...]
    role: str
    policy: bytes
    asked_by: uuid.UUID
    at: datetime
    expires_at: datetime
    api_key_id: uuid.UUID | None = None
    request_id: uuid.UUID | None = None


@dataclass(frozen=True, slots=True)
class KeptApproval:
    """A question and what became of it.

    Attributes:
        arguments: JSON; empty when the asker was erased.
        note: of whoever decided.
    """

    id: uuid.UUID
    state: ApprovalState
    tool: str
    arguments: str
    reasons: tuple[str, ...]
    role: str
    policy_digest: bytes
    asked_by: uuid.UUID
    api_key_id: uuid.UUID | None
    request_id: uuid.UUID | None
    incident_id: uuid.UUID | None
    asked_at: datetime
    expires_at: datetime
    decided_by: uuid.UUID | None
    decided_at: datetime | None
    note: str
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks at approvals: their own, those of their roles, or all."""

    person_id: uuid.UUID
    roles: frozenset[str]
    sees_all: bool = False

    def may_see(self, approval: KeptApproval) -> bool:
        """Whether an approval may be known to them."""
        return self.sees_all or self.may_read(approval)

    def may_read(self, approval: KeptApproval) -> bool:
        """Whether its arguments may."""
        return approval.asked_by == self.person_id or approval.role in self.roles


def roles_of(person: Person) -> frozenset[str]:
    """In which roles a person approves: their own, and their groups by name. A group that is called as a role is, does not give that role."""
    return frozenset(person.roles) | (frozenset(person.groups) - frozenset(ROLES))


async def ask(connection: Connection, keyring: KeyRing, question: Question) -> tuple[uuid.UUID, datetime, bool]:
    """Ask for an approval; asking again while the same question waits is the same question. Its id, when it ends, and whether it is new.

    Raises:
        TooManyRequests: when too many questions wait already.
    """
    call_hash = _call_hash(keyring, question.tenant_id, question.digest)
    known: dict[str, object] = {"person_id": question.asked_by, "call_hash": call_hash, "role": question.role, "now": question.at}
    waiting = await one(connection, QUERIES["approval_waiting"], known)
    if waiting is not None:
        return waiting["id"], waiting["expires_at"], False
    counted = await one(connection, QUERIES["approvals_counted"], {"person_id": question.asked_by, "now": question.at})
    if counted is not None and (counted["theirs"] >= WAITING_PERSON_MAX or counted["counted"] >= WAITING_MAX):
        raise TooManyRequests("Too many approvals wait for an answer.", "Have some of them answered first.", code="too_many_approvals")
    approval_id = new_id()
    # The question's own id is among the rules, so that each question is an incident and an alarm of its own that says what to approve.
    rules = (*(f"tools.{reason}" for reason in question.reasons), f"approval.{approval_id}")
    case = Case(
        question.tenant_id, "approval", "tool", question.policy, rules, question.tool, question.at, question.asked_by, question.api_key_id,
        question.request_id,
    )  # fmt: skip
    incident_id, _ = await open_incident(connection, keyring, case)
    values: dict[str, object] = {
        **known,
        "tenant_id": question.tenant_id,
        "id": approval_id,
        "tool": question.tool,
        "arguments_sealed": _seal(keyring, question.tenant_id, question.asked_by, question.arguments, b"arguments", approval_id),
        "reasons": list(question.reasons),
        "policy": question.policy,
        "api_key_id": question.api_key_id,
        "request_id": question.request_id,
        "incident_id": incident_id,
        "expires_at": question.expires_at,
    }
    await connection.execute(QUERIES["approval_ask"], values)
    body: dict[str, Json] = {"approval": approval_id, "policy": question.policy, "reasons": list(question.reasons)}
    await record(connection, question.tenant_id, kind="guard.approval_asked", actor_id=question.asked_by, body=body, now=question.at)
    return approval_id, question.expires_at, True


async def get_approval(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, approval_id: uuid.UUID, now: datetime) -> KeptApproval:
    """An approval of the transaction's tenant.

    Raises:
        NotFound: when there is none.
    """
    row = await one(connection, QUERIES["approval_by_id"], {"id": approval_id})
    if row is None:
        raise NotFound(*_MISSING, code="approval_not_found")
    return _approval(keyring, tenant_id, row, now)


async def list_approvals(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    viewer: Viewer,
    now: datetime,
    *,
    state: ApprovalState | None = None,
    before: uuid.UUID | None = None,
    limit: int = 50,
) -> list[KeptApproval]:
    """Approvals that somebody may see, the newest first. The next page begins before the last one's id.

    Raises:
        RequestError: when the limit is not between 1 and `PAGE_MAX`.
    """
    if not 1 <= limit <= PAGE_MAX:
        raise RequestError(f"A page has 1 to {PAGE_MAX} approvals.", "Ask for the next page with `before`.", code="bad_limit", param="limit")
    values: dict[str, object] = {
        "before": before or _LAST,
        "sees_all": viewer.sees_all,
        "person_id": viewer.person_id,
        "roles": sorted(viewer.roles),
        "state": state,
        "now": now,
        "limit": limit,
    }
    return [_approval(keyring, tenant_id, row, now) for row in await rows(connection, QUERIES["approvals_page"], values)]


async def answer(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    approval_id: uuid.UUID,
    *,
    approved: bool,
    note: str,
    by: uuid.UUID,
    roles: Collection[str],
    now: datetime,
) -> None:
    """Say yes or no. The incident of the question is closed with it.

    Args:
        by, roles: who, and in which roles (`roles_of`).

    Raises:
        NotFound: when there is no such approval.
        Forbidden: when it is their own, or they have not its role.
        Conflict: when it does not wait any more.
        RequestError: when the note is too long.
    """
    if len(note) > NOTE_CHARACTERS_MAX:
        raise RequestError(f"A note has at most {NOTE_CHARACTERS_MAX} characters.", "Say less.", code="bad_note", param="note")
    word: Literal["approved", "denied"] = "approved" if approved else "denied"
    values: dict[str, object] = {
        "id": approval_id,
        "decision": word,
        "by": by,
        "roles": sorted(roles),
        "now": now,
        "note_sealed": _seal(keyring, tenant_id, None, note, b"note", approval_id) if note else None,
    }
    row = await one(connection, QUERIES["approval_decide"], values)
    if row is None:
        found = await get_approval(connection, keyring, tenant_id, approval_id, now)
        raise _refusal(found, by, roles)
    await record(connection, tenant_id, kind=f"guard.approval_{word}", actor_id=by, body={"approval": approval_id}, now=now)
    if row["incident_id"] is not None:
        with contextlib.suppress(Conflict, NotFound):  # somebody closed it already
            await close_incident(connection, keyring, tenant_id, row["incident_id"], word, by=by, now=now)


async def use_approval(
    connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, approval_id: uuid.UUID, *, role: str, digest: bytes, by: uuid.UUID, now: datetime
) -> Approval:
    """Use up an approval for one call. The call runs only if this transaction is committed.

    Args:
        role, digest: what is needed now for the call that would run.
        by: who asked for it.

    Raises:
        NotFound: when there is no such approval of theirs.
        Conflict: when it waits still, was denied, was used, is over, or is for another call or in another role.
    """
    call_hash = _call_hash(keyring, tenant_id, digest)
    values: dict[str, object] = {"id": approval_id, "role": role, "call_hash": call_hash, "person_id": by, "now": now}
    row = await one(connection, QUERIES["approval_use"], values)
    if row is None:
        raise await _useless(connection, keyring, tenant_id, approval_id, call_hash, by, now)
    await record(connection, tenant_id, kind="guard.approval_used", actor_id=by, body={"approval": approval_id}, now=now)
    return Approval(row["role"], row["decided_by"], digest, row["expires_at"])


async def find_unused(
    connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, *, role: str, digest: bytes, by: uuid.UUID, now: datetime
) -> uuid.UUID | None:
    """The approval of a call that one person asked for and has not used yet, where a caller cannot name it; to be used with `use_approval`."""
    values: dict[str, object] = {"role": role, "call_hash": _call_hash(keyring, tenant_id, digest), "person_id": by, "now": now}
    row = await one(connection, QUERIES["approval_unused"], values)
    return None if row is None else row["id"]


async def erase_approvals(connection: Connection, person_id: uuid.UUID | None, erasure_id: uuid.UUID | None = None) -> int:
    """Empty the arguments that one person's questions held; how many that were. None of them can be approved or used any more."""
    return (await connection.execute(QUERIES["approvals_erase"], {"person_id": person_id, "erasure_id": erasure_id})).rowcount


async def expire_approvals(database: Database, now: datetime) -> int:
    """Remove approvals that ended more than `KEPT` ago, at most `SWEEP_MAX`; how many that were."""
    async with database.system_tx() as connection:
        return (await connection.execute(QUERIES["approvals_expire"], {"ended_before": now - KEPT, "limit": SWEEP_MAX})).rowcount


def _refusal(found: KeptApproval, by: uuid.UUID, roles: Collection[str]) -> RequestError:
    """Why somebody cannot answer a question."""
    if found.asked_by == by:
        return Forbidden("Nobody approves what they asked for themselves.", "Somebody else in the role must answer.", code="own_approval")
    if found.role not in roles:
        return Forbidden("Your roles do not allow this.", f"It takes the role or group {found.role}.", code="role_required")
    return _erased() if found.state == "pending" else _not_open(found.state)


async def _useless(
    connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, approval_id: uuid.UUID, call_hash: bytes, by: uuid.UUID, now: datetime
) -> RequestError:
    """Why an approval lets nothing run."""
    row = await one(connection, QUERIES["approval_by_id"], {"id": approval_id})
    if row is None or row["asked_by"] != by:
        return NotFound(*_MISSING, code="approval_not_found")
    if bytes(row["call_hash"]) != call_hash:
        return Conflict(
            "The approval is for another call.", "What was approved is what runs: ask for this call too.", code="approval_of_another_call"
        )
    found = _approval(keyring, tenant_id, row, now)
    if found.state == "approved":
        if not row["arguments_sealed"]:
            return _erased()
        return Conflict("The approval is in another role than the policy asks for now.", "Ask again.", code="approval_in_another_role")
    return _not_open(found.state)


def _erased() -> Conflict:
    return Conflict("Whoever asked was erased, and with them what they asked for.", "There is nothing to approve.", code="approval_erased")


def _not_open(state: ApprovalState) -> Conflict:
    hint = {
        "pending": "Wait until somebody in the role has answered.",
        "approved": "It can be used once until it ends.",
        "denied": "What was denied stays so; ask again if something has changed.",
        "used": "An approval serves once: ask again.",
        "expired": "Ask again.",
    }[state]
    return Conflict(f"The approval is {state}.", hint, code=f"approval_{state}")


def _approval(keyring: KeyRing, tenant_id: uuid.UUID, row: Mapping[str, Any], now: datetime) -> KeptApproval:
    values = {name: value for name, value in row.items() if name not in ("arguments_sealed", "note_sealed", "decision", "call_hash")}
    values["reasons"], values["policy_digest"] = tuple(row["reasons"]), bytes(row["policy_digest"])
    arguments, note = bytes(row["arguments_sealed"]), row["note_sealed"]
    return KeptApproval(
        **values,
        state=_state(row, now),
        arguments=_open(keyring, tenant_id, row["asked_by"], arguments, b"arguments", row["id"]) if arguments else "",
        note=_open(keyring, tenant_id, None, bytes(note), b"note", row["id"]) if note else "",
    )


def _state(row: Mapping[str, Any], now: datetime) -> ApprovalState:
    if row["decision"] == "denied":
        return "denied"
    if row["used_at"] is not None:
        return "used"
    if row["expires_at"] <= now:
        return "expired"
    return "approved" if row["decision"] == "approved" else "pending"


def _call_hash(keyring: KeyRing, tenant_id: uuid.UUID, digest: bytes) -> bytes:
    """A bare digest of short arguments could be guessed by whoever reads the table."""
    return keyed_digest(tenant_key(keyring, tenant_id), "guard-approval", digest)


def _seal(keyring: KeyRing, tenant_id: uuid.UUID, person_id: uuid.UUID | None, text: str, what: bytes, approval_id: uuid.UUID) -> bytes:
    return seal_text(keyring, tenant_id, person_id, text, b"guard-approval-" + what + approval_id.bytes)


def _open(keyring: KeyRing, tenant_id: uuid.UUID, person_id: uuid.UUID | None, sealed: bytes, what: bytes, approval_id: uuid.UUID) -> str:
    try:
        return open_text(keyring, tenant_id, person_id, sealed, b"guard-approval-" + what + approval_id.bytes)
    except KeyDestroyed:
        return ""
