"""The templates that ship with the platform."""

from __future__ import annotations

import hashlib
import string
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

Language = Literal["ko", "en"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A template as it stands. `digest` is SHA-256 of its text and goes into every answer's provenance."""

    name: str
    language: Language
    text: str
    digest: bytes


@cache
def load_prompt(name: str, language: Language) -> Prompt:
    """A template in a language.

    Raises:
        FileNotFoundError: when there is none of that name.
    """
    text = (resources.files("ondol.application.prompts") / "templates" / f"{name}.{language}.txt").read_text("utf-8")
    return Prompt(name, language, text, hashlib.sha256(text.encode()).digest())


def render_prompt(prompt: Prompt, **values: str) -> str:
    """The template with its `$names` filled in. Values are inserted as they are and never looked at for names again.

    Raises:
        KeyError: when a name has no value.
    """
    return string.Template(prompt.text).substitute(values)
