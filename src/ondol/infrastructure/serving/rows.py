"""A provider as it is registered and as requests go to it: what it may be, what of it is shown, and that its credential stays with its host."""

from __future__ import annotations

import re
import ssl
import uuid
from urllib.parse import urlsplit

import msgspec

from ondol.core.clock import utc_now
from ondol.core.errors import RequestError, SettingsError
from ondol.infrastructure.serving.providers import KINDS
from ondol.infrastructure.serving.settings import ProviderSettings
from ondol.infrastructure.serving.types import ProviderRow, Secret, Timeouts

CREDENTIAL_CHARACTERS_MAX = 8_192
URL_CHARACTERS_MAX = 2_000
PUBLIC_SERVICES = (
    "api.openai.com", "api.anthropic.com", "generativelanguage.googleapis.com", "api.mistral.ai", "api.x.ai", "api.groq.com", "openrouter.ai",
    "api.together.xyz", "api.fireworks.ai",
)  # fmt: skip
"""Hosts of services that are reached by everybody, and reach nothing of ours."""

_PROVIDER_NAME = re.compile(r"(?=.{1,63}\Z)[a-z0-9](-?[a-z0-9])*")


def own_base_url(kind: str) -> str:
    """Where a kind of provider lives when nothing else is said; empty for an unknown kind."""
    return KINDS[kind]("", utc_now).facts.base_url if kind in KINDS else ""


def check_provider(kind: str, base_url: str, credential: str | None) -> None:
    """Refuse a provider that cannot be.

    Raises:
        RequestError: saying which field.
    """
    if kind not in KINDS:
        raise RequestError(f"There is no kind of provider called {kind[:50]!r}.", f"There are {', '.join(KINDS)}.", param="kind")
    try:
        url = urlsplit(base_url)
        port = url.port
    except ValueError:
        raise RequestError("The provider's address is not a URL.", "Write it like https://api.openai.com/v1.", param="base_url") from None
    if (
        len(base_url) > URL_CHARACTERS_MAX
        or url.scheme not in ("http", "https")
        or not url.hostname
        or url.query
        or url.fragment
        or url.username
        or port == 0
    ):
        hint = "Write it like https://api.openai.com/v1; a key belongs into `credential`."
        raise RequestError("The provider's address needs http or https, a host, and neither user, query nor fragment.", hint, param="base_url")
    if credential is not None and (len(credential) > CREDENTIAL_CHARACTERS_MAX or not all("!" <= char <= "~" for char in credential)):
        raise RequestError("A credential is printable ASCII without spaces.", "Copy it again.", param="credential")


def row_of(
    tenant_id: uuid.UUID, provider_id: uuid.UUID, name: str, kind: str, base_url: str, credential: str, settings: ProviderSettings
) -> ProviderRow:
    """A provider as requests go to it."""
    return ProviderRow(
        tenant_id=tenant_id,
        id=provider_id,
        name=name,
        kind=kind,
        base_url=base_url,
        credential=Secret(credential),
        headers=tuple(settings.headers.items()),
        private_network=settings.private_network,
        ca_pem=settings.ca_pem,
        proxy_url=settings.proxy_url,
        timeouts=Timeouts(settings.connect_s, settings.first_byte_s, settings.between_s, settings.whole_s),
        speaks_responses=_is_openai(base_url) if settings.speaks_responses is None else settings.speaks_responses,
        keeps_state=settings.keeps_state,
        hosted_tools={name: (tool.calls_max, tool.call_tokens) for name, tool in settings.hosted_tools.items()},
        service_tier_percents=settings.service_tier_percents,
        fetches_urls=_is_public(base_url, settings) if settings.fetches_urls is None else settings.fetches_urls,
        bound_field=settings.bound_field or "",
    )


def _is_openai(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    return host == "api.openai.com" or host.endswith(".openai.azure.com")


def _is_public(base_url: str, settings: ProviderSettings) -> bool:
    """Whether a provider is a public service that fetches addresses from its own network, not from ours."""
    url = urlsplit(base_url)
    host = url.hostname or ""
    return url.scheme == "https" and not settings.private_network and (host in PUBLIC_SERVICES or host.endswith(".openai.azure.com"))


def shown_settings(settings: ProviderSettings) -> ProviderSettings:
    """Settings as they are shown and exported: without the proxy's password."""
    return msgspec.structs.replace(settings, proxy_url=_without_password(settings.proxy_url))


def _without_password(url: str) -> str:
    before, at, host = url.rpartition("@")
    scheme, slashes, who = before.partition("://")
    return f"{scheme}{slashes}{who.partition(':')[0]}{at}{host}" if at else url


def with_password(new: ProviderSettings, known: ProviderSettings | None) -> ProviderSettings:
    """Settings with the proxy's password that is there, where they say the same proxy without one."""
    if known is not None and new.proxy_url and new.proxy_url == _without_password(known.proxy_url):
        return msgspec.structs.replace(new, proxy_url=known.proxy_url)
    return new


def check_credential_stays(known_url: str, known: ProviderSettings, base_url: str, settings: ProviderSettings) -> None:
    """Whoever may change a provider may not thereby see its credential: it goes to another host, or by another way there, only when given anew.

    Raises:
        RequestError: when it would.
    """
    before, after = urlsplit(known_url), urlsplit(base_url)
    same_host = (before.scheme, before.hostname, before.port) == (after.scheme, after.hostname, after.port)
    same_way = (known.proxy_url, known.ca_pem) == (settings.proxy_url, settings.ca_pem)
    if not (same_host and same_way):
        raise RequestError(
            "The credential that is there was given for another host, proxy or certificate authority.",
            "Give it again with the change, or an empty one to take it away.",
            code="credential_needed",
            param="credential",
        )


def check_row(row: ProviderRow) -> None:
    """Refuse a provider whose name, headers, proxy or authority cannot be.

    Raises:
        RequestError: saying what.
    """
    if not _PROVIDER_NAME.fullmatch(row.name):
        hint = "Use at most 63 lower-case letters, digits and single hyphens."
        raise RequestError("That cannot name a provider.", hint, code="bad_name", param="name")
    try:
        KINDS[row.kind]("", utc_now).check(row)
        if row.ca_pem:
            ssl.create_default_context(cadata=row.ca_pem)
    except SettingsError as error:
        raise RequestError(error.message, error.hint, code="bad_provider") from None
    except (ssl.SSLError, ValueError):
        raise RequestError("The certificate authority cannot be read.", "Give it as PEM.", code="bad_provider", param="settings.ca_pem") from None
