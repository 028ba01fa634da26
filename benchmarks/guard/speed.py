"""How long the whole input policy takes, and each event of a guarded stream."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import quantiles
from typing import Final, Literal, TypeAlias

from benchmarks.data import data_folder, read_korquad
from ondol.infrastructure.guard.actions import Marks
from ondol.infrastructure.guard.engine import StageGuard
from ondol.infrastructure.guard.stream import StreamGuard

KEY = bytes(32)
Kind: TypeAlias = Literal["ordinary", "dense"]
ORDINARY: Final = "ordinary"
DENSE: Final = "dense"
IDENTIFIERS = (
    "제 전화번호는 010-2345-6789입니다.",
    "메일은 gildong.hong@example.com 으로 보내 주세요.",
    "My card is 4111 1111 1111 1111, please refund it.",
    "Call me at +82 10-2345-6789 after six.",
)
Presidio: TypeAlias = Callable[[Sequence[str]], float]
"""Texts to the seconds that Presidio takes for them."""

SHORT_CHARACTERS, LONG_CHARACTERS = 1_000, 30_000
EVENT_CHARACTERS = 4
"""About what a token holds."""


@dataclass(frozen=True, slots=True)
class StreamSpeed:
    """What guarding a stream costs.

    Attributes:
        us_per_event: microseconds for each event.
        delay_mean, delay_max: how far what goes out stays behind what came in, in characters.
    """

    us_per_event: float
    delay_mean: float
    delay_max: int


@dataclass(frozen=True, slots=True)
class Speed:
    """Durations of one thing.

    Attributes:
        p50_ms, p99_ms: milliseconds of one core.
    """

    name: str
    count: int
    p50_ms: float
    p99_ms: float


def prompts(characters: int, count: int, kind: Kind = ORDINARY, seed: int = 5) -> list[str]:
    """Texts of exactly so many characters, half Korean, half English.

    Ordinary ones are questions and paragraphs, one in ten with a line that holds an identifier; dense ones are forms with an identifier in every
    other line (ko-pii's documents).
    """
    draw = random.Random(seed)  # noqa: S311 - a sample, not a secret
    korean = [question for question, _ in read_korquad().questions] + read_korquad().paragraphs[:200]
    english = [json.loads(line)["question"] for line in _lines("gsm8k", "*test*.jsonl")] + _wildguard()
    forms = [json.loads(line)["text"] for line in _lines("ko-pii", "generated_eval.jsonl")]
    texts = []
    for number in range(count):
        source = forms if kind == DENSE else (korean, english)[number % 2]
        text = f"{draw.choice(IDENTIFIERS)}\n" if kind == ORDINARY and number % 10 == 9 else ""
        while len(text) < characters:
            text += draw.choice(source) + "\n"
        texts.append(text[:characters])
    return texts


def input_speed(guard: StageGuard, characters: int, count: int, rounds: int, kind: Kind = ORDINARY) -> Speed:
    """The whole input policy on prompts of one length: found, decided and edited, with nothing kept from one text to the next."""
    texts = prompts(characters, count, kind)
    for text in texts[:20]:
        guard.inspect(text, Marks(KEY))
    times: list[float] = []
    for _ in range(rounds):
        for text in texts:
            begin = time.perf_counter()
            guard.inspect(text, Marks(KEY))
            times.append(time.perf_counter() - begin)
    cut = quantiles(times, n=100)
    return Speed(f"{characters:,} characters", len(times), cut[49] * 1000, cut[98] * 1000)


def stream_speed(guard: StageGuard, answers: int) -> StreamSpeed:
    """Streamed answers of 4,000 characters in events of `EVENT_CHARACTERS`, their ends included."""
    spent = 0.0
    events = 0
    delays: list[int] = []
    for text in prompts(4_000, answers, seed=6):
        stream = StreamGuard(guard, Marks(KEY))
        pieces = [text[place : place + EVENT_CHARACTERS] for place in range(0, len(text), EVENT_CHARACTERS)]
        out: list[str] = []
        begin = time.perf_counter()
        for piece in pieces:
            out.append(stream.push(piece))
        stream.finish()
        spent += time.perf_counter() - begin
        events += len(pieces)
        received = sent = 0
        for piece, let_out in zip(pieces, out, strict=True):
            received, sent = received + len(piece), sent + len(let_out)
            delays.append(received - sent)
    return StreamSpeed(spent / events * 1e6, sum(delays) / len(delays), max(delays))


def ratio_to_presidio(presidio: Presidio, guard: StageGuard, texts: Sequence[str]) -> float:
    """How many times faster our identifiers are than Presidio's own recognisers, without names on either side, on the same texts."""
    return characters_per_second(guard, texts, rounds=3) / (sum(map(len, texts)) / presidio(texts))


def characters_per_second(guard: StageGuard, texts: Sequence[str], rounds: int = 1) -> float:
    """Throughput of one core."""
    begin = time.perf_counter()
    for _ in range(rounds):
        for text in texts:
            guard.inspect(text, Marks(KEY))
    return rounds * sum(map(len, texts)) / (time.perf_counter() - begin)


def _lines(name: str, pattern: str) -> list[str]:
    file = next(iter(sorted(data_folder(name).rglob(pattern))))
    return [line for line in file.read_text("utf-8").splitlines() if line.strip()]


def _wildguard() -> list[str]:
    file = data_folder("notinject") / "datasets" / "wildguard.json"
    return [item["prompt"] for item in json.loads(file.read_text("utf-8"))]
