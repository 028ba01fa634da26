from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from ondol.core.config import HttpSettings, KeySettings, Settings
from ondol.core.errors import DataFolderError, SettingsError
from ondol.infrastructure.storage import folder as storage_folder
from ondol.infrastructure.storage.folder import FolderLock
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from ondol.wiring import stores
from ondol.wiring.doctor import examine
from ondol.wiring.platform import assistant_room, key_provider, open_platform, opened_router
from tests.application.conftest import SteppedClock

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("http", "wanted"),
    [
        (HttpSettings(), "http://127.0.0.1:8700"),
        (HttpSettings(host="0.0.0.0", port=80), "http://127.0.0.1:80"),
        (HttpSettings(host="::1"), "http://[::1]:8700"),
        (HttpSettings(tls_certificate="c.pem"), "https://127.0.0.1:8700"),
        (HttpSettings(public_url="https://ai.example.com/"), "https://ai.example.com"),
    ],
)
def test_the_address_that_people_type(http: HttpSettings, wanted: str) -> None:
    assert stores.base_url(Settings(http=http)) == wanted


def test_the_root_key_comes_from_where_the_settings_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = storage_folder.open_folder(tmp_path / "data")
    from_file = key_provider(Settings(data_dir=folder.root), folder)
    assert folder.root_key.is_file()
    monkeypatch.setenv("ONDOL_ROOT_KEY", "not base64 of 32 bytes")
    environment = Settings(data_dir=folder.root, keys=KeySettings(provider="environment"))
    with pytest.raises(SettingsError):
        key_provider(environment, folder)
    assert key_provider(Settings(data_dir=folder.root), folder).key_id == from_file.key_id


async def test_a_foreign_postgres_is_migrated_and_used(addresses: DatabaseAddresses, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    settings = replace(settings, database=replace(settings.database, url=addresses.owner))
    async with open_platform(settings, clock=SteppedClock()) as platform:
        async with platform.database.system_tx() as connection:
            assert await (await connection.execute("select count(*) as count from tenants")).fetchone() == {"count": 0}
        assert assistant_room(platform, {}).generator is None
        assert not (tmp_path / "data" / "postgres").exists()


async def test_an_api_key_in_the_settings_makes_assistants_generate(addresses: DatabaseAddresses, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    settings = replace(settings, database=replace(settings.database, url=addresses.owner), model=replace(settings.model, api_key="sk-test"))
    async with open_platform(settings, clock=SteppedClock()) as platform, opened_router() as router:
        generator = assistant_room(platform, {}, router).generator
        assert generator is not None
        assert generator.model == "gpt-4o-mini"


def test_a_held_folder_whose_postgres_is_silent_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = storage_folder.open_folder(tmp_path / "data")
    holder = FolderLock(folder)
    assert holder.acquire()
    monkeypatch.setattr(stores, "WAIT_FOR_STORES_S", 0.2)

    async def join() -> None:
        async with open_platform(Settings(data_dir=folder.root)):
            raise AssertionError("it opened")

    with pytest.raises(DataFolderError, match="in use by process"):
        asyncio.run(join())
    holder.release()


def test_doctor_says_what_is_missing_before_the_first_start(tmp_path: Path) -> None:
    findings = {finding.check: finding for finding in examine(Settings(data_dir=tmp_path / "absent"))}
    assert findings["installation"].state == "warning"
    assert "ondol up" in findings["installation"].mend
    assert not (tmp_path / "absent").exists()


def test_a_start_that_fails_leaves_no_postgres_behind(open_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = storage_folder.open_folder(open_folder / "failing")
    failing = stores.Stores(Settings(data_dir=folder.root), folder)

    def refuse(addresses: DatabaseAddresses) -> list[str]:
        raise DataFolderError(f"It is of another version: {addresses is not None}.")

    monkeypatch.setattr(stores, "migrate", refuse)
    with pytest.raises(DataFolderError, match="another version"):
        failing.start_or_join()
    assert not (folder.postgres / "data" / "postmaster.pid").exists()
    lock = FolderLock(folder)
    assert lock.acquire()
    lock.release()
