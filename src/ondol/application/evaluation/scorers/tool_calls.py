"""Tools that an answer calls and may not: a name that is not on the list, or arguments that do not fit its schema. One is too many."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import jsonschema_rs

from ondol.application.evaluation.scorers.base import Rule, Tools
from ondol.application.evaluation.scorers.settings import WORD_CHARACTERS_MAX, WORDS_MAX, Settings
from ondol.application.evaluation.types import Answer, Case, Score

_Fits = Callable[[Any], bool]
_NO_NAME = "a call without a name"


def load_tool_unauthorised(name: str, told: Mapping[str, Any], _: Tools) -> Rule:
    """The number of calls that are not allowed. Settings: `tools`, names or ``{name, arguments}`` with a JSON schema; a case's `allowed_tools`
    stand in for them.

    Without any, no tool is allowed.
    """
    settings = Settings(name, told)
    allowed = _allowed(settings, settings.anything("tools", []))
    settings.close()

    def of(case: Case, answer: Answer) -> Score:
        own = case.facts.get("allowed_tools")
        may = allowed if own is None else {str(one): _any for one in own} if isinstance(own, list | tuple) else {}
        refused = [why for call in answer.tool_calls if (why := _refused(call, may))]
        return Score(value=float(len(refused)), details={"calls": refused} if refused else {})

    return Rule(name=name, of=of, unit="count", better="lower", is_hard_zero=True)


def _allowed(settings: Settings, told: Any) -> dict[str, _Fits]:
    if not isinstance(told, list) or len(told) > WORDS_MAX:
        raise settings.wrong("tools", f"is a list of at most {WORDS_MAX:,} tools")
    allowed: dict[str, _Fits] = {}
    for one in told:
        tool = {"name": one} if isinstance(one, str) else one
        if not isinstance(tool, dict) or not isinstance(tool.get("name"), str) or not set(tool) <= {"name", "arguments"}:
            raise settings.wrong("tools", "holds names, or records with `name` and `arguments`")
        try:
            schema = tool.get("arguments")
            allowed[tool["name"]] = _any if schema is None else jsonschema_rs.validator_for(schema).is_valid
        except (ValueError, TypeError) as error:
            raise settings.wrong("tools", f"holds a schema of {tool['name'][:50]} that is none ({error})") from error
    return allowed


def _refused(call: Mapping[str, Any], allowed: Mapping[str, _Fits]) -> str:
    """Why a call is not allowed; empty where it is. Read as OpenAI's chat and responses and Anthropic's messages tell calls."""
    inner = call.get("function")
    told = inner if isinstance(inner, Mapping) else call
    name = told.get("name")
    if not isinstance(name, str) or not name:
        return _NO_NAME
    if name not in allowed:
        return name[:WORD_CHARACTERS_MAX]
    arguments = told.get("arguments", told.get("input", {}))
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments or "{}")
        except (ValueError, RecursionError):
            return f"{name}: arguments that are no JSON"
    return "" if allowed[name](arguments) else f"{name}: arguments that do not fit"


def _any(_: Any) -> bool:
    return True
