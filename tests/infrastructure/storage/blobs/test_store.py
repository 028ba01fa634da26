from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from obstore.store import GCSStore, LocalStore, MemoryStore, S3Store

import ondol.infrastructure.storage.blobs as public
from ondol.core.errors import DataFolderError, SettingsError
from ondol.infrastructure.storage.blobs import KeyOwner, KeyRing, SealedBlobs, open_store
from ondol.infrastructure.storage.blobs.store import put_new

PRELUDE = """
import os, resource, sys
from pathlib import Path
from uuid import UUID
from ondol.core.errors import OndolError
from ondol.infrastructure.storage.blobs import FileKeyProvider, KeyOwner, KeyRing, SealedBlobs, open_store

folder = Path(sys.argv[1])
ring = KeyRing(open_store(folder / "keys"), FileKeyProvider.open_or_create(folder / "root.key"))
owner = KeyOwner(UUID(int=1), "document", UUID(int=2))
ring.create(KeyOwner.tenant(owner.tenant_id))
ring.create(owner)
blobs = SealedBlobs(open_store(folder / "blobs"), ring)
blobs.put(owner, "a/warm", b"warm")
list(blobs.stream(owner, "a/warm"))

def told(use):
    try:
        use()
    except OndolError as error:
        print(type(error).__name__, "|", error.message, "|", error.hint)
"""


def run(script: str, folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-c", PRELUDE + script, str(folder), *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_the_public_names() -> None:
    assert public.__all__ == [
        "BlobInfo",
        "DataKey",
        "EnvironmentKeyProvider",
        "FileKeyProvider",
        "KeyOwner",
        "KeyProvider",
        "KeyRing",
        "OwnerKind",
        "SealedBlobs",
        "open_bytes",
        "open_store",
        "seal_bytes",
    ]


@pytest.mark.parametrize("form", ["{}", "file://{}", "file://localhost{}"])
def test_local_stores_by_path_and_url(tmp_path: Path, form: str) -> None:
    store = open_store(form.format(tmp_path / "new" / "deep").replace(" ", "%20"))
    assert isinstance(store, LocalStore)
    assert store.prefix == tmp_path / "new" / "deep"
    assert stat.S_IMODE((tmp_path / "new" / "deep").stat().st_mode) == 0o700


def test_a_folder_that_exists_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine").chmod(0o750)
    open_store(tmp_path / "mine")
    assert stat.S_IMODE((tmp_path / "mine").stat().st_mode) == 0o750


def test_an_escaped_url_is_a_folder_with_that_name(tmp_path: Path) -> None:
    open_store(f"file://{tmp_path}/two%20words")
    assert (tmp_path / "two words").is_dir()


def test_other_stores_by_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    bucket = open_store("s3://bucket/some/prefix")
    assert isinstance(bucket, S3Store)
    assert bucket.prefix == "some/prefix"
    assert isinstance(open_store("gs://bucket"), GCSStore)
    assert isinstance(open_store("memory://"), MemoryStore)


@pytest.mark.parametrize("url", ["ftp://host/x", "http://host/x", "file://host/x", "file://relative", "file:///x?y=1", "az://container"])
def test_urls_that_name_no_store(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(SettingsError) as raised:
        open_store(url)
    assert raised.value.hint
    assert "\n" not in raised.value.message


def test_files_and_folders_are_private(tmp_path: Path, keyring: KeyRing, owner: KeyOwner) -> None:
    blobs = SealedBlobs(open_store(tmp_path / "blobs"), keyring)
    blobs.put(owner, "a/b/small", b"x")
    blobs.put(owner, "a/c/large", bytes(20_000_000))
    modes = {path.relative_to(tmp_path).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "blobs").rglob("*")}
    assert modes == {
        "blobs/a": 0o700,
        "blobs/a/b": 0o700,
        "blobs/a/c": 0o700,
        "blobs/a/b/small": 0o600,
        "blobs/a/c/large": 0o600,
    }


@pytest.mark.parametrize("url", ["memory://", None])
def test_put_new_writes_once(tmp_path: Path, url: str | None) -> None:
    store = open_store(url or tmp_path / "objects")
    assert [put_new(store, "a/b", b"first"), put_new(store, "a/b", b"second")] == [True, False]
    assert bytes(store.get("a/b").bytes()) == b"first"


def test_something_else_in_the_way_is_a_data_folder_error(tmp_path: Path, keyring: KeyRing, owner: KeyOwner) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataFolderError) as raised:
        open_store(tmp_path / "file" / "blobs")
    assert "lies there" in raised.value.hint
    blobs = SealedBlobs(open_store(tmp_path / "blobs"), keyring)
    blobs.put(owner, "a", b"x")
    with pytest.raises(DataFolderError) as raised:
        blobs.put(owner, "a/b", b"x")
    assert "lies there" in raised.value.hint


@pytest.mark.parametrize("plain_bytes", [2_000_000, 30_000_000])
def test_a_full_disk_is_a_data_folder_error_and_leaves_nothing(tmp_path: Path, plain_bytes: int) -> None:
    """A limit on file sizes gives the same kind of error as a full disk, and needs no file system of its own."""
    script = """
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
told(lambda: blobs.put(owner, "a/big", (bytes(100_000) for _ in range(int(sys.argv[2]) // 100_000))))
"""
    kind, _, hint = run(script, tmp_path, str(plain_bytes)).split(" | ")
    assert kind == "DataFolderError"
    assert "Make room" in hint
    assert [file.name for file in (tmp_path / "blobs" / "a").iterdir()] == ["warm"]


def test_missing_rights_are_a_data_folder_error(tmp_path: Path) -> None:
    """Root may do everything, so it first becomes somebody else."""
    script = """
for path in ("blobs/a", "keys", f"keys/{owner.tenant_id}/document"):
    (folder / path).chmod(0o500)
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
told(lambda: blobs.put(owner, "a/new", b"x"))
told(lambda: blobs.put(owner, "a/new", bytes(30_000_000)))
told(lambda: blobs.delete("a/warm"))
told(lambda: ring.create(KeyOwner(owner.tenant_id, "document", UUID(int=9))))
told(lambda: ring.destroy(owner))
"""
    lines = run(script, tmp_path).splitlines()
    assert len(lines) == 5
    for line in lines:
        assert line.startswith("DataFolderError | ")
        assert "the right to read, write and delete" in line


MEMORY = """
def peak_mib():
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    # On Linux ru_maxrss begins with what the parent process had; VmHWM is this program's own.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024

mebibytes = int(sys.argv[2])
before = peak_mib()
info = blobs.put(owner, "a/big", (os.urandom(1024 * 1024) for _ in range(mebibytes)))
streamed = sum(map(len, blobs.stream(owner, "a/big")))
assert streamed == info.plain_bytes == mebibytes * 1024 * 1024
print(peak_mib() - before)
"""


def test_memory_does_not_grow_with_the_blob(tmp_path: Path) -> None:
    assert float(run(MEMORY, tmp_path, "64")) < 48


@pytest.mark.long
def test_a_gibibyte_passes_through_64_mebibytes(tmp_path: Path) -> None:
    assert float(run(MEMORY, tmp_path, "1024")) < 64
