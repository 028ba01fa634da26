"""An upstream for real clients, in a thread of its own: text, calls of tools in pieces, structured output, and failures by the model's name."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.serving.types import Usage
from tests.infrastructure.gateway.upstreams import AnyShape

TEXT = ("Returns are ", "possible within ", "seven days.")
ARGUMENTS = {"city": "서울", "unit": "celsius"}
STRUCTURED = {"name": "Kim", "age": 41}
USAGE = (21, 8)
RETRY_AFTER_S = 1


class Upstream(AnyShape):
    """Says what the request asks for."""

    def __init__(self) -> None:
        super().__init__(TEXT, usage=USAGE)
        self.model = ScriptedModel(self)
        self.limits = 0

    def __call__(self, body: Any) -> Reply:
        match body.get("model"):
            case "limited-once":
                self.limits += 1
                if self.limits % 2:
                    return Reply(trouble="rate_limited", retry_after_s=RETRY_AFTER_S)
            case "broken":
                return Reply(trouble="broken")
            case "refuses":
                return Reply(trouble="refused")
            case "breaks-off":
                return Reply("one two three four", trouble="cut_off", usage=Usage(*USAGE))
        return super().__call__(body)

    def whole(self, operation: str, text: str) -> dict[str, Any]:
        body = self.model.requests[-1].body
        answer = super().whole(operation, self._structured(body) or text)
        if body.get("tools") and not _is_answered(body):
            if operation == "messages":
                answer["content"] = [{"type": "tool_use", "id": "call_1", "name": "weather", "input": ARGUMENTS}]
                answer["stop_reason"] = "tool_use"
            else:
                call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": json.dumps(ARGUMENTS)}}
                answer["choices"][0] |= {"message": {"role": "assistant", "content": None, "tool_calls": [call]}, "finish_reason": "tool_calls"}
        return answer

    def events(self, operation: str, pieces: Any, body: Any) -> list[Any]:
        structured = self._structured(body)
        if not body.get("tools") or _is_answered(body):
            return super().events(operation, [structured] if structured else pieces, body)
        text = json.dumps(ARGUMENTS)
        parts = [text[place : place + 4] for place in range(0, len(text), 4)]
        plain = super().events(operation, ["x"], body)
        if operation == "messages":
            block = {"type": "tool_use", "id": "call_1", "name": "weather", "input": {}}
            deltas = [{"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": part}} for part in parts]
            end = {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": USAGE[1]}}
            begin = {"type": "content_block_start", "index": 0, "content_block": block}
            return [plain[0], begin, *deltas, {"type": "content_block_stop", "index": 0}, end, {"type": "message_stop"}]
        stamp = {"id": "u", "object": "chat.completion.chunk", "created": 0, "model": "u"}
        first = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": ""}}
        calls = [first, *({"index": 0, "function": {"arguments": part}} for part in parts)]
        chunks = [{**stamp, "choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]} for call in calls]
        return [plain[0], *chunks, {**stamp, "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}, *plain[3:]]

    def _structured(self, body: Any) -> str:
        wanted = (body.get("response_format") or {}).get("type") in {"json_schema", "json_object"}
        return json.dumps(STRUCTURED) if wanted else ""


def _is_answered(body: Any) -> bool:
    """The tool's result is there: it is time for words."""
    last = body["messages"][-1]
    return last["role"] == "tool" or "tool_result" in json.dumps(last)


@contextmanager
def upstream_thread() -> Iterator[Upstream]:
    """A running one."""
    upstream = Upstream()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(upstream.model.start(), loop).result(10)
    try:
        yield upstream
    finally:
        asyncio.run_coroutine_threadsafe(upstream.model.close(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
