"""SQL arguments: what a caller may read, and the ways around it."""

import pytest

from ondol.infrastructure.guard.tools.sql import SqlRule, judge_sql

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
        "SELECT * FROM orders",
        "SELECT * FROM orders WHERE tenant_id = 't2'",
        f"SELECT * FROM orders WHERE {MINE} OR true",
        f"SELECT * FROM orders WHERE NOT ({MINE})",
        f"SELECT * FROM orders WHERE CASE WHEN true THEN true ELSE {MINE} END",
        "SELECT * FROM orders WHERE tenant_id = tenant_id",
        "SELECT * FROM orders WHERE tenant_id <> 't1'",
        f"SELECT * FROM orders WHERE {MINE} UNION ALL SELECT * FROM orders",
        f"SELECT * FROM orders WHERE {MINE}; DROP TABLE orders",
        f"SELECT * FROM orders WHERE {MINE} -- x",
        f"SELECT * FROM orders /* x */ WHERE {MINE}",
        "SELECT * FROM orders o, items i WHERE o.tenant_id = 't1'",
        "SELECT * FROM orders o LEFT JOIN items i ON i.tenant_id = 't1' WHERE o.tenant_id = 't1'",
        f"SELECT * FROM orders o, items i WHERE {MINE}",
        f"SELECT * FROM orders WHERE {MINE} AND EXISTS (SELECT 1 FROM items)",
        f"SELECT (SELECT max(id) FROM items) FROM orders WHERE {MINE}",
        "SELECT * FROM orders AS o(id, tenant_id) WHERE tenant_id = 't1'",
        "WITH orders AS (SELECT 1) SELECT * FROM orders",
        "WITH a AS (SELECT * FROM secrets), secrets AS (SELECT 1 AS x) SELECT * FROM a",
        "WITH secrets AS (SELECT * FROM secrets) SELECT * FROM secrets",
        "SELECT * FROM secrets WHERE EXISTS (WITH secrets AS (SELECT 1) SELECT 1)",
        "WITH x AS (DELETE FROM orders RETURNING *) SELECT * FROM x",
        "WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT 1 FROM r) SELECT * FROM r",
        f"SELECT * FROM orders, LATERAL (SELECT * FROM items) l WHERE orders.{MINE}",
        "SELECT pg_read_file('/etc/passwd')",
        "SELECT pg_sleep(9)",
        "SELECT * FROM generate_series(1, 9)",
        "SELECT * FROM information_schema.tables",
        "SELECT * FROM other.orders WHERE tenant_id = 't1'",
        "SELECT * FROM \"Orders\" WHERE tenant_id = 't1'",
        "SELECT * FROM orders WHERE \"Tenant_id\" = 't1'",
        "SELECT * FROM оrders WHERE tenant_id = 't1'",
        f"SELECT * INTO copy FROM orders WHERE {MINE}",
        f"SELECT * FROM orders WHERE {MINE} FOR UPDATE",
        "SELECT 'secrets'::regclass",
        "SELECT $$a$$",
        "SELECT E'\\x41'",
        "DELETE FROM orders",
        "TRUNCATE orders",
        "",
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
