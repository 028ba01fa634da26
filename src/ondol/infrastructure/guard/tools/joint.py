"""Several policies about one call: each that is in force must let it run, and it runs with arguments on which all of them agree."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ondol.infrastructure.guard.tools.approvals import call_of, covers, digest_of
from ondol.infrastructure.guard.tools.decide import APPROVALS_MAX, decide
from ondol.infrastructure.guard.tools.types import ApprovalNeeded, ToolCall, ToolContext, ToolDecision, ToolPolicy
from ondol.infrastructure.guard.types import Finding

ROUNDS_MAX = 3
"""So often rewritten arguments go round all policies until they change no more."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ToolsInForce:
    """The tools of one policy in force.

    Attributes:
        enforced: whether the policy acts; otherwise what it would do is recorded.
        approval_minutes: so long an approval is waited for and holds.
    """

    policy: ToolPolicy
    enforced: bool
    approval_minutes: int


def decide_by_all(call: ToolCall, policies: Sequence[ToolPolicy], context: ToolContext) -> ToolDecision:
    """The strictest of what the policies decide. Where several ask a person, the role of the last one says yes: it is the floor of those before it.

    Never raises: what cannot be judged is blocked.

    Args:
        policies: the chosen one first, then its floors; one at least.
    """
    try:
        return decide(call, policies[0], context) if len(policies) == 1 else _decided(call, policies, context)
    except Exception:
        # As in `decide`: whatever fails, the tool does not run.
        _logger.exception("judging a tool call failed")
        return _blocked(call, "failed", "judging it failed")


def _decided(call: ToolCall, policies: Sequence[ToolPolicy], context: ToolContext) -> ToolDecision:
    each = [decide(call, policy, replace(context, approvals=())) for policy in policies]
    findings = tuple(dict.fromkeys(finding for decision in each for finding in decision.findings))
    if any(decision.decision == "block" for decision in each):
        return ToolDecision("block", findings)
    runs = _agreed(call, policies, context)
    if runs is None:
        return _blocked(call, "disagreed", "the policies in force want different arguments")
    arguments = decide(runs, policies[0], replace(context, approvals=(), untrusted=())).arguments
    asking = [decision.approval_needed for decision in each if decision.approval_needed is not None]
    if not asking:
        return ToolDecision("allow", findings, arguments)
    needed = ApprovalNeeded(asking[-1].role, digest_of(runs), tuple(dict.fromkeys(reason for item in asking for reason in item.reasons)))
    for approval in context.approvals[:APPROVALS_MAX]:
        if approval.role == needed.role and covers(approval, runs, context.now):
            return ToolDecision("allow", findings, arguments, approval=approval)
    return ToolDecision("ask", findings, arguments, approval_needed=needed)


def _agreed(call: ToolCall, policies: Sequence[ToolPolicy], context: ToolContext) -> ToolCall | None:
    """The call with the arguments that every policy leaves as they are; None where there are none."""
    plain = replace(context, approvals=(), untrusted=())
    runs = call
    for _ in range(ROUNDS_MAX):
        before = runs
        for policy in policies:
            arguments = decide(runs, policy, plain).arguments
            if arguments is None:
                return None
            runs = call_of(call.name, arguments)
        if runs == before:
            return runs
    return None


def _blocked(call: ToolCall, kind: str, reason: str) -> ToolDecision:
    return ToolDecision("block", (Finding("tools", f"tools.{kind}", 0, len(call.arguments), 1.0, reason),))
