-- The queries of assistants and their answers.

-- name: assistant_add
-- An assistant, or its new base and settings when the name is known.
insert into assistants (tenant_id, id, name, base_id, settings, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(name)s::text, %(base_id)s::uuid, %(settings)s::jsonb, %(now)s::timestamptz)
on conflict (tenant_id, name) do update set base_id = excluded.base_id, settings = excluded.settings;

-- name: assistant_by_name
-- An assistant by name.
select a.id, a.name, a.base_id, a.settings, a.created_at, b.name as base
from assistants a join bases b on b.id = a.base_id where a.name = %(name)s::text;

-- name: assistants_all
-- Every assistant of the tenant, the oldest first.
select a.id, a.name, a.base_id, a.settings, a.created_at, b.name as base
from assistants a join bases b on b.id = a.base_id order by a.id limit 1000;

-- name: answer_add
-- The record of an answer: sealed question and text, and where they came from.
insert into answers (tenant_id, id, assistant_id, person_id, outcome, content_sealed, provenance, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(assistant_id)s::uuid, %(person_id)s::uuid, %(outcome)s::text, %(content_sealed)s::bytea,
    %(provenance)s::jsonb, %(now)s::timestamptz);

-- name: answer_by_id
-- The record of an answer.
select id, assistant_id, person_id, outcome, content_sealed, provenance, created_at from answers where id = %(id)s::uuid;

-- name: answer_links
-- What the lineage says that an answer cites.
select parent_id from artefact_links where child_id = %(id)s::uuid and relation = 'cites' order by parent_id limit 1000;
