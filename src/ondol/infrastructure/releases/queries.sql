-- The queries of releases: manifests that are only added, the pointer to the one that serves, and its moves.

-- name: assistant_hold
-- Where an assistant points, held until the end of the transaction.
select id, live_release_id, previous_release_id from assistants where id = %(assistant_id)s::uuid for update;

-- name: release_add
-- Saves a manifest as a draft, unless the assistant has the same one already.
insert into releases (tenant_id, id, assistant_id, number, manifest, manifest_version, digest, state, is_implicit, created_by, created_at)
select %(tenant_id)s::uuid, %(id)s::uuid, %(assistant_id)s::uuid, coalesce(max(r.number), 0) + 1, %(manifest)s::jsonb,
    %(manifest_version)s::smallint, %(digest)s::bytea, 'draft', %(is_implicit)s::boolean, %(by)s::uuid, %(now)s::timestamptz
from releases r where r.assistant_id = %(assistant_id)s::uuid
on conflict (tenant_id, assistant_id, digest) do nothing
returning id;

-- name: release_by_digest
-- The assistant's release with that manifest.
select id, is_implicit from releases where assistant_id = %(assistant_id)s::uuid and digest = %(digest)s::bytea;

-- name: release_made
-- A release that was made of a declaration was asked for by somebody.
update releases set is_implicit = false where id = %(id)s::uuid;

-- name: release_index_add
-- An index version that a release names.
insert into release_indexes (tenant_id, release_id, index_version_id)
values (%(tenant_id)s::uuid, %(release_id)s::uuid, %(index_version_id)s::uuid)
on conflict do nothing;

-- name: release_by_id
-- One release.
select r.id, r.assistant_id, r.number, r.manifest::text as manifest, r.digest, r.is_implicit, r.created_by, r.created_at,
    r.id is not distinct from a.previous_release_id as is_previous,
    case when r.id = a.live_release_id then 'live' when r.state = 'live' then 'retired' else r.state end as state
from releases r join assistants a on a.id = r.assistant_id
where r.id = %(id)s::uuid;

-- name: release_named
-- The release of an assistant that a number or a word means.
select r.id from releases r join assistants a on a.id = r.assistant_id
where r.assistant_id = %(assistant_id)s::uuid and (
    r.number = %(number)s::int
    or (%(word)s::text = 'live' and r.id = a.live_release_id)
    or (%(word)s::text = 'previous' and r.id = a.previous_release_id)
    or (%(word)s::text = 'candidate' and r.state = 'candidate'));

-- name: releases_all
-- The releases of an assistant, newest first.
select r.id, r.assistant_id, r.number, r.digest, r.is_implicit, r.created_by, r.created_at,
    r.id is not distinct from a.previous_release_id as is_previous,
    case when r.id = a.live_release_id then 'live' when r.state = 'live' then 'retired' else r.state end as state
from releases r join assistants a on a.id = r.assistant_id
where r.assistant_id = %(assistant_id)s::uuid and r.number < %(before)s::int
order by r.number desc limit %(limit)s::int;

-- name: candidates_withdraw
-- An assistant has one candidate: the others are drafts again.
update releases set state = 'draft' where assistant_id = %(assistant_id)s::uuid and state = 'candidate' and id <> %(id)s::uuid;

-- name: release_state
-- How far a release has come.
update releases set state = %(state)s::text where id = %(id)s::uuid;

-- name: assistant_point
-- Point an assistant at a release.
update assistants set live_release_id = %(live)s::uuid, previous_release_id = %(previous)s::uuid where id = %(assistant_id)s::uuid;

-- name: move_add
-- A move of the pointer.
insert into release_moves (tenant_id, id, assistant_id, from_id, to_id, kind, reason, note_sealed, actor_id, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(assistant_id)s::uuid, %(from_id)s::uuid, %(to_id)s::uuid, %(kind)s::text, %(reason)s::text,
    %(note_sealed)s::bytea, %(actor_id)s::uuid, %(now)s::timestamptz);

-- name: served_before
-- What served before a release was made to serve the last time, by going forward.
select m.from_id from release_moves m
where m.assistant_id = %(assistant_id)s::uuid and m.to_id = %(id)s::uuid and m.kind <> 'rollback'
order by m.id desc limit 1;

-- name: moves_all
-- The moves of an assistant's pointer, newest first.
select m.id, m.kind, f.number as from_number, t.number as to_number, m.reason, m.note_sealed, m.actor_id, m.created_at
from release_moves m join releases t on t.id = m.to_id left join releases f on f.id = m.from_id
where m.assistant_id = %(assistant_id)s::uuid and (%(before)s::uuid is null or m.id < %(before)s::uuid)
order by m.id desc limit %(limit)s::int;
