from __future__ import annotations

import base64
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ondol.core.errors import DataFolderError, SealBroken, SettingsError
from ondol.infrastructure.storage.blobs import EnvironmentKeyProvider, FileKeyProvider, KeyProvider


def test_the_file_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "root.key"
    first = FileKeyProvider.open_or_create(path)
    second = FileKeyProvider.open_or_create(path)
    assert first.key_id == second.key_id
    assert second.unwrap(first.wrap(b"k" * 32, b"owner"), b"owner") == b"k" * 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [child.name for child in path.parent.iterdir()] == ["root.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o777])
def test_a_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "root.key"
    FileKeyProvider.open_or_create(path)
    path.chmod(mode)
    with pytest.raises(SettingsError, match=f"{mode:04o}") as raised:
        FileKeyProvider.open_or_create(path)
    assert "chmod 600" in raised.value.hint


@pytest.mark.parametrize("content", ["", "ondol-root-key-1 \n", "ondol-root-key-1 AAAA\n", "ondol-root-key-2 " + "A" * 43 + "=\n", "\xff" * 9])
def test_a_file_without_a_root_key_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "root.key"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(SettingsError, match="no root key") as raised:
        FileKeyProvider.open_or_create(path)
    assert raised.value.hint


def test_a_folder_that_is_a_file_is_a_data_folder_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataFolderError) as raised:
        FileKeyProvider.open_or_create(tmp_path / "file" / "root.key")
    assert raised.value.hint


def test_processes_that_make_the_file_at_once_read_the_same_key(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from ondol.infrastructure.storage.blobs import FileKeyProvider\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "print(FileKeyProvider.open_or_create(Path(sys.argv[1])).key_id)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "root.key")]
    processes = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    ids = {process.communicate()[0].strip() for process in processes}
    assert ids == {FileKeyProvider.open_or_create(tmp_path / "root.key").key_id}
    assert [child.name for child in tmp_path.iterdir()] == ["root.key"]


def test_the_same_root_key_has_the_same_id_in_a_file_and_in_the_environment(tmp_path: Path) -> None:
    from_file = FileKeyProvider.open_or_create(tmp_path / "root.key")
    encoded = (tmp_path / "root.key").read_text().split()[1]
    from_environment = EnvironmentKeyProvider.from_environment({"ONDOL_ROOT_KEY": encoded + "\n"})
    assert from_environment.key_id == from_file.key_id
    assert from_environment.unwrap(from_file.wrap(b"k" * 32, b"owner"), b"owner") == b"k" * 32
    assert encoded not in repr(from_file) + repr(from_environment)


@pytest.mark.parametrize("value", [None, "", "hunter2hunter2", base64.b64encode(b"x" * 31).decode(), "!" * 44])
def test_a_variable_without_a_root_key_is_refused_and_not_shown(value: str | None) -> None:
    with pytest.raises(SettingsError, match="ONDOL_ROOT_KEY") as raised:
        EnvironmentKeyProvider.from_environment({} if value is None else {"ONDOL_ROOT_KEY": value})
    assert "openssl" in raised.value.hint
    assert not value or value not in str(raised.value) + raised.value.hint


def test_a_wrapped_key_is_bound_to_its_context_and_root() -> None:
    def provider_of(letter: bytes) -> KeyProvider:
        return EnvironmentKeyProvider.from_environment({"ONDOL_ROOT_KEY": base64.b64encode(letter * 32).decode()})

    wrapped = provider_of(b"a").wrap(b"k" * 32, b"owner")
    assert b"k" * 8 not in wrapped
    with pytest.raises(SealBroken):
        provider_of(b"a").unwrap(wrapped, b"other")
    with pytest.raises(SealBroken):
        provider_of(b"b").unwrap(wrapped, b"owner")
