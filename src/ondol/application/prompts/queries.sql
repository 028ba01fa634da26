-- The queries of prompts: versions that are only added, and the labels that point to them.

-- name: prompt_add
-- The next version of a prompt.
insert into prompt_versions (tenant_id, id, name, version, body_sealed, digest, is_built_in, created_by, created_at)
select %(tenant_id)s::uuid, %(id)s::uuid, %(name)s::text, coalesce(max(version), 0) + 1, %(body_sealed)s::bytea, %(digest)s::bytea,
    %(is_built_in)s::boolean, %(by)s::uuid, %(now)s::timestamptz
from prompt_versions where name = %(name)s::text
returning version;

-- name: prompts_counted
-- How many versions of prompts the tenant has.
select count(*) as counted from prompt_versions;

-- name: prompt_newest
-- The newest version of a prompt that people made.
select id, name, version, body_sealed, digest from prompt_versions
where name = %(name)s::text and not is_built_in order by version desc limit 1;

-- name: prompt_by_version
-- A version by its number.
select id, name, version, body_sealed, digest from prompt_versions where name = %(name)s::text and version = %(version)s::int;

-- name: prompt_by_label
-- The version that has a label.
select v.id, v.name, v.version, v.body_sealed, v.digest from prompt_labels l join prompt_versions v on v.id = l.version_id
where l.name = %(name)s::text and l.label = %(label)s::text;

-- name: prompt_by_digest
-- The first version with these contents.
select id, name, version, body_sealed, digest from prompt_versions
where name = %(name)s::text and digest = %(digest)s::bytea order by version limit 1;

-- name: prompts_all
-- The versions of all prompts, or of one, by name and newest first, with their labels.
select v.name, v.version, v.digest, v.is_built_in, v.created_by, v.created_at,
    array(select l.label from prompt_labels l where l.version_id = v.id order by l.label) as labels
from prompt_versions v
where %(name)s::text is null or v.name = %(name)s::text
order by v.name, v.version desc limit 1000;

-- name: label_put
-- Call a version by a label, which may have been another's.
insert into prompt_labels (tenant_id, name, label, version_id, moved_at)
values (%(tenant_id)s::uuid, %(name)s::text, %(label)s::text, %(version_id)s::uuid, %(now)s::timestamptz)
on conflict (tenant_id, name, label) do update set version_id = excluded.version_id, moved_at = excluded.moved_at
where prompt_labels.version_id <> excluded.version_id;
