"""The gateway's part of the admin API, one file for each noun: providers, models, settings, prices, keys, people, groups, attributes,
limits, budgets, usage, requests."""

from __future__ import annotations

from fastapi import APIRouter

from ondol.infrastructure.gateway.admin_api.base import GatewayServices
from ondol.infrastructure.gateway.admin_api.budgets import budgets_router
from ondol.infrastructure.gateway.admin_api.groups import attributes_router, groups_router
from ondol.infrastructure.gateway.admin_api.keys import keys_router
from ondol.infrastructure.gateway.admin_api.levels import levels_router
from ondol.infrastructure.gateway.admin_api.limits import limits_router
from ondol.infrastructure.gateway.admin_api.models import models_router
from ondol.infrastructure.gateway.admin_api.people import people_router
from ondol.infrastructure.gateway.admin_api.prices import prices_router
from ondol.infrastructure.gateway.admin_api.providers import providers_router
from ondol.infrastructure.gateway.admin_api.requests import requests_router
from ondol.infrastructure.gateway.admin_api.settings import settings_router
from ondol.infrastructure.gateway.admin_api.usage import usage_router

__all__ = ["GatewayServices", "gateway_routers"]


def gateway_routers(services: GatewayServices) -> list[APIRouter]:
    """All of them, without ``/api/v1``."""
    makers = (
        providers_router, models_router, settings_router, prices_router, keys_router, limits_router, budgets_router, usage_router, levels_router,
        requests_router, people_router, groups_router, attributes_router,
    )  # fmt: skip
    return [make(services) for make in makers]
