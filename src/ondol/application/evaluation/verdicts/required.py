"""The gate in front of `release activate`: a release of an assistant that requires a verdict goes live only with a fresh, valid, passing one.

It is asked in the transaction that moves the pointer, with the assistant held, so nothing that it looks at can change before the pointer does. The
newest verdict of the required suite over the release decides: one that failed is not outweighed by an older one that passed. Going back to what
served before is never gated: it must be possible at once, and what it goes back to was let live before.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

from ondol.application.evaluation.verdicts.parts import served_parts
from ondol.application.evaluation.verdicts.requirements import Requirement, get_requirement, span_text
from ondol.application.evaluation.verdicts.sign import EVENT
from ondol.application.evaluation.verdicts.statement import Statement
from ondol.application.evaluation.verdicts.store import QUERIES, newest_verdicts
from ondol.application.evaluation.verdicts.types import Verdict
from ondol.application.evaluation.verdicts.verify import Keys, check_row
from ondol.core.clock import Clock
from ondol.core.errors import LedgerBroken, NotFound
from ondol.infrastructure.releases import Gate, Release, find_release
from ondol.infrastructure.storage.postgres import Connection, one

AHEAD_MAX = timedelta(minutes=5)
"""How far the clock of whoever evaluated may be before ours."""


def required_gate(tenant_id: uuid.UUID, keys: Callable[[], Keys], clock: Clock) -> Gate:
    """The gate of a tenant's assistants.

    Args:
        keys: reads the keys that a verdict may be signed with; asked when an assistant requires one.
    """

    async def gate(connection: Connection, release: Release) -> str | None:
        required = await get_requirement(connection, release.assistant_id)
        if required is None:
            return None
        return await missing_of(connection, tenant_id, release, required, keys(), clock())

    return gate


async def missing_of(connection: Connection, tenant_id: uuid.UUID, release: Release, required: Requirement, keys: Keys, now: datetime) -> str | None:
    """What a release lacks of what is required, as a sentence; None when nothing is missing."""
    found = await newest_verdicts(connection, release.assistant_id, required.suite)
    of_release = [verdict for verdict in found if verdict.release_id == release.id]
    of_suite = [verdict for verdict in of_release if verdict.suite_digest == required.suite_digest]
    if not of_suite:
        return await _absent(connection, release, required, found, of_release)
    verdict = of_suite[0]
    try:
        statement = check_row(verdict, tenant_id, keys)
    except LedgerBroken as error:
        return f"its verdict {verdict.id} does not hold: {error.message}"
    if not await _is_in_ledger(connection, verdict):
        return f"its verdict {verdict.id} does not hold: no event of the ledger names it."
    return _of_statement(release, required, verdict, statement, now) or await _moved(connection, tenant_id, release, statement, now)


def _of_statement(release: Release, required: Requirement, verdict: Verdict, statement: Statement, now: datetime) -> str | None:
    """What is missing by what the verdict itself says."""
    told, [subject] = statement.predicate, statement.subject
    if subject.digest.sha256 != release.digest.hex():
        return f"its verdict {verdict.id} is about another release, whose manifest has the digest {subject.digest.sha256[:12]}."
    if told.result == "FAILED":
        return f"it failed the suite {required.suite} ({_reasons(statement)})."
    if told.result == "INCONCLUSIVE":
        return f"its verdict of the suite {required.suite} is INCONCLUSIVE, which never promotes ({_reasons(statement)})."
    if told.evaluated_on - now > AHEAD_MAX:
        return f"its verdict {verdict.id} is dated {told.evaluated_on:%Y-%m-%d %H:%M} UTC, which is yet to come."
    if now - told.evaluated_on > required.valid_for:
        return f"its verdict of the suite {required.suite} is of {told.evaluated_on:%Y-%m-%d %H:%M} UTC, older than {span_text(required.valid_for)}."
    return None


async def _moved(connection: Connection, tenant_id: uuid.UUID, release: Release, statement: Statement, now: datetime) -> str | None:
    """What has changed since it was evaluated: what it is compared with, and what it answers by."""
    baseline = statement.predicate.baseline
    try:
        live = await find_release(connection, release.assistant_id, "live")
    except NotFound:
        live = None
    if live is not None and baseline is None:
        return f"its verdict compares it with nothing; it has to be compared with release {live.number}, which serves now."
    if live is not None and baseline is not None and baseline.digest.sha256 != live.digest.hex():
        return f"its verdict compares it with another release than {live.number}, which serves now."
    signed = {each.name: each.digest.sha256 for each in statement.predicate.configuration}
    for name, digest in (await served_parts(connection, tenant_id, release, now)).items():
        if signed.get(name) != digest.hex():
            return f"its {name.partition('/')[0]} is another than the one that was evaluated."
    return None


async def _absent(connection: Connection, release: Release, required: Requirement, found: list[Verdict], of_release: list[Verdict]) -> str:
    """Why there is no verdict to look at: another version of the suite, another release, or none at all."""
    wanted = required.suite_digest.hex()[:12]
    if of_release:
        return f"its verdict is of another version of the suite {required.suite} ({of_release[0].suite_digest.hex()[:12]}; {wanted} is required)."
    other = next((verdict for verdict in found if verdict.release_id is not None), None)
    if other is not None:
        row = await one(connection, QUERIES["release_number"], {"id": other.release_id})
        number = row["number"] if row is not None else "?"
        return f"it has no verdict of the suite {required.suite} ({wanted}); the newest one is about release {number}."
    return f"it has no verdict of the suite {required.suite} ({wanted})."


async def _is_in_ledger(connection: Connection, verdict: Verdict) -> bool:
    values = {"id": verdict.id, "kind": EVENT, "statement": verdict.statement_digest.hex()}
    return await one(connection, QUERIES["verdict_event"], values) is not None


def _reasons(statement: Statement) -> str:
    told = "; ".join(reason.rstrip(".") for reason in statement.predicate.reasons)[:500]
    return told or "it says no reason"
