"""What the guard writes in the place of a text stands where it goes on from, wherever in a request the text stood."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from ondol.infrastructure.gateway.multipart import File
from ondol.infrastructure.gateway.shapes.base import Asked
from ondol.infrastructure.gateway.shapes.chat import read_chat
from ondol.infrastructure.gateway.shapes.completions import read_completions
from ondol.infrastructure.gateway.shapes.embeddings import read_embeddings
from ondol.infrastructure.gateway.shapes.images import read_images
from ondol.infrastructure.gateway.shapes.messages import read_messages
from ondol.infrastructure.gateway.shapes.responses import read_responses
from ondol.infrastructure.gateway.shapes.speech import read_speech
from ondol.infrastructure.gateway.shapes.transcriptions import read_transcriptions

T = "secret"


def _text(kind: str = "text") -> dict[str, Any]:
    return {"type": kind, "text": T}


def _transcription(body: Any) -> Asked:
    return read_transcriptions([("file", File("wav", b"", memoryview(b"x"))), *body.items()])


CASES: dict[str, tuple[Callable[[Any], Asked], dict[str, Any], int]] = {
    "chat": (
        read_chat,
        {
            "messages": [
                {"role": "system", "content": T},
                {"role": "user", "content": T},
                {"role": "user", "content": [_text(), {"type": "image_url", "image_url": {"url": "x"}}, _text()]},
                {
                    "role": "assistant", "content": None, "refusal": T, "reasoning_content": T,
                    "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": T}}],
                },
                {"role": "tool", "tool_call_id": "c", "content": T},
                {"role": "tool", "tool_call_id": "c", "content": [_text()]},
                {"role": "assistant", "content": None, "tool_calls": [{"id": "d", "type": "custom", "custom": {"name": "f", "input": T}}]},
            ],
            "prediction": {"type": "content", "content": T},
        },
        10,
    ),
    "messages": (
        read_messages,
        {
            "max_tokens": 9,
            "system": [_text()],
            "messages": [
                {"role": "user", "content": T},
                {"role": "assistant", "content": [_text(), {"type": "tool_use", "id": "t", "name": "f", "input": {"a": T}}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": T}]},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": [_text()]}]},
                {"role": "user", "content": [{"type": "document", "source": {"type": "text", "data": T}}]},
            ],
        },
        7,
    ),
    "responses": (
        read_responses,
        {
            "instructions": T,
            "input": [
                {"role": "user", "content": T},
                {"role": "user", "content": [_text("input_text"), _text("input_text")]},
                {"type": "function_call", "name": "f", "call_id": "c", "arguments": T},
                {"type": "function_call_output", "call_id": "c", "output": T},
                {"type": "reasoning", "summary": [_text("summary_text")]},
            ],
        },
        6,
    ),
    "completions": (read_completions, {"prompt": [T, T], "suffix": T}, 3),
    "a completion": (read_completions, {"prompt": T}, 1),
    "embeddings": (read_embeddings, {"input": [T, T]}, 2),
    "images": (read_images, {"prompt": T}, 1),
    "speech": (read_speech, {"input": T, "instructions": T}, 2),
    "transcriptions": (_transcription, {"prompt": T, "known_speaker_names[]": T}, 2),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_masked_is_masked_where_it_goes_on(name: str) -> None:
    read, body, count = CASES[name]
    body = {"model": "m", **copy.deepcopy(body)}
    asked = read(body)
    assert len(asked.spots) == count
    assert all(T in spot.text for spot in asked.spots)
    assert asked.rewrite([spot.text.replace(T, "masked") for spot in asked.spots])
    told = json.dumps(asked.body, default=str)
    assert T not in told
    assert told.count("masked") >= count
