"""Tells people of new incidents, by webhook and by e-mail: rules, counts and a link, never a text.

An incident carries the time at which somebody is to be told. A job takes what is due, tells, and clears the time; what fails is tried again after
a growing while. So an alarm survives a restart, and is given at least once.

A webhook's body is signed: ``x-ondol-signature: t=<seconds since 1970>,v1=<hex of HMAC-SHA256(secret, "<t>." + body)>``.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import json
import logging
import smtplib
import socket
import ssl
import uuid
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

import httpx

from ondol.core.clock import Clock
from ondol.core.config import AlarmSettings
from ondol.core.errors import OndolError
from ondol.infrastructure.guard.store import QUERIES
from ondol.infrastructure.ledger import record
from ondol.infrastructure.storage.postgres import Database, one, rows

DUE_MAX = 100
"""Alarms given by one run of the job; the next one goes on."""
ATTEMPTS_MAX = 8
FIRST_WAIT = timedelta(seconds=10)
"""After the first failure; it doubles with each further one, up to `WAIT_MAX`."""
WAIT_MAX = timedelta(hours=1)
LEASE = timedelta(minutes=2)
"""So long another worker leaves an alarm alone that one has taken."""
OLD = timedelta(days=1)
"""Nobody is told of what is older: it waited because alarms were not set up."""
RULES_SHOWN_MAX = 20

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_logger = logging.getLogger(__name__)


class AlarmFailed(OndolError):
    """Nobody could be told; it is tried again."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """What is told of an incident.

    Attributes:
        tenant: the tenant's slug.
        policy: digest of the policy in force, 32 bytes.
        link: where a person sees it.
    """

    id: uuid.UUID
    tenant: str
    kind: str
    stage: str
    policy: bytes
    rules: tuple[str, ...]
    count: int
    opened_at: datetime
    link: str


async def give_alarms(
    database: Database, settings: AlarmSettings, tenants: Mapping[uuid.UUID, str], link: Callable[[str, uuid.UUID], str], clock: Clock
) -> int:
    """Tell of every incident that is due; of how many somebody was told.

    Args:
        tenants: slugs by id.
        link: the address of an incident, by the tenant's slug and its id.
    """
    if not settings.webhook_url and not settings.email_to:
        return 0
    async with database.system_tx() as connection:
        due = await rows(connection, QUERIES["alarms_due"], {"now": clock(), "limit": DUE_MAX})
    told = 0
    for row in due:
        slug = tenants.get(row["tenant_id"], str(row["tenant_id"]))
        told += await _give_one(database, settings, row["tenant_id"], slug, row["id"], link(slug, row["id"]), clock)
    return told


async def tell(settings: AlarmSettings, alarm: Alarm, now: datetime) -> None:
    """Tell by every way that is set up; one that fails does not keep the other from being tried.

    Raises:
        AlarmFailed: when one of them fails. Both are tried again then: the delivery's id and the message's id tell repetitions apart.
    """
    ways: list[Coroutine[Any, Any, None]] = []
    if settings.webhook_url:
        ways.append(call_webhook(settings, alarm, now))
    if settings.email_to:
        ways.append(asyncio.to_thread(send_email, settings, alarm))
    failed = [outcome for outcome in await asyncio.gather(*ways, return_exceptions=True) if isinstance(outcome, BaseException)]
    if failed:
        raise failed[0]


async def call_webhook(settings: AlarmSettings, alarm: Alarm, now: datetime) -> None:
    """Send an alarm to the webhook: one POST, no redirects, to an address that was looked up and checked once.

    Raises:
        AlarmFailed: when the address is not allowed, or nobody there answers with success.
    """
    url = urlsplit(settings.webhook_url)
    if url.scheme not in ("https", "http") or not url.hostname or (url.scheme == "http" and not settings.webhook_private):
        raise AlarmFailed("guard.alarms.webhook_url is no https:// address.", "http:// is for private addresses only.")
    try:
        port = url.port or (443 if url.scheme == "https" else 80)
        address = await asyncio.to_thread(_allowed_address, url.hostname, port, private=settings.webhook_private)
        body = webhook_body(alarm)
        headers = {"host": url.netloc.rpartition("@")[2], "content-type": "application/json", "x-ondol-delivery": str(alarm.id)}
        if settings.webhook_secret:
            headers["x-ondol-signature"] = signature(settings.webhook_secret, body, now)
        target = url._replace(netloc=f"[{address}]:{port}" if ":" in address else f"{address}:{port}").geturl()
        async with httpx.AsyncClient(timeout=settings.timeout_s, follow_redirects=False, trust_env=False) as client:
            async with asyncio.timeout(settings.timeout_s):
                answer = await client.post(target, content=body, headers=headers, extensions={"sni_hostname": url.hostname})
    except (httpx.HTTPError, OSError, TimeoutError, ValueError, ssl.SSLError) as error:
        raise AlarmFailed(f"The webhook cannot be reached: {type(error).__name__}.", "Check guard.alarms.webhook_url.") from error
    if not answer.is_success:
        raise AlarmFailed(f"The webhook answered with status {answer.status_code}.", "A success has 200 to 299; redirects are not followed.")


def webhook_body(alarm: Alarm) -> bytes:
    """What a webhook is sent, as JSON."""
    told = {
        "event": "guard.incident",
        "incident": str(alarm.id),
        "tenant": alarm.tenant,
        "kind": alarm.kind,
        "stage": alarm.stage,
        "policy": alarm.policy.hex(),
        "rules": list(alarm.rules[:RULES_SHOWN_MAX]),
        "count": alarm.count,
        "opened_at": alarm.opened_at.isoformat(),
        "link": alarm.link,
    }
    return json.dumps(told, separators=(",", ":")).encode()


def signature(secret: str, body: bytes, now: datetime) -> str:
    """The value of ``x-ondol-signature``; see the module."""
    seconds = int(now.timestamp())
    return f"t={seconds},v1={hmac.new(secret.encode(), f'{seconds}.'.encode() + body, hashlib.sha256).hexdigest()}"


def send_email(settings: AlarmSettings, alarm: Alarm) -> None:
    """Send an alarm to the people of `email_to`.

    Raises:
        AlarmFailed: when the mail server does not take it.
    """
    message = EmailMessage()
    message["Subject"] = f"[Ondol] {alarm.tenant}: guard incident ({alarm.kind}, {alarm.stage})"
    message["From"] = settings.email_from
    message["To"] = ", ".join(part.strip() for part in settings.email_to.split(",") if part.strip())
    message["Message-ID"] = f"<{alarm.id}@ondol>"
    rules = ", ".join(alarm.rules[:RULES_SHOWN_MAX]) or "-"
    lines = [
        f"테넌트 / Tenant: {alarm.tenant}",
        f"종류 / Kind: {alarm.kind} ({alarm.stage})",
        f"규칙 / Rules: {rules}",
        f"건수 / Count: {alarm.count}",
        f"시각 / Since: {alarm.opened_at.isoformat(timespec='seconds')}",
        "",
        alarm.link,
    ]
    message.set_content("\n".join(lines) + "\n")
    try:
        context = ssl.create_default_context(cafile=settings.smtp_authority or None)
        with smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=settings.timeout_s) as server:
            if settings.smtp_starttls:
                server.starttls(context=context)
            if settings.smtp_login:
                server.login(settings.smtp_login, settings.smtp_password)
            server.send_message(message)
    except (smtplib.SMTPException, OSError, ValueError) as error:
        raise AlarmFailed(
            f"The mail server does not take the alarm: {type(error).__name__}.", "Check guard.alarms.smtp_host and its port."
        ) from error


async def _give_one(
    database: Database, settings: AlarmSettings, tenant_id: uuid.UUID, slug: str, incident_id: uuid.UUID, link: str, clock: Clock
) -> bool:
    now = clock()
    async with database.tenant_tx(tenant_id) as connection:
        row = await one(connection, QUERIES["alarm_claim"], {"id": incident_id, "now": now, "lease_until": now + LEASE})
    if row is None:
        return False
    attempts = row["alarm_attempts"]
    again_at: datetime | None = None
    event = "guard.alarm_given"
    if now - row["opened_at"] > OLD and attempts == 1:
        event = "guard.alarm_too_late"
    else:
        alarm = Alarm(
            row["id"], slug, row["kind"], row["stage"], bytes(row["policy_digest"]), tuple(row["rules"]), row["count"], row["opened_at"], link
        )
        try:
            await tell(settings, alarm, now)
        except AlarmFailed as error:
            _logger.warning("alarm not given", extra={"incident": str(incident_id), "attempt": attempts, "reason": error.message})
            again_at = None if attempts >= ATTEMPTS_MAX else now + min(WAIT_MAX, FIRST_WAIT * 2 ** (attempts - 1))
            event = "guard.alarm_failed"
    async with database.tenant_tx(tenant_id) as connection:
        await connection.execute(QUERIES["alarm_settle"], {"id": incident_id, "again_at": again_at})
        if again_at is None:
            await record(connection, tenant_id, kind=event, actor_id=None, body={"incident": incident_id, "attempts": attempts}, now=clock())
    return event == "guard.alarm_given"


def _allowed_address(host: str, port: int, *, private: bool) -> str:
    """One address of a host; every one that its name leads to must be public, unless private ones are allowed.

    Raises:
        AlarmFailed: when one is not.
        OSError: when the name leads nowhere.
    """
    found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    if not private and any(not _is_public(address) for address in found):
        raise AlarmFailed("guard.alarms.webhook_url leads to a private address.", "Set guard.alarms.webhook_private where that is meant.")
    return found[0]


def _is_public(text: str) -> bool:
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        # These carry an IPv4 address that a gateway on the way would go to.
        if address.sixtofour is not None or address.teredo is not None or address in _NAT64:
            return False
        address = address.ipv4_mapped or address
    return address.is_global and not address.is_multicast
