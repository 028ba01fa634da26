"""Answers given lately, said again to whoever asks exactly the same and may read exactly the same.

Nothing is looked up by likeness: a question must be the same but for its spaces, under the same assistant, model, guard policies and state of the
base, by somebody with the same visible audiences. Before an answer is said again, every document version that stood behind it is confirmed anew,
and so is that the answer itself was not erased. It lives in one process, within a bound, for an hour at most.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ondol.application.assistant.record import Answered
from ondol.application.assistant.store import answer_stands
from ondol.application.assistant.types import Assistant, is_on
from ondol.application.assistant.verify import VERIFIER_ID
from ondol.application.knowledge import store as documents
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.search import Found
from ondol.core.errors import KeyDestroyed, NotFound
from ondol.infrastructure.guard.actions import MARK
from ondol.infrastructure.serving.types import ChatRequest
from ondol.infrastructure.storage.blobs import KeyOwner

KEPT_FOR = timedelta(hours=1)
ENTRY_SHARE_MAX = 0.1
"""Of the whole cache, for one answer with its passages."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer that may be said again.

    Attributes:
        answer_id, person_id: of the answer that was given first, and of whom it was given to: with either erased, it is gone.
        good_until: when it is given up, or a document of the base begins or ceases to be valid.
    """

    answer_id: uuid.UUID
    person_id: uuid.UUID
    answered: Answered
    found: Found
    good_until: datetime

    @property
    def characters(self) -> int:
        """How much text it holds."""
        return len(self.answered.text) + sum(len(item.text) for item in self.found.evidence)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer to this question, for this reader, in this state of the base would be kept.

    Attributes:
        kept: what is there already.
    """

    key: bytes
    revision: int
    epoch: int
    good_until: datetime
    kept: Kept | None = None


class AnswerCache:
    """The answers of one process.

    Args:
        characters_max: of all text in it; those used longest ago go first.
    """

    def __init__(self, characters_max: int) -> None:
        self._characters_max = characters_max
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()
        self._characters = 0

    def get(self, key: bytes, now: datetime) -> Kept | None:
        """What is kept there and still good."""
        known = self._kept.get(key)
        if known is not None and known.good_until <= now:
            self.drop(key)
            return None
        if known is not None:
            self._kept.move_to_end(key)
        return known

    def put(self, key: bytes, kept: Kept) -> None:
        """Keep an answer, unless it is too large."""
        if kept.characters > self._characters_max * ENTRY_SHARE_MAX:
            return
        self.drop(key)
        self._kept[key] = kept
        self._characters += kept.characters
        while self._characters > self._characters_max:
            self.drop(next(iter(self._kept)))

    def drop(self, key: bytes) -> None:
        """Give one up."""
        known = self._kept.pop(key, None)
        self._characters -= known.characters if known is not None else 0

    def clear(self) -> None:
        """Give all up, as when something was erased."""
        self._kept.clear()
        self._characters = 0

    def __len__(self) -> int:
        return len(self._kept)


async def place_for(
    cache: AnswerCache | None,
    room: Knowledge,
    tenant_id: uuid.UUID,
    person_id: uuid.UUID,
    assistant: Assistant,
    request: ChatRequest,
    question: str,
    under: Sequence[str | bytes] | None,
) -> Place | None:
    """Where the answer to a request may be kept; None where none may be: with memory, with earlier turns, or when somebody does not want it."""
    alone = request.thread is None and sum(message.role in ("user", "assistant") for message in request.messages) == 1
    plain = request.temperature is None and request.max_tokens is None and MARK.search(question) is None
    if cache is None or under is None or not (alone and plain and request.cached and is_on(assistant, "cache")):
        return None
    return await look_up(cache, room, tenant_id, person_id, assistant, question, under)


async def look_up(
    cache: AnswerCache,
    room: Knowledge,
    tenant_id: uuid.UUID,
    person_id: uuid.UUID,
    assistant: Assistant,
    question: str,
    under: Sequence[str | bytes],
) -> Place:
    """Where the answer to a question would be kept, and what is there, confirmed.

    Args:
        under: what else an answer depends on, such as the model and the guard policies in force.
    """
    now = room.clock()
    async with room.database.tenant_tx(tenant_id) as connection:
        visible = await room.visible.of(connection, tenant_id, person_id)
        base = await documents.get_base(connection, assistant.base_id)
        changes = await documents.next_validity_change(connection, base.id, now)
        good_until = min(now + KEPT_FOR, changes or now + KEPT_FOR)
        key = _key(tenant_id, assistant, base, sorted(visible.audience_ids), question, under)
        place = Place(key, base.revision, visible.epoch, good_until)
        kept = cache.get(key, now)
        if kept is None:
            return place
        behind = {item.version.id for item in kept.found.evidence}
        readable = await documents.readable_ids(connection, behind, visible.audience_ids, now)
        stands = behind <= readable and await answer_stands(connection, kept.answer_id)
    if not stands or not _has_key(room, tenant_id, kept.person_id):
        cache.drop(key)
        return place
    return Place(key, base.revision, visible.epoch, good_until, kept)


def keep_for_others(cache: AnswerCache, place: Place, answer_id: uuid.UUID, person_id: uuid.UUID, found: Found, answered: Answered) -> None:
    """Keep an answer, if nothing has changed since its place was looked up."""
    is_sound = answered.outcome == "answered" and not any(stage.degraded for stage in found.stages)
    if is_sound and (found.revision, found.epoch) == (place.revision, place.epoch):
        cache.put(place.key, Kept(answer_id, person_id, answered, replace(found, stages=()), place.good_until))


def _key(
    tenant_id: uuid.UUID,
    assistant: Assistant,
    base: documents.Base,
    audience_ids: Sequence[uuid.UUID],
    question: str,
    under: Sequence[str | bytes],
) -> bytes:
    whose = hashlib.sha256(b"".join(audience.bytes for audience in audience_ids)).digest()
    same = " ".join(unicodedata.normalize("NFC", question).split())
    settings = json.dumps(assistant.settings, sort_keys=True, default=str)
    state = (str(assistant.release_id), str(base.id), str(base.revision), str(base.active_index_id), repr(base.retrieval), repr(base.settings))
    parts = (tenant_id.bytes, assistant.id.bytes, whose, same, settings, *state, VERIFIER_ID, *under)
    hashed = hashlib.sha256()
    for part in parts:
        plain = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        hashed.update(len(plain).to_bytes(8, "big") + plain)
    return hashed.digest()


def _has_key(room: Knowledge, tenant_id: uuid.UUID, person_id: uuid.UUID) -> bool:
    """Whether the person to whom the answer was given first was not erased."""
    try:
        room.keyring.get(KeyOwner(tenant_id, "subject", person_id))
    except (KeyDestroyed, NotFound):
        return False
    return True
