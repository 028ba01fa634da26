-- Records of requests, what was said in them, and what people thought of the answers.

-- All that a request was: who asked, what answered, what it used and cost, where its time went. A record comes in a batch of its tenant, whose
-- Merkle root stands in the ledger's event of the same id; its place is its leaf.
alter table ondol.requests
    add column group_ids uuid[],
    add column provider text,
    add column upstream_model text,
    add column stream boolean not null default false,
    add column release_id uuid,
    add column cached_tokens integer not null default 0 check (cached_tokens >= 0),
    add column cache_write_tokens integer not null default 0 check (cache_write_tokens >= 0),
    add column reasoning_tokens integer not null default 0 check (reasoning_tokens >= 0),
    add column usage_estimated boolean not null default false,
    add column price_id uuid,
    add column queue_us bigint not null default 0 check (queue_us >= 0),
    add column guard_us bigint not null default 0 check (guard_us >= 0),
    add column upstream_us bigint not null default 0 check (upstream_us >= 0),
    add column first_token_us bigint check (first_token_us >= 0),
    add column attempts smallint not null default 0 check (attempts >= 0),
    add column trace_id text check (length(trace_id) = 32),
    -- What budgets were charged: the worker's name and number for it, the windows and their amounts.
    add column replica_id uuid,
    add column replica_number bigint,
    add column pool_ids uuid[],
    add column pool_amounts bigint[] check (cardinality(pool_amounts) = cardinality(pool_ids)),
    add check ((replica_id is null) = (replica_number is null) and (replica_id is null) = (pool_ids is null)),
    add column batch_id uuid,
    add column batch_place integer,
    add check ((batch_id is null) = (batch_place is null));

-- What was asked and answered, masked or in full, for as long as the tenant keeps it, sealed under the person's key. The id is the request's.
create table ondol.request_contents (
    tenant_id uuid not null,
    id uuid not null,
    person_id uuid,
    mode text not null check (mode in ('masked', 'full')),
    prompt_sealed bytea not null,
    answer_sealed bytea not null,
    created_at timestamptz not null,
    keep_until timestamptz not null,
    primary key (tenant_id, id)
) partition by range (id);
create index request_contents_by_end on ondol.request_contents (keep_until);
create index request_contents_by_person on ondol.request_contents (tenant_id, person_id);
select ondol.bind_to_tenant('ondol.request_contents');

-- What one person thinks of one answer; a later opinion takes the place of an earlier one.
create table ondol.feedback (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    request_id uuid not null,
    person_id uuid not null,
    api_key_id uuid,
    thumb text check (thumb in ('up', 'down')),
    score smallint check (score between 0 and 100),
    reasons text[] not null default '{}',
    said_sealed bytea,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, request_id, person_id)
);
create index feedback_by_person on ondol.feedback (tenant_id, person_id);
select ondol.bind_to_tenant('ondol.feedback');

-- Makes the monthly partitions of a table from the month of `first_day` on. Months are half-open in UTC and become bounds of UUIDv7. Any table
-- that is partitioned takes it: a new one needs no new form of this.
create or replace function ondol.make_partitions(parent text, first_day date, months integer) returns integer
language plpgsql security definer set search_path = ondol, pg_temp as $$
declare
    month_start timestamp := date_trunc('month', first_day);
    partition_name text;
    keeper text := (select policy.polroles[1]::regrole from pg_policy policy
        where policy.polrelid = to_regclass('ondol.' || quote_ident(parent)) and policy.polname = 'owner_rows');
    made integer := 0;
begin
    if not exists (select from pg_class where oid = to_regclass('ondol.' || quote_ident(parent)) and relkind = 'p') then
        raise exception '% is not partitioned by time', parent;
    end if;
    for month_number in 0 .. months - 1 loop
        partition_name := format('%s_%s', parent, to_char(month_start, 'YYYYMM'));
        if to_regclass('ondol.' || quote_ident(partition_name)) is null then
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
