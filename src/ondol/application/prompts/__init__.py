"""Prompt templates: role, goal, constraints and output format, kept on the server and named by their digest."""

from ondol.application.prompts.templates_store import Prompt, load_prompt, render_prompt

__all__ = ["Prompt", "load_prompt", "render_prompt"]
