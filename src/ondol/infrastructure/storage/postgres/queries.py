"""Named queries: the only SQL of a room stands in its `queries.sql`.

A query begins with a line ``-- name: <name>`` and a comment of one sentence; ``-- door: system`` marks those that only `system_tx` may run.
Parameters are psycopg's ``%(name)s``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Literal, LiteralString

Door = Literal["tenant", "system"]

_NAME = re.compile(r"^-- name: ([a-z][a-z0-9_]*)$", re.MULTILINE)
_DOOR = re.compile(r"^-- door: system$", re.MULTILINE)
_MARK = re.compile(r"^[ \t]*--[ \t]*(?:name|door)[ \t]*:.*$", re.MULTILINE)
_COMMENT = re.compile(r"^[ \t]*--.*(?:\n|\Z)", re.MULTILINE)
_PARAMETER = re.compile(r"%\((\w+)\)s")


@dataclass(frozen=True, slots=True)
class Query:
    """One named query of a room."""

    name: str
    door: Door
    sql: LiteralString

    def numbered(self) -> tuple[str, list[str]]:
        """The query with ``$1, $2`` for its parameters, and their names in that order: what PREPARE and EXPLAIN understand."""
        names: list[str] = []

        def number(match: re.Match[str]) -> str:
            if match[1] not in names:
                names.append(match[1])
            return f"${names.index(match[1]) + 1}"

        return _PARAMETER.sub(number, self.sql).replace("%%", "%"), names


def parse_queries(text: str) -> dict[str, Query]:
    """Split the text of a `queries.sql` into its queries.

    Raises:
        ValueError: for a name that occurs twice, a name or door line that is misspelt, a query without SQL, or text before the first name.
    """
    for mark in _MARK.findall(text):
        if not (_NAME.fullmatch(mark) or _DOOR.fullmatch(mark)):
            raise ValueError(f"`{mark}` is neither a name nor a door")
    parts = _NAME.split(text)
    if _COMMENT.sub("", parts[0]).strip():
        raise ValueError("SQL stands before the first `-- name:` line")
    queries: dict[str, Query] = {}
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        if name in queries:
            raise ValueError(f"two queries are called {name}")
        door: Door = "system" if _DOOR.search(body) else "tenant"
        sql = _COMMENT.sub("", body).strip().rstrip(";").rstrip()
        if not sql:
            raise ValueError(f"the query {name} has no SQL")
        queries[name] = Query(name, door, _literal(sql))
    return queries


def _literal(sql: str) -> LiteralString:
    return sql


def load_queries(package: str) -> Mapping[str, LiteralString]:
    """The SQL texts of a room by name.

    Args:
        package: the dotted name of the package beside whose modules `queries.sql` lies.
    """
    return {name: query.sql for name, query in parse_queries(read_queries(package)).items()}


def read_queries(package: str) -> str:
    """The text of a room's `queries.sql`."""
    return (resources.files(package) / "queries.sql").read_text("utf-8")
