"""Requests whose bodies or answers are no JSON: speech, which is answered in sound, and transcriptions, which are uploads.

They are governed as all others are; what is text in them goes through the guard, and sound passes as it is.
"""

from __future__ import annotations

from functools import partial

from ondol.core.errors import RequestError, UpstreamError
from ondol.infrastructure.gateway.beat import Beat
from ondol.infrastructure.gateway.door import Caller, Door
from ondol.infrastructure.gateway.errors import ContentRefused, answer_to
from ondol.infrastructure.gateway.exchange import Exchange
from ondol.infrastructure.gateway.multipart import read_multipart
from ondol.infrastructure.gateway.pipeline import ANSWER_LONG_BYTES, Pipeline
from ondol.infrastructure.gateway.request_head import TOKEN_BYTES
from ondol.infrastructure.gateway.shapes.base import Asked, Told, no_assistant
from ondol.infrastructure.gateway.shapes.body import answer_object, json_object
from ondol.infrastructure.gateway.shapes.letting import Letting
from ondol.infrastructure.gateway.shapes.speech import measure, read_speech, sound_events
from ondol.infrastructure.gateway.shapes.sse import DONE, event
from ondol.infrastructure.gateway.shapes.transcriptions import PLAIN_FORMATS, TRANSCRIPTIONS, let_plain, read_transcriptions, told_ms
from ondol.infrastructure.gateway.tally import Tally
from ondol.infrastructure.serving.directory import ModelCard
from ondol.infrastructure.serving.prices import Quantities
from ondol.infrastructure.serving.tokens import TokenEstimate
from ondol.infrastructure.serving.types import UpstreamAnswer, Usage

UPLOAD_BYTES_MAX = 26 << 20
"""OpenAI takes files of 25 MB."""

CONTENT_TYPE_BYTES_MAX = 100
_OF_TYPES = TOKEN_BYTES + b"/;= "
_SOUND_TYPES = (b"audio/", b"application/octet-stream")


class Passthrough:
    """Serves what is no JSON.

    Args:
        pipeline: what all requests have in common.
    """

    def __init__(self, door: Door, pipeline: Pipeline) -> None:
        self._door = door
        self._pipeline = pipeline

    async def speech(self, exchange: Exchange) -> None:
        """Answer ``POST /v1/audio/speech``."""
        await self._pipeline.attend(exchange, answer_to, partial(self._speech, exchange))

    async def transcriptions(self, exchange: Exchange) -> None:
        """Answer ``POST /v1/audio/transcriptions``."""
        await self._pipeline.attend(exchange, answer_to, partial(self._transcriptions, exchange))

    async def _speech(self, exchange: Exchange, caller: Caller) -> None:
        body = await self._pipeline.body(exchange, caller)
        asked = read_speech(json_object(body))
        await self._pipeline.govern(exchange, caller, asked, len(body), partial(self._speak, exchange))

    async def _transcriptions(self, exchange: Exchange, caller: Caller) -> None:
        body = await self._pipeline.body(exchange, caller, UPLOAD_BYTES_MAX)
        asked = read_transcriptions(read_multipart(exchange.header(b"content-type"), body))
        del body  # the file is a view of it
        fields = sum(len(spot.text.encode()) for spot in asked.spots)
        await self._pipeline.govern(exchange, caller, asked, fields, partial(self._transcribe, exchange))

    async def _asked(self, exchange: Exchange, tally: Tally) -> tuple[UpstreamAnswer, Asked]:
        """Guard what is asked and ask a target.

        Raises:
            ContentRefused: the policy does not let it pass.
        """
        asked = tally.asked
        if not isinstance(tally.card, ModelCard):
            no_assistant(asked, exchange.id)
            raise RequestError("No model answers this.", param="model")  # `no_assistant` raised before
        read = await self._pipeline.read(exchange, tally)
        if not read.passes:
            tally.close(400, "refused", Usage(0, 0))
            raise ContentRefused(read.reply)
        asked.rewrite(read.texts)
        if asked.operation == "speech":
            measure(asked)
        answer, _ = await self._pipeline.open(exchange, asked, tally.card, (), tally)
        return answer, asked

    async def _speak(self, exchange: Exchange, tally: Tally) -> None:
        answer, _ = await self._asked(exchange, tally)
        try:
            if answer.frames is not None:
                await self._speak_events(exchange, answer, tally)
                return
            await self._speak_sound(exchange, answer, tally)
        finally:
            answer.cancel()

    async def _speak_sound(self, exchange: Exchange, answer: UpstreamAnswer, tally: Tally) -> None:
        """Let sound out as it comes. What it costs is known before it begins, for what is spoken is: whoever leaves early pays for all of it."""
        assert answer.pieces is not None  # noqa: S101 - asked for as no stream of events
        content_type = next((value for name, value in answer.headers if name == b"content-type"), b"application/octet-stream")
        if not content_type.lower().startswith(_SOUND_TYPES) or len(content_type) > CONTENT_TYPE_BYTES_MAX or content_type.translate(None, _OF_TYPES):
            raise UpstreamError("The model provider's answer cannot be understood: it is no sound.", code="upstream_garbage")
        tally.first_token()
        tally.streams = True
        tally.usage = Usage(tally.input_tokens, tally.asked.output_tokens_max or 0, estimated=True)
        usage = tally.settled(TokenEstimate())
        exchange.open(200, [(b"content-type", content_type), *tally.headers(usage)], answer.length)
        sent = 0
        async for piece in answer.pieces:
            sent += len(piece)
            if sent == answer.length:  # this is the last byte; where no length was told, the end that follows is
                tally.close(200, "answered", usage)
            await exchange.write(piece)
        tally.close(200, "answered", usage)
        exchange.end()

    async def _speak_events(self, exchange: Exchange, answer: UpstreamAnswer, tally: Tally) -> None:
        assert answer.frames is not None  # noqa: S101 - asked before
        usage: Usage | None = None
        ended = False
        beat = Beat(exchange, self._door.keep_alive_s)
        try:
            async for batch in answer.frames:
                going, told, is_end = sound_events(batch)
                usage, ended = told or usage, ended or is_end
                tally.first_token()
                if not exchange.streaming:  # a comment may have opened it
                    exchange.open_stream(tally.headers(None))
                if going:
                    beat.written = True
                    await exchange.write(b"".join(map(event, going)))
        finally:
            beat.stop()
        if not ended:
            raise UpstreamError("The answer broke off.", "Try again.", code="upstream_cut_off")
        tally.usage = usage or Usage(tally.input_tokens, tally.asked.output_tokens_max or 0, estimated=True)
        counted = tally.settled(TokenEstimate())
        done = {"type": "speech.audio.done", "usage": _told(counted)}
        extension = tally.extension(counted)
        tally.close(200, "answered", counted)
        await exchange.write(event({**done, "ondol": extension} if extension else done) + DONE)
        exchange.end()

    async def _transcribe(self, exchange: Exchange, tally: Tally) -> None:
        answer, asked = await self._asked(exchange, tally)
        try:
            assert tally.conversation is not None  # noqa: S101 - the guard read the request
            told = Told(TRANSCRIPTIONS.answer_id(exchange.id), asked.model, int(self._door.now().timestamp()))
            letting = Letting(tally.conversation)
            if tally.keeps:
                letting.pieces = []
            if answer.frames is not None:
                await self._pipeline.stream(exchange, TRANSCRIPTIONS, asked, told, letting, answer.frames, tally)
            elif asked.body.get("response_format") in PLAIN_FORMATS:
                await self._plain(exchange, answer, letting, tally)
            else:
                whole = answer_object(answer.body or b"")
                length_ms = told_ms(whole)
                if length_ms is not None:
                    asked.quantities = Quantities(milliseconds=length_ms)
                await self._pipeline.whole(exchange, TRANSCRIPTIONS, asked, told, letting, whole, tally)
        finally:
            answer.cancel()

    async def _plain(self, exchange: Exchange, answer: UpstreamAnswer, letting: Letting, tally: Tally) -> None:
        form = str(tally.asked.body["response_format"])
        tally.first_token()
        tally.counting = letting.estimate
        told = answer.body or b""
        is_long = len(told) > ANSWER_LONG_BYTES
        body = await self._pipeline.work(tally, let_plain, told, form, letting) if is_long else let_plain(told, form, letting)
        usage = tally.settled(letting.estimate)
        tally.close(200, "answered", usage)
        if tally.keeps:
            tally.keep(body.decode())
        exchange.answer(200, body, tally.headers(usage), b"text/vtt; charset=utf-8" if form == "vtt" else b"text/plain; charset=utf-8")


def _told(usage: Usage) -> dict[str, int]:
    return {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
    }
