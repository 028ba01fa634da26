-- The queries of assistants and their answers.

-- name: assistant_add
-- An assistant, or its new base and settings when the name is known.
insert into assistants (tenant_id, id, name, base_id, settings, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(name)s::text, %(base_id)s::uuid, %(settings)s::jsonb, %(now)s::timestamptz)
on conflict (tenant_id, name) do update set base_id = excluded.base_id, settings = excluded.settings;

-- name: assistant_by_name
-- An assistant by name.
select a.id, a.name, a.base_id, a.settings, a.created_at, a.live_release_id as release_id, b.name as base
from assistants a join bases b on b.id = a.base_id where a.name = %(name)s::text;

-- name: assistants_all
-- Every assistant of the tenant, the oldest first.
select a.id, a.name, a.base_id, a.settings, a.created_at, a.live_release_id as release_id, b.name as base
from assistants a join bases b on b.id = a.base_id order by a.id limit 1000;

-- name: answer_add
-- The record of an answer: sealed question and text, and where they came from.
insert into answers (tenant_id, id, assistant_id, person_id, outcome, content_sealed, provenance, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(assistant_id)s::uuid, %(person_id)s::uuid, %(outcome)s::text, %(content_sealed)s::bytea,
    %(provenance)s::jsonb, %(now)s::timestamptz);

-- name: documents_erased
-- The documents, among those of some versions, that were erased.
select distinct document_id from document_versions where id = any(%(version_ids)s::uuid[]) and state = 'erased';

-- name: answers_shown
-- Note, of one page of answers, those that cite or were shown something of a document; how many of them still hold content, and where the page ends.
with page as (
    select id, provenance, content_sealed from answers where id > %(after)s::uuid order by id limit %(limit)s::int
), shown as (
    select id, content_sealed from page where provenance::text like any(%(patterns)s::text[])
), noted as (
    insert into erasure_items (tenant_id, erasure_id, kind, item_id)
    select %(tenant_id)s::uuid, %(erasure_id)s::uuid, 'answer', id from shown
    on conflict (tenant_id, erasure_id, kind, item_id) do nothing
)
select (select max(id::text)::uuid from page) as last, (select count(*) from shown where content_sealed <> ''::bytea) as found;

-- name: answers_of_person
-- Note all answers that a person was given; how many of them still hold content.
with theirs as (
    select id, content_sealed from answers where person_id = %(person_id)s::uuid
), noted as (
    insert into erasure_items (tenant_id, erasure_id, kind, item_id)
    select %(tenant_id)s::uuid, %(erasure_id)s::uuid, 'answer', id from theirs
    on conflict (tenant_id, erasure_id, kind, item_id) do nothing
)
select count(*) as found from theirs where content_sealed <> ''::bytea;

-- name: access_notes_empty
-- What a person wrote when they asked for access goes, or what was written about the answers that an erasure reaches.
update access_requests set note_sealed = null
where note_sealed is not null and (person_id = %(person_id)s::uuid
    or answer_id in (select item_id from erasure_items where erasure_id = %(erasure_id)s::uuid and kind = 'answer'));

-- name: access_notes_count
-- Notes that the erasure of them empties.
select count(*) as counted from access_requests r where r.tenant_id = %(tenant_id)s::uuid and r.note_sealed is not null and (
    r.person_id = %(person_id)s::uuid or exists (
        select from erasure_items i
        where i.tenant_id = r.tenant_id and i.erasure_id = %(erasure_id)s::uuid and i.kind = 'answer' and i.item_id = r.answer_id));

-- name: answers_empty
-- Of the answers that an erasure reaches the content goes.
update answers set content_sealed = ''::bytea
where content_sealed <> ''::bytea and id in (select item_id from erasure_items where erasure_id = %(erasure_id)s::uuid and kind = 'answer');

-- name: answers_shown_count
-- Answers with content that cite or were shown some versions.
select count(*) as counted from answers a
where a.tenant_id = %(tenant_id)s::uuid and a.content_sealed <> ''::bytea and (
    jsonb_exists_any(coalesce(a.provenance -> 'cited', '[]'), %(version_ids)s::text[]) or exists (
        select from jsonb_array_elements(coalesce(a.provenance -> 'evidence', '[]')) shown
        where shown ->> 'version' = any(%(version_ids)s::text[])));

-- name: answers_of_person_count
-- Answers with content that a person was given.
select count(*) as counted from answers where tenant_id = %(tenant_id)s::uuid and person_id = %(person_id)s::uuid and content_sealed <> ''::bytea;

-- name: answer_by_id
-- The record of an answer.
select id, assistant_id, person_id, outcome, content_sealed, provenance, created_at from answers where id = %(id)s::uuid;

-- name: answer_levels
-- How the answers between two ids came out, and how many of their sentences are supported.
select count(*) as answers,
    count(*) filter (where outcome = 'answered') as answered,
    count(*) filter (where outcome = 'refused') as refused,
    count(*) filter (where outcome = 'failed') as failed,
    coalesce(sum(said.sentences), 0)::bigint as sentences,
    coalesce(sum(said.supported), 0)::bigint as supported
from answers a
left join lateral (
    select count(*) as sentences, count(*) filter (where sentence ->> 'verdict' = 'supported') as supported
    from jsonb_array_elements(a.provenance -> 'sentences') as sentence
    where sentence ->> 'verdict' in ('supported', 'partial', 'unsupported')
) as said on a.outcome = 'answered'
where a.id >= %(first)s::uuid and a.id < %(end)s::uuid;

-- name: answer_records
-- The records of some answers.
select id, provenance from answers where id = any(%(ids)s::uuid[]);

-- name: answer_links
-- What the lineage says that an answer cites.
select parent_id from artefact_links where child_id = %(id)s::uuid and relation = 'cites' order by parent_id limit 1000;

-- name: answers_by_ids
-- What was asked and answered, sealed.
select id, person_id, content_sealed from answers where id = any(%(ids)s::uuid[]);

-- name: access_request_add
-- A request for access, unless there is one for the answer.
insert into access_requests (tenant_id, id, answer_id, person_id, note_sealed, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(answer_id)s::uuid, %(person_id)s::uuid, %(note_sealed)s::bytea, %(now)s::timestamptz)
on conflict (tenant_id, answer_id) do nothing
returning id;

-- name: access_request_of_answer
-- The request for access that was made for an answer.
select id from access_requests where answer_id = %(answer_id)s::uuid;

-- name: access_request_by_id
-- A request for access.
select id, person_id, state from access_requests where id = %(id)s::uuid;

-- name: access_requests_counted
-- How many requests of one person wait, how many they made lately, and how many of all wait.
select
    (select count(*) from access_requests where state = 'open' and person_id = %(person_id)s::uuid) as theirs,
    (select count(*) from access_requests where person_id = %(person_id)s::uuid and created_at > %(since)s::timestamptz) as today,
    (select count(*) from access_requests where state = 'open') as waiting;

-- name: access_requests_page
-- Requests for access, the newest first, before an id.
select id, answer_id, person_id, note_sealed, state, decided_by, decided_at, created_at
from access_requests
where id < %(before)s::uuid and (%(state)s::text is null or state = %(state)s::text)
order by id desc limit %(limit)s::int;

-- name: access_request_decide
-- Decide a request that waits.
update access_requests set state = %(state)s::text, decided_by = %(by)s::uuid, decided_at = %(now)s::timestamptz
where id = %(id)s::uuid and state = 'open'
returning id, person_id;

-- name: answer_stands
-- Whether an answer is on record.
select id from answers where id = %(id)s::uuid;
