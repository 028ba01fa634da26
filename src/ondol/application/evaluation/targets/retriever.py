"""The search of a knowledge base, as somebody: the rankings of each stage, and the passages that are handed over as the answer's text."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from ondol.application.evaluation.suites import Fields, TargetSpec
from ondol.application.evaluation.targets.base import Asking, Reach, failed
from ondol.application.evaluation.types import Answer
from ondol.core.errors import OndolError

PASSAGES = 10
PASSAGES_MAX = 100


@dataclass(frozen=True, slots=True)
class RetrieverTarget:
    """See the module."""

    reach: Reach
    base: str
    passages: int
    asker: str | None

    async def identity(self) -> Mapping[str, str]:
        """The base with its index version and its settings."""
        return await self.reach.identity("retriever", self.base)

    async def ask(self, asking: Asking) -> Answer:
        """Search for the last turn."""
        began = time.perf_counter()
        try:
            found = await self.reach.search(self.base, asking.question, asking.asker or self.asker, self.passages)
        except OndolError as error:
            return failed(error.message)
        latency_ms = (time.perf_counter() - began) * 1_000
        return Answer(
            text=found.text,
            ranked=found.ranked,
            latency_ms=latency_ms,
            details={"degraded": dict(found.degraded), "document_ids": found.document_ids},
        )

    async def close(self) -> None:
        """There is nothing to let go of."""


def load_retriever(spec: TargetSpec, reach: Reach) -> RetrieverTarget:
    """The target of a suite.

    Raises:
        SuiteError: when a setting is unknown or cannot be.
    """
    fields = Fields(spec.settings, "target")
    target = RetrieverTarget(reach, spec.name, fields.whole("passages", PASSAGES, low=1, high=PASSAGES_MAX), fields.name("as", None))
    fields.close(("retriever",))
    return target
