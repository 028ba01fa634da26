"""Every table that could hold something of a person or a document has an eraser, or a written reason."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from ondol.core.config import Settings
from ondol.infrastructure.ledger import ERASURE_STORES
from ondol.infrastructure.storage.folder import open_folder
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from ondol.wiring.erasure import LEFT, erasure_room
from ondol.wiring.platform import build_platform
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
    await platform.database.close()
    platform.lance.close()
    covered = set[str]().union(*(eraser.tables for eraser in erasers))
    assert tables - covered - set(LEFT) == set(), "give each an eraser in its room's erasure.py, or a reason in wiring/erasure.py"
    assert (covered | set(LEFT)) - existing == set(), "there is no such table any more"
    assert len({eraser.name for eraser in erasers}) == len(erasers)
    stores = {store for kinds in ERASURE_STORES.values() for store in kinds} - {"external"}
    assert {"blobs" if store == "blob" else store for store in stores} <= {eraser.store for eraser in erasers}
