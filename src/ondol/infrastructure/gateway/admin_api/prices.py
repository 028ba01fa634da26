"""Price lists of targets, in decimal text: what goes in is what comes out, to the last digit."""

from __future__ import annotations

import uuid
from datetime import datetime

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from ondol.core.ids import new_id
from ondol.core.money import Currency, decimal_text
from ondol.infrastructure.access.limits.amounts import nano_of
from ondol.infrastructure.access.route_roles import READ, WRITE, Body
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.gateway.admin_api.base import PAGE, PAGE_MAX, AmountText, Changed, GatewayServices, Moment
from ondol.infrastructure.serving import prices
from ondol.infrastructure.serving.prices.cost import AMOUNTS
from ondol.infrastructure.serving.prices.store import MODEL_CHARACTERS_MAX, PROVIDER_CHARACTERS_MAX


class PriceBody(Body):
    """The prices of a provider's model from a moment on, in units of the currency. Tokens are priced by the million.

    An absent price is not known, and a caller with a budget in money is refused what it would be needed for; "0" is a price.
    """

    provider: str = Field(min_length=1, max_length=PROVIDER_CHARACTERS_MAX)
    model: str = Field(min_length=1, max_length=MODEL_CHARACTERS_MAX, description="The provider's own name of the model.")
    currency: Currency
    from_at: Moment | None = Field(default=None, description="Now, when absent.")
    input: AmountText | None = None
    cached_input: AmountText | None = None
    cache_write: AmountText | None = None
    output: AmountText | None = None
    reasoning: AmountText | None = None
    request: AmountText | None = None
    image: AmountText | None = None
    second: AmountText | None = None
    character: AmountText | None = None


class PriceShown(BaseModel):
    """A price list."""

    id: uuid.UUID
    provider: str
    model: str
    currency: Currency
    from_at: datetime
    input: str | None
    cached_input: str | None
    cache_write: str | None
    output: str | None
    reasoning: str | None
    request: str | None
    image: str | None
    second: str | None
    character: str | None


class PricePage(BaseModel):
    """Price lists, oldest first. `next` is what to give as `after` for the next page."""

    prices: list[PriceShown]
    next: uuid.UUID | None


def prices_router(services: GatewayServices) -> APIRouter:
    """The routes below ``/prices``."""
    router = APIRouter(prefix="/prices", tags=["prices"])

    @router.get("", openapi_extra=READ)
    async def list_prices(after: uuid.UUID | None = None, limit: int = Query(PAGE, ge=1, le=PAGE_MAX), who: Principal = services.reads) -> PricePage:
        """The tenant's price lists."""
        async with services.within(who) as connection:
            found = await prices.list_prices(connection, after=after, limit=limit + 1)
        return PricePage(prices=[_shown(item) for item in found[:limit]], next=found[limit - 1].id if len(found) > limit else None)

    @router.post("", openapi_extra=WRITE)
    async def add_price(body: PriceBody, who: Principal = services.writes) -> PriceShown:
        """Add a price list. It is never changed: another one begins later."""
        now = services.clock()
        amounts = {name: nano_of(text, body.currency, name) for name in AMOUNTS if (text := getattr(body, name)) is not None}
        price = prices.Price(new_id(), who.tenant_id, body.provider, body.model, body.currency, body.from_at or now, **amounts)
        async with services.within(who) as connection:
            await prices.create_price(connection, price, now, actor_id=who.person_id)
        return _shown(price)

    @router.delete("/{price_id}", openapi_extra=WRITE)
    async def remove_price(price_id: uuid.UUID, who: Principal = services.writes) -> Changed:
        """Remove a price list. What was charged by it stays."""
        async with services.within(who) as connection:
            await prices.remove_price(connection, who.tenant_id, price_id, services.clock(), actor_id=who.person_id)
        return Changed()

    return router


def _shown(price: prices.Price) -> PriceShown:
    amounts = {name: None if (nano := getattr(price, name)) is None else decimal_text(nano) for name in AMOUNTS}
    return PriceShown(id=price.id, provider=price.provider, model=price.model, currency=price.currency, from_at=price.from_at, **amounts)
