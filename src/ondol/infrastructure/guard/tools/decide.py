"""Whether a tool call runs, waits for a person, or does not run. Whatever goes wrong on the way, it does not run."""

from __future__ import annotations

import copy
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import assert_never

from ondol.infrastructure.guard.tools.approvals import call_of, covers, digest_of
from ondol.infrastructure.guard.tools.arguments import BadArguments, parse_arguments
from ondol.infrastructure.guard.tools.places import LeadsAway, check_url, checked_path
from ondol.infrastructure.guard.tools.sql import judge_sql
from ondol.infrastructure.guard.tools.taint import taint_of
from ondol.infrastructure.guard.tools.types import (
    ApprovalNeeded,
    ArgumentRule,
    ToolCall,
    ToolContext,
    ToolDecision,
    ToolPolicy,
    ToolRule,
    Value,
)
from ondol.infrastructure.guard.types import Finding

APPROVALS_MAX = 100
"""So many approvals of a context are looked at."""
MISFITS_MAX = 10
"""So many places where arguments do not fit their schema are told."""

_NAME = re.compile(r"[A-Za-z0-9_.:/-]{1,128}")
_logger = logging.getLogger(__name__)


class _Broken(Exception):
    """A rule does not hold; the message says why, in words of the rule."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A value, by what holds it."""

    holder: dict[str, Value] | list[Value]
    key: str | int

    @property
    def value(self) -> Value:
        match self.holder:
            case dict():
                return self.holder[str(self.key)]
            case list():
                return self.holder[int(self.key)]
            case _:
                assert_never(self.holder)

    def put(self, value: Value) -> None:
        match self.holder:
            case dict():
                self.holder[str(self.key)] = value
            case list():
                self.holder[int(self.key)] = value
            case _:
                assert_never(self.holder)


def decide(call: ToolCall, policy: ToolPolicy, context: ToolContext) -> ToolDecision:
    """Decide about a call. Never raises: what cannot be judged is blocked."""
    try:
        return _decided(call, policy, context)
    except Exception:
        # Whatever a rule fails with, the answer is the same: the tool does not run.
        _logger.exception("judging a tool call failed")
        return _blocked(call, "failed", "judging it failed")


def _decided(call: ToolCall, policy: ToolPolicy, context: ToolContext) -> ToolDecision:
    tool = policy.rule_for(call.name) if _NAME.fullmatch(call.name) else None
    if tool is None:
        return _blocked(call, "unknown", "no such tool is allowed")
    try:
        written = parse_arguments(call.arguments)
    except BadArguments as error:
        return _blocked(call, "arguments", str(error))
    misfits = _misfits(call, tool, written)
    if misfits:
        return ToolDecision("block", misfits)
    arguments = copy.deepcopy(written)
    broken = [_finding(call, kind, reason, rule) for rule in tool.rules for kind, reason in _apply(rule, arguments, context)]
    if broken:
        return ToolDecision("block", tuple(broken))
    # What was rewritten must still be as the schema says.
    misfits = _misfits(call, tool, arguments) if arguments != written else ()
    if misfits:
        return ToolDecision("block", misfits)
    return _with_approval(call, tool, policy, written, arguments, context)


def _misfits(call: ToolCall, tool: ToolRule, arguments: dict[str, Value]) -> tuple[Finding, ...]:
    """What does not fit the schema: its word that does not hold, and where, without a word of the arguments."""
    errors = islice(tool.validator.iter_errors(arguments), MISFITS_MAX)
    return tuple(
        Finding("tools", "tools.schema", 0, len(call.arguments), 1.0, str(error.schema_path[-1]), tool.words.place(error.instance_path))
        for error in errors
    )


def _with_approval(
    call: ToolCall, tool: ToolRule, policy: ToolPolicy, written: dict[str, Value], arguments: dict[str, Value], context: ToolContext
) -> ToolDecision:
    """The decision about a call whose arguments hold: whether somebody has to say yes, or has."""
    findings, reasons = [], []
    if tool.privileged and _is_tainted(tool, policy, written, context):
        findings.append(_finding(call, "tainted", "stands in an untrusted text"))
        reasons.append("tainted")
    if tool.destructive:
        findings.append(_finding(call, "destructive", "needs approval"))
        reasons.append("destructive")
    if not reasons:
        return ToolDecision("allow", arguments=arguments)
    if not tool.approval_role:
        return ToolDecision("block", tuple(findings))
    runs = call_of(call.name, arguments)
    for approval in context.approvals[:APPROVALS_MAX]:
        if approval.role == tool.approval_role and covers(approval, runs, context.now):
            return ToolDecision("allow", tuple(findings), arguments, approval=approval)
    needed = ApprovalNeeded(tool.approval_role, digest_of(runs), tuple(reasons))
    return ToolDecision("ask", tuple(findings), arguments, approval_needed=needed)


def _is_tainted(tool: ToolRule, policy: ToolPolicy, written: dict[str, Value], context: ToolContext) -> bool:
    """Whether an argument came out of an untrusted text. Values that the policy itself lists are its own words."""
    if not context.untrusted:
        return False
    taint = taint_of(context.untrusted, context.own, run_characters=policy.run_characters)
    left = copy.deepcopy(written)
    for rule in tool.rules:
        if rule.one_of is not None:
            for place in list(_places(left, rule.path)):
                place.put(None)
    return taint.holds(left)


def _apply(rule: ArgumentRule, arguments: dict[str, Value], context: ToolContext) -> Iterator[tuple[str, str]]:
    """Hold a rule against the values that it is about, and put in their place what goes on; gives what is broken, by kind and reason."""
    try:
        for place in list(_places(arguments, rule.path)):
            _hold(rule, place, context)
    except _Broken as error:
        yield "rule", str(error)
    except LeadsAway as error:
        yield "place", str(error)


def _places(arguments: dict[str, Value], path: tuple[str, ...]) -> Iterator[_Place]:
    """Where the values are that a path leads to. Where the arguments are built otherwise than the path says, the rule is broken."""
    holders: list[Value] = [arguments]
    for depth, name in enumerate(path):
        is_last = depth == len(path) - 1
        following: list[Value] = []
        for holder in holders:
            for place in _below(holder, name):
                if is_last:
                    yield place
                else:
                    following.append(place.value)
        holders = following


def _below(holder: Value, name: str) -> list[_Place]:
    if name == "*" and isinstance(holder, list):
        return [_Place(holder, number) for number in range(len(holder))]
    if not isinstance(holder, dict):
        raise _Broken("built otherwise than the rule says")
    if name == "*":
        return [_Place(holder, key) for key in holder]
    return [_Place(holder, name)] if name in holder else []


def _hold(rule: ArgumentRule, place: _Place, context: ToolContext) -> None:
    value = place.value
    if rule.one_of is not None and not any(type(value) is type(known) and value == known for known in rule.one_of):
        raise _Broken("not one of the values")
    if rule.at_least is not None or rule.at_most is not None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise _Broken("not a number")
        if (rule.at_least is not None and value < rule.at_least) or (rule.at_most is not None and value > rule.at_most):
            raise _Broken("out of range")
    if rule.prefix is not None and not _text(value).startswith(rule.prefix):
        raise _Broken("another beginning")
    if rule.characters_max is not None and len(_text(value)) > rule.characters_max:
        raise _Broken("too long")
    if rule.hosts is not None:
        check_url(_text(value), rule.hosts, rule.schemes)
    if rule.root is not None:
        place.put(checked_path(_text(value), rule.root, context.real_path))
    if rule.sql is not None:
        verdict = judge_sql(_text(value), rule.sql, context.tenant)
        if verdict.refused:
            raise _Broken(f"SQL: {verdict.refused}")
        place.put(verdict.sql)


def _text(value: Value) -> str:
    if not isinstance(value, str):
        raise _Broken("not a text")
    return value


def _finding(call: ToolCall, kind: str, reason: str, rule: ArgumentRule | None = None) -> Finding:
    entity = ".".join(rule.path) if rule is not None else ""
    return Finding("tools", f"tools.{kind}", 0, len(call.arguments), 1.0, reason, entity)


def _blocked(call: ToolCall, kind: str, reason: str) -> ToolDecision:
    return ToolDecision("block", (_finding(call, kind, reason),))
