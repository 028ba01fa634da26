"""How the places that answer models do, as one worker sees them."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from ondol.infrastructure.access.route_roles import READ
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.gateway.admin_api.base import GatewayServices


@dataclass(frozen=True, slots=True)
class TargetSeen:
    """A target of a tenant's model.

    Attributes:
        alias: the model.
        state: of its breaker; `rests_s` seconds pass until it is asked again.
    """

    alias: str
    provider: str
    name: str
    state: Literal["closed", "open", "half_open"]
    rests_s: float


class TargetState(BaseModel):
    """A target of one of the tenant's models. `closed` lets requests pass, `open` none for `rests_s` seconds, `half_open` one at a time."""

    alias: str
    provider: str
    name: str
    state: Literal["closed", "open", "half_open"]
    rests_s: float


class TargetStates(BaseModel):
    """The targets as the worker sees them that answers this request; others may have met other failures."""

    targets: list[TargetState]


def none_seen(_tenant_id: uuid.UUID) -> list[TargetSeen]:
    """Where no requests are sent to models."""
    return []


def targets_router(services: GatewayServices, seen: Callable[[uuid.UUID], list[TargetSeen]]) -> APIRouter:
    """The route ``/gateway/targets``.

    Args:
        seen: the targets of a tenant's own models, as this worker sees them.
    """
    router = APIRouter(tags=["models"])

    @router.get("/gateway/targets", openapi_extra=READ)
    async def list_target_states(who: Principal = services.reads) -> TargetStates:
        """Which places that answer the tenant's own models are left alone for a while, since they failed."""
        return TargetStates(targets=[TargetState(**asdict(one)) for one in seen(who.tenant_id)])

    return router
