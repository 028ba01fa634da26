"""Files for a conversation over the admin API: they stream in, are their person's alone, and say what is wrong with them."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from ondol.application.knowledge.attachments.reading import read_attachment
from ondol.core.ids import new_id
from ondol.infrastructure.access.people import find_person, find_tenant
from ondol.infrastructure.storage.postgres import rows
from tests.wiring.test_admin import Api, api
from tests.wiring.test_admin_threads import thread

__all__ = ["api"]

pytestmark = pytest.mark.anyio
NOTE = "# 회의록\n\n다음 회의는 3월 4일 오후 2시에 합니다.\n".encode()


async def send(api: Api, content: Any, query: str, who: str = "member") -> tuple[int, Any]:
    """What sending a file came to, or the code of its error and the field that it names."""
    answer = await api.client.post(f"/api/v1/attachments?{query}", content=content, headers={"authorization": f"Bearer {api.texts[who]}"})
    told = answer.json()
    if answer.status_code >= 400:
        return answer.status_code, (told["error"]["code"], told["error"]["param"])
    assert answer.headers["location"] == f"/api/v1/attachments/{told['id']}"
    return answer.status_code, told


async def read(api: Api, attachment: str) -> None:
    tenant = await find_tenant(api.platform.database, "acme")
    assert await read_attachment(api.platform.knowledge, api.platform.attachment_limits, tenant.id, uuid.UUID(attachment))


async def test_a_file_streams_in_is_read_told_opened_and_removed(api: Api) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for place in range(0, len(NOTE), 7):
            yield NOTE[place : place + 7]

    status, sent = await send(api, pieces(), "file=회의록.md")
    assert (status, sent["state"], sent["name"], sent["bytes"], sent["thread"]) == (202, "received", "회의록.md", len(NOTE), None)
    _, listed = await api.ask("member", "GET", "/attachments")
    assert [item["id"] for item in listed["attachments"]] == [sent["id"]]
    assert (listed["files_max"], listed["bytes_max"]) == (10, 20 << 20)
    assert {".pdf", ".docx", ".md", ".txt", ".html"} <= set(listed["suffixes"])
    await read(api, sent["id"])
    _, told = await api.ask("member", "GET", f"/attachments/{sent['id']}")
    assert (told["state"], told["title"], told["language"], told["passages"], told["failure"]) == ("ready", "회의록", "ko", 1, None)
    original = await api.client.get(f"/api/v1/attachments/{sent['id']}/original", headers={"authorization": f"Bearer {api.texts['member']}"})
    assert original.content == NOTE
    assert original.headers["content-disposition"].startswith("attachment;")
    assert (original.headers["content-type"], original.headers["x-content-type-options"]) == ("text/markdown", "nosniff")
    assert await api.ask("member", "DELETE", f"/attachments/{sent['id']}") == (200, {"removed": True})
    assert await api.ask("member", "GET", f"/attachments/{sent['id']}") == (404, "attachment_not_found")
    assert await api.ask("member", "DELETE", f"/attachments/{sent['id']}") == (404, "attachment_not_found")


async def test_a_file_is_its_persons_whatever_the_role_of_others(api: Api) -> None:
    _, sent = await send(api, NOTE, "file=a.md")
    await read(api, sent["id"])
    for who in ("owner", "auditor", "other owner"):
        assert (await api.ask(who, "GET", "/attachments"))[1]["attachments"] == []
        for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/original")):
            assert await api.ask(who, method, f"/attachments/{sent['id']}{path}") == (404, "attachment_not_found"), (who, method, path)
    assert await api.ask("nobody", "GET", "/attachments") == (401, "invalid_api_key")
    assert (await send(api, NOTE, "file=a.md", who="nobody"))[0] == 401


async def test_a_file_goes_to_ones_own_thread_and_to_no_other(api: Api) -> None:
    mine, theirs = await thread(api, "member", "First"), await thread(api, "owner", "Second")
    status, sent = await send(api, NOTE, f"file=a.md&thread={mine}")
    assert (status, sent["thread"]) == (202, mine)
    assert await send(api, NOTE, f"file=a.md&thread={theirs}") == (404, ("thread_not_found", "ondol.thread"))
    assert await send(api, NOTE, f"file=a.md&thread={new_id()}") == (404, ("thread_not_found", "ondol.thread"))
    assert [item["id"] for item in (await api.ask("member", "GET", f"/attachments?thread={mine}"))[1]["attachments"]] == [sent["id"]]
    assert (await api.ask("member", "GET", "/attachments"))[1]["attachments"] == []
    assert await api.ask("member", "GET", f"/attachments?thread={theirs}") == (404, "thread_not_found")
    assert await api.ask("owner", "GET", f"/attachments/{sent['id']}") == (404, "attachment_not_found")
    await api.ask("owner", "PUT", f"/threads/{theirs}/shares", {"people": ["member"], "groups": []})
    assert await api.ask("member", "GET", f"/attachments?thread={theirs}") == (
        200,
        {**(await api.ask("member", "GET", "/attachments"))[1], "attachments": []},
    )
    assert await send(api, NOTE, f"file=a.md&thread={theirs}") == (404, ("thread_not_found", "ondol.thread")), "a reader adds nothing"
    await api.ask("member", "PUT", f"/threads/{mine}/shares", {"people": ["owner"], "groups": []})
    assert (await api.ask("owner", "GET", f"/attachments/{sent['id']}"))[1]["name"] == "a.md"
    assert await api.ask("owner", "DELETE", f"/attachments/{sent['id']}") == (404, "attachment_not_found")
    assert (await api.ask("member", "DELETE", f"/threads/{mine}"))[0] == 200
    assert await api.ask("member", "GET", f"/attachments/{sent['id']}") == (404, "attachment_not_found")


async def test_what_cannot_be_sent_says_why(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = api.platform.settings
    monkeypatch.setattr(api.platform.live, "now", replace(settings, attachments=replace(settings.attachments, bytes_max=2_000, files_max=2)))

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b"x" * 1_000

    assert await send(api, b"x" * 2_001, "file=a.md") == (413, ("document_too_large", "content-length"))
    assert await send(api, endless(), "file=a.md") == (413, ("document_too_large", "content-length")), "its length is not told"
    assert await send(api, b"x", "file=a.exe") == (400, ("unsupported_file", "file"))
    assert await send(api, b"x", "file=../a.md") == (400, ("bad_file_name", None))
    assert (await send(api, b"x", ""))[0] == 400
    for _ in range(2):
        assert (await send(api, NOTE, "file=a.md"))[0] == 202
    assert await send(api, NOTE, "file=a.md") == (400, ("too_many_attachments", "file"))
    tenant = await find_tenant(api.platform.database, "acme")
    owners = [owner for owner in api.platform.keyring.list_owners(tenant.id) if owner.kind == "document"]
    assert len(owners) == 2, "of what was refused nothing is left"


async def test_nothing_of_a_file_stands_open_in_the_database(api: Api) -> None:
    _, sent = await send(api, NOTE, "file=secret-plan.md")
    await read(api, sent["id"])
    tenant = await find_tenant(api.platform.database, "acme")
    async with api.platform.database.tenant_tx(tenant.id) as connection:
        await find_person(connection, api.platform.keyring, tenant.id, "member")
        kept = await rows(connection, "select * from attachments", {})
        events = await rows(connection, "select kind, body from ledger_events where kind like 'attachment.%%' order by id", {})
    whole = json.dumps(
        [*kept, *events], default=lambda value: bytes(value).decode("latin-1") if isinstance(value, memoryview | bytes) else str(value)
    )
    assert "secret-plan" not in whole
    assert "회의" not in whole
    assert [event["kind"] for event in events] == ["attachment.received"]
