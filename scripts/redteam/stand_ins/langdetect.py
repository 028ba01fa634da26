"""Takes the place of a package that has no wheel: garak imports it, and asks it about texts only where prompts are translated, which ours are not."""

from __future__ import annotations


class LangDetectException(Exception):  # the name that garak catches
    """Nothing can be said about the language of a text."""


class DetectorFactory:
    """Where the real package keeps its seed."""

    seed = 0


def detect(text: str) -> str:
    """Say nothing.

    Raises:
        LangDetectException: always.
    """
    raise LangDetectException(f"no language is told of {len(text)} characters")
