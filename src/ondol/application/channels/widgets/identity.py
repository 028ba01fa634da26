"""What a site's server signs of who is asking: a JSON Web Token (RFC 7519) of one algorithm, which the widget and not the token says (RFC 8725, 3.1).

Claims: ``aud`` the widget's public id, ``sub`` the site's own name for the customer, ``iat`` and ``exp`` at most ten minutes apart, ``jti`` for which
the token is good once; ``name`` to show and ``groups`` to read as, both optional.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec

from ondol.application.channels.widgets.types import Algorithm
from ondol.core.errors import RequestError, Unauthenticated

TOKEN_CHARACTERS_MAX = 4_096
LIFE_MAX = timedelta(minutes=10)
SKEW = timedelta(seconds=30)
"""How far the site's clock may be ahead of ours."""
GROUPS_MAX = 50
SECRET_BYTES = 32
ED25519_BYTES = 32
_HEADER = frozenset(("alg", "typ", "kid"))


@dataclass(frozen=True, slots=True)
class Identity:
    """Who is asking, as the site says.

    Attributes:
        customer: the site's own name for them.
        groups: what of the widget's groups they may read as; None for all of them.
        once: the token is good once.
    """

    customer: str
    name: str
    groups: frozenset[str] | None
    once: str


class _Claims(msgspec.Struct):
    aud: str
    sub: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    iat: int
    exp: int
    jti: Annotated[str, msgspec.Meta(min_length=8, max_length=100)]
    name: Annotated[str, msgspec.Meta(max_length=200)] = ""
    groups: Annotated[list[Annotated[str, msgspec.Meta(max_length=200)]], msgspec.Meta(max_length=GROUPS_MAX)] | None = None


def read_identity(token: str, algorithm: Algorithm, secrets: Sequence[bytes], audience: str, now: datetime) -> Identity:
    """Who a token names.

    Args:
        secrets: what it may be signed with, of the widget's algorithm: HMAC secrets, or Ed25519 public keys of 32 bytes.
        audience: the widget's public id.

    Raises:
        Unauthenticated: it is malformed, of another algorithm, signed by somebody else, for another widget, or not good now. The token itself is
            never repeated.
    """
    if len(token) > TOKEN_CHARACTERS_MAX or token.count(".") != 2:
        raise _malformed("is no token of three parts")
    head, body, signature = token.split(".")
    header = _object(head)
    if header.get("alg") != algorithm or not header.keys() <= _HEADER:
        raise _malformed(f"does not say {algorithm} in its header, or says more than that")
    signed, given = f"{head}.{body}".encode(), _bytes(signature)
    if not any(_is_signed(algorithm, secret, signed, given) for secret in secrets):
        raise Unauthenticated("The token is not signed by this site.", "Sign it with the widget's own secret.", code="identity_forged")
    try:
        claims = msgspec.convert(_object(body), _Claims)
    except msgspec.ValidationError as error:
        raise _malformed(f"is not as it should be: {error}") from None
    if claims.aud != audience:
        raise Unauthenticated("The token is for another widget.", "`aud` is the widget's public id.", code="identity_other_widget")
    _check_times(claims, now)
    return Identity(claims.sub, claims.name, None if claims.groups is None else frozenset(claims.groups), claims.jti)


def secret_text(secret: bytes) -> str:
    """A secret as people copy it. Its text, not the bytes behind it, is the key of the HMAC: as JWT libraries take a string."""
    return base64.urlsafe_b64encode(secret).rstrip(b"=").decode()


def read_public_key(pem: str) -> bytes:
    """The 32 bytes of an Ed25519 public key.

    Raises:
        RequestError: it is no such key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(pem.strip().encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        hint = "Give the PEM text that `openssl pkey -pubout` prints for an Ed25519 key."
        raise RequestError("This is no Ed25519 public key.", hint, code="bad_public_key", param="public_key")
    return key.public_bytes_raw()


def _is_signed(algorithm: Algorithm, secret: bytes, signed: bytes, signature: bytes) -> bool:
    if algorithm == "HS256":
        return hmac.compare_digest(hmac.new(secret, signed, hashlib.sha256).digest(), signature)
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(secret).verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def _check_times(claims: _Claims, now: datetime) -> None:
    try:
        issued, expires = datetime.fromtimestamp(claims.iat, UTC), datetime.fromtimestamp(claims.exp, UTC)
    except (ValueError, OverflowError, OSError):
        raise _malformed("has times that are none") from None
    if expires <= now:
        raise Unauthenticated("The token has expired.", "Sign a fresh one when the page asks for it.", code="identity_expired")
    if issued > now + SKEW or not timedelta(0) < expires - issued <= LIFE_MAX:
        minutes = LIFE_MAX // timedelta(minutes=1)
        raise Unauthenticated(f"The token is not for now, or for longer than {minutes} minutes.", "Set `iat` and `exp`.", code="identity_bad_times")


def _object(part: str) -> Mapping[str, Any]:
    try:
        return msgspec.json.decode(_bytes(part), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _malformed("holds no JSON") from None


def _bytes(part: str) -> bytes:
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _malformed("is not in base64url") from None


def _malformed(what: str) -> Unauthenticated:
    return Unauthenticated(f"The token {what}.", "The guide of the widget shows one.", code="identity_malformed")
