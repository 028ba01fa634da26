"""The ``ondol`` field of a request, the same in every shape that reaches an assistant."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import msgspec

from ondol.infrastructure.gateway.shapes.base import Asked
from ondol.infrastructure.gateway.shapes.body import invalid
from ondol.infrastructure.serving.types import ThreadPlace

NEW = "new"
START = "start"
FILES_MAX = 100


class Extension(msgspec.Struct):
    """What a caller may say to the platform beside its request.

    Attributes:
        progress: the caller wants to be told what an assistant is doing.
        thread: ``new``, or the id of a thread that goes on.
        parent: the turn of it that the question follows; ``start`` for none, the last one when absent.
        cache: false wants no answer that was given before.
        attachments: ids of files that a new thread begins with.
        alone: the answer is to rest on the thread's files alone, not on the assistant's documents.
        resume: the answer goes on when the caller is cut off, who can read on.
    """

    progress: bool | None = None
    thread: str | None = None
    parent: str | None = None
    cache: bool | None = None
    attachments: list[str] | None = None
    alone: bool | None = None
    resume: bool | None = None


def take_extension(asked: Asked, told: Extension | None) -> None:
    """Understand it.

    Raises:
        RequestError: with `param` set to the offending field, such as ``ondol.thread``.
    """
    if told is None:
        return
    asked.progress = bool(told.progress)
    asked.cached = told.cache is not False
    asked.resumes = bool(told.resume)
    asked.thread = place_of(told)


def place_of(told: Extension) -> ThreadPlace | None:
    """Where in a thread the request stands; None where none is kept.

    Raises:
        RequestError: when the thread or the turn cannot be one.
    """
    if told.thread is None:
        if told.parent is not None:
            raise invalid("ondol.parent", "names a turn of no thread", "Name its thread in `ondol.thread`.")
        if told.attachments or told.alone:
            field = "ondol.attachments" if told.attachments else "ondol.alone"
            raise invalid(field, "needs a thread, to which files belong", "Give `new` in `ondol.thread`, or the thread's id.")
        return None
    if told.thread == NEW:
        if told.parent is not None:
            raise invalid("ondol.parent", "names a turn of a thread that is new", "Leave it out.")
        return ThreadPlace(attachments=_files(told.attachments or ()), alone=bool(told.alone))
    if told.attachments:
        hint = "Send them with `thread`: POST /api/v1/attachments."
        raise invalid("ondol.attachments", "names files for a thread that is there already", hint)
    from_start = told.parent == START
    parent_id = None if from_start or told.parent is None else _id("ondol.parent", told.parent, START)
    return ThreadPlace(_id("ondol.thread", told.thread, NEW), parent_id, from_start, alone=bool(told.alone))


def _files(told: Sequence[str]) -> tuple[uuid.UUID, ...]:
    if len(told) > FILES_MAX:
        raise invalid("ondol.attachments", f"names more than {FILES_MAX} files", "Name fewer.")
    return tuple(dict.fromkeys(_id("ondol.attachments", one, "") for one in told))


def _id(field: str, text: str, other: str) -> uuid.UUID:
    try:
        found = uuid.UUID(text)
    except ValueError:
        found = None
    if found is None or str(found) != text.lower():
        if not other:
            raise invalid(field, "holds something that is no id", "Give ids as POST /api/v1/attachments told them.")
        raise invalid(field, f"is neither `{other}` nor an id", f"Give `{other}`, or an id as an answer told it.")
    return found
