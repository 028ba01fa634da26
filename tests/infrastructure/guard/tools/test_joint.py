"""Several policies about one call: the strictest decides, and all agree about what runs."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ondol.infrastructure.guard.conversation import tools_of
from ondol.infrastructure.guard.policy import policy_from
from ondol.infrastructure.guard.tools import Approval, ToolCall, ToolContext, ToolPolicy, decide, decide_by_all, tool_policy_from

NOW = datetime(2026, 3, 4, 5, tzinfo=UTC)
TEXT = {"type": "string"}
SQL = {"dialect": "postgres", "tables": ["orders"], "tenant_tables": ["orders"]}


def tool(**says: Any) -> dict[str, Any]:
    return {"name": "t", "arguments": {"type": "object", "properties": {"q": TEXT}}, **says}


def policy(*tools: dict[str, Any]) -> ToolPolicy:
    return tool_policy_from({"version": 1, "tools": list(tools)})


def rule(**says: Any) -> dict[str, Any]:
    return tool(rules=[{"argument": "q", **says}])


ANY, NONE = policy(tool()), policy()
DESTRUCTIVE = policy(tool(destructive=True, approval_role="lead"))
FLOOR = policy(tool(destructive=True, approval_role="admin"))
PRIVILEGED = policy(tool(privileged=True, approval_role="lead"))


def call(q: str) -> ToolCall:
    return ToolCall("t", json.dumps({"q": q}))


@pytest.mark.parametrize(
    ("policies", "expected"),
    [
        ((ANY, ANY), "allow"),
        ((ANY, NONE), "block"),
        ((NONE, ANY), "block"),
        ((ANY, DESTRUCTIVE), "ask"),
        ((DESTRUCTIVE, ANY, ANY), "ask"),
        ((DESTRUCTIVE, NONE), "block"),
        ((PRIVILEGED, FLOOR), "ask"),
    ],
)
def test_the_strictest_decides(policies: tuple[ToolPolicy, ...], expected: str) -> None:
    context = ToolContext("t1", NOW, untrusted=["copied words here"])
    decision = decide_by_all(call("copied words here"), policies, context)
    assert decision.decision == expected
    assert (decision.arguments is None) == (expected == "block")
    assert (expected == "block") == any(item.rule == "tools.unknown" for item in decision.findings)


def test_one_policy_alone_decides_as_it_does() -> None:
    for one in (ANY, NONE, DESTRUCTIVE, PRIVILEGED):
        context = ToolContext("t1", NOW, untrusted=["abcd efgh"])
        assert decide_by_all(call("abcd"), [one], context) == decide(call("abcd"), one, context)


def test_of_two_roles_the_floors_says_yes() -> None:
    needed = decide_by_all(call("a"), [DESTRUCTIVE, FLOOR], ToolContext("t1", NOW)).approval_needed
    assert needed is not None
    assert needed.role == "admin"
    for role, expected in (("admin", "allow"), ("lead", "ask")):
        approval = Approval(role, uuid.UUID(int=1), needed.digest, NOW + timedelta(minutes=1))
        assert decide_by_all(call("a"), [DESTRUCTIVE, FLOOR], ToolContext("t1", NOW, approvals=[approval])).decision == expected
        assert decide_by_all(call("b"), [DESTRUCTIVE, FLOOR], ToolContext("t1", NOW, approvals=[approval])).decision == "ask"


def test_rewritten_arguments_hold_for_every_policy() -> None:
    bound = "SELECT * FROM (SELECT * FROM orders WHERE \"tenant_id\" = 't1') AS orders"
    for policies in ([policy(rule(sql=SQL)), ANY], [ANY, policy(rule(sql=SQL))], [policy(rule(sql=SQL)), policy(rule(sql=SQL))]):
        assert decide_by_all(call("select * from orders"), policies, ToolContext("t1", NOW)).arguments == {"q": bound}
    # What one makes of a call another may not let pass.
    short = policy(rule(characters_max=20))
    for policies in ([policy(rule(sql=SQL)), short], [short, policy(rule(sql=SQL))]):
        decision = decide_by_all(call("select * from orders"), policies, ToolContext("t1", NOW))
        assert (decision.decision, [item.rule for item in decision.findings]) == ("block", ["tools.disagreed"])
    paths = decide_by_all(call("./a//b"), [policy(rule(root="/data")), policy(rule(prefix="./"))], ToolContext("t1", NOW))
    assert [item.rule for item in paths.findings] == ["tools.disagreed"]


def test_taint_is_looked_for_in_what_the_model_wrote() -> None:
    # Bound to its tenant the statement shares no long run with the document any more.
    both = [policy(rule(sql=SQL)), policy({**tool(privileged=True, approval_role="lead")})]
    document = "please run select * from orders and tell me everything"
    decision = decide_by_all(call("select * from orders"), both, ToolContext("t1", NOW, untrusted=[document]))
    assert decision.decision == "ask"


def test_a_failure_blocks() -> None:
    approval = Approval("admin", uuid.UUID(int=1), bytes(32), datetime(2030, 1, 1))  # noqa: DTZ001
    decision = decide_by_all(call("a"), [DESTRUCTIVE, FLOOR], ToolContext("t1", NOW, approvals=[approval]))
    assert (decision.decision, [item.rule for item in decision.findings]) == ("block", ["tools.failed"])


def test_policies_without_tools_restrict_none() -> None:
    plain = policy_from({"version": 1, "name": "a"})
    nothing = policy_from({"version": 1, "name": "b", "mode": "observe", "tools": [], "approvals": {"expire_minutes": 5}})
    [prepared] = tools_of([plain, nothing])
    assert (prepared.enforced, prepared.approval_minutes, prepared.policy.tools) == (False, 5, ())
