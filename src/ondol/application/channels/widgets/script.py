"""The one file that a site loads: read once, with the digest by which a browser checks it (Subresource Integrity)."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

FILE = "ondol-chat.js"


@dataclass(frozen=True, slots=True)
class Script:
    """The element's source.

    Attributes:
        integrity: what stands in the attribute of that name, such as ``sha384-...``.
    """

    body: bytes
    integrity: str


@cache
def element_script() -> Script:
    """The script as this installation serves it."""
    body = (files(__package__) / FILE).read_bytes()
    return Script(body, "sha384-" + base64.b64encode(hashlib.sha384(body).digest()).decode())
