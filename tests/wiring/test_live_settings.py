from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from ondol.core.config import HttpSettings, Settings, load_settings
from ondol.core.errors import SettingsError
from ondol.wiring.live_settings import LiveSettings, as_live

pytestmark = pytest.mark.anyio


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "ondol.yaml"
    made.write_text("http: {idle_timeout_s: 10}\n")
    return made


@pytest.fixture
def live(file: Path) -> LiveSettings:
    """As for a file that is taken when it is there."""
    return LiveSettings(lambda: load_settings(file, {}) if file.exists() else Settings(), file)


async def looked(live: LiveSettings) -> HttpSettings:
    """What is in force of http after the two looks that a change takes."""
    await live.look()
    await live.look()
    return live.now.http


async def test_a_change_is_taken_up_once_it_rests(live: LiveSettings, file: Path) -> None:
    assert live.now.http.idle_timeout_s == 10
    file.write_text("http: {idle_timeout_s: 20")
    await live.look()
    file.write_text("http: {idle_timeout_s: 20}\n")
    await live.look()
    assert (live.now.http.idle_timeout_s, live.trouble) == (10, ""), "half a file was met, and nobody minded"
    assert (await looked(live)).idle_timeout_s == 20


async def test_the_same_time_and_size_do_not_hide_a_change(live: LiveSettings, file: Path) -> None:
    import os

    before = file.stat()
    file.write_text("http: {idle_timeout_s: 11}\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.stat().st_size == before.st_size
    assert (await looked(live)).idle_timeout_s == 11


@pytest.mark.parametrize("broken", ["http: [", "http: {idle_timeout_s: 0}", "http: {idle_timeout: 9}", "[1, 2]", "log: {level: loud}", "\x00", None])
async def test_what_cannot_be_used_changes_nothing_and_is_told(
    live: LiveSettings, file: Path, broken: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    if broken is None:
        file.unlink()
    else:
        file.write_text(f"model: {{api_key: hunter2-hunter2}}\n{broken}")
    assert (await looked(live)).idle_timeout_s == 10
    assert (live.now.model.api_key, bool(live.trouble)) == ("", True)
    await looked(live)
    [told] = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert told.getMessage() == "changed settings cannot be used, the former ones stay"
    assert "hunter2" not in str(vars(told))
    file.write_text("http: {idle_timeout_s: 10}\n")
    assert ((await looked(live)).idle_timeout_s, live.trouble) == (10, ""), "mended as it was"
    file.write_text("http: {idle_timeout_s: 30}\n")
    assert (await looked(live)).idle_timeout_s == 30


async def test_a_file_that_cannot_be_read_changes_nothing(live: LiveSettings, file: Path) -> None:
    file.unlink()
    file.mkdir()
    assert (await looked(live)).idle_timeout_s == 10
    assert live.trouble


async def test_what_needs_a_restart_is_named_once_and_the_rest_is_in_force(live: LiveSettings, file: Path, caplog: pytest.LogCaptureFixture) -> None:
    file.write_text("http: {idle_timeout_s: 20, port: 1, workers: 9}\ndatabase: {url: 'postgresql://a:hunter2@b/c'}\n")
    http = await looked(live)
    assert (http.idle_timeout_s, http.port, http.workers, live.now.database.url) == (20, 8700, 2, "")
    file.write_text(file.read_text() + "\n")
    await looked(live)
    [told] = [vars(record)["names"] for record in caplog.records if record.getMessage() == "changed settings need a restart"]
    assert told == "http.port, http.workers, database.url"
    assert "hunter2" not in caplog.text


async def test_all_of_it_or_nothing(live: LiveSettings, file: Path) -> None:
    """Whoever follows makes what is new before anything is in force: one that cannot leaves the others as they were."""
    put: list[int] = []

    def first(http: HttpSettings) -> Callable[[], None]:
        return lambda: put.append(http.idle_timeout_s)

    def second(proxies: str) -> Callable[[], None]:
        raise SettingsError(f"{proxies} cannot be used.")

    live.follow(lambda settings: settings.http, first)
    live.follow(lambda settings: settings.http.trusted_proxies, second)
    file.write_text("http: {idle_timeout_s: 20, trusted_proxies: all}\n")
    assert (await looked(live)).idle_timeout_s == 10
    assert (put, live.trouble) == ([], "all cannot be used.")
    file.write_text("http: {idle_timeout_s: 21}\n")
    assert (await looked(live)).idle_timeout_s == 21
    assert put == [21]
    file.write_text("http: {idle_timeout_s: 21}\nlog: {level: debug}\n")
    await looked(live)
    assert put == [21], "who follows another part is left alone"


async def test_settings_without_a_file_stay() -> None:
    live = as_live(Settings())
    assert as_live(live) is live
    async with live.watched():
        await looked(live)
    assert live.now == Settings()
