"""What every shape of the API has in common: a request as the gateway understands it, and the writer of its answer."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from ondol.core.errors import RequestError
from ondol.infrastructure.gateway.errors import ErrorAnswer
from ondol.infrastructure.gateway.shapes.body import answer_object
from ondol.infrastructure.gateway.shapes.letting import Letting
from ondol.infrastructure.guard.conversation import Role, Turn
from ondol.infrastructure.serving.prices import Quantities
from ondol.infrastructure.serving.types import ChatRequest, Frame, Operation, ThreadPlace, Usage

Json: TypeAlias = dict[str, Any]

Service: TypeAlias = Operation | Literal["moderations"]
"""What a caller may ask for: what providers do, and what is done here alone."""

NO_QUANTITIES = Quantities()


class Spot:
    """A text in a request, and where it stands.

    Attributes:
        role: who speaks there.
        text: all of it.
    """

    __slots__ = ("key", "owner", "role", "text")

    def __init__(self, role: Role, text: str, owner: Any, key: str | int) -> None:
        self.role = role
        self.text = text
        self.owner = owner
        self.key = key

    def counted(self) -> str:
        """The text as its tokens are counted."""
        return self.text

    def put(self, text: str) -> None:
        """Write another text in its place."""
        self.text = text
        self.owner[self.key] = text


class PartsSpot(Spot):
    """A text that is told in several parts, looked at as one: what is split must not hide. Written again it is one part; parts of other kinds stay.

    Args:
        parts: the list that holds them.
        texts: those of them that are text, in order: objects with a ``text``.
    """

    __slots__ = ("texts",)

    def __init__(self, role: Role, parts: list[Any], texts: Sequence[Json]) -> None:
        super().__init__(role, "".join(part["text"] for part in texts), parts, "")
        self.texts = texts

    def put(self, text: str) -> None:
        """Write another text in the place of all parts."""
        self.text = text
        self.texts[0]["text"] = text
        emptied = {id(part) for part in self.texts[1:]}
        self.owner[:] = [part for part in self.owner if id(part) not in emptied]


class Asked:
    """A request as the gateway understands it.

    Attributes:
        operation: what is asked for.
        model: as the caller wrote it.
        body: the request's own fields, decoded; edited in place before it goes on.
        spots: every text that the guard reads, in the order of the conversation.
        stream: whether the answer is wanted in pieces.
        include_usage: the stream ends with the usage.
        output_tokens_max: the caller's bound on the output of one choice; None when there is none.
        choices: how many answers are wanted.
        tools: definitions of tools as OpenAI's chat writes them.
        hosted_tokens: what tools of the provider may count for at most, in tokens of input.
        service_tier: a tier that has a price of its own; empty for the price list's.
        schema: the JSON Schema that the answer must fit; empty for any JSON; None when it need not be JSON.
        progress: the caller wants to be told what an assistant is doing.
        thread: where the question stands in a thread that an assistant keeps; None where none is kept.
        resumes: the stream can be read on after a cut.
        cached: an assistant may answer as it has answered the same before.
        conversation: what keeps a conversation on one target, such as the first message; empty when nothing does.
        media_tokens: what pictures, sounds and files count for, in tokens.
        media_bytes: how much of the body they are.
        referred_tokens: what files count for at most that only the provider has seen; reserved, though not counted.
        independent: the texts have nothing to do with each other, so each is decided about alone and one that may not pass ends the request.
        quantities: the most that is paid for beside tokens, such as pictures.
        content_type: of the body as it goes on.
    """

    __slots__ = (
        "body",
        "cached",
        "choices",
        "content_type",
        "conversation",
        "hosted_tokens",
        "include_usage",
        "independent",
        "media_bytes",
        "media_tokens",
        "model",
        "operation",
        "output_tokens_max",
        "progress",
        "quantities",
        "referred_tokens",
        "resumes",
        "schema",
        "service_tier",
        "spots",
        "stream",
        "thread",
        "tools",
    )

    def __init__(self, operation: Service, model: str, body: Json, spots: list[Spot]) -> None:
        self.operation = operation
        self.model = model
        self.body = body
        self.spots = spots
        self.stream = False
        self.include_usage = False
        self.output_tokens_max: int | None = None
        self.choices = 1
        self.tools: list[Mapping[str, Any]] = []
        self.schema: Mapping[str, Any] | None = None
        self.progress = False
        self.thread: ThreadPlace | None = None
        self.cached = True
        self.resumes = False
        self.conversation = ""
        self.media_tokens = 0
        self.media_bytes = 0
        self.referred_tokens = 0
        self.hosted_tokens = 0
        self.service_tier = ""
        self.independent = False
        self.quantities = NO_QUANTITIES
        self.content_type = b"application/json"

    def add_media(self, holder: Any, tokens: int) -> None:
        """Count a picture, a sound or a file: its data are no text, however long they are."""
        self.media_tokens += tokens
        self.media_bytes += _letters(holder)

    def turns(self) -> list[Turn]:
        """The texts for the guard."""
        return [Turn(spot.role, spot.text) for spot in self.spots]

    def rewrite(self, texts: Sequence[str]) -> bool:
        """Write what goes on in the place of what was said.

        Returns:
            Whether anything changed.
        """
        changed = False
        for spot, text in zip(self.spots, texts, strict=True):
            if spot.text != text:
                spot.put(text)
                changed = True
        return changed


def _letters(value: Any) -> int:
    """How long the texts of a part of a body are, but for what is read of it."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(_letters(each) for name, each in value.items() if name != "text")
    return sum(map(_letters, value)) if isinstance(value, list) else 0


class Told:
    """What the gateway adds to an answer.

    Attributes:
        id: the answer's id in the shape's own dress.
        model: the name by which the caller asked.
        created_unix_s: when the request came.
        asked: the request as it came, for shapes that repeat fields of it.
        instructions: the caller's own system prompt, for shapes that repeat it.
        own: an assistant of ours answers, so what stands in the ``ondol`` field of the answer is ours; a provider's goes nowhere.
    """

    __slots__ = ("asked", "created_unix_s", "id", "instructions", "model", "own")

    def __init__(self, answer_id: str, model: str, created_unix_s: int) -> None:
        self.id = answer_id
        self.model = model
        self.created_unix_s = created_unix_s
        self.asked: Json = {}
        self.instructions: Any = None
        self.own = False


class ProgressFrame(Frame):
    """Where an assistant of ours stands, or what it has found so far. A type of its own, so that no provider can send one.

    Attributes:
        stage: one word, for all who read a stream.
        told: what stands in the ``ondol`` field for those who asked for it.
    """

    def __init__(self, stage: str, told: Json | None = None) -> None:
        super().__init__({})
        self.stage = stage
        self.told = told or {"stage": stage}


class StreamWriter(Protocol):
    """Lets one streamed answer out through the guard, in the caller's shape.

    Attributes:
        usage: what the upstream told so far; None when it did not.
        stopped: the guard ended every choice: nothing more of the answer is wanted.
        finished: the upstream told the end of every choice.
    """

    usage: Usage | None

    @property
    def stopped(self) -> bool:
        """See above."""
        ...

    @property
    def finished(self) -> bool:
        """See above."""
        ...

    def take(self, frames: Sequence[Frame]) -> bytes:
        """What of these frames goes out now, as the bytes of events; may be empty.

        Raises:
            UpstreamError: when a frame is not of the shape.
        """
        ...

    def rest(self) -> bytes:
        """What is held back of the texts, once `finished` or `stopped`: after it the guard has seen all. Empty when it is called again."""
        ...

    def finish(self, usage: Usage, extension: Json) -> bytes:
        """The rest, if nobody took it, and the end mark."""
        ...


def no_stream(asked: Asked, *_: object) -> Any:
    """For shapes whose answers come whole: a request for a stream was refused when it was read."""
    raise RuntimeError(f"{asked.operation} is not streamed")


def no_assistant(asked: Asked, _request_id: uuid.UUID) -> ChatRequest:
    """For shapes that no assistant answers.

    Raises:
        RequestError: always.
    """
    raise RequestError(f"Assistants do not answer {asked.operation}.", "Ask for a model.", code="unsupported_operation", param="model")


def no_text(_answer: Json) -> str:
    """For answers that hold nothing to read."""
    return ""


@dataclass(frozen=True, slots=True)
class Shape:
    """One way in which applications speak to the gateway.

    Attributes:
        read: understands a request's body; raises `RequestError` with `param`.
        answer_id: the answer's id, in the shape's own dress.
        let: lets a whole answer out through the guard, in place, under its new name.
        usage: what a whole answer says of its usage; None when it says nothing that can be believed.
        put_usage: writes the usage that is counted into a whole answer.
        error: how an error is told.
        stream: writes a streamed answer.
        text_of: all text of a whole answer, for those who keep content.
        refusal: a whole answer that says why there is none; None where an answer has no place for words: then a refusal is an error.
        refusal_stream: the same as events.
        chat_request: the request as assistants take it.
        decode: an upstream's whole answer; raises `UpstreamError`.
        is_written: answers hold text.
    """

    operation: Operation
    read: Callable[[Json], Asked]
    answer_id: Callable[[uuid.UUID], str]
    let: Callable[[Json, Told, Letting], None]
    usage: Callable[[Json], Usage | None]
    put_usage: Callable[[Json, Usage], None]
    error: Callable[[Exception, uuid.UUID], ErrorAnswer]
    stream: Callable[[Asked, Told, Letting], StreamWriter] = no_stream
    text_of: Callable[[Json], str] = no_text
    refusal: Callable[[Told, str, Usage, Json], Json] | None = None
    refusal_stream: Callable[[Asked, Told, str, Usage, Json], bytes] = no_stream
    chat_request: Callable[[Asked, uuid.UUID], ChatRequest] = no_assistant
    decode: Callable[[bytes], Json] = answer_object
    is_written: bool = True
