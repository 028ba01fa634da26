"""How long the whole input policy takes, and each event of a guarded stream."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles

from benchmarks.data import data_folder, read_korquad
from ondol.infrastructure.guard.actions import Marks
from ondol.infrastructure.guard.engine import StageGuard
from ondol.infrastructure.guard.stream import StreamGuard

KEY = bytes(32)
SHORT_CHARACTERS, LONG_CHARACTERS = 1_000, 30_000
EVENT_CHARACTERS = 4
"""About what a token holds."""


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


def prompts(characters: int, count: int, seed: int = 5) -> list[str]:
    """Ordinary and less ordinary prompts of exactly so many characters, half Korean, half English: one in ten is dense with personal data."""
    draw = random.Random(seed)  # noqa: S311 - a sample, not a secret
    korean = [question for question, _ in read_korquad().questions] + read_korquad().paragraphs[:200]
    english = [json.loads(line)["question"] for line in _lines("gsm8k", "*.jsonl")[:2000]] + _wildguard()
    dense = [json.loads(line)["text"] for line in _lines("ko-pii", "generated_eval.jsonl")]
    texts = []
    for number in range(count):
        source = dense if number % 10 == 9 else (korean, english)[number % 2]
        text = ""
        while len(text) < characters:
            text += draw.choice(source) + "\n"
        texts.append(text[:characters])
    return texts


def input_speed(guard: StageGuard, characters: int, count: int, rounds: int) -> Speed:
    """The whole input policy on prompts of one length: found, decided and edited, with nothing kept from one text to the next."""
    texts = prompts(characters, count)
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


def stream_us_per_event(guard: StageGuard, answers: int = 40) -> tuple[float, int]:
    """Microseconds of the guard for each event of a streamed answer of 4,000 characters, its end included, and how many characters it holds back at most."""
    texts = prompts(4_000, answers, seed=6)
    spent = 0.0
    events = 0
    delay = 0
    for text in texts:
        stream = StreamGuard(guard, Marks(KEY))
        delay = stream.delay_characters
        pieces = [text[place : place + EVENT_CHARACTERS] for place in range(0, len(text), EVENT_CHARACTERS)]
        begin = time.perf_counter()
        for piece in pieces:
            stream.push(piece)
        stream.finish()
        spent += time.perf_counter() - begin
        events += len(pieces)
    return spent / events * 1e6, delay


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


