"""What a model may do with tools: a call's name, its arguments, where they lead, where they come from, and who must say yes first.

`policy` makes ready what a guard policy declares, `decide` judges a call by one policy, `joint` by all in force, `calling` lets it out of a model.
Approvals themselves are kept beside this room, by `guard.approvals`: they need Postgres, and nothing here does.
"""

from __future__ import annotations

from ondol.infrastructure.guard.tools.approvals import call_of, covers, digest_of
from ondol.infrastructure.guard.tools.calling import Calling, CallResult, judge_call
from ondol.infrastructure.guard.tools.decide import decide
from ondol.infrastructure.guard.tools.joint import ToolsInForce, decide_by_all
from ondol.infrastructure.guard.tools.policy import tool_policy_from, tool_policy_of
from ondol.infrastructure.guard.tools.types import Approval, ApprovalNeeded, ToolCall, ToolContext, ToolDecision, ToolPolicy

__all__ = [
    "Approval",
    "ApprovalNeeded",
    "CallResult",
    "Calling",
    "ToolCall",
    "ToolContext",
    "ToolDecision",
    "ToolPolicy",
    "ToolsInForce",
    "call_of",
    "covers",
    "decide",
    "decide_by_all",
    "digest_of",
    "judge_call",
    "tool_policy_from",
    "tool_policy_of",
]
