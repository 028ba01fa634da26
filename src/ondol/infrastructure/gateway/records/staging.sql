-- How a batch of lines becomes rows: a table of the connection's own takes them as they are, and what is new among them goes on. These statements
-- cannot be planned before that table is there, so they do not stand among the room's queries.

-- name: make_stage
-- The connection's own table, empty at the beginning of each transaction.
create temporary table if not exists staged_requests (
    batch_id uuid, batch_place integer,
    tenant_id uuid, id uuid, person_id uuid, api_key_id uuid, group_ids uuid[], model text, route text, provider text, upstream_model text,
    outcome text, guard_decision text, currency text, trace_id text, stream boolean, release_id uuid, input_tokens integer,
    cached_tokens integer, cache_write_tokens integer, output_tokens integer, reasoning_tokens integer, usage_estimated boolean,
    cost_nano bigint, price_id uuid, queue_us bigint, guard_us bigint, upstream_us bigint, first_token_us bigint, duration_us bigint,
    attempts smallint, status smallint, guard_policy bytea, guard_rules text[], replica_id uuid, replica_number bigint, pool_ids uuid[],
    pool_amounts bigint[], created_at timestamptz, images integer, audio_ms bigint, characters bigint
) on commit delete rows;

-- name: fill_stage
-- Lines with their batch and place before them.
copy pg_temp.staged_requests from stdin (format text, null '');

-- name: keep_staged
-- The staged rows whose tenant is there and that are not kept yet.
insert into ondol.requests (
    tenant_id, id, person_id, api_key_id, group_ids, model, route, provider, upstream_model, outcome, guard_decision, currency, trace_id,
    stream, release_id, input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens, usage_estimated, cost_nano,
    price_id, queue_us, guard_us, upstream_us, first_token_us, duration_us, attempts, status, guard_policy, guard_rules, replica_id,
    replica_number, pool_ids, pool_amounts, created_at, images, audio_ms, characters, batch_id, batch_place
)
select
    staged.tenant_id, staged.id, staged.person_id, staged.api_key_id, staged.group_ids, staged.model, staged.route, staged.provider,
    staged.upstream_model, staged.outcome, staged.guard_decision, staged.currency, staged.trace_id, staged.stream, staged.release_id,
    staged.input_tokens, staged.cached_tokens, staged.cache_write_tokens, staged.output_tokens, staged.reasoning_tokens,
    staged.usage_estimated, staged.cost_nano, staged.price_id, staged.queue_us, staged.guard_us, staged.upstream_us, staged.first_token_us,
    staged.duration_us, staged.attempts, staged.status, staged.guard_policy, staged.guard_rules, staged.replica_id,
    staged.replica_number, staged.pool_ids, staged.pool_amounts, staged.created_at, staged.images, staged.audio_ms, staged.characters,
    staged.batch_id, staged.batch_place
from pg_temp.staged_requests as staged
join ondol.tenants as tenant on tenant.id = staged.tenant_id
on conflict (tenant_id, id) do nothing;

-- name: add_hours
-- The staged rows in the sums of their hours. Sums are taken in one order, so that two batches never wait for each other in a circle.
insert into ondol.request_hours as kept
select tenant_id, date_trunc('hour', created_at, 'UTC'), person_id, coalesce(api_key_id, '00000000-0000-0000-0000-000000000000'),
    coalesce(group_ids, '{}'), model, coalesce(currency, ''), count(*), count(*) filter (where outcome <> 'answered'),
    count(*) filter (where status >= 500), count(*) filter (where attempts > 1), count(*) filter (where guard_decision <> 'allow'),
    count(*) filter (where guard_decision = 'block'), count(*) filter (where usage_estimated), sum(input_tokens), sum(cached_tokens),
    sum(cache_write_tokens), sum(output_tokens), sum(reasoning_tokens), coalesce(sum(cost_nano), 0),
    sum(images), sum(audio_ms), sum(characters)
from pg_temp.staged_requests
group by 1, 2, 3, 4, 5, 6, 7
order by 1, 2, 3, 4, 5, 6, 7
on conflict (tenant_id, hour, person_id, api_key_id, model, currency, group_ids) do update set
    requests = kept.requests + excluded.requests,
    failed = kept.failed + excluded.failed,
    server_errors = kept.server_errors + excluded.server_errors,
    retried = kept.retried + excluded.retried,
    guarded = kept.guarded + excluded.guarded,
    blocked = kept.blocked + excluded.blocked,
    estimated = kept.estimated + excluded.estimated,
    input_tokens = kept.input_tokens + excluded.input_tokens,
    cached_tokens = kept.cached_tokens + excluded.cached_tokens,
    cache_write_tokens = kept.cache_write_tokens + excluded.cache_write_tokens,
    output_tokens = kept.output_tokens + excluded.output_tokens,
    reasoning_tokens = kept.reasoning_tokens + excluded.reasoning_tokens,
    cost_nano = kept.cost_nano + excluded.cost_nano,
    images = kept.images + excluded.images,
    audio_ms = kept.audio_ms + excluded.audio_ms,
    characters = kept.characters + excluded.characters;

-- name: add_model_hours
-- The same by the hour and the model alone.
insert into ondol.request_model_hours as kept (
    tenant_id, hour, model, currency, requests, failed, server_errors, retried, guarded, blocked, estimated, input_tokens, cached_tokens,
    cache_write_tokens, output_tokens, reasoning_tokens, cost_nano, images, audio_ms, characters
)
select tenant_id, date_trunc('hour', created_at, 'UTC'), model, coalesce(currency, ''), count(*), count(*) filter (where outcome <> 'answered'),
    count(*) filter (where status >= 500), count(*) filter (where attempts > 1), count(*) filter (where guard_decision <> 'allow'),
    count(*) filter (where guard_decision = 'block'), count(*) filter (where usage_estimated), sum(input_tokens), sum(cached_tokens),
    sum(cache_write_tokens), sum(output_tokens), sum(reasoning_tokens), coalesce(sum(cost_nano), 0),
    sum(images), sum(audio_ms), sum(characters)
from pg_temp.staged_requests
group by 1, 2, 3, 4
order by 1, 2, 3, 4
on conflict (tenant_id, hour, model, currency) do update set
    requests = kept.requests + excluded.requests,
    failed = kept.failed + excluded.failed,
    server_errors = kept.server_errors + excluded.server_errors,
    retried = kept.retried + excluded.retried,
    guarded = kept.guarded + excluded.guarded,
    blocked = kept.blocked + excluded.blocked,
    estimated = kept.estimated + excluded.estimated,
    input_tokens = kept.input_tokens + excluded.input_tokens,
    cached_tokens = kept.cached_tokens + excluded.cached_tokens,
    cache_write_tokens = kept.cache_write_tokens + excluded.cache_write_tokens,
    output_tokens = kept.output_tokens + excluded.output_tokens,
    reasoning_tokens = kept.reasoning_tokens + excluded.reasoning_tokens,
    cost_nano = kept.cost_nano + excluded.cost_nano,
    images = kept.images + excluded.images,
    audio_ms = kept.audio_ms + excluded.audio_ms,
    characters = kept.characters + excluded.characters;

-- name: add_speeds
-- How long the answered ones among the staged rows took, in the same order for all.
insert into ondol.request_speeds as kept
select tenant_id, date_trunc('hour', created_at, 'UTC'), model, measure, ondol.speed_class(took), count(*)
from pg_temp.staged_requests cross join lateral (values ('whole', duration_us), ('first_token', first_token_us)) as timed (measure, took)
where outcome = 'answered' and took is not null
group by 1, 2, 3, 4, 5
order by 1, 2, 4, 3, 5
on conflict (tenant_id, hour, measure, model, class) do update set requests = kept.requests + excluded.requests;

-- name: staged_settlements
-- What the staged rows were charged and their workers have not told the limits yet.
select staged.tenant_id, staged.id, staged.replica_id, staged.replica_number, staged.pool_ids, staged.pool_amounts
from pg_temp.staged_requests as staged
join ondol.limit_replicas as replica on replica.id = staged.replica_id
where replica.state <> 'closed' and staged.replica_number > replica.settled_through
order by staged.replica_id;
