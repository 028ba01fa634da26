-- Limits, budgets and prices: what callers may use, what of it is used, and what it costs.
-- Use is counted in pools, one for each thing that is limited. A replica (a worker process of the gateway) borrows slices of a pool, its
-- leases, and spends them in memory; about once a second it tells what it has spent. The clock of all this is the database's.

-- The clock of leases, windows and refills. One function, so that one place says which clock it is.
create function ondol.limits_now() returns timestamptz
language sql stable parallel safe
return now();

-- ---------------------------------------------------------------- what people set

-- The subject of the tenant's own scope is empty; of a group, person or key it is the id, of a model its alias; '*' is each one that has no
-- row of its own.
create table ondol.limits (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    scope text not null check (scope in ('tenant', 'group', 'person', 'key', 'model')),
    subject text not null check (length(subject) <= 200),
    requests_per_minute bigint check (requests_per_minute between 1 and 1000000000),
    tokens_per_minute bigint check (tokens_per_minute between 1 and 1000000000000),
    concurrent_max bigint check (concurrent_max between 1 and 1000000),
    body_bytes_max bigint check (body_bytes_max > 0),
    prompt_tokens_max bigint check (prompt_tokens_max > 0),
    output_tokens_max bigint check (output_tokens_max > 0),
    deadline_s integer check (deadline_s > 0),
    created_at timestamptz not null,
    changed_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, scope, subject),
    check ((scope = 'tenant') = (subject = ''))
);
select ondol.bind_to_tenant('ondol.limits');

-- The amount is in nano-units of the currency, or in tokens. What was credited is added to it.
create table ondol.budgets (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    name text not null check (length(name) between 1 and 200),
    scope text not null check (scope in ('tenant', 'group', 'person', 'key', 'model')),
    subject text not null check (length(subject) <= 200),
    unit text not null check (unit in ('money', 'tokens')),
    currency text check (currency in ('USD', 'KRW')),
    period text not null check (period in ('day', 'month', 'total')),
    amount bigint not null check (amount >= 0),
    credited bigint not null default 0 check (credited >= 0),
    alarm_percents smallint[] not null default '{}' check (cardinality(alarm_percents) <= 10),
    created_at timestamptz not null,
    changed_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, name),
    check ((scope = 'tenant') = (subject = '')),
    check ((unit = 'money') = (currency is not null)),
    check (amount <= 9223372036854775807 - credited),
    check (period = 'total' or credited = 0)
);
select ondol.bind_to_tenant('ondol.budgets');

-- What was paid into a prepaid balance.
create table ondol.budget_credits (
    tenant_id uuid not null,
    id uuid not null,
    budget_id uuid not null,
    amount bigint not null check (amount > 0),
    created_by uuid,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, budget_id) references ondol.budgets (tenant_id, id) on delete cascade
);
create index budget_credits_by_budget on ondol.budget_credits (tenant_id, budget_id);
select ondol.bind_to_tenant('ondol.budget_credits');

-- The price list of a target, from a moment on. All are nano-units; of tokens for a million of them. Null is: not known, so not for sale by it.
create table ondol.prices (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    provider text not null check (length(provider) between 1 and 100),
    model text not null check (length(model) between 1 and 300),
    currency text not null check (currency in ('USD', 'KRW')),
    from_at timestamptz not null,
    input bigint check (input >= 0),
    cached_input bigint check (cached_input >= 0),
    cache_write bigint check (cache_write >= 0),
    output bigint check (output >= 0),
    reasoning bigint check (reasoning >= 0),
    request bigint check (request >= 0),
    image bigint check (image >= 0),
    second bigint check (second >= 0),
    character bigint check (character >= 0),
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, provider, model, from_at)
);
select ondol.bind_to_tenant('ondol.prices');

-- ---------------------------------------------------------------- what is used

-- A worker process. It lives while it says so; a lost one may come back until its records have been settled, then it is closed for good.
-- `settled_through` is the number of its last settlement that the pools know; `exchange` the number of its last transaction with them.
create table ondol.limit_replicas (
    id uuid primary key,
    state text not null default 'live' check (state in ('live', 'lost', 'closed')),
    started_at timestamptz not null,
    seen_at timestamptz not null,
    expires_at timestamptz not null,
    settled_through bigint not null default 0,
    exchange bigint not null default 0
);
create index limit_replicas_open on ondol.limit_replicas (expires_at) where state <> 'closed';

-- One thing that is limited: a window of a budget, or one figure of a limit, for one subject. What is free of a budget is its amount less what
-- is spent and what is leased. Of requests and tokens per minute it is the level, which rises with time; of concurrent requests the amount less
-- what is leased. `granted` is what the last grant gave: how an UPDATE tells it.
create table ondol.limit_pools (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    rule_id uuid not null,
    kind text not null check (kind in ('money', 'budget_tokens', 'requests', 'tokens', 'concurrent')),
    subject text not null,
    starts_at timestamptz not null,
    ends_at timestamptz,
    amount bigint not null check (amount >= 0),
    spent bigint not null default 0,
    leased bigint not null default 0 check (leased >= 0),
    level double precision not null default 0,
    filled_at timestamptz not null,
    granted bigint not null default 0,
    starved_at timestamptz,
    primary key (tenant_id, id),
    unique (tenant_id, rule_id, kind, subject, starts_at)
) with (fillfactor = 50);
create index limit_pools_ended on ondol.limit_pools (ends_at);
select ondol.bind_to_tenant('ondol.limit_pools');

create table ondol.limit_leases (
    tenant_id uuid not null,
    pool_id uuid not null,
    replica_id uuid not null references ondol.limit_replicas (id) on delete cascade,
    amount bigint not null check (amount >= 0),
    primary key (tenant_id, pool_id, replica_id),
    foreign key (tenant_id, pool_id) references ondol.limit_pools (tenant_id, id) on delete cascade
) with (fillfactor = 50);
create index limit_leases_by_replica on ondol.limit_leases (replica_id);
select ondol.bind_to_tenant('ondol.limit_leases');

-- Settlements that stand in the records of a replica and that its own reports have not brought yet: charged when it is closed.
create table ondol.limit_replays (
    tenant_id uuid not null,
    pool_id uuid not null,
    replica_id uuid not null references ondol.limit_replicas (id) on delete cascade,
    request_id uuid not null,
    number bigint not null,
    amount bigint not null check (amount >= 0),
    primary key (tenant_id, pool_id, replica_id, request_id),
    foreign key (tenant_id, pool_id) references ondol.limit_pools (tenant_id, id) on delete cascade
);
create index limit_replays_by_replica on ondol.limit_replays (replica_id, number);
select ondol.bind_to_tenant('ondol.limit_replays');

-- A share of a window that was reached: one row, so one alarm. `claimed_until` keeps other workers off while one tells it.
create table ondol.budget_alarms (
    tenant_id uuid not null,
    pool_id uuid not null,
    percent smallint not null,
    spent bigint not null,
    amount bigint not null,
    reached_at timestamptz not null,
    claimed_until timestamptz,
    told_at timestamptz,
    primary key (tenant_id, pool_id, percent),
    foreign key (tenant_id, pool_id) references ondol.limit_pools (tenant_id, id) on delete cascade
);
create index budget_alarms_to_tell on ondol.budget_alarms (reached_at) where told_at is null;
select ondol.bind_to_tenant('ondol.budget_alarms');

-- What can be leased of a pool now.
create function ondol.limit_free(kind text, amount bigint, spent bigint, leased bigint, level double precision) returns bigint
language sql immutable parallel safe
return case
    when kind in ('money', 'budget_tokens') then greatest(amount - spent - leased, 0)
    when kind = 'concurrent' then greatest(amount - leased, 0)
    else greatest(floor(least(level, (amount - leased)::double precision)), 0)::bigint
end;

-- The slice that is given: what is wished for, but no more than the replicas' even half of what is left, and never less than what is needed at
-- once; nothing where even that is not there. So slices shrink towards the end and what is left is used up.
create function ondol.limit_slice(free bigint, wished bigint, needed bigint, replicas bigint) returns bigint
language sql immutable parallel safe
return case when free < needed then 0 else least(free, greatest(needed, least(wished, free / (2 * greatest(replicas, 1))))) end;

-- ---------------------------------------------------------------- told to the workers

create table ondol.limit_revision (
    only_row boolean primary key default true check (only_row),
    revision bigint not null default 1
);
insert into ondol.limit_revision default values;

create function ondol.tell_limits_changed() returns trigger
language plpgsql security definer set search_path = ondol, pg_temp as $$
begin
    update ondol.limit_revision set revision = revision + 1;
    perform pg_notify('ondol_limits', '');
    return null;
end $$;
create trigger limits_changed after insert or update or delete on ondol.limits
    for each statement execute function ondol.tell_limits_changed();
create trigger limits_changed after insert or update or delete on ondol.budgets
    for each statement execute function ondol.tell_limits_changed();
create trigger limits_changed after insert or update or delete on ondol.prices
    for each statement execute function ondol.tell_limits_changed();
create trigger limits_changed after update of time_zone on ondol.tenants
    for each statement execute function ondol.tell_limits_changed();
