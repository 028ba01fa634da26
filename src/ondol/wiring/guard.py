"""The guard of one HTTP worker: its policies in memory, and what it writes behind requests."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ondol.infrastructure.guard.conversation import Conversation
from ondol.infrastructure.guard.policies import PolicyDirectory
from ondol.infrastructure.guard.policy import Policy
from ondol.infrastructure.guard.registry import Resources, checks_for
from ondol.infrastructure.guard.remembered import Remembered
from ondol.infrastructure.guard.samples import masked_text
from ondol.infrastructure.guard.sealing import tenant_key
from ondol.infrastructure.guard.traffic import Asker, GuardRecorder
from ondol.infrastructure.guard.types import Check
from ondol.infrastructure.guard.vault import Vault
from ondol.infrastructure.serving.tokens import estimate_tokens
from ondol.wiring.platform import Platform


@dataclass(frozen=True, slots=True)
class GuardRoom:
    """What guards requests.

    Attributes:
        policies: which policy guards what; its `failing` belongs into readiness.
        vault: what tokens stand for.
        recorder: masked traffic and incidents.
        remembered: what was found in texts that come again.
    """

    policies: PolicyDirectory
    vault: Vault
    recorder: GuardRecorder
    remembered: Remembered = field(default_factory=Remembered)

    async def conversation(
        self, asker: Asker, texts: Sequence[str], *, model: str, assistant: str = "", base: str = "", pinned: bytes | None = None
    ) -> Conversation:
        """What guards one request. Postgres is asked only when the texts hold tokens of an earlier request, or a pinned policy is new to this worker.

        Args:
            texts: what is asked: its tokens are turned back in the answer.
            pinned: the digest of the policy's version that the assistant's release names.
        """
        if pinned is None:
            guards = self.policies.guards_for(asker.tenant_id, model=model, assistant=assistant, base=base, key_id=asker.api_key_id)
        else:
            guards = await self.policies.guards_pinned(asker.tenant_id, pinned, model, assistant, base, asker.api_key_id)
        key = await self.policies.key_for(asker.tenant_id)
        tokens = await self.vault.look_up(asker.tenant_id, asker.person_id, texts)
        keep_token = self.vault.keeper(asker.tenant_id, asker.person_id)
        watch = self.recorder.watcher(asker, guards.policies, key)
        return Conversation(guards, key, keep_token, watch, tokens, tenant=str(asker.tenant_id), remembered=self.remembered)

    def masked(self, tenant_id: uuid.UUID, text: str) -> str:
        """See `masker`."""
        return masker(self.policies)(tenant_id, text)


def masker(policies: PolicyDirectory) -> Callable[[uuid.UUID, str], str]:
    """What masks everything private in a text of a tenant, by its policy. It takes a millisecond for a thousand characters: call it in a thread.

    It raises `ValueError` when what is private cannot be told.
    """

    def masked(tenant_id: uuid.UUID, text: str) -> str:
        guard = policies.guards_for(tenant_id).stages.get("input")
        if guard is None:
            raise ValueError("the policy does not look at what is sent")
        return masked_text(text, guard, tenant_key(policies.keyring, tenant_id))

    return masked


@contextlib.asynccontextmanager
async def open_guard(platform: Platform) -> AsyncIterator[GuardRoom]:
    """Keep the guard fresh and write what it tells for as long as this lasts. Until its policies are ready everything is refused."""
    room = GuardRoom(
        PolicyDirectory(platform.database, platform.keyring, checks=_checks, cache=platform.folder.cache),
        Vault(platform.database, platform.keyring, platform.clock),
        GuardRecorder(platform.database, platform.keyring, platform.clock),
    )
    fresh = asyncio.create_task(room.policies.run(), name="guard-policies")
    try:
        async with room.vault.writing, room.recorder.writing:
            yield room
    finally:
        fresh.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await fresh


def _checks(policies: Sequence[Policy], resources: Resources) -> Mapping[str, Check]:
    return checks_for(policies, replace(resources, tokens_of=estimate_tokens))
