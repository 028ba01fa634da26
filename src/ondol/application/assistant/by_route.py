"""Which model answers: the one that a release names, the installation's, or none."""

from __future__ import annotations

from dataclasses import replace

from ondol.application.assistant.answer import AssistantRoom, Generator
from ondol.application.assistant.serving import Serving
from ondol.infrastructure.serving.errors import route_missing
from ondol.infrastructure.serving.types import Route


def by_route(room: AssistantRoom, serving: Serving | None, route: Route | None) -> AssistantRoom:
    """The assistants' room with the model that a release names, or none where it names none.

    Raises:
        UpstreamError: when the release's model is not there.
    """
    if serving is None or serving.manifest.route.kind == "installation":
        return room
    named = serving.manifest.route
    if named.kind == "extractive":
        return replace(room, generator=None)
    if route is None:
        raise route_missing()
    return replace(room, generator=Generator(route.model, route.stream, route.context_tokens, named.evidence_turn))
