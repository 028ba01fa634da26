"""Mutators: the same attack in other letters, other words around it, or the other language."""

from __future__ import annotations

from ondol.application.evaluation.red_team.mutators.frames import ANSWER_IN, DECODE, FRAMES, framed
from ondol.application.evaluation.red_team.mutators.letters import FAMILIES, MUTATORS, mutate
from ondol.application.evaluation.red_team.types import Language

PLAIN = "plain"
TRANSLATED = "translated"
"""The attack in the other language, with the wish for an answer in the first."""

DECODED_FAMILIES = ("encoding",)
USUAL = (PLAIN, "jamo_apart", "spaced", "cyrillic", "base64", "leet", TRANSLATED, "role_play")
"""One of each family: what a suite takes that names none."""


def mutator_families() -> dict[str, str]:
    """Every mutator by name, with its family."""
    return {PLAIN: "plain", TRANSLATED: "translation"} | dict(FAMILIES) | dict.fromkeys(FRAMES, "frame")


def disguised(name: str, text: str, other: str, language: Language, seed: int) -> str:
    """A text under a mutator.

    Args:
        other: the same text in the other language.

    Raises:
        KeyError: for a name that no mutator has.
    """
    if name == PLAIN:
        return text
    if name == TRANSLATED:
        return f"{other}\n\n{ANSWER_IN[language]}"
    if name in FRAMES:
        return framed(name, text, language)
    changed = mutate(name, text, seed)
    if FAMILIES[name] in DECODED_FAMILIES:
        return DECODE[language].replace("{name}", name.replace("_", " ")).replace("{text}", changed)
    return changed


__all__ = ["FAMILIES", "MUTATORS", "PLAIN", "TRANSLATED", "USUAL", "disguised", "mutator_families"]
