"""What holds for the project as a whole: nothing of one machine, tests beside their code, locks that anyone can use."""

from __future__ import annotations

import json
import re

import pytest

from ondol.infrastructure.storage.postgres.queries import parse_queries
from tests.tidy.project import ROOT, modules, texts

# Written in pieces: this file is searched too.
REGISTRY_HOSTS = re.compile(
    "|".join(
        re.escape(".".join(parts))
        for parts in (
            ("pypi", "org"), ("pythonhosted", "org"), ("registry", "npmjs"), ("npmjs", "org"), ("registry", "yarnpkg"), ("deb", "debian", "org"),
            ("archive", "ubuntu"), ("proxy", "golang"), ("repo", "maven"), ("crates", "io/api"),
        )
    ),
    re.IGNORECASE,
)  # fmt: skip
MACHINE_PATHS = re.compile(r"(?<![\w.])/(?:" + "|".join(("wo" + "rk", "ro" + "ot", "tm" + "p/w", "ho" + r"me/\w+", "Us" + r"ers/\w+")) + ")/")
SAMPLE_TEXTS = "src/ondol/demo/documents/"
MIRRORED = ("application", "cli", "core", "demo", "infrastructure")
QUERY_FILES = sorted(path for path in texts() if path.endswith("queries.sql"))
LOCKS = ("bootstrap", "build", "default", "dev")


def test_no_registry_is_named() -> None:
    assert _lines_matching(REGISTRY_HOSTS) == []


def test_no_path_of_one_machine_is_named() -> None:
    assert [line for line in _lines_matching(MACHINE_PATHS) if not line.startswith(SAMPLE_TEXTS)] == []


def test_tests_mirror_the_code() -> None:
    strangers = []
    for path in modules():
        place = path.removeprefix("tests/").rpartition("/")[0]
        if path.startswith("tests/") and place.split("/")[0] in MIRRORED and not (ROOT / "src" / "ondol" / place).is_dir():
            strangers.append(path)
    assert strangers == []


def test_every_room_with_code_has_tests() -> None:
    code = [path for path in modules() if path.startswith("src/ondol/") and not path.endswith("__init__.py")]
    rooms = {path.removeprefix("src/ondol/").rpartition("/")[0] for path in code}
    tested = {path.removeprefix("tests/").rpartition("/")[0] for path in modules() if path.startswith("tests/") and "/test_" in path}
    assert sorted(room for room in rooms if room and not any(place == room or place.startswith(f"{room}/") for place in tested)) == []


@pytest.mark.parametrize("path", QUERY_FILES)
def test_every_query_is_named_explained_and_used(path: str) -> None:
    queries = parse_queries(texts()[path])
    assert queries
    room = path.rpartition("/")[0]
    code = "\n".join(text for place, text in texts().items() if place.startswith(f"{room}/") and place.endswith(".py"))
    assert [name for name in queries if not re.search(rf"[\"']{name}[\"']", code)] == []
    for name in queries:
        sentence = re.search(rf"^-- name: {name}\n(?:-- door: .*\n)?-- (?!door:)(.+)", texts()[path], re.MULTILINE)
        assert sentence, f"{name} has no sentence above it"


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_names_versions_and_digests_only(name: str) -> None:
    text = texts()[f"requirements/{name}.lock"]
    for block in re.split(r"\n(?=[A-Za-z0-9])", text):
        if re.match(r"[A-Za-z0-9]", block):
            assert re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*==\S+", block), block.splitlines()[0]
            assert "--hash=sha256:" in block, block.splitlines()[0]
    assert [line for line in text.splitlines() if re.match(r"\s*--(?!hash)", line) or "://" in line] == []


def test_the_locks_agree() -> None:
    pins: dict[str, set[frozenset[str]]] = {}
    for name in LOCKS:
        found: dict[str, set[str]] = {}
        for package, version in re.findall(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", texts()[f"requirements/{name}.lock"], re.MULTILINE):
            found.setdefault(package, set()).add(version)
        for package, versions in found.items():
            pins.setdefault(package, set()).add(frozenset(versions))
    assert {package: versions for package, versions in pins.items() if len(versions) > 1} == {}


def test_npm_locks_name_no_place() -> None:
    locks = [path for path in texts() if path.endswith("package-lock.json")]
    assert locks
    for path in locks:
        packages = json.loads(texts()[path])["packages"]
        assert [name for name, package in packages.items() if "resolved" in package] == [], path
        assert [name for name, package in packages.items() if name and "integrity" not in package] == [], path
        assert "omit-lockfile-registry-resolved=true" in texts()[f"{path.rpartition('/')[0]}/.npmrc"]


@pytest.mark.parametrize("page", sorted(path for path in texts() if path.endswith(".md") and not path.startswith(("src/", "CHANGELOG"))))
def test_every_make_command_in_the_documents_exists(page: str) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", texts()["Makefile"], re.MULTILINE))
    named = set(re.findall(r"(?:^|`|\$ )make ([a-z][a-z-]*)", texts()[page], re.MULTILINE))
    assert sorted(named - targets) == []


def _lines_matching(pattern: re.Pattern[str]) -> list[str]:
    return [f"{path}:{number}" for path, text in texts().items() for number, line in enumerate(text.splitlines(), 1) if pattern.search(line)]
