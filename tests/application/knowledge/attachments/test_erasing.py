"""Erasing a person takes the files that they brought, with a receipt; the nightly sweep takes what a killed process left of one."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest

from ondol.application.erasure import erase_subject
from ondol.application.knowledge.attachments.store import standing_ids
from ondol.application.knowledge.sweep import sweep_unnamed
from ondol.infrastructure.ledger.erasure import carry_out, check_receipt
from ondol.infrastructure.ledger.signing import public_keys_path, read_public_keys
from ondol.infrastructure.storage.blobs import KeyOwner
from ondol.wiring.erasure import erasure_room, hide_what_came_back
from tests.application.assistant.conftest import Desk
from tests.application.knowledge.attachments.conftest import LEASE, MENU, Files, new

pytestmark = pytest.mark.anyio
QUESTION = "How much is the rent of the Harbour Street office?"
STEPS = ("attachment_keys", "attachment_blobs", "attachments")


def counts(receipt: dict[str, Any] | None, name: str) -> tuple[int, int, int]:
    """What an eraser found, and what its probe saw before and after."""
    assert receipt is not None
    [step] = [each for each in receipt["stores"] if each["name"] == name]
    return step["found"], step["probe_before"], step["probe_after"]


async def test_a_persons_files_are_erased_with_them(files: Files, desk: Desk) -> None:
    asked, waiting = await files.bring(LEASE), await files.bring(MENU, "menu.md")
    broken = await files.read(await files.send(b"%PDF-1.7", "broken.pdf"))
    others = await files.bring(LEASE, who="support")
    await desk.ask(QUESTION, thread=new(asked))
    platform, tenant_id = desk.house.platform, desk.house.tenant_id
    hidden = await erase_subject(platform.knowledge, tenant_id, "visitor")
    room = erasure_room(platform)
    proved = await carry_out(room, tenant_id, hidden.id)
    assert (proved.state, proved.failure) == ("proved", "")
    assert counts(proved.receipt, "attachments") == (3, 3, 0)
    assert counts(proved.receipt, "attachment_keys") == (2, 2, 0), "what could not be read has none"
    found, before, after = counts(proved.receipt, "attachment_blobs")
    assert (found, before, after) == (2, 6, 0), "the file, its text and its terms"
    assert [files.sealed(one) for one in (asked, waiting, broken.id)] == [[], [], []]
    assert files.sealed(others) != []
    checked = await check_receipt(room, read_public_keys(public_keys_path(platform.folder.ledger_key)), proved)
    assert {name: checked.found_again[name] for name in STEPS} == dict.fromkeys(STEPS, 0)
    assert platform.keyring.is_buried(KeyOwner(tenant_id, "document", asked))
    assert await hide_what_came_back(platform) == [], "the database has their tombstones too"


async def test_an_erasure_that_finds_a_file_left_is_not_proved(files: Files, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await files.bring(LEASE)
    platform, tenant_id = desk.house.platform, desk.house.tenant_id

    async def nothing(*_: object) -> None:
        """As if the store kept what it was told to delete."""

    monkeypatch.setattr("ondol.application.knowledge.attachments.erasure.discard_files", nothing)
    hidden = await erase_subject(platform.knowledge, tenant_id, "visitor")
    failed = await carry_out(erasure_room(platform), tenant_id, hidden.id)
    assert (failed.state, failed.failure) == ("failed", "remains.attachment_blobs")


async def test_the_sweep_leaves_files_that_are_there_and_takes_the_rest(files: Files, desk: Desk) -> None:
    kept, lost = await files.bring(LEASE), await files.bring(MENU, "menu.md")
    house = desk.house
    with psycopg.connect(house.platform.database.addresses.owner) as owner:
        owner.execute("delete from ondol.attachments where id = %s", (lost,))
    house.clock.advance(days=40_000)  # ids carry the time of the machine, and rights are given by it
    await sweep_unnamed(house.platform.knowledge, house.tenant_id)
    assert (files.sealed(kept), files.sealed(lost)) == (["key", "original", "terms", "text"], [])
    async with house.platform.database.tenant_tx(house.tenant_id) as connection:
        assert await standing_ids(connection, [kept, uuid.UUID(int=0)]) == frozenset(), "it is in no thread yet"
