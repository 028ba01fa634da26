"""A gateway, and what other sites reach of it, over real sockets: one for each file. Tests leave each other alone by having tenants of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from ondol.application.channels.widgets.front import PREFIX, WidgetFront
from ondol.application.channels.widgets.manage import create_widget
from ondol.application.channels.widgets.types import NewWidget, Widget
from ondol.application.knowledge.ingest import IngestOptions, ingest_folder
from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from tests.application.channels.signing import claims_for, signed
from tests.infrastructure.gateway.ground import Ground, Tenancy, open_ground
from tests.infrastructure.gateway.server.wire import running

ORIGIN = "https://shop.example"


@dataclass
class Shop:
    """A tenant with an assistant, a widget on one site, and what that site's pages send.

    Attributes:
        secret: what the site's server signs with.
        http: speaks to what other sites reach.
    """

    tenancy: Tenancy
    widget: Widget
    secret: str
    http: httpx.AsyncClient

    async def post(self, what: str, body: object, *, origin: str = ORIGIN, token: str = "", public_id: str = "") -> httpx.Response:
        headers = {"origin": origin} if origin else {}
        headers |= {"authorization": f"Bearer {token}"} if token else {}
        return await self.http.post(f"{PREFIX}{public_id or self.widget.public_id}/{what}", json=body, headers=headers)

    def identity(self, **claims: Any) -> str:
        """What the site's server signs of a customer at this moment."""
        return signed(self.secret, claims_for(self.widget, self.tenancy.ground.platform.clock(), **claims))

    async def visit(self, **claims: Any) -> str:
        """The token of a fresh visit."""
        answer = await self.post("visits", {"identity": self.identity(**claims)})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["token"])

    async def ask(self, token: str, question: str = "How long does a refund take?") -> str:
        """The whole stream of an answer."""
        answer = await self.post("questions", {"question": question}, token=token)
        assert answer.status_code == 200, answer.text
        return answer.text


@pytest.fixture(scope="module")
async def ground(module_addresses: DatabaseAddresses, tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[Ground]:
    """A running gateway."""
    async with open_ground(module_addresses, tmp_path_factory.mktemp("channels")) as opened:
        yield opened


@pytest.fixture(scope="module")
async def outside(ground: Ground, anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:
    """What other sites reach."""
    assert ground.gateway is not None
    front = WidgetFront(ground.platform.knowledge, ground.gateway, lambda _: {"ko": "", "en": "A machine answers."})

    async def told(exchange: Exchange) -> None:
        try:
            await front(exchange)
        except Exception as error:
            exchange.fail(error)

    async with running(told) as server, httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=30, trust_env=False) as client:
        yield client


@pytest.fixture
async def tenancy(ground: Ground) -> Tenancy:
    """A fresh tenant with an assistant that has no documents yet."""
    tenancy = await ground.tenancy()
    await tenancy.declare(groups=[{"name": "buyers"}, {"name": "staff"}], bases=["docs"], assistants=[{"name": "help", "base": "docs"}])
    return tenancy


@pytest.fixture
async def stocked(tenancy: Tenancy, tmp_path: Path) -> Tenancy:
    """The same with documents for everybody of the tenant, for the group `buyers`, and for `staff`."""
    said = {
        "buyers": ("# Refund policy\n\nA refund is paid within 5 business days. It goes back to the card that was charged.\n", ("buyers",)),
        "staff": ("# Salaries\n\nThe director of Acme earns 9,000 dollars.\n", ("staff",)),
        "open": ("# Opening hours\n\nThe help line answers from 09:00 to 18:00 on weekdays.\n", ()),
    }
    for name, (text, groups) in said.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / f"{name}.md").write_text(text)
        room, options = tenancy.ground.platform.knowledge, IngestOptions(groups=groups)
        await ingest_folder(room, tenancy.id, "docs", folder, options, lambda done, total: None)
    return tenancy


@pytest.fixture
async def shop(tenancy: Tenancy, outside: httpx.AsyncClient) -> Shop:
    """Its widget, for buyers."""
    return await open_shop(tenancy, outside)


async def open_shop(tenancy: Tenancy, outside: httpx.AsyncClient, **more: Any) -> Shop:
    """A widget of a tenant."""
    new = NewWidget(**{"name": "site", "assistant": "help", "origins": (ORIGIN,), "groups": ("buyers",), **more})
    widget, secret = await create_widget(tenancy.ground.platform.knowledge, tenancy.id, new, by=tenancy.person.id)
    await tenancy.ground.fresh()
    return Shop(tenancy, widget, secret, outside)
