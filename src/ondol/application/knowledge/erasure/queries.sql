-- The queries of erasing documents: finding and hiding one, where its passages lie, emptying its rows, and the counts of the probes.

-- name: document_by_id
-- A document of a base.
select d.id, exists (select from document_versions v where v.document_id = d.id and v.state <> 'erased') as is_there
from documents d where d.base_id = %(base_id)s::uuid and d.id = %(id)s::uuid;

-- name: document_by_key
-- The document of a keyed hash, or of the file that one of its versions came from.
select d.id from documents d
where d.base_id = %(base_id)s::uuid and (d.key_hash = %(key_hash)s::bytea or exists (
    select from document_versions v where v.document_id = d.id and v.source_hash = %(source_hash)s::bytea and v.state in ('current', 'superseded')))
order by (d.key_hash = %(key_hash)s::bytea) desc limit 1;

-- name: document_hide
-- No version of a document is to be seen any more.
update document_versions set state = 'erased' where document_id = %(document_id)s::uuid and state <> 'erased' returning id;

-- name: document_versions_all
-- All versions of a document.
select id from document_versions where document_id = %(document_id)s::uuid order by id;

-- name: document_segments
-- The segments of all index versions that hold a document, searchable or not.
select distinct s.id, s.index_id, s.state
from segment_documents sd join index_segments s on s.tenant_id = sd.tenant_id and s.id = sd.segment_id
    join document_versions v on v.tenant_id = sd.tenant_id and v.id = sd.document_version_id
where v.document_id = %(document_id)s::uuid order by s.id;

-- name: lost_segment_forget
-- A segment whose folder is lost does not hold a document.
delete from segment_documents where segment_id = %(segment_id)s::uuid and document_version_id in (
    select id from document_versions where document_id = %(document_id)s::uuid);

-- name: base_segments
-- Every segment of a base that has a row.
select s.id from index_segments s join index_versions i on i.tenant_id = s.tenant_id and i.id = s.index_id where i.base_id = %(base_id)s::uuid;

-- name: base_index_versions
-- Every index version of a base that somebody may be writing to.
select id from index_versions where base_id = %(base_id)s::uuid and state in ('building', 'ready', 'active', 'retired') order by id;

-- name: document_empty
-- A document has no key by which it is known any more.
update documents set key_hash = sha256(uuid_send(gen_random_uuid())) where id = %(document_id)s::uuid;

-- name: document_versions_empty
-- Of a document's versions nothing stays that was made of its content.
update document_versions
set details_sealed = ''::bytea, source_hash = sha256(uuid_send(gen_random_uuid())), fingerprint = sha256(uuid_send(gen_random_uuid())),
    content_address = sha256(uuid_send(gen_random_uuid())), original_bytes = 0
where document_id = %(document_id)s::uuid and (details_sealed <> ''::bytea or original_bytes > 0);

-- name: identifiers_erase
-- The identifiers that were found in a document.
delete from document_identifiers where document_version_id in (
    select id from document_versions where document_id = %(document_id)s::uuid);

-- name: uploads_empty
-- Of uploads that became a document what was said of it goes.
update uploads set told_sealed = ''::bytea, detail_sealed = null
where document_id = %(document_id)s::uuid and (told_sealed <> ''::bytea or detail_sealed is not null);

-- name: uploads_count
-- Uploads that say something of a document.
select count(*) as counted from uploads where tenant_id = %(tenant_id)s::uuid and document_id = %(document_id)s::uuid
    and (told_sealed <> ''::bytea or detail_sealed is not null);

-- name: document_rows_count
-- The versions of a document that hold something of it.
select count(*) as counted from document_versions where tenant_id = %(tenant_id)s::uuid and document_id = %(document_id)s::uuid
    and (details_sealed <> ''::bytea or original_bytes > 0);

-- name: identifiers_count
-- The identifiers of a document.
select count(*) as counted from document_identifiers i
where i.tenant_id = %(tenant_id)s::uuid and exists (
    select from document_versions v where v.tenant_id = i.tenant_id and v.id = i.document_version_id and v.document_id = %(document_id)s::uuid);
