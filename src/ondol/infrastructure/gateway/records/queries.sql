-- The queries of the records: what is kept already, the batches and their rows, contents, feedback, usage.

-- name: settled_requests
-- Which of some requests need not be kept: they are, or their tenant is gone.
-- door: system
select given.tenant_id, given.id, tenant.id is null as is_gone
from unnest(%(tenant_ids)s::uuid[], %(ids)s::uuid[]) as given (tenant_id, id)
left join tenants tenant on tenant.id = given.tenant_id
where tenant.id is null or exists (select from requests kept where kept.tenant_id = given.tenant_id and kept.id = given.id);

-- name: make_month
-- Make the partition of one month.
-- door: system
select make_partitions('requests', %(day)s::date, 1);

-- name: recorded_batches
-- The tenant's events that speak of requests, by id, after one.
select tenant_id, id, kind, actor_id, body::text as body, digest,
    trunc(extract(epoch from created_at) * 1000000)::text as created_us
from ledger_events
where tenant_id = %(tenant_id)s::uuid and kind = 'requests.recorded' and id > %(after)s::uuid
order by id limit %(limit)s::int;

-- name: batch_rows
-- The records of one batch, by id, after one.
select tenant_id, id, person_id, api_key_id, group_ids, model, route, provider, upstream_model, outcome, guard_decision, currency, trace_id,
    stream, release_id, input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens, usage_estimated, cost_nano,
    price_id, queue_us, guard_us, upstream_us, first_token_us, duration_us, attempts, status, guard_policy, guard_rules, replica_id,
    replica_number, pool_ids, pool_amounts, created_at, images, audio_ms, characters, batch_id, batch_place
from requests
where tenant_id = %(tenant_id)s::uuid and id > %(after)s::uuid and id <= %(last)s::uuid and batch_id = %(batch_id)s::uuid
order by id limit %(limit)s::int;

-- name: stray_record
-- A record that claims a batch of which no event speaks, or an id outside of the batch's, if there is one.
select r.id, r.batch_id from requests r
left join ledger_events e on e.tenant_id = r.tenant_id and e.id = r.batch_id and e.kind = 'requests.recorded'
where r.tenant_id = %(tenant_id)s::uuid and r.batch_id is not null
    and (e.id is null or r.id::text < (e.body ->> 'first') or r.id::text > (e.body ->> 'last'))
limit 1;

-- name: unbatched_records
-- How many records came without a batch.
select count(*) as counted from requests where tenant_id = %(tenant_id)s::uuid and batch_id is null;

-- name: request_by_id
-- One record.
select tenant_id, id, person_id, api_key_id, group_ids, model, route, provider, upstream_model, outcome, guard_decision, currency, trace_id,
    stream, release_id, input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens, usage_estimated, cost_nano,
    price_id, queue_us, guard_us, upstream_us, first_token_us, duration_us, attempts, status, guard_policy, guard_rules, replica_id,
    replica_number, pool_ids, pool_amounts, created_at, images, audio_ms, characters, batch_id, batch_place
from requests where id = %(id)s::uuid;

-- name: requests_page
-- Records, the newest first, before an id, by person, key, model and outcome.
select tenant_id, id, person_id, api_key_id, group_ids, model, route, provider, upstream_model, outcome, guard_decision, currency, trace_id,
    stream, release_id, input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens, usage_estimated, cost_nano,
    price_id, queue_us, guard_us, upstream_us, first_token_us, duration_us, attempts, status, guard_policy, guard_rules, replica_id,
    replica_number, pool_ids, pool_amounts, created_at, images, audio_ms, characters
from requests
where id < %(before)s::uuid and id >= %(since)s::uuid
    and (%(person_id)s::uuid is null or person_id = %(person_id)s::uuid) and (%(api_key_id)s::uuid is null or api_key_id = %(api_key_id)s::uuid)
    and (%(model)s::text is null or model = %(model)s::text) and (%(outcome)s::text is null or outcome = %(outcome)s::text)
order by id desc limit %(limit)s::int;

-- name: usage
-- What was used between two moments, in the groups that are asked for; days are the tenant's own. Whole hours are read from their sums, of each
-- model alone where callers are not asked for; what is left at both ends is read from the records. By the groups that the caller belonged to at the time, who was in several counts in each of them, and
-- who was in none in none.
with told as (
    select hour as at, person_id, nullif(api_key_id, '00000000-0000-0000-0000-000000000000') as api_key_id, group_ids, model,
        nullif(currency, '') as currency, requests, failed, estimated, input_tokens, cached_tokens, cache_write_tokens, output_tokens,
        reasoning_tokens, images, audio_ms, characters, cost_nano
    from request_hours
    where %(with_callers)s::boolean and hour >= %(hours_since)s::timestamptz and hour < %(hours_until)s::timestamptz
    union all
    select hour, null, null, '{}', model, nullif(currency, ''), requests, failed, estimated, input_tokens, cached_tokens, cache_write_tokens,
        output_tokens, reasoning_tokens, images, audio_ms, characters, cost_nano
    from request_model_hours
    where not %(with_callers)s::boolean and hour >= %(hours_since)s::timestamptz and hour < %(hours_until)s::timestamptz
    union all
    select created_at, person_id, api_key_id, coalesce(group_ids, '{}'), model, currency, 1, (outcome <> 'answered')::int, usage_estimated::int,
        input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens, images, audio_ms, characters, coalesce(cost_nano, 0)
    from requests
    where id >= %(first_id)s::uuid and id < %(first_end_id)s::uuid
        and created_at >= %(since)s::timestamptz and created_at < %(hours_since)s::timestamptz
    union all
    select created_at, person_id, api_key_id, coalesce(group_ids, '{}'), model, currency, 1, (outcome <> 'answered')::int, usage_estimated::int,
        input_tokens, cached_tokens, cache_write_tokens, output_tokens, reasoning_tokens, images, audio_ms, characters, coalesce(cost_nano, 0)
    from requests
    where id >= %(last_id)s::uuid and id < %(end_id)s::uuid
        and created_at >= %(hours_until)s::timestamptz and created_at < %(until)s::timestamptz
)
select
    case when %(by_day)s::boolean then (at at time zone %(time_zone)s::text)::date end as day,
    case when %(by_person)s::boolean then person_id end as person_id,
    case when %(by_key)s::boolean then api_key_id end as api_key_id,
    case when %(by_model)s::boolean then model end as model,
    member.group_id,
    currency,
    sum(requests)::bigint as requests,
    sum(failed)::bigint as failed,
    sum(estimated)::bigint as estimated,
    sum(input_tokens)::bigint as input_tokens,
    sum(cached_tokens)::bigint as cached_tokens,
    sum(cache_write_tokens)::bigint as cache_write_tokens,
    sum(output_tokens)::bigint as output_tokens,
    sum(reasoning_tokens)::bigint as reasoning_tokens,
    sum(images)::bigint as images,
    sum(audio_ms)::bigint as audio_ms,
    sum(characters)::bigint as characters,
    least(sum(cost_nano), 9223372036854775807)::bigint as cost_nano
from told cross join lateral unnest(case when %(by_group)s::boolean then group_ids else array[null::uuid] end) as member (group_id)
where (%(person_id)s::uuid is null or person_id = %(person_id)s::uuid) and (%(api_key_id)s::uuid is null or api_key_id = %(api_key_id)s::uuid)
    and (%(only_model)s::text is null or model = %(only_model)s::text)
group by 1, 2, 3, 4, 5, 6
order by 1, 2, 3, 4, 5, 6
limit %(limit)s::int;

-- name: hours
-- The sums of the hours between two moments in steps of the tenant's hours or days, for one model or all.
select
    date_trunc(%(step)s::text, hour, %(time_zone)s::text) as at,
    sum(requests)::bigint as requests,
    sum(failed)::bigint as failed,
    sum(server_errors)::bigint as server_errors,
    sum(retried)::bigint as retried,
    sum(guarded)::bigint as guarded,
    sum(blocked)::bigint as blocked,
    sum(input_tokens)::bigint as input_tokens,
    sum(cached_tokens)::bigint as cached_tokens,
    sum(output_tokens)::bigint as output_tokens
from request_model_hours
where hour >= %(since)s::timestamptz and hour < %(until)s::timestamptz and (%(model)s::text is null or model = %(model)s::text)
group by 1 order by 1;

-- name: speeds
-- How many answered requests were in each class of speed, in the same steps.
select date_trunc(%(step)s::text, hour, %(time_zone)s::text) as at, measure, class, sum(requests)::bigint as requests
from request_speeds
where hour >= %(since)s::timestamptz and hour < %(until)s::timestamptz and (%(model)s::text is null or model = %(model)s::text)
group by 1, 2, 3 order by 1, 2, 3;

-- name: living_people
-- Those of some people who are there and were not erased.
select p.id from people p
where p.id = any(%(ids)s::uuid[]) and not exists (select from tombstones t where t.tenant_id = p.tenant_id and t.id = p.id and t.kind = 'subject');

-- name: content_add
-- Keep what was said in one request, unless its answer was erased meanwhile; a batch that is written again after a broken connection changes
-- nothing.
insert into request_contents (tenant_id, id, person_id, mode, prompt_sealed, answer_sealed, created_at, keep_until)
select %(tenant_id)s::uuid, %(id)s::uuid, %(person_id)s::uuid, %(mode)s::text, %(prompt_sealed)s::bytea, %(answer_sealed)s::bytea,
    %(created_at)s::timestamptz, %(keep_until)s::timestamptz
where not exists (select from answers a where a.tenant_id = %(tenant_id)s::uuid and a.id = %(id)s::uuid and a.content_sealed = ''::bytea)
on conflict (tenant_id, id) do nothing;

-- name: content_by_id
-- What was said in one request.
select id, person_id, mode, prompt_sealed, answer_sealed, created_at, keep_until
from request_contents where id = %(id)s::uuid and keep_until > %(now)s::timestamptz;

-- name: contents_expire
-- Remove contents whose time is over, some at a time.
-- door: system
delete from request_contents where (tenant_id, id) in (
    select tenant_id, id from request_contents where keep_until <= %(now)s::timestamptz limit %(limit)s::int
);

-- name: contents_erase
-- Remove what one person asked and was answered, or what was said in the requests that an erasure reaches.
delete from request_contents where person_id = %(person_id)s::uuid
    or id in (select item_id from erasure_items where erasure_id = %(erasure_id)s::uuid and kind = 'answer');

-- name: contents_count
-- What the erasure of contents removes.
select count(*) as counted from request_contents c where c.tenant_id = %(tenant_id)s::uuid and (c.person_id = %(person_id)s::uuid or exists (
    select from erasure_items i where i.tenant_id = c.tenant_id and i.erasure_id = %(erasure_id)s::uuid and i.kind = 'answer' and i.item_id = c.id));

-- name: feedback_put
-- Keep what a person thinks of an answer, in the place of what they thought before.
insert into feedback (tenant_id, id, request_id, person_id, api_key_id, thumb, score, reasons, said_sealed, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(request_id)s::uuid, %(person_id)s::uuid, %(api_key_id)s::uuid, %(thumb)s::text, %(score)s::smallint,
    %(reasons)s::text[], %(said_sealed)s::bytea, %(created_at)s::timestamptz)
on conflict (tenant_id, request_id, person_id) do update
set id = excluded.id, api_key_id = excluded.api_key_id, thumb = excluded.thumb, score = excluded.score, reasons = excluded.reasons,
    said_sealed = excluded.said_sealed, created_at = excluded.created_at;

-- name: feedback_page
-- Feedback, the newest first, before an id.
select id, request_id, person_id, api_key_id, thumb, score, reasons, said_sealed, created_at
from feedback
where id < %(before)s::uuid and (%(request_id)s::uuid is null or request_id = %(request_id)s::uuid)
order by id desc limit %(limit)s::int;

-- name: feedback_erase
-- Remove what one person thought of answers.
delete from feedback where person_id = %(person_id)s::uuid;

-- name: feedback_empty
-- Of opinions on the requests that an erasure reaches the words go: they may repeat the answer's.
update feedback set said_sealed = null
where said_sealed is not null and request_id in (select item_id from erasure_items where erasure_id = %(erasure_id)s::uuid and kind = 'answer');

-- name: feedback_count
-- What the erasure of feedback removes or empties.
select count(*) as counted from feedback f where f.tenant_id = %(tenant_id)s::uuid and (
    f.person_id = %(person_id)s::uuid or (f.said_sealed is not null and exists (
        select from erasure_items i
        where i.tenant_id = f.tenant_id and i.erasure_id = %(erasure_id)s::uuid and i.kind = 'answer' and i.item_id = f.request_id)));

-- name: open_replicas
-- Those of some replicas that are not closed.
-- door: system
select id, state from limit_replicas where id = any(%(ids)s::uuid[]) and state <> 'closed';
