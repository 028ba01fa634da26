"""From a prompt and the values of its variables to the text for a model.

A value is data: it is written in its type, without what could pretend to be more of the prompt, and never looked at for variables again.
"""

from __future__ import annotations

import re
import string
import unicodedata
from collections.abc import Mapping
from types import MappingProxyType

from ondol.application.prompts.types import Language, Prompt, PromptError, PromptText, VariableType

Value = str | int
LINE_CHARACTERS_MAX = 500
TEXT_CHARACTERS_MAX = 8_000
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,9})?")
_LANGUAGES: Mapping[Language, Mapping[str, str]] = MappingProxyType({"en": {"ko": "Korean", "en": "English"}, "ko": {"ko": "한국어", "en": "영어"}})
_HEADINGS: Mapping[Language, tuple[str, str, str, str, str]] = MappingProxyType(
    {"en": ("Role", "Goal", "Rules", "Output format", "Examples"), "ko": ("역할", "목표", "규칙", "출력 형식", "예시")}
)
_TURNS: Mapping[Language, tuple[str, str]] = MappingProxyType({"en": ("Question", "Answer"), "ko": ("질문", "답변")})
_FENCES = str.maketrans({"<": "‹", ">": "›"})
"""What marks the passages of documents cannot be written by a value."""


def render_prompt(prompt: Prompt, language: Language, values: Mapping[str, Value]) -> str:
    """The text of a prompt in a language, or in the one that it has, with its variables filled in.

    Raises:
        PromptError: when a variable has no value, or one that is not of its type.
    """
    spoken, text = prompt.body.text(language)
    filled = {name: escaped(name, kind, _value(values, name), spoken) for name, kind in prompt.body.variables.items()}
    role, goal, rules, form, examples = _HEADINGS[spoken]
    parts = [f"{role}: {_fill(text.role, filled)}"]
    if text.goal:
        parts.append(f"{goal}: {_fill(text.goal, filled)}")
    if text.constraints:
        lines = [f"{number}. {_fill(rule, filled)}" for number, rule in enumerate(text.constraints, 1)]
        parts.append("\n".join([f"{rules}:", *lines]))
    if text.output_format:
        parts.append(f"{form}: {_fill(text.output_format, filled)}")
    if text.examples:
        parts.append("\n".join([f"{examples}:", *_examples(text, spoken, filled)]))
    return "\n\n".join(parts)


def escaped(name: str, kind: VariableType, value: Value, language: Language) -> str:
    """A value as it may stand in a prompt.

    Raises:
        PromptError: when it is not of its type.
    """
    match kind:
        case "number":
            text = str(value)
            if isinstance(value, bool) or not _NUMBER.fullmatch(text):
                raise PromptError(f"${name} is a number, such as 30 or 2.5.", "Give another value.", param=name)
            return text
        case "language":
            if value not in _LANGUAGES[language]:
                raise PromptError(f"${name} is a language: ko or en.", "Give another value.", param=name)
            return _LANGUAGES[language][str(value)]
        case "line":
            return _harmless(name, " ".join(str(value).split()), LINE_CHARACTERS_MAX)
        case "text":
            return _harmless(name, str(value), TEXT_CHARACTERS_MAX)


def _harmless(name: str, text: str, characters_max: int) -> str:
    if len(text) > characters_max:
        raise PromptError(f"${name} is longer than {characters_max:,} characters.", "Give a shorter value.", param=name)
    kept = "".join(char for char in text if char == "\n" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Co"))
    return re.sub(r"<{2,}|>{2,}", lambda marks: marks[0].translate(_FENCES), kept)


def _value(values: Mapping[str, Value], name: str) -> Value:
    if name not in values:
        raise PromptError(f"The prompt's variable ${name} has no value.", "Give one with the release, or take the variable out.", param=name)
    return values[name]


def _fill(template: str, filled: Mapping[str, str]) -> str:
    return string.Template(template).substitute(filled)


def _examples(text: PromptText, language: Language, filled: Mapping[str, str]) -> list[str]:
    question, answer = _TURNS[language]
    return [f"{question}: {_fill(item.question, filled)}\n{answer}: {_fill(item.answer, filled)}" for item in text.examples]
