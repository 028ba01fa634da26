"""Tells people by webhook and by e-mail: what happened and where to look, never a text that somebody wrote.

A webhook's body is signed: ``x-ondol-signature: t=<seconds since 1970>,v1=<hex of HMAC-SHA256(secret, "<t>." + body)>``.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import json
import smtplib
import socket
import ssl
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

from ondol.core.config import AlarmSettings
from ondol.core.errors import OndolError

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class AlarmFailed(OndolError):
    """Nobody could be told; it is tried again."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told.

    Attributes:
        id: tells repetitions apart: the webhook's delivery and the message's id.
        subject: of the e-mail.
        lines: of the e-mail, in Korean and English.
        body: what the webhook is sent, as plain data.
    """

    id: str
    subject: str
    lines: Sequence[str]
    body: Mapping[str, Any]


async def tell(settings: AlarmSettings, notice: Notice, now: datetime) -> None:
    """Tell by every way that is set up; one that fails does not keep the other from being tried.

    Raises:
        AlarmFailed: when one of them fails. Both are tried again then.
    """
    ways: list[Coroutine[Any, Any, None]] = []
    if settings.webhook_url:
        ways.append(call_webhook(settings, notice, now))
    if settings.email_to:
        ways.append(asyncio.to_thread(send_email, settings, notice))
    failed = [outcome for outcome in await asyncio.gather(*ways, return_exceptions=True) if isinstance(outcome, BaseException)]
    if failed:
        raise failed[0]


async def call_webhook(settings: AlarmSettings, notice: Notice, now: datetime) -> None:
    """Send a notice to the webhook: one POST, no redirects, to an address that was looked up and checked once.

    Raises:
        AlarmFailed: when the address is not allowed, or nobody there answers with success.
    """
    url = urlsplit(settings.webhook_url)
    if url.scheme not in ("https", "http") or not url.hostname or (url.scheme == "http" and not settings.webhook_private):
        raise AlarmFailed("guard.alarms.webhook_url is no https:// address.", "http:// is for private addresses only.")
    import httpx

    try:
        port = url.port or (443 if url.scheme == "https" else 80)
        address = await asyncio.to_thread(_allowed_address, url.hostname, port, private=settings.webhook_private)
        body = json.dumps(notice.body, separators=(",", ":")).encode()
        headers = {"host": url.netloc.rpartition("@")[2], "content-type": "application/json", "x-ondol-delivery": notice.id}
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


def signature(secret: str, body: bytes, now: datetime) -> str:
    """The value of ``x-ondol-signature``; see the module."""
    seconds = int(now.timestamp())
    return f"t={seconds},v1={hmac.new(secret.encode(), f'{seconds}.'.encode() + body, hashlib.sha256).hexdigest()}"


def send_email(settings: AlarmSettings, notice: Notice) -> None:
    """Send a notice to the people of `email_to`.

    Raises:
        AlarmFailed: when the mail server does not take it.
    """
    message = EmailMessage()
    message["Subject"] = notice.subject
    message["From"] = settings.email_from
    message["To"] = ", ".join(part.strip() for part in settings.email_to.split(",") if part.strip())
    message["Message-ID"] = f"<{notice.id}@ondol>"
    message.set_content("\n".join(notice.lines) + "\n", cte="base64")  # every server takes it, whatever it offers
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
