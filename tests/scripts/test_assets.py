"""The front-end files: nothing is done when they are current, and a file that is not the named one is refused. npm itself is not run here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from scripts import assets

ROW = assets.Asset("sample", "lib/sample.js", "sample.js", "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")


@pytest.fixture
def workshop(tmp_path: Path) -> Path:
    """A folder where `npm ci` would have put the package."""
    folder = tmp_path / "workshop"
    source = folder / "node_modules" / "sample" / "lib" / "sample.js"
    source.parent.mkdir(parents=True)
    source.write_text("hello")
    return folder


def test_named_files_are_put_in_place_and_stay_current(tmp_path: Path, workshop: Path) -> None:
    vendor = tmp_path / "vendor"
    vendor.mkdir()
    (vendor / "left-over.js").write_text("old")
    assert not assets.is_current([ROW], vendor, "inputs")
    assets.prepare([ROW], vendor, workshop, "inputs")
    assert sorted(path.name for path in vendor.iterdir()) == [".stamp", "sample.js"]
    assert assets.is_current([ROW], vendor, "inputs")
    assert not assets.is_current([ROW], vendor, "other inputs")
    (vendor / "sample.js").write_text("changed by hand")
    assert not assets.is_current([ROW], vendor, "inputs")


def test_a_file_that_is_not_the_named_one_is_refused(tmp_path: Path, workshop: Path) -> None:
    vendor = tmp_path / "vendor"
    vendor.mkdir()
    (vendor / "sample.js").write_text("hello")
    (workshop / "node_modules" / "sample" / "lib" / "sample.js").write_text("hello, and something else")
    with pytest.raises(assets.AssetError, match=r"sample/lib/sample\.js has SHA-256"):
        assets.prepare([ROW], vendor, workshop, "inputs")
    assert (vendor / "sample.js").read_text() == "hello"


def test_the_table_names_locked_packages_and_the_licence_of_each() -> None:
    rows = assets.read_assets(assets.FRONTEND / "assets.toml")
    locked = json.loads((assets.FRONTEND / "package-lock.json").read_text("utf-8"))["packages"]
    assert {f"node_modules/{row.package}" for row in rows} == set(locked) - {""}
    for package in {row.package for row in rows}:
        assert any(row.package == package and "LICENSE" in row.target for row in rows), package


def test_the_prepared_files_are_the_named_ones() -> None:
    rows = assets.read_assets(assets.FRONTEND / "assets.toml")
    assert {row.target: assets.sha256_of(assets.VENDOR / row.target) for row in rows} == {row.target: row.sha256 for row in rows}
