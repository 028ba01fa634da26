"""The nights of the demo tenant, on a whole platform, nobody acting: documents that change make items stale, and a broken index is rolled back."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ondol.application.assistant.release import create_release, let_live, wish_of
from ondol.application.assistant.store import find_assistant
from ondol.application.assistant.types import Assistant
from ondol.application.evaluation.golden.change import Change, put_version
from ondol.application.evaluation.golden.plain import item_of
from ondol.application.evaluation.golden.store import add_set
from ondol.application.evaluation.nightly import Look
from ondol.application.knowledge.index_versions import Wanted, build_version, find_version, start_version
from ondol.application.knowledge.ingest import IngestOptions, ingest_folder
from ondol.application.knowledge.store import find_base
from ondol.core.config import AlarmSettings, GuardSettings, Settings
from ondol.demo import documents_folder
from ondol.demo.golden import ASKERS, load_golden
from ondol.demo.make import make_demo
from ondol.infrastructure.access.people import find_person, find_tenant
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.ledger import LedgerSigner, public_keys_path, read_public_keys, seal_once, verify
from ondol.infrastructure.releases import Release, Why, find_release, list_moves
from ondol.infrastructure.storage.folder import open_folder
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from ondol.infrastructure.storage.postgres.database import rows
from ondol.wiring.nightly import plan_nights, run_due_nights, tell_of_nights
from ondol.wiring.platform import Platform, build_platform
from tests.application.conftest import SteppedClock

pytestmark = pytest.mark.anyio

SUITE = """
card: {name: help-nightly, owner: care@durubitnaru.example, purpose: Answers of the help desk., risk: limited, users: customers, success: {}}
target: {assistant: help}
cases: {golden: help@1}
scorers: [{name: correct, type: contains_all}]
gate: {primary: [{metric: correct, margin: 0.05}], coverage: 0.9}
"""


@dataclass
class Hook:
    """A webhook on a socket that keeps what it is sent."""

    url: str = ""
    told: list[dict[str, Any]] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        size = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        self.told.append(json.loads(await reader.readexactly(size)))
        writer.write(b"HTTP/1.1 204 X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


@dataclass
class Demo:
    """The demo tenant with a golden set of its own questions, evaluated each night."""

    platform: Platform
    clock: SteppedClock
    tenant: Tenant
    assistant: Assistant
    folder: Path
    hook: Hook

    async def release(self, index: str) -> Release:
        """Make a release over an index version, and let it serve."""
        wish = wish_of(self.assistant.settings, extractive=True)
        made = await create_release(self.platform.knowledge, self.tenant.id, self.assistant, wish, index)
        return await let_live(self.platform.knowledge, self.tenant.id, made.id, Why("improvement"))

    async def night(self) -> Look:
        """A day passes; the job of the night does what it does."""
        self.clock.advance(days=1)
        [look] = await run_due_nights(self.platform)
        await tell_of_nights(self.platform)
        return look

    async def serving(self) -> int:
        async with self.platform.database.tenant_tx(self.tenant.id) as connection:
            return (await find_release(connection, self.assistant.id, "live")).number

    async def ingest(self) -> None:
        await ingest_folder(self.platform.knowledge, self.tenant.id, "help", self.folder, IngestOptions(), lambda done, total: None)


@asynccontextmanager
async def hooked() -> AsyncIterator[Hook]:
    hook = Hook()
    server = await asyncio.start_server(hook.handle, "127.0.0.1", 0)
    hook.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server:
        yield hook


@pytest.fixture
async def demo(addresses: DatabaseAddresses, tmp_path: Path, anyio_backend: str) -> AsyncIterator[Demo]:
    clock = SteppedClock()
    async with hooked() as hook:
        alarms = GuardSettings(alarms=AlarmSettings(webhook_url=hook.url, webhook_private=True))
        settings = Settings(data_dir=tmp_path / "data", guard=alarms)
        platform = build_platform(settings, open_folder(tmp_path / "data"), addresses, clock)
        await make_demo(platform, lambda done, total: None)
        tenant = await find_tenant(platform.database, "demo")
        folder = tmp_path / "documents"
        shutil.copytree(documents_folder(), folder)
        async with platform.database.tenant_tx(tenant.id) as connection:
            assistant = await find_assistant(connection, "help")
        made = Demo(platform, clock, tenant, assistant, folder, hook)
        await _golden(made)
        await made.release("active")
        await plan_nights(platform, tenant, "help", SUITE, "website", 180, "rollback")
        yield made
        await platform.close()


async def _golden(demo: Demo) -> None:
    """The commercial questions that the documents answer, as version 1 of a golden set."""
    asked = [each for each in load_golden() if "-commerce-" in each.id and each.kind in ("answerable", "newest")]
    items = [
        item_of(
            {
                "id": each.id,
                "question": each.question,
                "expected": [each.answer],
                "documents": list(each.documents),
                "language": each.language,
                "must_contain": [list(group) for group in each.must_contain],
                "asker": ASKERS[each.asker].login,
            }
        )
        for each in asked
    ]
    platform, tenant_id, now = demo.platform, demo.tenant.id, demo.clock()
    async with platform.database.tenant_tx(tenant_id) as connection:
        base = await find_base(connection, "help")
        owner = await find_person(connection, platform.keyring, tenant_id, "admin@durubitnaru.example")
        golden = await add_set(connection, tenant_id, "help", split="test", owner_id=owner.id, base_id=base.id, by=None, now=now)
        await put_version(connection, platform.keyring, tenant_id, golden, Change(items=items), by=owner.id, now=now)


async def _emptied_index(demo: Demo) -> str:
    """A second index version that is built whole; whoever calls this empties it once a release serves it."""
    platform, tenant_id = demo.platform, demo.tenant.id
    async with platform.database.tenant_tx(tenant_id) as connection:
        base = await find_base(connection, "help")
        active = await find_version(connection, base.id, "active")
    made = await start_version(platform.knowledge, tenant_id, base.id, active.settings, Wanted())
    await build_version(platform.knowledge, tenant_id, made.id)
    return str(made.number)


async def _empty(demo: Demo, number: str) -> None:
    async with await psycopg.AsyncConnection.connect(demo.platform.database.addresses.owner) as owner:
        await owner.execute("set search_path = ondol, pg_temp")
        await owner.execute(
            "delete from index_segments s using index_versions v where v.tenant_id = s.tenant_id and v.id = s.index_id and v.number = %s",
            (int(number),),
        )


async def test_a_changed_document_is_flagged_and_a_broken_index_is_rolled_back(demo: Demo) -> None:
    first = await demo.night()
    assert (first.outcome, first.stale, demo.hook.told) == ("first", 0, [])
    assert first.figures["correct"]["mean"] > 0.5

    # The refund policy says something else: what was written from it is stale, and the assistant is not to blame.
    for language in ("ko", "en"):
        policy = demo.folder / language / "payment" / "refund-policy.md"
        policy.write_text(policy.read_text("utf-8").replace("30", "45"), "utf-8")
    await demo.ingest()
    flagged = await demo.night()
    assert (flagged.outcome, flagged.rolled_back_to) == ("steady", None)
    assert flagged.stale >= 4
    assert await demo.serving() == 2
    [told] = demo.hook.told
    assert (told["event"], told["tenant"], told["assistant"], told["outcome"]) == ("evaluation.nightly", "demo", "help", "steady")
    assert told["stale"] == flagged.stale

    # A release over an index that then loses all it holds.
    number = await _emptied_index(demo)
    assert (await demo.release(number)).number == 3
    await _empty(demo, number)
    broken = await demo.night()
    assert broken.outcome == "regression", broken.reason
    assert broken.baseline_run_id == flagged.run_id
    assert "correct is worse by" in broken.reason
    assert broken.reason.endswith("Rolled back to release 2.")
    assert await demo.serving() == 2
    assert (demo.hook.told[-1]["outcome"], demo.hook.told[-1]["rolled_back_to"]) == ("regression", str(broken.rolled_back_to))
    await _the_ledger_says_why(demo, broken)

    # What serves again is well.
    after = await demo.night()
    assert (after.outcome, after.baseline_run_id) == ("steady", flagged.run_id)
    assert len(demo.hook.told) == 2


async def _the_ledger_says_why(demo: Demo, broken: Look) -> None:
    platform = demo.platform
    async with platform.database.tenant_tx(demo.tenant.id) as connection:
        moves = await list_moves(connection, platform.keyring, demo.tenant.id, demo.assistant.id, limit=1)
        events = await rows(connection, "select body, actor_id from ledger_events where kind = 'nightly.regression'", {})
    assert [(move.kind, move.from_number, move.to_number, move.reason, move.actor_id) for move in moves] == [("rollback", 3, 2, "incident", None)]
    assert moves[0].note.startswith("Nightly evaluation: correct is worse by")
    assert [(event["body"]["look"], event["body"]["rolled_back_to"], event["actor_id"]) for event in events] == [
        (str(broken.id), str(broken.rolled_back_to), None)
    ]
    signer = LedgerSigner.open_or_create(platform.folder.ledger_key)
    while await seal_once(platform.database, signer, demo.clock()):
        pass
    keys = read_public_keys(public_keys_path(platform.folder.ledger_key))
    assert (await verify(platform.database, keys, tenant_id=demo.tenant.id)).unsealed.count == 0
