-- The queries of attachments. Whoever may see the thread they are in is for the callers to say: each names the person or the thread.

-- name: attachment_add
-- A file was received whole and waits to be read.
insert into attachments (tenant_id, id, person_id, thread_id, state, bytes, media_type, content_address, details_sealed, created_at, bound_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(person_id)s::uuid, %(thread_id)s::uuid, 'received', %(bytes)s::bigint, %(media_type)s::text,
    %(content_address)s::bytea, %(details_sealed)s::bytea, %(now)s::timestamptz,
    case when %(thread_id)s::uuid is not null then %(now)s::timestamptz end);

-- name: attachments_lock
-- Who adds to a thread, or to what waits for one, does so one after the other: so the count holds.
select pg_advisory_xact_lock(hashtextextended(%(place)s::text, 33));

-- name: attachments_load
-- How many files of the tenant wait to be read.
select count(*) as counted from attachments where state = 'received';

-- name: attachments_of_thread
-- The files of a thread, in the order in which they came.
select id, person_id, thread_id, state, bytes as size_bytes, media_type, content_address, details_sealed, language, passages, failure, detail_sealed, created_at
from attachments where thread_id = %(thread_id)s::uuid order by id limit %(limit)s::integer;

-- name: attachments_in_hand
-- The files of a person that wait for the first question of a thread.
select id, person_id, thread_id, state, bytes as size_bytes, media_type, content_address, details_sealed, language, passages, failure, detail_sealed, created_at
from attachments where person_id = %(person_id)s::uuid and bound_at is null order by id limit %(limit)s::integer;

-- name: attachment_by_id
-- One file; what is in a thread that was deleted is found by nobody.
select id, person_id, thread_id, state, bytes as size_bytes, media_type, content_address, details_sealed, language, passages, failure, detail_sealed, created_at
from attachments a where id = %(id)s::uuid
    and (bound_at is null or exists (select from threads t where t.id = a.thread_id and t.deleted_at is null));

-- name: attachments_standing
-- Those of some files that are in a thread.
select id from attachments where id = any(%(ids)s::uuid[]) and thread_id is not null;

-- name: attachments_known
-- What some files hold, whatever becomes of them.
select id, content_address from attachments where id = any(%(ids)s::uuid[]);

-- name: attachments_told
-- Some files as answers tell of them, of a thread or of a person.
select id, person_id, thread_id, state, bytes as size_bytes, media_type, content_address, details_sealed, language, passages, failure, detail_sealed, created_at
from attachments where id = any(%(ids)s::uuid[]) and thread_id is not null and (thread_id = %(thread_id)s::uuid or person_id = %(person_id)s::uuid)
order by id;

-- name: attachments_bind
-- What waited for the first question of a thread is in that thread.
update attachments set thread_id = %(thread_id)s::uuid, bound_at = %(now)s::timestamptz
where id = any(%(ids)s::uuid[]) and person_id = %(person_id)s::uuid and bound_at is null;

-- name: attachments_unbind
-- A thread whose only turn is taken back gives up its files: they wait for another question.
update attachments set thread_id = null, bound_at = null
where thread_id = %(thread_id)s::uuid and person_id = %(person_id)s::uuid and exists (
    select from threads t where t.id = %(thread_id)s::uuid and t.head_id = %(turn_id)s::uuid and t.turns = 1);

-- name: attachment_delete
-- A file of a person goes.
delete from attachments a where id = %(id)s::uuid and person_id = %(person_id)s::uuid
    and (bound_at is null or exists (select from threads t where t.id = a.thread_id and t.deleted_at is null))
returning id, thread_id;

-- name: attachments_forget
-- What was never asked about, and what was in a thread that has gone, goes.
delete from attachments where id in (
    select id from attachments
    where thread_id is null and (bound_at is not null or created_at < %(before)s::timestamptz) order by created_at limit %(limit)s::integer)
returning id;

-- name: attachments_waiting
-- What waits to be read, over all tenants: of each the oldest first, and then the second of each, so that nobody's many keep others waiting.
-- door: system
select w.tenant_id, w.id from (
    select tenant_id, id, row_number() over (partition by tenant_id order by id) as place from attachments where state = 'received'
) w order by w.place, w.id limit %(limit)s::int;

-- name: attachment_begin
-- Somebody reads a file, which may be more than the process survives.
update attachments set attempts = attempts + 1 where id = %(id)s::uuid and state = 'received'
returning id, person_id, thread_id, state, bytes as size_bytes, media_type, content_address, details_sealed, language, passages, failure, detail_sealed, created_at,
    attempts;

-- name: attachment_put_off
-- It did not come to it, for reasons that the file has nothing to do with.
update attachments set attempts = attempts - 1 where id = %(id)s::uuid and state = 'received' and attempts > 0;

-- name: attachment_passages
-- How many passages the files have that a question would be asked about together with one.
select coalesce(sum(passages), 0)::bigint as counted from attachments
where id <> %(id)s::uuid and case when %(thread_id)s::uuid is null then person_id = %(person_id)s::uuid and bound_at is null
    else thread_id = %(thread_id)s::uuid end;

-- name: attachment_ready
-- A file was read.
update attachments set state = 'ready', details_sealed = %(details_sealed)s::bytea, language = %(language)s::text, passages = %(passages)s::integer,
    ended_at = %(now)s::timestamptz
where id = %(id)s::uuid and state = 'received' returning id;

-- name: attachment_failed
-- A file was not.
update attachments set state = 'failed', failure = %(failure)s::text, detail_sealed = %(detail_sealed)s::bytea, ended_at = %(now)s::timestamptz
where id = %(id)s::uuid and state = 'received' returning id;

-- name: attachments_note
-- Note the files of a person who is erased, by whose ids what lies elsewhere is found.
insert into erasure_items (tenant_id, erasure_id, kind, item_id)
select a.tenant_id, %(erasure_id)s::uuid, 'version', a.id from attachments a
where a.tenant_id = %(tenant_id)s::uuid and a.person_id = %(person_id)s::uuid
on conflict (tenant_id, erasure_id, kind, item_id) do nothing;

-- name: attachments_count
-- The files of a person.
select count(*) as counted from attachments where tenant_id = %(tenant_id)s::uuid and person_id = %(person_id)s::uuid;

-- name: attachments_sealed_count
-- The files of a person that have content: those that could not be read have none.
select count(*) as counted from attachments
where tenant_id = %(tenant_id)s::uuid and person_id = %(person_id)s::uuid and state <> 'failed';

-- name: attachments_erase_person
-- All files of a person.
delete from attachments where person_id = %(person_id)s::uuid;

-- name: attachments_tombstones
-- The files that the erasure of a person reaches have tombstones, as their keys have in the key ring.
insert into tombstones (tenant_id, id, kind, erased_at)
select i.tenant_id, i.item_id, 'document', %(now)s::timestamptz from erasure_items i
where i.erasure_id = %(erasure_id)s::uuid and i.kind = 'version'
on conflict (tenant_id, id) do nothing;
