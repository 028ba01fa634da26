"""What is said of a provider, a model and a tenant beyond their names: as it is declared, kept and read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from ondol.core.errors import RequestError

SETTINGS_BYTES_MAX = 256 * 1024
OUTPUT_TOKENS_DEFAULT = 4_096
"""A request that sets no bound on its answer gets this one, so that what it may cost is known before it begins."""

_Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
_ToolName = Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]{0,63}$")]
_Percent = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
_Text = Annotated[str, msgspec.Meta(max_length=20_000)]


class HostedTool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a tool that a provider runs itself may use in one request.

    Attributes:
        calls_max: how often it may be called; told to the provider where it takes such a bound.
        call_tokens: what one call counts for, in tokens of input: what it brings to the model, and its fee at the model's price.
    """

    calls_max: Annotated[int, msgspec.Meta(ge=1, le=100)] = 4
    call_tokens: Annotated[int, msgspec.Meta(ge=0, le=10_000_000)] = 20_000


class ProviderSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a provider is reached.

    Attributes:
        headers: sent with each request; nothing secret belongs here.
        private_network: the provider's address may be private or on this machine.
        ca_pem: certificates of the authority that signed the provider's; empty for the system's.
        proxy_url: an outbound proxy, such as ``http://proxy.example:3128``; empty for none.
        speaks_responses: it knows OpenAI's responses itself; when absent only OpenAI's own service is taken to, and others are asked for a chat.
        bound_field: the field by which its chats take the bound on an answer. When absent, OpenAI's own service gets ``max_completion_tokens``
            (``max_tokens`` where the caller says so), and all others get ``max_tokens``: some of them know no other name and would go on without end.
        keeps_state: callers of its own tenant may name what is kept at it: files, containers, vector stores, stored answers. Others never may.
        hosted_tools: tools that it runs itself and callers may ask for, such as ``web_search``, and what they may use; a name stands for versions.
        service_tier_percents: tiers of service that callers may ask for, such as ``priority``, and what they cost in percent of the price list.
        fetches_urls: it may be told to fetch https addresses of public hosts; when absent only well-known public services are.
        connect_s, first_byte_s, between_s, whole_s: how long connecting, the first byte, the next piece and the whole answer may take, in seconds.
    """

    headers: Annotated[dict[str, str], msgspec.Meta(max_length=32)] = {}
    private_network: bool = False
    ca_pem: _Text = ""
    proxy_url: Annotated[str, msgspec.Meta(max_length=2_000)] = ""
    speaks_responses: bool | None = None
    bound_field: Literal["max_tokens", "max_completion_tokens"] | None = None
    keeps_state: bool = False
    hosted_tools: Annotated[dict[_ToolName, HostedTool], msgspec.Meta(max_length=64)] = {}
    service_tier_percents: Annotated[dict[_ToolName, _Percent], msgspec.Meta(max_length=16)] = {}
    fetches_urls: bool | None = None
    connect_s: _Seconds = 5.0
    first_byte_s: _Seconds = 120.0
    between_s: _Seconds = 60.0
    whole_s: _Seconds = 900.0


class Bound(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a parameter may be.

    Attributes:
        least, most: a number outside is moved to the nearer end.
        fixed: takes the place of whatever the caller says.
        forbidden: a request that has it is refused.
    """

    least: float | None = None
    most: float | None = None
    fixed: Any = msgspec.UNSET
    forbidden: bool = False


class ModelSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a model is called.

    Attributes:
        operations: what it may be asked for; all that its providers have, when absent.
        retries_max: further tries before the first byte of an answer.
        sticky: a conversation stays with one target where it can.
        deadline_s: the longest whole request, in seconds.
        context_tokens: what prompt and answer may take together; not looked at when absent.
        output_tokens_max: the most that an answer may take; a caller who asks for more gets this.
        output_tokens_default: the bound of a request that sets none.
        reasons: it bills reasoning that no answer shows; when absent that is told from the request, the price list, the name and what it told before.
        parameters: bounds of the request's own parameters, by name.
        release: which release answers; stands in records and headers.
    """

    operations: list[str] | None = None
    retries_max: Annotated[int, msgspec.Meta(ge=0, le=10)] = 2
    sticky: bool = True
    deadline_s: _Seconds = 900.0
    context_tokens: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None
    output_tokens_max: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None
    output_tokens_default: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] = OUTPUT_TOKENS_DEFAULT
    reasons: bool | None = None
    parameters: Annotated[dict[str, Bound], msgspec.Meta(max_length=100)] = {}
    release: Annotated[str, msgspec.Meta(max_length=200)] = ""


class TenantSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the gateway treats a tenant.

    Attributes:
        content: what is kept of requests and answers: nothing, masked by the guard, or all; sealed in either case.
        content_days: for how long.
        mark: answers carry a machine-readable mark that a machine wrote them, and the notice.
        notice: what people are told before, by language; a sentence is built in.
        ask_recommendation: people are asked, at most every 90 days, how likely they would recommend the assistant.
        when_away: with Postgres away and its leases used up, requests are refused (``closed``) or go on (``open``) with an alarm.
    """

    content: Literal["off", "masked", "full"] = "masked"
    content_days: Annotated[int, msgspec.Meta(ge=1, le=3_650)] = 30
    mark: bool = False
    notice: dict[Literal["ko", "en"], Annotated[str, msgspec.Meta(max_length=1_000)]] = {}
    when_away: Literal["closed", "open"] = "closed"
    ask_recommendation: bool = True


NOTICE: Mapping[Literal["ko", "en"], str] = {
    "ko": "이 답변은 인공지능이 생성합니다.",
    "en": "Answers are generated by artificial intelligence.",
}


def notice_for(settings: TenantSettings, language: Literal["ko", "en"]) -> str:
    """What people are told before they ask: that a machine answers. Empty where the tenant does not want it."""
    return (settings.notice.get(language) or NOTICE[language]) if settings.mark else ""


S = TypeVar("S", ProviderSettings, ModelSettings, TenantSettings)


def settings_from(kind: type[S], tree: object) -> S:
    """Settings from plain data.

    Raises:
        RequestError: when they say something unknown or out of range.
    """
    try:
        return msgspec.convert(tree, kind)
    except msgspec.ValidationError as error:
        raise RequestError(f"The settings are not valid: {error}.", f"There are {', '.join(kind.__struct_fields__)}.", code="bad_settings") from None
