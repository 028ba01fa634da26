"""What every scorer is: it reads a case and its answer and says what it found."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ondol.application.evaluation.types import Answer, Better, Case, Score, Turn, Unit


@dataclass(frozen=True, slots=True)
class Asked:
    """What a judge is asked.

    Attributes:
        turns: instructions and the text to be judged.
        schema: of the JSON that is to come back.
        seed: told to the model, where it takes one.
    """

    turns: tuple[Turn, ...]
    schema: Mapping[str, Any] | None = None
    temperature: float = 0.0
    seed: int | None = None
    tokens_max: int = 1_000


AskModel = Callable[[str, Asked], Awaitable[Answer]]
"""Asks a model of the tenant by its alias, through the gateway: counted, limited and recorded like any other request."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What scorers may call; each is None where this installation, or whoever runs the suite, does not have it.

    Attributes:
        ask: a model, for judges.
        look: the guard's findings in a text, under the tenant's policy: kinds such as `personal.ko.rrn`, with their spans.
        folder: where a suite's files and local models are looked for.
    """

    ask: AskModel | None = None
    look: Callable[[str], Awaitable[list[Mapping[str, Any]]]] | None = None
    folder: Path | None = None
    canaries: tuple[str, ...] = field(default_factory=tuple)


class Scorer(Protocol):
    """Scores one answer at a time. It never raises for an answer's sake: what cannot be scored is a score with a status.

    Attributes:
        name: as the suite calls it; unique there.
        unit, better: of its values.
        is_hard_zero: one hit fails a gate, whatever the statistics say (a leak across tenants, a canary, personal data, a tool that was not allowed). Its
            value is then the number of hits, and lower is better.
        version: changed whenever the same answer would be scored otherwise; it is part of what a verdict is signed over.
    """

    name: str
    unit: Unit
    better: Better
    is_hard_zero: bool
    version: str

    async def score(self, case: Case, answer: Answer) -> Score:
        """Score an answer whose status is `ok`."""
        ...


Loader = Callable[[str, Mapping[str, Any], Tools], Scorer]
"""Makes a scorer of its name and settings in a suite.

Raises:
    RequestError: when the settings are not understood, or a tool is missing; it names the field.
"""
