"""What every target is: it answers a conversation. And what targets reach the platform by, which wiring hands in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ondol.application.evaluation.types import Answer, Case, Ranked, Turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One thing to answer.

    Attributes:
        turns: the conversation; the last turn is answered.
        case: of which it is a part.
        asker: in whose name, by login; None for whoever runs the suite.
        seed: for targets that take one.
    """

    turns: tuple[Turn, ...]
    case: Case
    asker: str | None = None
    seed: int = 0

    @property
    def question(self) -> str:
        """What is answered."""
        return self.turns[-1].text


@dataclass(frozen=True, slots=True)
class Replied:
    """What the gateway, or another server of the same family, answered.

    Attributes:
        headers: names in lower case.
    """

    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search found.

    Attributes:
        ranked: stage by stage, `final` last.
        text: the passages that were handed over, one below the other.
        document_ids: of the documents whose words are in `text`.
        degraded: stages that did not do their work, and why.
        names: of the ranked documents that the asker may read, by id.
    """

    ranked: tuple[Ranked, ...]
    text: str
    document_ids: tuple[str, ...] = ()
    degraded: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reach:
    """What targets may call.

    Attributes:
        chat: the gateway of the installation, for an asker by login (None: whoever runs the suite), with the body of a chat request; `release` puts
            another release of an assistant in the place of the one that serves.
        search: the passages of a base that an asker may read: base, question, asker, how many.
        check: a guard policy's verdict on a text, as plain data, with `decision` and `findings`: policy, stage, text.
        prompt: a prompt's text: its name, the language, and the values of its variables.
        identity: what is known of a thing that is asked, by kind and name: digests of prompt, model, release, index and policy.
        is_registered: whether a host is one of the tenant's providers.
        environment: variables; None where suites come from elsewhere than the command line: then nothing of this machine is theirs to name.
        folder: of the suite; None likewise.
    """

    chat: Callable[[str | None, Mapping[str, Any], str], Awaitable[Replied]]
    search: Callable[[str, str, str | None, int], Awaitable[Searched]]
    check: Callable[[str, str, str], Awaitable[Mapping[str, Any]]]
    prompt: Callable[[str, str, Mapping[str, Any]], Awaitable[str]]
    identity: Callable[[str, str], Awaitable[Mapping[str, str]]]
    is_registered: Callable[[str], Awaitable[bool]]
    environment: Mapping[str, str] | None = None
    folder: Path | None = None


class Target(Protocol):
    """Answers what it is asked. It never raises for an answer's sake: what fails is an answer with a status."""

    async def identity(self) -> Mapping[str, str]:
        """What it is, by digest where it has one: told of every run, so that a verdict is about exactly this."""
        ...

    async def ask(self, asking: Asking) -> Answer:
        """Answer the last turn."""
        ...

    async def close(self) -> None:
        """Let go of what it holds."""
        ...


def failed(error: str, status: str = "target_error", **details: Any) -> Answer:
    """An answer that is none."""
    return Answer(text="", status="timeout" if status == "timeout" else "target_error", error=error[:2_000], details=details)
