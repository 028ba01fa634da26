"""`ondol eval verify`, `verdicts` and `export-verdict`."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ondol.cli.guard_policies import json_option, tenant_option
from ondol.cli.main import settings_of
from ondol.cli.output import print_json, print_table, say
from ondol.cli.running import with_platform
from ondol.core.errors import LedgerBroken, UserError

if TYPE_CHECKING:
    from ondol.application.evaluation.verdicts import Checked, ResultsChecked, Verdict
    from ondol.wiring.platform import Platform

_BROKEN_STATUS = 1


@click.command("verify")
@click.argument("verdict", metavar="ID|FILE")
@click.option("--keys", "keys_file", type=click.Path(path_type=Path), help="The ledger's public keys, to check a FILE without an installation.")
@click.option("--revoked", "revoked_file", type=click.Path(path_type=Path), help="Ids of keys that are trusted no more, beside --keys.")
@tenant_option
@json_option
@click.pass_context
def verify(context: click.Context, verdict: str, keys_file: Path | None, revoked_file: Path | None, tenant: str, as_json: bool) -> None:
    """Check a verdict: its signature, everything that it names, the results as they are stored, and its event in the ledger's chain.

    A FILE is checked without a database, with the keys of this installation or with --keys. Exit status: 0 when it holds, 1 when it does not.
    """
    verdict_id, results = _id_of(verdict), None
    try:
        if verdict_id:
            checked, results = _of_store(context, tenant, verdict_id)
        else:
            checked = _of_file(context, Path(verdict), keys_file, revoked_file)
    except LedgerBroken as error:
        if as_json:
            print_json({"holds": False, "reason": error.message})
        else:
            say(f"The verdict does not hold. {error.message}")
        raise SystemExit(_BROKEN_STATUS) from None
    _print(checked, results, as_json)


@click.command("verdicts")
@click.option("--assistant", help="Of one assistant.")
@click.option("--suite", help="Of one suite, by its name.")
@click.option("--limit", type=click.IntRange(1, 500), default=50, show_default=True, help="So many at most.")
@tenant_option
@json_option
@click.pass_context
def verdicts(context: click.Context, assistant: str | None, suite: str | None, limit: int, tenant: str, as_json: bool) -> None:
    """List verdicts, the newest first."""
    from ondol.application.assistant.store import find_assistant
    from ondol.application.evaluation.verdicts import list_verdicts
    from ondol.infrastructure.access.people import find_tenant

    async def work(platform: Platform) -> list[Verdict]:
        where = await find_tenant(platform.database, tenant)
        async with platform.database.tenant_tx(where.id) as connection:
            assistant_id = (await find_assistant(connection, assistant)).id if assistant is not None else None
            return await list_verdicts(connection, assistant_id=assistant_id, suite=suite, limit=limit)

    rows = [verdict_row(each) for each in with_platform(settings_of(context), work)]
    if as_json:
        print_json(rows)
    else:
        shown = ("id", "outcome", "suite", "target", "created_at")
        print_table([{name: row[name] for name in shown} for row in rows], "There is no verdict yet.")


@click.command("export-verdict")
@click.argument("verdict_id", metavar="ID", type=click.UUID)
@click.option("-o", "--out", "out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Where to write it.")
@tenant_option
@click.pass_context
def export_verdict(context: click.Context, verdict_id: uuid.UUID, out: Path, tenant: str) -> None:
    """Write the verdict ID as a file that holds by itself: a DSSE envelope, with the proof that the ledger holds it."""
    from ondol.application.evaluation.verdicts import file_of, get_verdict
    from ondol.infrastructure.access.people import find_tenant
    from ondol.infrastructure.ledger import prove

    async def work(platform: Platform) -> bytes:
        where = await find_tenant(platform.database, tenant)
        async with platform.database.tenant_tx(where.id) as connection:
            found = await get_verdict(connection, verdict_id)
        return file_of(found, await prove(platform.database, where.id, verdict_id))

    content = with_platform(settings_of(context), work)
    try:
        out.write_bytes(content)
    except OSError as error:
        raise UserError(f"{out} cannot be written: {error.strerror}.", "Choose another place.") from error
    say(f"Written: {out}. `ondol eval verify {out} --keys ledger.public` checks it anywhere.")


def verdict_row(verdict: Verdict) -> dict[str, Any]:
    """A verdict as lists show it."""
    return {
        "id": verdict.id,
        "outcome": verdict.outcome,
        "suite": verdict.suite,
        "suite_digest": verdict.suite_digest.hex(),
        "target": verdict.target,
        "target_digest": verdict.target_digest.hex(),
        "release": verdict.release_id,
        "run": verdict.run_id,
        "signer": verdict.signer,
        "created_at": verdict.created_at,
    }


def _id_of(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _of_file(context: click.Context, path: Path, keys_file: Path | None, revoked_file: Path | None) -> Checked:
    from ondol.application.evaluation.verdicts import Keys, check_file
    from ondol.application.evaluation.verdicts.verify import FILE_BYTES_MAX
    from ondol.infrastructure.ledger import public_keys_path, read_public_keys, read_revoked_keys, revoked_keys_path
    from ondol.infrastructure.storage.folder import DataFolder

    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.", "Give the id of a verdict, or a file of `ondol eval export-verdict`.") from error
    if keys_file is None:
        ledger_key = DataFolder(settings_of(context).data_dir).ledger_key
        keys = Keys(read_public_keys(public_keys_path(ledger_key)), read_revoked_keys(revoked_keys_path(ledger_key)))
    else:
        keys = Keys(read_public_keys(keys_file), read_revoked_keys(revoked_file) if revoked_file is not None else frozenset())
    return check_file(content, keys)


def _of_store(context: click.Context, tenant: str, verdict_id: uuid.UUID) -> tuple[Checked, ResultsChecked]:
    from ondol.application.evaluation.verdicts import check_results, check_stored
    from ondol.infrastructure.access.people import find_tenant
    from ondol.wiring.verdicts import verdict_keys

    async def work(platform: Platform) -> tuple[Checked, ResultsChecked]:
        where = await find_tenant(platform.database, tenant)
        checked = await check_stored(platform.database, verdict_keys(platform.folder), where.id, verdict_id)
        return checked, await check_results(platform.database, platform.keyring, where.id, checked.statement)

    return with_platform(settings_of(context), work)


def _print(checked: Checked, results: ResultsChecked | None, as_json: bool) -> None:
    import msgspec

    told = checked.statement.predicate
    [subject] = checked.statement.subject
    if as_json:
        looked = {"results": results.count, "results_erased": results.erased} if results is not None else {}
        print_json({"holds": True, "sealed": checked.sealed, **looked, "statement": msgspec.to_builtins(checked.statement)})
        return
    say(f"The verdict holds: {subject.name} ({subject.digest.sha256[:12]}) {told.result} {told.suite.name} ({told.suite.digest.sha256[:12]}).")
    rows = [
        {
            "metric": claim.metric,
            "rule": claim.comparator,
            "value": claim.value,
            "baseline": claim.baseline,
            "low": claim.low,
            "high": claim.high,
            "cases": f"{claim.sample_size}/{claim.total}",
            "passed": claim.passed,
        }
        for claim in told.claims
    ]
    print_table(rows, "It makes no claims.")
    if results is not None:
        say(_told_results(results))
    say("The ledger's chain holds it." if checked.sealed else "Its event waits for the sealer: ask again in a second.")


def _told_results(results: ResultsChecked) -> str:
    if results.count is None:
        return "Its run was deleted: results can be looked at no more."
    erased = f" Of {results.erased:,} the content was erased, and their figures cannot be held against it." if results.erased else ""
    return f"{results.count:,} results are stored as they were signed.{erased}"
