"""Records of widgets and of who asks through them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Algorithm = Literal["HS256", "EdDSA"]


@dataclass(frozen=True, slots=True)
class Widget:
    """An assistant for some sites.

    Attributes:
        public_id: what a site's page names it by; no secret.
        assistant: its name.
        key_id: the API key that it acts by, whose text nobody knows: limits, usage and revocation hold on to it.
        algorithm: how a site signs who is asking: HMAC-SHA-256 with a secret that both know, or Ed25519.
        origins: the sites, such as ``https://shop.example``.
        visitors: whether somebody may ask whom the site does not name.
        open_documents: whether what is open to everybody of the tenant may be read too.
        questions_per_minute: of all together.
        questions_per_customer: of each customer, and of each visit without a name.
        groups: the most that anybody may read through it: what these may.
    """

    id: uuid.UUID
    tenant_id: uuid.UUID
    public_id: str
    name: str
    assistant: str
    key_id: uuid.UUID
    algorithm: Algorithm
    origins: tuple[str, ...]
    visitors: bool
    open_documents: bool
    questions_per_minute: int
    questions_per_customer: int
    groups: tuple[str, ...]
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewWidget:
    """What is said of a widget that is made.

    Attributes:
        public_key: of the site's server, in PEM, where it signs with Ed25519; empty where a secret is to be made.
    """

    name: str
    assistant: str
    origins: tuple[str, ...]
    groups: tuple[str, ...] = ()
    visitors: bool = False
    open_documents: bool = False
    questions_per_minute: int = 120
    questions_per_customer: int = 10
    public_key: str = ""


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody at a site, by a token that holds for minutes.

    Attributes:
        person_id: the customer; all visitors without a name are one.
        origin: of the page that the token was given to.
        is_named: the site said who it is.
        is_preview: it was opened in the console, by somebody who looks after the widget.
    """

    id: uuid.UUID
    tenant_id: uuid.UUID
    widget_id: uuid.UUID
    person_id: uuid.UUID
    key_id: uuid.UUID
    assistant: str
    origin: str
    is_named: bool
    is_preview: bool
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class OpenedVisit:
    """A new visit, with the token that its page sends from now on."""

    token: str
    visit: Visit
