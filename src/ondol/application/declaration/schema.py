"""The form of a declaration, version 1. An entry says all of its thing: an absent field has its default. Unknown keys are refused with the nearest
known one.
"""

from __future__ import annotations

import difflib
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
import yaml

from ondol.application.prompts import PromptBody, PromptError, prompt_body
from ondol.application.prompts.types import Example, Language, PromptText, VariableType
from ondol.core.errors import SettingsError
from ondol.core.money import Currency
from ondol.infrastructure.access.limits.types import Period
from ondol.infrastructure.access.limits.types import Scope as RuleScope
from ondol.infrastructure.access.types import PersonKind, Role, SecurityClass
from ondol.infrastructure.guard.policy import Policy, Rule, policy_from
from ondol.infrastructure.guard.registry import KNOWN
from ondol.infrastructure.guard.store import Scope
from ondol.infrastructure.serving.settings import Bound, HostedTool, ModelSettings, ProviderSettings, TenantSettings

FILE_BYTES_MAX = 16 * 1024 * 1024
ALWAYS = datetime(2000, 1, 1, tzinfo=UTC)
"""From when on a price holds that says no moment."""

Amount: TypeAlias = str | int | float
"""A decimal amount. YAML reads 0.15 as a number: it means what is written."""


class GroupEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A group; the people of its member groups belong to it too."""

    name: str
    members: list[str] = []


class AttributeEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An attribute that people may have and access rules may ask for, with all its values."""

    name: str
    values: list[str]


class PersonEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody or a service. Passwords and keys are never declared: people get a one-time sign-in."""

    login: str
    name: str = ""
    kind: PersonKind = "person"
    clearance: SecurityClass = "public"
    roles: list[Role] = msgspec.field(default_factory=lambda: ["member"])
    groups: list[str] = []
    attributes: dict[str, list[str]] = {}


class VerdictEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A suite by its name and the digest of it with its cases, and how old a passing verdict may be, such as `30d`."""

    suite: str
    digest: str
    valid_for: str = "30d"


class AssistantEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An assistant over a base of the same tenant. What it requires before a release goes live stays where the entry does not say it; `null` drops
    it.
    """

    name: str
    base: str
    settings: dict[str, Any] = {}
    require_verdict: VerdictEntry | msgspec.UnsetType | None = msgspec.UNSET


class PromptEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A prompt: its newest version says this. `labels` are what this version is called."""

    name: str
    texts: dict[Language, PromptText]
    variables: dict[str, VariableType] = {}
    labels: list[str] = []


class GuardEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a guard policy holds. The tenant itself has no target; a key is named by its public id or its id."""

    policy: str
    scope: Scope = "tenant"
    target: str = ""


class ProviderEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A provider. Its credential stands in the environment variable that `credential_env` names; without one the credential that is there stays."""

    name: str
    kind: Literal["openai", "anthropic"] = "openai"
    base_url: str = ""
    credential_env: str = ""
    settings: ProviderSettings = ProviderSettings()
    disabled: bool = False


class TargetEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One place that answers a model: a provider and the model's name there."""

    provider: str
    name: str
    priority: int = 0
    weight: int = 1


class ModelEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model, with its pinned system prompt."""

    alias: str
    targets: list[TargetEntry]
    settings: ModelSettings = ModelSettings()
    prompt: str = ""
    shared: bool = False
    disabled: bool = False


class PriceEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The prices of a provider's model from a moment on, as decimal text; of tokens for a million."""

    provider: str
    model: str
    currency: Currency
    from_at: Annotated[datetime, msgspec.Meta(tz=True)] = ALWAYS
    input: Amount | None = None
    cached_input: Amount | None = None
    cache_write: Amount | None = None
    output: Amount | None = None
    reasoning: Amount | None = None
    request: Amount | None = None
    image: Amount | None = None
    second: Amount | None = None
    character: Amount | None = None


class LimitEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A limit. The subject is a group's name, a login, a model's alias, or `*`; none for the tenant. Limits of single keys are not declared."""

    scope: RuleScope = "tenant"
    subject: str = ""
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent_max: int | None = None
    body_bytes_max: int | None = None
    prompt_tokens_max: int | None = None
    output_tokens_max: int | None = None
    deadline_s: int | None = None


class BudgetEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A budget of money or, without a currency, of tokens. What was paid into a prepaid one is not declared."""

    name: str
    amount: Amount
    currency: Currency | None = None
    period: Period = "month"
    scope: RuleScope = "tenant"
    subject: str = ""
    alarm_percents: list[int] = msgspec.field(default_factory=lambda: [80, 100])


class GatewayEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the gateway treats the tenant, and a system prompt that is pinned to all its models."""

    settings: TenantSettings = TenantSettings()
    prompt: str = ""


class TenantEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tenant and what belongs to it."""

    slug: str
    name: str = ""
    time_zone: str = "Asia/Seoul"
    currency: Literal["KRW", "USD"] = "KRW"
    groups: list[GroupEntry] = []
    attributes: list[AttributeEntry] = []
    people: list[PersonEntry] = []
    bases: list[str] = []
    prompts: list[PromptEntry] = []
    assistants: list[AssistantEntry] = []
    policies: list[Policy] = []
    guard: list[GuardEntry] = []
    providers: list[ProviderEntry] = []
    models: list[ModelEntry] = []
    prices: list[PriceEntry] = []
    limits: list[LimitEntry] = []
    budgets: list[BudgetEntry] = []
    gateway: GatewayEntry | None = None


class Declaration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `ondol apply` reads and `ondol apply --export` writes."""

    version: Literal[1]
    tenants: list[TenantEntry] = []


_STRUCTS = (
    Declaration, TenantEntry, GroupEntry, AttributeEntry, PersonEntry, AssistantEntry, VerdictEntry, PromptEntry, PromptText,
    Example, GuardEntry, Policy, Rule,
    ProviderEntry, ProviderSettings, HostedTool,
    ModelEntry, TargetEntry, ModelSettings, Bound, PriceEntry, LimitEntry, BudgetEntry, GatewayEntry, TenantSettings,
)  # fmt: skip


def parse_declaration(text: str) -> Declaration:
    """Read a declaration.

    Raises:
        SettingsError: when it is not YAML, or something in it is unknown or of the wrong type.
    """
    if len(text.encode()) > FILE_BYTES_MAX:
        raise SettingsError(f"The file is larger than {FILE_BYTES_MAX // 2**20} MiB.", "Split it by tenant.")
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(f"The file is not valid YAML: {error}", "`ondol apply --export` shows the form.") from error
    try:
        declaration = msgspec.convert(tree, Declaration)
    except msgspec.ValidationError as error:
        raise SettingsError(f"The file says something unknown: {error}.", _hint(str(error))) from error
    for tenant in declaration.tenants:
        for policy in tenant.policies:
            _check_policy(tenant.slug, policy)
        for prompt in tenant.prompts:
            _check_prompt(tenant.slug, prompt)
    return declaration


def _check_policy(slug: str, policy: Policy) -> None:
    try:
        policy_from(msgspec.to_builtins(policy), KNOWN)
    except SettingsError as error:
        raise SettingsError(f"Tenant {slug}, policy {policy.name}: {error.message}", error.hint) from error


def _check_prompt(slug: str, entry: PromptEntry) -> None:
    try:
        prompt_body(msgspec.to_builtins(PromptBody(entry.texts, entry.variables)))
    except PromptError as error:
        raise SettingsError(f"Tenant {slug}, prompt {entry.name}: {error.message}", error.hint) from error


def to_yaml(declaration: Declaration) -> str:
    """The declaration as YAML; what is empty by default, and is empty, is left out."""
    return yaml.safe_dump(_plain(declaration), allow_unicode=True, sort_keys=False, width=140)


def _plain(value: Any) -> Any:
    if isinstance(value, ProviderSettings | HostedTool | ModelSettings | Bound | TenantSettings):
        return _differing(value)
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.fields(value)
        kept = ((entry.name, getattr(value, entry.name), entry) for entry in fields)
        return {name: _plain(item) for name, item, entry in kept if not (item in (None, "", [], {}, msgspec.UNSET) and item == _default(entry))}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value


def _differing(value: msgspec.Struct) -> dict[str, Any]:
    """Settings that are not at their default: there are many, and what nobody set says nothing."""
    kept = ((entry.name, getattr(value, entry.name), entry) for entry in msgspec.structs.fields(value))
    return {name: _plain(item) for name, item, entry in kept if item is not msgspec.UNSET and item != _default(entry)}


def _default(entry: msgspec.structs.FieldInfo) -> Any:
    return entry.default if entry.default_factory is msgspec.NODEFAULT else entry.default_factory()


def _hint(message: str) -> str:
    unknown = message.partition("unknown field `")[2].partition("`")[0]
    known = sorted({entry.name for struct in _STRUCTS for entry in msgspec.structs.fields(struct)})
    close = difflib.get_close_matches(unknown, known, n=1, cutoff=0.5) if unknown else []
    return f"Did you mean `{close[0]}`?" if close else "`ondol apply --export` shows the form."
