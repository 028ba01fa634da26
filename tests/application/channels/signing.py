"""Signing as a site's server would, by the standard and not by our code (RFC 7515, 7519)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ondol.application.channels.widgets.types import Widget


def claims_for(widget: Widget, now: datetime, **changed: Any) -> dict[str, Any]:
    """What a site says of a customer; None leaves a claim out."""
    at = int(now.timestamp())
    told = {"aud": widget.public_id, "sub": "customer-17", "iat": at, "exp": at + 120, "jti": secrets.token_hex(8), "name": "Kim", **changed}
    return {name: value for name, value in told.items() if value is not None}


def signed(secret: str, claims: Mapping[str, Any], **header: Any) -> str:
    """A token signed with HMAC-SHA-256."""
    text = f"{_part({'alg': 'HS256', 'typ': 'JWT', **header})}.{_part(claims)}"
    return f"{text}.{_encoded(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest())}"


def unsigned(claims: Mapping[str, Any]) -> str:
    """A token that says it needs no signature."""
    return f"{_part({'alg': 'none'})}.{_part(claims)}."


def text_to_sign(claims: Mapping[str, Any], algorithm: str) -> str:
    """The first two parts."""
    return f"{_part({'alg': algorithm, 'typ': 'JWT'})}.{_part(claims)}"


def with_signature(text: str, signature: bytes) -> str:
    """All three."""
    return f"{text}.{_encoded(signature)}"


def _part(value: Mapping[str, Any]) -> str:
    return _encoded(json.dumps(value).encode())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
