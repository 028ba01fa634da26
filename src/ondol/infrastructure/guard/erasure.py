"""The guard's part in erasing. Destroying a person's data key makes what they left unreadable; this removes the rows as well."""

from __future__ import annotations

import uuid

from ondol.infrastructure.guard.approvals import erase_approvals
from ondol.infrastructure.guard.incidents import erase_samples
from ondol.infrastructure.guard.store import QUERIES
from ondol.infrastructure.guard.texts import forget_registrar
from ondol.infrastructure.guard.traffic import erase_traffic
from ondol.infrastructure.guard.vault import erase_tokens
from ondol.infrastructure.ledger.erasure import Eraser, Erasure, ErasureKind, row_eraser
from ondol.infrastructure.storage.postgres import Connection, Database

ONLY_SUBJECTS: frozenset[ErasureKind] = frozenset({"subject"})


def guard_erasers(database: Database) -> list[Eraser]:
    """What the guard keeps of a person, and of the requests whose answers were shown a document.

    Incidents and approvals stay, with their rules, counts and who decided; samples and arguments are emptied.
    """
    counts = QUERIES
    return [
        row_eraser(database, "guard_traffic", method="deleted", tables=["guard_traffic"], count=counts["traffic_count"], erase=_erase_traffic),
        row_eraser(database, "guard_samples", method="emptied", tables=["guard_incidents"], count=counts["samples_count"], erase=_erase_samples),
        row_eraser(
            database, "guard_approvals", method="emptied", tables=["guard_approvals"], count=counts["approvals_count"], erase=_erase_approvals
        ),
        row_eraser(
            database,
            "guard_tokens",
            method="deleted",
            tables=["guard_tokens"],
            kinds=ONLY_SUBJECTS,
            count=counts["tokens_count"],
            erase=_erase_tokens,
        ),
        row_eraser(
            database,
            "guard_registrars",
            method="emptied",
            tables=["guard_texts"],
            kinds=ONLY_SUBJECTS,
            count=counts["registrars_count"],
            erase=_forget_registrar,
        ),
    ]


async def erase_person(connection: Connection, person_id: uuid.UUID) -> dict[str, int]:
    """Remove what one person left in the guard, in the caller's tenant transaction; how many rows of each kind that were."""
    return {
        "tokens": await erase_tokens(connection, person_id),
        "texts": await erase_traffic(connection, person_id),
        "samples": await erase_samples(connection, person_id),
        "approvals": await erase_approvals(connection, person_id),
        "registered_texts": await forget_registrar(connection, person_id),
    }


async def _erase_traffic(connection: Connection, erasure: Erasure) -> None:
    await erase_traffic(connection, _person_of(erasure), erasure.id)


async def _erase_samples(connection: Connection, erasure: Erasure) -> None:
    await erase_samples(connection, _person_of(erasure), erasure.id)


async def _erase_approvals(connection: Connection, erasure: Erasure) -> None:
    await erase_approvals(connection, _person_of(erasure), erasure.id)


async def _erase_tokens(connection: Connection, erasure: Erasure) -> None:
    await erase_tokens(connection, erasure.target_id)


async def _forget_registrar(connection: Connection, erasure: Erasure) -> None:
    await forget_registrar(connection, erasure.target_id)


def _person_of(erasure: Erasure) -> uuid.UUID | None:
    return erasure.target_id if erasure.kind == "subject" else None
