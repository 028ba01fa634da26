"""What Postgres keeps of runs: results in batches as they come, read back one after another, never all at once."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from ondol.application.evaluation.runs.types import Kept, Metric, Outcome, Run, RunDigests, State
from ondol.application.evaluation.suites.cases import exact
from ondol.application.evaluation.types import Answer, CaseResult, CitedSource, Ranked, Score, Turn
from ondol.core.canonical import canonical_json, digest
from ondol.core.errors import KeyDestroyed, NotFound, SealBroken
from ondol.core.ids import new_id
from ondol.infrastructure.storage.blobs import DataKey, KeyOwner, KeyRing, open_bytes, seal_bytes
from ondol.infrastructure.storage.postgres import Connection, Database, load_queries, one, rows

PAGE_RESULTS = 200
PAGE_DONE = 5_000
DOCUMENTS_MAX = 200
"""Of one result."""
SUITES_MAX = 1_000

QUERIES = load_queries("ondol.application.evaluation.runs")


async def add_run(
    connection: Connection,
    keyring: KeyRing,
    tenant_id: uuid.UUID,
    *,
    suite_name: str,
    suite: Mapping[str, Any],
    state: State,
    cases: int,
    repeats: int,
    digests: RunDigests,
    metrics: Sequence[Metric],
    by: uuid.UUID | None,
    now: datetime,
    is_queued: bool = False,
) -> uuid.UUID:
    """Begin a run; its id.

    Args:
        suite: plain data from which it can go on: the suite itself, or where it lies.
        by: who runs it; None for the command line.
        is_queued: a job worker carries it out.
    """
    run_id = new_id()
    sealed = seal_bytes(_key(keyring, tenant_id, by), canonical_json(exact(suite)), _suite_context(run_id))
    values = {
        "tenant_id": tenant_id,
        "id": run_id,
        "suite_name": suite_name,
        "suite_digest": bytes.fromhex(digests.suite),
        "state": state,
        "cases": cases,
        "repeats": repeats,
        "digests": Jsonb(asdict(digests)),
        "scorers": Jsonb([asdict(metric) for metric in metrics]),
        "owner_id": by,
        "suite_sealed": sealed,
        "created_by": by,
        "now": now,
        "is_queued": is_queued,
    }
    await connection.execute(QUERIES["run_add"], values)
    return run_id


async def get_run(connection: Connection, run_id: uuid.UUID) -> Run:
    """A run.

    Raises:
        NotFound: when the tenant has no such run.
    """
    found = await one(connection, QUERIES["run_by_id"], {"id": run_id})
    if found is None:
        raise NotFound("There is no such run.", "`ondol eval list` shows all.", code="run_not_found")
    return _run(found)


async def list_runs(connection: Connection, *, suite: str | None = None, before: uuid.UUID | None = None, limit: int = 50) -> list[Run]:
    """Runs, the newest first.

    Args:
        suite: of one suite by its name.
        before: go on behind this run.
    """
    return [_run(row) for row in await rows(connection, QUERIES["runs_page"], {"suite": suite, "before": before, "limit": limit})]


async def list_suites(connection: Connection) -> list[dict[str, Any]]:
    """Each suite that was run, by name, with its last run."""
    return await rows(connection, QUERIES["suites_known"], {"limit": SUITES_MAX})


async def suite_of(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, run_id: uuid.UUID) -> Mapping[str, Any]:
    """The suite that a run was begun with.

    Raises:
        NotFound: when there is no such run, or whoever gave the suite in was erased.
    """
    found = await one(connection, QUERIES["run_suite"], {"id": run_id})
    if found is None or not found["suite_sealed"]:
        raise NotFound("There is no such run, or its suite was erased.", "`ondol eval list` shows all.", code="run_not_found")
    try:
        plain = open_bytes(keyring.get(_owner(tenant_id, found["owner_id"])), bytes(found["suite_sealed"]), _suite_context(run_id))
    except KeyDestroyed:
        raise NotFound("The suite of this run was erased.", "Run it anew.", code="run_not_found") from None
    suite: Mapping[str, Any] = msgspec.json.decode(plain)
    return suite


async def end_run(
    connection: Connection,
    run_id: uuid.UUID,
    state: State,
    *,
    outcome: Outcome | None = None,
    reasons: Sequence[str] = (),
    results_digest: bytes | None = None,
    now: datetime | None = None,
) -> None:
    """Say where a run stands."""
    values = {"id": run_id, "state": state, "outcome": outcome, "reasons": list(reasons), "results_digest": results_digest, "ended_at": now}
    await connection.execute(QUERIES["run_state"], values)


async def delete_run(connection: Connection, run_id: uuid.UUID) -> None:
    """Delete a run with its results.

    Raises:
        NotFound: when there is no such run.
    """
    if await one(connection, QUERIES["run_delete"], {"id": run_id}) is None:
        raise NotFound("There is no such run.", "`ondol eval list` shows all.", code="run_not_found")


async def put_results(
    connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, run_id: uuid.UUID, batch: Sequence[Kept], now: datetime
) -> None:
    """Keep a batch of results. One that is there already is replaced."""
    values = [_values(keyring, tenant_id, run_id, kept, now) for kept in batch]
    async with connection.cursor() as cursor:
        await cursor.executemany(QUERIES["result_put"], values)


async def results_of(database: Database, keyring: KeyRing, tenant_id: uuid.UUID, run_id: uuid.UUID) -> AsyncIterator[Kept]:
    """The results of a run in their order, some at a time; each page is a transaction of its own."""
    async for row in _stored(database, tenant_id, run_id):
        yield _kept(keyring, tenant_id, run_id, row)


async def digests_of(
    database: Database, keyring: KeyRing, tenant_id: uuid.UUID, run_id: uuid.UUID
) -> AsyncIterator[tuple[int, int, bytes, bool | None]]:
    """Place, repeat and kept digest of each result in their order, and whether its content and figures still have that digest.

    None says that it cannot be told: the content was erased.
    """
    async for row in _stored(database, tenant_id, run_id):
        yield row["place"], row["repeat"], bytes(row["digest"]), _is_whole(keyring, tenant_id, run_id, row)


async def results_page(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, run_id: uuid.UUID, *, after: int, cases: int) -> list[Kept]:
    """The results of some cases of a run, all repeats of them.

    Args:
        after: the place of the case behind which it begins; -1 for the first.
        cases: so many at most.
    """
    found = await rows(connection, QUERIES["results_of_cases"], {"run_id": run_id, "after": after, "cases": cases})
    return [_kept(keyring, tenant_id, run_id, row) for row in found]


async def cases_of_run(database: Database, keyring: KeyRing, tenant_id: uuid.UUID, run_id: uuid.UUID) -> AsyncIterator[CaseResult]:
    """The same as results alone, as statistics read them."""
    async for kept in results_of(database, keyring, tenant_id, run_id):
        yield kept.result


async def done_of(database: Database, tenant_id: uuid.UUID, run_id: uuid.UUID) -> AsyncIterator[tuple[int, int, bool, int]]:
    """Place and repeat of each result that there is, whether it and all its scores are whole, and what it cost."""
    place, repeat = -1, 0
    while True:
        async with database.tenant_tx(tenant_id) as connection:
            page = await rows(connection, QUERIES["results_done"], {"run_id": run_id, "place": place, "repeat": repeat, "limit": PAGE_DONE})
        for row in page:
            yield row["place"], row["repeat"], row["whole"], row["cost_nano"]
        if len(page) < PAGE_DONE:
            return
        place, repeat = page[-1]["place"], page[-1]["repeat"]


def folded_digest(before: bytes, place: int, repeat: int, own: bytes) -> bytes:
    """The digest of a run's results with one more, 32 bytes: SHA-256 over canonical JSON of [digest so far, place, repeat, the result's own digest].

    A result's own digest is SHA-256 over the JSON of its content, then of its figures, keys sorted, numbers in the shortest form that reads back.
    """
    return digest([before, place, repeat, own])


async def _stored(database: Database, tenant_id: uuid.UUID, run_id: uuid.UUID) -> AsyncIterator[Mapping[str, Any]]:
    place, repeat = -1, 0
    while True:
        async with database.tenant_tx(tenant_id) as connection:
            page = await rows(connection, QUERIES["results_page"], {"run_id": run_id, "place": place, "repeat": repeat, "limit": PAGE_RESULTS})
        for row in page:
            yield row
        if len(page) < PAGE_RESULTS:
            return
        place, repeat = page[-1]["place"], page[-1]["repeat"]


def _is_whole(keyring: KeyRing, tenant_id: uuid.UUID, run_id: uuid.UUID, row: Mapping[str, Any]) -> bool | None:
    try:
        plain = _plain(keyring, tenant_id, run_id, row)
    except SealBroken:
        return False
    if plain is None:
        return None
    answer = msgspec.json.decode(plain)["answer"]
    told = (answer["status"], answer["cost_nano"], answer["currency"], round(answer["latency_ms"] * 1_000))
    if told != (row["status"], row["cost_nano"], row["currency"], row["latency_us"]):
        return False
    # Postgres gives a number of 17 digits and more back without its exponent, and so as a whole one.
    large = {
        name: {**figure, "value": float(figure["value"])} if isinstance(figure["value"], int) and abs(figure["value"]) >= 10**16 else figure
        for name, figure in row["scores"].items()
    }
    return bytes(row["digest"]) in (_content_digest(plain, row["scores"]), _content_digest(plain, large))


def _content_digest(plain: bytes, figures: Mapping[str, Any]) -> bytes:
    hashed = hashlib.sha256(plain)
    hashed.update(msgspec.json.encode(figures, order="deterministic"))
    return hashed.digest()


def _values(keyring: KeyRing, tenant_id: uuid.UUID, run_id: uuid.UUID, kept: Kept, now: datetime) -> dict[str, object]:
    result = kept.result
    content = {
        "case": result.case_id,
        "cluster": result.cluster,
        "slices": dict(result.slices),
        "turns": [[turn.role, turn.text] for turn in kept.turns],
        "expected": list(kept.expected),
        "answer": result.answer,
        "scores": {name: {"reason": score.reason, "details": score.details} for name, score in result.scores.items()},
    }
    figures = {name: {"value": score.value, "status": score.status} for name, score in result.scores.items()}
    plain = msgspec.json.encode(content, order="deterministic")
    return {
        "tenant_id": tenant_id,
        "run_id": run_id,
        "place": kept.place,
        "repeat": result.repeat,
        "status": result.answer.status,
        "scores": Jsonb(figures),
        "cost_nano": result.answer.cost_nano,
        "currency": result.answer.currency,
        "latency_us": round(result.answer.latency_ms * 1_000),
        "person_id": kept.person_id,
        "document_ids": sorted(kept.document_ids)[:DOCUMENTS_MAX],
        "digest": _content_digest(plain, figures),
        "content_sealed": seal_bytes(_key(keyring, tenant_id, kept.person_id), plain, _context(run_id, kept.place, result.repeat)),
        "now": now,
    }


def _kept(keyring: KeyRing, tenant_id: uuid.UUID, run_id: uuid.UUID, row: Mapping[str, Any]) -> Kept:
    place, repeat, figures = row["place"], row["repeat"], row["scores"]
    content = _opened(keyring, tenant_id, run_id, row)
    if content is None:
        gone = Answer(text="", status=row["status"], cost_nano=row["cost_nano"], currency=row["currency"], latency_ms=row["latency_us"] / 1_000)
        scores = {name: Score(**figure) for name, figure in figures.items()}
        name = f"erased-{place}"
        result = CaseResult(case_id=name, repeat=repeat, cluster=name, slices={}, answer=gone, scores=scores)
        known = {"person_id": row["person_id"], "document_ids": frozenset(row["document_ids"]), "digest": bytes(row["digest"])}
        return Kept(place=place, result=result, is_erased=True, **known)
    result = CaseResult(
        case_id=content["case"],
        repeat=repeat,
        cluster=content["cluster"],
        slices=content["slices"],
        answer=_answer(content["answer"]),
        scores={name: Score(**figure, **content["scores"][name]) for name, figure in figures.items()},
    )
    return Kept(
        place=place,
        result=result,
        turns=tuple(Turn(*turn) for turn in content["turns"]),
        expected=tuple(content["expected"]),
        person_id=row["person_id"],
        document_ids=frozenset(row["document_ids"]),
        digest=bytes(row["digest"]),
    )


def _opened(keyring: KeyRing, tenant_id: uuid.UUID, run_id: uuid.UUID, row: Mapping[str, Any]) -> Any:
    plain = _plain(keyring, tenant_id, run_id, row)
    return None if plain is None else msgspec.json.decode(plain)


def _plain(keyring: KeyRing, tenant_id: uuid.UUID, run_id: uuid.UUID, row: Mapping[str, Any]) -> bytes | None:
    """The content as it was stored; None where it was erased.

    Raises:
        SealBroken: when it was altered.
    """
    sealed = bytes(row["content_sealed"])
    if not sealed:
        return None
    try:
        key = keyring.get(_owner(tenant_id, row["person_id"]))
    except KeyDestroyed:
        return None
    return open_bytes(key, sealed, _context(run_id, row["place"], row["repeat"]))


def _answer(told: dict[str, Any]) -> Answer:
    return Answer(
        **{
            **told,
            "sources": tuple(CitedSource(each["number"], each["document"], tuple(each["quotes"])) for each in told["sources"]),
            "ranked": tuple(Ranked(each["stage"], tuple(each["documents"]), tuple(each["passages"])) for each in told["ranked"]),
            **{name: tuple(told[name]) for name in ("sentences", "tool_calls", "samples")},
            "logprobs": None if told["logprobs"] is None else tuple(told["logprobs"]),
        }
    )


def _run(row: Mapping[str, Any]) -> Run:
    return Run(
        id=row["id"],
        suite_name=row["suite_name"],
        suite_digest=bytes(row["suite_digest"]),
        state=row["state"],
        outcome=row["outcome"],
        reasons=tuple(row["reasons"]),
        cases=row["cases"],
        repeats=row["repeats"],
        done=row["done"],
        digests=RunDigests(**row["digests"]),
        metrics=tuple(Metric(**metric) for metric in row["scorers"]),
        results_digest=bytes(row["results_digest"]) if row["results_digest"] else None,
        owner_id=row["owner_id"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        ended_at=row["ended_at"],
        is_queued=row["is_queued"],
        wants_stop=row["wants_stop"],
    )


def _owner(tenant_id: uuid.UUID, person_id: uuid.UUID | None) -> KeyOwner:
    return KeyOwner.tenant(tenant_id) if person_id is None else KeyOwner(tenant_id, "subject", person_id)


def _key(keyring: KeyRing, tenant_id: uuid.UUID, person_id: uuid.UUID | None) -> DataKey:
    return keyring.get_or_create(_owner(tenant_id, person_id))


def _context(run_id: uuid.UUID, place: int, repeat: int) -> bytes:
    return b"evaluation-result" + run_id.bytes + place.to_bytes(4, "big") + repeat.to_bytes(4, "big")


def _suite_context(run_id: uuid.UUID) -> bytes:
    return b"evaluation-suite" + run_id.bytes
