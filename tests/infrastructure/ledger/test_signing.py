from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ondol.core.errors import DataFolderError, SettingsError
from ondol.infrastructure.ledger import LedgerSigner, public_keys_path, read_public_keys, read_revoked_keys, revoke_key, revoked_keys_path
from ondol.infrastructure.ledger.signing import key_id_of, signature_holds


def test_the_same_key_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "ledger.key"
    first, second = LedgerSigner.open_or_create(path), LedgerSigner.open_or_create(path)
    assert first == second
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["ledger.key", "ledger.public"]
    assert read_public_keys(public_keys_path(path)) == {first.key_id: first.public_key}
    assert first.key_id == key_id_of(first.public_key)


def test_many_at_once_make_one_key(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "ledger.key"
    with ThreadPoolExecutor(8) as threads:
        signers = list(threads.map(lambda _: LedgerSigner.open_or_create(path), range(16)))
    assert len({signer.key_id for signer in signers}) == 1
    assert list(read_public_keys(public_keys_path(path))) == [signers[0].key_id]


def test_rotation_keeps_what_verified_before(tmp_path: Path) -> None:
    path = tmp_path / "ledger.key"
    old = LedgerSigner.open_or_create(path)
    signature = old.sign("batch", b"message")
    new = LedgerSigner.rotate(path)
    assert new.key_id != old.key_id
    assert LedgerSigner.open_or_create(path) == new
    keys = read_public_keys(public_keys_path(path))
    assert list(keys) == [old.key_id, new.key_id]
    assert signature_holds(keys[old.key_id], "batch", b"message", signature)


def test_a_lost_list_gets_the_present_key_again(tmp_path: Path) -> None:
    path = tmp_path / "ledger.key"
    signer = LedgerSigner.open_or_create(path)
    public_keys_path(path).unlink()
    LedgerSigner.open_or_create(path)
    assert list(read_public_keys(public_keys_path(path))) == [signer.key_id]


def test_a_signature_holds_for_its_key_purpose_and_message_only(tmp_path: Path) -> None:
    signer, other = LedgerSigner.open_or_create(tmp_path / "a.key"), LedgerSigner.open_or_create(tmp_path / "b.key")
    signature = signer.sign("batch", b"message")
    assert signature_holds(signer.public_key, "batch", b"message", signature)
    assert not signature_holds(other.public_key, "batch", b"message", signature)
    assert not signature_holds(signer.public_key, "receipt", b"message", signature)
    assert not signature_holds(signer.public_key, "batch", b"messages", signature)
    assert not signature_holds(signer.public_key, "batch", b"message", signature[:-1])
    assert not signature_holds(b"short", "batch", b"message", signature)


def test_the_private_key_is_in_no_repr(tmp_path: Path) -> None:
    signer = LedgerSigner.open_or_create(tmp_path / "ledger.key")
    assert repr(signer) == f"LedgerSigner(key_id={signer.key_id!r}, public_key={signer.public_key!r})"


def test_an_open_or_foreign_key_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.key"
    LedgerSigner.open_or_create(path)
    path.chmod(0o640)
    with pytest.raises(SettingsError, match="0640"):
        LedgerSigner.open_or_create(path)
    path.chmod(0o600)
    path.write_text("no key")
    with pytest.raises(SettingsError, match="no Ed25519 key"):
        LedgerSigner.open_or_create(path)


def test_a_forged_line_in_the_list_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.key"
    signer = LedgerSigner.open_or_create(path)
    public = public_keys_path(path)
    public.write_text(f"{signer.key_id} {bytes(32).hex()}\n")
    with pytest.raises(SettingsError, match="Line 1"):
        read_public_keys(public)


def test_an_unusable_folder_is_the_persons_to_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataFolderError):
        LedgerSigner.open_or_create(tmp_path / "file" / "ledger.key")
    with pytest.raises(DataFolderError):
        read_public_keys(tmp_path / "missing")


def test_a_revoked_key_is_named_and_stays_in_the_list(tmp_path: Path) -> None:
    path = tmp_path / "ledger.key"
    signer = LedgerSigner.open_or_create(path)
    assert read_revoked_keys(revoked_keys_path(path)) == frozenset()
    with pytest.raises(SettingsError, match="never had a key"):
        revoke_key(path, "0" * 16)
    revoke_key(path, signer.key_id)
    revoke_key(path, signer.key_id)
    assert read_revoked_keys(revoked_keys_path(path)) == {signer.key_id}
    assert read_public_keys(public_keys_path(path)) == {signer.key_id: signer.public_key}
    revoked_keys_path(path).write_text("no key\n")
    with pytest.raises(SettingsError, match="Line 1"):
        read_revoked_keys(revoked_keys_path(path))
