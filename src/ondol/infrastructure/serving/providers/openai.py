"""OpenAI's family: OpenAI itself, vLLM, SGLang, TensorRT-LLM, Ollama, llama.cpp, `transformers serve` and other gateways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ondol.infrastructure.serving.errors import garbage
from ondol.infrastructure.serving.providers.base import Facts, JsonProvider, StreamEnd
from ondol.infrastructure.serving.providers.failures import failure_in_stream
from ondol.infrastructure.serving.types import END_MARK, Family, Frame, Operation

CHOICES_MAX = 256


@dataclass(frozen=True, slots=True)
class Server:
    """A well-known server of this family.

    Attributes:
        base_url: where it listens when nothing else is told.
        operations: what it had when this was written, by its own documentation; a newer one may have more.
        sends_done: its streams end with ``[DONE]``.
    """

    base_url: str
    operations: frozenset[Operation]
    sends_done: bool = True


_TEXT: frozenset[Operation] = frozenset({"chat", "completions", "embeddings"})

SERVERS: Mapping[str, Server] = {
    "openai": Server(
        "https://api.openai.com/v1", frozenset({"chat", "completions", "responses", "embeddings", "images", "transcriptions", "speech"})
    ),
    "vllm": Server("http://localhost:8000/v1", _TEXT | {"responses", "transcriptions", "rerank"}),
    "sglang": Server("http://localhost:30000/v1", _TEXT | {"responses"}),
    "tensorrt_llm": Server("http://localhost:8000/v1", frozenset({"chat", "completions", "responses"})),
    "ollama": Server("http://localhost:11434/v1", _TEXT | {"responses"}),
    "llama_cpp": Server("http://localhost:8080/v1", _TEXT | {"rerank"}),
    "transformers": Server("http://localhost:8000/v1", frozenset({"chat", "completions", "responses", "transcriptions"}), sends_done=False),
}
"""For forms and documentation: a row of kind ``openai`` works with each of them."""

_LAST_EVENTS = frozenset({"response.completed", "response.incomplete"})
_PART_ENDS = frozenset({"transcript.text.done", "speech.audio.done", "image_generation.completed", "image_edit.completed"})
_ERROR_EVENTS = frozenset({"error", "response.failed"})


class OpenAI(JsonProvider):
    """OpenAI's family. See `base.Provider`."""

    family: Family = "openai"
    facts = Facts(
        base_url="https://api.openai.com/v1",
        paths={
            "chat": "/chat/completions",
            "completions": "/completions",
            "responses": "/responses",
            "embeddings": "/embeddings",
            "images": "/images/generations",
            "transcriptions": "/audio/transcriptions",
            "speech": "/audio/speech",
            "rerank": "/rerank",
        },
        needs_credential=False,
        credential_header=(b"authorization", b"Bearer "),
    )

    def stream_end(self, operation: Operation, credential: str = "") -> StreamEnd:
        """See `base.Provider`."""
        return OpenAIStreamEnd(credential)


class OpenAIStreamEnd:
    """Chat and text completions end with ``[DONE]``, or by closing after every choice told its reason; the typed events of the other operations
    with one that says so."""

    __slots__ = ("_credential", "_open", "done", "finished")

    def __init__(self, credential: str = "") -> None:
        self.done = False
        self.finished = False
        self._open: set[int] = set()
        self._credential = credential

    def take(self, frame: Frame) -> None:
        """See `base.StreamEnd`."""
        data = frame.data
        choices = data.get("choices")
        if choices is not None and not data.get("error"):
            if choices:
                self._follow(choices)
        elif frame.name == END_MARK:
            self.done = True
        else:
            self._event(frame)

    def _follow(self, choices: object) -> None:
        if not isinstance(choices, list) or len(choices) > CHOICES_MAX:
            raise garbage("an event's choices are no list")
        for choice in choices:
            if not isinstance(choice, dict):
                raise garbage("a choice is no object")
            index = choice.get("index", 0)
            if type(index) is not int or not 0 <= index < CHOICES_MAX:
                raise garbage("a choice has no proper index")
            if choice.get("finish_reason"):
                self._open.discard(index)
                self.finished = not self._open
            else:
                self._open.add(index)
                self.finished = False

    def _event(self, frame: Frame) -> None:
        data = frame.data
        kind = data.get("type")
        error = data.get("error")
        if error or frame.name in _ERROR_EVENTS or (isinstance(kind, str) and kind in _ERROR_EVENTS):
            response = data.get("response")
            inner = response.get("error") if isinstance(response, dict) else None
            raise failure_in_stream(error or inner or data, credential=self._credential)
        if isinstance(kind, str):
            self.done = kind in _LAST_EVENTS
            self.finished = self.finished or self.done or kind in _PART_ENDS
