"""`ifeval`: whether an answer follows instructions that code can verify (Zhou et al. 2023, arXiv 2311.07911), Korean ones too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypeGuard

from ondol.application.evaluation.scorers.base import Rule, Scorer, Tools, skipped
from ondol.application.evaluation.scorers.instructions import Arguments, BadArgument, kind_of
from ondol.application.evaluation.scorers.reference import bad_fact, too_long
from ondol.application.evaluation.scorers.settings import Settings
from ondol.application.evaluation.types import Answer, Case, Score

INSTRUCTIONS_MAX = 50

Told: TypeAlias = Sequence[tuple[str, Mapping[str, Any]]]
"""Ids of instructions with their arguments."""


def load_ifeval(name: str, settings: Mapping[str, Any], _tools: Tools) -> Scorer:
    """1 where all instructions of the case are followed, else 0; with `count: instruction`, the share of them.

    The case's facts hold them as IFEval's files do (`instruction_id_list` and, beside it, `kwargs`), or as `instructions`: a list of objects, each
    with its `id` and arguments. An empty answer follows none. `mode: loose` also takes an answer that follows without its first line, its last line,
    or its asterisks. Settings: `mode` (`strict`), `count` (`prompt`).
    """
    told = Settings(name, settings)
    is_loose = told.choice("mode", "strict", ("strict", "loose")) == "loose"
    is_by_instruction = told.choice("count", "prompt", ("prompt", "instruction")) == "instruction"
    told.close()

    def of(case: Case, answer: Answer) -> Score:
        instructions = _instructions_of(case)
        if isinstance(instructions, Score):
            return instructions
        if refused := too_long(answer):
            return refused
        forms = loosened(answer.text) if is_loose else [answer.text]
        followed: dict[str, bool] = {}
        for place, (id, arguments) in enumerate(instructions):
            kind = kind_of(id)
            if kind is None:
                return bad_fact(case, "instructions", f"names {id[:100]}, which is not known")
            try:
                follows = any(form.strip() and kind(form, Arguments(arguments)) for form in forms)
            except BadArgument as error:
                return bad_fact(case, "instructions", f"has a wrong {id[:100]}: {error}")
            followed[id if id not in followed else f"{id} ({place + 1})"] = bool(follows)
        missed = [id for id, follows in followed.items() if not follows]
        value = 1 - len(missed) / len(followed) if is_by_instruction else float(not missed)
        return Score(value=value, reason=f"it does not follow {missed[0]}" if missed else "", details={"followed": followed})

    return Rule(name=name, of=of)


def loosened(text: str) -> list[str]:
    """A text, and without its first line, its last line and both, each with and without its asterisks."""
    lines = text.split("\n")
    forms = [text, "\n".join(lines[1:]).strip(), "\n".join(lines[:-1]).strip(), "\n".join(lines[1:-1]).strip()]
    return [*forms, *(form.replace("*", "") for form in forms)]


def _instructions_of(case: Case) -> Told | Score:
    ids, arguments, own = case.facts.get("instruction_id_list"), case.facts.get("kwargs"), case.facts.get("instructions")
    if ids is None and own is None:
        return skipped("the case says no instructions")
    if own is not None:
        if not _is_list(own) or not all(isinstance(one, Mapping) and isinstance(one.get("id"), str) for one in own):
            return bad_fact(case, "instructions", f"is a list of 1 to {INSTRUCTIONS_MAX} objects with an `id`")
        return [(one["id"], one) for one in own]
    if not _is_list(ids) or not all(isinstance(id, str) for id in ids):
        return bad_fact(case, "instruction_id_list", f"is a list of 1 to {INSTRUCTIONS_MAX} ids")
    told = [{}] * len(ids) if arguments is None else arguments
    if not _is_list(told) or len(told) != len(ids) or not all(isinstance(one, Mapping) for one in told):
        return bad_fact(case, "kwargs", "is a list of objects, one for each instruction")
    return list(zip(ids, told, strict=True))


def _is_list(value: Any) -> TypeGuard[Sequence[Any]]:
    return isinstance(value, list | tuple) and 0 < len(value) <= INSTRUCTIONS_MAX
