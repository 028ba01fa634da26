"""A guard policy: what it decides about a text is the answer, and its findings are told with it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from ondol.application.evaluation.suites import Fields, TargetSpec
from ondol.application.evaluation.targets.base import Asking, Reach, failed
from ondol.application.evaluation.types import Answer
from ondol.core.errors import OndolError

STOPS = frozenset({"block", "answer", "escalate"})
"""Decisions after which what was said goes no further."""
STAGES = ("input", "model", "tool", "output")


@dataclass(frozen=True, slots=True)
class GuardTarget:
    """See the module."""

    reach: Reach
    policy: str
    stage: str

    async def identity(self) -> Mapping[str, str]:
        """The policy with its digest."""
        return await self.reach.identity("guard", self.policy)

    async def ask(self, asking: Asking) -> Answer:
        """Look at the last turn."""
        began = time.perf_counter()
        try:
            verdict = await self.reach.check(self.policy, self.stage, asking.question)
        except OndolError as error:
            return failed(error.message)
        decision = str(verdict["decision"])
        details = {"guard": dict(verdict)}
        return Answer(text=decision, is_refusal=decision in STOPS, latency_ms=(time.perf_counter() - began) * 1_000, details=details)

    async def close(self) -> None:
        """There is nothing to let go of."""


def load_guard(spec: TargetSpec, reach: Reach) -> GuardTarget:
    """The target of a suite.

    Raises:
        SuiteError: when a setting is unknown or cannot be.
    """
    fields = Fields(spec.settings, "target")
    target = GuardTarget(reach, spec.name, fields.choice("stage", STAGES, "input"))
    fields.close(("guard",))
    return target
