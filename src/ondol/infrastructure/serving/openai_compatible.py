"""A provider that speaks OpenAI's chat completions over HTTP: a hosted service, vLLM, llama.cpp, Ollama or another gateway.

The upstream is always asked to stream, whatever the caller wants: one reader then serves both, and a caller who leaves stops the work at once.
No error text here carries a key, an address or a word of the upstream's own message, which may quote either.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, cast, get_args

import httpx
import msgspec

from ondol.core.errors import RequestError, SettingsError, UpstreamError, UpstreamRateLimited
from ondol.infrastructure.serving.sse import SseEvent, SseReader, SseTooLarge
from ondol.infrastructure.serving.tokens import TokenEstimate, estimate_input_tokens
from ondol.infrastructure.serving.types import ChatEvent, ChatRequest, Finish, FinishReason, TextDelta, Usage

CONNECT_TIMEOUT_S = 5.0
POOL_TIMEOUT_S = 5.0
BETWEEN_BYTES_TIMEOUT_S = 60.0
ANSWER_S_MAX = 900.0
"""The longest whole answer: keep-alive comments must not hold a connection for ever."""
AFTER_DONE_S = 0.1
"""How long the end of the body may take after ``[DONE]``, so that the connection can be used again."""
AFTER_FINISH_S = 2.0
"""How long usage and ``[DONE]`` may take after the reason of the end has been told."""
CONNECTIONS_MAX = 100
CONNECTIONS_IDLE_MAX = 20
CONNECTION_IDLE_S = 4.0
"""Shorter than the 5 s after which uvicorn-based servers close an idle connection: longer would meet half-closed ones."""
ERROR_BODY_BYTES_MAX = 64 << 10
ERROR_BODY_TIMEOUT_S = 5.0
TOKENS_MAX = 2**31 - 1
RETRY_AFTER_S_DEFAULT = 10
RETRY_AFTER_S_MAX = 3600

_SAFE_CODE = re.compile(r"[a-z][a-z_]{2,59}")
_SAFE_KEY = re.compile(r"[!-~]*")
_OURS = frozenset({"ondol", "stream", "stream_options", "model", "messages", "max_tokens", "max_completion_tokens", "temperature"})


class _Delta(msgspec.Struct):
    content: Any = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: Any = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None


_chunk_decoder = msgspec.json.Decoder(_Chunk)


class OpenAICompatible:
    """One model of one provider.

    Args:
        base_url: such as ``https://api.openai.com/v1``. User and password in it are sent as Basic authorization when there is no key.
        api_key: sent as a bearer token; empty for none.
        model: the provider's name of the model, which replaces the caller's.
        timeout_s: the longest wait for the first byte of the answer's body; between bytes at most `BETWEEN_BYTES_TIMEOUT_S`.
        client: a client to share, not closed here. The default one ignores proxies of the environment.

    Raises:
        SettingsError: for an address or key that cannot be sent.
    """

    def __init__(self, base_url: str, api_key: str, model: str, timeout_s: float, client: httpx.AsyncClient | None = None) -> None:
        url = _url_of(base_url)
        if not _SAFE_KEY.fullmatch(api_key):
            raise SettingsError("The provider's API key holds spaces, line ends or characters outside ASCII.", "Paste the key again.")
        self._endpoint = url.copy_with(path=url.path.rstrip("/") + "/chat/completions", userinfo=b"")
        self._headers = {"accept": "text/event-stream", "accept-encoding": "identity", "content-type": "application/json"}
        if api_key:
            self._headers["authorization"] = f"Bearer {api_key}"
        self._auth = httpx.BasicAuth(url.username, url.password) if url.userinfo and not api_key else None
        self._api_key = api_key
        self._model = model
        self._timeout_s = timeout_s
        self._owns_client = client is None
        self._client = client or new_client()

    async def close(self) -> None:
        """Close the connections, unless the client came from outside."""
        if self._owns_client:
            await self._client.aclose()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """Ask the upstream: any number of deltas, then one `Finish`. Closing the iterator cancels the upstream request at once.

        Raises:
            UpstreamError: with code ``upstream_unreachable``, ``upstream_busy``, ``upstream_timeout``, ``upstream_rate_limited``,
                ``upstream_rejected``, ``upstream_failed``, ``upstream_garbage`` or ``upstream_cut_off``.
            RequestError: when the request cannot be written as JSON.
        """
        response = await self._send(_body(request, self._model))
        try:
            await self._check(response)
            answer = _Answer(request)
            async with aclosing(self._events(response, answer)) as events:
                async for event in events:
                    if event.data.strip() == b"[DONE]":
                        answer.done = True
                        break
                    if text := answer.take(event):
                        yield TextDelta(text)
                if answer.done:
                    await _read_rest(events)
            yield answer.finish()
        finally:
            await response.aclose()

    async def _send(self, body: bytes) -> httpx.Response:
        timeout = httpx.Timeout(self._timeout_s, connect=min(CONNECT_TIMEOUT_S, self._timeout_s), pool=POOL_TIMEOUT_S)
        request = self._client.build_request("POST", self._endpoint, content=body, headers=self._headers, timeout=timeout)
        try:
            async with asyncio.timeout(self._timeout_s + CONNECT_TIMEOUT_S + POOL_TIMEOUT_S):
                return await self._client.send(request, auth=self._auth, stream=True, follow_redirects=False)
        except httpx.PoolTimeout as error:
            raise UpstreamError("All connections to the provider are in use.", "Try again shortly.", status=503, code="upstream_busy") from error
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            raise UpstreamError("The model provider cannot be reached.", status=502, code="upstream_unreachable") from error
        except (httpx.TimeoutException, TimeoutError) as error:
            raise _timed_out("did not begin to answer") from error
        except (httpx.RemoteProtocolError, httpx.DecodingError) as error:
            if "disconnected" in str(error):
                raise UpstreamError("The model provider closed the connection without an answer.", code="upstream_cut_off") from error
            raise _garbage("its answer is not HTTP") from error
        except httpx.HTTPError as error:
            raise UpstreamError("The connection to the model provider broke.", code="upstream_cut_off") from error

    async def _check(self, response: httpx.Response) -> None:
        """Raise for everything that is not the beginning of an event stream."""
        status = response.status_code
        if status == 429:
            raise UpstreamRateLimited(_retry_after_s(response.headers.get("retry-after", "")))
        if status >= 500:
            raise UpstreamError(f"The model provider failed with status {status}.", "Try again shortly.", code="upstream_failed")
        if status in {401, 403}:
            raise UpstreamError(
                f"The model provider refused this installation's credentials ({status}).",
                "An administrator can mend the provider's key.",
                code="upstream_rejected",
            )
        if status != 200:
            reason = ", ".join(filter(None, (str(status), await self._reason(response))))
            raise UpstreamError(f"The model provider refused the request ({reason}).", code="upstream_rejected")
        media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "text/event-stream":
            raise _garbage("its answer is not an event stream")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise _garbage("its answer is compressed, which was not asked for")

    async def _reason(self, response: httpx.Response) -> str:
        """The upstream's own error code when it is a plain word, such as ``context_length_exceeded``, else nothing."""
        body = bytearray()
        try:
            async with asyncio.timeout(ERROR_BODY_TIMEOUT_S):
                async for piece in response.aiter_raw():
                    body += piece
                    if len(body) > ERROR_BODY_BYTES_MAX:
                        return ""
            code = msgspec.json.decode(body)["error"]["code"]
        except (httpx.HTTPError, TimeoutError, ValueError, TypeError, KeyError, RecursionError):
            return ""
        if not isinstance(code, str) or not _SAFE_CODE.fullmatch(code) or (self._api_key and self._api_key in code):
            return ""
        return code

    async def _events(self, response: httpx.Response, answer: _Answer) -> AsyncGenerator[SseEvent, None]:
        """The upstream's events under the time-outs and size limits. A broken connection ends them like a closed one."""
        reader = SseReader()
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + ANSWER_S_MAX
        wait_s = self._timeout_s
        async with aclosing(cast("AsyncGenerator[bytes, None]", response.aiter_raw())) as pieces:
            while True:
                try:
                    async with asyncio.timeout_at(min(loop.time() + wait_s, ends_at)):
                        piece = await anext(pieces)
                    events = reader.feed(piece)
                except (StopAsyncIteration, httpx.NetworkError, httpx.ProtocolError):
                    break
                except (TimeoutError, httpx.TimeoutException) as error:
                    if answer.reason is not None:
                        break
                    raise _timed_out("did not go on with its answer") from error
                except SseTooLarge as error:
                    raise _garbage(str(error)) from error
                for event in events:
                    yield event
                wait_s = min(self._timeout_s, BETWEEN_BYTES_TIMEOUT_S if answer.reason is None else AFTER_FINISH_S)
        for event in reader.finish():
            yield event


class _Answer:
    """What is known of the answer while its events arrive.

    Attributes:
        done: ``[DONE]`` has come.
        reason: why the answer ended, once that is told.
    """

    def __init__(self, request: ChatRequest) -> None:
        self.done = False
        self.reason: FinishReason | None = None
        self._request = request
        self._estimate = TokenEstimate()
        self._usage: Usage | None = None

    def take(self, event: SseEvent) -> str:
        """The text that an event adds, often none.

        Raises:
            UpstreamError: for an error event, or one that is no chunk.
        """
        try:
            chunk = _chunk_decoder.decode(event.data)
        except (ValueError, RecursionError) as error:
            if not event.whole:
                return ""
            raise _garbage("an event is not a chunk of a completion") from error
        if chunk.error is not None:
            raise UpstreamError("The model provider failed in the middle of its answer.", "Try again shortly.", code="upstream_failed")
        self._usage = _usage_of(chunk.usage) or self._usage
        text = ""
        for choice in chunk.choices or ():
            if choice.index != 0:
                continue
            if choice.delta is not None and isinstance(choice.delta.content, str):
                text += choice.delta.content
            if isinstance(choice.finish_reason, str) and choice.finish_reason:
                self.reason = _reason_of(choice.finish_reason)
        self._estimate.add(text)
        return text

    def finish(self) -> Finish:
        """The end of the answer. ``[DONE]`` without a reason is believed when there was text.

        Raises:
            UpstreamError: when the stream ended before the answer did.
        """
        if self.reason is None and not (self.done and self._estimate.tokens()):
            raise UpstreamError("The model provider's answer broke off.", "Try again.", code="upstream_cut_off")
        usage = self._usage or Usage(estimate_input_tokens(self._request.messages), self._estimate.tokens(), estimated=True)
        return Finish(self.reason or "stop", usage)


def new_client() -> httpx.AsyncClient:
    """A client with a bounded pool that follows no redirect and reads no proxy or password file from its environment."""
    limits = httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_IDLE_MAX, keepalive_expiry=CONNECTION_IDLE_S)
    return httpx.AsyncClient(limits=limits, trust_env=False, follow_redirects=False)


def _url_of(base_url: str) -> httpx.URL:
    hint = "Write it like https://api.example.com/v1, with the key apart."
    try:
        url = httpx.URL(base_url)
    except (httpx.InvalidURL, TypeError):
        raise SettingsError("The provider's address is not a URL.", hint) from None
    if url.scheme not in {"http", "https"} or not url.host or url.query or url.fragment:
        raise SettingsError("The provider's address needs http or https, a host, and no query.", hint)
    return url


def _body(request: ChatRequest, model: str) -> bytes:
    """The body for the upstream: the caller's own fields where they came, ours where they decide something."""
    body: dict[str, Any] = {key: value for key, value in request.raw.items() if key not in _OURS}
    body["model"] = model
    body["messages"] = [{**message.raw} if message.raw else {"role": message.role, "content": message.content} for message in request.messages]
    body["stream"] = True
    body["stream_options"] = {"include_usage": True}
    if request.max_tokens is not None:
        body["max_completion_tokens" if "max_completion_tokens" in request.raw else "max_tokens"] = request.max_tokens
    if request.temperature is not None:
        body["temperature"] = request.temperature
    try:
        return msgspec.json.encode(body)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise RequestError("The request holds a value that cannot be passed on to the model provider.", code="invalid_value") from error


async def _read_rest(events: AsyncGenerator[SseEvent, None]) -> None:
    """Read the end of the body after ``[DONE]`` for a moment, or give the connection up."""
    try:
        async with asyncio.timeout(AFTER_DONE_S):
            async for _ in events:
                pass
    except (TimeoutError, UpstreamError):
        return


def _reason_of(word: str) -> FinishReason:
    """OpenAI's reasons as they are; ``function_call`` is the old name of ``tool_calls``; other servers' words mean ``stop``."""
    return cast("FinishReason", word) if word in get_args(FinishReason) else "tool_calls" if word == "function_call" else "stop"


def _usage_of(usage: Any) -> Usage | None:
    """The upstream's count, unless it is missing or no count at all."""
    match usage:
        case {"prompt_tokens": int(input_tokens), "completion_tokens": int(output_tokens)}:
            plausible = 0 <= input_tokens <= TOKENS_MAX and 0 <= output_tokens <= TOKENS_MAX
            return Usage(input_tokens, output_tokens) if plausible else None
    return None


def _retry_after_s(header: str) -> int:
    """Seconds of a `Retry-After`; a date or nonsense counts as the default."""
    return min(max(1, int(header)), RETRY_AFTER_S_MAX) if header.isascii() and header.isdigit() and len(header) < 10 else RETRY_AFTER_S_DEFAULT


def _timed_out(what: str) -> UpstreamError:
    return UpstreamError(f"The model provider {what} in time.", "Try again, or ask for a shorter answer.", status=504, code="upstream_timeout")


def _garbage(what: str) -> UpstreamError:
    return UpstreamError(f"The model provider's answer cannot be understood: {what}.", code="upstream_garbage")
