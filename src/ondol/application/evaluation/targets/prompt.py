"""A version of a prompt, before a model of the tenant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ondol.application.evaluation.suites import Fields, TargetSpec
from ondol.application.evaluation.targets.base import Asking, Reach, failed
from ondol.application.evaluation.targets.route import RouteTarget, load_route
from ondol.application.evaluation.types import Answer
from ondol.core.errors import RequestError


@dataclass(frozen=True, slots=True)
class PromptTarget:
    """See the module.

    Attributes:
        reference: as `ondol prompt show` takes it.
        values: of the prompt's variables; a case's `facts.prompt_values` go before them.
        language: of cases that name none.
    """

    reach: Reach
    reference: str
    route: RouteTarget
    values: Mapping[str, Any]
    language: str

    async def identity(self) -> Mapping[str, str]:
        """The prompt and the model, each with its digest."""
        return {**await self.route.identity(), **await self.reach.identity("prompt", self.reference)}

    async def ask(self, asking: Asking) -> Answer:
        """Answer the last turn."""
        own = asking.case.facts.get("prompt_values")
        try:
            language = asking.case.language or self.language
            system = await self.reach.prompt(self.reference, language, {**self.values, **(own if isinstance(own, Mapping) else {})})
        except RequestError as error:
            return failed(error.message)
        return await replace(self.route, system=system).ask(asking)

    async def close(self) -> None:
        """There is nothing to let go of."""


def load_prompt(spec: TargetSpec, reach: Reach) -> PromptTarget:
    """The target of a suite.

    Raises:
        SuiteError: when a setting is unknown or cannot be.
    """
    fields = Fields(spec.settings, "target")
    route, values = fields.text("route", characters_max=200), fields.section("values", {}).rest()
    language = fields.choice("language", ("ko", "en"), "en")
    rest = load_route(TargetSpec(kind="route", name=route, settings=fields.rest()), reach)
    return PromptTarget(reach, spec.name, rest, values, language)
