"""A row of the table of settings: a field that says what it is for, and between what its value lies."""

from __future__ import annotations

from dataclasses import field
from typing import Any


def setting(
    default: object,
    help_text: str,
    *,
    env: str | None = None,
    secret: bool = False,
    live: bool = False,
    low: int | None = None,
    high: int | None = None,
    pattern: str | None = None,
) -> Any:
    """A row of the table.

    Args:
        env: a second variable that is honoured.
        live: a changed value is in force without a restart.
        low: the least value of a number, which every number has.
        high: its greatest value, which every number has.
        pattern: what a whole text must match.
    """
    told = {"help": help_text, "env": env, "secret": secret, "live": live, "low": low, "high": high, "pattern": pattern}
    return field(default=default, repr=not secret, metadata=told)
