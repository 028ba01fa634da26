"""Looking for words in what somebody and their assistants have said.

Threads are sealed, so there is no index of them: they are opened and read, the latest first, for their own person alone. One look reads
`TURNS_READ_MAX` turns at most and says where the next one goes on.
"""

from __future__ import annotations

import unicodedata
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from ondol.application.assistant.threads import store
from ondol.application.assistant.threads.reading import PAGE_MAX, ReadTurn, as_read
from ondol.application.assistant.threads.types import Thread
from ondol.application.knowledge.rooms import Knowledge

TURNS_READ_MAX = 2_000
SEARCH_CHARACTERS_MAX = 200
_EXCERPT_CHARACTERS = 120
_BEFORE_CHARACTERS = 30
"""Of an excerpt, what stands before the first word that was looked for."""


@dataclass(frozen=True, slots=True)
class Match:
    """A thread in which the words were said.

    Attributes:
        turn_id: where; None when its title says them.
        excerpt: the words with what stands around them.
    """

    thread: Thread
    turn_id: uuid.UUID | None
    excerpt: str


@dataclass(frozen=True, slots=True)
class Matches:
    """What one look found. `next` is the last thread that it read where more are left."""

    found: Sequence[Match]
    next: uuid.UUID | None


async def search_threads(
    room: Knowledge, tenant_id: uuid.UUID, person_id: uuid.UUID, text: str, *, before: uuid.UUID | None = None, limit: int
) -> Matches:
    """A person's threads whose title, or one of whose turns, has every word of a text.

    An answer that rests on what the person may no longer read is not looked at.

    Args:
        before: go on behind this thread.
    """
    words = _plain(text).split()
    found: list[Match] = []
    last, turns_read = before, 0
    while True:
        async with room.database.tenant_tx(tenant_id) as connection:
            threads = await store.list_threads(connection, room.keyring, tenant_id, person_id, before=last, limit=PAGE_MAX)
            if not threads:
                return Matches(found, None)
            threads = _within(threads, TURNS_READ_MAX - turns_read)
            turns = await store.turns_of_threads(
                connection, room.keyring, tenant_id, person_id, [thread.id for thread in threads], TURNS_READ_MAX + store.TURNS_MAX
            )
            read = await as_read(room, connection, tenant_id, person_id, [turn for several in turns.values() for turn in several])
        by_id = {one.turn.id: one for one in read}
        for thread in threads:
            last = thread.id
            match = _match(thread, [by_id[turn.id] for turn in turns.get(thread.id, ())], words)
            if match is not None:
                found.append(match)
                if len(found) == limit:
                    return Matches(found, last)
        turns_read += sum(thread.turns for thread in threads)
        if turns_read >= TURNS_READ_MAX:
            return Matches(found, last)


def _within(threads: Sequence[Thread], turns_max: int) -> list[Thread]:
    """The first of some threads, as many as have so many turns together, and one in any case."""
    kept, turns = [threads[0]], threads[0].turns
    for thread in threads[1:]:
        turns += thread.turns
        if turns > turns_max:
            break
        kept.append(thread)
    return kept


def _match(thread: Thread, turns: Iterable[ReadTurn], words: Sequence[str]) -> Match | None:
    if _has(thread.title, words):
        return Match(thread, None, "")
    for one in turns:
        if _has(" ".join(_said(one)), words):
            part = next(text for text in _said(one) if words[0] in _plain(text))
            return Match(thread, one.turn.id, _excerpt(part, words[0]))
    return None


def _said(one: ReadTurn) -> Iterator[str]:
    yield one.turn.question
    if one.answer is not None:
        yield one.answer


def _has(text: str, words: Sequence[str]) -> bool:
    plain = _plain(text)
    return bool(words) and all(word in plain for word in words)


def _plain(text: str) -> str:
    """As it is compared: letters that look alike are one, small and capital ones too."""
    return unicodedata.normalize("NFKC", text).casefold()


def _excerpt(text: str, word: str) -> str:
    whole = " ".join(text.split())
    start = max(0, _plain(whole).find(word) - _BEFORE_CHARACTERS)
    end = start + _EXCERPT_CHARACTERS
    return f"{'…' if start else ''}{whole[start:end]}{'…' if end < len(whole) else ''}"
