"""`json_schema`: whether an answer is JSON of a given schema, by the guard's own check."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ondol.application.evaluation.scorers.base import Rule, Scorer, Tools, skipped
from ondol.application.evaluation.scorers.reference import bad_fact
from ondol.application.evaluation.scorers.settings import Settings
from ondol.application.evaluation.types import Answer, Case, Score
from ondol.infrastructure.guard.checks.schema import SchemaCheck, repaired
from ondol.infrastructure.guard.text import GuardText


def load_json_schema(name: str, settings: Mapping[str, Any], _tools: Tools) -> Scorer:
    """1 where the whole answer is JSON that the schema takes, else 0. The schema refers to nothing outside itself and is bounded in what it costs.

    Settings: `schema` (where it is not said, `facts.schema` of the case; without either, any JSON will do), `repair` (false: true takes away a code
    fence, trailing commas and open brackets first).
    """
    told = Settings(name, settings)
    schema = told.mapping("schema")
    repair = told.flag("repair", default=False)
    told.close()
    if schema is not None:
        try:
            check_of(schema)
        except ValueError as error:
            raise told.wrong("schema", f"cannot be used: {error}") from error

    def of(case: Case, answer: Answer) -> Score:
        wanted = schema if schema is not None else case.facts.get("schema", {})
        if not isinstance(wanted, Mapping):
            return bad_fact(case, "schema", "is a JSON Schema")
        try:
            check = check_of(wanted)
        except ValueError as error:
            return bad_fact(case, "schema", f"cannot be used: {error}")
        if not answer.text.strip():
            return skipped("the answer is a call of a tool") if answer.tool_calls else Score(value=0.0, reason="the answer is empty")
        text = answer.text if not repair else (repaired(answer.text) or answer.text)
        found = check.find(GuardText(text))
        places = [{"what": finding.reason, "where": finding.entity} for finding in found]
        reason = "" if not found else f"{found[0].reason}{f' at {found[0].entity}' if found[0].entity else ''}"
        return Score(value=float(not found), reason=reason, details={"findings": places})

    return Rule(name=name, of=of)


def check_of(schema: Mapping[str, Any]) -> SchemaCheck:
    """The check of a schema, kept for the next case that has the same.

    Raises:
        ValueError: when it is none, costs too much, or refers to something outside itself.
    """
    try:
        told = json.dumps(schema, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError("it is not plain JSON") from error
    return _checked(told)


@lru_cache(maxsize=64)
def _checked(told: str) -> SchemaCheck:
    return SchemaCheck(json.loads(told))
