"""Incidents reach people by a real HTTP server and a real mail server, signed, encrypted, and without any text."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import ipaddress
import json
import ssl
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ondol.core.config import AlarmSettings
from ondol.core.ids import new_id
from ondol.infrastructure.access.types import Tenant
from ondol.infrastructure.guard import alarms as module
from ondol.infrastructure.guard.alarms import ATTEMPTS_MAX, Alarm, give_alarms, notice_of
from ondol.infrastructure.guard.incidents import Case, open_incident
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Database, rows
from ondol.infrastructure.telemetry.notices import AlarmFailed, call_webhook, send_email, signature, tell

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 21, 9, 10, tzinfo=UTC)
KEY_ID = new_id()


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Receiver:
    """An HTTP server that answers every request with `status` and keeps what came."""

    status: int = 204
    url: str = ""
    requests: list[tuple[str, Mapping[str, str], bytes]] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:]) if name}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        self.requests.append((head[0], headers, body))
        writer.write(f"HTTP/1.1 {self.status} X\r\nlocation: /elsewhere\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@pytest.fixture
async def receiver(anyio_backend: str) -> AsyncIterator[Receiver]:
    state = Receiver()
    server = await asyncio.start_server(state.handle, "127.0.0.1", 0)
    state.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook?a=1"
    async with server:
        yield state


@pytest.fixture
def alarm() -> Alarm:
    return Alarm(new_id(), "acme", "blocked", "input", bytes(32), ("secrets.key",), 3, NOW, "https://ai.example.com/guard/1")


def settings_for(receiver: Receiver, **changes: object) -> AlarmSettings:
    return replace(AlarmSettings(webhook_url=receiver.url, webhook_secret="s3cret", webhook_private=True), **changes)  # type: ignore[arg-type]


async def test_a_webhook_gets_a_signed_body_without_text(receiver: Receiver, alarm: Alarm) -> None:
    await call_webhook(settings_for(receiver), notice_of(alarm), NOW)
    [(line, headers, body)] = receiver.requests
    assert line == "POST /hook?a=1 HTTP/1.1"
    assert json.loads(body) == {
        "event": "guard.incident", "incident": str(alarm.id), "tenant": "acme", "kind": "blocked", "stage": "input", "policy": "00" * 32,
        "rules": ["secrets.key"], "count": 3, "opened_at": "2026-11-21T09:10:00+00:00", "link": "https://ai.example.com/guard/1",
    }  # fmt: skip
    seconds, _, digest = headers["x-ondol-signature"].partition(",v1=")
    assert seconds == f"t={int(NOW.timestamp())}"
    assert hmac.compare_digest(digest, hmac.new(b"s3cret", f"{int(NOW.timestamp())}.".encode() + body, hashlib.sha256).hexdigest())
    assert headers["x-ondol-delivery"] == str(alarm.id)
    assert signature("other", body, NOW) != headers["x-ondol-signature"]


@pytest.mark.parametrize("status", [302, 400, 500])
async def test_only_a_success_counts_and_redirects_are_not_followed(receiver: Receiver, alarm: Alarm, status: int) -> None:
    receiver.status = status
    with pytest.raises(AlarmFailed, match=str(status)):
        await call_webhook(settings_for(receiver), notice_of(alarm), NOW)
    assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/x", "https://localhost/x", "https://10.1.2.3/x", "https://192.168.0.1/x", "https://169.254.169.254/latest", "https://[::1]/x",
        "https://[::ffff:127.0.0.1]/x", "https://[fd00::1]/x", "https://[64:ff9b::7f00:1]/x", "https://[2002:7f00:1::]/x", "https://0.0.0.0/x",
        "https://100.64.0.1/x", "https://224.0.0.1/x", "http://93.184.216.34/x", "ftp://93.184.216.34/x", "https:///x", "nonsense",
    ],
)  # fmt: skip
async def test_private_and_odd_addresses_are_refused(alarm: Alarm, url: str) -> None:
    with pytest.raises(AlarmFailed):
        await call_webhook(AlarmSettings(webhook_url=url, timeout_s=1), notice_of(alarm), NOW)


async def test_a_silent_webhook_is_given_up(alarm: Alarm) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    async with server:
        settings = AlarmSettings(webhook_url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", webhook_private=True, timeout_s=1)
        with pytest.raises(AlarmFailed, match="cannot be reached"):
            await call_webhook(settings, notice_of(alarm), NOW)


async def incident_at(database: Database, keyring: KeyRing, tenant: Tenant, at: datetime) -> uuid.UUID:
    case = Case(tenant.id, "blocked", "input", bytes(32), ("secrets.key",), "the sample of a text", at, new_id(), KEY_ID, new_id())
    async with database.tenant_tx(tenant.id) as connection:
        return (await open_incident(connection, keyring, case))[0]


async def give(database: Database, settings: AlarmSettings, tenant: Tenant, clock: Clock) -> int:
    return await give_alarms(database, settings, {tenant.id: tenant.slug}, lambda slug, incident: f"https://here/{slug}/{incident}", clock)


async def test_each_incident_is_told_once(database: Database, keyring: KeyRing, tenant: Tenant, receiver: Receiver) -> None:
    clock = Clock()
    incident_id = await incident_at(database, keyring, tenant, NOW)
    assert await give(database, AlarmSettings(), tenant, clock) == 0, "nobody is set up"
    assert await give(database, settings_for(receiver), tenant, clock) == 1
    await incident_at(database, keyring, tenant, NOW + timedelta(minutes=1))
    clock.now += timedelta(minutes=5)
    assert await give(database, settings_for(receiver), tenant, clock) == 0, "one more case of it is not told again"
    [(_, _, body)] = receiver.requests
    assert json.loads(body)["link"] == f"https://here/acme/{incident_id}"
    assert b"sample" not in body


async def test_what_fails_is_tried_again_after_a_growing_while_and_then_given_up(
    database: Database, keyring: KeyRing, tenant: Tenant, receiver: Receiver
) -> None:
    clock = Clock()
    receiver.status = 500
    await incident_at(database, keyring, tenant, NOW)
    waits = []
    for _ in range(ATTEMPTS_MAX):
        assert await give(database, settings_for(receiver), tenant, clock) == 0
        assert await give(database, settings_for(receiver), tenant, clock) == 0, "not before its time"
        async with database.tenant_tx(tenant.id) as connection:
            [row] = await rows(connection, "select alarm_at from guard_incidents limit 2", {})
        if row["alarm_at"] is not None:
            waits.append((row["alarm_at"] - clock.now).total_seconds())
            clock.now = row["alarm_at"]
    assert waits == [10, 20, 40, 80, 160, 320, 640]
    assert len(receiver.requests) == ATTEMPTS_MAX
    async with database.tenant_tx(tenant.id) as connection:
        events = await rows(connection, "select kind from ledger_events where kind like 'guard.alarm%%' limit 9", {})
    assert [row["kind"] for row in events] == ["guard.alarm_failed"]


async def test_what_waited_for_long_is_not_told(database: Database, keyring: KeyRing, tenant: Tenant, receiver: Receiver) -> None:
    await incident_at(database, keyring, tenant, NOW)
    assert await give(database, settings_for(receiver), tenant, Clock(NOW + timedelta(days=2))) == 0
    assert receiver.requests == []


async def test_two_workers_tell_once(database: Database, keyring: KeyRing, tenant: Tenant, receiver: Receiver) -> None:
    await incident_at(database, keyring, tenant, NOW)
    told = await asyncio.gather(*(give(database, settings_for(receiver), tenant, Clock()) for _ in range(3)))
    assert sum(told) == 1
    assert len(receiver.requests) == 1


# ---------------------------------------------------------------- e-mail


@dataclass
class MailServer:
    """Enough of SMTP (RFC 5321, 3207) to take one message over STARTTLS."""

    context: ssl.SSLContext
    port: int = 0
    offers_tls: bool = True
    encrypted: bool = False
    recipients: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def say(line: str) -> None:
            writer.write(line.encode() + b"\r\n")
            await writer.drain()

        await say("220 here")
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            while line := (await reader.readuntil(b"\r\n")).decode().strip():
                verb = line.upper().split(" ")[0]
                if verb == "EHLO":
                    await say("250-here\r\n250 STARTTLS" if self.offers_tls and not self.encrypted else "250 here")
                elif verb == "STARTTLS":
                    await say("220 go on")
                    await writer.start_tls(self.context)
                    self.encrypted = True
                elif verb == "DATA":
                    await say("354 go on")
                    self.messages.append((await reader.readuntil(b"\r\n.\r\n")).decode())
                    await say("250 taken")
                elif verb == "QUIT":
                    await say("221 bye")
                    break
                else:
                    if verb == "RCPT":
                        self.recipients.append(line)
                    await say("250 fine")
        writer.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that signed itself, and its key."""
    folder = tmp_path_factory.mktemp("mail")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return folder / "cert.pem", folder / "key.pem"


@pytest.fixture
async def mail(certificate: tuple[Path, Path], anyio_backend: str) -> AsyncIterator[MailServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    state = MailServer(context)
    server = await asyncio.start_server(state.handle, "127.0.0.1", 0)
    state.port = server.sockets[0].getsockname()[1]
    async with server:
        yield state


def mail_settings(mail: MailServer, authority: str) -> AlarmSettings:
    return AlarmSettings(
        email_to="kim@example.com, lee@example.com", smtp_host="127.0.0.1", smtp_port=mail.port, smtp_authority=authority, timeout_s=5
    )


async def test_an_email_goes_out_encrypted_to_everybody(mail: MailServer, certificate: tuple[Path, Path], alarm: Alarm) -> None:
    await asyncio.to_thread(send_email, mail_settings(mail, str(certificate[0])), notice_of(alarm))
    assert mail.encrypted
    assert [line.split("<")[1].split(">")[0] for line in mail.recipients] == ["kim@example.com", "lee@example.com"]
    [message] = mail.messages
    assert "Subject: [Ondol] acme: guard incident (blocked, input)" in message


async def test_an_email_is_not_sent_in_the_clear_or_to_an_unknown_server(mail: MailServer, certificate: tuple[Path, Path], alarm: Alarm) -> None:
    with pytest.raises(AlarmFailed):
        await asyncio.to_thread(send_email, mail_settings(mail, ""), notice_of(alarm))
    mail.offers_tls = False
    with pytest.raises(AlarmFailed):
        await asyncio.to_thread(send_email, mail_settings(mail, str(certificate[0])), notice_of(alarm))
    assert mail.messages == []


async def test_a_webhook_that_fails_does_not_keep_the_email_back(
    receiver: Receiver, mail: MailServer, certificate: tuple[Path, Path], alarm: Alarm
) -> None:
    receiver.status = 500
    both = replace(mail_settings(mail, str(certificate[0])), webhook_url=receiver.url, webhook_private=True)
    with pytest.raises(AlarmFailed, match="500"):
        await tell(both, notice_of(alarm), NOW)
    assert (len(receiver.requests), len(mail.messages)) == (1, 1)


def test_the_waits_end_below_their_bound() -> None:
    assert module.FIRST_WAIT * 2 ** (ATTEMPTS_MAX - 2) <= module.WAIT_MAX
