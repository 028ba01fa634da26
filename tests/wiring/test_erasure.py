"""Every table that could hold something of a person or a document has an eraser, or a written reason."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from ondol.application.assistant.cache import Kept
from ondol.application.assistant.record import Answered
from ondol.application.knowledge.search import Found
from ondol.core.config import Settings
from ondol.core.ids import new_id
from ondol.infrastructure.ledger import ERASURE_STORES
from ondol.infrastructure.ledger.erasure import Gone
from ondol.infrastructure.serving.types import Usage
from ondol.infrastructure.storage.blobs import KeyOwner
from ondol.infrastructure.storage.folder import open_folder
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from ondol.wiring.erasure import LEFT, erasure_room, forget_gone
from ondol.wiring.platform import assistant_room, build_platform
from tests.application.conftest import SteppedClock

pytestmark = pytest.mark.anyio

PERSONAL = """
select table_name::text, column_name::text from information_schema.columns c
where table_schema = 'ondol' and (
    column_name like any (array[
        '%\\_sealed', '%\\_hash', '%\\_address', 'address', 'digest', 'person\\_id', '%\\_by', 'actor\\_id', 'rule', 'fingerprint'])
    or (table_name = 'people' and column_name = 'id'))
    and not exists (select from pg_inherits i where i.inhrelid = format('%I.%I', table_schema, table_name)::regclass)
order by 1, 2
"""


async def test_every_table_has_an_eraser_or_a_reason(addresses: DatabaseAddresses, tmp_path: Path) -> None:
    folder = open_folder(tmp_path / "data")
    platform = build_platform(Settings(data_dir=tmp_path / "data"), folder, addresses, SteppedClock())
    erasers = erasure_room(platform).erasers
    with psycopg.connect(addresses.owner) as owner:
        tables = {row[0] for row in owner.execute(PERSONAL).fetchall()}
        existing = {row[0] for row in owner.execute("select relname::text from pg_class where relnamespace = 'ondol'::regnamespace").fetchall()}
    await platform.close()
    covered = set[str]().union(*(eraser.tables for eraser in erasers))
    assert tables - covered - set(LEFT) == set(), "give each an eraser in its room's erasure.py, or a reason in wiring/erasure.py"
    assert (covered | set(LEFT)) - existing == set(), "there is no such table any more"
    assert len({eraser.name for eraser in erasers}) == len(erasers)
    stores = {store for kinds in ERASURE_STORES.values() for store in kinds} - {"external"}
    assert {"blobs" if store == "blob" else store for store in stores} <= {eraser.store for eraser in erasers}


async def test_a_worker_forgets_the_answers_that_it_keeps_for_others(addresses: DatabaseAddresses, tmp_path: Path) -> None:
    platform = build_platform(Settings(data_dir=tmp_path / "data"), open_folder(tmp_path / "data"), addresses, SteppedClock())
    assistants = assistant_room(platform, {})
    assert assistants.cache is not None
    answered = Answered("The limit is 200 mailboxes.", (), "answered", Usage(9, 9))
    found = Found((), {}, new_id(), None, 0, 0)
    assistants.cache.put(b"question", Kept(new_id(), new_id(), answered, found, platform.clock() + timedelta(hours=1)))
    assert len(assistants.cache) == 1
    forget_gone(platform, Gone(KeyOwner(new_id(), "document", new_id())), assistants)
    assert len(assistants.cache) == 0
    await platform.close()
