"""The checks behind `ondol doctor`: each looks at one thing and says how to mend it."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from importlib import resources
from pathlib import Path
from typing import Literal

import psycopg

from ondol.core.config import Settings
from ondol.core.errors import OndolError
from ondol.core.ids import new_id
from ondol.infrastructure.ledger import unsealed
from ondol.infrastructure.storage.blobs import KeyOwner
from ondol.infrastructure.storage.postgres.care import open_tables, risky_roles, server_time
from ondol.wiring.platform import Platform, open_platform

FREE_BYTES_MIN = 1024 * 1024 * 1024
CLOCK_SKEW_MAX = timedelta(seconds=5)
UNSEALED_AGE_MAX = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. `mend` is what to do about it."""

    check: str
    state: Literal["ok", "warning", "failed"]
    found: str
    mend: str = ""


Check = Callable[[Platform], Awaitable[Finding]]


def examine(settings: Settings, *, production: bool = False) -> list[Finding]:
    """Run all checks. With `production` also those that fail what only suits an evaluation."""
    findings = [_python(), _assets(), _disk(settings)]
    if not settings.data_dir.exists() and not settings.database.url:
        findings.append(Finding("installation", "warning", f"{settings.data_dir} is not there yet", "`ondol up` makes it."))
    else:
        findings += _stores(settings)
    if production:
        findings += _production(settings)
    return findings


def _python() -> Finding:
    found = f"Python {sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    return Finding("python", "ok" if sys.version_info >= (3, 11) else "failed", found, "Install Python 3.11 or newer.")


def _assets() -> Finding:
    vendor = resources.files("ondol.application.console") / "static" / "vendor"
    names = sorted(entry.name for entry in vendor.iterdir() if not entry.name.startswith(".")) if vendor.is_dir() else []
    if not names:
        return Finding("page assets", "failed", "the pages' third-party scripts are not there", "Run `make assets`.")
    return Finding("page assets", "ok", ", ".join(names))


def _disk(settings: Settings) -> Finding:
    place = settings.data_dir.absolute()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    state: Literal["ok", "failed"] = "ok" if free >= FREE_BYTES_MIN else "failed"
    return Finding("disk", state, f"{free / 2**30:.1f} GiB free for {settings.data_dir}", "Free some space.")


def _stores(settings: Settings) -> list[Finding]:
    async def run() -> list[Finding]:
        async with open_platform(settings) as platform:
            return [await _guarded(name, check, platform) for name, check in _CHECKS.items()]

    try:
        return asyncio.run(run())
    except OndolError as error:
        return [Finding("stores", "failed", error.message, error.hint)]


async def _guarded(name: str, check: Check, platform: Platform) -> Finding:
    try:
        return await check(platform)
    except (OndolError, psycopg.Error, OSError) as error:
        return Finding(name, "failed", str(error), getattr(error, "hint", "") or "Read the message; the database's log is in the data folder.")


async def _postgres(platform: Platform) -> Finding:
    now, version = await server_time(platform.database)
    skew = abs(platform.clock() - now)
    if skew > CLOCK_SKEW_MAX:
        return Finding("postgres", "failed", f"its clock differs by {skew.total_seconds():.0f} s", "Keep both machines' clocks with NTP.")
    kind = "your own" if platform.settings.database.url else "embedded"
    return Finding("postgres", "ok", f"PostgreSQL {version // 10000}.{version % 10000}, {kind}, answers")


async def _roles(platform: Platform) -> Finding:
    if risky := await risky_roles(platform.database):
        return Finding("roles", "failed", f"{', '.join(risky)} may pass row-level security", "alter role … nosuperuser nobypassrls nocreaterole")
    return Finding("roles", "ok", "neither door may pass row-level security")


async def _row_security(platform: Platform) -> Finding:
    if found := await open_tables(platform.database):
        return Finding("row security", "failed", f"not forced on {', '.join(found)}", "alter table … force row level security")
    return Finding("row security", "ok", "forced on every tenant table")


async def _keyring(platform: Platform) -> Finding:
    owner = KeyOwner(new_id(), "tenant", new_id())
    made = await asyncio.to_thread(platform.keyring.create, owner)
    read = await asyncio.to_thread(platform.keyring.get, owner)
    await asyncio.to_thread(platform.keyring.destroy, owner)
    return Finding("key ring", "ok" if made == read else "failed", f"a key was made, read and destroyed ({platform.settings.keys.provider})")


async def _blobs(platform: Platform) -> Finding:
    tenant_id = new_id()
    owner = KeyOwner(tenant_id, "tenant", tenant_id)
    path = f"{tenant_id}/doctor"

    def probe() -> bool:
        platform.keyring.create(owner)
        try:
            platform.blobs.put(owner, path, b"ondol doctor")
            return platform.blobs.read(owner, path, max_bytes=100) == b"ondol doctor"
        finally:
            platform.blobs.delete(path)
            platform.keyring.destroy(owner)

    return Finding("blobs", "ok" if await asyncio.to_thread(probe) else "failed", "a sealed blob was written, read and deleted")


async def _index(platform: Platform) -> Finding:
    await asyncio.to_thread(platform.lance.warm_up)
    return Finding("index", "ok", "LanceDB opens its root")


async def _ledger(platform: Platform) -> Finding:
    waiting = await unsealed(platform.database)
    if waiting.oldest_at is not None and platform.clock() - waiting.oldest_at > UNSEALED_AGE_MAX:
        return Finding("ledger", "warning", f"{waiting.count:,} events wait to be sealed", "Start the job worker: `ondol up` or `ondol work`.")
    return Finding("ledger", "ok", f"{waiting.count:,} events wait to be sealed")


_CHECKS: dict[str, Check] = {
    "postgres": _postgres,
    "roles": _roles,
    "row security": _row_security,
    "key ring": _keyring,
    "blobs": _blobs,
    "index": _index,
    "ledger": _ledger,
}


def _production(settings: Settings) -> list[Finding]:
    backup = Path(settings.backup.directory) if settings.backup.directory else None
    secure = bool(settings.http.tls_certificate) or settings.http.public_url.startswith("https://")
    return [
        _must(
            "own postgres",
            bool(settings.database.url),
            "the embedded Postgres suits an evaluation",
            "Set ONDOL_DATABASE_URL to a server with backups.",
        ),
        _must(
            "key provider", settings.keys.provider != "file", "the root key lies in a file beside the data", "Set ONDOL_KEYS_PROVIDER=environment."
        ),
        _must(
            "tls", secure, "pages and keys travel in the clear", "Set http.tls_certificate and http.tls_key, or http.public_url behind a TLS proxy."
        ),
        _must("backup", backup is not None and backup.is_dir(), "no backup is set up", "Set ONDOL_BACKUP_DIRECTORY and run `ondol db backup` daily."),
    ]


def _must(check: str, holds: bool, found: str, mend: str) -> Finding:
    return Finding(f"production: {check}", "ok", "set") if holds else Finding(f"production: {check}", "failed", found, mend)
