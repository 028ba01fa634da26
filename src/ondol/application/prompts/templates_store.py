"""The templates that ship with the platform: the same form as those that people keep in the database."""

from __future__ import annotations

from functools import cache
from importlib import resources

from ondol.application.prompts.types import Language, Prompt, parse_prompt

__all__ = ["Language", "built_in_names", "load_prompt"]


@cache
def built_in_names() -> frozenset[str]:
    """The names of all that there are."""
    folder = resources.files("ondol.application.prompts") / "templates"
    return frozenset(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))


@cache
def load_prompt(name: str) -> Prompt:
    """A template that ships with the platform.

    Raises:
        FileNotFoundError: when there is none of that name.
    """
    text = (resources.files("ondol.application.prompts") / "templates" / f"{name}.yaml").read_text("utf-8")
    body = parse_prompt(text)
    return Prompt(name, None, body, body.digest)
