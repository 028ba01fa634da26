"""`regex`: whether an answer matches a regular expression, in linear time: no expression of a suite can make it stand still."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ondol.application.evaluation.scorers.base import Rule, Scorer, Tools, skipped
from ondol.application.evaluation.scorers.reference import bad_fact, too_long
from ondol.application.evaluation.scorers.settings import WORD_CHARACTERS_MAX, Settings
from ondol.application.evaluation.types import Answer, Case, Score
from ondol.infrastructure.guard.checks.schema import compiled_schema

if TYPE_CHECKING:
    from jsonschema_rs import Validator

NOT_AN_EXPRESSION = "is a regular expression without look-around and back references, of at most 1,000 characters, that is not too large"


def load_regex(name: str, settings: Mapping[str, Any], _tools: Tools) -> Scorer:
    r"""1 where the expression is found in the answer (`match: search`) or is all of it, white space at the ends aside (`match: full`); else 0.

    Expressions are those of ECMA-262 (`\d` and `\w` are ASCII; `\p{Hangul}` is Hangul; `(?i)` in front ignores case), without look-around and back
    references. Settings: `pattern` (where it is not said, `facts.pattern` of the case), `match` (`search`), `negate` (false).
    """
    told = Settings(name, settings)
    pattern = told.text("pattern") if "pattern" in settings else None
    is_full = told.choice("match", "search", ("search", "full")) == "full"
    negate = told.flag("negate", default=False)
    told.close()
    if pattern is not None and _compiled(pattern, is_full) is None:
        raise told.wrong("pattern", NOT_AN_EXPRESSION)

    def of(case: Case, answer: Answer) -> Score:
        expression = pattern if pattern is not None else case.facts.get("pattern")
        if expression is None:
            return skipped("the case says no `pattern`")
        if refused := too_long(answer):
            return refused
        known = _compiled(expression, is_full) if isinstance(expression, str) and len(expression) <= WORD_CHARACTERS_MAX else None
        if known is None:
            return bad_fact(case, "pattern", NOT_AN_EXPRESSION)
        return Score(value=float(known.is_valid(answer.text.strip() if is_full else answer.text) != negate))

    return Rule(name=name, of=of)


@lru_cache(maxsize=256)
def _compiled(expression: str, is_full: bool) -> Validator | None:
    """The engine of the guard's schemas, which bounds what an expression may take; None for what it does not take."""
    try:
        compiled_schema({"pattern": expression})  # by itself: half an expression in the brackets below would be a whole one
        return compiled_schema({"pattern": f"^(?:{expression})$" if is_full else expression})
    except ValueError:
        return None
