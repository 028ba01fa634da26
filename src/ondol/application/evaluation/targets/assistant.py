"""An assistant of the tenant, asked through the gateway in somebody's name: what it may read, that person may read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ondol.application.evaluation.suites import Fields, TargetSpec
from ondol.application.evaluation.targets.base import Asking, Reach, Replied
from ondol.application.evaluation.targets.chat import exchanged, messages_of, read_answer, read_sources
from ondol.application.evaluation.types import Answer


@dataclass(frozen=True, slots=True)
class AssistantTarget:
    """See the module.

    Attributes:
        release: a release by number or place (`candidate`); empty for the one that serves.
        asker: of cases that name none.
    """

    reach: Reach
    name: str
    release: str
    asker: str | None

    async def identity(self) -> Mapping[str, str]:
        """The assistant with the digests of its release."""
        return await self.reach.identity("assistant", f"{self.name}@{self.release}" if self.release else self.name)

    async def ask(self, asking: Asking) -> Answer:
        """Answer the last turn, with what is cited and what was found of each sentence."""
        body = {"model": f"assistant/{self.name}", "messages": messages_of(asking.turns), "ondol": {"cache": False}}
        return await exchanged(lambda: self.reach.chat(asking.asker or self.asker, body, self.release), read_assistant)

    async def close(self) -> None:
        """There is nothing to let go of."""


def load_assistant(spec: TargetSpec, reach: Reach) -> AssistantTarget:
    """The target of a suite.

    Raises:
        SuiteError: when a setting is unknown.
    """
    fields = Fields(spec.settings, "target")
    target = AssistantTarget(reach, spec.name.removeprefix("assistant/"), fields.name("release", ""), fields.name("as", None))
    fields.close(("assistant",))
    return target


def read_assistant(replied: Replied, latency_ms: float) -> Answer:
    """An assistant's answer with what its `ondol` field tells."""
    answer = read_answer(replied, latency_ms)
    told = replied.body.get("ondol")
    if answer.status != "ok" or not isinstance(told, Mapping):
        return answer
    checks = (told.get("verification") or {}).get("checks") or ()
    documents = sorted({str(source["document_id"]) for source in told.get("sources") or ()})
    details = {**answer.details, "document_ids": documents, "answer_id": told.get("answer_id"), "release": told.get("release")}
    return replace(answer, is_refusal=bool(told.get("refused")), sources=read_sources(told), sentences=tuple(map(dict, checks)), details=details)
