"""API keys, session tokens, one-time codes and passwords: how they are made, hashed and compared.

A key reads ``sk-ondol-<public id>-<secret>``: 16 and 43 characters. The secret has 256 random bits, so a plain SHA-256 of it is enough to keep;
passwords go through argon2id (RFC 9106, second recommended option: 64 MiB, 3 passes).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from dataclasses import dataclass
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ondol.core.errors import RequestError, Unauthenticated

KEY_PREFIX = "sk-ondol-"
PASSWORD_CHARACTERS_MIN = 10
PASSWORD_CHARACTERS_MAX = 256

_KEY = re.compile(r"sk-ondol-([a-z0-9]{16})-([A-Za-z0-9]{43})")
_PUBLIC_ALPHABET = string.ascii_lowercase + string.digits
_SECRET_ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class MintedKey:
    """A fresh key. `text` is shown once and never kept."""

    text: str
    public_id: str
    secret_hash: bytes

    def __repr__(self) -> str:
        return f"MintedKey(public_id={self.public_id!r})"


def mint_key() -> MintedKey:
    """Make a key."""
    public_id = "".join(secrets.choice(_PUBLIC_ALPHABET) for _ in range(16))
    secret = "".join(secrets.choice(_SECRET_ALPHABET) for _ in range(43))
    return MintedKey(f"{KEY_PREFIX}{public_id}-{secret}", public_id, token_hash(secret))


def split_key(text: str) -> tuple[str, str]:
    """The public id and the secret of a key.

    Raises:
        Unauthenticated: when the text is not of a key's form. The text itself is never repeated.
    """
    match = _KEY.fullmatch(text)
    if match is None:
        raise Unauthenticated("The API key is not of the form sk-ondol-<id>-<secret>.", "Make one with `ondol key create`.")
    return match[1], match[2]


def new_token() -> str:
    """A random token of 256 bits for sessions and one-time codes."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> bytes:
    """SHA-256 of a high-entropy token: what is kept of it."""
    return hashlib.sha256(token.encode()).digest()


def same(first: bytes, second: bytes) -> bool:
    """Comparison in constant time."""
    return hmac.compare_digest(first, second)


def hash_password(password: str) -> str:
    """The argon2id hash of a password.

    Raises:
        RequestError: when it is too short or too long.
    """
    if not PASSWORD_CHARACTERS_MIN <= len(password) <= PASSWORD_CHARACTERS_MAX:
        raise RequestError(
            f"A password has {PASSWORD_CHARACTERS_MIN} to {PASSWORD_CHARACTERS_MAX} characters.",
            "A sentence of a few words is easy to remember.",
            code="password_length",
        )
    return _hasher().hash(password)


def password_matches(password_hash: str | None, password: str) -> bool:
    """Whether the password is right. Takes as long for an unknown account, so that the time tells nothing."""
    try:
        right = _hasher().verify(password_hash or _decoy(), password[:PASSWORD_CHARACTERS_MAX])
    except (VerificationError, InvalidHashError):
        return False
    return right and password_hash is not None and len(password) <= PASSWORD_CHARACTERS_MAX


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=4)


@cache
def _decoy() -> str:
    return _hasher().hash(secrets.token_urlsafe(16))
