-- The queries of knowledge: bases, documents and their versions, index versions and segments.

-- name: base_add
-- A knowledge base, unless its name is taken.
insert into bases (tenant_id, id, name, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(name)s::text, %(now)s::timestamptz)
on conflict (tenant_id, name) do nothing;

-- name: base_by_name
-- A base by name with its active index.
select b.id, b.name, b.revision, b.active_index_id, i.number as index_number, i.analyser_id, i.settings, b.retrieval
from bases b left join index_versions i on i.id = b.active_index_id
where b.name = %(name)s::text;

-- name: base_by_id
-- A base by id with its active index.
select b.id, b.name, b.revision, b.active_index_id, i.number as index_number, i.analyser_id, i.settings, b.retrieval
from bases b left join index_versions i on i.id = b.active_index_id
where b.id = %(id)s::uuid;

-- name: bases_all
-- Every base of the tenant with the number of its current documents.
select b.id, b.name, b.revision, b.active_index_id,
    (select count(*) from document_versions v where v.base_id = b.id and v.state = 'current') as documents,
    (select coalesce(sum(v.passage_count), 0)::bigint from document_versions v where v.base_id = b.id and v.state = 'current') as passages
from bases b order by b.name limit 1000;

-- name: base_lock
-- Hold a base until the transaction ends.
select id from bases where id = %(id)s::uuid for no key update;

-- name: base_touch
-- Move a base's revision: readers look again.
update bases set revision = revision + 1 where id = %(base_id)s::uuid;

-- name: sources_known
-- What each source file of a base held when it was last taken in, and whether the index version that serves holds it. Superseded versions,
-- documents without passages and those that were deleted need not be there.
select v.source_hash, v.fingerprint, v.id, v.document_id, v.deleted as is_deleted,
    v.state <> 'current' or v.passage_count = 0 or exists (
        select from segment_documents sd join index_segments s on s.tenant_id = sd.tenant_id and s.id = sd.segment_id
        where sd.document_version_id = v.id and sd.retired_at is null and s.state = 'live'
            and s.index_id = (select b.active_index_id from bases b where b.id = %(base_id)s::uuid)
    ) as is_indexed
from document_versions v
where v.base_id = %(base_id)s::uuid and v.origin = 'folder' and (v.state in ('current', 'superseded') or v.deleted)
    and (%(source_hashes)s::bytea[] is null or v.source_hash = any(%(source_hashes)s::bytea[]))
order by v.id;

-- name: document_add
-- A document of a base, unless its key is known.
insert into documents (tenant_id, id, base_id, key_hash, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(base_id)s::uuid, %(key_hash)s::bytea, %(now)s::timestamptz)
on conflict (tenant_id, base_id, key_hash) do nothing;

-- name: versions_uploaded
-- The versions of a base that were uploaded.
select id from document_versions where base_id = %(base_id)s::uuid and origin = 'upload' and state in ('current', 'superseded') order by id;

-- name: documents_by_key
-- The documents of keyed hashes, with the access that was set by hand.
select id, key_hash, audience_id from documents where base_id = %(base_id)s::uuid and key_hash = any(%(key_hashes)s::bytea[]);

-- name: current_version
-- The current version of a document, locked for the change that follows.
select id, declared_version from document_versions
where document_id = %(document_id)s::uuid and state = 'current' for update;

-- name: version_supersede
-- A newer version takes the place of this one.
update document_versions set state = 'superseded' where id = %(id)s::uuid and state = 'current';

-- name: version_remove
-- A version's file is gone or was replaced by other content.
update document_versions set state = 'removed' where id = any(%(ids)s::uuid[]) and state in ('current', 'superseded');

-- name: version_add
-- A version of a document.
insert into document_versions (tenant_id, id, document_id, base_id, declared_version, source_hash, fingerprint, content_address, audience_id,
    valid_from, valid_until, state, language, media_type, original_bytes, passage_count, details_sealed, origin, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(document_id)s::uuid, %(base_id)s::uuid, %(declared_version)s::int, %(source_hash)s::bytea,
    %(fingerprint)s::bytea, %(content_address)s::bytea, %(audience_id)s::uuid, %(valid_from)s::timestamptz, %(valid_until)s::timestamptz,
    %(state)s::text, %(language)s::text, %(media_type)s::text, %(original_bytes)s::bigint, %(passage_count)s::int, %(details_sealed)s::bytea,
    %(origin)s::text, %(now)s::timestamptz);

-- name: segment_add
-- A segment becomes searchable.
insert into index_segments (tenant_id, id, index_id, passage_count, state, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(index_id)s::uuid, %(passage_count)s::int, 'live', %(now)s::timestamptz);

-- name: segment_documents_add
-- Which document versions a segment holds.
insert into segment_documents (tenant_id, segment_id, document_version_id)
select %(tenant_id)s::uuid, %(segment_id)s::uuid, version_id from unnest(%(version_ids)s::uuid[]) as version_id;

-- name: segment_documents_check
-- Mask in a new segment what is current no more. The versions are held, so that whoever changes one now finds the segment afterwards.
with held as (
    select id, state from document_versions where id = any(%(version_ids)s::uuid[]) order by id for share
)
update segment_documents sd set retired_at = %(now)s::timestamptz
from held where sd.segment_id = %(segment_id)s::uuid and sd.document_version_id = held.id and held.state <> 'current' and sd.retired_at is null;

-- name: segment_holds_erased
-- Whether a segment holds a document that was erased.
select v.id from segment_documents sd join document_versions v on v.tenant_id = sd.tenant_id and v.id = sd.document_version_id
where sd.segment_id = %(id)s::uuid and v.state = 'erased' limit 1;

-- name: document_erased
-- Whether a document was erased.
select id from tombstones where id = %(id)s::uuid and kind = 'document';

-- name: segment_documents_retire
-- Mask document versions wherever they are indexed.
update segment_documents set retired_at = %(now)s::timestamptz
where document_version_id = any(%(version_ids)s::uuid[]) and retired_at is null;

-- name: segments_live
-- The searchable segments of an index version.
select id, passage_count from index_segments where index_id = %(index_id)s::uuid and state = 'live' order by id;

-- name: segments_vectors
-- The searchable segments of an index version that have vectors.
select id, vectors_id from index_segments where index_id = %(index_id)s::uuid and state = 'live' and vectors_id is not null;

-- name: segments_unembedded
-- The searchable segments of an index version of whose passages some have no vector, oldest first.
select id, vectors_id from index_segments
where index_id = %(index_id)s::uuid and state = 'live' and vector_count < passage_count order by id limit 1000;

-- name: versions_unembedded
-- The index versions in use, of a base or of all, of whose passages some have no vector though an embedder is set.
select v.id from index_versions v
where v.state in ('active', 'ready', 'retired') and v.settings -> 'embedder' is not null and jsonb_typeof(v.settings -> 'embedder') = 'object'
    and (%(base_id)s::uuid is null or v.base_id = %(base_id)s::uuid)
    and exists (select from index_segments s where s.index_id = v.id and s.state = 'live' and s.vector_count < s.passage_count)
order by v.id limit 1000;

-- name: vectors_alike
-- The vectors that a base has of an embedder, in whatever index version.
select s.index_id, s.id, s.vectors_id from index_segments s join index_versions v on v.id = s.index_id
where v.base_id = %(base_id)s::uuid and v.settings -> 'embedder' = %(embedder)s::jsonb and s.state = 'live' and s.vectors_id is not null
order by s.id limit 10000;

-- name: segment_vectors_put
-- A segment has these vectors in the place of others, if it is still searched and has those.
update index_segments set vectors_id = %(vectors_id)s::uuid, vector_count = %(count)s::int
where id = %(id)s::uuid and state = 'live' and vectors_id is not distinct from %(instead_of)s::uuid
returning id;

-- name: versions_sealed
-- Those of some document versions that are current, with what opens their texts.
select v.id, v.document_id, v.audience_id, v.details_sealed from document_versions v where v.id = any(%(ids)s::uuid[]) and v.state = 'current';

-- name: base_retrieval
-- How a base is searched.
update bases set retrieval = %(retrieval)s::jsonb, revision = revision + 1 where id = %(base_id)s::uuid;

-- name: segment_sizes
-- How much each searchable segment of an index version holds, and how much of it is masked for good.
select s.id, s.passage_count, count(sd.document_version_id) as documents, count(sd.retired_at) as retired
from index_segments s join segment_documents sd on sd.segment_id = s.id
where s.index_id = %(index_id)s::uuid and s.state = 'live' group by s.id, s.passage_count order by s.id;

-- name: versions_merged
-- The index versions of a base whose segments are cared for.
select id from index_versions where base_id = %(base_id)s::uuid and state in ('active', 'ready', 'retired') order by id;

-- name: segments_drop
-- Segments that a merge replaced stop being searched.
update index_segments set state = 'dropping', dropping_since = %(now)s::timestamptz where id = any(%(ids)s::uuid[]) and state = 'live';

-- name: segments_to_drop
-- Replaced segments whose readers have had time to leave.
select s.id, s.index_id, i.base_id from index_segments s join index_versions i on i.id = s.index_id
where s.state = 'dropping' and s.dropping_since < %(before)s::timestamptz limit 1000;

-- name: segment_forget
-- A segment whose folder is gone.
delete from index_segments where id = %(id)s::uuid and state = 'dropping';

-- name: segments_known
-- Every segment of a base that still has a row.
select s.id, s.index_id from index_segments s join index_versions i on i.id = s.index_id where i.base_id = %(base_id)s::uuid;

-- name: masked
-- The indexed document versions that may not be found now: retired, not yet valid, or no longer.
select sd.segment_id, sd.document_version_id
from index_segments s join segment_documents sd on sd.segment_id = s.id
where s.index_id = %(index_id)s::uuid and s.state = 'live' and sd.retired_at is not null
union
select sd.segment_id, sd.document_version_id
from document_versions v
join segment_documents sd on sd.document_version_id = v.id
join index_segments s on s.id = sd.segment_id
where v.base_id = %(base_id)s::uuid and v.state = 'current' and (v.valid_from is not null or v.valid_until is not null)
    and (v.valid_from > %(now)s::timestamptz or v.valid_until <= %(now)s::timestamptz)
    and s.index_id = %(index_id)s::uuid and s.state = 'live';

-- name: retired
-- The document versions that a merge leaves out: removed, superseded or erased, whatever their dates.
select sd.segment_id, sd.document_version_id
from index_segments s join segment_documents sd on sd.segment_id = s.id
where s.index_id = %(index_id)s::uuid and s.state = 'live' and sd.retired_at is not null;

-- name: next_validity_change
-- When the next document of a base begins or ceases to be valid.
select min(moment) as moment from (
    select valid_from as moment from document_versions
    where base_id = %(base_id)s::uuid and state = 'current' and valid_from > %(now)s::timestamptz
    union all
    select valid_until from document_versions
    where base_id = %(base_id)s::uuid and state = 'current' and valid_until > %(now)s::timestamptz
) as moments;

-- name: confirm
-- Which of these versions this caller may read now, and what an answer shows of them: the authority behind every hit.
select v.id, v.document_id, v.declared_version, v.language, v.media_type, v.valid_from, v.valid_until, v.details_sealed, v.content_address,
    a.rule ->> 'class' as security_class
from document_versions v join audiences a on a.id = v.audience_id
where v.id = any(%(ids)s::uuid[]) and v.state = 'current' and v.audience_id = any(%(audience_ids)s::uuid[])
    and (v.valid_from is null or v.valid_from <= %(now)s::timestamptz)
    and (v.valid_until is null or v.valid_until > %(now)s::timestamptz);

-- name: versions_known
-- Those of some document versions that have a row, whatever their state, of uploads that wait, and of attachments, whose files lie as a version does.
select id from document_versions where id = any(%(ids)s::uuid[])
union all
select id from uploads where id = any(%(ids)s::uuid[]) and state = 'received'
union all
select id from attachments where id = any(%(ids)s::uuid[]) and state <> 'failed';

-- name: version_addresses
-- Of which documents some versions are, whatever their state, and what they hold.
select id, document_id, content_address, declared_version, details_sealed from document_versions where id = any(%(ids)s::uuid[]);

-- name: documents_known
-- Those of some documents that have a row, of uploads that wait, and of attachments, which have a document's key.
select id from documents where id = any(%(ids)s::uuid[])
union all
select id from uploads where id = any(%(ids)s::uuid[]) and state = 'received'
union all
select id from attachments where id = any(%(ids)s::uuid[]) and state <> 'failed';

-- name: confirm_ids
-- Which of these versions this caller may read now.
select id from document_versions
where id = any(%(ids)s::uuid[]) and state = 'current' and audience_id = any(%(audience_ids)s::uuid[])
    and (valid_from is null or valid_from <= %(now)s::timestamptz)
    and (valid_until is null or valid_until > %(now)s::timestamptz);

-- name: confirm_seen
-- Of these versions those of which this caller may be reminded: also one that a newer version has replaced, if they may read both.
select v.id from document_versions v
where v.id = any(%(ids)s::uuid[]) and v.state <> 'erased' and v.audience_id = any(%(audience_ids)s::uuid[])
    and exists (select from document_versions c
        where c.document_id = v.document_id and c.state = 'current' and c.audience_id = any(%(audience_ids)s::uuid[]));

-- name: seen_versions
-- What an answer showed of these versions, for a caller who may be reminded of them.
select v.id, v.document_id, v.declared_version, v.language, v.media_type, v.valid_from, v.valid_until, v.details_sealed, v.content_address,
    a.rule ->> 'class' as security_class
from document_versions v join audiences a on a.id = v.audience_id
where v.id = any(%(ids)s::uuid[]) and v.state <> 'erased' and v.audience_id = any(%(audience_ids)s::uuid[])
    and exists (select from document_versions c
        where c.document_id = v.document_id and c.state = 'current' and c.audience_id = any(%(audience_ids)s::uuid[]));

-- name: index_names
-- Of which bases some index versions are, and their numbers there.
select v.id, b.name, v.number from index_versions v join bases b on b.id = v.base_id where v.id = any(%(ids)s::uuid[]);

-- name: identifiers_add
-- The identifiers that a version of a document holds.
insert into document_identifiers (tenant_id, document_version_id, entity, value_hash)
select %(tenant_id)s::uuid, %(version_id)s::uuid, entity, value_hash
from unnest(%(entities)s::text[], %(hashes)s::bytea[]) as found (entity, value_hash)
on conflict do nothing;

-- name: documents_that_name
-- The documents, erased ones left out, of which some version holds one of some identifiers.
select distinct v.document_id, v.base_id
from document_identifiers i join document_versions v on v.tenant_id = i.tenant_id and v.id = i.document_version_id
where i.value_hash = any(%(hashes)s::bytea[]) and v.state <> 'erased'
order by v.document_id limit %(limit)s::int;
