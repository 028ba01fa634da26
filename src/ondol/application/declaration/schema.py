"""The form of a declaration, version 1. An entry says all of its thing: an absent field has its default. Unknown keys are refused with the nearest
known one.
"""

from __future__ import annotations

import difflib
from typing import Any, Literal

import msgspec
import yaml

from ondol.core.errors import SettingsError
from ondol.infrastructure.access.types import PersonKind, Role, SecurityClass
from ondol.infrastructure.guard.policy import Policy, Rule, policy_from
from ondol.infrastructure.guard.registry import KNOWN
from ondol.infrastructure.guard.store import Scope

FILE_BYTES_MAX = 16 * 1024 * 1024


class GroupEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A group; the people of its member groups belong to it too."""

    name: str
    members: list[str] = []


class PersonEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody or a service. Passwords and keys are never declared: people get a one-time sign-in."""

    login: str
    name: str = ""
    kind: PersonKind = "person"
    clearance: SecurityClass = "public"
    roles: list[Role] = msgspec.field(default_factory=lambda: ["member"])
    groups: list[str] = []


class AssistantEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An assistant over a base of the same tenant."""

    name: str
    base: str
    settings: dict[str, Any] = {}


class GuardEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a guard policy holds. The tenant itself has no target; a key is named by its public id or its id."""

    policy: str
    scope: Scope = "tenant"
    target: str = ""


class TenantEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A tenant and what belongs to it."""

    slug: str
    name: str = ""
    time_zone: str = "Asia/Seoul"
    currency: Literal["KRW", "USD"] = "KRW"
    groups: list[GroupEntry] = []
    people: list[PersonEntry] = []
    bases: list[str] = []
    assistants: list[AssistantEntry] = []
    policies: list[Policy] = []
    guard: list[GuardEntry] = []


class Declaration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `ondol apply` reads and `ondol apply --export` writes."""

    version: Literal[1]
    tenants: list[TenantEntry] = []


_STRUCTS = (Declaration, TenantEntry, GroupEntry, PersonEntry, AssistantEntry, GuardEntry, Policy, Rule)


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
    return declaration


def _check_policy(slug: str, policy: Policy) -> None:
    try:
        policy_from(msgspec.to_builtins(policy), KNOWN)
    except SettingsError as error:
        raise SettingsError(f"Tenant {slug}, policy {policy.name}: {error.message}", error.hint) from error


def to_yaml(declaration: Declaration) -> str:
    """The declaration as YAML; what is empty by default, and is empty, is left out."""
    return yaml.safe_dump(_plain(declaration), allow_unicode=True, sort_keys=False, width=140)


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        fields = msgspec.structs.fields(value)
        kept = ((entry.name, getattr(value, entry.name), entry) for entry in fields)
        return {name: _plain(item) for name, item, entry in kept if not (item in (None, "", [], {}, msgspec.UNSET) and item == _default(entry))}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value


def _default(entry: msgspec.structs.FieldInfo) -> Any:
    return entry.default if entry.default_factory is msgspec.NODEFAULT else entry.default_factory()


def _hint(message: str) -> str:
    unknown = message.partition("unknown field `")[2].partition("`")[0]
    known = sorted({entry.name for struct in _STRUCTS for entry in msgspec.structs.fields(struct)})
    close = difflib.get_close_matches(unknown, known, n=1, cutoff=0.5) if unknown else []
    return f"Did you mean `{close[0]}`?" if close else "`ondol apply --export` shows the form."
