"""Taking back what a form has just done: the form that does the opposite, offered on the page that follows and for a while only.

What it would do stands in the address of that page, sealed under the visitor's session: nobody else can offer it to them, and neither the history of
a browser nor a proxy's log tells of it. Each is an action of the console like any other, so rights and the ledger are minded as always.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from ondol.core.errors import SealBroken
from ondol.infrastructure.storage.blobs import DataKey, open_bytes, seal_bytes

OFFERED_FOR = timedelta(minutes=10)
ADDRESS_CHARACTERS_MAX = 4_000
"""What would need more is not offered: servers and proxies refuse long addresses."""
_CONTEXT = b"ondol console undo v1"


@dataclass(frozen=True, slots=True)
class Undo:
    """A form that takes back what was done.

    Attributes:
        path: of the action.
        fields: what it is sent.
        until: when it is offered no longer; absent, for `OFFERED_FOR`.
    """

    path: str
    fields: Mapping[str, str] = field(default_factory=dict)
    until: datetime | None = None


def sealed(undo: Undo, session: str, now: datetime) -> str:
    """The form as a word of an address; empty when it is too long to be offered."""
    until = undo.until or now + OFFERED_FOR
    told = json.dumps([undo.path, dict(undo.fields), until.isoformat()], ensure_ascii=False, separators=(",", ":")).encode()
    word = urlsafe_b64encode(seal_bytes(_key(session), told, _CONTEXT)).decode()
    return word if len(word) <= ADDRESS_CHARACTERS_MAX else ""


def opened(word: str, session: str, now: datetime) -> Undo | None:
    """The form of such a word; None when it was not made for this session, or is offered no longer."""
    if not 0 < len(word) <= ADDRESS_CHARACTERS_MAX:
        return None
    try:
        path, fields, until = json.loads(open_bytes(_key(session), urlsafe_b64decode(word.encode()), _CONTEXT))
    except (SealBroken, binascii.Error):
        return None
    undo = Undo(path, fields, datetime.fromisoformat(until))
    return undo if undo.until is not None and now < undo.until else None


def _key(session: str) -> DataKey:
    return DataKey(hmac.new(session.encode(), _CONTEXT, hashlib.sha256).digest())
