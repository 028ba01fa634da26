"""DSSE envelopes: a payload with its type and a signature over both.

After DSSE 1.0.2 (secure-systems-lab, ``protocol.md`` and ``envelope.md``): what is signed is
``"DSSEv1" SP LEN(type) SP type SP LEN(body) SP body``, the lengths in bytes, in decimal without leading zeros.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Set

import msgspec

from ondol.core.errors import LedgerBroken
from ondol.infrastructure.ledger import LedgerSigner, PublicKeys, envelope_signature_holds

PAYLOAD_TYPE = "application/vnd.in-toto+json"
PAYLOAD_BYTES_MAX = 262_144


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A signature in base64, and the id of the key that made it."""

    keyid: str
    sig: str


class Envelope(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """An envelope as JSON has it; the payload is in base64."""

    payload_type: str
    payload: str
    signatures: list[Signature]


def encode_for_signing(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding (PAE) of a type and a payload."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def seal_envelope(signer: LedgerSigner, payload: bytes) -> Envelope:
    """An envelope around a statement, signed with the platform's key."""
    signature = signer.sign_envelope(encode_for_signing(PAYLOAD_TYPE, payload))
    return Envelope(payload_type=PAYLOAD_TYPE, payload=_text(payload), signatures=[Signature(signer.key_id, _text(signature))])


def open_envelope(envelope: Envelope, keys: PublicKeys, revoked: Set[str] = frozenset()) -> bytes:
    """The payload of an envelope that holds.

    Args:
        keys: the keys that may have signed, got from a source that the checker trusts.
        revoked: ids of keys that are trusted no more.

    Raises:
        LedgerBroken: naming what does not hold.
    """
    if envelope.payload_type != PAYLOAD_TYPE:
        raise LedgerBroken(f"The envelope holds {envelope.payload_type[:100]!r}, and not {PAYLOAD_TYPE!r}.")
    if len(envelope.signatures) != 1:
        raise LedgerBroken(f"The envelope has {len(envelope.signatures)} signatures; the platform gives one.")
    [signature] = envelope.signatures
    if signature.keyid not in keys:
        raise LedgerBroken(f"The envelope is signed by the key {signature.keyid[:50]}, which is not known.", "Add its public key, if it is yours.")
    if signature.keyid in revoked:
        raise LedgerBroken(f"The envelope is signed by the key {signature.keyid}, which was revoked.", "Evaluate again: the key of now signs it.")
    payload = _bytes(envelope.payload, "payload")
    if len(payload) > PAYLOAD_BYTES_MAX:
        raise LedgerBroken(f"The envelope's payload has more than {PAYLOAD_BYTES_MAX:,} bytes.")
    encoded = encode_for_signing(envelope.payload_type, payload)
    if not envelope_signature_holds(keys[signature.keyid], encoded, _bytes(signature.sig, "signature")):
        raise LedgerBroken("The signature of the envelope does not hold: its payload was altered, or another key signed it.")
    return payload


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _bytes(text: str, what: str) -> bytes:
    """What base64 says, in the one form that it is written in: bits that nobody reads are refused too."""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        content = None
    if content is None or _text(content) != text:
        raise LedgerBroken(f"The {what} of the envelope is no base64 of the standard alphabet.")
    return content
