"""The job worker carries out what is asked, and every process forgets it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from ondol.application.erasure import erase_document
from ondol.infrastructure.ledger.erasure import Gone, get_erasure
from ondol.wiring.erasure import forget_gone, forgetting, run_erasures
from ondol.wiring.platform import assistant_room
from tests.application.conftest import House

pytestmark = pytest.mark.anyio


async def test_the_worker_carries_out_what_is_asked_and_every_process_forgets_it(house: House) -> None:
    house.write("light.md", "---\nid: light\n---\n# Lighthouse\n\nThe lighthouse opens with the word Sesame.\n")
    house.write("other.md", "# Harbour\n\nThe harbour is open.\n")
    await house.ingest()
    assert await house.titles("lighthouse Sesame") == ["Lighthouse"]
    platform, stop = house.platform, asyncio.Event()
    assistants = replace(assistant_room(platform, {}), states=house.states)
    kept, readers = platform.knowledge.texts._kept, platform.knowledge.shelf._readers
    assert (len(kept), len(readers)) == (1, 1)
    forgotten = asyncio.Event()

    def forget(gone: Gone) -> None:
        forget_gone(platform, gone, assistants)
        if not kept and not len(readers):
            forgotten.set()

    async with forgetting(platform, forget):
        working = asyncio.create_task(run_erasures(platform, stop))
        asked = await erase_document(platform.knowledge, house.tenant_id, "base", "light")
        async with asyncio.timeout(60):
            await forgotten.wait()
            while True:
                async with platform.database.tenant_tx(house.tenant_id) as connection:
                    if (await get_erasure(connection, asked.id)).state == "proved":
                        break
                await asyncio.sleep(0.05)
        stop.set()
        await working
    assert await house.titles("lighthouse Sesame harbour open") == ["Harbour"]
