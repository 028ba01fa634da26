"""What every scorer is: it reads a case and its answer and says what it found."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
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
class Owner:
    """Whose an answer is: the person in whose name it was asked (None for nobody), and the documents whose words may stand in it."""

    person_id: uuid.UUID | None = None
    document_ids: frozenset[uuid.UUID] = frozenset()


class KeptReplies(Protocol):
    """What judges said in earlier runs, by the model's alias and the digest of the question."""

    async def get(self, model: str, question: bytes, owner: Owner) -> str | None:
        """The reply; None where none is known."""
        ...

    async def put(self, model: str, question: bytes, reply: str, owner: Owner) -> None:
        """Keep a reply, for as long as its owner is there."""
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What scorers may call; each is None where this installation, or whoever runs the suite, does not have it.

    Attributes:
        ask: a model, for judges.
        look: the guard's findings in a text, under the tenant's policy: kinds such as `personal.ko.rrn`, with their spans.
        folder: where a suite's files and local models are looked for.
        canaries: words that stand in prompts, documents and memories and must never come out.
        replies: what judges said before; None where each judge is asked anew.
        closed_to: which of these documents an asker (as `Case.asker` names one) may not read, by the authority that search asks too.
    """

    ask: AskModel | None = None
    look: Callable[[str], Awaitable[list[Mapping[str, Any]]]] | None = None
    folder: Path | None = None
    canaries: tuple[str, ...] = field(default_factory=tuple)
    closed_to: Callable[[str | None, Sequence[str]], Awaitable[Sequence[str]]] | None = None
    replies: KeptReplies | None = None


class Scorer(Protocol):
    """Scores one answer at a time. It never raises for an answer's sake: what cannot be scored is a score with a status."""

    @property
    def name(self) -> str:
        """As the suite calls it; unique there."""
        ...

    @property
    def unit(self) -> Unit:
        """Of its values."""
        ...

    @property
    def better(self) -> Better:
        """Which way its values are better."""
        ...

    @property
    def is_hard_zero(self) -> bool:
        """One hit fails a gate, whatever the statistics say (a leak across tenants, a canary, personal data, a tool that was not allowed).

        Its value is then the number of hits, and lower is better.
        """
        ...

    @property
    def version(self) -> str:
        """Changed whenever the same answer would be scored otherwise; it is part of what a verdict is signed over."""
        ...

    async def score(self, case: Case, answer: Answer) -> Score:
        """Score an answer whose status is `ok`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A scorer that is a plain function of the case and its answer, and asks nobody.

    Attributes:
        of: what it finds.
    """

    name: str
    of: Callable[[Case, Answer], Score]
    unit: Unit = "share"
    better: Better = "higher"
    is_hard_zero: bool = False
    version: str = "1"

    async def score(self, case: Case, answer: Answer) -> Score:
        """Score an answer whose status is `ok`."""
        return self.of(case, answer)


def skipped(reason: str) -> Score:
    """The score of a case that a scorer does not speak of."""
    return Score(value=None, status="skipped", reason=reason)


Loader = Callable[[str, Mapping[str, Any], Tools], Scorer]
"""Makes a scorer of its name and settings in a suite.

Raises:
    RequestError: when the settings are not understood, or a tool is missing; it names the field.
"""
