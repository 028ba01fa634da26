"""The licence audit must refuse what it does not know: tried on wheels made for the purpose."""

from __future__ import annotations

import json
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest

from scripts.audit_licences import Exemption, Policy, Row, audit_distribution, audit_npm, is_allowed, library_name

ALLOWED = frozenset({"MIT", "Apache-2.0", "BSD-3-Clause", "Apache-2.0 WITH LLVM-exception", "Unicode-3.0"})
ELF = b"\x7fELF" + b"\0" * 60


def policy(*, bundled: tuple[str, str, str] | None = None, exemption: Exemption | None = None, library: str = "") -> Policy:
    """A small policy: the licences above, and at most one row of each kind."""
    return Policy(
        allowed=ALLOWED,
        spelling={"MIT License": "MIT", "BSD License": "BSD-3-Clause"},
        distributions={},
        bundled=[bundled] if bundled else [],
        libraries=[((library,), "MIT")] if library else [],
        exemptions=[exemption] if exemption else [],
    )


def installed(folder: Path, metadata: str, files: dict[str, bytes] | None = None) -> PathDistribution:
    """A distribution `sample 1.0` with these metadata lines and files."""
    info = folder / "sample-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: sample\nVersion: 1.0\n{metadata}")
    for name, body in (files or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
    (info / "RECORD").write_text("".join(f"{name},,\n" for name in [*(files or {}), "sample-1.0.dist-info/METADATA"]))
    return PathDistribution(info)


def failures(distribution: PathDistribution, rules: Policy) -> list[Row]:
    """The failing rows of the audit of one distribution."""
    return [row for row in audit_distribution(distribution, "runtime", rules) if row.verdict == "FAILS"]


@pytest.mark.parametrize(
    ("expression", "met"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("(MIT OR GPL-2.0-only) AND Unicode-3.0", True),
        ("MIT AND (GPL-2.0-only OR LGPL-3.0-only)", False),
        ("GPL-2.0-only OR MIT AND Apache-2.0", True),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-3.0-only WITH LLVM-exception", False),
        ("mit or gpl", False),
        ("", False),
        ("MIT AND", False),
        ("(MIT", False),
        ("MIT MIT", False),
        ("MIT, GPL-3.0-only", False),
        ("AGPL-3.0-or-later", False),
        ("CC-BY-NC-4.0", False),
    ],
)
def test_expressions(expression: str, met: bool) -> None:
    assert is_allowed(expression, ALLOWED) is met


@pytest.mark.parametrize(
    ("metadata", "count"),
    [
        ("License-Expression: MIT\n", 0),
        ("License: MIT License\n", 0),
        ("Classifier: License :: OSI Approved :: BSD License\n", 0),
        ("Classifier: License :: OSI Approved :: BSD License\nClassifier: License :: OSI Approved :: GNU General Public License (GPL)\n", 1),
        ("License: Free for non-commercial use\n", 1),
        ("", 1),
    ],
)
def test_metadata(tmp_path: Path, metadata: str, count: int) -> None:
    assert len(failures(installed(tmp_path, metadata), policy())) == count


def test_native_code_must_be_explained(tmp_path: Path) -> None:
    sample = installed(tmp_path, "License-Expression: MIT\n", {"sample/_fast.abi3.so": ELF})
    assert [row.what for row in failures(sample, policy())] == ["sample/_fast.abi3.so"]
    assert failures(sample, policy(bundled=("sample", "its own code", "MIT"))) == []
    assert [row.licence for row in failures(sample, policy(bundled=("sample", "a library", "GPL-2.0-only")))] == ["GPL-2.0-only"]


def test_a_bill_of_materials_is_read(tmp_path: Path) -> None:
    good = {"name": "good", "version": "1", "licenses": [{"expression": "MIT OR Apache-2.0"}]}
    bad = {"name": "bad", "version": "2", "licenses": [{"license": {"id": "AGPL-3.0-only"}}]}
    files = {"sample/_fast.abi3.so": ELF, "sample-1.0.dist-info/sboms/sample.cdx.json": json.dumps({"components": [good, bad]}).encode()}
    assert [row.what for row in failures(installed(tmp_path, "License-Expression: MIT\n", files), policy())] == ["contains bad 2"]


def test_a_shared_library_must_be_known(tmp_path: Path) -> None:
    sample = installed(tmp_path, "License-Expression: MIT\n", {"sample.libs/libodd-0a1b2c3d.so.4": ELF})
    own = ("sample", "its own code", "MIT")
    assert [row.what for row in failures(sample, policy(bundled=own))] == ["ships libodd"]
    assert failures(sample, policy(bundled=own, library="libodd")) == []


def test_an_exception_covers_its_library_in_the_named_program_only(tmp_path: Path) -> None:
    files = {"sample.libs/libodd-0a1b2c3d.so.4": ELF, "sample/bin/shell": ELF + b"libodd-0a1b2c3d.so.4", "sample/bin/server": ELF}
    sample = installed(tmp_path, "License-Expression: MIT\n", files)
    exemption = Exemption("sample", "unknown", "a sentence", "libodd", ("*/bin/shell",))
    rules = policy(bundled=("sample", "its own code", "MIT"), exemption=exemption)
    assert failures(sample, rules) == []
    (tmp_path / "sample/bin/server").write_bytes(ELF + b"libodd-0a1b2c3d.so.4")
    assert [row.what for row in failures(sample, rules)] == ["sample/bin/server"]


@pytest.mark.parametrize(
    ("file_name", "name"),
    [
        ("libpq-c07d8585.so.5.18", "libpq"),
        ("libgfortran-040039e1-0352e75f.so.5.0.0", "libgfortran"),
        ("libscipy_openblas64_-32a4b2a6.so", "libscipy_openblas64"),
        ("libkrb5.3.3.dylib", "libkrb5"),
        ("libarrow.so.2600", "libarrow"),
        ("librt_internal.cpython-311-x86_64-linux-gnu.so", None),
        ("_fast.abi3.so", None),
    ],
)
def test_library_names(file_name: str, name: str | None) -> None:
    assert library_name(file_name) == name


def test_npm_packages(tmp_path: Path) -> None:
    lock = tmp_path / "package-lock.json"
    stated, silent = {"version": "1.0.0", "license": "MIT"}, {"version": "2.0.0"}
    lock.write_text(json.dumps({"packages": {"": {"name": "ours"}, "node_modules/a": stated, "node_modules/a/node_modules/@b/c": silent}}))
    assert [(row.owner, row.verdict) for row in audit_npm(lock, "runtime", policy())] == [("a 1.0.0 (npm)", "allowed"), ("@b/c 2.0.0 (npm)", "FAILS")]
