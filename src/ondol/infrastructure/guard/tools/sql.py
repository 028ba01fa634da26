"""SQL that a tool is given: one SELECT over allowed tables, bound to the caller's tenant, judged and rewritten by its syntax tree.

Every kind of node must be on a list, so what is new or unknown to us is refused. A table whose rows belong to tenants, where the statement does not
itself ask for the caller's rows alone, is replaced by a subquery of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from sqlglot import exp

SQL_CHARACTERS_MAX = 10_000
NODES_MAX = 2_000
TENANT_CHARACTERS_MAX = 64

_TENANT = re.compile(rf"[A-Za-z0-9_-]{{1,{TENANT_CHARACTERS_MAX}}}")

_NODES = frozenset(
    [
        "Select",
        "Union",
        "Intersect",
        "Except",
        "Subquery",
        "With",
        "CTE",
        "From",
        "Join",
        "Where",
        "Group",
        "Having",
        "Order",
        "Ordered",
        "Limit",
        "Offset",
        "Table",
        "TableAlias",
        "Identifier",
        "Column",
        "Star",
        "Alias",
        "Literal",
        "Boolean",
        "Null",
        "And",
        "Or",
        "Not",
        "Paren",
        "EQ",
        "NEQ",
        "GT",
        "GTE",
        "LT",
        "LTE",
        "Between",
        "In",
        "Like",
        "ILike",
        "Is",
        "Exists",
        "Add",
        "Sub",
        "Mul",
        "Div",
        "Mod",
        "Neg",
        "Case",
        "If",
        "Distinct",
        "Tuple",
        "Cast",
        "DataType",
        "Lateral",
        "Count",
        "Sum",
        "Avg",
        "Min",
        "Max",
        "Coalesce",
        "Lower",
        "Upper",
        "Length",
        "Round",
        "Abs",
        "Extract",
        "Var",
        "Window",
        "WindowSpec",
        "RowNumber",
        "Rank",
        "DenseRank",
    ]
)


@dataclass(frozen=True, slots=True)
class SqlRule:
    """What an SQL argument may read.

    Attributes:
        tables: the tables that may be read, as they are stored, such as ``orders`` or ``sales.orders``.
        tenant_tables: those of them whose rows belong to tenants.
        tenant_column: the column that says whose a row is.
    """

    dialect: Literal["postgres", "mysql"]
    tables: frozenset[str]
    tenant_tables: frozenset[str]
    tenant_column: str = "tenant_id"


@dataclass(frozen=True, slots=True)
class SqlVerdict:
    """Whether a text may run.

    Attributes:
        refused: why not, in words of the rule; empty when it may.
        sql: what may run: written anew from its tree, with the tenant's condition wherever it was missing. Run this and not the text, so that
            no other parser reads it differently and no other tenant's row is met.
    """

    refused: str
    sql: str = ""


class _Refused(Exception):
    pass


def judge_sql(text: str, rule: SqlRule, tenant: str) -> SqlVerdict:
    """Judge one SQL text for a caller of this tenant. Never raises for what the text says."""
    if len(text) > SQL_CHARACTERS_MAX:
        return SqlVerdict("too long")
    if "\\" in text or (rule.dialect == "mysql" and '"' in text) or any(char < " " and char not in "\t\r\n" for char in text):
        return SqlVerdict("characters that servers read differently")
    if not _TENANT.fullmatch(tenant):
        return SqlVerdict("a tenant that cannot be written")
    from sqlglot.errors import SqlglotError

    try:
        rewritten = _judged(text, rule, tenant, adds_condition=True)
        _judged(rewritten, rule, tenant, adds_condition=False)  # what runs is judged as it will be read
        return SqlVerdict("", rewritten)
    except _Refused as refused:
        return SqlVerdict(str(refused))
    except (SqlglotError, RecursionError, ValueError):
        return SqlVerdict("not SQL of this dialect")


def _judged(text: str, rule: SqlRule, tenant: str, *, adds_condition: bool) -> str:
    import sqlglot
    from sqlglot import exp

    if any(token.comments for token in sqlglot.tokenize(text, read=rule.dialect)):
        raise _Refused("comments")
    trees = sqlglot.parse(text, read=rule.dialect)
    tree = trees[0] if len(trees) == 1 else None
    if not isinstance(tree, (exp.Select, exp.SetOperation)):
        raise _Refused("not one SELECT")
    nodes = list(tree.walk())
    if len(nodes) > NODES_MAX:
        raise _Refused("too large")
    for node in nodes:
        _check_node(node)
    ctes = _cte_names(tree, nodes, rule)
    tables = [node for node in nodes if isinstance(node, exp.Table) and not _is_cte(node, ctes, tree, rule)]
    unbound = [table for table in tables if _is_unbound(table, rule, tenant)]
    if unbound and not adds_condition:
        raise _Refused("a tenant table without the tenant's condition")
    for table in unbound:
        _bind(table, rule, tenant)
    return tree.sql(dialect=rule.dialect, comments=False)


def _check_node(node: exp.Expr) -> None:
    from sqlglot import exp

    if type(node).__name__ not in _NODES:
        raise _Refused("a construct or function that is not allowed")
    if node.comments:
        raise _Refused("comments")
    if isinstance(node, exp.Select) and (node.args.get("operation_modifiers") or node.args.get("kind")):
        raise _Refused("modifiers of SELECT")
    if isinstance(node, exp.TableAlias) and node.args.get("columns"):
        raise _Refused("columns renamed by an alias")
    if isinstance(node, exp.Subquery) and not isinstance(node.this, (exp.Select, exp.SetOperation, exp.Subquery)):
        raise _Refused("joins in parentheses")
    if isinstance(node, exp.Column) and (node.args.get("db") or node.args.get("catalog")):
        raise _Refused("columns named by schema")
    if isinstance(node, exp.DataType) and node.this in {exp.DataType.Type.USERDEFINED, exp.DataType.Type.UNKNOWN}:
        raise _Refused("a type that is not allowed")


def _name(node: object, rule: SqlRule) -> str:
    from sqlglot import exp

    if not isinstance(node, exp.Identifier):
        raise _Refused("a table that is not named")
    return str(node.this) if node.args.get("quoted") or rule.dialect == "mysql" else str(node.this).lower()


def _cte_names(tree: exp.Expr, nodes: list[exp.Expr], rule: SqlRule) -> list[tuple[str, exp.Expr]]:
    """The names that the statement gives before it begins, in order. Deeper ones and names of tables are refused: a name must mean one thing."""
    from sqlglot import exp

    withs = [node for node in nodes if isinstance(node, exp.With)]
    if any(node.parent is not tree or node.args.get("recursive") for node in withs) or len(withs) > 1:
        raise _Refused("WITH within, or recursive")
    ctes = [(_name(cte.args["alias"].this, rule), cte) for node in withs for cte in node.expressions]
    taken = {table.rpartition(".")[2].lower() for table in rule.tables}
    names = [name.lower() for name, _ in ctes]
    if len(set(names)) < len(names) or taken & set(names):
        raise _Refused("a WITH name that is taken")
    return ctes


def _is_cte(table: exp.Table, ctes: list[tuple[str, exp.Expr]], tree: exp.Expr, rule: SqlRule) -> bool:
    """Whether a table is a name given earlier; within a WITH only those before it are known."""
    if table.args.get("db") or table.args.get("catalog"):
        return False
    name, above = _name(table.this, rule), set()
    node: exp.Expr | None = table
    while node is not None and node is not tree:
        above.add(id(node))
        node = node.parent
    for known, cte in ctes:
        if id(cte) in above:
            return False
        if known == name:
            return True
    return False


def _is_unbound(table: exp.Table, rule: SqlRule, tenant: str) -> bool:
    """Whether a table holds rows of tenants and the SELECT that reads it does not ask for the caller's alone."""
    from sqlglot import exp

    if any(value for key, value in table.args.items() if key not in {"this", "db", "alias"}):
        raise _Refused("modifiers of a table")
    name = _name(table.this, rule)
    full = f"{_name(table.args['db'], rule)}.{name}" if table.args.get("db") else name
    if full not in rule.tables:
        raise _Refused("a table that is not allowed")
    if full not in rule.tenant_tables:
        return False
    scope = table.find_ancestor(exp.Select)
    where = scope.args.get("where") if scope is not None else None
    if scope is None or where is None:
        return True
    alias = table.args.get("alias")
    called = _name(alias.this, rule) if alias is not None else name
    source = scope.args.get("from_")
    is_alone = source is not None and source.this is table and not scope.args.get("joins") and not scope.args.get("laterals")
    return not any(_binds(part, called, is_alone, rule, tenant) for part in _conjuncts(where.this))


def _bind(table: exp.Table, rule: SqlRule, tenant: str) -> None:
    """Put the tenant's rows in a table's place, under the name that the statement calls it by."""
    from sqlglot import exp

    if not isinstance(table.parent, (exp.From, exp.Join)):
        raise _Refused("a tenant table in a place that cannot be bound")
    given = table.args.get("alias")
    called = given.this if given is not None else table.this
    source = exp.Table(this=table.this.copy(), db=table.args["db"].copy() if table.args.get("db") else None)
    is_theirs = exp.EQ(this=exp.column(exp.to_identifier(rule.tenant_column, quoted=True)), expression=exp.Literal.string(tenant))
    rows = exp.select("*").from_(source).where(is_theirs)
    table.replace(exp.Subquery(this=rows, alias=exp.TableAlias(this=called.copy())))


def _conjuncts(node: exp.Expr) -> list[exp.Expr]:
    """What must all hold: the parts of nested ANDs. Nothing below OR, NOT or CASE counts."""
    from sqlglot import exp

    parts, left = [], [node]
    while left:
        part = left.pop()
        if isinstance(part, exp.And):
            left += [part.this, part.expression]
        elif isinstance(part, exp.Paren):
            left.append(part.this)
        else:
            parts.append(part)
    return parts


def _binds(part: exp.Expr, called: str, is_alone: bool, rule: SqlRule, tenant: str) -> bool:
    from sqlglot import exp

    if not isinstance(part, exp.EQ):
        return False
    column, value = (part.this, part.expression) if isinstance(part.this, exp.Column) else (part.expression, part.this)
    if not isinstance(column, exp.Column) or not isinstance(value, exp.Literal) or str(value.this) != tenant or not value.is_string:
        return False
    if _name(column.this, rule) != rule.tenant_column:
        return False
    qualifier = column.args.get("table")
    return is_alone if qualifier is None else _name(qualifier, rule) == called
