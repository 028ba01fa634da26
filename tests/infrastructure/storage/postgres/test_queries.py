"""Every query of the package is planned by Postgres as the role of its door; and how `queries.sql` is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

import ondol
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from ondol.infrastructure.storage.postgres.queries import Query, parse_queries

ROOT = Path(ondol.__file__).parent
QUERIES = {
    f"{file.parent.relative_to(ROOT)}: {query.name}": query for file in sorted(ROOT.rglob("*.sql")) if file.name == "queries.sql"
    for query in parse_queries(file.read_text("utf-8")).values()
}  # fmt: skip


def test_rooms_have_queries() -> None:
    assert len(QUERIES) > 50


@pytest.fixture(scope="module")
def doors(module_addresses: DatabaseAddresses) -> Any:
    options = "-c search_path=ondol,pg_temp"
    with (
        psycopg.connect(module_addresses.app, options=options, autocommit=True) as app,
        psycopg.connect(module_addresses.system, options=options, autocommit=True) as system,
    ):
        yield {"tenant": app, "system": system}


@pytest.mark.parametrize("name", QUERIES)
def test_postgres_can_plan_the_query_as_the_role_of_its_door(name: str, doors: dict[str, psycopg.Connection[tuple[Any, ...]]]) -> None:
    text, parameters = QUERIES[name].numbered()
    plan = doors[QUERIES[name].door].execute(cast("Any", b"explain (generic_plan) " + text.encode())).fetchall()
    assert plan
    # Right types are the query's to say: a parameter without a cast is guessed anew by each driver.
    assert all(f"${number}::" in text for number in range(1, len(parameters) + 1))


names = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
lines = st.text(st.characters(codec="utf-8", exclude_characters="\r\n", exclude_categories=["Zl", "Zp", "Cc"]), min_size=1, max_size=30)
bodies = st.lists(lines.filter(lambda line: line.strip() and not line.lstrip().startswith("--") and ";" not in line), min_size=1, max_size=4)


@given(st.dictionaries(names, st.tuples(st.booleans(), bodies), max_size=5), st.booleans())
def test_what_is_written_is_read(written: dict[str, tuple[bool, list[str]]], ends_with_newline: bool) -> None:
    pieces = [
        f"-- name: {name}\n-- What it does: a sentence.\n" + ("-- door: system\n" if system else "") + "\n".join(body) + ";\n  -- the end"
        for name, (system, body) in written.items()
    ]
    text = "-- The queries.\n\n" + "\n".join(pieces) + ("\n" if ends_with_newline else "")
    assert parse_queries(text) == {
        name: Query(name, "system" if system else "tenant", cast("Any", "\n".join(body).strip())) for name, (system, body) in written.items()
    }


@pytest.mark.parametrize(
    "text",
    [
        "select 1;\n-- name: a\nselect 1;",
        "-- name: a\nselect 1;\n-- name: a\nselect 2;",
        "-- name: a\nselect 1;\n-- name: bCamel\nselect 2;",
        "-- name:a\nselect 1;",
        "-- name: a\n-- door: sytem\nselect 1;",
        "-- name: a\n-- door: tenant\nselect 1;",
        "-- name: a\n-- Only words.\n",
    ],
)
def test_a_slip_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_queries(text)


def test_numbering_repeats_the_number_of_a_repeated_parameter() -> None:
    query = parse_queries("-- name: q\nselect %(b)s::int + %(a)s::int - %(b)s::int where 'x' like '%%y';")["q"]
    assert query.numbered() == ("select $1::int + $2::int - $1::int where 'x' like '%y'", ["b", "a"])
