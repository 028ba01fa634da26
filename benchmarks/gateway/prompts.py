"""What is asked: real sentences in Korean and English, no two requests of one run alike."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from typing import Final

from benchmarks.data import data_folder
from benchmarks.guard.speed import prompts as sentences

CHARACTERS: Final = 200
HALVES: Final = 600
"""Halves of prompts in all; each pair of two in one language makes another prompt."""


@dataclass(frozen=True, slots=True)
class Halves:
    """First and second halves of prompts; any first may stand before any second of its language."""

    korean: tuple[list[str], list[str]]
    english: tuple[list[str], list[str]]

    def prompt(self, number: int) -> str:
        """The prompt of a number; languages take turns."""
        firsts, seconds = self.korean if number % 2 else self.english
        place = number // 2
        return f"{firsts[place % len(firsts)]} {seconds[(place // len(firsts)) % len(seconds)]}"


@dataclass(frozen=True, slots=True)
class Shape:
    """One request of the Azure LLM inference trace: characters asked and tokens answered."""

    characters: int
    output_tokens: int


def read_halves() -> Halves:
    """The halves of all prompts, from KorQuAD, GSM8K and WildGuard.

    Raises:
        DataAbsent: when the public data is not on this machine.
    """
    firsts, seconds = sentences(CHARACTERS // 2 - 1, HALVES, seed=11), sentences(CHARACTERS // 2, HALVES, seed=12)
    return Halves((_in_korean(firsts, True), _in_korean(seconds, True)), (_in_korean(firsts, False), _in_korean(seconds, False)))


def read_shapes(count: int, characters_max: int, tokens_max: int) -> list[Shape]:
    """Shapes of requests of the conversation trace, in its order, cut to what one request may be here.

    Raises:
        DataAbsent: when the public data is not on this machine.
    """
    file = data_folder("azure-llm-trace") / "data" / "AzureLLMInferenceTrace_conv.csv"
    with file.open(encoding="utf-8", newline="") as lines:
        rows = [(int(row["ContextTokens"]), int(row["GeneratedTokens"])) for row in csv.DictReader(lines)]
    chosen = rows[:: max(1, len(rows) // count)][:count]
    return [Shape(min(asked * 4, characters_max), max(1, min(answered, tokens_max))) for asked, answered in chosen]


def body_of(model: str, prompt: str, *, stream: bool = False, max_tokens: int = 0) -> bytes:
    """A chat request."""
    tree: dict[str, object] = {"model": model, "messages": [{"role": "user", "content": prompt}]}
    if stream:
        tree |= {"stream": True, "stream_options": {"include_usage": True}}
    if max_tokens:
        tree["max_tokens"] = max_tokens
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":")).encode()


def _in_korean(texts: list[str], wanted: bool) -> list[str]:
    return [text for text in texts if any("가" <= character <= "힣" for character in text) is wanted]
