"""How often a question is asked again, counted without opening what was said.

A turn counts as asked again when its own person, at most `WINDOW` after it and in the same thread, edited it or had it answered once more (another
turn in its place), or when it was refused and they asked on behind it. An ordinary follow-up does not count: that is how conversations go, and
whether two questions mean the same could be told only by opening them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ondol.application.assistant.threads.store import QUERIES
from ondol.infrastructure.storage.postgres import Connection, one

WINDOW = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class AskedAgain:
    """So many of so many turns, of the threads that are kept."""

    again: int
    turns: int


async def asked_again(connection: Connection, since: datetime, now: datetime) -> AskedAgain:
    """What was asked again of the turns since a moment; those of the last `WINDOW`, which may still be, are not looked at."""
    values = {"since": since, "until": now - WINDOW, "window": WINDOW}
    found = await one(connection, QUERIES["turns_asked_again"], values)
    return AskedAgain((found or {})["again"], (found or {})["turns"])
