"""A model of the tenant by its alias, asked through the gateway: limited, guarded, counted and recorded like any other request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ondol.application.evaluation.suites import Fields, TargetSpec
from ondol.application.evaluation.targets.base import Asking, Reach
from ondol.application.evaluation.targets.chat import chat_settings, exchanged, messages_of
from ondol.application.evaluation.types import Answer


@dataclass(frozen=True, slots=True)
class RouteTarget:
    """See the module.

    Attributes:
        settings: of each request, such as its temperature.
        seeded: whether the seed is told to the model.
    """

    reach: Reach
    alias: str
    system: str
    settings: Mapping[str, Any]
    seeded: bool
    asker: str | None

    async def identity(self) -> Mapping[str, str]:
        """The model with the digest of its settings and its system prompt."""
        return await self.reach.identity("route", self.alias)

    async def ask(self, asking: Asking) -> Answer:
        """Answer the last turn."""
        seed = {"seed": asking.seed} if self.seeded else {}
        body = {"model": self.alias, "messages": messages_of(asking.turns, self.system), **self.settings, **seed}
        return await exchanged(lambda: self.reach.chat(asking.asker or self.asker, body, ""))

    async def close(self) -> None:
        """There is nothing to let go of."""


def load_route(spec: TargetSpec, reach: Reach) -> RouteTarget:
    """The target of a suite.

    Raises:
        SuiteError: when a setting is unknown or cannot be.
    """
    fields = Fields(spec.settings, "target")
    system, asker, seeded = fields.text("system", ""), fields.name("as", None), fields.flag("send_seed")
    target = RouteTarget(reach, spec.name, system, chat_settings(fields), seeded, asker)
    fields.close(("route",))
    return target
