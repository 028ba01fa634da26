"""The form of a prompt template: role, goal, constraints, output format and examples, by language, with typed variables."""

from __future__ import annotations

import difflib
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, cast

import msgspec
import yaml

from ondol.core.canonical import Json, canonical_json, digest
from ondol.core.errors import RequestError

Language = Literal["ko", "en"]
VariableType = Literal["text", "line", "number", "language"]
"""`text` keeps its lines, `line` has one, `number` is a whole or decimal number, `language` is told by its name."""

BODY_BYTES_MAX = 65_536
FIELD_CHARACTERS_MAX = 8_000
VARIABLE = re.compile(r"[a-z][a-z0-9_]{0,39}")

Field = Annotated[str, msgspec.Meta(max_length=FIELD_CHARACTERS_MAX)]


class Example(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One example of a question and of the answer that is wanted."""

    question: Field
    answer: Field


class PromptText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A prompt in one language. ``$name`` in it stands for a variable, ``$$`` for a dollar sign."""

    role: Field
    goal: Field = ""
    constraints: Annotated[list[Field], msgspec.Meta(max_length=50)] = []
    output_format: Field = ""
    examples: Annotated[list[Example], msgspec.Meta(max_length=20)] = []


class PromptBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole prompt: its texts by language, and the variables that stand in them with their types."""

    texts: dict[Language, PromptText]
    variables: dict[str, VariableType] = {}

    @property
    def digest(self) -> bytes:
        """SHA-256 over its canonical JSON, 32 bytes: the same wherever the same prompt is kept."""
        return digest(cast(Json, msgspec.to_builtins(self)))

    def text(self, language: Language) -> tuple[Language, PromptText]:
        """The text in a language, or the one that there is, with its language."""
        for known in (language, "en", "ko"):
            if known in self.texts:
                return known, self.texts[known]
        raise AssertionError("a prompt without a text was let in")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt by its name.

    Attributes:
        version: counts from 1 within the tenant; None for what comes with this version of the platform.
        digest: of the body; it goes into the record of each answer.
    """

    name: str
    version: int | None
    body: PromptBody
    digest: bytes


class PromptError(RequestError):
    """A prompt template, or a value for it, cannot be used."""

    code = "invalid_prompt"


def prompt_body(tree: object) -> PromptBody:
    """A prompt from plain data, checked.

    Raises:
        PromptError: when something is unknown, too long or missing, or a variable has no type.
    """
    try:
        body = msgspec.convert(tree, PromptBody)
    except msgspec.ValidationError as error:
        raise PromptError(f"The prompt says something unknown: {error}.", "`ondol prompt show assistant@builtin` shows a whole one.") from error
    if not body.texts:
        raise PromptError("The prompt has no text.", "Give one below `texts`, for `en` or `ko`.", param="texts")
    try:
        size = len(canonical_json(cast(Json, msgspec.to_builtins(body))))
    except UnicodeEncodeError as error:
        raise PromptError("The prompt holds half of a surrogate pair, which is no text.") from error
    if size > BODY_BYTES_MAX:
        raise PromptError(f"The prompt has {size:,} bytes.", f"At most {BODY_BYTES_MAX:,} are kept.")
    for name in body.variables:
        if not VARIABLE.fullmatch(name):
            raise PromptError(f"{name[:50]!r} is no name of a variable.", "a-z, 0-9 and _, at most 40.", param="variables")
    for place, field in _fields(body):
        _check_field(place, field, body)
    return body


def parse_prompt(text: str) -> PromptBody:
    """A prompt from YAML.

    Raises:
        PromptError: when it is no YAML, or as `prompt_body` does.
    """
    if len(text.encode("utf-8", "surrogatepass")) > 4 * BODY_BYTES_MAX:
        raise PromptError(f"The prompt is longer than {BODY_BYTES_MAX:,} bytes.", "Shorten it.")
    try:
        tree = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise PromptError(f"The prompt is no valid YAML: {error}", "`ondol prompt show assistant@builtin` shows a whole one.") from error
    return prompt_body(tree)


def prompt_yaml(body: PromptBody) -> str:
    """The prompt as YAML that `parse_prompt` reads back to the same digest."""
    return yaml.safe_dump(plain_prompt(body), allow_unicode=True, sort_keys=False, width=140)


def plain_prompt(body: PromptBody) -> dict[str, Any]:
    """The prompt as plain data, without what is empty."""
    texts = {language: _without_empty(msgspec.to_builtins(text)) for language, text in body.texts.items()}
    return {"variables": dict(body.variables), "texts": texts} if body.variables else {"texts": texts}


def _without_empty(text: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in text.items() if value or name == "role"}


def prompt_diff(first: Prompt, second: Prompt) -> str:
    """What differs between two prompts, line by line; empty when nothing does."""
    before, after = (prompt_yaml(item.body).splitlines(keepends=True) for item in (first, second))
    return "".join(difflib.unified_diff(before, after, _named(first), _named(second)))


def _named(prompt: Prompt) -> str:
    return f"{prompt.name}@{'builtin' if prompt.version is None else prompt.version}"


def _fields(body: PromptBody) -> Iterator[tuple[str, str]]:
    """Every text of a prompt in which variables may stand, with its place, such as ``texts.en.constraints.0``."""
    for language, text in body.texts.items():
        place = f"texts.{language}"
        yield from ((f"{place}.{name}", getattr(text, name)) for name in ("role", "goal", "output_format"))
        yield from ((f"{place}.constraints.{number}", rule) for number, rule in enumerate(text.constraints))
        for number, example in enumerate(text.examples):
            yield f"{place}.examples.{number}.question", example.question
            yield f"{place}.examples.{number}.answer", example.answer


def _check_field(place: str, field: str, body: PromptBody) -> None:
    template = string.Template(field)
    if not template.is_valid():
        raise PromptError("A `$` in the prompt stands before no variable.", "Write `$$` for a dollar sign.", param=place)
    for name in template.get_identifiers():
        if name not in body.variables:
            hint = "Name it below `variables`: text, line, number or language."
            raise PromptError(f"The variable ${name[:50]} has no type.", hint, param=place)
