"""An assistant of the tenant, asked through the gateway in somebody's name: what it may read, that person may read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ondol.application.evaluation.suites import Fields, TargetSpec
from ondol.application.evaluation.targets.base import Asking, Reach, Replied, failed
from ondol.application.evaluation.targets.chat import exchanged, messages_of, read_answer, read_sources
from ondol.application.evaluation.targets.retriever import PASSAGES, PASSAGES_MAX
from ondol.application.evaluation.types import Answer
from ondol.core.errors import OndolError


@dataclass(frozen=True, slots=True)
class AssistantTarget:
    """See the module.

    Attributes:
        release: a release by number or place (`candidate`); empty for the one that serves.
        asker: of cases that name none.
        search: a base that is searched for the question too, so that its stages are told beside the answer; empty where it is not.
        passages: so many of what it hands over.
    """

    reach: Reach
    name: str
    release: str
    asker: str | None
    search: str = ""
    passages: int = PASSAGES

    async def identity(self) -> Mapping[str, str]:
        """The assistant with the digests of its release."""
        return await self.reach.identity("assistant", f"{self.name}@{self.release}" if self.release else self.name)

    async def ask(self, asking: Asking) -> Answer:
        """Answer the last turn, with what is cited and what was found of each sentence."""
        body = {"model": f"assistant/{self.name}", "messages": messages_of(asking.turns), "ondol": {"cache": False}}
        answer = await exchanged(lambda: self.reach.chat(asking.asker or self.asker, body, self.release), read_assistant)
        return await self._with_stages(asking, answer) if self.search and answer.status == "ok" else answer

    async def _with_stages(self, asking: Asking, answer: Answer) -> Answer:
        """The answer with what each stage of the search ranked; its sources are then named as the search names documents."""
        try:
            found = await self.reach.search(self.search, asking.question, asking.asker or self.asker, self.passages)
        except OndolError as error:
            return failed(error.message)
        ids = answer.details.get("source_ids", ())
        named = [replace(source, document=found.names.get(own, source.document)) for source, own in zip(answer.sources, ids, strict=True)]
        return replace(answer, ranked=found.ranked, sources=tuple(named))

    async def close(self) -> None:
        """There is nothing to let go of."""


def load_assistant(spec: TargetSpec, reach: Reach) -> AssistantTarget:
    """The target of a suite.

    Raises:
        SuiteError: when a setting is unknown.
    """
    fields = Fields(spec.settings, "target")
    target = AssistantTarget(
        reach,
        spec.name.removeprefix("assistant/"),
        fields.name("release", ""),
        fields.name("as", None),
        fields.name("search", ""),
        fields.whole("passages", PASSAGES, low=1, high=PASSAGES_MAX),
    )
    fields.close(("assistant",))
    return target


def read_assistant(replied: Replied, latency_ms: float) -> Answer:
    """An assistant's answer with what its `ondol` field tells."""
    answer = read_answer(replied, latency_ms)
    told = replied.body.get("ondol")
    if answer.status != "ok" or not isinstance(told, Mapping):
        return answer
    checks = (told.get("verification") or {}).get("checks") or ()
    ids = [str(source["document_id"]) for source in told.get("sources") or ()]
    details = {
        **answer.details,
        "document_ids": sorted(set(ids)),
        "source_ids": ids,
        "answer_id": told.get("answer_id"),
        "release": told.get("release"),
    }
    return replace(answer, is_refusal=bool(told.get("refused")), sources=read_sources(told), sentences=tuple(map(dict, checks)), details=details)
