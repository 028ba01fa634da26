"""What a release says, opened for answers: it is read and checked once, since it never changes."""

from __future__ import annotations

import logging
import uuid
from collections import OrderedDict
from dataclasses import dataclass, replace

import msgspec

from ondol.application.assistant.extractive import ANSWERED_MIN
from ondol.application.assistant.rewriting import RetrievalSettings
from ondol.application.assistant.threads.memory import MemorySettings
from ondol.application.assistant.types import Assistant
from ondol.application.assistant.verify import VerificationPolicy
from ondol.application.knowledge.index import ANALYSER_ID
from ondol.application.knowledge.index_versions.store import get_version
from ondol.application.knowledge.store import get_base
from ondol.application.knowledge.types import Retrieval
from ondol.application.prompts import Prompt
from ondol.application.prompts.store import find_prompt
from ondol.core.errors import LedgerBroken
from ondol.infrastructure.releases import Manifest, get_release
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Connection

OPENED_MAX = 1000
"""So many releases are kept open in each process; each is a few thousand bytes."""

_LOG = logging.getLogger("ondol.assistant")


@dataclass(frozen=True, slots=True)
class Serving:
    """What one answer is given by, from beginning to end.

    Attributes:
        index_id: the index version to ask; None for the one that the base serves.
    """

    manifest: Manifest
    prompt: Prompt
    base: str
    index_id: uuid.UUID | None = None

    @property
    def policy(self) -> VerificationPolicy:
        """What becomes of sentences that are not borne out."""
        return VerificationPolicy(self.manifest.verification.unsupported, self.manifest.verification.partial)

    @property
    def answered_min(self) -> float:
        """Below this probability the built-in model refuses."""
        told = self.manifest.verification.refuse_below_thousandths
        return ANSWERED_MIN if isinstance(told, msgspec.UnsetType) else told / 1000

    @property
    def memory(self) -> MemorySettings:
        """What is remembered of a thread."""
        told = self.manifest.memory
        return MemorySettings(told.thread_turns_max, told.thread_tokens_max, told.summary)

    @property
    def retrieval(self) -> RetrievalSettings:
        """What is searched for."""
        told = self.manifest.retrieval
        if isinstance(told.rewrite, msgspec.UnsetType) or isinstance(told.queries_max, msgspec.UnsetType):
            return RetrievalSettings()
        return RetrievalSettings(told.rewrite, told.queries_max)

    @property
    def search(self) -> Retrieval | None:
        """How the base is searched; None for how the base itself says."""
        told = self.manifest.retrieval.search
        if isinstance(told, msgspec.UnsetType):
            return None
        return Retrieval(
            fusion=told.fusion,
            rank_constant=told.rank_constant,
            vector_weight=told.vector_weight_thousandths / 1000,
            depth=told.depth,
            diversity=told.diversity_thousandths / 1000,
            reranker=told.reranker or "",
            rerank_depth=told.rerank_depth,
        )


class OpenedReleases:
    """Releases that answers were given by lately."""

    def __init__(self) -> None:
        self._opened: OrderedDict[tuple[uuid.UUID, uuid.UUID], Serving] = OrderedDict()

    async def open(self, connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, assistant: Assistant) -> tuple[Assistant, Serving | None]:
        """What an assistant serves, by the release that it names; and the assistant over the base of that release.

        Raises:
            LedgerBroken: when the manifest or the prompt was altered: then nothing is served.
        """
        release_id = assistant.release_id
        if release_id is None:
            return assistant, None
        known = self._opened.get((tenant_id, release_id)) or await _read(connection, keyring, tenant_id, assistant, release_id)
        self._opened[tenant_id, release_id] = known
        self._opened.move_to_end((tenant_id, release_id))
        if len(self._opened) > OPENED_MAX:
            self._opened.popitem(last=False)
        [part] = known.manifest.bases
        index_id = await _index(connection, part.index_version_id)
        return replace(assistant, base_id=part.base_id, base=known.base), replace(known, index_id=index_id)


async def _read(connection: Connection, keyring: KeyRing, tenant_id: uuid.UUID, assistant: Assistant, release_id: uuid.UUID) -> Serving:
    release = await get_release(connection, release_id)
    if release.assistant_id != assistant.id:
        raise LedgerBroken(f"Release {release_id} is another assistant's.")
    named = release.manifest.prompt
    prompt = await find_prompt(connection, keyring, tenant_id, f"{named.name}@{named.version}")
    if prompt.digest.hex() != named.digest:
        raise LedgerBroken(f"The prompt of release {release_id} is not the one that it names.")
    base = await get_base(connection, release.manifest.bases[0].base_id)
    return Serving(release.manifest, prompt, base.name)


async def _index(connection: Connection, index_id: uuid.UUID | None) -> uuid.UUID | None:
    """The index version that a release names, while it can be asked.

    One that is lost with a restore, or made by a text analysis that this installation has no more, is stood in for by what the base serves: the
    answer tells which index it asked.
    """
    if index_id is None:
        return None
    version = await get_version(connection, index_id)
    if version.state in ("ready", "active", "retired") and version.analyser_id == ANALYSER_ID:
        return index_id
    _LOG.warning("index of a release cannot be asked", extra={"index_version": str(index_id), "state": version.state})
    return None
