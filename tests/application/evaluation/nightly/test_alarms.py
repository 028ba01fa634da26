"""A night that went wrong reaches people by a real mail server: over an encrypted connection, once, without a word of anybody's text."""

from __future__ import annotations

import email
import email.policy
from pathlib import Path

import pytest

from ondol.application.evaluation.nightly import Look, give_nightly_alarms, list_looks
from ondol.application.evaluation.nightly.schedule import minute_of
from ondol.infrastructure.access.people import find_tenant
from ondol.infrastructure.storage.postgres import rows
from ondol.wiring.nightly import plan_nights, run_night
from tests.application.assistant.conftest import Desk
from tests.infrastructure.guard.test_alarms import MailServer, certificate, mail, mail_settings
from tests.wiring.test_nightly import SUITE, golden

__all__ = ["certificate", "mail"]

pytestmark = pytest.mark.anyio


async def failed_night(desk: Desk) -> Look:
    """A night of an assistant that serves nothing."""
    await golden(desk)
    platform = desk.house.platform
    tenant = await find_tenant(platform.database, "acme")
    await plan_nights(platform, tenant, "desk", SUITE, "visitor", minute_of("03:00"), "alarm")
    return await run_night(platform, tenant, desk.assistant.id)


async def given(desk: Desk, mail: MailServer, authority: str) -> int:
    platform, tenant_id = desk.house.platform, desk.house.tenant_id
    settings = mail_settings(mail, authority)
    return await give_nightly_alarms(
        platform.database, settings, {tenant_id: "acme"}, lambda slug, name: f"https://o/{slug}/{name}", desk.house.clock
    )


async def events(desk: Desk) -> list[str]:
    async with desk.house.platform.database.tenant_tx(desk.house.tenant_id) as connection:
        found = await rows(connection, "select kind from ledger_events where kind like 'nightly.alarm%%' order by id", {})
    return [row["kind"] for row in found]


async def test_a_night_that_failed_is_told_by_mail_once(desk: Desk, mail: MailServer, certificate: tuple[Path, Path]) -> None:
    look = await failed_night(desk)
    assert await given(desk, mail, str(certificate[0])) == 1
    assert await given(desk, mail, str(certificate[0])) == 0
    assert mail.encrypted
    assert [line.split("<")[1].split(">")[0] for line in mail.recipients] == ["kim@example.com", "lee@example.com"]
    [text] = mail.messages
    message = email.message_from_bytes(text.removesuffix(".\r\n").encode(), policy=email.policy.default)
    assert message["Subject"] == "[Ondol] acme: nightly evaluation of desk (failed)"
    assert message["Message-ID"] == f"<{look.id}@ondol>"
    body = message.get_content()
    for line in ("테넌트 / Tenant: acme", "어시스턴트 / Assistant: desk", "결과 / Found: 평가 실패 / not evaluated", "https://o/acme/desk"):
        assert line in body.splitlines()
    assert look.reason not in body
    assert await events(desk) == ["nightly.alarm_given"]


async def test_a_mail_server_that_cannot_be_trusted_is_tried_again_later(desk: Desk, mail: MailServer, certificate: tuple[Path, Path]) -> None:
    await failed_night(desk)
    assert await given(desk, mail, "") == 0
    assert (mail.messages, await events(desk)) == ([], [])
    assert await given(desk, mail, str(certificate[0])) == 0, "before its time it is not tried again"
    desk.house.clock.advance(minutes=1)
    assert await given(desk, mail, str(certificate[0])) == 1
    async with desk.house.platform.database.tenant_tx(desk.house.tenant_id) as connection:
        [look] = await list_looks(connection, desk.assistant.id, limit=5)
    assert (look.alarm_at, look.alarm_attempts, len(mail.messages)) == (None, 2, 1)
