"""Audit the licences of everything installed: distributions, the native code inside their wheels, their bills of materials, npm packages.

What is allowed, what the metadata leaves out and the exceptions with their reasons stand in `requirements/licences.toml`. Whatever is unknown
fails: a licence that is not listed, a shared library without a row, native code without a bill of materials or a row.

    python scripts/audit_licences.py            print what fails, and one line of counts
    python scripts/audit_licences.py --table    print every row
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any, Literal

PROJECT = Path(__file__).resolve().parent.parent
POLICY = PROJECT / "requirements" / "licences.toml"
NPM_LOCKS = ("frontend/package-lock.json", "tests/e2e/js/package-lock.json")
OURSELVES = "ondol"
NATIVE_MAGIC = (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe", b"\xce\xfa\xed\xfe")
BUNDLED_LIBRARY = re.compile(r"^(lib[A-Za-z0-9_+]+?)_?(?:-[0-9a-f]{6,}|-[0-9.]+)*(?:\.\d+)*(?:\.so[.\d]*|\.dylib)$")
TOKEN = re.compile(r"\s*(\(|\)|[A-Za-z0-9.+:-]+)")

Scope = Literal["runtime", "build", "development", "installer", "extra"]
Verdict = Literal["allowed", "exception", "FAILS"]


@dataclass(frozen=True, slots=True)
class Row:
    """One licence decision: whose, what, under which terms, and the outcome."""

    scope: Scope
    owner: str
    what: str
    licence: str
    verdict: Verdict
    note: str = ""


@dataclass(frozen=True, slots=True)
class Exemption:
    """A licence outside the allow-list that one distribution may have, and why. `linked_only_by` are the only files that may name `library`."""

    distribution: str
    licence: str
    reason: str
    library: str = ""
    linked_only_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """The contents of `licences.toml`. Names of distributions are normalised."""

    allowed: frozenset[str]
    spelling: Mapping[str, str]
    distributions: Mapping[str, str]
    bundled: Sequence[tuple[str, str, str]]
    libraries: Sequence[tuple[tuple[str, ...], str]]
    exemptions: Sequence[Exemption]


def read_policy(path: Path) -> Policy:
    """Read `licences.toml`.

    Raises:
        KeyError: when a row lacks a field.
    """
    table: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    return Policy(
        allowed=frozenset(table["allowed"]),
        spelling=table["spelling"],
        distributions={normalise(row["name"]): row["licence"] for row in table["distribution"] if row["reason"]},
        bundled=[(normalise(row["distribution"]), row["what"], row["licence"]) for row in table["bundled"]],
        libraries=[(tuple(row["names"]), row["licence"]) for row in table["library"]],
        exemptions=[
            Exemption(normalise(row["distribution"]), row["licence"], row["reason"], row.get("library", ""), tuple(row.get("linked_only_by", ())))
            for row in table["exception"]
        ],
    )


def normalise(name: str) -> str:
    """The canonical name of a distribution (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def is_allowed(expression: str, allowed: frozenset[str]) -> bool:
    """Whether an SPDX licence expression can be met with allowed licences alone: any side of OR, both sides of AND. Malformed ones cannot.

    `X WITH Y` is allowed when it is listed itself; `X+` counts as X.
    """
    tokens = TOKEN.findall(expression)
    if not tokens or "".join(tokens) != re.sub(r"\s+", "", expression):
        return False
    position = 0

    def peek() -> str:
        return str(tokens[position]).upper() if position < len(tokens) else ""

    def take() -> str:
        nonlocal position
        position += 1
        return str(tokens[position - 1])

    def either() -> bool:
        met = both()
        while peek() == "OR":
            take()
            met = both() or met
        return met

    def both() -> bool:
        met = single()
        while peek() == "AND":
            take()
            met = single() and met
        return met

    def single() -> bool:
        if peek() in {"", ")", "AND", "OR", "WITH"}:
            raise ValueError(expression)
        if peek() == "(":
            take()
            met = either()
            if peek() != ")":
                raise ValueError(expression)
            take()
            return met
        licence = take()
        if peek() == "WITH":
            take()
            return f"{licence} WITH {take()}" in allowed
        return licence in allowed or licence.removesuffix("+") in allowed

    try:
        met = either()
    except (ValueError, IndexError):
        return False
    return met and position == len(tokens)


def declared_licence(distribution: Distribution, policy: Policy) -> str:
    """The licence of a distribution as an SPDX expression, or its own words when they are not understood. The policy's rows come first."""
    name = normalise(distribution.metadata["Name"])
    if name in policy.distributions:
        return policy.distributions[name]
    metadata = distribution.metadata
    expression = _field(distribution, "License-Expression")
    if expression:
        return expression
    field = _field(distribution, "License")
    if field and "\n" not in field:
        return policy.spelling.get(field, field)
    classifiers = [line.rsplit("::", 1)[-1].strip() for line in metadata.get_all("Classifier", []) if line.startswith("License ::")]
    named = [policy.spelling.get(word, word) for word in classifiers if word != "OSI Approved"]
    return " AND ".join(sorted({word for word in named if word})) or "unknown"


def _field(distribution: Distribution, name: str) -> str:
    values = distribution.metadata.get_all(name) or [""]
    return str(values[0]).strip()


def native_files(distribution: Distribution) -> Iterator[tuple[str, Path]]:
    """Every file of a distribution that holds machine code, with its path inside the wheel. Links count once."""
    for entry in distribution.files or []:
        path = Path(str(distribution.locate_file(entry)))
        if entry.suffix in {".py", ".pyc", ".pyi", ".txt", ".h", ".json"} or path.is_symlink() or not path.is_file():
            continue
        with path.open("rb") as handle:
            if handle.read(4) in NATIVE_MAGIC:
                yield entry.as_posix(), path


def bill_of_materials(distribution: Distribution) -> Iterator[tuple[str, str]]:
    """Components of the CycloneDX files that a wheel carries (PEP 770) and that state a licence: name with version, and expression."""
    for entry in distribution.files or []:
        if "/sboms/" not in entry.as_posix() or entry.suffix != ".json":
            continue
        document = json.loads(Path(str(distribution.locate_file(entry))).read_text("utf-8"))
        for component in document.get("components", []):
            stated = [_component_licence(entry) for entry in component.get("licenses", [])]
            if any(stated):
                yield f"{component['name']} {component.get('version', '')}".strip(), " AND ".join(f"({licence})" for licence in stated if licence)


def _component_licence(entry: Mapping[str, Any]) -> str:
    named = entry.get("license", {})
    return str(entry.get("expression") or named.get("id") or named.get("name") or "")


def library_name(file_name: str) -> str | None:
    """The plain name of a bundled shared library (`libpq-c07d8585.so.5.18` is `libpq`), None for a Python extension module."""
    if re.search(r"\.(cpython-\d+|abi3)[^/]*\.so$", file_name):
        return None
    found = BUNDLED_LIBRARY.match(file_name)
    return found[1] if found else None


def audit_distribution(distribution: Distribution, scope: Scope, policy: Policy) -> Iterator[Row]:
    """All decisions about one installed distribution."""
    name = normalise(distribution.metadata["Name"])
    owner = f"{name} {distribution.version}"
    yield _judge(Row(scope, owner, "itself", declared_licence(distribution, policy), "allowed"), name, policy)

    components = sorted(set(bill_of_materials(distribution)))
    for what, licence in components:
        yield _judge(Row(scope, owner, f"contains {what}", licence.replace("/", " OR "), "allowed"), name, policy)
    stated = [(what, licence) for bundled, what, licence in policy.bundled if bundled == name]
    for what, licence in stated:
        yield _judge(Row(scope, owner, f"contains {what}", licence, "allowed"), name, policy)

    natives = list(native_files(distribution))
    if natives and not components and not stated:
        yield Row(scope, owner, natives[0][0], "unknown", "FAILS", "native code without a bill of materials: add a [[bundled]] row")
    libraries = {library for inside, _ in natives if (library := library_name(inside.rsplit("/", 1)[-1]))}
    for library in sorted(libraries):
        yield _judge(Row(scope, owner, f"ships {library}", _library_licence(library, policy), "allowed"), name, policy)
    yield from _check_links(distribution, scope, owner, natives, policy)


def _check_links(distribution: Distribution, scope: Scope, owner: str, natives: Sequence[tuple[str, Path]], policy: Policy) -> Iterator[Row]:
    for exemption in policy.exemptions:
        if exemption.distribution != normalise(distribution.metadata["Name"]) or not exemption.library:
            continue
        needle = exemption.library.encode()
        for inside, path in natives:
            is_library = library_name(inside.rsplit("/", 1)[-1]) == exemption.library
            if is_library or any(fnmatch.fnmatch(inside, pattern) for pattern in exemption.linked_only_by):
                continue
            if needle in path.read_bytes():
                yield Row(scope, owner, inside, exemption.licence, "FAILS", f"links {exemption.library}, which the exception does not cover")


def _library_licence(library: str, policy: Policy) -> str:
    return next((licence for names, licence in policy.libraries if any(fnmatch.fnmatch(library, name) for name in names)), "unknown")


def _judge(row: Row, name: str, policy: Policy) -> Row:
    if is_allowed(row.licence, policy.allowed):
        return row
    for exemption in policy.exemptions:
        covers = not exemption.library or row.what == f"ships {exemption.library}"
        if exemption.distribution == name and covers and is_allowed(row.licence, policy.allowed | {exemption.licence}):
            return replace(row, verdict="exception", note=exemption.reason)
    return replace(row, verdict="FAILS", note="not in `allowed`, and no exception names it")


def locked_scopes(requirements: Path) -> dict[str, Scope]:
    """Which lock file names a distribution: the strongest of runtime, build, development, installer."""
    scopes: dict[str, Scope] = {"pip": "installer", "setuptools": "installer"}
    pairs: tuple[tuple[str, Scope], ...] = (("bootstrap", "installer"), ("dev", "development"), ("build", "build"), ("default", "runtime"))
    for stem, scope in pairs:
        for line in (requirements / f"{stem}.lock").read_text("utf-8").splitlines():
            if found := re.match(r"([A-Za-z0-9][A-Za-z0-9._-]*)==", line):
                scopes[normalise(found[1])] = scope
    return scopes


def audit_npm(lock: Path, scope: Scope, policy: Policy) -> Iterator[Row]:
    """All decisions about the packages of one npm lock file."""
    for place, package in json.loads(lock.read_text("utf-8"))["packages"].items():
        if place:
            name = place.rpartition("node_modules/")[2]
            row = Row(scope, f"{name} {package['version']} (npm)", "itself", str(package.get("license", "unknown")), "allowed")
            yield _judge(row, name, policy)


def audit(policy: Policy) -> list[Row]:
    """All decisions about this environment and the npm lock files, in order of scope and name."""
    scopes = locked_scopes(PROJECT / "requirements")
    rows: list[Row] = []
    for distribution in distributions():
        name = normalise(distribution.metadata["Name"])
        if name != OURSELVES:
            rows.extend(audit_distribution(distribution, scopes.get(name, "extra"), policy))
    for path in NPM_LOCKS:
        if (PROJECT / path).is_file():
            rows.extend(audit_npm(PROJECT / path, "development" if path.startswith("tests") else "runtime", policy))
    return sorted(rows, key=lambda row: (row.scope, row.owner, row.what))


def print_table(rows: Iterable[Row]) -> None:
    """One line a row, in columns."""
    for row in rows:
        print(f"{row.verdict:<10} {row.scope:<12} {row.owner:<34} {row.what[:60]:<60} {row.licence}{f'  # {row.note}' if row.note else ''}")


def main(arguments: Sequence[str]) -> int:
    """Run as a program. Returns the exit status: 1 when anything fails."""
    parser = argparse.ArgumentParser(description="Audit the licences of everything installed.")
    parser.add_argument("--table", action="store_true", help="print every row, not only what fails")
    options = parser.parse_args(arguments)
    rows = audit(read_policy(POLICY))
    failing = [row for row in rows if row.verdict == "FAILS"]
    print_table(rows if options.table else failing)
    exceptions = {(row.owner, row.licence) for row in rows if row.verdict == "exception"}
    itself = sum(row.what == "itself" for row in rows)
    print(f"{itself} packages, {len(rows) - itself} parts inside them: {len(exceptions)} exceptions, {len(failing)} failures")
    return 1 if failing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
