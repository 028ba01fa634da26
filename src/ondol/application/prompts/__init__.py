"""Prompt templates: role, goal, constraints, output format and examples, kept on the server, in versions that never change."""

from ondol.application.prompts.render import Value, render_prompt
from ondol.application.prompts.templates_store import built_in_names, load_prompt
from ondol.application.prompts.types import (
    Language,
    Prompt,
    PromptBody,
    PromptError,
    parse_prompt,
    plain_prompt,
    prompt_body,
    prompt_diff,
    prompt_yaml,
)

__all__ = [
    "Language",
    "Prompt",
    "PromptBody",
    "PromptError",
    "Value",
    "built_in_names",
    "load_prompt",
    "parse_prompt",
    "plain_prompt",
    "prompt_body",
    "prompt_diff",
    "prompt_yaml",
    "render_prompt",
]
