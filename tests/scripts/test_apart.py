"""Environments apart are installed once for each lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import apart


def test_an_environment_is_installed_when_its_lock_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[str] = []

    def run(command: list[str]) -> None:
        commands.append(command[1])
        if command[1] == "venv":
            python = Path(command[-1], "bin", "python")
            python.parent.mkdir(parents=True, exist_ok=True)
            python.touch()

    monkeypatch.setattr(apart, "PROJECT", tmp_path)
    monkeypatch.setattr(apart, "_run", run)
    lock = tmp_path / "requirements" / "some.lock"
    lock.parent.mkdir()
    lock.write_text("a==1")
    assert apart.python_apart("some") == apart.python_apart("some") == tmp_path / "build" / "some" / "bin" / "python"
    assert commands == ["venv", "pip"]
    lock.write_text("a==2")
    apart.python_apart("some")
    assert commands == ["venv", "pip"] * 2


def test_one_that_could_not_be_installed_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: list[str]) -> None:
        raise OSError

    monkeypatch.setattr(apart, "PROJECT", tmp_path)
    monkeypatch.setattr(apart, "_run", fail)
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "some.lock").touch()
    for _ in range(2):
        with pytest.raises(OSError):
            apart.python_apart("some")
    with pytest.raises(FileNotFoundError):
        apart.python_apart("other")
