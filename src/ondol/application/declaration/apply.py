"""Bring the platform to what a declaration says. Applying twice changes nothing; what is not mentioned is left alone."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import msgspec
import psycopg

from ondol.application.assistant.release import declare_release, wish_of
from ondol.application.assistant.store import find_assistant, list_assistants, put_assistant
from ondol.application.declaration.gateway import GatewayPlace, apply_gateway, export_gateway
from ondol.application.declaration.schema import (
    AssistantEntry,
    AttributeEntry,
    Declaration,
    GroupEntry,
    GuardEntry,
    PersonEntry,
    PromptEntry,
    TenantEntry,
    VerdictEntry,
)
from ondol.application.evaluation.verdicts.requirements import Requirement, list_requirements, put_requirement, span_of_days, span_text
from ondol.application.knowledge import store as knowledge
from ondol.application.prompts import PromptBody
from ondol.application.prompts import store as prompts
from ondol.core.clock import Clock
from ondol.core.config import SignInSettings
from ondol.core.errors import NotFound, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.access import attributes, people
from ondol.infrastructure.access.rules import check_value
from ondol.infrastructure.access.sign_in import issue_one_time
from ondol.infrastructure.access.types import Person, Tenant
from ondol.infrastructure.guard import store as guard
from ondol.infrastructure.guard.policy import Policy
from ondol.infrastructure.guard.registry import KNOWN
from ondol.infrastructure.ledger import record
from ondol.infrastructure.releases import Gate, open_gate
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Connection, Database

What: TypeAlias = Literal[
    "tenant",
    "group",
    "attribute",
    "person",
    "base",
    "prompt",
    "assistant",
    "policy",
    "guard",
    "provider",
    "model",
    "price",
    "limit",
    "budget",
    "gateway",
]


def _no_gate(_tenant_id: uuid.UUID) -> Gate:
    return open_gate


@dataclass(frozen=True, slots=True)
class DeclarationRoom:
    """What applying works with.

    Attributes:
        environment: variables in which credentials of providers may stand.
        gate_of: the gate of a tenant, asked before a declared release takes the place of one that serves.
    """

    database: Database
    keyring: KeyRing
    sign_in: SignInSettings
    clock: Clock
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    gate_of: Callable[[uuid.UUID], Gate] = _no_gate


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that applying made or changed.

    Attributes:
        code: the one-time sign-in of a new person, shown once.
        note: what is still to be done, for people.
    """

    tenant: str
    what: What
    name: str
    did: Literal["created", "changed"]
    code: str | None = None
    note: str = ""


async def apply_declaration(
    room: DeclarationRoom, declaration: Declaration, *, without_assistants: bool = False, invite: bool = False
) -> list[Change]:
    """Apply a declaration, each tenant in one transaction.

    Args:
        invite: issue one-time sign-ins for people that are new.

    Raises:
        RequestError: when an entry names a group, an attribute or a base that does not exist, or says what cannot be; that tenant stays as it was.
    """
    changes: list[Change] = []
    for entry in declaration.tenants:
        tenant, created = await _tenant(room, entry)
        try:
            changes += await _apply_to(room, tenant, entry, created=created, without_assistants=without_assistants, invite=invite)
        except BaseException:
            if created:
                await people.remove_tenant(room.database, room.keyring, tenant.id)
            raise
    return changes


async def export_declaration(room: DeclarationRoom, tenants: Sequence[Tenant]) -> Declaration:
    """What these tenants hold, in the form that `apply_declaration` takes."""
    return Declaration(version=1, tenants=[await _export_tenant(room, tenant) for tenant in tenants])


async def _tenant(room: DeclarationRoom, entry: TenantEntry) -> tuple[Tenant, bool]:
    """The tenant of an entry, and whether it was made just now."""
    try:
        return await people.find_tenant(room.database, entry.slug), False
    except NotFound:
        made = await people.create_tenant(
            room.database,
            room.keyring,
            slug=entry.slug,
            name=entry.name or entry.slug,
            time_zone=entry.time_zone,
            currency=entry.currency,
            now=room.clock(),
        )
        return made, True


async def _apply_to(
    room: DeclarationRoom, tenant: Tenant, entry: TenantEntry, *, created: bool, without_assistants: bool, invite: bool
) -> list[Change]:
    name = entry.name or entry.slug
    changes = [Change(entry.slug, "tenant", name, "created")] if created else []
    try:
        async with room.database.tenant_tx(tenant.id) as connection:
            if (tenant.name, tenant.time_zone, tenant.currency) != (name, entry.time_zone, entry.currency):
                await people.change_tenant(connection, name=name, time_zone=entry.time_zone, currency=entry.currency)
                changes.append(Change(entry.slug, "tenant", name, "changed"))
            await _groups(room, connection, tenant, entry.groups, changes)
            await _attributes(room, connection, tenant, entry.attributes, changes)
            await _people(room, connection, tenant, entry.people, changes, invite)
            await _bases(room, connection, tenant, entry.bases, changes)
            await _prompts(room, connection, tenant, entry.prompts, changes)
            if not without_assistants:
                await _assistants(room, connection, tenant, entry.assistants, changes)
            await _policies(room, connection, tenant, entry.policies, changes)
            await _guard(room, connection, tenant, entry.guard, changes)
            place = GatewayPlace(connection, room.keyring, tenant, room.clock(), room.environment)
            changes += [Change(entry.slug, *done) for done in await apply_gateway(place, entry)]
            if not without_assistants:
                await _releases(room, connection, tenant, entry.assistants, changes)
            if changes:
                body = {"changes": len(changes)}
                await record(connection, tenant.id, kind="declaration.applied", actor_id=None, body=body, now=room.clock())
    except (psycopg.errors.IntegrityError, psycopg.errors.DataError) as error:
        raise RequestError(f"Tenant {entry.slug} cannot be brought to that: {error.diag.message_primary or error}.", "Correct the file.") from error
    return changes


async def _groups(room: DeclarationRoom, connection: Connection, tenant: Tenant, entries: list[GroupEntry], changes: list[Change]) -> None:
    known = dict(await people.list_groups(connection))
    for entry in entries:
        await people.ensure_group(connection, tenant.id, entry.name, room.clock())
    for entry in entries:
        await people.set_member_groups(connection, tenant.id, entry.name, entry.members)
        if entry.name not in known:
            changes.append(Change(tenant.slug, "group", entry.name, "created"))
        elif known[entry.name] != tuple(sorted(set(entry.members) - {entry.name})):
            changes.append(Change(tenant.slug, "group", entry.name, "changed"))


async def _attributes(room: DeclarationRoom, connection: Connection, tenant: Tenant, entries: list[AttributeEntry], changes: list[Change]) -> None:
    known = dict(await attributes.list_attributes(connection))
    for entry in entries:
        values = tuple(sorted({check_value(value) for value in entry.values}))
        await attributes.put_attribute(connection, tenant.id, entry.name, values, room.clock())
        if known.get(entry.name, ()) != values:
            changes.append(Change(tenant.slug, "attribute", entry.name, "changed" if entry.name in known else "created"))


async def _people(
    room: DeclarationRoom, connection: Connection, tenant: Tenant, entries: list[PersonEntry], changes: list[Change], invite: bool
) -> None:
    for entry in entries:
        name = entry.name or entry.login
        has = tuple(sorted({(attribute, check_value(value)) for attribute, values in entry.attributes.items() for value in values}))
        roles, groups = frozenset(entry.roles), tuple(sorted(set(entry.groups)))
        new = people.NewPerson(entry.login, name, entry.kind, entry.clearance, roles, groups, has)
        try:
            known = await people.find_person(connection, room.keyring, tenant.id, entry.login)
        except NotFound:
            added = await people.add_person(connection, room.keyring, tenant.id, new, room.clock())
            code = None
            if invite and entry.kind == "person":
                code = await issue_one_time(connection, room.sign_in, tenant.id, added.id, room.clock())
            changes.append(Change(tenant.slug, "person", entry.login, "created", code))
            continue
        if known.kind != entry.kind:
            message = f"{entry.login} is a {known.kind}, which cannot be changed."
            raise RequestError(message, "Give the other one a login of its own.", code="kind_differs")
        if replace(known, name=name, clearance=entry.clearance, roles=roles, groups=groups, attributes=has) != known:
            await people.change_person(connection, room.keyring, known, new, room.clock())
            changes.append(Change(tenant.slug, "person", entry.login, "changed"))


async def _bases(room: DeclarationRoom, connection: Connection, tenant: Tenant, names: list[str], changes: list[Change]) -> None:
    known = {base.name for base in await knowledge.list_bases(connection)}
    for name in names:
        await knowledge.ensure_base(connection, tenant.id, name, new_id(), room.clock())
        if name not in known:
            changes.append(Change(tenant.slug, "base", name, "created"))


async def _assistants(room: DeclarationRoom, connection: Connection, tenant: Tenant, entries: list[AssistantEntry], changes: list[Change]) -> None:
    known = {item.name: item for item in await list_assistants(connection)}
    for entry in entries:
        base = await knowledge.find_base(connection, entry.base)
        before = known.get(entry.name)
        stays = before is not None and (before.base_id, dict(before.settings)) == (base.id, entry.settings)
        if not stays:
            _check_settings(entry)
            await put_assistant(connection, tenant.id, new_id(), entry.name, base.id, entry.settings, room.clock())
        if await _requirement(room, connection, tenant, entry) or not stays:
            changes.append(Change(tenant.slug, "assistant", entry.name, "created" if before is None else "changed"))


async def _requirement(room: DeclarationRoom, connection: Connection, tenant: Tenant, entry: AssistantEntry) -> bool:
    """Let an assistant require what its entry says; whether that changes anything."""
    told = entry.require_verdict
    if isinstance(told, msgspec.UnsetType):
        return False
    assistant = await find_assistant(connection, entry.name)
    try:
        wanted = Requirement(told.suite, bytes.fromhex(told.digest), span_of_days(told.valid_for)) if told is not None else None
    except ValueError:
        raise RequestError("`require_verdict.digest` is no SHA-256.", "`ondol eval check SUITE --json` tells it.", param="digest") from None
    return await put_requirement(connection, tenant.id, assistant.id, wanted, room.clock())


def _check_settings(entry: AssistantEntry) -> None:
    """Refuse wrong settings of an assistant before anybody asks it.

    Raises:
        RequestError: naming the assistant; `param` names the setting.
    """
    try:
        wish_of(entry.settings)
    except RequestError as error:
        raise RequestError(f"Assistant {entry.name}: {error.message}", error.hint, code=error.code, param=error.param) from error


async def _releases(room: DeclarationRoom, connection: Connection, tenant: Tenant, entries: list[AssistantEntry], changes: list[Change]) -> None:
    """Let assistants serve what was declared, once all that a release names is there. A release that somebody made is left alone."""
    known = {change.name for change in changes if change.what == "assistant"}
    for entry in entries:
        assistant = await find_assistant(connection, entry.name)
        gate = room.gate_of(tenant.id)
        made = await declare_release(room.database, room.keyring, connection, tenant.id, assistant, room.clock, gate=gate)
        if made is not None and made.state == "candidate":
            note = f"release {made.number} waits: `ondol release activate {entry.name} {made.number}` says for what"
            changes.append(Change(tenant.slug, "assistant", entry.name, "changed", note=note))
        elif made is not None and entry.name not in known:
            changes.append(Change(tenant.slug, "assistant", entry.name, "changed"))


async def _prompts(room: DeclarationRoom, connection: Connection, tenant: Tenant, entries: list[PromptEntry], changes: list[Change]) -> None:
    for entry in entries:
        body = PromptBody(entry.texts, entry.variables)
        kept, new = await prompts.put_prompt(connection, room.keyring, tenant.id, entry.name, body, by=None, now=room.clock())
        reference = f"{kept.name}@{kept.version}"
        moved = [await prompts.put_label(connection, room.keyring, tenant.id, reference, label, by=None, now=room.clock()) for label in entry.labels]
        if new or any(has_moved for _, has_moved in moved):
            changes.append(Change(tenant.slug, "prompt", entry.name, "created" if new and kept.version == 1 else "changed"))


async def _policies(room: DeclarationRoom, connection: Connection, tenant: Tenant, policies: list[Policy], changes: list[Change]) -> None:
    for policy in policies:
        stored, new = await guard.put_policy(connection, tenant.id, policy, by=None, now=room.clock(), known=KNOWN)
        if new:
            changes.append(Change(tenant.slug, "policy", policy.name, "created" if stored.version.version == 1 else "changed"))


async def _guard(room: DeclarationRoom, connection: Connection, tenant: Tenant, entries: list[GuardEntry], changes: list[Change]) -> None:
    known = {(binding.scope, binding.target) for binding in await guard.list_bindings(connection)}
    for entry in entries:
        binding = guard.Binding(entry.scope, entry.target, entry.policy)
        if await guard.put_binding(connection, tenant.id, binding, by=None, now=room.clock()):
            place = f"{entry.scope} {entry.target}".strip()
            changes.append(Change(tenant.slug, "guard", place, "changed" if (entry.scope, entry.target) in known else "created"))


async def _export_tenant(room: DeclarationRoom, tenant: Tenant) -> TenantEntry:
    async with room.database.tenant_tx(tenant.id) as connection:
        groups = await people.list_groups(connection)
        known = await attributes.list_attributes(connection)
        persons = await _everybody(room, connection, tenant)
        bases = await knowledge.list_bases(connection)
        assistants = await list_assistants(connection)
        required = await list_requirements(connection)
        kept = await _kept_prompts(room, connection, tenant)
        policies = await guard.list_policies(connection)
        bindings = await guard.list_bindings(connection)
        gateway = await export_gateway(GatewayPlace(connection, room.keyring, tenant, room.clock()))
    return TenantEntry(
        slug=tenant.slug,
        name=tenant.name,
        time_zone=tenant.time_zone,
        currency="USD" if tenant.currency == "USD" else "KRW",
        groups=[GroupEntry(name, list(members)) for name, members in groups],
        attributes=[AttributeEntry(name, list(values)) for name, values in known],
        people=[_person_entry(person) for person in persons if person.login],  # an erased person has no login any more
        bases=[base.name for base in bases],
        prompts=kept,
        assistants=[AssistantEntry(item.name, item.base, dict(item.settings), _required(required.get(item.id))) for item in assistants],
        policies=[stored.policy for stored in policies],
        guard=[GuardEntry(binding.policy, binding.scope, binding.target) for binding in bindings],
        **gateway,
    )


def _required(requirement: Requirement | None) -> VerdictEntry | msgspec.UnsetType:
    if requirement is None:
        return msgspec.UNSET
    return VerdictEntry(requirement.suite, requirement.suite_digest.hex(), span_text(requirement.valid_for))


def _person_entry(person: Person) -> PersonEntry:
    has: dict[str, list[str]] = {}
    for name, value in person.attributes:
        has.setdefault(name, []).append(value)
    assert person.kind != "customer"  # noqa: S101 - customers of sites are not among the people that are listed
    return PersonEntry(person.login, person.name, person.kind, person.clearance, sorted(person.roles), list(person.groups), has)


async def _kept_prompts(room: DeclarationRoom, connection: Connection, tenant: Tenant) -> list[PromptEntry]:
    """The newest version of each prompt that people made, with its labels: older ones are history, which no file tells."""
    newest: dict[str, prompts.PromptVersion] = {}
    for item in await prompts.list_prompts(connection):
        if not item.is_built_in:
            newest.setdefault(item.name, item)
    found = []
    for item in newest.values():
        prompt = await prompts.find_prompt(connection, room.keyring, tenant.id, f"{item.name}@{item.version}")
        found.append(PromptEntry(item.name, prompt.body.texts, prompt.body.variables, list(item.labels)))
    return found


async def _everybody(room: DeclarationRoom, connection: Connection, tenant: Tenant) -> list[Person]:
    found: list[Person] = []
    while page := await people.list_people(connection, room.keyring, tenant.id, after=found[-1].id if found else None):
        found += page
    return found
