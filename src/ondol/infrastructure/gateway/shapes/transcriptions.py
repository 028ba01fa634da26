"""OpenAI's transcriptions: the hint that goes with the sound is guarded, and so is the text that comes back, whole, in pieces or as subtitles."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from ondol.core.errors import RequestError, UpstreamError
from ondol.infrastructure.gateway.errors import answer_to
from ondol.infrastructure.gateway.multipart import File
from ondol.infrastructure.gateway.shapes.base import Asked, Json, Shape, Spot, Told
from ondol.infrastructure.gateway.shapes.body import check_model
from ondol.infrastructure.gateway.shapes.fields import add_rest
from ondol.infrastructure.gateway.shapes.letting import CONTENT, Letting, TextOut
from ondol.infrastructure.gateway.shapes.logprobs import Faithful, Waiting
from ondol.infrastructure.gateway.shapes.responses import responses_usage
from ondol.infrastructure.gateway.shapes.sse import DONE, event
from ondol.infrastructure.gateway.shapes.words import figures, is_mark
from ondol.infrastructure.serving.prices import Quantities
from ondol.infrastructure.serving.types import Frame, Usage

FORMATS = ("json", "text", "srt", "verbose_json", "vtt", "diarized_json")
PLAIN_FORMATS = frozenset({"text", "srt", "vtt"})
"""Those that are no JSON."""
MILLISECONDS_PER_BYTE = 1
"""Of sound whose length nobody told: 8 kbit/s, the least that speech is sent in."""
TOKENS_PER_SECOND = 10
SEGMENTS_MAX = 100_000

_SEGMENT_FIELDS = ("id", "seek", "start", "end", "speaker", "type", "tokens", "temperature", "avg_logprob", "compression_ratio", "no_speech_prob")
_NUMBERS = ("id", "start", "end")
_FIELDS = ("task", "language", "duration")
_READ = frozenset({"model", "file", "prompt", "known_speaker_names[]", "known_speaker_references[]", "response_format", "temperature", "stream"})
"""Fields that are read elsewhere or hold no text."""
_REPEATED = frozenset({"timestamp_granularities[]", "include[]", "known_speaker_names[]", "known_speaker_references[]"})


def read_transcriptions(parts: Sequence[tuple[str, str | File]]) -> Asked:
    """Understand an upload.

    Raises:
        RequestError: with `param` set to the offending field.
    """
    body = _fields(parts)
    file = body.get("file")
    for name, kind in (("model", str), ("file", File)):
        if not isinstance(body.get(name), kind):
            raise RequestError(f"`{name}` is missing.", param=name, code="missing_field")
    told = body.get("response_format") or "json"
    if told not in FORMATS:
        raise RequestError(f"`response_format` is not one of {', '.join(FORMATS)}.", param="response_format", code="invalid_value")
    asked = Asked("transcriptions", check_model(body["model"]), body, [])
    if isinstance(body.get("prompt"), str) and body["prompt"]:
        asked.spots.append(Spot("user", body["prompt"], body, "prompt"))
    names = body.get("known_speaker_names[]", [])
    asked.spots += [Spot("user", str(text), names, place) for place, text in enumerate(names)]
    add_rest(asked, body, _READ)
    asked.independent = True
    asked.stream = str(body.get("stream")).lower() in ("true", "1")
    if asked.stream and told in PLAIN_FORMATS:
        raise RequestError("A stream is of JSON.", "Leave `response_format` out.", param="response_format", code="unsupported_value")
    if "temperature" in body:
        body["temperature"] = _number(body["temperature"])
    assert isinstance(file, File)  # noqa: S101 - looked at above
    length_ms = sound_ms(file.data)
    asked.quantities = Quantities(milliseconds=length_ms)
    asked.media_tokens = length_ms * TOKENS_PER_SECOND // 1_000 + 1
    return asked


def _fields(parts: Sequence[tuple[str, str | File]]) -> Json:
    body: Json = {}
    for name, value in parts:
        if isinstance(value, File) and name != "file":  # some servers take a file for the text of a field, which nobody would have read
            raise RequestError(f"`{name}` is a file.", "Send it as a field.", param=name, code="invalid_value")
        if name in _REPEATED:
            body.setdefault(name, []).append(value)
        elif name in body:
            raise RequestError(f"`{name}` is told twice.", "Send it once.", param=name, code="invalid_value")
        else:
            body[name] = value
    return body


def _number(told: Any) -> float:
    try:
        return float(told)
    except (TypeError, ValueError):
        raise RequestError("`temperature` is no number.", param="temperature", code="invalid_value") from None


def sound_ms(data: memoryview) -> int:
    """How long a sound is at most, in milliseconds: exactly for a WAV file of plain samples."""
    head = bytes(data[:36])
    if len(head) == 36 and head[:4] == b"RIFF" and head[8:16] == b"WAVEfmt " and head[20:22] == b"\x01\x00":
        rate = int.from_bytes(head[24:28], "little") * int.from_bytes(head[32:34], "little")
        if rate:
            return len(data) * 1_000 // rate + 1
    return len(data) * MILLISECONDS_PER_BYTE


def told_ms(answer: Json) -> int | None:
    """How long the sound was, by the provider's own word; None when it said nothing."""
    usage = answer.get("usage")
    told = usage.get("seconds") if isinstance(usage, dict) and usage.get("type") == "duration" else answer.get("duration")
    try:
        seconds = float(told) if isinstance(told, int | float | str) else -1.0
    except (ValueError, OverflowError):
        return None
    return round(seconds * 1_000) if 0 <= seconds < 10**7 else None


def transcriptions_id(request_id: uuid.UUID) -> str:
    """The request's id: answers of this shape have none of their own."""
    return str(request_id)


def let_transcript(answer: Json, _told: Told, letting: Letting) -> None:
    """Let a whole transcript out through the guard, in place.

    Raises:
        UpstreamError: when it is not of the shape.
    """
    text = answer.get("text")
    if not isinstance(text, str):
        raise _garbage("no text")
    texts = letting.choice(0)
    out = texts.whole(CONTENT, text)
    changed = out.changed or out.withheld
    let: Json = {name: answer[name] for name in _FIELDS if isinstance(answer.get(name), int | float) or is_mark(answer.get(name))}
    let["text"] = out.text
    segments = answer.get("segments")
    if isinstance(segments, list):
        let["segments"] = [] if out.withheld else _let_segments(segments, texts)
        changed = changed or texts.changed
    words = answer.get("words")
    if isinstance(words, list):
        let["words"] = [] if changed else _let_words(words, texts)
    if isinstance(answer.get("logprobs"), list) and not changed and not texts.changed:
        told = answer["logprobs"]
        spelled = "".join(str(item.get("token", "")) for item in told if isinstance(item, dict))
        let["logprobs"] = told if spelled == text else None
    if isinstance(answer.get("usage"), dict):
        let["usage"] = figures(answer["usage"])
    if isinstance(answer.get("ondol"), dict):
        let["ondol"] = answer["ondol"]
    answer.clear()
    answer.update(let)


def _let_segments(segments: list[Any], texts: TextOut) -> list[Json]:
    """Segments as they may be, each with its times; one for all when what must not go out lies across their borders."""
    if len(segments) > SEGMENTS_MAX or not all(isinstance(item, dict) and isinstance(item.get("text"), str) for item in segments):
        raise _garbage("a segment without text")
    written = [item["text"] for item in segments]
    let = let_pieces(written, texts, "")
    if let == written:
        return [
            {**{name: item[name] for name in _SEGMENT_FIELDS if name in item and _is_plain(item[name])}, "text": item["text"]} for item in segments
        ]
    if len(let) == len(segments):
        return [{**_times(item), "text": text} for item, text in zip(segments, let, strict=True)]
    return [{**_times(segments[0]), "end": _times(segments[-1]).get("end"), "text": let[0]}]


def _times(item: Json) -> Json:
    return {name: item[name] for name in _NUMBERS if isinstance(item.get(name), int | float)}


def _is_plain(value: Any) -> bool:
    return (
        isinstance(value, int | float)
        or (isinstance(value, list) and all(type(each) is int for each in value))
        or value is None
        or (isinstance(value, str) and len(value) <= 32)
    )


def _let_words(words: list[Any], texts: TextOut) -> list[Json]:
    if len(words) > SEGMENTS_MAX or not all(isinstance(item, dict) and isinstance(item.get("word"), str) for item in words):
        raise _garbage("a word without text")
    written = [item["word"] for item in words]
    if not written or let_pieces(written, texts, " ") != written:
        return []
    return [{"word": item["word"], **_times(item)} for item in words]


def let_pieces(pieces: list[str], texts: TextOut, between: str) -> list[str]:
    """Pieces of one text as they may go out: themselves, each changed on its own, or all as one when what is found lies across them.

    Args:
        between: what stands between two of them.
    """
    if not pieces:
        return pieces
    whole = texts.whole("pieces", between.join(pieces))
    if not whole.changed and not whole.withheld:
        return pieces
    if not whole.withheld:
        each = [texts.whole("piece", piece) for piece in pieces]
        if not any(out.withheld for out in each):
            again = texts.whole("pieces", between.join(out.text for out in each))
            if not again.changed and not again.withheld:
                return [out.text for out in each]
    return [whole.text]


def let_plain(body: bytes, form: str, letting: Letting) -> bytes:
    """Let a transcript out that is no JSON: text or subtitles, whose times stay where they can.

    Raises:
        UpstreamError: when it is no text.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise _garbage("it is no UTF-8") from None
    texts = letting.choice(0)
    if form == "text":
        return texts.whole(CONTENT, text).text.encode()
    cues = _cues(text.replace("\r\n", "\n"))
    written = [said for _, said in cues]
    let = let_pieces(written, texts, "\n")
    head = "WEBVTT\n\n" if form == "vtt" else ""
    if len(let) == len(cues):
        return (head + "".join(_cue(place, times, said, form) for place, ((times, _), said) in enumerate(zip(cues, let, strict=True), 1))).encode()
    times = f"{cues[0][0].partition(' --> ')[0]} --> {cues[-1][0].partition(' --> ')[2]}"
    return (head + _cue(1, times, let[0], form)).encode()


def _cue(place: int, times: str, said: str, form: str) -> str:
    number = f"{place}\n" if form == "srt" else ""
    return f"{number}{times}\n{said}\n\n"


def _cues(text: str) -> list[tuple[str, str]]:
    """Times and words of subtitles. Other blocks, such as notes and styles, do not go out."""
    found: list[tuple[str, str]] = []
    for block in text.split("\n\n"):
        lines = block.strip("\n").split("\n")
        place = next((place for place, line in enumerate(lines[:2]) if _is_times(line)), None)
        if place is not None:
            begin, _, end = lines[place].partition(" --> ")
            found.append((f"{begin.strip()} --> {end.split()[0]}", "\n".join(lines[place + 1 :])))
    return found


def _is_times(line: str) -> bool:
    begin, arrow, end = line.partition(" --> ")
    ends = end.split()
    return bool(arrow and ends) and not (begin.strip() + ends[0]).strip("0123456789:.,")


def usage_of_transcript(answer: Json) -> Usage | None:
    """The usage of a whole answer, where it is told in tokens."""
    return responses_usage(answer.get("usage"))


def put_transcript_usage(_answer: Json, _usage: Usage) -> None:
    """Nothing: the provider's own words stand, where it had any."""


def text_of_transcript(answer: Json) -> str:
    """What people read of a whole answer."""
    return str(answer.get("text") or "")


class TranscriptStream:
    """Writes a streamed transcript; a `StreamWriter`. Segments are not sent: their words are in the pieces."""

    def __init__(self, asked: Asked, letting: Letting) -> None:
        self._rested = False
        self.usage: Usage | None = None
        self._asked = asked
        self._texts = letting.choice(0)
        self._faithful = Faithful()
        self._logprobs = Waiting(self._faithful)
        self._sent: list[str] = []
        self._done: Json | None = None

    @property
    def stopped(self) -> bool:
        """The guard ended the text."""
        return self._texts.stopped

    @property
    def finished(self) -> bool:
        """The upstream told the whole text."""
        return self._done is not None

    def take(self, frames: Sequence[Frame]) -> bytes:
        """What of these frames goes out now."""
        return b"".join([self._take(frame.data) for frame in frames if not self.stopped and self._done is None])

    def rest(self) -> bytes:
        """What is held back of the text."""
        if self._rested:
            return b""
        self._rested = True
        rest = self._texts.finish(CONTENT)
        return self._send(rest) if rest else b""

    def finish(self, usage: Usage, extension: Json) -> bytes:
        """The rest, the whole text once more, and the end mark."""
        out = self.rest()
        told = (self._done or {}).get("usage")
        done: Json = {"type": "transcript.text.done", "text": "".join(self._sent)}
        if isinstance(told, dict):
            done["usage"] = figures(told)
        return b"".join((out, event({**done, "ondol": extension} if extension else done), DONE))

    def _take(self, data: Json) -> bytes:
        match data.get("type"):
            case "transcript.text.delta":
                return self._piece(data.get("delta"), data.get("logprobs"))
            case "transcript.text.done":
                return self._end(data)
            case "error":
                raise UpstreamError("The model provider failed in the middle of its answer.", "Try again.", code="upstream_failed")
        return b""

    def _piece(self, piece: Any, logprobs: Any) -> bytes:
        if not isinstance(piece, str):
            raise _garbage("a piece without text")
        self._faithful.wrote(piece)
        if isinstance(logprobs, list):
            self._logprobs.add(piece, [(str(item.get("token", "")), item) for item in logprobs if isinstance(item, dict)])
        return self._send(self._texts.push(CONTENT, piece)) if piece else b""

    def _end(self, data: Json) -> bytes:
        text = data.get("text")
        if not isinstance(text, str):
            raise _garbage("an end without the text")
        self._done = data
        self.usage = responses_usage(data.get("usage"))
        length_ms = told_ms(data)
        if length_ms is not None:
            self._asked.quantities = Quantities(milliseconds=length_ms)
        return b"" if self._faithful.written else self._piece(text, None)

    def _send(self, text: str) -> bytes:
        self._faithful.went(text)
        going = self._logprobs.going(is_whole=False)
        if not text:
            return b""
        self._sent.append(text)
        delta: Json = {"type": "transcript.text.delta", "delta": text}
        return event({**delta, "logprobs": going} if going else delta)


def _garbage(what: str) -> UpstreamError:
    return UpstreamError(f"The model provider's answer cannot be understood: {what}.", code="upstream_garbage")


def _stream(asked: Asked, _told: Told, letting: Letting) -> TranscriptStream:
    return TranscriptStream(asked, letting)


def _read(_body: Json) -> Asked:
    raise RequestError("The request is no upload.", "Send it as multipart/form-data.", code="invalid_content_type")


TRANSCRIPTIONS = Shape(
    operation="transcriptions",
    read=_read,
    answer_id=transcriptions_id,
    let=let_transcript,
    stream=_stream,
    usage=usage_of_transcript,
    put_usage=put_transcript_usage,
    text_of=text_of_transcript,
    error=answer_to,
)
"""OpenAI's ``POST /v1/audio/transcriptions``."""
