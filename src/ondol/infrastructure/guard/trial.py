"""Looks at single texts by a policy, outside of any request: for the command line, the admin API, evaluation and data building."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ondol.core.clock import utc_now
from ondol.core.errors import RequestError
from ondol.infrastructure.guard.actions import Marks
from ondol.infrastructure.guard.conversation import Guards, prepare_guards
from ondol.infrastructure.guard.engine import Verdict
from ondol.infrastructure.guard.linear import LinearModels
from ondol.infrastructure.guard.policy import Action, Policy
from ondol.infrastructure.guard.registry import Resources, checks_for
from ondol.infrastructure.guard.samples import findings_json
from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.tools import ToolCall, ToolContext, call_of, judge_call
from ondol.infrastructure.guard.types import Finding, Stage


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of one text.

    Attributes:
        verdict: what the policy does.
        findings: all that was found, each with the policy's action, or None where no rule of the policy speaks about it.
        scores: what the models say, by name, in log odds; and the highest confidence of each check that found something.
    """

    verdict: Verdict
    findings: tuple[tuple[Finding, Action | None], ...]
    scores: Mapping[str, float]

    def plain(self) -> dict[str, Any]:
        """As plain data. `text` is what may go on; nothing else holds any of the text."""
        findings = [
            {
                "check": finding.check,
                "rule": finding.rule,
                "entity": finding.entity,
                "start": finding.start,
                "end": finding.end,
                "confidence": round(finding.confidence, 6),
                "reason": finding.reason,
                "action": action,
            }
            for finding, action in self.findings
        ]
        return {
            "decision": self.verdict.decision,
            "would": self.verdict.would,
            "findings": findings,
            "scores": {name: round(score, 6) for name, score in self.scores.items()},
            "failed": list(self.verdict.failed),
            "text": self.verdict.text,
        }


def guards_of(policy: Policy) -> Guards:
    """Guards by one policy alone, with the built-in checks and no tenant's canaries.

    Raises:
        SettingsError: when the policy sets up a check wrongly.
    """
    return prepare_guards([policy], checks_for([policy], Resources()))


def try_call(
    guards: Guards, name: str, arguments: str, *, tenant: str = "", own: Sequence[str] = (), untrusted: Sequence[str] = ()
) -> dict[str, Any]:
    """Decide about one call of a tool, as plain data. Nothing is asked for or kept.

    Args:
        arguments: as a model writes them: the text of a JSON object.
        tenant: as it stands in the tables that SQL reads.
        own: what the person wrote.
        untrusted: documents and results of tools that the model was shown.

    Returns:
        The decision, the findings, the JSON that may run, and what approval it takes; of an approval the digest shows what would be approved.
    """
    context = ToolContext(tenant, utc_now(), untrusted, own)
    result = judge_call(ToolCall(name, arguments), guards.stages.get("tool"), guards.tools, context, Marks(os.urandom(32)))
    needed = result.tools.approval_needed if result.tools is not None else None
    runs = result.rest if result.decision == "allow" else None
    if needed is not None and result.tools is not None and result.tools.arguments is not None:
        runs = call_of(name, result.tools.arguments).arguments
    return {
        "decision": result.decision,
        "would": result.verdict.would,
        "restricted": bool(guards.tools),
        "findings": findings_json(result.verdict.decided),
        "failed": list(result.verdict.failed),
        "arguments": runs,
        "approval_needed": None if needed is None else {"role": needed.role, "reasons": list(needed.reasons), "digest": needed.digest.hex()},
    }


def try_text(guards: Guards, stage: Stage, text: str, key: bytes | None = None) -> Tried:
    """Look at one text.

    Args:
        key: for hashes and tokens, 32 bytes; a fresh one when absent.

    Raises:
        RequestError: when the policy does not look at the stage.
    """
    guard = guards.stages.get(stage)
    if guard is None:
        known = ", ".join(sorted(guards.stages)) or "no stage"
        raise RequestError(f"The policy does not look at {stage}.", f"It looks at {known}.", code="stage_not_guarded", param="stage")
    found, failed = guard.find(text)
    verdict = guard.decide(text, found, failed, Marks(key or os.urandom(32)))
    actions = {id(item.finding): item.action for item in guard.decided_of(found)}
    scores: dict[str, float] = {}
    models = {id(model): model for check in guard.checks if isinstance(model := getattr(check, "models", None), LinearModels)}
    looked_at = GuardText(text)
    for each in models.values():
        scores |= {f"model.{name}": score.value for name, score in each.scores_of(looked_at).items()}
    for finding in found:
        scores[finding.check] = max(scores.get(finding.check, 0.0), finding.confidence)
    return Tried(verdict, tuple((finding, actions.get(id(finding))) for finding in found), scores)
