"""Price lists in Postgres, as administrators manage them, and in memory, as requests look them up."""

from __future__ import annotations

import uuid
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime

from ondol.core.errors import Conflict, NotFound, RequestError
from ondol.core.money import INT64_MAX
from ondol.infrastructure.ledger import record
from ondol.infrastructure.serving.prices.cost import AMOUNTS, Price
from ondol.infrastructure.storage.postgres import Connection, load_queries, one, rows

_QUERIES = load_queries("ondol.infrastructure.serving.prices")

PAGE_MAX = 1000
PROVIDER_CHARACTERS_MAX = 100
MODEL_CHARACTERS_MAX = 300
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
LATEST = datetime(2199, 12, 31, tzinfo=UTC)


async def create_price(connection: Connection, price: Price, now: datetime, *, actor_id: uuid.UUID | None = None) -> None:
    """A price list of a target from its `from_at` on. It is never changed: another one begins later.

    Raises:
        Conflict: when the target has one from the same moment, or the tenant has a budget in money of another currency: amounts are never converted.
        RequestError: when an amount is negative or too large, or none is given.
    """
    if not 1 <= len(price.provider) <= PROVIDER_CHARACTERS_MAX or not 1 <= len(price.model) <= MODEL_CHARACTERS_MAX:
        hint = f"They have at most {PROVIDER_CHARACTERS_MAX} and {MODEL_CHARACTERS_MAX} characters."
        raise RequestError("A price names a provider and the model's name there.", hint, code="bad_price")
    if not EARLIEST <= price.from_at <= LATEST:
        raise RequestError("That moment is out of range.", "Give one between the years 2000 and 2199.", code="bad_moment", param="from_at")
    amounts = {name: amount for name in AMOUNTS if (amount := getattr(price, name)) is not None}
    if not amounts:
        raise RequestError("The price list has no price.", "Give at least input or request; 0 is a price.", code="bad_price")
    for name, amount in amounts.items():
        if not 0 <= amount <= INT64_MAX:
            raise RequestError(f"The price of {name} is out of range.", "It is a whole number of nano-units.", code="bad_price", param=name)
    other = await one(connection, _QUERIES["budget_other_currency"], {"currency": price.currency})
    if other is not None:
        raise Conflict(
            f"The budget {other['name']!r} is in {other['currency']}, and a price in {price.currency} cannot be held against it.",
            f"Give the price in {other['currency']}, or make the budgets in {price.currency}; amounts are never converted.",
            code="currency_mismatch",
        )
    if await one(connection, _QUERIES["price_add"], {**asdict(price), "now": now}) is None:
        raise Conflict("There is a price list of this target from that moment already.", "Choose another moment.", code="price_exists")
    body = {"price": price.id, "currency": price.currency, "from": price.from_at, **amounts}
    await record(connection, price.tenant_id, kind="price.created", actor_id=actor_id, body=body, now=now)


async def remove_price(
    connection: Connection, tenant_id: uuid.UUID, price_id: uuid.UUID, now: datetime, *, actor_id: uuid.UUID | None = None
) -> None:
    """Remove a price list. What was charged by it stays.

    Raises:
        NotFound: when there is none.
    """
    if await one(connection, _QUERIES["price_remove"], {"id": price_id}) is None:
        raise NotFound("There is no such price.", "List them to see their ids.", code="price_not_found")
    await record(connection, tenant_id, kind="price.removed", actor_id=actor_id, body={"price": price_id}, now=now)


async def list_prices(connection: Connection, *, after: uuid.UUID | None = None, limit: int = PAGE_MAX) -> list[Price]:
    """The tenant's price lists, oldest first, from the one after `after`."""
    found = await rows(connection, _QUERIES["prices_page"], {"after": after or uuid.UUID(int=0), "limit": min(limit, PAGE_MAX)})
    return [Price(**row) for row in found]


async def current_price(connection: Connection, provider: str, model: str, now: datetime) -> uuid.UUID | None:
    """The tenant's price list of a target at a moment; None when there is none."""
    found = await one(connection, _QUERIES["price_now"], {"provider": provider, "model": model, "now": now})
    return found["id"] if found is not None else None


class PriceDirectory:
    """All price lists in memory. `read` belongs to the governor's `followers`: it is then as fresh as the limits are."""

    def __init__(self) -> None:
        self._prices: Mapping[tuple[uuid.UUID, str, str], tuple[list[datetime], list[Price]]] = {}

    async def read(self, connection: Connection) -> None:
        """Read all anew, in a transaction of the system role."""
        prices: dict[tuple[uuid.UUID, str, str], tuple[list[datetime], list[Price]]] = {}
        for row in await rows(connection, _QUERIES["prices_all"], {}):
            price = Price(**row)
            moments, lists = prices.setdefault((price.tenant_id, price.provider, price.model), ([], []))
            moments.append(price.from_at)
            lists.append(price)
        self._prices = prices

    def find(self, tenant_id: uuid.UUID, provider: str, model: str, moment: datetime) -> Price | None:
        """The price list of a target at a moment; None when there is none yet.

        Args:
            tenant_id: whose provider it is.
            moment: aware.
        """
        known = self._prices.get((tenant_id, provider, model))
        if known is None:
            return None
        place = bisect_right(known[0], moment)
        return known[1][place - 1] if place else None
