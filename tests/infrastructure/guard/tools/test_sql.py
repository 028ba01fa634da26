"""SQL arguments: what a caller may read, and the ways around it."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from ondol.infrastructure.guard.tools.sql import SqlRule, judge_sql
from ondol.infrastructure.storage.postgres import DatabaseAddresses

RULE = SqlRule("postgres", frozenset({"orders", "items", "countries"}), frozenset({"orders", "items"}))
MINE = "tenant_id = 't1'"


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT * FROM orders WHERE {MINE}",
        f"select count(*) from ORDERS o where (o.{MINE} and (total > 5 or total < 2)) order by 1 limit 3",
        "SELECT o.id FROM orders o JOIN items i ON i.order_id = o.id WHERE o.tenant_id = 't1' AND 't1' = i.tenant_id",
        f"WITH mine AS (SELECT id FROM orders WHERE {MINE}) SELECT * FROM mine",
        f"SELECT id FROM orders WHERE {MINE} UNION SELECT id FROM items WHERE {MINE}",
        "SELECT name FROM countries",
    ],
)
def test_honest_queries_pass(sql: str) -> None:
    verdict = judge_sql(sql, RULE, "t1")
    assert verdict.refused == ""
    assert judge_sql(verdict.sql, RULE, "t1").refused == ""


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT * FROM orders WHERE {MINE}; DROP TABLE orders",
        f"SELECT * FROM orders WHERE {MINE} -- x",
        f"SELECT * FROM orders /* x */ WHERE {MINE}",
        "SELECT * FROM orders AS o(id, tenant_id) WHERE tenant_id = 't1'",
        "WITH orders AS (SELECT 1) SELECT * FROM orders",
        "WITH a AS (SELECT * FROM secrets), secrets AS (SELECT 1 AS x) SELECT * FROM a",
        "WITH secrets AS (SELECT * FROM secrets) SELECT * FROM secrets",
        "SELECT * FROM secrets WHERE EXISTS (WITH secrets AS (SELECT 1) SELECT 1)",
        "WITH x AS (DELETE FROM orders RETURNING *) SELECT * FROM x",
        "WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT 1 FROM r) SELECT * FROM r",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_sleep(9)",
        "SELECT * FROM generate_series(1, 9)",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM other.orders WHERE tenant_id = 't1'",
        "SELECT * FROM \"Orders\" WHERE tenant_id = 't1'",
        "SELECT * FROM оrders WHERE tenant_id = 't1'",
        f"SELECT * INTO copy FROM orders WHERE {MINE}",
        f"SELECT * FROM orders WHERE {MINE} FOR UPDATE",
        "SELECT 'secrets'::regclass",
        "SELECT $$a$$",
        "SELECT E'\\x41'",
        "DELETE FROM orders",
        "TRUNCATE orders",
        "",
        "SELECT * FROM ONLY orders",
        "SELECT * FROM (orders)",
        "SELECT * FROM orders TABLESAMPLE SYSTEM (100)",
        "SELECT query_to_xml('select * from orders', true, true, '')",
        "SELECT current_setting('x')",
        "SELECT ((((",
        "SELECT " + "(" * 4000,
    ],
)
def test_ways_around_are_refused(sql: str) -> None:
    assert judge_sql(sql, RULE, "t1").refused


@pytest.mark.parametrize(
    "sql", ['SELECT * FROM orders WHERE tenant_id = "t1"', "SELECT /*!1*/ 2", "SELECT load_file('/x')", "SELECT sleep(9)", "SELECT @@version"]
)
def test_mysql_is_read_as_mysql(sql: str) -> None:
    assert judge_sql(sql, SqlRule("mysql", RULE.tables, RULE.tenant_tables), "t1").refused


def test_a_tenant_that_could_break_out_is_refused() -> None:
    assert judge_sql("SELECT * FROM orders", RULE, "t1' OR '1'='1").refused
    assert judge_sql("SELECT * FROM orders", RULE, "").refused


@pytest.fixture(scope="module")
def shop(module_addresses: DatabaseAddresses) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A real database in which every value says whose row it stands in; what is t2's is not for t1."""
    with psycopg.connect(module_addresses.owner, autocommit=True) as connection:
        connection.execute("create schema shop")
        connection.execute("set search_path to shop")
        connection.execute("create table orders (tenant_id text, id text, total int)")
        connection.execute("create table items (tenant_id text, id text, order_id text)")
        connection.execute("create table countries (name text)")
        for tenant in ("t1", "t2"):
            connection.execute("insert into orders values (%s, %s, 7), (%s, %s, 9)", (tenant, f"{tenant}-o1", tenant, f"{tenant}-o2"))
            connection.execute("insert into items values (%s, %s, %s)", (tenant, f"{tenant}-i1", f"{tenant}-o1"))
        connection.execute("insert into countries values ('kr')")
        yield connection


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT * FROM orders", 2),
        ("SELECT * FROM orders WHERE tenant_id = 't2'", 0),
        (f"SELECT * FROM orders WHERE {MINE} OR true", 2),
        (f"SELECT * FROM orders WHERE NOT ({MINE})", 0),
        (f"SELECT * FROM orders WHERE CASE WHEN true THEN true ELSE {MINE} END", 2),
        ("SELECT * FROM orders WHERE tenant_id = tenant_id", 2),
        ("SELECT * FROM orders WHERE tenant_id <> 't1'", 0),
        (f"SELECT id FROM orders WHERE {MINE} UNION ALL SELECT id FROM orders", 4),
        ("SELECT * FROM orders o, items i WHERE o.tenant_id = 't1'", 2),
        ("SELECT i.*, o.* FROM orders o LEFT JOIN items i ON i.order_id <> o.id WHERE o.tenant_id = 't1'", 2),
        ("SELECT * FROM orders o FULL JOIN items i ON i.id = o.id", 3),
        (f"SELECT id FROM orders WHERE {MINE} AND EXISTS (SELECT 1 FROM items WHERE tenant_id = 't2')", 0),
        (f"SELECT (SELECT max(id) FROM items) FROM orders WHERE {MINE}", 2),
        (f"SELECT l.* FROM orders, LATERAL (SELECT * FROM items) l WHERE orders.{MINE}", 2),
        ("WITH a AS (SELECT id FROM orders) SELECT a.id, b.id FROM a, (SELECT id FROM items) AS b", 2),
        ("SELECT id FROM orders WHERE id IN (SELECT order_id FROM items) ORDER BY (SELECT max(id) FROM orders)", 1),
        ("SELECT orders.id FROM countries JOIN orders ON true", 2),
        ("SELECT max(id) FROM orders GROUP BY tenant_id HAVING max(tenant_id) > (SELECT min(tenant_id) FROM items)", 0),
    ],
)
def test_what_runs_meets_the_tenants_rows_alone(shop: psycopg.Connection[tuple[object, ...]], sql: str, rows: int) -> None:
    verdict = judge_sql(sql, RULE, "t1")
    assert verdict.refused == ""
    found = shop.execute(verdict.sql.encode()).fetchall()
    assert len(found) == rows
    assert all(value is None or value in (7, 9) or str(value).startswith("t1") for row in found for value in row)
    # Run as it was written, the statement would have met another tenant's rows, or have asked for them.
    assert verdict.sql != sql
