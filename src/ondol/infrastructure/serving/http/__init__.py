"""A pooled HTTP/1.1 client for model providers, on asyncio protocols and llhttp, and the rules of where it may connect."""

from __future__ import annotations

from ondol.infrastructure.serving.http.answer import HttpAnswer
from ondol.infrastructure.serving.http.client import HttpClient
from ondol.infrastructure.serving.http.egress import Egress, Proxy, parse_base_url, parse_proxy
from ondol.infrastructure.serving.http.types import HttpRequest, Origin, checked_headers

__all__ = ["Egress", "HttpAnswer", "HttpClient", "HttpRequest", "Origin", "Proxy", "checked_headers", "parse_base_url", "parse_proxy"]
