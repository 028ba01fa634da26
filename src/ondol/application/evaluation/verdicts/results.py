"""Whether the results that a verdict was signed over are still those that are stored: each one's digest is taken again, and all of them folded."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from ondol.application.evaluation.runs import digests_of, folded_digest, get_run
from ondol.application.evaluation.verdicts.statement import Statement
from ondol.core.canonical import digest
from ondol.core.errors import LedgerBroken, NotFound
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Database


@dataclass(frozen=True, slots=True)
class ResultsChecked:
    """Results that are those which were signed.

    Attributes:
        count: of the results; None where the run was deleted, and nothing can be looked at any more.
        erased: of how many the content was erased: their digest stands, and their figures cannot be held against it.
    """

    count: int | None
    erased: int = 0


async def check_results(database: Database, keyring: KeyRing, tenant_id: uuid.UUID, statement: Statement) -> ResultsChecked:
    """Take the digest of all stored results again.

    Raises:
        LedgerBroken: naming the first result that was altered, or saying that one was added or taken away.
    """
    signed = statement.predicate.run
    try:
        async with database.tenant_tx(tenant_id) as connection:
            await get_run(connection, signed.id)
    except NotFound:
        return ResultsChecked(None)
    folded, count, erased = digest([]), 0, 0
    async for place, repeat, own, is_whole in digests_of(database, keyring, tenant_id, signed.id):
        if is_whole is False:
            raise LedgerBroken(f"Result {place + 1} (repeat {repeat + 1}) of run {signed.id} was altered.")
        folded = folded_digest(folded, place, repeat, own)
        count, erased = count + 1, erased + (is_whole is None)
    if folded.hex() != signed.digest.sha256:
        raise LedgerBroken(f"The results of run {signed.id} are not those that were signed.", "A result was added, replaced or taken away since.")
    return ResultsChecked(count, erased)
