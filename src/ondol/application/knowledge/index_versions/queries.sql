-- The queries of index versions: what there is, what of a base a version lacks, and the pointer to the one that serves.

-- name: version_add
-- A new, empty index version.
insert into index_versions (tenant_id, id, base_id, analyser_id, settings, wanted, state, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(base_id)s::uuid, %(analyser_id)s::text, %(settings)s::jsonb, %(wanted)s::jsonb, 'building',
    %(now)s::timestamptz);

-- name: version_by_id
-- An index version.
select v.id, v.base_id, v.number, v.state, v.analyser_id, v.settings, v.wanted, v.created_at, v.built_at, v.activated_at, v.retired_at,
    v.keep_until, v.failure, b.active_index_id is not distinct from v.id as is_active
from index_versions v join bases b on b.id = v.base_id
where v.id = %(id)s::uuid;

-- name: versions_all
-- The index versions of a base, newest first, with what they hold and their tags.
select v.id, v.base_id, v.number, v.state, v.analyser_id, v.settings, v.wanted, v.created_at, v.built_at, v.activated_at, v.retired_at,
    v.keep_until, v.failure, b.active_index_id is not distinct from v.id as is_active,
    (select count(*) from index_segments s where s.index_id = v.id and s.state = 'live') as segments,
    (select coalesce(sum(s.passage_count), 0)::bigint from index_segments s where s.index_id = v.id and s.state = 'live') as passages,
    (select coalesce(sum(s.vector_count), 0)::bigint from index_segments s where s.index_id = v.id and s.state = 'live') as vectors,
    array(select t.name from index_tags t where t.index_id = v.id order by t.name) as tags
from index_versions v join bases b on b.id = v.base_id
where v.base_id = %(base_id)s::uuid and (%(dropped)s::boolean or v.state <> 'dropped')
order by v.number desc limit 1000;

-- name: versions_written
-- The versions that whoever changes documents writes to: the one that serves, those that are ready to, the one that served before, and those of
-- releases.
select v.id, v.settings
from index_versions v join bases b on b.id = v.base_id
where v.base_id = %(base_id)s::uuid and v.analyser_id = %(analyser_id)s::text
    and (v.id = b.active_index_id or v.state = 'ready' or v.id = (
        select p.id from index_versions p where p.base_id = %(base_id)s::uuid and p.state = 'retired' and p.retired_at is not null
        order by p.retired_at desc, p.number desc limit 1)
        or (v.state = 'retired' and is_released(v.tenant_id, v.id)))
order by v.id;

-- name: version_previous
-- The version that served before.
select p.id from index_versions p where p.base_id = %(base_id)s::uuid and p.state = 'retired' and p.retired_at is not null
order by p.retired_at desc, p.number desc limit 1;

-- name: version_released
-- Whether a release names a version that is live, was live before, or is the next to be.
select is_released(v.tenant_id, v.id) as released from index_versions v where v.id = %(id)s::uuid;

-- name: version_ready
-- A version holds everything and can serve.
update index_versions set state = 'ready', built_at = %(now)s::timestamptz,
    keep_until = (select %(now)s::timestamptz + make_interval(days => b.keep_days) from bases b where b.id = base_id)
where id = %(id)s::uuid and state = 'building';

-- name: version_failed
-- A version cannot be built.
update index_versions set state = 'failed', failure = %(failure)s::text where id = %(id)s::uuid and state = 'building';

-- name: version_retire
-- A version serves no more.
update index_versions set state = 'retired', retired_at = %(now)s::timestamptz,
    keep_until = (select %(now)s::timestamptz + make_interval(days => b.keep_days) from bases b where b.id = base_id)
where id = %(id)s::uuid;

-- name: version_serve
-- A version serves now.
update index_versions set state = 'active', activated_at = %(now)s::timestamptz, retired_at = null, keep_until = null where id = %(id)s::uuid;

-- name: base_point
-- Point a base at an index version.
update bases set active_index_id = %(id)s::uuid, revision = revision + 1 where id = %(base_id)s::uuid;

-- name: version_drop
-- A version is given up; its segments go as replaced ones do.
update index_versions set state = 'dropped' where id = any(%(ids)s::uuid[]) and state <> 'dropped';

-- name: version_segments_drop
-- The segments of versions that are given up.
update index_segments set state = 'dropping', dropping_since = %(now)s::timestamptz where index_id = any(%(ids)s::uuid[]) and state = 'live';

-- name: tags_drop
-- The tags of versions that are given up.
delete from index_tags where index_id = any(%(ids)s::uuid[]);

-- name: documents_missing
-- Current document versions with passages that an index version does not hold, oldest first.
select v.id, v.document_id, v.audience_id, v.details_sealed
from document_versions v
where v.base_id = %(base_id)s::uuid and v.state = 'current' and v.passage_count > 0 and not v.id = any(%(without)s::uuid[])
    and not exists (
        select from segment_documents sd join index_segments s on s.tenant_id = sd.tenant_id and s.id = sd.segment_id
        where sd.document_version_id = v.id and s.index_id = %(index_id)s::uuid and s.state = 'live'
    )
order by v.id limit %(limit)s::int;

-- name: documents_missing_count
-- How many those are.
select count(*) as missing
from document_versions v
where v.base_id = %(base_id)s::uuid and v.state = 'current' and v.passage_count > 0 and not v.id = any(%(without)s::uuid[])
    and not exists (
        select from segment_documents sd join index_segments s on s.tenant_id = sd.tenant_id and s.id = sd.segment_id
        where sd.document_version_id = v.id and s.index_id = %(index_id)s::uuid and s.state = 'live'
    );

-- name: versions_building
-- The versions of the tenant that are to be built, oldest first.
select v.id, v.base_id from index_versions v where v.state = 'building' order by v.id limit 100;

-- name: bases_outdated
-- The bases whose serving version was made by another analyser than this one, and for which none is being built by this one.
select b.id, v.settings from bases b join index_versions v on v.id = b.active_index_id
where v.analyser_id <> %(analyser_id)s::text and not exists (
    select from index_versions n
    where n.base_id = b.id and n.analyser_id = %(analyser_id)s::text and n.state in ('building', 'failed') and n.number > v.number)
order by b.id limit 1000;

-- name: tag_put
-- Call a version by a name, which may have been another's.
insert into index_tags (tenant_id, base_id, name, index_id, moved_at)
values (%(tenant_id)s::uuid, %(base_id)s::uuid, %(name)s::text, %(id)s::uuid, %(now)s::timestamptz)
on conflict (tenant_id, base_id, name) do update set index_id = excluded.index_id, moved_at = excluded.moved_at;

-- name: tag_remove
-- A name is nobody's any more.
delete from index_tags where base_id = %(base_id)s::uuid and name = %(name)s::text;

-- name: keep_put
-- How many versions a base keeps, and for how many days.
update bases set keep_versions = %(versions)s::int, keep_days = %(days)s::int where id = %(base_id)s::uuid;

-- name: keep_of_base
-- How many versions a base keeps, and for how many days.
select keep_versions as versions, keep_days as days from bases where id = %(base_id)s::uuid;

-- name: versions_to_drop
-- Versions beyond what their base keeps: retired ones by count, and retired or ready ones whose time is over. What has a tag stays, and what a
-- release names that is live, was live before, or is the next to be.
select kept.id, kept.base_id, kept.number from (
    select v.id, v.base_id, v.number, v.state, v.created_at, v.keep_until, b.keep_versions,
        row_number() over (partition by v.base_id, v.state order by v.retired_at desc nulls last, v.number desc) as place
    from index_versions v join bases b on b.id = v.base_id
    where v.state in ('retired', 'ready', 'failed') and b.active_index_id is distinct from v.id
        and not exists (select from index_tags t where t.index_id = v.id) and not is_released(v.tenant_id, v.id)
) kept
where (kept.state = 'retired' and kept.place >= kept.keep_versions) or kept.keep_until <= %(now)s::timestamptz
    or (kept.state = 'failed' and kept.created_at <= %(now)s::timestamptz - interval '1 day')
order by kept.id limit 100;
