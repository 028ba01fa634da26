"""Tool policies as plain data."""

from __future__ import annotations

from typing import Any

import pytest

from ondol.core.errors import SettingsError
from ondol.infrastructure.guard.tools.policy import tool_policy_from
from ondol.infrastructure.guard.tools.types import ArgumentRule

OBJECT = {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "object", "properties": {"c": {"type": "integer"}}}}}


def of(**tool: Any) -> object:
    return {"version": 1, "tools": [{"name": "t", "arguments": OBJECT, **tool}]}


def test_a_policy_is_read() -> None:
    rules = [{"argument": "a", "hosts": ["ok.com"]}, {"argument": "b.c", "at_least": 1, "at_most": 2.5}]
    policy = tool_policy_from(of(rules=rules, privileged=True, destructive=True, approval_role="lead"))
    (tool,) = policy.tools
    assert tool.rules == (ArgumentRule(("a",), hosts=("ok.com",)), ArgumentRule(("b", "c"), at_least=1, at_most=2.5))
    assert (tool.privileged, tool.destructive, tool.approval_role, policy.run_characters) == (True, True, "lead", 20)


def test_schemas_are_closed_where_they_do_not_say_otherwise() -> None:
    (tool,) = tool_policy_from(of()).tools
    assert list(tool.validator.iter_errors({"a": "x", "b": {"c": 1}})) == []
    assert len(list(tool.validator.iter_errors({"x": 1}))) == 1
    assert len(list(tool.validator.iter_errors({"b": {"x": 1}}))) == 1
    (open_tool,) = tool_policy_from(of(arguments={**OBJECT, "additionalProperties": True})).tools
    assert list(open_tool.validator.iter_errors({"x": 1})) == []


def test_the_exact_name_decides_then_the_longest_beginning() -> None:
    names = ("orders.*", "orders.re*", "orders.refund")
    policy = tool_policy_from({"version": 1, "tools": [{"name": name, "arguments": OBJECT} for name in names]})
    found = [policy.rule_for(name) for name in ("orders.refund", "orders.refunds", "orders.find", "order", "orders")]
    assert [tool and tool.name for tool in found] == ["orders.refund", "orders.re*", "orders.*", None, None]


@pytest.mark.parametrize(
    ("tree", "word"),
    [
        ([], "unknown"),
        ({"version": 2, "tools": []}, "unknown"),
        ({"version": 1, "tools": [], "extra": 1}, "extra"),
        ({"version": 1, "tools": [], "run_characters": 3}, "run_characters"),
        ({"version": 1, "tools": [{"name": "t", "arguments": OBJECT}] * 2}, "twice"),
        (of(name="a b"), "name"),
        (of(name="*x"), "name"),
        (of(arguments={}), "object"),
        (of(arguments={"type": "object", "properties": {"a": {"type": "nonsense"}}}), "JSON Schema"),
        (of(arguments={"type": "object", "properties": {"a": {"$ref": "https://elsewhere.example/x"}}}), "JSON Schema"),
        (of(arguments={"type": "object", "properties": {"a": {"pattern": "(?=a)b"}}}), "JSON Schema"),
        (of(destructive=True), "approve"),
        (of(rules=[{"argument": "a"}]), "nothing"),
        (of(rules=[{"argument": "a..b", "prefix": "x"}]), "which argument"),
        (of(rules=[{"argument": "a", "perfix": "x"}]), "perfix"),
        (of(rules=[{"argument": "a", "one_of": []}]), "one_of"),
        (of(rules=[{"argument": "a", "at_least": 2, "at_most": 1}]), "no number"),
        (of(rules=[{"argument": "a", "characters_max": -1}]), "characters_max"),
        (of(rules=[{"argument": "a", "hosts": ["*"]}]), "host"),
        (of(rules=[{"argument": "a", "schemes": ["https"]}]), "nothing"),
        (of(rules=[{"argument": "a", "prefix": "h", "schemes": ["https"]}]), "hosts"),
        (of(rules=[{"argument": "a", "root": " "}]), "root"),
        (of(rules=[{"argument": "a", "sql": {"dialect": "postgres", "tables": [], "tenant_tables": []}}]), "tables"),
        (of(rules=[{"argument": "a", "sql": {"dialect": "postgres", "tables": ["a"], "tenant_tables": ["b"]}}]), "b"),
        (of(rules=[{"argument": "a", "sql": {"dialect": "oracle", "tables": ["a"], "tenant_tables": []}}]), "unknown"),
    ],
)
def test_what_is_wrong_is_said(tree: object, word: str) -> None:
    with pytest.raises(SettingsError) as raised:
        tool_policy_from(tree)
    assert word in raised.value.message
    assert raised.value.hint


def test_schemas_nest_so_deep_only() -> None:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(40):
        schema = {"type": "object", "properties": {"a": schema}}
    with pytest.raises(SettingsError):
        tool_policy_from(of(arguments=schema))


def test_its_digest_names_all_that_it_says() -> None:
    first = tool_policy_from(of(rules=[{"argument": "a", "prefix": "x"}]))
    assert first.digest == tool_policy_from(of(rules=[{"prefix": "x", "argument": "a"}], privileged=False)).digest
    others = (of(), of(rules=[{"argument": "a", "prefix": "y"}]), of(rules=[{"argument": "a", "prefix": "x"}], privileged=True))
    assert len({first.digest, *(tool_policy_from(other).digest for other in others)}) == 4
