"""Asks a running gateway with one vendor's client library and prints one JSON object with what it got. It runs in an environment of its own.

    python clients.py openai|anthropic|langchain|llama_index|litellm

Environment: ONDOL_URL (such as http://127.0.0.1:8700), ONDOL_API_KEY.
"""

# mypy: ignore-errors
# The libraries are not installed where types are checked.

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

URL = os.environ["ONDOL_URL"]
KEY = os.environ["ONDOL_API_KEY"]
ASK = [{"role": "user", "content": "How long may I return an order?"}]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}, "unit": {"type": "string"}}, "required": ["city"]}
TOOL = {"type": "function", "function": {"name": "weather", "description": "The weather.", "parameters": PARAMETERS}}


def failure(call: Any) -> dict[str, Any]:
    """The kind of an error and what it says."""
    began = time.monotonic()
    try:
        call()
    except Exception as error:
        told = {"kind": type(error).__name__, "status": getattr(error, "status_code", None), "code": getattr(error, "code", None)}
        return {**told, "message": str(error)[:500], "seconds": time.monotonic() - began}
    return {"kind": None}


def with_openai() -> dict[str, Any]:
    import openai
    from pydantic import BaseModel

    class Person(BaseModel):
        name: str
        age: int

    client = openai.OpenAI(base_url=URL + "/v1", api_key=KEY, max_retries=0, timeout=30)
    chat = client.chat.completions
    whole = chat.create(model="small", messages=ASK)
    chunks = list(chat.create(model="small", messages=ASK, stream=True, stream_options={"include_usage": True}))
    with chat.stream(model="small", messages=ASK, tools=[TOOL]) as stream:
        deltas = [event.arguments_delta for event in stream if event.type == "tool_calls.function.arguments.delta"]
        called = stream.get_final_completion().choices[0].message.tool_calls[0].function
    call = chat.create(model="claude", messages=ASK, tools=[TOOL]).choices[0].message
    answered = [*ASK, call.to_dict(), {"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": "sunny"}]
    response = client.responses.create(model="small", input="How long?", instructions="Be brief.")
    events = list(client.responses.create(model="small", input="How long?", stream=True))
    began = time.monotonic()
    retried = client.with_options(max_retries=2).chat.completions.create(model="limited", messages=ASK).choices[0].message.content
    return {
        "text": whole.choices[0].message.content,
        "usage": [whole.usage.prompt_tokens, whole.usage.completion_tokens],
        "streamed": "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices),
        "streamed_usage": [chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens],
        "arguments": json.loads(called.arguments),
        "argument_deltas": len(deltas),
        "other_family": json.loads(call.tool_calls[0].function.arguments),
        "after_tool": chat.create(model="claude", messages=answered, tools=[TOOL]).choices[0].message.content,
        "structured": chat.parse(model="small", messages=ASK, response_format=Person).choices[0].message.parsed.model_dump(),
        "response": response.output_text,
        "response_instructions": response.instructions,
        "response_streamed": "".join(event.delta for event in events if event.type == "response.output_text.delta"),
        "response_end": events[-1].type,
        "embedding": client.embeddings.create(model="small", input="x", encoding_format="float").data[0].embedding,
        "completion": client.completions.create(model="small", prompt="x").choices[0].text,
        "moderation": client.moderations.create(input="hello").results[0].flagged,
        "models": sorted(model.id for model in client.models.list()),
        "retried": retried,
        "retried_seconds": time.monotonic() - began,
        "errors": {
            "key": failure(client.with_options(api_key="sk-wrong").models.list),
            "model": failure(lambda: chat.create(model="nobody", messages=ASK)),
            "parameter": failure(lambda: chat.create(model="small", messages=[])),
            "upstream_refuses": failure(lambda: chat.create(model="refuses", messages=ASK)),
            "upstream_breaks": failure(lambda: chat.create(model="broken", messages=ASK)),
            "mid_stream": failure(lambda: list(chat.create(model="breaks-off", messages=ASK, stream=True))),
            "mid_response": failure(lambda: list(client.responses.create(model="breaks-off", input="x", stream=True))),
        },
    }


def with_anthropic() -> dict[str, Any]:
    import anthropic

    client = anthropic.Anthropic(base_url=URL, api_key=KEY, max_retries=0, timeout=30)
    tool = {"name": "weather", "description": "The weather.", "input_schema": PARAMETERS}
    found: dict[str, Any] = {}
    for model in ("claude", "small"):
        asked = {"model": model, "max_tokens": 100, "messages": ASK}
        whole = client.messages.create(**asked, system="Be brief.")
        with client.messages.stream(**asked) as stream:
            streamed = "".join(stream.text_stream)
            last = stream.get_final_message()
        with client.messages.stream(**asked, tools=[tool]) as stream:
            deltas = [event.partial_json for event in stream if event.type == "input_json"]
            call = next(block for block in stream.get_final_message().content if block.type == "tool_use")
        result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}]}
        after = client.messages.create(**{**asked, "messages": [*ASK, {"role": "assistant", "content": [call.to_dict()]}, result]}, tools=[tool])
        found[model] = {
            "text": whole.content[0].text,
            "usage": [whole.usage.input_tokens, whole.usage.output_tokens],
            "stop_reason": whole.stop_reason,
            "streamed": streamed,
            "streamed_usage": [last.usage.input_tokens, last.usage.output_tokens],
            "arguments": call.input,
            "argument_deltas": len(deltas),
            "after_tool": after.content[0].text,
            "count": client.messages.count_tokens(model=model, messages=ASK).input_tokens,
        }
    create = client.messages.create
    asked = {"max_tokens": 100, "messages": ASK}
    began = time.monotonic()
    found["retried"] = client.with_options(max_retries=2).messages.create(model="limited", **asked).content[0].text
    found["retried_seconds"] = time.monotonic() - began
    found["models"] = sorted(model.id for model in client.models.list())
    found["errors"] = {
        "key": failure(lambda: client.with_options(api_key="sk-wrong").messages.create(model="claude", **asked)),
        "model": failure(lambda: create(model="nobody", **asked)),
        "parameter": failure(lambda: create(model="claude", max_tokens=100, messages=[])),
        "mid_stream": failure(lambda: list(create(model="breaks-off", **asked, stream=True))),
    }
    return found


def with_langchain() -> dict[str, Any]:
    from langchain_core.messages import HumanMessage, ToolMessage
    from langchain_core.tools import tool
    from langchain_openai import ChatOpenAI, OpenAIEmbeddings
    from pydantic import BaseModel

    class Person(BaseModel):
        """Somebody."""

        name: str
        age: int

    @tool
    def weather(city: str, unit: str = "celsius") -> str:
        """The weather."""
        return "sunny"

    chat = ChatOpenAI(model="small", base_url=URL + "/v1", api_key=KEY, max_retries=0, stream_usage=True)
    chunks = list(chat.stream("How long?"))
    total = chunks[0]
    for chunk in chunks[1:]:
        total += chunk
    tools = chat.bind_tools([weather])
    called = None
    for chunk in tools.stream("How is the weather?"):
        called = chunk if called is None else called + chunk
    asked = HumanMessage("How is the weather?")
    message = tools.invoke([asked])
    after = tools.invoke([asked, message, ToolMessage("sunny", tool_call_id=message.tool_calls[0]["id"])])
    whole = chat.invoke("How long?")
    embeddings = OpenAIEmbeddings(model="small", base_url=URL + "/v1", api_key=KEY, check_embedding_ctx_length=False, max_retries=0)
    return {
        "text": whole.content,
        "usage": [whole.usage_metadata["input_tokens"], whole.usage_metadata["output_tokens"]],
        "streamed": total.content,
        "streamed_usage": [total.usage_metadata["input_tokens"], total.usage_metadata["output_tokens"]],
        "arguments": called.tool_calls[0]["args"],
        "after_tool": after.content,
        "structured": chat.with_structured_output(Person).invoke("Who?").model_dump(),
        "embedding": embeddings.embed_query("x"),
        "error": failure(lambda: ChatOpenAI(model="nobody", base_url=URL + "/v1", api_key=KEY, max_retries=0).invoke("x")),
    }


def with_llama_index() -> dict[str, Any]:
    from llama_index.core.llms import ChatMessage
    from llama_index.core.tools import FunctionTool
    from llama_index.llms.openai_like import OpenAILike

    def weather(city: str, unit: str = "celsius") -> str:
        """The weather."""
        return "sunny"

    made = {"api_base": URL + "/v1", "api_key": KEY, "is_chat_model": True, "is_function_calling_model": True, "max_retries": 0}
    llm = OpenAILike(model="small", **made)
    tool = FunctionTool.from_defaults(weather)
    called = llm.chat_with_tools([tool], user_msg="How is the weather?")
    return {
        "text": llm.chat([ChatMessage(role="user", content="How long?")]).message.content,
        "streamed": "".join(piece.delta or "" for piece in llm.stream_chat([ChatMessage(role="user", content="How long?")])),
        "completed": llm.complete("How long?").text,
        "arguments": llm.get_tool_calls_from_response(called)[0].tool_kwargs,
        "error": failure(lambda: OpenAILike(model="nobody", **made).complete("x")),
    }


def with_litellm() -> dict[str, Any]:
    import litellm

    litellm.suppress_debug_info = True
    ours = {"api_base": URL + "/v1", "api_key": KEY, "num_retries": 0, "max_retries": 0}
    whole = litellm.completion(model="openai/small", messages=ASK, **ours)
    chunks = list(litellm.completion(model="openai/small", messages=ASK, stream=True, stream_options={"include_usage": True}, **ours))
    called = litellm.completion(model="openai/small", messages=ASK, tools=[TOOL], stream=True, **ours)
    built = litellm.stream_chunk_builder(list(called))
    other = litellm.completion(model="anthropic/claude", messages=ASK, api_base=URL, api_key=KEY, max_tokens=100)
    return {
        "text": whole.choices[0].message.content,
        "usage": [whole.usage.prompt_tokens, whole.usage.completion_tokens],
        "streamed": "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices),
        "arguments": json.loads(built.choices[0].message.tool_calls[0].function.arguments),
        "anthropic": other.choices[0].message.content,
        "embedding": litellm.embedding(model="openai/small", input=["x"], encoding_format="float", **ours).data[0]["embedding"],
        "errors": {
            "key": failure(lambda: litellm.completion(model="openai/small", messages=ASK, **{**ours, "api_key": "sk-wrong"})),
            "model": failure(lambda: litellm.completion(model="openai/nobody", messages=ASK, **ours)),
            "upstream_refuses": failure(lambda: litellm.completion(model="openai/refuses", messages=ASK, **ours)),
        },
    }


CLIENTS = {
    "openai": with_openai, "anthropic": with_anthropic, "langchain": with_langchain, "llama_index": with_llama_index, "litellm": with_litellm
}  # fmt: skip

if __name__ == "__main__":
    sys.stdout.write(json.dumps(CLIENTS[sys.argv[1]]()) + "\n")
