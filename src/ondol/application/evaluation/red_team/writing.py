"""A suite of attacks as plain data, or as files: the suite in YAML, its cases in JSONL beside it. It is run, resumed, capped and gated like all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from ondol.application.evaluation.suites import InlineCases, Suite
from ondol.application.evaluation.types import Case
from ondol.core.errors import UserError

_HEAD = "# Attacks, written by `ondol eval red-team write`. Run them: ondol eval run {name}\n"


def write_suite(suite: Suite, file: Path) -> Path:
    """Write a suite of attacks; what is there already is kept.

    Returns:
        The file of cases.

    Raises:
        UserError: when a file is there already or cannot be written.
    """
    cases = file.with_suffix(".jsonl")
    assert isinstance(suite.cases, InlineCases)  # noqa: S101 - attacks are made here
    plain = _plain(suite, {"file": cases.name})
    try:
        with cases.open("x", encoding="utf-8") as out:
            out.writelines(json.dumps(_row(case), ensure_ascii=False) + "\n" for case in suite.cases.cases)
        with file.open("x", encoding="utf-8") as out:
            out.write(_HEAD.format(name=file.name) + yaml.safe_dump(plain, allow_unicode=True, sort_keys=False))
    except FileExistsError as error:
        raise UserError(f"{error.filename} is there already.", "Choose another name, or remove it.") from error
    except OSError as error:
        raise UserError(f"{error.filename} cannot be written: {error.strerror}.", "Choose another place.") from error
    return cases


def plain_suite(suite: Suite) -> dict[str, Any]:
    """A suite of attacks as plain data, its cases inline: what the API takes."""
    assert isinstance(suite.cases, InlineCases)  # noqa: S101 - attacks are made here
    return _plain(suite, [_row(case) for case in suite.cases.cases])


def _plain(suite: Suite, cases: object) -> dict[str, Any]:
    card = suite.card
    return {
        "card": {
            "name": card.name,
            "owner": card.owner,
            "purpose": card.purpose,
            "risk": card.risk,
            "users": card.users,
            "success": dict(card.success),
        },
        "target": {suite.target.kind: suite.target.name, **suite.target.settings},
        "cases": cases,
        "scorers": [{"name": scorer.name, "type": scorer.type, **scorer.settings} for scorer in suite.scorers],
        "slices": list(suite.slices),
        "repeats": suite.repeats,
        "seed": suite.seed,
        "limits": {"concurrency": suite.limits.concurrency},
        "gate": {"primary": [{"metric": primary.metric, "margin": primary.margin} for primary in suite.gate.primary]},
    }


def _row(case: Case) -> dict[str, Any]:
    return {
        "id": case.id,
        "turns": [{turn.role: turn.text} for turn in case.turns],
        **case.slices,
        "cluster": case.cluster,
        "facts": dict(case.facts),
    }
