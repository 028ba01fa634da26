"""Providers: how to speak with each family. A provider is one file here, one test and one line in `KINDS`."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ondol.core.clock import Clock, utc_now
from ondol.infrastructure.serving.providers.anthropic import Anthropic
from ondol.infrastructure.serving.providers.base import Facts, Provider, StreamEnd
from ondol.infrastructure.serving.providers.failures import failure_of
from ondol.infrastructure.serving.providers.openai import SERVERS, OpenAI, Server

__all__ = ["KINDS", "SERVERS", "Anthropic", "Facts", "OpenAI", "Provider", "Server", "StreamEnd", "failure_of", "new_providers"]

KINDS: Mapping[str, Callable[[str, Clock], Provider]] = {"openai": OpenAI, "anthropic": Anthropic}
"""What a provider's row may name as its kind."""


def new_providers(proxy_url: str = "", clock: Clock = utc_now) -> dict[str, Provider]:
    """One provider of each kind, for one worker.

    Args:
        proxy_url: the installation's outbound proxy; empty for none.

    Raises:
        SettingsError: when that is no address of a proxy.
    """
    return {kind: make(proxy_url, clock) for kind, make in KINDS.items()}
