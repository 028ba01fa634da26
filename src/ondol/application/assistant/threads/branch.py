"""One way through a thread. Its turns form a tree: what is read is a branch of it, and beside each turn what else was said in its place."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ondol.application.assistant.threads import store
from ondol.application.assistant.threads.reading import ReadTurn, as_read
from ondol.application.assistant.threads.types import Thread
from ondol.application.knowledge.rooms import Knowledge
from ondol.core.errors import NotFound
from ondol.infrastructure.storage.postgres import Connection


@dataclass(frozen=True, slots=True)
class Branch:
    """The end of a branch, or a part of it further up.

    Attributes:
        turns: in the order in which they were said.
        siblings: of each of them, itself and what else follows the same turn, the oldest first.
        earlier: the first of `turns` where others stand before it.
    """

    turns: Sequence[ReadTurn]
    siblings: Mapping[uuid.UUID, Sequence[uuid.UUID]]
    earlier: uuid.UUID | None


async def read_branch(
    room: Knowledge,
    connection: Connection,
    reader_id: uuid.UUID,
    thread: Thread,
    tenant_id: uuid.UUID,
    *,
    through: uuid.UUID | None = None,
    before: uuid.UUID | None = None,
    limit: int,
) -> Branch:
    """The branch of a thread on which a turn lies, to the latest turn that follows it.

    Args:
        reader_id: who reads, for whom the answers are confirmed.
        through: the turn; the one that was said last when absent.
        before: read on before this one.

    Raises:
        NotFound: when the thread has no such turn.
    """
    tree = await store.turn_tree(connection, thread.person_id, thread.id)
    for asked in (through, before):
        if asked is not None and asked not in tree:
            raise NotFound("This thread has no such turn.", "Name one that an answer told.", code="turn_not_found", param="turn")
    way = way_through(tree, through or before or next(reversed(tree), None))
    way = way[: way.index(before)] if before in way else way
    shown = way[-limit:]
    turns = await store.turns_by_id(connection, room.keyring, tenant_id, thread.person_id, thread.id, shown)
    children = _children(tree)
    siblings = {turn.id: children[_parent(tree, turn.id)] for turn in turns}
    return Branch(await as_read(room, connection, tenant_id, reader_id, turns), siblings, shown[0] if len(way) > len(shown) else None)


def way_through(tree: Mapping[uuid.UUID, uuid.UUID | None], through: uuid.UUID | None) -> list[uuid.UUID]:
    """From a first turn through one to the latest of those that follow it.

    A turn whose parent was erased counts as a first one.

    Args:
        tree: each turn's parent, in the order in which they were said.
    """
    if through is None:
        return []
    way = [through]
    while (parent := _parent(tree, way[0])) is not None:
        way.insert(0, parent)
    children = _children(tree)
    while following := children.get(way[-1]):
        way.append(following[-1])
    return way


def _children(tree: Mapping[uuid.UUID, uuid.UUID | None]) -> dict[uuid.UUID | None, list[uuid.UUID]]:
    found: dict[uuid.UUID | None, list[uuid.UUID]] = {}
    for turn in tree:
        found.setdefault(_parent(tree, turn), []).append(turn)
    return found


def _parent(tree: Mapping[uuid.UUID, uuid.UUID | None], turn: uuid.UUID) -> uuid.UUID | None:
    parent = tree[turn]
    return parent if parent in tree else None
