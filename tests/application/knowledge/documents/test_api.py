"""Documents over the admin API, through the real server: uploads that stream, what becomes of them, who may do what, and keys for doing it once."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from ondol.application.knowledge.documents import uploads
from ondol.application.knowledge.documents.taking import take_in
from ondol.infrastructure.access.people import find_tenant
from ondol.infrastructure.gateway.server import Limits
from ondol.infrastructure.storage.postgres import rows
from tests.application.knowledge.documents.conftest import DOCUMENTS, Api
from tests.infrastructure.gateway.server.wire import eventually, running

pytestmark = pytest.mark.anyio

WHITE = b"# Beacon\n\nThe beacon is white."
GREEN = b"# Beacon\n\nThe beacon is green."


async def test_a_file_is_received_taken_in_replaced_moved_closed_and_deleted(api: Api) -> None:
    house = api.house
    upload = await api.send(WHITE, f"{DOCUMENTS}?file=a.md&key=en/beacon")
    assert await api.state(upload) == {
        "id": upload, "state": "received", "bytes": len(WHITE), "document": None, "version": None, "failure": None, "detail": "",
        "created_at": "2026-11-21T09:00:00Z", "ended_at": None,
    }  # fmt: skip
    assert await take_in(house.platform.knowledge, house.tenant_id, uuid.UUID(upload))
    taken = await api.state(upload)
    assert (taken["state"], await house.titles("white"), await api.keys()) == ("taken_in", ["Beacon"], ["en/beacon"])
    document = f"{DOCUMENTS}/{taken['document']}"
    replaced = await api.put(GREEN, f"{document}?file=b.md", method="PUT")
    found = [item.text for item in (await house.search("beacon")).evidence]
    assert (replaced["document"], found) == (taken["document"], ["Beacon\n\nThe beacon is green."])
    download = await api.client.get(f"/api/v1{document}/original", headers={"authorization": f"Bearer {api.texts['member']}"})
    assert (download.content, download.headers["content-disposition"].startswith('attachment; filename="b.md"')) == (GREEN, True)
    assert download.headers["x-content-type-options"] == "nosniff"
    assert (await api.ask("editor", "POST", f"{document}/move", {"key": "en/light"}))[1]["changed"] is True
    assert (await api.ask("editor", "GET", document))[1]["key"] == "en/light"
    assert (await api.ask("owner", "PUT", "/bases/other"))[0] == 200
    status, closed = await api.ask("editor", "PUT", f"{document}/access", {"groups": ["support"]})
    assert (status, closed["version"] != replaced["version"], await house.titles("green")) == (200, True, [])
    assert await api.ask("editor", "GET", document) == (404, "document_not_found")
    assert (await api.keys(), await api.keys("member")) == ([], [])
    opened = (await api.put(WHITE, f"{DOCUMENTS}?file=c.md"))["document"]
    status, moved = await api.ask("editor", "POST", f"{DOCUMENTS}/{opened}/move", {"base": "other"})
    assert (status, moved["document"] != opened) == (200, True)
    assert (await api.ask("editor", "DELETE", f"/bases/other/documents/{moved['document']}"))[0] == 200
    assert await api.ask("editor", "GET", "/bases/other/documents") == (200, {"documents": [], "next": None})
    told = [row["kind"].removeprefix("document.") for row in await api.events("document.%")]
    assert told == [
        "received", "ingested", "received", "ingested", "moved", "ingested", "restricted", "received", "ingested", "ingested", "moved", "deleted",
    ]  # fmt: skip
    assert all(row["actor_id"] for row in await api.events("document.%"))


@pytest.mark.parametrize(
    ("content", "query", "failure"),
    [
        (b"%PDF-1.7 no", "file=a.pdf", "unreadable"),
        (b"---\nid: else\n---\nText.", "file=a.md&key=beacon", "differs_from_file"),
        (b"---\ngroups: [nobody]\n---\nText.", "file=a.md", "unknown_group"),
        (b"---\nid: taken\n---\nText.", "file=a.md", "document_exists"),
    ],
)
async def test_what_cannot_be_taken_in_says_why_and_leaves_nothing(api: Api, content: bytes, query: str, failure: str) -> None:
    await api.put(WHITE, f"{DOCUMENTS}?file=a.md&key=taken")
    before = api.sealed()
    ended = await api.put(content, f"{DOCUMENTS}?{query}")
    assert (ended["state"], ended["failure"], bool(ended["detail"]), ended["document"]) == ("failed", failure, True, None)
    assert (api.sealed(), await api.keys()) == (before, ["taken"])
    assert [row["body"] for row in await api.events("document.refused")] != []


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("file=a.exe", (400, "unsupported_file")),
        ("file=", (400, "bad_file_name")),
        ("", (400, "invalid_request")),
        ("file=a.md&class=secret", (400, "invalid_request")),
        ("file=a.md&group=nobody", (400, "unknown_group")),
        ("file=a.md&key=%20x", (400, "bad_key")),
        ("file=a.md&valid_from=2027-01-01T00:00:00Z&valid_until=2026-01-01T00:00:00Z", (400, "bad_dates")),
        ("file=a.md&access=department", (400, "bad_rule")),
    ],
)
async def test_a_mistake_is_told_before_the_file_is_kept(api: Api, query: str, told: tuple[int, str]) -> None:
    assert await api.ask("editor", "POST", f"{DOCUMENTS}?{query}", content=WHITE) == told
    assert (api.sealed(), await api.events("document.%")) == ((set(), 0), [])


async def test_editors_write_and_everybody_reads_what_they_may(api: Api) -> None:
    opened = (await api.put(WHITE, f"{DOCUMENTS}?file=a.md&key=open"))["document"]
    later = (await api.put(WHITE, f"{DOCUMENTS}?file=a.md&key=later&valid_from=2027-01-01T00:00:00Z"))["document"]
    await api.put(GREEN, f"{DOCUMENTS}?file=a.md&key=closed&group=support")
    document = f"{DOCUMENTS}/{opened}"
    writes = [
        ("POST", f"{DOCUMENTS}?file=a.md", None),
        ("PUT", f"{document}?file=a.md", None),
        ("POST", f"{document}/move", {"key": "x"}),
        ("PUT", f"{document}/access", {}),
        ("DELETE", document, None),
        ("GET", f"/bases/base/uploads/{opened}", None),
    ]
    for method, path, body in writes:
        for who in ("member", "auditor"):
            assert await api.ask(who, method, path, body) == (403, "role_required"), path
    for who in ("member", "auditor", "editor", "owner"):
        assert await api.keys(who) == ["open"], who
    for who, told in (("member", (403, "role_required")), ("auditor", ["later"]), ("editor", ["later"])):
        found = await api.ask(who, "GET", f"{DOCUMENTS}?state=scheduled")
        assert (found if who == "member" else [item["key"] for item in found[1]["documents"]]) == told
    assert await api.ask("member", "GET", f"{DOCUMENTS}/{later}") == (404, "document_not_found")
    assert (await api.ask("member", "GET", document))[1]["groups"] is None
    assert (await api.ask("editor", "GET", document))[1]["groups"] == []
    assert await api.keys("member", "?key=closed") == await api.keys("member", "?key=absent") == []
    assert await api.ask("editor", "POST", "/bases", {}) == (405, "method_not_allowed")
    assert await api.ask("editor", "PUT", "/bases/mine") == (403, "role_required")


async def test_another_tenant_sees_and_changes_nothing(api: Api) -> None:
    ended = await api.put(WHITE)
    document = f"{DOCUMENTS}/{ended['document']}"
    tries: list[tuple[str, str, object]] = [
        ("GET", DOCUMENTS, None),
        ("GET", document, None),
        ("GET", f"{document}/original", None),
        ("POST", f"{DOCUMENTS}?file=a.md", None),
        ("PUT", f"{document}?file=a.md", None),
        ("POST", f"{document}/move", {"key": "x"}),
        ("PUT", f"{document}/access", {}),
        ("DELETE", document, None),
        ("GET", f"/bases/base/uploads/{ended['id']}", None),
    ]
    for method, path, body in tries:
        assert await api.ask("stranger", method, path, body) == (404, "base_not_found"), path
    assert await api.ask("stranger", "GET", "/bases") == (200, {"bases": []})
    async with api.house.platform.database.tenant_tx((await find_tenant(api.house.platform.database, "foreign")).id) as connection:
        assert await rows(connection, "select id from uploads", {}) == []
    assert (await api.ask("stranger", "PUT", "/bases/base"))[0] == 200
    for method, path, body in tries[1:3] + tries[4:8]:
        assert await api.ask("stranger", method, path, body) == (404, "document_not_found"), path
    assert await api.ask("stranger", "GET", f"/bases/base/uploads/{ended['id']}") == (404, "upload_not_found")


async def test_an_upload_is_its_senders(api: Api) -> None:
    upload = await api.send(WHITE, who="owner")
    assert await api.ask("editor", "GET", f"/bases/base/uploads/{upload}") == (404, "upload_not_found")
    mine = await api.send(WHITE, who="editor")
    assert (await api.state(mine, who="owner"))["state"] == "received"


# Idempotency keys


async def test_the_same_request_with_the_same_key_is_done_once(api: Api) -> None:
    first = await api.send(WHITE, key="k-1")
    assert await api.send(WHITE, key="k-1") == first
    assert len(await api.events("document.received")) == 1
    reused = (422, "idempotency_key_reused")
    assert await api.ask("editor", "POST", f"{DOCUMENTS}?file=a.md", content=GREEN, key="k-1") == reused
    assert await api.ask("editor", "POST", f"{DOCUMENTS}?file=b.md", content=WHITE, key="k-1") == reused
    assert len(await api.events("document.received")) == 1
    assert await api.send(GREEN, f"{DOCUMENTS}?file=b.md", who="editor again", key="k-1") != first
    api.house.clock.advance(hours=24)
    assert await api.send(GREEN, f"{DOCUMENTS}?file=c.md", key="k-1") != first


async def test_changes_with_a_key_are_done_once_too(api: Api) -> None:
    document = f"{DOCUMENTS}/{(await api.put(WHITE))['document']}"
    done = await api.ask("editor", "POST", f"{document}/move", {"key": "x"}, key="k-2")
    assert (done[0], done[1]["changed"]) == (200, True)
    assert await api.ask("editor", "POST", f"{document}/move", {"key": "x"}, key="k-2") == done
    assert await api.ask("editor", "POST", f"{document}/move", {"key": "y"}, key="k-2") == (422, "idempotency_key_reused")
    gone = await api.ask("editor", "DELETE", document, key="k-3")
    assert (gone[0], await api.ask("editor", "DELETE", document, key="k-3")) == (200, gone)
    assert await api.ask("editor", "DELETE", document) == (404, "document_not_found")


async def test_what_failed_may_be_tried_again_with_its_key(api: Api) -> None:
    assert await api.ask("editor", "DELETE", f"{DOCUMENTS}/{_any()}", key="k-4") == (404, "document_not_found")
    assert await api.ask("editor", "POST", f"{DOCUMENTS}?file=a.exe", content=WHITE, key="k-5") == (400, "unsupported_file")
    await api.send(WHITE, key="k-5")
    for bad in ("\u00e9", "x" * 256):
        answer = await api.client.delete(
            f"/api/v1{DOCUMENTS}/{_any()}", headers={b"authorization": f"Bearer {api.texts['editor']}".encode(), b"idempotency-key": bad.encode()}
        )
        assert answer.status_code == 400


async def test_while_a_request_is_done_its_key_is_in_use_and_a_dead_one_is_taken_over(api: Api) -> None:
    go_on = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield WHITE[:5]
        await go_on.wait()
        yield WHITE[5:]

    first = asyncio.create_task(api.ask("editor", "POST", f"{DOCUMENTS}?file=a.md", content=slowly(), key="k-6"))
    async with api.house.platform.database.tenant_tx(api.house.tenant_id) as connection:
        while not await rows(connection, "select id from idempotency_keys", {}):  # noqa: ASYNC110 - what changes is in Postgres
            await asyncio.sleep(0)
    assert await api.ask("editor", "POST", f"{DOCUMENTS}?file=a.md", content=WHITE, key="k-6") == (409, "idempotency_key_in_use")
    api.house.clock.advance(minutes=16)
    second = await api.send(WHITE, key="k-6")
    go_on.set()
    assert await first == (409, "idempotency_key_in_use")
    assert ([row["body"]["upload"] for row in await api.events("document.received")], len(api.sealed()[0])) == ([second], 1)


# Streams


async def test_a_file_that_is_too_large_is_refused_and_leaves_nothing(api: Api) -> None:
    limited(api, 100_000)
    too_large = (413, "document_too_large")
    assert await api.ask("editor", "POST", f"{DOCUMENTS}?file=a.md", content=b"x" * 100_001) == too_large
    assert (await api.ask("editor", "POST", f"{DOCUMENTS}?file=a.md", content=_pieces(b"x" * 50_000, 3))) == too_large
    assert api.sealed() == (set(), 0)
    assert (await api.state(await api.send(_pieces(b"x" * 50_000, 2))))["bytes"] == 100_000


async def test_a_sender_who_leaves_leaves_nothing(api: Api) -> None:
    before = api.sealed()
    for sent in (b"", b"x" * 70_000, b"x" * 9_000_000):
        _, writer = await asyncio.open_connection("127.0.0.1", api.port)
        lines = (f"POST /api/v1{DOCUMENTS}?file=a.md HTTP/1.1", "host: x", f"authorization: Bearer {api.texts['editor']}", "content-length: 20000000")
        writer.write("\r\n".join((*lines, "", "")).encode() + sent)
        await writer.drain()
        await eventually(lambda: bool(api.sealed()[1]))
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        await eventually(lambda: api.sealed() == before)
    assert await api.events("document.%") == []
    folder = api.house.platform.folder.blobs
    assert [path for path in folder.rglob("*") if path.is_file() and str(api.house.tenant_id) in str(path)] == []


async def test_a_sender_who_is_too_slow_is_told_and_leaves_nothing(api: Api) -> None:
    async with running(api.handler, Limits(body_timeout_s=0.2, tick_s=0.01)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        lines = (f"POST /api/v1{DOCUMENTS}?file=a.md HTTP/1.1", "host: x", f"authorization: Bearer {api.texts['editor']}", "content-length: 9000")
        writer.write("\r\n".join((*lines, "", "The beacon")).encode())
        answer = await reader.read()
        writer.close()
    assert (answer.split(b" ")[1], b"body_too_slow" in answer) == (b"408", True)
    assert (api.sealed(), await api.events("document.%")) == ((set(), 0), [])


async def test_memory_does_not_grow_with_the_file(api: Api) -> None:
    limited(api, 1 << 30)
    size, piece = 300 << 20, bytes(1 << 20)
    peaks: list[int] = []

    async def measured() -> AsyncIterator[bytes]:
        for number in range(size >> 20):
            peaks.append(_resident()) if number % 10 == 0 else None
            yield piece

    upload = await api.send(measured(), f"{DOCUMENTS}?file=a.txt")
    assert (await api.state(upload))["bytes"] == size
    assert max(peaks) - peaks[0] < 150 << 20, [peak >> 20 for peak in peaks]
    ended = await take_in(api.house.platform.knowledge, api.house.tenant_id, uuid.UUID(upload))
    told = await api.state(upload)
    assert (ended, told["failure"], "64 MiB" in told["detail"], api.sealed()) == (True, "unreadable", True, (set(), 0))


async def test_only_so_many_are_received_at_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "RECEIVED_AT_ONCE_OF_TENANT_MAX", 1)
    go_on = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield WHITE
        await go_on.wait()

    first = asyncio.create_task(api.send(slowly()))
    await eventually(lambda: bool(api.sealed()[1]))
    assert await api.ask("editor", "POST", f"{DOCUMENTS}?file=a.md", content=WHITE) == (429, "uploads_busy")
    go_on.set()
    await first
    await api.send(WHITE)
    monkeypatch.setattr(uploads, "WAITING_MAX", 2)
    assert await api.ask("editor", "POST", f"{DOCUMENTS}?file=a.md", content=WHITE) == (429, "uploads_wait")


def limited(api: Api, bytes_max: int) -> None:
    """Let files be so large."""
    live = api.house.platform.live
    live.now = replace(live.now, http=replace(live.now.http, upload_bytes_max=bytes_max))


def _any() -> str:
    return "01920000-0000-7000-8000-000000000000"


async def _pieces(piece: bytes, count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield piece


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
