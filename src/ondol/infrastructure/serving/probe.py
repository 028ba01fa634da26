"""Whether a provider answers: its list of models is asked for, by the same rules of egress as any request."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass

from ondol.core.errors import OndolError, UpstreamError
from ondol.infrastructure.serving.http import HttpClient, HttpRequest
from ondol.infrastructure.serving.providers import new_providers
from ondol.infrastructure.serving.types import Operation, ProviderRow, Timeouts

PROBE_TIMEOUTS = Timeouts(5.0, 10.0, 10.0, 15.0)
PROBE_BYTES_MAX = 4 << 20
MODELS_MAX = 1_000
NAME_CHARACTERS_MAX = 300

_LISTS: Mapping[str, tuple[Operation, bytes]] = {"openai": ("chat", b"/models"), "anthropic": ("messages", b"/v1/models")}
"""By kind: an operation whose path tells the provider's base, and the path of its list of models below that."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What came of it.

    Attributes:
        models: the names that the provider lists, in order, at most `MODELS_MAX`; empty where it failed or tells none.
        code, message, hint: what failed; empty when nothing did. Nothing of it was written by the provider.
        duration_ms: milliseconds until the answer was whole or had failed.
    """

    ok: bool
    models: tuple[str, ...] = ()
    code: str = ""
    message: str = ""
    hint: str = ""
    duration_ms: int = 0


async def probe_provider(row: ProviderRow) -> Probe:
    """Ask a provider for its models, over a connection of its own. Never raises for what the provider does."""
    began_at = time.monotonic()
    client = HttpClient()
    try:
        names = await _names(client, row)
    except OndolError as error:
        code = error.code if isinstance(error, UpstreamError) else "bad_provider"
        return Probe(False, (), code, error.message, error.hint, _ms_since(began_at))
    finally:
        await client.close()
    return Probe(True, names, duration_ms=_ms_since(began_at))


async def _names(client: HttpClient, row: ProviderRow) -> tuple[str, ...]:
    provider = new_providers()[row.kind]
    credential = row.credential.reveal()
    operation, below = _LISTS[row.kind]
    asked = provider.request(operation, b"", b"", credential, row)
    path = asked.path.removesuffix(provider.facts.paths[operation].encode()) + below
    headers = [(name, value) for name, value in asked.headers if name != b"content-type"]
    answer = await client.send(HttpRequest(b"GET", asked.origin, path, headers), PROBE_TIMEOUTS, provider.egress(row))
    body = await answer.read(PROBE_BYTES_MAX)
    if answer.status != 200:
        raise provider.failure(answer.status, answer.headers, body, credential)
    return _listed(body, credential)


def _listed(body: bytes, credential: str) -> tuple[str, ...]:
    try:
        data = json.loads(body)["data"]
        found = {item["id"] for item in data if isinstance(item["id"], str)}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UpstreamError("The provider answered with no list of models.", "Check its address.", code="upstream_garbage") from None
    # A provider may repeat what it was sent: the credential is no model.
    kept = (name for name in found if len(name) <= NAME_CHARACTERS_MAX and name.isprintable() and not (credential and credential in name))
    return tuple(sorted(kept)[:MODELS_MAX])


def _ms_since(began_at: float) -> int:
    return round((time.monotonic() - began_at) * 1000)
