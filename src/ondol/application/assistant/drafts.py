"""Answers for whoever writes a prompt: by one that nobody has kept yet, or by what serves. They are shown once and kept by nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec

from ondol.application.assistant.answer import AssistantRoom
from ondol.application.assistant.record import Given
from ondol.application.assistant.serving import Serving
from ondol.application.prompts import Prompt, PromptBody, Value
from ondol.core.errors import Conflict


@dataclass(frozen=True, slots=True)
class Draft:
    """A prompt without a version, and the values of its variables beside `organisation` and `refusal`."""

    body: PromptBody
    values: Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class Trial:
    """One answer for a look at it.

    Attributes:
        draft: what stands in the place of the release's prompt; None for an answer as it is given to everybody.
    """

    draft: Draft | None

    def room(self, room: AssistantRoom) -> AssistantRoom:
        """The assistants' room without answers of before: each is made anew, and none of these is given to anybody else."""
        return replace(room, cache=None)

    def serving(self, serving: Serving | None) -> Serving | None:
        """What the answer is given by.

        Raises:
            Conflict: when the assistant has no release in which the draft could stand.
        """
        if self.draft is None:
            return serving
        if serving is None:
            raise Conflict("The assistant has no release.", "Make one and let it serve.", code="release_missing")
        named = serving.manifest.prompt
        manifest = msgspec.structs.replace(serving.manifest, prompt=msgspec.structs.replace(named, values=dict(self.draft.values)))
        return replace(serving, manifest=manifest, prompt=Prompt(named.name, None, self.draft.body, self.draft.body.digest))


async def keep_nothing(_given: Given) -> None:
    """Where other answers are kept."""
