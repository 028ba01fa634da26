-- The queries of answers on their way. The time of leases is the database's own, so that no two machines need the same clock.

-- name: stream_add
-- An answer has begun. Its first event waits for this, and the disk need not: if Postgres itself dies a moment later, the answer is asked for anew.
insert into answer_streams (tenant_id, id, person_id, worker_id, request_sealed, lease_until, followed_at)
select %(tenant_id)s::uuid, %(id)s::uuid, %(person_id)s::uuid, %(worker_id)s::uuid, %(request_sealed)s::bytea,
    clock_timestamp() + make_interval(secs => %(lease_s)s::float8), clock_timestamp()
from (select set_config('synchronous_commit', 'off', true)) as soon;

-- name: soon
-- The transaction does not wait for the disk either.
select set_config('synchronous_commit', 'off', true);

-- name: stream_drop
-- It never came to an event.
delete from answer_streams where id = %(id)s::uuid and worker_id = %(worker_id)s::uuid;

-- name: streams_renew
-- The worker is still there. Those that it does not get back are another's, or gone.
update answer_streams set lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s::float8)
where id = any(%(ids)s::uuid[]) and worker_id = %(worker_id)s::uuid and not is_ended
returning id, is_stopping, extract(epoch from clock_timestamp() - followed_at)::float8 as alone_s;

-- name: stream_close
-- The end of an answer, before its record is kept; nothing where another worker has taken it over.
update answer_streams set last_sealed = %(last_sealed)s::bytea, lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s::float8)
where id = %(id)s::uuid and worker_id = %(worker_id)s::uuid and not is_ended returning id;

-- name: stream_end
-- Nothing more will come.
update answer_streams set is_ended = true, last_sealed = null, lease_until = clock_timestamp()
where id = %(id)s::uuid and worker_id = %(worker_id)s::uuid;

-- name: stream_stop
-- Its asker wants no more of it.
update answer_streams set is_stopping = true where id = %(id)s::uuid and person_id = %(person_id)s::uuid returning is_ended;

-- name: stream_follow
-- Somebody reads an answer on its way.
update answer_streams set followed_at = clock_timestamp() where id = %(id)s::uuid and person_id = %(person_id)s::uuid;

-- name: stream_read
-- How far an answer is, and whether its worker is gone.
select run, is_ended, not is_ended and lease_until < clock_timestamp() as is_free from answer_streams
where id = %(id)s::uuid and person_id = %(person_id)s::uuid;

-- name: stream_claim
-- Go on in the place of a worker that is gone.
update answer_streams
set worker_id = %(worker_id)s::uuid, lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s::float8), followed_at = clock_timestamp()
where id = %(id)s::uuid and person_id = %(person_id)s::uuid and not is_ended and lease_until < clock_timestamp()
returning run, request_sealed, last_sealed, is_stopping,
    (select coalesce(max(e.first + e.events - 1), 0) from answer_events e where e.stream_id = answer_streams.id and e.run = answer_streams.run) as events;

-- name: stream_restart
-- The answer is begun again.
update answer_streams set run = %(run)s::integer, last_sealed = null where id = %(id)s::uuid and worker_id = %(worker_id)s::uuid;

-- name: events_drop
-- What went out of the runs before.
delete from answer_events where stream_id = %(id)s::uuid and run < %(run)s::integer;

-- name: events_add
-- Some events in a row; nothing where their answer is gone, as after an erasure.
insert into answer_events (tenant_id, stream_id, run, first, events, events_sealed)
select %(tenant_id)s::uuid, s.id, %(run)s::integer, %(first)s::integer, %(events)s::integer, %(events_sealed)s::bytea
from answer_streams s where s.id = %(id)s::uuid and s.worker_id = %(worker_id)s::uuid;

-- name: events_after
-- The events of a run behind one of them.
select first, events_sealed from answer_events
where stream_id = %(id)s::uuid and run = %(run)s::integer and first + events > %(after)s::integer + 1
order by first limit %(limit)s::integer;

-- name: streams_expire
-- Remove what nobody reads on from any more, some at a time.
-- door: system
delete from answer_streams where (tenant_id, id) in (
    select tenant_id, id from answer_streams where lease_until < clock_timestamp() - make_interval(secs => %(kept_s)s::float8) limit %(limit)s::int
);

-- name: streams_erase
-- Remove what a person was answered, or the answers that an erasure reaches.
delete from answer_streams where person_id = %(person_id)s::uuid
    or id in (select item_id from erasure_items where erasure_id = %(erasure_id)s::uuid and kind = 'answer');

-- name: streams_count
-- What the erasure of streams removes.
select count(*) as counted from answer_streams s where s.tenant_id = %(tenant_id)s::uuid and (s.person_id = %(person_id)s::uuid or exists (
    select from erasure_items i where i.tenant_id = s.tenant_id and i.erasure_id = %(erasure_id)s::uuid and i.kind = 'answer' and i.item_id = s.id));
