"""`ondol db`."""

from __future__ import annotations

import dataclasses
import json
import shutil
from datetime import timedelta
from pathlib import Path

import click

from ondol import __version__
from ondol.cli.main import settings_of
from ondol.cli.output import print_json, print_table, say
from ondol.cli.running import with_platform
from ondol.core.clock import utc_now
from ondol.core.config import Settings
from ondol.core.errors import UserError
from ondol.wiring.platform import Platform


@click.group("db")
def command() -> None:
    """Migrate, back up, restore and sweep the database."""


_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@command.command("migrate")
@click.pass_context
def migrate_now(context: click.Context) -> None:
    """Bring the database to this version. `ondol up` does it too."""
    from ondol.infrastructure.storage.postgres.migrate import migrate

    async def work(platform: Platform) -> None:
        ran = migrate(platform.database.addresses)
        say("\n".join(ran) if ran else "The database is at this version.")

    with_platform(settings_of(context), work)


@command.command("status")
@_json
@click.pass_context
def status(context: click.Context, as_json: bool) -> None:
    """Show the server, its size and the migrations that have run."""
    from ondol.infrastructure.storage.postgres.migrate import server_status

    async def work(platform: Platform) -> None:
        version, size, ran = server_status(platform.database.addresses)
        found = {
            "server": f"{version // 10000}.{version % 10000}",
            "embedded": not platform.settings.database.url,
            "size_bytes": size,
            "migrations": [{"name": name, "ran_at": ran_at} for name, ran_at in ran],
        }
        if as_json:
            print_json(found)
            return
        say(f"PostgreSQL {found['server']}, {'embedded' if found['embedded'] else 'your own'}, {size // 2**20:,} MiB")
        print_table([{"migration": name, "ran_at": ran_at} for name, ran_at in ran], "No migration has run.")

    with_platform(settings_of(context), work)


@command.command("backup")
@click.argument("directory", required=False, type=click.Path(path_type=Path, file_okay=False))
@_json
@click.pass_context
def backup(context: click.Context, directory: Path | None, as_json: bool) -> None:
    """Back up the database and the key ring into a new folder below DIRECTORY (backup.directory).

    Sealed blobs are files of the blob store: copy them with your own tool, after this. The index is rebuilt and never backed up. Keep
    key-ring backups for a short time only: an erasure is complete when the last backup that holds its key is gone.
    """
    from ondol.infrastructure.storage.postgres.backup import back_up

    settings = settings_of(context)
    target = directory or (Path(settings.backup.directory) if settings.backup.directory else None)
    if target is None:
        raise UserError("No folder for backups is set.", "Give one, or set backup.directory (ONDOL_BACKUP_DIRECTORY).")
    folder = target / utc_now().strftime("%Y%m%dT%H%M%SZ")

    async def work(platform: Platform) -> None:
        folder.mkdir(parents=True, mode=0o700)
        back_up(platform.database.addresses, folder / "database.dump")
        _copy_keyring(settings, platform, folder / "keyring")
        manifest = {"ondol": __version__, "made_at": utc_now().isoformat(), "format": 1}
        (folder / "backup.json").write_text(json.dumps(manifest) + "\n", "utf-8")

    with_platform(settings, work)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if as_json:
        print_json({"folder": str(folder), "size_bytes": size})
    else:
        say(f"Backed up to {folder} ({size / 2**20:.1f} MiB). Copy the blob store next; keep the root key apart from both.")


@command.command("restore")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--replace", is_flag=True, help="Also where the database holds tenants.")
@click.option(
    "--erased-in",
    "newer",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="A newer backup, where this machine's own key ring is lost: what was erased by then stays erased. May be given several times.",
)
@click.pass_context
def restore_from(context: click.Context, folder: Path, replace: bool, newer: tuple[Path, ...]) -> None:
    """Put the backup in FOLDER in the place of what is here. Stop `ondol up` first.

    What was erased since the backup was made is erased again before this ends, and its keys are not brought back.
    """
    from ondol.infrastructure.ledger.erasure import carry_out
    from ondol.infrastructure.storage.blobs.merging import merge_keyring, merge_tombstones
    from ondol.infrastructure.storage.postgres.backup import restore
    from ondol.infrastructure.storage.postgres.migrate import migrate
    from ondol.wiring.erasure import erasure_room, hide_what_came_back

    settings = settings_of(context)

    async def work(platform: Platform) -> int:
        restore(platform.database.addresses, folder / "database.dump", replace=replace)
        if not settings.storage.keyring_url:
            for backup_folder in (*newer, folder):
                merge_tombstones(backup_folder / "keyring", platform.folder.keyring)
            merge_keyring(folder / "keyring", platform.folder.keyring)
        migrate(platform.database.addresses)
        again = await hide_what_came_back(platform)
        for tenant_id, erasure_id in again:
            await carry_out(erasure_room(platform), tenant_id, erasure_id)
        return len(again)

    erased = with_platform(settings, work)
    if erased:
        say(f"{erased:,} erasures from after the backup were carried out again: `ondol erasure list`.")
    say("Restored. Put the blob store's files back too, then build the index anew: `ondol index rebuild --all`.")


@command.command("sweep")
@click.option("--grace", "grace_hours", type=click.IntRange(1, 8760), default=24, show_default=True, help="Leave what is younger, in hours.")
@click.option("--tenant", help="Tenant's slug; all tenants when absent.")
@_json
@click.pass_context
def sweep(context: click.Context, grace_hours: int, tenant: str | None, as_json: bool) -> None:
    """Remove sealed files and data keys of documents that the database does not name.

    A killed ingest leaves them. The job worker does it every night. After a restore the grace period begins anew.
    """
    from ondol.application.knowledge.sweep import sweep_unnamed
    from ondol.infrastructure.access.people import find_tenant, list_tenants

    async def work(platform: Platform) -> None:
        tenants = [await find_tenant(platform.database, tenant)] if tenant else await list_tenants(platform.database)
        reports = {where.slug: await sweep_unnamed(platform.knowledge, where.id, timedelta(hours=grace_hours)) for where in tenants}
        if as_json:
            print_json([{"tenant": slug, **dataclasses.asdict(report)} for slug, report in reports.items()])
            return
        print_table([{"tenant": slug, "blobs": report.blobs, "keys": report.keys} for slug, report in reports.items()], "There is no tenant.")
        if waits := next((report.waits_until for report in reports.values() if report.waits_until), None):
            say(f"The database was made, restored or upgraded lately: nothing is removed before {waits:%Y-%m-%d %H:%M} UTC.")
        elif not all(report.is_whole for report in reports.values()):
            say("There may be more: run it again.")

    with_platform(settings_of(context), work)


def _copy_keyring(settings: Settings, platform: Platform, target: Path) -> None:
    if settings.storage.keyring_url:
        return
    shutil.copytree(platform.folder.keyring, target)
