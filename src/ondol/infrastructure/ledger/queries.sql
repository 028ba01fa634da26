-- The queries of the ledger. Times that a digest covers are read as whole microseconds and bodies as text, so that even a value which a
-- Python type cannot hold (an infinite time, a number of a million digits) reaches the check and is named there.

-- name: insert_event
-- Writes one event, which then waits for the sealer.
insert into ondol.ledger_events (tenant_id, id, kind, actor_id, body, digest, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(kind)s::text, %(actor_id)s::uuid, %(body)s::jsonb, %(digest)s::bytea, %(created_at)s::timestamptz);

-- name: event_by_id
-- One event of the tenant and where it is sealed.
select tenant_id, id, kind, actor_id, body::text as body, digest, batch, place,
    trunc(extract(epoch from created_at) * 1000000)::text as created_us
from ondol.ledger_events
where tenant_id = %(tenant_id)s::uuid and id = %(id)s::uuid;

-- name: events_page
-- Events of the tenant, the newest first, within bounds of their ids. What an event is about stands somewhere in its body, so such a search
-- reads every event within the bounds.
select tenant_id, id, kind, actor_id, body::text as body, digest, batch, place,
    trunc(extract(epoch from created_at) * 1000000)::text as created_us
from ondol.ledger_events
where tenant_id = %(tenant_id)s::uuid and id >= %(first_id)s::uuid and id < %(before)s::uuid
    and (%(kinds)s::text[] is null or kind = any(%(kinds)s::text[]))
    and (%(without)s::text[] is null or kind <> all(%(without)s::text[]))
    and (%(actor_id)s::uuid is null or actor_id = %(actor_id)s::uuid)
    and (%(subject)s::text is null or strpos(body::text, %(subject)s::text) > 0)
order by id desc
limit %(limit)s::integer;

-- name: take_sealer_lock
-- door: system
-- Takes the lock of the one sealer until the transaction ends, or says at once that another holds it.
select pg_try_advisory_xact_lock(%(lock)s::bigint) as taken;

-- name: waiting_events
-- door: system
-- The next unsealed events in order of id, after a given one.
select tenant_id, id, kind, actor_id, body::text as body, digest,
    trunc(extract(epoch from created_at) * 1000000)::text as created_us
from ondol.ledger_events
where batch is null and id >= %(after_id)s::uuid and (id, tenant_id) > (%(after_id)s::uuid, %(after_tenant_id)s::uuid)
order by id, tenant_id
limit %(limit)s::integer;

-- name: insert_batch
-- door: system
-- Appends a signed batch to the chain.
insert into ondol.ledger_batches (number, event_count, root, previous_digest, digest, signature, signer, sealed_at)
values (%(number)s::bigint, %(event_count)s::integer, %(root)s::bytea, %(previous_digest)s::bytea, %(digest)s::bytea,
    %(signature)s::bytea, %(signer)s::text, %(sealed_at)s::timestamptz);

-- name: place_events
-- door: system
-- Puts events into a batch at the places of their order here; the range of ids lets the planner leave other months out.
update ondol.ledger_events as event
set batch = %(batch)s::bigint, place = given.position - 1
from unnest(%(tenant_ids)s::uuid[], %(ids)s::uuid[]) with ordinality as given (tenant_id, id, position)
where event.tenant_id = given.tenant_id and event.id = given.id and event.batch is null
    and event.id between %(first_id)s::uuid and %(last_id)s::uuid;

-- name: unsealed
-- door: system
-- How many events wait, counted up to a limit, and the time of the oldest of them.
select count(*) as waiting, min(waiting.created_at) as oldest_at
from (select created_at from ondol.ledger_events where batch is null order by id limit %(limit)s::integer) as waiting;

-- name: unsealed_of_tenant
-- How many events of the tenant wait, counted up to a limit, and the time of the oldest of them.
select count(*) as waiting, min(waiting.created_at) as oldest_at
from (
    select created_at from ondol.ledger_events
    where batch is null and tenant_id = %(tenant_id)s::uuid order by id limit %(limit)s::integer
) as waiting;

-- name: last_batch
-- The end of the chain.
select number, digest from ondol.ledger_batches order by number desc limit 1;

-- name: batch_by_number
-- One batch of the chain.
select number, event_count, root, previous_digest, digest, signature, signer,
    trunc(extract(epoch from sealed_at) * 1000000)::text as sealed_us
from ondol.ledger_batches
where number = %(number)s::bigint;

-- name: batches_after
-- Batches of the chain in order, after a given number, up to another.
select number, event_count, root, previous_digest, digest, signature, signer,
    trunc(extract(epoch from sealed_at) * 1000000)::text as sealed_us
from ondol.ledger_batches
where number > %(after)s::bigint and number <= %(last)s::bigint
order by number
limit %(limit)s::integer;

-- name: sealed_events_after
-- door: system
-- Sealed events in order of batch and place, after a given one, up to a batch.
select tenant_id, id, kind, actor_id, body::text as body, digest, batch, place,
    trunc(extract(epoch from created_at) * 1000000)::text as created_us
from ondol.ledger_events
where batch <= %(last)s::bigint and batch >= %(after_batch)s::bigint
    and (batch, place, id, tenant_id)
        > (%(after_batch)s::bigint, %(after_place)s::integer, %(after_id)s::uuid, %(after_tenant_id)s::uuid)
order by batch, place, id, tenant_id
limit %(limit)s::integer;

-- name: stray_event
-- door: system
-- An event beyond a batch that claims one which the chain does not have, if there is one; the sealer may have added batches meanwhile.
select event.id, event.batch from ondol.ledger_events as event
where event.batch > %(last)s::bigint and not exists (select from ondol.ledger_batches where number = event.batch)
order by event.batch, event.place
limit 1;

-- name: digests_of_batch
-- door: system
-- The digests of a batch's events in order of place, and nothing else of them.
select digest from ondol.ledger_events
where batch = %(batch)s::bigint
order by place
limit %(limit)s::integer;

-- name: insert_artefacts
-- Adds nodes to the lineage; those that are known stay as they are.
insert into ondol.artefacts (tenant_id, id, kind, address, created_at)
select %(tenant_id)s::uuid, given.id, given.kind, given.address, %(now)s::timestamptz
from unnest(%(ids)s::uuid[], %(kinds)s::text[], %(addresses)s::bytea[]) as given (id, kind, address)
on conflict (tenant_id, id) do nothing;

-- name: artefact_that_differs
-- A known node whose kind or address is another than the given one, if there is one.
select artefact.id, artefact.kind, given.kind as given_kind
from unnest(%(ids)s::uuid[], %(kinds)s::text[], %(addresses)s::bytea[]) as given (id, kind, address)
join ondol.artefacts as artefact on artefact.tenant_id = %(tenant_id)s::uuid and artefact.id = given.id
where artefact.kind <> given.kind or artefact.address is distinct from given.address
limit 1;

-- name: artefact_by_id
-- One node of the lineage.
select id, kind, address from ondol.artefacts where tenant_id = %(tenant_id)s::uuid and id = %(id)s::uuid;

-- name: insert_links
-- Adds links between nodes; those that are known stay as they are.
insert into ondol.artefact_links (tenant_id, child_id, parent_id, relation, created_at)
select %(tenant_id)s::uuid, given.child_id, given.parent_id, given.relation, %(now)s::timestamptz
from unnest(%(child_ids)s::uuid[], %(parent_ids)s::uuid[], %(relations)s::text[]) as given (child_id, parent_id, relation)
on conflict (tenant_id, child_id, parent_id, relation) do nothing;

-- name: ancestors
-- What a node came from: a walk level by level that goes one level beyond the depth, to tell whether there is more; `union` drops what
-- was seen at the same depth, so circles end at the depth and diamonds do not multiply.
with recursive walk (id, relation, depth) as (
    select %(id)s::uuid, null::text, 0
    union
    select link.parent_id, link.relation, walk.depth + 1
    from walk
    join ondol.artefact_links as link on link.tenant_id = %(tenant_id)s::uuid and link.child_id = walk.id
    where walk.depth <= %(depth_max)s::integer
),
visited as materialized (select id, relation, depth from walk limit %(visits_max)s::integer),
nearest as (
    select distinct on (id) id, relation, depth from visited
    where id <> %(id)s::uuid
    order by id, depth, relation
)
select artefact.id, artefact.kind, nearest.relation, nearest.depth, (select count(*) from visited) as visits
from nearest
join ondol.artefacts as artefact on artefact.tenant_id = %(tenant_id)s::uuid and artefact.id = nearest.id
order by nearest.depth, artefact.id
limit %(limit)s::integer;

-- name: descendants
-- What came from a node: the walk of `ancestors` in the other direction.
with recursive walk (id, relation, depth) as (
    select %(id)s::uuid, null::text, 0
    union
    select link.child_id, link.relation, walk.depth + 1
    from walk
    join ondol.artefact_links as link on link.tenant_id = %(tenant_id)s::uuid and link.parent_id = walk.id
    where walk.depth <= %(depth_max)s::integer
),
visited as materialized (select id, relation, depth from walk limit %(visits_max)s::integer),
nearest as (
    select distinct on (id) id, relation, depth from visited
    where id <> %(id)s::uuid
    order by id, depth, relation
)
select artefact.id, artefact.kind, nearest.relation, nearest.depth, (select count(*) from visited) as visits
from nearest
join ondol.artefacts as artefact on artefact.tenant_id = %(tenant_id)s::uuid and artefact.id = nearest.id
order by nearest.depth, artefact.id
limit %(limit)s::integer;
