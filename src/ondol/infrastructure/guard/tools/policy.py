"""What a tenant lets a model do with tools, declared as plain data:

    version: 1
    tools:
      - name: orders.find
        arguments: {type: object, properties: {query: {type: string}}, required: [query]}
        rules:
          - {argument: query, sql: {dialect: postgres, tables: [orders, countries], tenant_tables: [orders]}}
      - name: orders.refund
        arguments: {type: object, properties: {order: {type: string}, amount: {type: integer}}, required: [order, amount]}
        rules:
          - {argument: amount, at_least: 1, at_most: 100000}
        privileged: true
        destructive: true
        approval_role: support-lead

A tool that is not named is blocked. Properties that a schema does not name are refused unless it says `additionalProperties` itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from ondol.core.canonical import digest
from ondol.core.errors import SettingsError
from ondol.infrastructure.guard.checks.schema import SchemaWords
from ondol.infrastructure.guard.declared_tools import RUN_CHARACTERS, DeclaredRule, DeclaredSql, DeclaredTool, check_tools
from ondol.infrastructure.guard.tools.places import is_host_rule
from ondol.infrastructure.guard.tools.sql import SqlRule, judge_sql
from ondol.infrastructure.guard.tools.types import ArgumentRule, ToolPolicy, ToolRule

LIST_MAX = 1_000
"""Values, hosts or tables of one rule."""
SCHEMA_DEPTH_MAX = 20
PATTERN_BYTES_MAX = 1024 * 1024
"""Compiled, for each expression of a schema."""

_TABLE = re.compile(r"[A-Za-z0-9_]+(?:\.[A-Za-z0-9_]+)?")
_SHORTHAND = "Each tool has `name` and `arguments` (a JSON Schema), and may have `rules`, `privileged`, `destructive` and `approval_role`."


class _Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: Literal[1]
    tools: list[DeclaredTool]
    run_characters: int = RUN_CHARACTERS


def tool_policy_from(tree: object) -> ToolPolicy:
    """A tool policy from plain data, checked, its schemas compiled.

    Raises:
        SettingsError: when it says something unknown, impossible or without effect.
    """
    try:
        declared = msgspec.convert(tree, _Policy)
    except msgspec.ValidationError as error:
        raise SettingsError(f"The tool policy says something unknown: {error}.", _SHORTHAND) from error
    return tool_policy_of(declared.tools, declared.run_characters)


def tool_policy_of(tools: Sequence[DeclaredTool], run_characters: int = RUN_CHARACTERS) -> ToolPolicy:
    """The tools of a policy, checked, their schemas compiled.

    Raises:
        SettingsError: when they say something impossible or without effect.
    """
    check_tools(tools, run_characters)
    # Canonical JSON has no fractions, so the tools go in as one text.
    plain = {"run_characters": run_characters, "tools": msgspec.to_builtins(list(tools)), "version": 1}
    says = json.dumps(plain, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return ToolPolicy(tuple(_tool(tool) for tool in tools), run_characters, digest({"tool_policy": says}))


def _tool(tool: DeclaredTool) -> ToolRule:
    rules = tuple(_rule(tool.name, rule) for rule in tool.rules)
    return ToolRule(tool.name, _validator(tool), SchemaWords.of(tool.arguments), rules, tool.privileged, tool.destructive, tool.approval_role)


def _validator(tool: DeclaredTool) -> Any:
    import jsonschema_rs

    where = f"The arguments of {tool.name}"
    if tool.arguments.get("type") != "object":
        raise SettingsError(f"{where} are no object.", "Begin the JSON Schema with `type: object`.")
    linear = jsonschema_rs.RegexOptions(size_limit=PATTERN_BYTES_MAX)
    try:
        return jsonschema_rs.validator_for(_closed(tool.arguments, SCHEMA_DEPTH_MAX), offline=True, pattern_options=linear)
    except RecursionError as error:
        raise SettingsError(f"{where} nest too deep.", f"At most {SCHEMA_DEPTH_MAX} levels.") from error
    except (ValueError, TypeError, jsonschema_rs.ReferencingError) as error:
        raise SettingsError(
            f"{where} are not described by a JSON Schema: {error}.", "References lead within it, patterns have no look-around."
        ) from error


def _closed(schema: Any, depth: int) -> Any:
    """A schema whose objects hold nothing that it does not name, where it does not say so itself. Parts joined by `allOf` and the like stay."""
    if depth < 0:
        raise RecursionError
    if not isinstance(schema, Mapping):
        return schema
    closed = dict(schema)
    if isinstance(closed.get("properties"), Mapping):
        closed["properties"] = {name: _closed(part, depth - 1) for name, part in closed["properties"].items()}
    if isinstance(closed.get("items"), Mapping):
        closed["items"] = _closed(closed["items"], depth - 1)
    is_joined = any(word in closed for word in ("allOf", "anyOf", "oneOf", "$ref", "patternProperties", "unevaluatedProperties", "if"))
    if closed.get("type") == "object" and not is_joined:
        closed.setdefault("additionalProperties", False)
    return closed


def _rule(tool: str, rule: DeclaredRule) -> ArgumentRule:
    where = f"The rule on {rule.argument} of {tool}"
    path = tuple(rule.argument.split("."))
    if not all(path):
        raise SettingsError(f"{where} does not say which argument it is about.", "Write `body.to`, or `items.*` for each of a list.")
    says = {name: getattr(rule, name) for name in _SAYS}
    if all(value is None for value in says.values()):
        raise SettingsError(f"{where} says nothing.", f"Give one of {', '.join(_SAYS)}.")
    if rule.schemes is not None and rule.hosts is None:
        raise SettingsError(f"{where} has `schemes` without `hosts`.", "Name the hosts too.")
    for name in ("one_of", "hosts", "schemes"):
        value = getattr(rule, name)
        if value is not None and not 1 <= len(value) <= LIST_MAX:
            raise SettingsError(f"{where} has an empty or too long `{name}`.", f"1 to {LIST_MAX:,} entries.")
    if rule.characters_max is not None and rule.characters_max < 0:
        raise SettingsError(f"{where} has a negative `characters_max`.", "Give a length in characters.")
    if rule.at_least is not None and rule.at_most is not None and rule.at_least > rule.at_most:
        raise SettingsError(f"{where} lets no number pass.", "`at_least` is not above `at_most`.")
    for host in rule.hosts or ():
        if not is_host_rule(host):
            raise SettingsError(f"{where} names {host!r}, which is no host.", "Write `example.com`, `*.example.com` or `example.com:8443`.")
    if rule.root is not None and not rule.root.strip():
        raise SettingsError(f"{where} has an empty `root`.", "Name the folder that the tool opens paths in.")
    return ArgumentRule(
        path,
        None if rule.one_of is None else tuple(rule.one_of),
        rule.prefix,
        rule.characters_max,
        rule.at_least,
        rule.at_most,
        None if rule.hosts is None else tuple(rule.hosts),
        ("https",) if rule.schemes is None else tuple(rule.schemes),
        rule.root,
        None if rule.sql is None else _sql(where, rule.sql),
    )


_SAYS = ("one_of", "prefix", "characters_max", "at_least", "at_most", "hosts", "root", "sql")


def _sql(where: str, sql: DeclaredSql) -> SqlRule:
    tables, tenant_tables = frozenset(sql.tables), frozenset(sql.tenant_tables)
    if not 1 <= len(tables) <= LIST_MAX or not all(_TABLE.fullmatch(table) for table in tables):
        raise SettingsError(f"{where} has no tables, too many or one without a plain name.", "Write `orders` or `sales.orders`.")
    if not tenant_tables <= tables:
        missing = sorted(tenant_tables - tables)[0]
        raise SettingsError(f"{where} has the tenants' table {missing} that may not be read.", "Name it below `tables` too.")
    if not re.fullmatch(r"[A-Za-z0-9_]+", sql.tenant_column):
        raise SettingsError(f"{where} has a `tenant_column` without a plain name.", "`tenant_id` is usual.")
    rule = SqlRule(sql.dialect, tables, tenant_tables, sql.tenant_column)
    # The parser is imported by its first statement, which takes a quarter of a second: better now than in somebody's request.
    judge_sql("SELECT 1", rule, "")
    return rule
