"""A restore of an older backup does not bring the erased back, by the commands that people type."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from ondol.core.errors import KeyDestroyed
from ondol.infrastructure.ledger.erasure import get_erasure
from ondol.infrastructure.storage.blobs import KeyOwner
from ondol.wiring.erasure import hide_what_came_back
from tests.application.erasure.conftest import Office
from tests.application.erasure.test_documents import filled

pytestmark = pytest.mark.anyio


async def ondol(office: Office, *arguments: object, status: int = 0) -> Any:
    """Run a command on the house's stores; what it printed, as JSON where it is some."""
    platform = office.house.platform
    environment = {**os.environ, "ONDOL_DATABASE_URL": platform.database.addresses.owner, "ONDOL_DATA_DIR": str(platform.folder.root)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "ondol.cli.main", *map(str, arguments), env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )  # fmt: skip
    told, complained = await process.communicate()
    assert process.returncode == status, complained.decode()
    return json.loads(told) if "--json" in arguments else told.decode() + complained.decode()


async def test_what_was_erased_after_the_backup_is_erased_again_before_anybody_is_served(office: Office, tmp_path: Path) -> None:
    await filled(office)
    house = office.house
    await office.ask("With which word does the blue lighthouse open?")
    [(document_id,)] = office.rows("select document_id from document_versions group by 1 having count(*) = 2")
    owner = KeyOwner(house.tenant_id, "document", document_id)
    backup = Path((await ondol(office, "db", "backup", tmp_path / "backups", "--json"))["folder"])
    assert list((backup / "keyring").rglob(f"{document_id}.key"))

    erased = await ondol(office, "erase", "--tenant", "acme", "--document", "light", "--base", "base", "--yes", "--json")
    assert (erased["state"], erased["replayed"]) == ("proved", False)
    assert (await ondol(office, "erasure", "verify", erased["id"], "--tenant", "acme", "--json"))["holds"] is True
    house.platform.keyring.forget(owner)

    told = await ondol(office, "db", "restore", backup, "--replace")
    assert "1 erasures from after the backup" in told
    assert not house.platform.keyring.exists(owner)
    with pytest.raises(KeyDestroyed):
        house.platform.keyring.get_or_create(owner)
    assert office.rows("select state, replayed from erasures") == [("proved", True)]
    assert office.rows("select count(*) from document_versions where document_id = %s and details_sealed <> ''", document_id) == [(0,)]
    assert office.rows("select count(*) from answers where content_sealed <> ''") == [(0,)]
    assert "Lighthouse" not in await house.titles("blue lighthouse Sesame")
    [listed] = await ondol(office, "erasure", "list", "--tenant", "acme", "--json")
    assert (await ondol(office, "erasure", "verify", listed["id"], "--tenant", "acme", "--json"))["holds"] is True


async def test_where_the_key_ring_is_lost_a_newer_backup_says_what_was_erased(office: Office, tmp_path: Path) -> None:
    await filled(office)
    older = Path((await ondol(office, "db", "backup", tmp_path / "older", "--json"))["folder"])
    proved = await office.erase("light")
    newer = Path((await ondol(office, "db", "backup", tmp_path / "newer", "--json"))["folder"])
    keyring = office.house.platform.folder.keyring
    for tombstone in [path for path in (keyring / "tombstones").rglob("*") if path.is_file()]:
        tombstone.unlink()
    told = await ondol(office, "db", "restore", older, "--replace", "--erased-in", newer)
    assert "1 erasures from after the backup" in told
    assert not list(keyring.rglob(f"{proved.target_id}.key"))
    assert office.rows("select state, replayed from erasures") == [("proved", True)]


async def test_a_worker_hides_what_another_way_of_restoring_brought_back(office: Office) -> None:
    """The database was restored by its owner's own tools, and the key with a copy of the key ring."""
    await filled(office)
    house, platform = office.house, office.house.platform
    [(document_id,)] = office.rows("select document_id from document_versions group by 1 having count(*) = 2")
    owner = KeyOwner(house.tenant_id, "document", document_id)
    [file] = office.files("keyring", str(document_id))
    key = file.read_bytes()
    platform.keyring.bury(owner, house.clock())
    file.write_bytes(key)
    assert await house.titles("blue lighthouse Sesame")
    [(tenant_id, erasure_id)] = await hide_what_came_back(platform)
    assert "Lighthouse" not in await house.titles("blue lighthouse Sesame")
    assert not file.exists()
    assert tenant_id == house.tenant_id
    assert await hide_what_came_back(platform) == [], "it is known by now"
    async with platform.database.tenant_tx(tenant_id) as connection:
        assert (await get_erasure(connection, erasure_id)).replayed


async def test_commands_that_make_no_sense_change_nothing(office: Office) -> None:
    await filled(office)
    for words in (
        ["--document", "light"],
        ["--subject", "visitor", "--base", "base"],
        ["--document", "light", "--base", "base", "--subject", "visitor"],
        ["--document", "light", "--base", "base", "--with-documents"],
        [],
        ["--document", "light", "--base", "base", "--reason", "he asked"],
        ["--document", "nothing", "--base", "base"],
    ):
        told = await ondol(office, "erase", "--tenant", "acme", "--yes", *words, status=1)
        assert told.startswith("Error:")
        assert "Traceback" not in told
    assert "Aborted" in await ondol(office, "erase", "--tenant", "acme", "--document", "light", "--base", "base", status=1)
    assert office.rows("select count(*) from erasures") == [(0,)]
