"""Verdicts: what is signed, that it is kept, linked and in the ledger, and that nothing of it can be altered."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from ondol.application.evaluation.verdicts import Keys, check_file, check_stored, file_of, get_verdict, list_verdicts
from ondol.application.evaluation.verdicts.statement import parse_statement, statement_bytes, statement_schema
from ondol.core.canonical import canonical_json
from ondol.core.errors import LedgerBroken, NotFound
from ondol.core.ids import new_id
from ondol.infrastructure.access.people import create_tenant
from ondol.infrastructure.ledger import LedgerSigner, add_artefact, ancestors, prove, revoke_key
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres.database import one
from tests.application.evaluation.verdicts.conftest import BASELINE, NOW, RUN, Bench, finding

pytestmark = pytest.mark.anyio


async def test_a_verdict_says_all_that_it_rests_on(bench: Bench) -> None:
    verdict = await bench.sign(finding())
    envelope = json.loads(verdict.envelope)
    assert json.loads(base64.b64decode(envelope["payload"])) == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "assistant/desk", "digest": {"sha256": "74" * 32}}],
        "predicateType": "urn:ondol:evaluation-verdict:v1",
        "predicate": {
            "verdict": str(verdict.id),
            "tenant": str(bench.tenant.id),
            "harness": {"name": "ondol", "version": "0.1.0", "digest": {"sha256": "63" * 32}},
            "environment": {"sha256": "65" * 32},
            "suite": {"name": "support-ko", "digest": {"sha256": "73" * 32}},
            "data": {"name": "support-ko@3", "digest": {"sha256": "64" * 32}},
            "configuration": [
                {"name": "guard", "digest": {"sha256": "67" * 32}},
                {"name": "index/01920000-0000-7000-8000-00000000000a", "digest": {"sha256": "69" * 32}},
                {"name": "judge/정확성", "digest": {"sha256": "6a" * 32}},
                {"name": "prompt", "digest": {"sha256": "70" * 32}},
            ],
            "run": {"id": str(RUN), "digest": {"sha256": "72" * 32}},
            "baseline": {"run": str(BASELINE), "digest": {"sha256": "62" * 32}},
            "result": "PASSED",
            "passed": True,
            "claims": [
                {
                    "metric": "correct",
                    "comparator": "non_inferior",
                    "threshold": "0.02",
                    "value": "0.925",
                    "low": "-0.004",
                    "high": "0.03",
                    "baseline": "0.9",
                    "passed": True,
                    "sampleSize": 198,
                    "total": 200,
                }
            ],
            "reasons": ["correct is no worse than before."],
            "assuranceLevel": "self_attested",
            "evaluatedOn": "2026-11-21T09:30:00.000000Z",
            "issuedOn": "2026-11-21T09:30:00.000000Z",
        },
    }
    schema = statement_schema()["$defs"]["Predicate"]
    assert sorted(schema["required"]) == sorted(schema["properties"]) == sorted(json.loads(base64.b64decode(envelope["payload"]))["predicate"])


async def test_it_is_kept_linked_and_in_the_ledger(bench: Bench) -> None:
    async with bench.database.tenant_tx(bench.tenant.id) as connection:
        golden = await add_artefact(connection, bench.tenant.id, "dataset", now=NOW)
    verdict = await bench.sign(finding(parents=(golden, golden)))
    assert not (await check_stored(bench.database, bench.keys, bench.tenant.id, verdict.id)).sealed
    await bench.seal()
    checked = await check_stored(bench.database, bench.keys, bench.tenant.id, verdict.id)
    assert checked.sealed and checked.statement.predicate.verdict == verdict.id
    async with bench.database.tenant_tx(bench.tenant.id) as connection:
        assert await get_verdict(connection, verdict.id) == verdict
        assert await list_verdicts(connection, suite="support-ko") == [verdict]
        assert await list_verdicts(connection, suite="other") == await list_verdicts(connection, before=verdict.id) == []
        walk = await ancestors(connection, bench.tenant.id, verdict.id)
        assert [(each.id, each.kind, each.relation) for each in walk.reached] == [(golden, "dataset", "evaluated_on")]
        event = await one(connection, "select kind, body from ledger_events where id = %(id)s", {"id": verdict.id})
    assert event is not None
    assert (event["kind"], event["body"]["statement"], event["body"]["outcome"]) == ("evaluation.verdict", verdict.statement_digest.hex(), "PASS")


ROW_CHANGES: dict[str, object] = {
    "outcome": "FAIL",
    "suite": "other",
    "suite_digest": bytes(32),
    "target": "assistant/other",
    "target_digest": bytes(32),
    "run_id": BASELINE,
    "envelope": b"{}",
    "statement_digest": bytes(32),
    "signer": "0" * 16,
    "created_at": datetime(2027, 1, 1, tzinfo=UTC),
}


@pytest.mark.parametrize("column", sorted(ROW_CHANGES))
async def test_an_altered_row_is_found(bench: Bench, column: str) -> None:
    verdict = await bench.sign(finding())
    await bench.seal()
    await _alter(bench, f"update verdicts set {column} = %(value)s", value=ROW_CHANGES[column])
    with pytest.raises(LedgerBroken):
        await check_stored(bench.database, bench.keys, bench.tenant.id, verdict.id)


async def test_a_verdict_without_its_event_is_found(bench: Bench) -> None:
    first, second = await bench.sign(finding()), await bench.sign(finding())
    await _alter(bench, "delete from ledger_events where id = %(id)s", id=first.id)
    with pytest.raises(LedgerBroken, match="no event"):
        await check_stored(bench.database, bench.keys, bench.tenant.id, first.id)
    await bench.seal()
    assert (await check_stored(bench.database, bench.keys, bench.tenant.id, second.id)).sealed
    await _alter(bench, "update ledger_events set kind = 'other' where id = %(id)s", id=second.id)
    with pytest.raises(LedgerBroken, match="Event"):
        await check_stored(bench.database, bench.keys, bench.tenant.id, second.id)


async def test_each_tenant_has_its_own(bench: Bench, keyring: KeyRing) -> None:
    other = await create_tenant(bench.database, keyring, slug="other", name="Other", now=NOW)
    verdict = await bench.sign(finding(), tenant=other)
    with pytest.raises(NotFound):
        await check_stored(bench.database, bench.keys, bench.tenant.id, verdict.id)
    # Carried over to another tenant by somebody who can write rows, it is still the first one's.
    await _alter(bench, "update verdicts set tenant_id = %(to)s", to=bench.tenant.id)
    with pytest.raises(LedgerBroken, match="tenant"):
        await check_stored(bench.database, bench.keys, bench.tenant.id, verdict.id)


async def test_a_revoked_key_signs_no_more_and_a_rotated_one_still_holds(bench: Bench) -> None:
    verdict = await bench.sign(finding())
    await bench.seal()
    LedgerSigner.rotate(bench.key_file)
    assert (await check_stored(bench.database, bench.keys, bench.tenant.id, verdict.id)).sealed
    revoke_key(bench.key_file, verdict.signer)
    with pytest.raises(LedgerBroken, match="revoked"):
        await check_stored(bench.database, bench.keys, bench.tenant.id, verdict.id)


async def _file(bench: Bench) -> bytes:
    verdict = await bench.sign(finding())
    await bench.sign(finding(outcome="FAIL"))
    await bench.seal()
    return file_of(verdict, await prove(bench.database, bench.tenant.id, verdict.id))


async def test_a_file_is_checked_with_the_public_keys_alone(bench: Bench) -> None:
    content = await _file(bench)
    checked = check_file(content, bench.keys)
    assert checked.sealed and checked.statement.predicate.suite.name == "support-ko"
    with pytest.raises(LedgerBroken, match="not known"):
        check_file(content, Keys({}))
    revoked = Keys(bench.keys.public, frozenset(bench.keys.public))
    with pytest.raises(LedgerBroken, match="revoked"):
        check_file(content, revoked)


async def test_any_altered_byte_of_a_file_is_found(bench: Bench) -> None:
    content, keys = await _file(bench), bench.keys
    for at in range(len(content)):
        for byte in {content[at] ^ 1, ord("0"), ord(" ")} - {content[at]}:
            with pytest.raises(LedgerBroken):
                check_file(content[:at] + bytes([byte]) + content[at + 1 :], keys)
    for other in (content[:-1], content + b" ", b"", b"{}", b"[]", b"\xff", content * 2, b" " * 2_000_000):
        with pytest.raises(LedgerBroken):
            check_file(other, keys)


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    found = [leaf for key, item in items for leaf in _leaves(item, (*path, key))]
    yield from found or [path]


def _other(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int():
            return value + 1
        case None:
            return "0"
        case str():
            return value[:-1] + ("1" if value[-1:] != "1" else "2")
    return "0"


async def test_each_altered_field_is_found_even_in_canonical_form(bench: Bench) -> None:
    """Whoever alters a field writes the file as it has to be written; only the signature and the chain tell then."""
    content, keys = await _file(bench), bench.keys
    whole = json.loads(content)
    statement = json.loads(base64.b64decode(whole["payload"]))
    changes: list[tuple[tuple[Any, ...], Callable[[], dict[str, Any]]]] = []
    for path in _leaves({name: part for name, part in whole.items() if name != "payload"}):
        changes.append((path, lambda path=path: _changed(whole, path)))  # type: ignore[misc]
    for path in _leaves(statement):
        changes.append((path, lambda path=path: {**whole, "payload": _encoded(_changed(statement, path))}))  # type: ignore[misc]
    assert len(changes) > 60
    for path, change in changes:
        with pytest.raises(LedgerBroken):
            check_file(canonical_json(change()) + b"\n", keys)
            pytest.fail(f"{path} can be altered")


async def test_the_proof_of_another_verdict_does_not_pass(bench: Bench) -> None:
    one_of_two, other = await bench.sign(finding()), await bench.sign(finding())
    await bench.seal()
    foreign = file_of(one_of_two, await prove(bench.database, bench.tenant.id, other.id))
    with pytest.raises(LedgerBroken, match="does not name this verdict"):
        check_file(foreign, bench.keys)


async def test_a_statement_has_one_form(bench: Bench) -> None:
    payload = base64.b64decode(json.loads((await bench.sign(finding())).envelope)["payload"])
    assert statement_bytes(parse_statement(payload)) == payload
    told = json.loads(payload)
    for altered in (
        json.dumps(told).encode(),
        canonical_json({**told, "more": 1}),
        canonical_json({**told, "predicateType": "urn:other"}),
        canonical_json({**told, "subject": []}),
        canonical_json({**told, "predicate": {**told["predicate"], "passed": False}}),
        b"{}",
        b"\xff",
    ):
        with pytest.raises(LedgerBroken):
            parse_statement(altered)


async def test_a_verdict_of_an_artefact_that_is_not_there_is_not_kept(bench: Bench) -> None:
    with pytest.raises(NotFound):
        await bench.sign(replace(finding(), parents=(new_id(),)))
    async with bench.database.tenant_tx(bench.tenant.id) as connection:
        assert await list_verdicts(connection) == []


def _changed(whole: dict[str, Any], path: tuple[Any, ...]) -> dict[str, Any]:
    copy = json.loads(json.dumps(whole))
    place = copy
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = _other(place[path[-1]])
    return dict(copy)


def _encoded(statement: dict[str, Any]) -> str:
    return base64.b64encode(canonical_json(statement)).decode()


async def _alter(bench: Bench, statement: str, **values: object) -> None:
    """Change rows as somebody does who holds the database."""
    async with await psycopg.AsyncConnection.connect(bench.database.addresses.owner) as connection:
        await connection.execute("set search_path = ondol, pg_temp")
        await connection.execute(statement, values)
