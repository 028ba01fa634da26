"""Uploads to a target that speaks OpenAI's API: written anew from what was read and guarded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import msgspec

from ondol.infrastructure.gateway.multipart import File, write_multipart
from ondol.infrastructure.gateway.shapes.base import Asked, Json
from ondol.infrastructure.serving.types import Frame, Operation, TargetRow


class Upload:
    """A file with fields beside it."""

    operation: Operation = "transcriptions"

    def request(self, asked: Asked, target: TargetRow, _prompts: tuple[str, ...], _output_tokens: int) -> bytes:
        """The upload under the target's own name for the model. Its content type goes into `Asked.content_type`."""
        asked.content_type, body = write_multipart(_parts({**asked.body, "model": target.model}))
        return body

    def whole(self, answer: Json) -> Json:
        """The answer itself."""
        return answer

    def frames(self, frames: AsyncIterator[list[Frame]]) -> AsyncIterator[list[Frame]]:
        """The frames themselves."""
        return frames


def _parts(body: Json) -> Iterator[tuple[str, str | File]]:
    for name, value in body.items():
        for each in value if isinstance(value, list) else [value]:
            yield name, each if isinstance(each, str | File) else msgspec.json.encode(each).decode()


TRANSCRIPTIONS = Upload()
