"""A console with scripted services, and one on a real socket beside a scripted gateway."""

from __future__ import annotations

import json
import socket
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from ondol.application.console import AssistantCard, ConsoleServices, OriginalFile, Profile, create_console
from ondol.core.errors import NotFound, RequestError, TooManyRequests, Unauthenticated
from ondol.infrastructure.access.types import Principal, Role
from ondol.infrastructure.gateway.in_process import ApiReply, ApiRequest

PASSWORD = "correct horse battery"
CODE = "one-time-code_5e1f"
TENANT, PERSON = uuid.UUID(int=1), uuid.UUID(int=2)
REFUND, HOSTILE = uuid.UUID("0190f0c0-0000-7000-8000-000000000001"), uuid.UUID("0190f0c0-0000-7000-8000-000000000002")


NO_FILES = {"attachments": [], "files_max": 3, "bytes_max": 1_000_000, "suffixes": [".md", ".pdf"]}


@dataclass
class FakeServices:
    """Answers like the real services would, and remembers what it was asked."""

    name: str = "김하늘"
    organisation: str = "두루빛나루"
    slugs: list[str] = field(default_factory=lambda: ["durubitnaru"])
    cards: list[AssistantCard] = field(default_factory=lambda: [AssistantCard("help", "assistant/help", "고객 지원 도우미")])
    notices: dict[str, str] = field(default_factory=dict)
    files: dict[uuid.UUID, OriginalFile] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    codes: set[str] = field(default_factory=lambda: {CODE})
    broken: bool = False
    replies: dict[tuple[str, str], tuple[int, Any]] = field(
        default_factory=lambda: {("GET", "/threads"): (200, {"threads": [], "next": None}), ("GET", "/attachments"): (200, dict(NO_FILES))}
    )
    asked: list[ApiRequest] = field(default_factory=list)
    roles: frozenset[Role] = frozenset({"editor"})

    def _start_session(self) -> str:
        token = f"session-{uuid.uuid4()}"
        self.tokens.add(token)
        return token

    async def sign_in(self, organisation: str, login: str, password: str, client: str, agent: str) -> str:
        if login == "locked":
            raise TooManyRequests("locked", retry_after_s=150)
        if (organisation, password) != ("durubitnaru", PASSWORD):
            raise Unauthenticated("secret detail of the failure")
        return self._start_session()

    async def sign_out(self, token: str) -> None:
        self.tokens.discard(token)

    async def principal(self, token: str) -> Principal | None:
        return Principal(TENANT, PERSON, self.roles) if token in self.tokens else None

    async def profile(self, principal: Principal) -> Profile:
        if self.broken:
            raise RuntimeError("secret detail of the failure")
        return Profile(self.name, "haneul", self.organisation, principal.roles, "Asia/Seoul")

    async def one_time_valid(self, code: str) -> bool:
        return code in self.codes

    async def redeem_one_time(self, code: str, new_password: str, client: str, agent: str) -> str:
        if code not in self.codes:
            raise Unauthenticated("used")
        if len(new_password) < 10:
            raise RequestError("too short", code="password_length")
        self.codes.discard(code)
        return self._start_session()

    async def assistants(self, principal: Principal) -> list[AssistantCard]:
        return self.cards

    async def organisations(self) -> list[str]:
        return self.slugs

    async def call(self, principal: Principal, asked: ApiRequest) -> ApiReply:
        """What a route of the API is to answer, by its method and path; anything else is not there."""
        self.asked.append(asked)
        status, told = self.replies.get(
            (asked.method, asked.path), (404, {"error": {"code": "not_found", "message": "Nothing is there.", "param": None}})
        )
        return ApiReply(status, {"content-type": "application/json"}, json.dumps(told).encode())

    async def original(self, principal: Principal, version: uuid.UUID) -> OriginalFile:
        if version not in self.files:
            raise NotFound("secret title of a hidden document")
        return self.files[version]

    def services(self, *, public_https: bool = False) -> ConsoleServices:
        """As the console takes them."""
        return ConsoleServices(
            notice=lambda _who, language: self.notices.get(language, ""),
            sign_in=self.sign_in,
            sign_out=self.sign_out,
            principal=self.principal,
            profile=self.profile,
            one_time_valid=self.one_time_valid,
            redeem_one_time=self.redeem_one_time,
            assistants=self.assistants,
            organisations=self.organisations,
            original=self.original,
            call=self.call,
            public_https=public_https,
            session_hours=12,
        )


async def in_chunks(*chunks: bytes) -> AsyncIterator[bytes]:
    """The bytes of an original."""
    for chunk in chunks:
        yield chunk


@dataclass
class FakeGateway:
    """Plays one script for every question: a list of chunks, then whether the stream ends or stays open until the browser goes.

    It lets a request in only as the real gateway does: session cookie, the console's header, and a same-origin Origin.
    """

    fakes: FakeServices
    script: list[dict[str, Any]] = field(default_factory=list)
    stays_open: bool = False
    cut: bool = False
    refusal: tuple[int, dict[str, Any]] | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        body = b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if not self._admits(headers):
            await self._answer(send, 401, {"message": "No valid session.", "code": "invalid_api_key"})
            return
        asked = json.loads(body)
        self.asked.append(asked)
        if self.refusal is not None:
            await self._answer(send, *self.refusal)
            return
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for chunk in self.script:
            await send({"type": "http.response.body", "body": f": beat\r\n\r\ndata: {json.dumps(chunk)}\n\n".encode(), "more_body": True})
        if self.stays_open:
            while (await receive())["type"] != "http.disconnect":
                pass
            self.left.set()
            return
        ending = b"" if self.cut else b"data: [DONE]\n\n"
        await send({"type": "http.response.body", "body": ending})

    def _admits(self, headers: dict[str, str]) -> bool:
        ours = f"http://{headers['host']}"
        cookie = any(f"ondol_session={token}" in headers.get("cookie", "") for token in self.fakes.tokens)
        return cookie and headers.get("x-ondol-request") == "console" and headers.get("origin") == ours

    async def _answer(self, send: Send, status: int, error: dict[str, Any]) -> None:
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": json.dumps({"error": error}).encode()})


def delta(
    content: str | None = None, *, stage: str | None = None, finish: str | None = None, extension: dict[str, Any] | None = None
) -> dict[str, Any]:
    """One chunk of a completion stream."""
    chunk: dict[str, Any] = {"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}
    if content is not None:
        chunk["choices"][0]["delta"]["content"] = content
    if stage is not None:
        chunk["ondol"] = {"stage": stage}
    if extension is not None:
        chunk["ondol"] = extension
    return chunk


def source(number: int, title: str, text: str, quote: str, **others: Any) -> dict[str, Any]:
    """One entry of ``ondol.sources`` that quotes `quote`."""
    start = text.index(quote)
    found = {
        "n": number,
        "document_version_id": str(REFUND),
        "title": title,
        "path": "payment/refund-policy.md",
        "headings": [],
        "version": 3,
        "security_class": "public",
        "valid_from": None,
        "valid_until": None,
        "language": "ko",
        "media_type": "text/markdown",
        "score": 12.3,
        "text": text,
        "quotes": [{"start": start, "end": start + len(quote)}],
        "original_url": f"/documents/{REFUND}/original",
    }
    return found | others


def answered(text: str, sources: list[dict[str, Any]], *, refused: bool = False, language: str = "ko") -> list[dict[str, Any]]:
    """The chunks of a whole answer, a few characters each."""
    extension = {"answer_id": "a1", "refused": refused, "language": language, "sources": sources}
    extension["searched"] = {"base": "help", "index_version": "v12", "passages_considered": 6}
    pieces = [text[at : at + 7] for at in range(0, len(text), 7)]
    return [
        {"choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": None}]},
        delta(stage="searching"),
        delta(stage="reading"),
        delta(stage="writing"),
        *(delta(piece) for piece in pieces),
        delta(stage="checking"),
        delta(finish="stop", extension=extension),
        {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}},
    ]


@dataclass
class Running:
    """A console and a gateway that listen on one address, as wiring joins them."""

    address: str
    fakes: FakeServices
    gateway: FakeGateway


@pytest.fixture
def fakes() -> FakeServices:
    return FakeServices()


@pytest.fixture
def running(fakes: FakeServices) -> Iterator[Running]:
    """Serve until the test ends."""
    gateway = FakeGateway(fakes)
    console = create_console(fakes.services())

    async def both(scope: Scope, receive: Receive, send: Send) -> None:
        behind = gateway if scope.get("path", "").startswith("/v1/") else console
        await behind(scope, receive, send)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(both, log_level="error", lifespan="off", ws="none", timeout_graceful_shutdown=2)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield Running(f"http://127.0.0.1:{listening.getsockname()[1]}", fakes, gateway)
        finally:
            server.should_exit = True
            thread.join(timeout=10)


@dataclass(frozen=True)
class Scripts:
    """How tests write what the gateway plays."""

    delta: Callable[..., dict[str, Any]]
    source: Callable[..., dict[str, Any]]
    answered: Callable[..., list[dict[str, Any]]]


@pytest.fixture
def scripts() -> Scripts:
    return Scripts(delta, source, answered)
