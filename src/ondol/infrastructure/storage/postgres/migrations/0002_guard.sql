-- The guard: policies and where they are bound, tokens of the vault, canaries, incidents, and masked traffic for dry runs.

-- A version of a policy is never changed: what decided about a request is found by its digest for as long as the record is kept.
create table ondol.guard_policies (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    name text not null check (name ~ '^[a-z0-9](-?[a-z0-9]){0,62}$'),
    version integer not null check (version > 0),
    body jsonb not null,
    digest bytea not null check (length(digest) = 32),
    created_at timestamptz not null,
    created_by uuid,
    primary key (tenant_id, id),
    unique (tenant_id, name, version)
);
create index guard_policies_by_digest on ondol.guard_policies (tenant_id, digest);
select ondol.bind_to_tenant('ondol.guard_policies');

-- Which policy holds where. The target of the tenant itself is empty; of a key it is the key's id, of all others a name.
create table ondol.guard_bindings (
    tenant_id uuid not null references ondol.tenants (id),
    scope text not null check (scope in ('tenant', 'base', 'assistant', 'model', 'key')),
    target text not null check (length(target) <= 200),
    policy_name text not null,
    bound_at timestamptz not null,
    bound_by uuid,
    primary key (tenant_id, scope, target),
    check ((scope = 'tenant') = (target = ''))
);
select ondol.bind_to_tenant('ondol.guard_bindings');

-- What stands in prompts, documents and memories and must never come out again.
create table ondol.guard_canaries (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    purpose text not null check (length(purpose) between 1 and 200),
    value_sealed bytea not null,
    created_at timestamptz not null,
    retired_at timestamptz,
    primary key (tenant_id, id)
);
select ondol.bind_to_tenant('ondol.guard_canaries');

-- Policies are looked up in memory: a change moves this counter, which every worker reads once a second.
create table ondol.guard_revision (
    only_row boolean primary key default true check (only_row),
    revision bigint not null default 1
);
insert into ondol.guard_revision default values;

create function ondol.move_guard_revision() returns trigger
language plpgsql security definer set search_path = ondol, pg_temp as $$
begin
    update ondol.guard_revision set revision = revision + 1;
    return null;
end $$;
create trigger guard_changed after insert or update or delete on ondol.guard_policies
    for each statement execute function ondol.move_guard_revision();
create trigger guard_changed after insert or update or delete on ondol.guard_bindings
    for each statement execute function ondol.move_guard_revision();
create trigger guard_changed after insert or update or delete on ondol.guard_canaries
    for each statement execute function ondol.move_guard_revision();

-- The vault. The same value has the same token all over a tenant, but each person who wrote it has a row of their own, sealed under their own
-- data key, so that erasing one person leaves nothing of theirs and takes nothing from the others.
create table ondol.guard_tokens (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    token text not null check (length(token) between 1 and 100),
    entity text not null,
    value_sealed bytea not null,
    person_id uuid,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    primary key (tenant_id, id),
    unique nulls not distinct (tenant_id, token, person_id)
);
create index guard_tokens_by_person on ondol.guard_tokens (tenant_id, person_id);
create index guard_tokens_by_expiry on ondol.guard_tokens (expires_at);
select ondol.bind_to_tenant('ondol.guard_tokens');

-- Cases of one kind, by one key and the same rules, within one hour are one incident with a count. A closed one stays closed.
create table ondol.guard_incidents (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    kind text not null check (kind in ('blocked', 'leaked', 'canary', 'approval')),
    state text not null default 'open' check (state in ('open', 'proposed', 'closed')),
    stage text not null check (stage in ('input', 'model', 'tool', 'output')),
    policy_digest bytea not null check (length(policy_digest) = 32),
    rules text[] not null,
    group_hash bytea not null check (length(group_hash) = 32),
    api_key_id uuid,
    person_id uuid,
    request_id uuid,
    sample_sealed bytea not null,
    count bigint not null default 1 check (count > 0),
    opened_at timestamptz not null,
    last_at timestamptz not null,
    proposal jsonb,
    effect jsonb,
    closed_by uuid,
    closed_at timestamptz,
    note_sealed bytea,
    alarm_at timestamptz,
    alarm_attempts smallint not null default 0,
    primary key (tenant_id, id),
    check ((state = 'closed') = (closed_at is not null)),
    check ((closed_at is null) = (closed_by is null))
);
create unique index guard_incidents_one_open on ondol.guard_incidents (tenant_id, group_hash) where state <> 'closed';
create index guard_incidents_to_tell on ondol.guard_incidents (alarm_at) where alarm_at is not null;
create index guard_incidents_by_person on ondol.guard_incidents (tenant_id, person_id);
select ondol.bind_to_tenant('ondol.guard_incidents');

-- What passed, masked, for as long as the policy keeps it, so that another policy can be tried on it.
create table ondol.guard_traffic (
    tenant_id uuid not null,
    id uuid not null,
    request_id uuid not null,
    person_id uuid,
    stage text not null check (stage in ('input', 'model', 'tool', 'output')),
    policy_digest bytea not null check (length(policy_digest) = 32),
    decision text not null,
    findings jsonb not null,
    text_sealed bytea not null,
    created_at timestamptz not null,
    keep_until timestamptz not null,
    primary key (tenant_id, id)
) partition by range (id);
create index guard_traffic_by_end on ondol.guard_traffic (keep_until);
create index guard_traffic_by_person on ondol.guard_traffic (tenant_id, person_id);
select ondol.bind_to_tenant('ondol.guard_traffic');

-- Which policy looked at a request, what it decided, and the rules that found something.
alter table ondol.requests
    add column guard_policy bytea check (length(guard_policy) = 32),
    add column guard_decision text,
    add column guard_rules text[];

-- ---------------------------------------------------------------- partitions

-- Makes the monthly partitions of a table from the month of `first_day` on. Months are half-open in UTC and become bounds of UUIDv7.
create or replace function ondol.make_partitions(parent text, first_day date, months integer) returns integer
language plpgsql security definer set search_path = ondol, pg_temp as $$
declare
    month_start timestamp := date_trunc('month', first_day);
    partition_name text;
    keeper text := (select policy.polroles[1]::regrole from pg_policy policy
        where policy.polrelid = to_regclass('ondol.' || parent) and policy.polname = 'owner_rows');
    made integer := 0;
begin
    if parent not in ('answers', 'requests', 'ledger_events', 'guard_traffic') then
        raise exception '% is not partitioned by time', parent;
    end if;
    for month_number in 0 .. months - 1 loop
        partition_name := format('%s_%s', parent, to_char(month_start, 'YYYYMM'));
        if to_regclass('ondol.' || partition_name) is null then
            execute format('create table ondol.%I partition of ondol.%I for values from (%L) to (%L)',
                partition_name, parent, ondol.first_id_at(month_start), ondol.first_id_at(month_start + interval '1 month'));
            execute format('alter table ondol.%I enable row level security', partition_name);
            execute format('alter table ondol.%I force row level security', partition_name);
            execute format('create policy owner_rows on ondol.%I to %s using (true) with check (true)', partition_name, keeper);
            made := made + 1;
        end if;
        month_start := month_start + interval '1 month';
    end loop;
    return made;
end $$;
