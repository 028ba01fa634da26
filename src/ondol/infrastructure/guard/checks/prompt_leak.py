"""An answer that repeats a long part of its system prompt."""

from __future__ import annotations

from collections.abc import Sequence

from ondol.infrastructure.guard.checks.shingles import ShingleIndex, long_runs
from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.types import WHOLE_TEXT, Finding

WORDS_MIN = 12
GRAM_CHARACTERS = 12


def prepare_prompts(prompts: Sequence[str], *, key: bytes) -> ShingleIndex:
    """System prompts as `PromptLeakCheck` takes them; `expects.py` keeps what was prepared."""
    return ShingleIndex.build(prompts, key=key, size=GRAM_CHARACTERS)


class PromptLeakCheck:
    """Finds runs of at least `WORDS_MIN` words of the prompt; without a prompt it finds nothing."""

    name = "prompt_leak"
    reach: int | None = WHOLE_TEXT

    def __init__(self, prompt: ShingleIndex | None = None) -> None:
        self._prompt = prompt

    def find(self, text: GuardText) -> Sequence[Finding]:
        """The runs, by where they begin."""
        if self._prompt is None:
            return []
        runs = long_runs(text, self._prompt, WORDS_MIN)
        return [Finding(self.name, "prompt_leak.run", start, end, 0.9, "run of words of the prompt") for start, end in runs]
