-- The queries that care for the database itself.

-- name: make_partitions
-- Make monthly partitions of a table.
-- door: system
select ondol.make_partitions(%(table)s::text, %(first_day)s::date, %(months)s::int);
