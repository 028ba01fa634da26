"""Which policy guards a request: kept in memory, so that no request waits for Postgres.

The most specific binding decides: key, then assistant, model, base, tenant, and the built-in policy where nothing is bound. Bound policies that call
themselves floors apply below it as well. A change moves a counter, which is read every `POLL_SECONDS`: it is in force one reload later.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import psycopg

from ondol.core.errors import OndolError
from ondol.infrastructure.guard.canaries import PROMPT_PURPOSE, ensure_canary, open_canary
from ondol.infrastructure.guard.checks.shingles import CorpusIndex
from ondol.infrastructure.guard.conversation import Guards, prepare_guards
from ondol.infrastructure.guard.defaults import default_policy, refusing_guards
from ondol.infrastructure.guard.pinned import Beside, PinnedPolicies
from ondol.infrastructure.guard.policy import Policy, policy_from
from ondol.infrastructure.guard.registry import KNOWN, Resources, checks_for
from ondol.infrastructure.guard.sealing import tenant_key
from ondol.infrastructure.guard.store import BUILT_IN, QUERIES, SCOPES, Binding
from ondol.infrastructure.guard.texts import load_corpus
from ondol.infrastructure.guard.types import Check
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Connection, Database, one, rows

POLL_SECONDS = 1.0
READ_SECONDS_MAX = 60.0
RETRY_SECONDS = 30.0
"""So often what could not be made ready is tried again: the key ring may have been away."""
COMBINATIONS_MAX = 512
"""Of one tenant's bound policies over the five scopes. One with more gets all its floors everywhere, which is never less strict."""
GUARDS_MAX = 256
"""Different combinations made ready for one tenant. What comes beyond is refused, and readiness says so."""
KEYS_MAX = 10_000
CORPORA_BYTES_MAX = 1 << 30
"""Memory of all tenants' registered texts together. A tenant whose texts find no room is refused, and readiness says so."""
WARM_UP_TEXT = "준비되었나요? Are you ready? 02-123-4567"

_LOG = logging.getLogger("ondol.guard")

Place: TypeAlias = tuple[str, str]
Names: TypeAlias = tuple[str | None, ...]
"""The policies bound at the five scopes, from the tenant to the key; None where nothing is."""
ChecksFor: TypeAlias = Callable[[Sequence[Policy], Resources], Mapping[str, Check]]


@dataclass(frozen=True, slots=True)
class _Declared:
    """What Postgres says of one tenant. Equal declarations need no new preparation.

    Attributes:
        places: the policy by scope and target.
        digests: by the policy's name; None when it is gone.
        canaries: ids and sealed values.
        texts: ids of the registered texts.
    """

    places: Mapping[Place, str] = field(default_factory=dict)
    digests: Mapping[str, bytes | None] = field(default_factory=dict)
    canaries: tuple[tuple[uuid.UUID, bytes], ...] = ()
    texts: tuple[uuid.UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class _Tenant:
    declared: _Declared
    guards: Mapping[Names, Guards]
    fallback: Mapping[str, Guards]
    failing: str
    policies: Mapping[str, Policy | None] = field(default_factory=dict)
    floors: tuple[str, ...] = ()
    resources: Resources = field(default_factory=Resources)


class PolicyDirectory:
    """Every tenant's policies, ready for use.

    Args:
        checks: builds the checks that some policies name; the built-in ones when absent.
        cache: a folder of ours in which compiled patterns are kept between starts.
        monotonic: seconds, for `age_seconds`.
    """

    def __init__(
        self,
        database: Database,
        keyring: KeyRing,
        *,
        checks: ChecksFor = checks_for,
        cache: Path | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self.keyring = keyring
        self._checks = checks
        self._cache = cache
        self._monotonic = monotonic
        self._refusing = refusing_guards()
        self._default: Guards | None = None
        self._failed_checks: tuple[str, ...] = ()
        self._tenants: dict[uuid.UUID, _Tenant] = {}
        self._bodies: dict[tuple[uuid.UUID, bytes], Any] = {}
        self._corpora: dict[uuid.UUID, tuple[tuple[uuid.UUID, ...], CorpusIndex]] = {}
        self._prompt_canaries: OrderedDict[uuid.UUID, str] = OrderedDict()
        self._pinned = PinnedPolicies(database)
        self._placing = asyncio.Lock()
        self._keys: OrderedDict[uuid.UUID, bytes] = OrderedDict()
        self._revision = -1
        self._seen_at = float("-inf")
        self._retry_at = float("-inf")
        self._refreshing = asyncio.Lock()

    def guards_for(self, tenant_id: uuid.UUID, model: str = "", assistant: str = "", base: str = "", key_id: uuid.UUID | None = None) -> Guards:
        """What guards a request. Touches memory only. Before the first refresh everything is refused."""
        tenant = self._tenants.get(tenant_id)
        if tenant is None:
            return self._default or self._refusing
        names = _bound_at(tenant.declared.places, model, assistant, base, key_id)
        guards = tenant.guards.get(names)
        return guards or tenant.fallback.get(_chosen(names), self._refusing)

    async def guards_pinned(self, tenant_id: uuid.UUID, digest: bytes, model: str, assistant: str, base: str, key_id: uuid.UUID | None) -> Guards:
        """What guards a request whose release names a version of a policy by its digest.

        Raises:
            DatabaseAway: the version is asked for the first time and Postgres does not answer.
        """
        chosen = self.guards_for(tenant_id, model, assistant, base, key_id)
        tenant, default = self._tenants.get(tenant_id), self._default
        if chosen.digest == digest or default is None or (tenant is not None and not tenant.policies):
            return chosen  # as it is chosen anyway, or nothing is ready yet and nothing passes
        found = tenant or _NOTHING_DECLARED
        names = _bound_at(found.declared.places, model, assistant, base, key_id)
        beside = tuple(dict.fromkeys((*names[-1:], *(name for name in reversed(names) if name in found.floors))))
        told = tuple(name for name in beside if name is not None)
        policies = tuple(found.policies.get(name) for name in told)
        return await self._pinned.guards(tenant_id, digest, Beside(told, policies, found, partial(self._prepared, found.resources, default)))

    def _prepared(self, resources: Resources, default: Guards, policies: Sequence[Policy | None]) -> Guards:
        try:
            return self._guards(policies, resources, default)
        except (OndolError, ValueError, TypeError, KeyError, ImportError, OSError):
            _LOG.exception("a release's guard policy cannot be made ready")
            return self._refusing

    async def key_for(self, tenant_id: uuid.UUID) -> bytes:
        """The tenant's key for hashes and tokens, 32 bytes, kept in memory once it was read.

        Raises:
            KeyDestroyed: when the tenant was erased.
        """
        key = self._keys.get(tenant_id)
        if key is None:
            key = self._keys[tenant_id] = await asyncio.to_thread(tenant_key, self.keyring, tenant_id)
            while len(self._keys) > KEYS_MAX:
                self._keys.popitem(last=False)
        return key

    async def prompt_canary(self, tenant_id: uuid.UUID, now: datetime) -> str:
        """The canary that stands in the tenant's system prompts, made when it is first asked for, and kept in memory until the next reload.

        A fresh one is looked for one reload later.

        Raises:
            RequestError: when the tenant has as many canaries as it may.
            KeyDestroyed: when the tenant was erased.
        """
        value = self._prompt_canaries.get(tenant_id)
        if value is not None:
            return value
        async with self._placing, self._database.tenant_tx(tenant_id) as connection:
            canary = await ensure_canary(connection, self.keyring, tenant_id, PROMPT_PURPOSE, by=None, now=now)
        self._prompt_canaries[tenant_id] = canary.value
        while len(self._prompt_canaries) > KEYS_MAX:
            self._prompt_canaries.popitem(last=False)
        return canary.value

    @property
    def age_seconds(self) -> float:
        """How long ago the directory last agreed with Postgres; infinite before the first time."""
        return self._monotonic() - self._seen_at

    @property
    def failing(self) -> dict[str, str]:
        """What is wrong, for readiness: empty when every tenant is guarded by what it chose."""
        if self._default is None:
            return {"guard": "policies are being made ready"}
        if self._failed_checks:
            return {"guard": f"checks fail: {', '.join(self._failed_checks)}"}
        reasons = sorted({tenant.failing for tenant in self._tenants.values() if tenant.failing})
        count = sum(1 for tenant in self._tenants.values() if tenant.failing)
        return {"guard": f"{count} tenants are refused in part: {reasons[0]}"} if reasons else {}

    async def refresh(self) -> None:
        """Read the counter, and all policies when it moved; what changed is made ready before this returns."""
        async with self._refreshing:
            began_at = self._monotonic()
            async with self._database.system_tx() as connection:
                revision, declared = await self._said(connection)
            await self._take(revision, declared, began_at)

    async def run(self) -> None:
        """Keep the directory fresh until cancelled: the counter is read every `POLL_SECONDS`, over a connection of the pool."""
        while True:
            try:
                async with asyncio.timeout(READ_SECONDS_MAX):
                    await self.refresh()
            except (OndolError, psycopg.Error, TimeoutError) as error:
                _LOG.warning("guard policies not refreshed", extra={"reason": type(error).__name__})
            except Exception:
                # The boundary of this task: without it, everything that changes later would never be in force, and nobody would know.
                _LOG.exception("guard policies not refreshed")
            await asyncio.sleep(POLL_SECONDS)

    async def _said(self, connection: Connection) -> tuple[int, dict[uuid.UUID, _Declared] | None]:
        """The counter, and what Postgres says of all tenants unless it is known already."""
        found = await one(connection, QUERIES["guard_revision"], {})
        revision = int(found["revision"]) if found else 0
        retries = bool(self.failing) and self._monotonic() >= self._retry_at
        if revision == self._revision and self._default is not None and not retries:
            return revision, None
        return revision, await self._declared(connection)

    async def _take(self, revision: int, declared: Mapping[uuid.UUID, _Declared] | None, read_at: float) -> None:
        """Make ready what changed, tenant by tenant in a thread, since compiling takes a while. What is in force stays so until its next is ready."""
        if declared is not None:
            if self._default is None:
                self._default = await asyncio.to_thread(self._prepare_default)
            self._failed_checks = await asyncio.to_thread(_warm_up, self._default)
            if self._revision < 0:
                # Nothing is known of these yet, and the built-in policy is not what they chose.
                waiting = {tenant_id: _Tenant(says, {}, {}, "its policies are being made ready") for tenant_id, says in declared.items()}
                self._tenants = {**waiting, **self._tenants}
            self._tenants = {tenant_id: tenant for tenant_id, tenant in self._tenants.items() if tenant_id in declared}
            for tenant_id, says in declared.items():
                before = self._tenants.get(tenant_id)
                if before is None or before.declared != says or before.failing:
                    self._tenants[tenant_id] = await asyncio.to_thread(self._prepare_tenant, tenant_id, says, self._default)
            self._prompt_canaries.clear()
            self._revision = revision
            self._retry_at = read_at + RETRY_SECONDS
        self._seen_at = read_at

    async def _declared(self, connection: Connection) -> dict[uuid.UUID, _Declared]:
        """What Postgres says of all tenants, and the bodies of policies that are not known yet."""
        places: dict[uuid.UUID, dict[Place, str]] = {}
        digests: dict[uuid.UUID, dict[str, bytes | None]] = {}
        canaries: dict[uuid.UUID, list[tuple[uuid.UUID, bytes]]] = {}
        registered: dict[uuid.UUID, list[uuid.UUID]] = {}
        for row in await rows(connection, QUERIES["every_binding"], {}):
            places.setdefault(row["tenant_id"], {})[row["scope"], row["target"]] = row["policy"]
            if row["policy"] != BUILT_IN:
                digests.setdefault(row["tenant_id"], {})[row["policy"]] = None if row["digest"] is None else bytes(row["digest"])
        for row in await rows(connection, QUERIES["every_canary"], {}):
            canaries.setdefault(row["tenant_id"], []).append((row["id"], bytes(row["value_sealed"])))
        for row in await rows(connection, QUERIES["every_text"], {}):
            registered.setdefault(row["tenant_id"], []).append(row["id"])
        texts = {tenant_id: tuple(text_ids) for tenant_id, text_ids in registered.items()}
        await self._fetch_corpora(connection, texts)
        await self._fetch_bodies(connection, {(tenant, digest) for tenant, named in digests.items() for digest in named.values() if digest})
        return {
            tenant_id: _Declared(
                places.get(tenant_id, {}), digests.get(tenant_id, {}), tuple(sorted(canaries.get(tenant_id, ()))), texts.get(tenant_id, ())
            )
            for tenant_id in {*places, *canaries, *texts}
        }

    async def _fetch_corpora(self, connection: Connection, wanted: Mapping[uuid.UUID, tuple[uuid.UUID, ...]]) -> None:
        """Read the registered texts of the tenants whose texts changed, one tenant at a time, as far as there is room."""
        self._corpora = {tenant_id: known for tenant_id, known in self._corpora.items() if wanted.get(tenant_id) == known[0]}
        taken = sum(corpus.bytes for _, corpus in self._corpora.values())
        for tenant_id, text_ids in wanted.items():
            if tenant_id in self._corpora:
                continue
            try:
                corpus = await load_corpus(connection, self.keyring, tenant_id, text_ids)
            except (OndolError, ValueError) as error:
                _LOG.error("registered texts cannot be opened", extra={"tenant_id": str(tenant_id), "reason": type(error).__name__})
                continue
            if taken + corpus.bytes > CORPORA_BYTES_MAX:
                _LOG.error("registered texts find no room", extra={"tenant_id": str(tenant_id), "bytes": corpus.bytes})
                continue
            taken += corpus.bytes
            self._corpora[tenant_id] = text_ids, corpus

    async def _fetch_bodies(self, connection: Connection, wanted: set[tuple[uuid.UUID, bytes]]) -> None:
        self._bodies = {key: body for key, body in self._bodies.items() if key in wanted}
        missing = sorted(wanted - set(self._bodies))
        values: dict[str, object] = {"tenant_ids": [key[0] for key in missing], "digests": [key[1] for key in missing]}
        for row in await rows(connection, QUERIES["bound_bodies"], values) if missing else ():
            self._bodies[row["tenant_id"], bytes(row["digest"])] = row["body"]

    def _prepare_default(self) -> Guards:
        policy = default_policy()
        return prepare_guards([policy], self._checks([policy], Resources()), cache=self._cache)

    def _prepare_tenant(self, tenant_id: uuid.UUID, says: _Declared, default: Guards) -> _Tenant:
        policies, failing = self._policies(tenant_id, says)
        floors = tuple(sorted(name for name, policy in policies.items() if policy is None or policy.floor))
        resources = Resources()
        try:
            canaries = tuple(open_canary(self.keyring, tenant_id, *canary) for canary in says.canaries)
            resources = Resources(canaries=canaries, corpus=self._corpora[tenant_id][1] if says.texts else None)
        except KeyError:
            failing = "its registered texts cannot be opened, or find no room"
            policies = dict.fromkeys(policies)
        except OndolError as error:
            failing = f"its canaries cannot be opened ({type(error).__name__})"
            policies = dict.fromkeys(policies)
        made: dict[tuple[str, ...], Guards] = {}

        def ready(names: tuple[str, ...]) -> Guards:
            nonlocal failing
            if names not in made and len(made) >= GUARDS_MAX:
                failing = f"there are more than {GUARDS_MAX} combinations of policies"
                return self._refusing
            if names not in made:
                try:
                    made[names] = self._guards([policies[name] for name in names], resources, default)
                except (OndolError, ValueError, TypeError, KeyError, ImportError, OSError) as error:
                    _LOG.exception("a guard policy cannot be made ready", extra={"tenant_id": str(tenant_id)})
                    failing = f"a policy cannot be made ready ({type(error).__name__})"
                    made[names] = self._refusing
            return made[names]

        bound = [sorted({name for (scope, _), name in says.places.items() if scope == wanted}) for wanted in SCOPES]
        size = 1
        for names in bound:
            size *= len(names) + 1
        guards: dict[Names, Guards] = {}
        fallback: dict[str, Guards] = {}
        if size <= COMBINATIONS_MAX:
            for combination in itertools.product(*([None, *names] for names in bound)):
                guards[combination] = ready(_applying(combination, floors))
        else:
            fallback = {name: ready((name, *(floor for floor in floors if floor != name))) for name in policies}
        return _Tenant(says, guards, fallback, failing, policies, floors, resources)

    def _policies(self, tenant_id: uuid.UUID, says: _Declared) -> tuple[dict[str, Policy | None], str]:
        """The tenant's policies by name, None for those that cannot be read, and what is wrong with one of them."""
        found: dict[str, Policy | None] = {BUILT_IN: default_policy()}
        failing = ""
        for name, digest in says.digests.items():
            try:
                policy = policy_from(self._bodies[tenant_id, digest or b""], KNOWN)
                if policy.digest != digest:
                    raise ValueError("the policy is not what its digest says")
                found[name] = policy
            except (OndolError, ValueError, TypeError, KeyError) as error:
                _LOG.error("a guard policy cannot be read", extra={"tenant_id": str(tenant_id), "policy": name, "reason": type(error).__name__})
                failing = "a policy cannot be read"
                found[name] = None
        return found, failing

    def _guards(self, policies: Sequence[Policy | None], resources: Resources, default: Guards) -> Guards:
        known = [policy for policy in policies if policy is not None]
        if len(known) < len(policies):
            return self._refusing
        if known == [default_policy()] and resources == Resources():
            return default
        return prepare_guards(known, self._checks(known, resources), cache=self._cache)


def _warm_up(guards: Guards) -> tuple[str, ...]:
    """Load weights and tables before the first request needs them; the names of the checks that fail."""
    return tuple(dict.fromkeys(name for guard in guards.stages.values() for name in guard.find(WARM_UP_TEXT)[1]))


_NOTHING_DECLARED = _Tenant(_Declared(), {}, {}, "")


def _bound_at(places: Mapping[Place, str], model: str, assistant: str, base: str, key_id: uuid.UUID | None) -> Names:
    """The policies that are bound where a request stands."""
    return (
        places.get(("tenant", "")),
        places.get(("base", base)),
        places.get(("assistant", assistant)),
        places.get(("model", model)),
        places.get(("key", str(key_id))),
    )


def _chosen(names: Iterable[str | None]) -> str:
    return next((name for name in reversed(tuple(names)) if name is not None), BUILT_IN)


def _applying(names: Names, floors: Sequence[str]) -> tuple[str, ...]:
    """The policies that apply, the chosen one first, then the floors from the most specific to the most general."""
    bound = tuple(name for name in reversed(names) if name is not None) or (BUILT_IN,)
    return tuple(dict.fromkeys((bound[0], *(name for name in bound[1:] if name in floors))))


def applying_names(bindings: Sequence[Binding], floors: Sequence[str], places: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the policies that guard a request, the chosen one first, as `PolicyDirectory.guards_for` decides it.

    Args:
        floors: the policies that call themselves floors.
        places: the request's target by scope, such as ``{"assistant": "help"}``.
    """
    bound = {(binding.scope, binding.target): binding.policy for binding in bindings}
    return _applying(tuple(bound.get((scope, places.get(scope, ""))) for scope in SCOPES), floors)
