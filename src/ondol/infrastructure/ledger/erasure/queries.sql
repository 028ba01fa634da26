-- The queries of erasure: what is erased, the steps of it, the things that it reaches, and what workers must forget.

-- name: erasure_add
-- An erasure that hides its target from now on, unless there is one.
insert into erasures (tenant_id, id, kind, target_id, base_id, with_documents, state, asked_by, reason, replayed, hidden_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(kind)s::text, %(target_id)s::uuid, %(base_id)s::uuid, %(with_documents)s::boolean, 'hidden',
    %(asked_by)s::uuid, %(reason)s::text, %(replayed)s::boolean, %(now)s::timestamptz)
on conflict (tenant_id, kind, target_id) do nothing;

-- name: tombstone_add
-- What is erased has a tombstone, in the database too.
insert into tombstones (tenant_id, id, kind, erased_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(kind)s::text, %(now)s::timestamptz)
on conflict (tenant_id, id) do nothing;

-- name: erasure_by_id
-- One erasure.
select tenant_id, id, kind, target_id, base_id, with_documents, state, asked_by, reason, replayed, failure, receipt, receipt_digest, signature,
    signer, hidden_at, proved_at
from erasures where id = %(id)s::uuid;

-- name: erasure_by_target
-- The erasure of a target.
select tenant_id, id, kind, target_id, base_id, with_documents, state, asked_by, reason, replayed, failure, receipt, receipt_digest, signature,
    signer, hidden_at, proved_at
from erasures where kind = %(kind)s::text and target_id = %(target_id)s::uuid;

-- name: erasures_page
-- Erasures, the newest first, before an id.
select tenant_id, id, kind, target_id, base_id, with_documents, state, asked_by, reason, replayed, failure, receipt, receipt_digest, signature,
    signer, hidden_at, proved_at
from erasures where id < %(before)s::uuid order by id desc limit %(limit)s::int;

-- name: erasures_open
-- Erasures that are not finished, over all tenants, the oldest first.
-- door: system
select tenant_id, id from erasures where state in ('hidden', 'running') order by hidden_at limit %(limit)s::int;

-- name: erasure_state
-- An erasure goes on, or begins again.
update erasures set state = %(state)s::text, failure = %(failure)s::text, replayed = replayed or %(replayed)s::boolean,
    proved_at = null, receipt = null, receipt_digest = null, signature = null, signer = null
where id = %(id)s::uuid;

-- name: erasures_reopen
-- What was erased is looked for again.
update erasures set state = 'hidden', failure = null, proved_at = null, receipt = null, receipt_digest = null, signature = null, signer = null
where kind = %(kind)s::text and target_id = any(%(target_ids)s::uuid[]) and state = 'proved';

-- name: erasure_proved
-- An erasure has its receipt.
update erasures set state = 'proved', failure = null, receipt = %(receipt)s::jsonb, receipt_digest = %(digest)s::bytea,
    signature = %(signature)s::bytea, signer = %(signer)s::text, proved_at = %(now)s::timestamptz
where id = %(id)s::uuid;

-- name: step_put
-- What an eraser found; what it finds later on is added.
insert into erasure_steps (tenant_id, erasure_id, name, place, found)
values (%(tenant_id)s::uuid, %(erasure_id)s::uuid, %(name)s::text, %(place)s::smallint, %(found)s::bigint)
on conflict (tenant_id, erasure_id, name) do update set found = greatest(erasure_steps.found, excluded.found), place = excluded.place;

-- name: step_before
-- What a probe saw before anything was erased.
update erasure_steps set before = %(count)s::bigint where erasure_id = %(erasure_id)s::uuid and name = %(name)s::text and before is null;

-- name: step_erased
-- An eraser is done.
update erasure_steps set erased_at = %(now)s::timestamptz where erasure_id = %(erasure_id)s::uuid and name = %(name)s::text;

-- name: step_after
-- What a probe sees now.
update erasure_steps set after = %(count)s::bigint where erasure_id = %(erasure_id)s::uuid and name = %(name)s::text;

-- name: steps_of
-- The steps of an erasure in their order.
select name, found, before, after, erased_at from erasure_steps where erasure_id = %(erasure_id)s::uuid order by place, name;

-- name: items_add
-- Note things that an erasure reaches.
insert into erasure_items (tenant_id, erasure_id, kind, item_id)
select %(tenant_id)s::uuid, %(erasure_id)s::uuid, %(kind)s::text, item_id from unnest(%(ids)s::uuid[]) as item_id
on conflict (tenant_id, erasure_id, kind, item_id) do nothing;

-- name: items_of
-- The things of one kind that an erasure reaches.
select item_id from erasure_items where erasure_id = %(erasure_id)s::uuid and kind = %(kind)s::text order by item_id;

-- name: items_missing
-- Those of some things that an erasure does not know of.
select item_id from unnest(%(ids)s::uuid[]) as item_id
where not exists (
    select from erasure_items i where i.erasure_id = %(erasure_id)s::uuid and i.kind = %(kind)s::text and i.item_id = item_id.item_id
)
limit 1;

-- name: event_of_receipt
-- The event that tells of an erasure's receipt.
select id, body from ledger_events where kind = 'erasure.proved' and id > %(erasure_id)s::uuid and body ->> 'erasure' = %(erasure)s::text
order by id desc limit 1;

-- name: revision_now
-- How far erasures have come, over all tenants.
-- door: system
select revision from erasure_revision;

-- name: erasures_since
-- What was hidden or went on since a revision.
-- door: system
select tenant_id, id, kind, target_id, revision from erasures where revision > %(revision)s::bigint order by revision limit %(limit)s::int;

-- name: items_to_forget
-- The versions and segments that some erasures reach.
-- door: system
select tenant_id, erasure_id, kind, item_id from erasure_items
where erasure_id = any(%(ids)s::uuid[]) and kind in ('version', 'segment') limit %(limit)s::int;

-- name: tombstones_known
-- Those of some tombstones that the database holds.
-- door: system
select tenant_id, id from tombstones where id = any(%(ids)s::uuid[]);
