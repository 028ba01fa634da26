-- Requests by the hour, so that a page of three months need not read a million records. Rows here are added in the transaction that keeps the
-- records, and tell the same to the last unit of money.

-- The nil id stands for no key, the empty word for no known price.
create table ondol.request_hours (
    tenant_id uuid not null references ondol.tenants (id),
    hour timestamptz not null check (hour = date_trunc('hour', hour, 'UTC')),
    person_id uuid not null,
    api_key_id uuid not null,
    group_ids uuid[] not null,
    model text not null,
    currency text not null check (currency in ('', 'USD', 'KRW')),
    requests bigint not null check (requests > 0),
    failed bigint not null,
    server_errors bigint not null,
    retried bigint not null,
    guarded bigint not null,
    blocked bigint not null,
    estimated bigint not null,
    input_tokens bigint not null,
    cached_tokens bigint not null,
    cache_write_tokens bigint not null,
    output_tokens bigint not null,
    reasoning_tokens bigint not null,
    cost_nano numeric not null,
    primary key (tenant_id, hour, person_id, api_key_id, model, currency, group_ids)
);
select ondol.bind_to_tenant('ondol.request_hours');

-- How long answered requests took, in classes of which each is 2^(1/8) wide: class n begins at 0.1 ms * 2^(n/8), the last has no end.
create table ondol.request_speeds (
    tenant_id uuid not null references ondol.tenants (id),
    hour timestamptz not null,
    model text not null,
    measure text not null check (measure in ('whole', 'first_token')),
    class smallint not null check (class between 0 and 175),
    requests bigint not null check (requests > 0),
    primary key (tenant_id, hour, measure, model, class)
);
select ondol.bind_to_tenant('ondol.request_speeds');

create function ondol.speed_class(microseconds bigint) returns smallint
language sql immutable parallel safe
return greatest(0, least(175, floor(8 * log(2, greatest(microseconds, 1)::numeric / 100))))::smallint;

-- What was recorded before.
insert into ondol.request_hours
select tenant_id, date_trunc('hour', created_at, 'UTC'), person_id, coalesce(api_key_id, '00000000-0000-0000-0000-000000000000'),
    coalesce(group_ids, '{}'), model, coalesce(currency, ''), count(*), count(*) filter (where outcome <> 'answered'),
    count(*) filter (where status >= 500), count(*) filter (where attempts > 1), count(*) filter (where guard_decision <> 'allow'),
    count(*) filter (where guard_decision = 'block'), count(*) filter (where usage_estimated), sum(input_tokens), sum(cached_tokens),
    sum(cache_write_tokens), sum(output_tokens), sum(reasoning_tokens), coalesce(sum(cost_nano), 0)
from ondol.requests group by 1, 2, 3, 4, 5, 6, 7;

insert into ondol.request_speeds
select tenant_id, date_trunc('hour', created_at, 'UTC'), model, measure, ondol.speed_class(took), count(*)
from ondol.requests cross join lateral (values ('whole', duration_us), ('first_token', first_token_us)) as timed (measure, took)
where outcome = 'answered' and took is not null group by 1, 2, 3, 4, 5;
