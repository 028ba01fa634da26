"""Envelopes: the specification's encoding, one way of writing, and no passing for a message of the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from ondol.application.evaluation.verdicts.dsse import PAYLOAD_BYTES_MAX, PAYLOAD_TYPE, Signature, encode_for_signing, open_envelope, seal_envelope
from ondol.core.errors import LedgerBroken
from ondol.infrastructure.ledger import LedgerSigner
from ondol.infrastructure.ledger.signing import signature_holds


@dataclass(frozen=True)
class Keyed:
    signer: LedgerSigner

    @property
    def keys(self) -> dict[str, bytes]:
        return {self.signer.key_id: self.signer.public_key}


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Keyed:
    folder: Path = tmp_path_factory.mktemp("keys")
    return Keyed(LedgerSigner.open_or_create(folder / "ledger.key"))


def test_the_encoding_is_the_one_of_the_specification() -> None:
    assert encode_for_signing("http://example.com/HelloWorld", b"hello world") == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert encode_for_signing("ü", "한".encode()) == b"DSSEv1 2 \xc3\xbc 3 \xed\x95\x9c"


def test_any_verifier_can_check_an_envelope(keyed: Keyed) -> None:
    envelope = seal_envelope(keyed.signer, b"{}")
    assert (envelope.payload_type, envelope.payload) == ("application/vnd.in-toto+json", "e30=")
    [signature] = envelope.signatures
    encoded = b"DSSEv1 28 application/vnd.in-toto+json 2 {}"
    Ed25519PublicKey.from_public_bytes(keyed.signer.public_key).verify(msgspec.json.decode(f'"{signature.sig}"', type=bytes), encoded)
    assert open_envelope(envelope, keyed.keys) == b"{}"


@given(st.binary(max_size=300), st.sampled_from(["batch", "erasure", "", "DSSEv1 "]))
def test_nothing_signed_for_another_purpose_passes_for_an_envelope(keyed: Keyed, payload: bytes, purpose: str) -> None:
    encoded = encode_for_signing(PAYLOAD_TYPE, payload)
    forged = msgspec.structs.replace(
        seal_envelope(keyed.signer, payload),
        signatures=[Signature(keyed.signer.key_id, msgspec.json.encode(keyed.signer.sign(purpose, encoded)).decode().strip('"'))],
    )
    with pytest.raises(LedgerBroken, match="signature"):
        open_envelope(forged, keyed.keys)
    assert not signature_holds(keyed.signer.public_key, purpose, encoded, keyed.signer.sign_envelope(encoded))


def test_the_signer_signs_nothing_else_as_an_envelope(keyed: Keyed) -> None:
    with pytest.raises(ValueError, match="pre-authentication"):
        keyed.signer.sign_envelope(b"ondol ledger batch\x00" + bytes(32))


@given(st.binary(min_size=1, max_size=80), st.data())
def test_any_altered_byte_is_found(keyed: Keyed, payload: bytes, data: st.DataObject) -> None:
    whole = msgspec.json.encode(seal_envelope(keyed.signer, payload))
    at = data.draw(st.integers(0, len(whole) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[at]))
    altered = whole[:at] + bytes([other]) + whole[at + 1 :]
    try:
        read = msgspec.json.decode(altered, type=type(seal_envelope(keyed.signer, payload)))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return
    with pytest.raises(LedgerBroken):
        open_envelope(read, keyed.keys)


def test_what_is_no_envelope_of_ours_is_refused(keyed: Keyed) -> None:
    whole = seal_envelope(keyed.signer, b"{}")
    [signature] = whole.signatures
    replace = msgspec.structs.replace
    for altered, told in (
        (replace(whole, payload_type="text/plain"), "text/plain"),
        (replace(whole, signatures=[]), "0 signatures"),
        (replace(whole, signatures=[signature, signature]), "2 signatures"),
        (replace(whole, payload="e3 0="), "base64"),
        (replace(whole, payload="e30"), "base64"),
        (replace(whole, payload="e31="), "base64"),
        (replace(whole, signatures=[replace(signature, keyid="0" * 16)]), "not known"),
        (replace(whole, signatures=[replace(signature, sig="AAAA")]), "does not hold"),
        (seal_envelope(keyed.signer, bytes(PAYLOAD_BYTES_MAX + 1)), "more than"),
    ):
        with pytest.raises(LedgerBroken, match=told):
            open_envelope(altered, keyed.keys)
    with pytest.raises(LedgerBroken, match="revoked"):
        open_envelope(whole, keyed.keys, {keyed.signer.key_id})
