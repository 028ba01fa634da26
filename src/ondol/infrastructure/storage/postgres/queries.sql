-- The queries that care for the database itself.

-- name: make_partitions
-- Make monthly partitions of a table.
-- door: system
select ondol.make_partitions(%(table)s::text, %(first_day)s::date, %(months)s::int);

-- name: server_time
-- The server's clock.
-- door: system
select now() as now;

-- name: rights_given_at
-- When the roles were given the rights that they have.
-- door: system
select given_at from ondol_migrations.rights;

-- name: risky_roles
-- Those of some roles that could pass row-level security, which must be none.
-- door: system
select rolname from pg_roles where rolname = any(%(roles)s::text[]) and (rolsuper or rolbypassrls or rolcreaterole);

-- name: open_tables
-- Tenant tables on which row-level security is not forced, which must be none.
-- door: system
select c.relname from pg_class c join pg_attribute a on a.attrelid = c.oid
where c.relnamespace = 'ondol'::regnamespace and c.relkind in ('r', 'p') and a.attname = 'tenant_id' and not a.attisdropped
    and not (c.relrowsecurity and c.relforcerowsecurity)
order by c.relname;
