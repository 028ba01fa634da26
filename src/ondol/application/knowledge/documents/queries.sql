-- The queries of documents one at a time: the document of a key or id, lists that show what their reader may read, uploads, requests that came before.

-- name: document_current
-- A document with its current version, for somebody with these audiences; null stands for whoever runs the installation.
select d.id, d.base_id, d.key_hash, d.audience_id as set_audience_id, v.id as version_id, v.audience_id, v.declared_version, v.source_hash,
    v.fingerprint, v.origin, v.valid_from, v.valid_until, v.language, v.media_type, v.original_bytes, v.passage_count, v.details_sealed,
    v.state, v.created_at
from documents d join document_versions v on v.document_id = d.id and v.state = 'current'
where d.base_id = %(base_id)s::uuid and (%(id)s::uuid is null or d.id = %(id)s::uuid)
    and (%(key_hash)s::bytea is null or d.key_hash = %(key_hash)s::bytea)
    and (%(audience_ids)s::uuid[] is null or v.audience_id = any(%(audience_ids)s::uuid[]))
order by d.id limit 1;

-- name: key_taken
-- Whether a document of this key has a current version, whoever may read it.
select exists (
    select from documents d join document_versions v on v.document_id = d.id and v.state = 'current'
    where d.base_id = %(base_id)s::uuid and d.key_hash = %(key_hash)s::bytea
) as taken;

-- name: documents_page
-- Documents with a current version that is valid now, is not valid yet, or no longer, oldest first.
select d.id, d.base_id, d.key_hash, d.audience_id as set_audience_id, v.id as version_id, v.audience_id, v.declared_version, v.source_hash,
    v.fingerprint, v.origin, v.valid_from, v.valid_until, v.language, v.media_type, v.original_bytes, v.passage_count, v.details_sealed,
    v.state, v.created_at
from document_versions v join documents d on d.id = v.document_id
where v.base_id = %(base_id)s::uuid and v.state = 'current' and (%(after)s::uuid is null or v.document_id > %(after)s::uuid)
    and (%(audience_ids)s::uuid[] is null or v.audience_id = any(%(audience_ids)s::uuid[]))
    and (%(key_hash)s::bytea is null or d.key_hash = %(key_hash)s::bytea)
    and case %(state)s::text
        when 'current' then (v.valid_from is null or v.valid_from <= %(now)s::timestamptz) and (v.valid_until is null or v.valid_until > %(now)s::timestamptz)
        when 'scheduled' then v.valid_from > %(now)s::timestamptz
        else v.valid_until <= %(now)s::timestamptz end
order by v.document_id limit %(limit)s::int;

-- name: documents_removed_page
-- Documents without a current version, by their last one, oldest first: they were deleted, or their files are gone.
select d.id, d.base_id, d.key_hash, d.audience_id as set_audience_id, v.id as version_id, v.audience_id, v.declared_version, v.source_hash,
    v.fingerprint, v.origin, v.valid_from, v.valid_until, v.language, v.media_type, v.original_bytes, v.passage_count, v.details_sealed,
    v.state, v.created_at
from document_versions v join documents d on d.id = v.document_id
where v.base_id = %(base_id)s::uuid and v.state = 'removed' and (%(after)s::uuid is null or v.document_id > %(after)s::uuid)
    and (%(audience_ids)s::uuid[] is null or v.audience_id = any(%(audience_ids)s::uuid[]))
    and (%(key_hash)s::bytea is null or d.key_hash = %(key_hash)s::bytea)
    and not exists (select from document_versions n where n.document_id = v.document_id and (n.state = 'current' or n.id > v.id))
order by v.document_id limit %(limit)s::int;

-- name: versions_of_document
-- The versions of a document that are not removed, held for the change that follows.
select id, details_sealed from document_versions where document_id = %(document_id)s::uuid and state in ('current', 'superseded') order by id for update;

-- name: versions_delete
-- A document is deleted: no version of it is found any more, and no unchanged file brings it back.
update document_versions set state = 'removed', deleted = true where document_id = %(document_id)s::uuid and state in ('current', 'superseded');

-- name: details_put
-- A version's details, sealed anew.
update document_versions set details_sealed = %(details_sealed)s::bytea where id = %(id)s::uuid;

-- name: key_release
-- The key of a document that has no current version becomes free; nobody finds the document by the one that it gets.
update documents d set key_hash = %(free_hash)s::bytea where d.base_id = %(base_id)s::uuid and d.key_hash = %(key_hash)s::bytea
    and not exists (select from document_versions v where v.document_id = d.id and v.state = 'current');

-- name: key_put
-- A document is called by another key.
update documents set key_hash = %(key_hash)s::bytea where id = %(id)s::uuid;

-- name: access_put
-- Who may read a document is set by hand, or is its files' to say again.
update documents set audience_id = %(audience_id)s::uuid where id = %(id)s::uuid;

-- name: access_of_audiences
-- What the rules of audiences say, with the names of their groups.
select a.id, a.rule ->> 'class' as security_class,
    array(select g.name from audience_groups ag join groups g on g.id = ag.group_id where ag.audience_id = a.id order by g.name) as groups,
    array(select ap.person_id from audience_people ap where ap.audience_id = a.id order by ap.person_id) as people,
    array(select array[aa.clause::text, av.name, av.value] from audience_attributes aa join attribute_values av on av.id = aa.value_id
        where aa.audience_id = a.id order by aa.clause, av.name, av.value) as clauses
from audiences a where a.id = any(%(ids)s::uuid[]);

-- name: upload_add
-- A file was received whole and waits to be taken in.
insert into uploads (tenant_id, id, base_id, person_id, state, bytes, told_sealed, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(base_id)s::uuid, %(person_id)s::uuid, 'received', %(bytes)s::bigint, %(told_sealed)s::bytea,
    %(now)s::timestamptz);

-- name: uploads_load
-- How many files of the tenant wait, and their bytes.
select count(*) as uploads, coalesce(sum(bytes), 0)::bigint as bytes from uploads where state = 'received';

-- name: uploads_waiting
-- What waits to be taken in, over all tenants: of each the oldest first, and then the second of each, so that nobody's thousand keep others waiting.
-- door: system
select w.tenant_id, w.id from (
    select tenant_id, id, row_number() over (partition by tenant_id order by id) as place from uploads where state = 'received'
) w order by w.place, w.id limit %(limit)s::int;

-- name: upload_begin
-- Somebody takes a file in, which may be more than the process survives.
update uploads set attempts = attempts + 1 where id = %(id)s::uuid and state = 'received'
returning id, base_id, person_id, told_sealed, attempts;

-- name: upload_put_off
-- It did not come to it, for reasons that the file has nothing to do with.
update uploads set attempts = attempts - 1 where id = %(id)s::uuid and state = 'received' and attempts > 0;

-- name: upload_taken_in
-- A file became a document version.
update uploads set state = 'taken_in', document_id = %(document_id)s::uuid, version_id = %(version_id)s::uuid, ended_at = %(now)s::timestamptz
where id = %(id)s::uuid and state = 'received';

-- name: upload_failed
-- A file did not.
update uploads set state = 'failed', failure = %(failure)s::text, detail_sealed = %(detail_sealed)s::bytea, ended_at = %(now)s::timestamptz
where id = %(id)s::uuid and state = 'received';

-- name: upload_by_id
-- An upload of a base; somebody's own unless no person is given.
select id, base_id, state, bytes, document_id, version_id, failure, detail_sealed, created_at, ended_at from uploads
where id = %(id)s::uuid and base_id = %(base_id)s::uuid and (%(person_id)s::uuid is null or person_id = %(person_id)s::uuid);

-- name: uploads_forget
-- What ended a while ago, some at a time.
-- door: system
delete from uploads where (tenant_id, id) in (
    select tenant_id, id from uploads where state <> 'received' and ended_at <= %(before)s::timestamptz limit %(limit)s::int
);

-- name: key_begin
-- A request with a key that its caller has not used within the time that keys are kept, or whose first try was never heard of again.
insert into idempotency_keys (tenant_id, id, caller_id, key_hash, request_digest, created_at, keep_until)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(caller_id)s::uuid, %(key_hash)s::bytea, %(request_digest)s::bytea, %(now)s::timestamptz,
    %(keep_until)s::timestamptz)
on conflict (tenant_id, caller_id, key_hash) do update set id = excluded.id, request_digest = excluded.request_digest, body_digest = null,
    status = null, answer = null, created_at = excluded.created_at, keep_until = excluded.keep_until
where idempotency_keys.keep_until <= %(now)s::timestamptz
    or (idempotency_keys.status is null and idempotency_keys.created_at <= %(lost_before)s::timestamptz)
returning id;

-- name: key_used
-- What came of the request that used a key before.
select request_digest, body_digest, status, answer from idempotency_keys
where caller_id = %(caller_id)s::uuid and key_hash = %(key_hash)s::bytea;

-- name: key_end
-- What is answered to a request with a key.
update idempotency_keys set status = %(status)s::smallint, answer = %(answer)s::jsonb, body_digest = %(body_digest)s::bytea
where id = %(id)s::uuid and status is null;

-- name: key_give_up
-- A request with a key failed: it may be tried again with the same one.
delete from idempotency_keys where id = %(id)s::uuid and status is null;

-- name: keys_forget
-- Keys whose time is over, some at a time.
-- door: system
delete from idempotency_keys where (tenant_id, id) in (
    select tenant_id, id from idempotency_keys where keep_until <= %(now)s::timestamptz limit %(limit)s::int
);
