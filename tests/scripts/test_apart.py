"""Environments apart are installed once for each lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import apart


def test_an_environment_is_installed_when_its_lock_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[str] = []

    def run(command: list[str], _: int) -> None:
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


def place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], int, str]]:
    """A project of its own, with a program in uv's place that only remembers: commands, seconds and where wheels are looked for."""
    ran: list[tuple[list[str], int, str]] = []

    def run(command: list[str], *, timeout: int, env: dict[str, str], **_: object) -> None:
        ran.append((command[1:], timeout, env.get("UV_FIND_LINKS", "")))
        if command[1] == "venv":
            python = Path(command[-1], "bin", "python")
            python.parent.mkdir(parents=True, exist_ok=True)
            python.touch()

    monkeypatch.setattr(apart, "PROJECT", folder)
    monkeypatch.setattr("scripts.apart.subprocess.run", run)
    (folder / "requirements").mkdir()
    return ran


def test_what_no_lock_can_hold_comes_after_it_and_is_held_to_its_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = place(tmp_path, monkeypatch)
    monkeypatch.delenv("UV_FIND_LINKS", raising=False)
    monkeypatch.setenv("PIP_FIND_LINKS", "/one /two")
    (tmp_path / "requirements" / "some.lock").write_text("a==1")
    unlocked = tmp_path / "requirements" / "some.unlocked"
    unlocked.write_text("b==1")
    assert apart.installed_apart("some") is None
    assert apart.python_apart("some") == apart.installed_apart("some")
    (_, *_), (locked, locked_s, _), (after, after_s, links) = ran
    assert {"--require-hashes", "--no-build"} <= set(locked)
    assert after[-1] == unlocked.as_posix()
    assert after[after.index("--constraints") + 1] == (tmp_path / "requirements" / "some.lock").as_posix()
    assert "--no-build" in after
    assert (locked_s, after_s, links) == (apart.INSTALL_SECONDS_MAX, apart.BUILD_SECONDS_MAX, "/one,/two")
    unlocked.write_text("b==2")
    assert apart.installed_apart("some") is None
    apart.python_apart("some")
    assert len(ran) == 6


def test_what_is_built_is_built_by_what_the_lock_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = place(tmp_path, monkeypatch)
    lock = tmp_path / "requirements" / "llama_cpp.lock"
    lock.write_text("a==1")
    assert apart.main(["llama_cpp"]) == 0
    built, seconds, _ = ran[-1]
    assert "--require-hashes" in built and "--no-build" not in built
    assert built[built.index("--build-constraints") + 1] == built[-1] == lock.as_posix()
    assert seconds == apart.BUILD_SECONDS_MAX


def test_what_cannot_be_installed_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    place(tmp_path, monkeypatch)
    assert apart.main(["other"]) == 1
    assert "build/other could not be installed" in capsys.readouterr().err


def test_one_that_could_not_be_installed_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
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
