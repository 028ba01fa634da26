"""The form in which a prompt is written: from the prompt to its fields, from the fields back, and which field a mistake stands in.

Rules stand one on a line; what goes on in a further line is set in by two spaces. There are always empty rows for more variables and examples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

LANGUAGES = ("ko", "en")
GIVEN = ("organisation", "refusal")
"""Variables that Ondol fills in."""
VARIABLES_FREE = 2
EXAMPLES_FREE = 1
ROWS_MAX = 100
_INSET = "  "
_PARTS = ("role", "goal", "constraints", "output_format")


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable with its type, and the value that it has for a look."""

    name: str = ""
    kind: str = "line"
    value: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """What stands in the form.

    Attributes:
        texts: by language the fields of its text.
        examples: by language pairs of question and answer, also empty ones.
        asked: what it is to be looked at with: an assistant, a golden set.
    """

    name: str
    texts: Mapping[str, Mapping[str, str]]
    examples: Mapping[str, Sequence[tuple[str, str]]]
    variables: Sequence[Variable]
    asked: Mapping[str, str] = field(default_factory=dict)

    @property
    def prompt(self) -> dict[str, Any]:
        """The prompt as the API takes it: without what is empty."""
        texts = {language: found for language in LANGUAGES if (found := self._text(language))}
        return {"texts": texts, "variables": {variable.name: variable.kind for variable in self.variables if variable.name}}

    @property
    def values(self) -> dict[str, str]:
        """The values of variables, for a look."""
        return {variable.name: variable.value for variable in self.variables if variable.name and variable.value and variable.name not in GIVEN}

    def _text(self, language: str) -> dict[str, Any]:
        told = self.texts[language]
        pairs = [{"question": question, "answer": answer} for question, answer in self.examples[language] if question or answer]
        found: dict[str, Any] = {name: told[name] for name in _PARTS if name != "constraints" and told[name]}
        found |= {"constraints": rules} if (rules := _rules(told["constraints"])) else {}
        found |= {"examples": pairs} if pairs else {}
        return {"role": "", **found} if found else {}

    def field_of(self, param: str) -> str:
        """The field in which a mistake stands, by what the API calls it; empty where it is none of them."""
        match param.removeprefix("prompt.").split("."):
            case ["texts", language, "examples", number, which]:
                return f"{language}_{which}_{number}"
            case ["texts", language, name, *_]:
                return f"{language}_{name}"
            case ["texts"]:
                return f"{LANGUAGES[0]}_role"
            case ["variables", *_]:
                return "variable_name_0"
            case [name]:
                places = [f"variable_value_{place}" for place, variable in enumerate(self.variables) if name and variable.name == name]
                return places[0] if places else name
        return ""


def of_prompt(name: str, prompt: Mapping[str, Any]) -> Written:
    """The form of a prompt as the API tells it."""
    told: Mapping[str, Any] = prompt.get("texts", {})
    texts = {language: {part: _field(told.get(language, {}).get(part, "")) for part in _PARTS} for language in LANGUAGES}
    pairs = {language: [(one["question"], one["answer"]) for one in told.get(language, {}).get("examples", ())] for language in LANGUAGES}
    variables = [Variable(variable, kind) for variable, kind in prompt.get("variables", dict.fromkeys(GIVEN, "line")).items()]
    return _with_rows(Written(name, texts, pairs, variables))


def written(fields: Mapping[str, str]) -> Written:
    """What somebody wrote. Browsers send lines that end in CR LF."""
    told = {name: text.replace("\r\n", "\n") for name, text in fields.items()}
    texts = {language: {part: told.get(f"{language}_{part}", "") for part in _PARTS} for language in LANGUAGES}
    pairs = {
        language: [
            (told.get(f"{language}_question_{row}", ""), told.get(f"{language}_answer_{row}", "")) for row in _rows(told, f"{language}_question_")
        ]
        for language in LANGUAGES
    }
    variables = [
        Variable(told.get(f"variable_name_{row}", "").strip(), told.get(f"variable_type_{row}", "line"), told.get(f"variable_value_{row}", ""))
        for row in _rows(told, "variable_name_")
    ]
    asked = {name: told[name] for name in ("assistant", "golden") if told.get(name)}
    return _with_rows(Written(told.get("name", "").strip(), texts, pairs, variables, asked))


def _with_rows(draft: Written) -> Written:
    """With empty rows for more behind those that are filled."""
    variables = [variable for variable in draft.variables if variable.name]
    pairs = {language: [pair for pair in found if any(pair)] for language, found in draft.examples.items()}
    free: list[tuple[str, str]] = [("", "")] * EXAMPLES_FREE
    return Written(
        draft.name,
        draft.texts,
        {language: [*found, *free] for language, found in pairs.items()},
        [*variables, *([Variable()] * VARIABLES_FREE)],
        draft.asked,
    )


def _rows(told: Mapping[str, str], beginning: str) -> list[int]:
    ends = [name.removeprefix(beginning) for name in told if name.startswith(beginning)]
    return sorted(int(end) for end in ends if end.isdecimal() and len(end) < 4 and int(end) < ROWS_MAX)


def _field(told: Any) -> str:
    """The text of a field; rules one on a line."""
    return told if isinstance(told, str) else "\n".join(rule.replace("\n", "\n" + _INSET) for rule in told)


def _rules(text: str) -> list[str]:
    rules: list[str] = []
    for line in text.split("\n"):
        if line.startswith(_INSET) and rules:
            rules[-1] += "\n" + line.removeprefix(_INSET)
        elif line.strip():
            rules.append(line.rstrip())
    return rules
