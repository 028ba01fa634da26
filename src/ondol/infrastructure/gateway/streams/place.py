"""Where in an answer's stream a reader is, and the events as they go out with their ids."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass

from ondol.infrastructure.gateway.shapes.sse import DONE, event

_ID = re.compile(r"([1-9][0-9]{0,5})-([1-9][0-9]{0,8})", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A place in a stream, written ``2-17``.

    Attributes:
        run: how often the answer was begun, from 1; 0 before it was.
        number: of the event in its run, from 1; 0 before the first.
    """

    run: int
    number: int


BEGINNING = Place(0, 0)


def place_of(event_id: str) -> Place:
    """The place that the id of an event names; the beginning where it is none of ours."""
    found = _ID.fullmatch(event_id.strip())
    return Place(int(found[1]), int(found[2])) if found else BEGINNING


def events_in(data: bytes) -> list[bytes]:
    """The events of a piece of a stream, without their blank lines; comments are left out."""
    return [block for block in data.split(b"\n\n") if block and not block.startswith(b":")]


def with_ids(events: list[bytes], run: int, first: int) -> bytes:
    """Events as they go out, the first of which has this number in its run."""
    return b"".join([b"id: %d-%d\n%b\n\n" % (run, first + place, each) for place, each in enumerate(events)])


def restarted(answer_id: uuid.UUID) -> bytes:
    """What tells that the text begins again: the worker that answered is gone."""
    return event(_notice(answer_id, "restarted"))


def stopped(answer_id: uuid.UUID) -> bytes:
    """What tells that the asker has stopped the answer."""
    return event(_notice(answer_id, "stopped")) + DONE


def _notice(answer_id: uuid.UUID, word: str) -> dict[str, object]:
    return {"id": f"chatcmpl-{answer_id.hex}", "object": "chat.completion.chunk", "created": 0, "model": "", "choices": [], "ondol": {word: True}}
