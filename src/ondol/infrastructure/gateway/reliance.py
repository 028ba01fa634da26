"""What a request would have its provider do beyond answering it: use what is kept there, run tools of its own, or fetch addresses.

All tenants share a provider's account, so what one has kept there another could name; tools of a provider cost more than tokens and reach out of
it; an address makes the provider, or a server in our own network, fetch it. Each is refused unless the provider's owner allowed it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import urlsplit

from ondol.core.errors import RequestError
from ondol.infrastructure.gateway.shapes.base import Asked, Json
from ondol.infrastructure.gateway.shapes.fields import JsonSpot
from ondol.infrastructure.serving.directory import ModelCard
from ondol.infrastructure.serving.http.egress import forbidden
from ondol.infrastructure.serving.types import ProviderRow

RELIANCES_MAX = 256
"""Of one request; one with more is refused as it is."""
REFERRED_FILE_TOKENS = 200_000
"""What a file that only the provider has seen may count for: all that the largest usual context takes."""

_STATE = frozenset({
    "file_id", "file_ids", "vector_store_id", "vector_store_ids", "container_id", "mcp_servers", "previous_response_id", "conversation",
    "cached_content", "connector_id", "prompt_id", "assistant_id", "thread_id", "batch_id",
})  # fmt: skip
"""Fields that name what a provider keeps."""
_WITH_ID = frozenset({"container", "audio", "voice"})
"""Fields that name what a provider keeps when they are an object with an id; `container` also as a string."""
_URLS = frozenset({"url", "image_url", "file_url", "audio_url", "video_url", "server_url"})
_DATA = frozenset({"file_data", "data"})
"""Fields that hold data, where some servers take an address too."""
_TOOL_FIELDS: Mapping[str, str] = {"web_search_options": "web_search", "search_parameters": "search", "plugins": "plugins", "mcp_servers": "mcp"}
"""Fields by which a tool of the provider is asked for, and the tool."""
_CHEAP_TIERS = frozenset({"auto", "default", "standard", "standard_only", "flex"})
"""Tiers of service that cost no more than the price list says."""
_OWN_TOOLS = frozenset({"function", "custom"})
"""Kinds of tools that the caller runs."""
_SKIPPED = frozenset({
    "parameters", "input_schema", "schema", "json_schema", "properties", "metadata", "ondol", "logit_bias", "model", "stop", "stop_sequences",
    "response_format", "stream_options", "annotations", "citations", "action", "results",
})  # fmt: skip
"""Fields whose keys are names of the caller's own, and what earlier answers told of their sources."""
_ADDRESS = re.compile(r"\s*(?:https?|ftps?|file|gs|s3|gopher|ws|wss)://", re.IGNORECASE)
_LOOKS_NUMERIC = re.compile(r"(?:0x[0-9a-f]*|[0-9]+)(?:\.(?:0x[0-9a-f]*|[0-9]+))*\.?", re.IGNORECASE)
_INSIDE = ("localhost", ".localhost", ".local", ".internal", ".intranet", ".lan", ".home.arpa", ".corp", ".home")


@dataclass(frozen=True, slots=True)
class Reliance:
    """One thing that a request would have its provider do.

    Attributes:
        field: where it stands, such as ``tools[0].vector_store_ids``.
        value: the kind of a tool, or an address.
        owner: what holds an address, under the last part of `field`.
    """

    what: Literal["state", "tool", "url"]
    field: str
    value: str = ""
    owner: Json | None = None


def reliances(asked: Asked) -> list[Reliance]:
    """All that a request would have its provider do.

    Raises:
        RequestError: for more than `RELIANCES_MAX`, and for an address that nobody may have fetched.
    """
    found: list[Reliance] = []
    body = asked.body
    if asked.operation == "chat" and body.get("store"):
        found.append(Reliance("state", "store"))
    for reliance in _within(body, ""):
        if reliance.what == "url":
            _check_address(reliance)
        found.append(reliance)
        if len(found) > RELIANCES_MAX:
            raise RequestError(f"The request names more than {RELIANCES_MAX} addresses and files.", "Send fewer.", code="invalid_value")
    return found


def _within(value: Any, where: str) -> Iterator[Reliance]:
    if isinstance(value, dict):
        kind = value.get("type")
        for name, each in value.items():
            if not each or name in _SKIPPED or (name == "input" and kind in ("tool_use", "server_tool_use")):
                continue
            if isinstance(each, str):
                yield from _of_text(value, name, f"{where}.{name}" if where else name)
            elif isinstance(each, dict | list):
                yield from _of_value(name, each, f"{where}.{name}" if where else name)
    elif isinstance(value, list):
        for place, each in enumerate(value):
            if isinstance(each, dict | list):
                yield from _within(each, f"{where}[{place}]")


def _of_text(owner: Json, name: str, where: str) -> Iterator[Reliance]:
    text = owner[name]
    if name in _STATE or name == "container":
        yield Reliance("state", where)
    elif name in _URLS:
        if not text.startswith("data:") and not str(owner.get("type")).endswith(("_result", "_citation")):
            yield Reliance("url", where, text, owner)
    elif name in _DATA and owner.get("type") != "text" and _ADDRESS.match(text):
        yield Reliance("url", where, text.strip(), owner)


def _of_value(name: str, value: Any, where: str) -> Iterator[Reliance]:
    if name in _STATE or (name in _WITH_ID and isinstance(value, dict) and value.get("id")):
        yield Reliance("state", where)
    if name in _TOOL_FIELDS:
        yield Reliance("tool", where, _TOOL_FIELDS[name])
    if name == "tools" and isinstance(value, list):
        for place, tool in enumerate(value):
            kind = (tool.get("type") or "function") if isinstance(tool, dict) else None
            if kind not in _OWN_TOOLS:
                yield Reliance("tool", f"{where}[{place}]", str(kind)[:100])
                yield from _within(tool, f"{where}[{place}]")
    else:
        yield from _within(value, where)


def _check_address(reliance: Reliance) -> None:
    """Refuse an address that is none of a public host, whoever would fetch it.

    Raises:
        RequestError: saying why.
    """
    try:
        url = urlsplit(reliance.value)
        host, _ = (url.hostname or "").rstrip("."), url.port
    except ValueError:
        raise _no_address(reliance.field, "is no URL") from None
    if url.scheme != "https" or url.username is not None or not reliance.value.isprintable() or "\\" in reliance.value or " " in reliance.value:
        raise _no_address(reliance.field, "is no https URL")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        if _LOOKS_NUMERIC.fullmatch(host) or "." not in host or host.endswith(_INSIDE):
            raise _no_address(reliance.field, "is no public address") from None
    else:
        if forbidden(address, private_network=False):
            raise _no_address(reliance.field, "is no public address")


def _no_address(field: str, what: str) -> RequestError:
    return RequestError(
        f"`{field}` {what}.", "Send the data itself, as `data:image/png;base64,...`, or name an https address of a public host.",
        param=field, code="address_not_allowed",
    )  # fmt: skip


def within_reach(asked: Asked, card: ModelCard, is_own: bool) -> ModelCard:
    """The model with those targets alone that may do all that a request would have done.

    Args:
        is_own: the caller's tenant registered the model. What is kept for one tenant no other may name, so nobody names it through a shared model.

    Raises:
        RequestError: naming the field, when there is none.
    """
    found = reliances(asked)
    tier = _tier(asked)
    if not found and not tier:
        return card
    if asked.referred_tokens == 0 and any(reliance.what == "state" or "file" in reliance.field or "source" in reliance.field for reliance in found):
        asked.referred_tokens = REFERRED_FILE_TOKENS * len(found)
    # What stands in an address leaves too: nobody may send in it what nobody may send.
    asked.spots += [JsonSpot("system", each.owner, each.field.rpartition(".")[2]) for each in found if each.owner is not None]
    targets = card.row.targets
    for reliance in found:
        targets = tuple(target for target in targets if _allows(target.provider, reliance, is_own))
        if not targets:
            raise _refused(reliance, is_own)
    if tier:
        targets = tuple(target for target in targets if tier in target.provider.service_tier_percents)
        if not targets:
            raise _tier_not_allowed(tier)
    _bound_tools(asked, [each.value for each in found if each.what == "tool"], [target.provider for target in targets])
    return card if len(targets) == len(card.row.targets) else replace(card, row=replace(card.row, targets=targets))


def _allows(provider: ProviderRow, reliance: Reliance, is_own: bool) -> bool:
    match reliance.what:
        case "state":
            return is_own and provider.keeps_state
        case "url":
            return provider.fetches_urls
        case "tool":
            return _hosted(provider, reliance.value) is not None


def _hosted(provider: ProviderRow, kind: str) -> tuple[int, int] | None:
    """How often a tool may be called for a request, and for how many tokens a call counts; None when it may not."""
    return next((use for name, use in provider.hosted_tools.items() if kind == name or kind.startswith(f"{name}_")), None)


def _bound_tools(asked: Asked, kinds: list[str], providers: list[ProviderRow]) -> None:
    """Reserve what the tools may use wherever the request goes, and tell the bound where a provider takes one."""
    uses: dict[str, int] = {}
    for kind in kinds:
        known = [use for provider in providers if (use := _hosted(provider, kind)) is not None]
        uses[kind] = min(calls for calls, _ in known)
        asked.hosted_tokens += uses[kind] * max(tokens for _, tokens in known)
    if uses and asked.operation == "responses":
        calls = sum(uses.values())
        told = asked.body.get("max_tool_calls")
        asked.body["max_tool_calls"] = min(told, calls) if type(told) is int and told > 0 else calls
    if asked.operation == "messages":
        for tool in asked.body.get("tools") or ():
            kind = str(tool.get("type"))
            if kind in uses and kind.startswith("web_"):  # the others know no such bound
                told = tool.get("max_uses")
                tool["max_uses"] = min(told, uses[kind]) if type(told) is int and told > 0 else uses[kind]


def _tier(asked: Asked) -> str:
    """The tier of service that is asked for, where it may cost more than the price list says. What costs no more goes on as it is."""
    tier = asked.body.get("service_tier")
    if tier == "auto":  # the same as none: what the provider's account is set to
        del asked.body["service_tier"]
    if tier is None or (isinstance(tier, str) and tier in _CHEAP_TIERS):
        return ""
    if not isinstance(tier, str) or not tier:
        raise RequestError("`service_tier` names no tier.", param="service_tier", code="invalid_value")
    asked.service_tier = tier
    return tier


def _tier_not_allowed(tier: str) -> RequestError:
    return RequestError(
        f"`service_tier` {tier[:50]!r} has no price here.",
        "Leave it out; an administrator may name its price in the provider's setting `service_tier_percents`.",
        param="service_tier",
        code="tier_not_allowed",
    )


def _refused(reliance: Reliance, is_own: bool) -> RequestError:
    field = reliance.field
    match reliance.what:
        case "state" if not is_own:
            what, hint = "names what is kept at a provider that several tenants share", "Send the content itself."
        case "state":
            what = "names what is kept at the provider"
            hint = "Send the content itself; an administrator may allow it with the provider's setting `keeps_state`."
        case "url":
            what = "is an address that the provider would fetch"
            hint = "Send the data itself, as `data:image/png;base64,...`; an administrator may allow it with the provider's setting `fetches_urls`."
        case "tool":
            what = f"is a tool that the provider runs ({reliance.value})"
            hint = "Use tools of type `function`; an administrator may name it in the provider's setting `hosted_tools`."
    return RequestError(f"`{field}` {what}, which is not allowed here.", hint, param=field, code=f"{reliance.what}_not_allowed")
