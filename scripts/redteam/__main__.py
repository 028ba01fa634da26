"""garak against the gateway, from an environment of its own: `make redteam`.

python -m scripts.redteam                                     a platform for the while, with the guard watching and with it on
python -m scripts.redteam --url https://ai.example.com/v1 --model assistant/help --key KEY
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from ondol.cli.guard_policies import read_policy
from ondol.core.clock import utc_now
from ondol.core.config import load_settings
from ondol.core.errors import OndolError, UserError
from ondol.infrastructure.guard.defaults import default_policy
from ondol.infrastructure.guard.garak_report import DetectorQuality, GarakReport, read_qualities, read_report
from ondol.infrastructure.guard.policy import Policy
from ondol.infrastructure.guard.registry import KNOWN
from scripts.apart import PROJECT, python_apart
from scripts.redteam.scan import PROBES, ScanSettings, Target, lines_of, scan
from scripts.redteam.tables import changes_of, lines_of_change, lines_of_scan, rows_of, totals_of
from scripts.redteam.target import ask, honest_refusals, throw_away_platform, watching

METRICS = "garak/data/detectors_eval/detector_metrics_summary.json"
RUNS = PROJECT / "build" / "redteam-runs"
KEY_ENVIRONMENT = "REDTEAM_KEY"
NAMES = {"watched": "The guard watches and does nothing", "guarded": "The guard does what its policy says", "given": "As it is"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as a program. Returns the exit status: 0 when every probe finished, 3 when some did not, 1 when nothing could be scanned."""
    options = _parser().parse_args(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    folder = options.folder or RUNS / datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    try:
        python = python_apart("redteam")
        qualities = read_qualities(next(python.parent.parent.glob(f"lib/python*/site-packages/{METRICS}")).read_text("utf-8"))
        settings = _settings(options)
        policy = read_policy(options.guard) if options.guard else default_policy()
        if options.keep:
            asyncio.run(_check_tenant(options.keep))
        figures = _given(python, settings, folder, options, qualities) if options.url else _both(python, settings, folder, policy, qualities)
        _write(figures, folder)
        if options.keep:
            own = () if options.url else (watching(policy), policy)
            figures["kept"] = asyncio.run(_keep(figures, _packed(figures, folder), options.keep, own))
            _write(figures, folder)
    except KeyboardInterrupt:
        print(f"\nStopped. The same command with --folder {folder} goes on.", file=sys.stderr)
        return 130
    except UserError as error:
        print(f"{error.message} {error.hint}", file=sys.stderr)
        return 1
    except OndolError as error:
        print(error.message, file=sys.stderr)
        return 1
    print(f"\n{folder}")
    if options.json:
        print(json.dumps(figures, ensure_ascii=False))
    return 3 if any(ending not in ("finished", "before") for item in figures["scans"].values() for ending in item["endings"].values()) else 0


def _parser() -> argparse.ArgumentParser:
    usual = ScanSettings()
    parser = argparse.ArgumentParser(prog="make redteam ARGS=...", description="garak against the gateway, with rates corrected for its detectors.")
    parser.add_argument("--guard", type=Path, metavar="FILE", help="policy of the platform for the while; the built-in one when absent")
    parser.add_argument("--url", help="attack this address (up to and with /v1) instead of a platform for the while")
    parser.add_argument("--model", default="assistant/help", help="what to attack there")
    parser.add_argument("--key", help=f"API key for that; better in the environment variable {KEY_ENVIRONMENT}")
    parser.add_argument(
        "--policy", action="append", default=[], metavar="DIGEST", help="with --url and --keep: digest of the guard policy in force there"
    )
    parser.add_argument("--probes", help="probes by commas, such as dan.Dan_11_0; our choice of those that download nothing when absent")
    parser.add_argument("--prompts-each", type=int, default=usual.prompts_each, help="prompts of one probe, where it honours that")
    parser.add_argument("--prompts-max", type=int, default=usual.prompts_max, help="prompts of a whole scan")
    parser.add_argument("--minutes-max", type=float, default=usual.seconds_max / 60, help="length of one scan")
    parser.add_argument("--parallel", type=int, default=usual.parallel, help="prompts on their way at once")
    parser.add_argument("--seed", type=int, default=usual.seed, help="which prompts are taken where there are more")
    parser.add_argument("--folder", type=Path, help="folder of the reports; one that was cut off goes on")
    parser.add_argument("--keep", metavar="TENANT", help="keep the report, sealed and in the ledger, for this tenant of the installation here")
    parser.add_argument("--list", action=_ListProbes, nargs=0, help="print our choice of probes and stop")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    return parser


class _ListProbes(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print("\n".join(PROBES))
        parser.exit()


def _settings(options: argparse.Namespace) -> ScanSettings:
    probes = tuple(name.strip() for name in options.probes.split(",") if name.strip()) if options.probes else PROBES
    if min(options.prompts_each, options.prompts_max, options.minutes_max, options.parallel) <= 0 or not probes:
        raise UserError("There is nothing to scan.", "Give numbers above 0 and at least one probe.")
    return ScanSettings(probes, options.prompts_each, options.prompts_max, options.minutes_max * 60, options.parallel, options.seed)


def _both(python: Path, settings: ScanSettings, folder: Path, policy: Policy, qualities: Mapping[str, DetectorQuality]) -> dict[str, Any]:
    """Two scans of a platform for the while, and what the guard changed."""
    with throw_away_platform(policy) as doors:
        refused, honest = honest_refusals(doors.guarded)
        print(f"The guard refuses {refused} of {honest} honest questions.\n")
        found = {
            name: _scanned(python, target, settings, folder / name, qualities, digest)
            for name, target, digest in (("watched", doors.watched, doors.digests[0]), ("guarded", doors.guarded, doors.digests[1]))
        }
    changes = changes_of(found["watched"][1], found["guarded"][1])
    for line in lines_of_change(found["watched"][0]["rows"], found["guarded"][0]["rows"], changes):
        print(line)
    return {
        "scans": {name: item[0] for name, item in found.items()},
        "changes": changes,
        "honest": {"asked": honest, "refused": refused},
        "machine": machine(),
    }


def _given(
    python: Path, settings: ScanSettings, folder: Path, options: argparse.Namespace, qualities: Mapping[str, DetectorQuality]
) -> dict[str, Any]:
    """One scan of what somebody named."""
    key = options.key or os.environ.get(KEY_ENVIRONMENT, "")
    if not key:
        raise UserError("There is no key.", f"Put one into the environment variable {KEY_ENVIRONMENT}.")
    target = Target(options.url, options.model, key)
    ask(target, "Hello")
    digests = [_digest(text) for text in options.policy]
    figures, _ = _scanned(python, target, settings, folder / "given", qualities, *digests)
    return {"scans": {"given": figures}, "machine": machine()}


def _scanned(
    python: Path, target: Target, settings: ScanSettings, folder: Path, qualities: Mapping[str, DetectorQuality], *policies: bytes
) -> tuple[dict[str, Any], GarakReport]:
    endings = scan(python, target, settings, folder, [digest.hex() for digest in policies])
    report = read_report(lines_of(folder, settings.probes))
    rows = rows_of(report, qualities)
    for line in lines_of_scan(NAMES[folder.name], rows):
        print(line)
    for probe, ending in endings.items():
        if ending not in ("finished", "before"):
            print(f"{probe}: {ending.replace('_', ' ')} ({folder / probe}.log)")
    if report.disagreements:
        print(f"garak counts otherwise: {', '.join(report.disagreements)}")
    print()
    figures = {
        "scanner": f"garak/{report.version}",
        "policies": [digest.hex() for digest in policies],
        "endings": endings,
        "totals": totals_of(report),
        "rows": rows,
        "disagreements": list(report.disagreements),
        "broken_lines": report.broken_lines,
    }
    return figures, report


def _write(figures: Mapping[str, Any], folder: Path) -> None:
    (folder / "figures.json").write_text(json.dumps(figures, ensure_ascii=False, indent=1), "utf-8")


def _packed(figures: Mapping[str, Any], folder: Path) -> bytes:
    """Figures and reports as gzipped JSON lines: the figures first, then what garak wrote."""
    reports = sorted(folder.glob("*/*.report.jsonl"))
    lines = [json.dumps(figures, ensure_ascii=False).encode(), *(path.read_bytes().rstrip() for path in reports)]
    return gzip.compress(b"\n".join(lines), mtime=0)


async def _check_tenant(slug: str) -> None:
    """Say before a long scan that it could not be kept."""
    from ondol.infrastructure.access.people import find_tenant
    from ondol.wiring.platform import open_platform

    async with open_platform(load_settings()) as platform:
        await find_tenant(platform.database, slug)


async def _keep(figures: Mapping[str, Any], data: bytes, slug: str, own: Sequence[Policy]) -> dict[str, str]:
    """Keep a scan for a tenant of the installation here, which gets the policies that it was run against, bound to nothing."""
    from ondol.infrastructure.access.people import find_tenant
    from ondol.infrastructure.guard.scans import keep_scan
    from ondol.infrastructure.guard.store import put_policy
    from ondol.wiring.platform import open_platform

    scanner = next(iter(figures["scans"].values()))["scanner"]
    digests = [bytes.fromhex(text) for item in figures["scans"].values() for text in item["policies"]]
    async with open_platform(load_settings()) as platform:
        tenant = await find_tenant(platform.database, slug)
        for policy in own:
            if policy != default_policy():
                async with platform.database.tenant_tx(tenant.id) as connection:
                    await put_policy(connection, tenant.id, policy, by=None, now=utc_now(), known=KNOWN)
        kept = await keep_scan(platform.database, platform.blobs, tenant.id, data, scanner=scanner, policies=digests, now=utc_now())
    print(f"kept for {slug}: evaluation {kept.id}; `ondol ledger walk {kept.id} --tenant {slug}` shows its policies")
    return {"evaluation": str(kept.id), "path": kept.path, "address": kept.address.hex()}


def _digest(text: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != 32:
        raise UserError(f"{text[:80]} is no digest of a policy.", "`ondol guard policy list --json` shows them: 64 hexadecimal digits.")
    return found


if __name__ == "__main__":
    sys.exit(main())
