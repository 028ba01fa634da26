"""The ledger over real HTTP: a tenant's own events with proofs that a stranger can check, how the chain goes on, and who may read it."""

from __future__ import annotations

import hashlib
import json
import uuid
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from ondol.core.ids import new_id
from ondol.infrastructure.access.people import find_tenant
from ondol.infrastructure.gateway.admin_api.ledger import NEXT_HEADER, SUBJECT_DAYS
from ondol.infrastructure.ledger import LedgerSigner, record, seal_once
from ondol.infrastructure.ledger.chain import SIGNING_PURPOSE
from ondol.infrastructure.ledger.merkle import root_of_path
from ondol.infrastructure.ledger.signing import key_id_of, signature_holds
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from tests.wiring.test_admin_gateway import Api, api

pytestmark = pytest.mark.anyio

__all__ = ["api"]


async def write(api: Api, kind: str, body: dict[str, Any], *, slug: str = "acme", actor_id: uuid.UUID | None = None) -> uuid.UUID:
    tenant = await find_tenant(api.platform.database, slug)
    event_id = new_id(int(api.clock.now.timestamp() * 1000))
    async with api.platform.database.tenant_tx(tenant.id) as connection:
        return await record(connection, tenant.id, kind=kind, actor_id=actor_id, body=body, now=api.clock.now, event_id=event_id)


async def seal(api: Api) -> LedgerSigner:
    signer = LedgerSigner.open_or_create(api.platform.folder.ledger_key)
    while await seal_once(api.platform.database, signer, api.clock.now) is not None:
        pass
    return signer


def holds(proof: dict[str, Any], signer: LedgerSigner) -> bool:
    """What whoever reads the proof does, with hashes and the public key alone."""
    batch = proof["batch"]
    leaf = hashlib.sha256(proof["text"].encode()).digest()
    said = json.loads(batch["text"])
    root = root_of_path(leaf, proof["place"], said["event_count"], [bytes.fromhex(beside) for beside in proof["path"]])
    digest = hashlib.sha256(batch["text"].encode()).digest()
    signed = signature_holds(signer.public_key, SIGNING_PURPOSE, digest, bytes.fromhex(batch["signature"]))
    return root is not None and root.hex() == said["root"] and digest.hex() == batch["digest"] and signed


async def test_events_are_listed_by_kind_actor_subject_and_time(api: Api) -> None:
    subject = new_id()
    owner = next(person["id"] for person in (await api.did("auditor", "GET", "/people"))["people"] if person["login"] == "owner")
    first = await write(api, "trial.first", {"n": 1}, actor_id=uuid.UUID(owner))
    api.clock.now += timedelta(hours=1)
    middle = api.clock.now
    second = await write(api, "trial.second", {"deep": {"of": [subject]}})
    foreign = await write(api, "trial.first", {"of": subject}, slug="other")
    listed = await api.did("auditor", "GET", "/ledger/events?kind=trial.first&kind=trial.second")
    assert [(event["id"], event["actor"], event["batch"], event["sound"]) for event in listed["events"]] == [
        (str(second), "", None, True),
        (str(first), "owner", None, True),
    ]
    assert listed["next"] is None

    async def ids(query: str) -> list[str]:
        return [event["id"] for event in (await api.did("owner", "GET", f"/ledger/events?{query}"))["events"]]

    assert await ids("kind=trial.first") == [str(first)], "those of another tenant are not there"
    assert await ids("actor=OWNER&kind=trial.first") == await ids(f"actor={owner}&kind=trial.first") == [str(first)]
    assert await ids(f"subject={subject}") == [str(second)]
    at = middle.isoformat().replace("+", "%2B")
    assert str(second) in await ids(f"since={at}") and str(first) not in await ids(f"since={at}")
    assert str(first) in await ids(f"until={at}") and str(second) not in await ids(f"until={at}")
    assert str(first) not in await ids("without=trial.first") and str(second) in await ids("without=trial.first")
    assert await api.ask("owner", "GET", "/ledger/events?actor=nobody-like-that") == (404, "person_not_found")
    assert (await api.ask("owner", "GET", f"/ledger/events/{foreign}")) == (404, "not_found")


async def test_pages_follow_each_other_without_a_gap(api: Api) -> None:
    made = [str(await write(api, "trial.many", {"n": number})) for number in range(5)]
    found: list[str] = []
    before = ""
    for _ in range(3):
        page = await api.did("owner", "GET", f"/ledger/events?kind=trial.many&limit=2{before}")
        found += [event["id"] for event in page["events"]]
        before = f"&before={page['next']}"
    assert found == sorted(made, reverse=True) and page["next"] is None


async def test_a_search_for_what_is_named_does_not_read_all_of_history(api: Api) -> None:
    subject = new_id()
    await write(api, "trial.old", {"of": subject})
    api.clock.now += timedelta(days=SUBJECT_DAYS + 1)
    found = await api.did("owner", "GET", f"/ledger/events?subject={subject}")
    assert found["events"] == [] and found["since"] is not None
    assert len((await api.did("owner", "GET", f"/ledger/events?subject={subject}&since=2001-01-01T00:00:00Z"))["events"]) == 1


async def test_a_proof_holds_and_one_of_an_altered_event_does_not(api: Api, addresses: DatabaseAddresses) -> None:
    ids = [await write(api, "trial.proved", {"n": number}) for number in range(3)]
    waiting = await api.did("auditor", "GET", f"/ledger/events/{ids[1]}")
    assert waiting["proof"] is None and (await api.did("owner", "GET", "/ledger/head"))["head"] is None
    signer = await seal(api)
    found = await api.did("auditor", "GET", f"/ledger/events/{ids[1]}")
    proof = found["proof"]
    assert holds(proof, signer) and proof["public_key"] == signer.public_key.hex()
    assert json.loads(proof["text"])["body"] == {"n": 1}
    assert not holds({**proof, "text": proof["text"].replace('"n":1', '"n":2')}, signer)
    with psycopg.connect(addresses.owner, autocommit=True) as owner:
        owner.execute("update ondol.ledger_events set body = '{\"n\": 7}' where id = %s", (ids[1],))
        altered = await api.did("auditor", "GET", f"/ledger/events/{ids[1]}")
        assert altered["event"]["sound"] is False and not holds(altered["proof"], signer)
        owner.execute("update ondol.ledger_events set body = '{\"n\": 1.5}' where id = %s", (ids[1],))
        assert await api.ask("auditor", "GET", f"/ledger/events/{ids[1]}") == (409, "ledger_broken")
        assert [event["id"] for event in (await api.did("owner", "GET", "/ledger/events?kind=trial.proved"))["events"] if not event["sound"]] == [
            str(ids[1])
        ]


async def test_the_chain_goes_on_from_a_head_that_was_seen(api: Api) -> None:
    await write(api, "trial.chain", {"n": 1})
    signer = await seal(api)
    seen = (await api.did("owner", "GET", "/ledger/head"))["head"]
    for number in range(3):
        await write(api, "trial.chain", {"n": number})
        await seal(api)
    head = await api.did("owner", "GET", "/ledger/head")
    previous, after = seen["digest"], seen["number"]
    links: list[dict[str, Any]] = []
    while after is not None:
        page = await api.did("auditor", "GET", f"/ledger/chain?after={after}&limit=2")
        links += page["links"]
        after = page["next"]
    for link in links:
        assert json.loads(link["text"])["previous_digest"] == previous
        assert hashlib.sha256(link["text"].encode()).hexdigest() == link["digest"]
        previous = link["digest"]
    assert (links[-1], previous, head["waiting"]) == (head["head"], head["head"]["digest"], 0)
    assert (await api.did("owner", "GET", f"/ledger/chain?after=0&until={seen['number']}"))["links"][-1] == seen
    keys = (await api.did("owner", "GET", "/ledger/keys"))["keys"]
    assert keys == [{"id": signer.key_id, "public_key": signer.public_key.hex(), "revoked": False}]
    assert key_id_of(bytes.fromhex(head["public_key"])) == head["head"]["signer"]


async def test_events_come_out_as_lines_and_that_is_an_event(api: Api) -> None:
    made = sorted([await write(api, "trial.lines", {"n": number}) for number in range(3)])
    answer = await api.raw("auditor", "GET", "/ledger/export?kind=trial.lines&limit=2")
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert [line["id"] for line in lines] == [str(made[2]), str(made[1])]
    assert answer.headers["content-type"].startswith("application/jsonl") and answer.headers[NEXT_HEADER] == str(made[1])
    rest = await api.raw("auditor", "GET", f"/ledger/export?kind=trial.lines&limit=2&before={made[1]}")
    assert [json.loads(line)["id"] for line in rest.text.splitlines()] == [str(made[0])] and NEXT_HEADER not in rest.headers
    assert ("ledger.exported", {"events": 2}) in await api.events()


async def test_members_read_nothing_of_it(api: Api) -> None:
    for path in ("events", f"events/{new_id()}", "export", "head", "chain", "keys"):
        assert await api.ask("member", "GET", f"/ledger/{path}") == (403, "role_required")
