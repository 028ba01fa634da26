-- The queries of verdicts and of what assistants require.

-- name: verdict_add
-- A signed verdict.
insert into verdicts (tenant_id, id, outcome, suite, suite_digest, target, target_digest, assistant_id, release_id, run_id, envelope, statement_digest,
    signer, created_by, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(outcome)s::text, %(suite)s::text, %(suite_digest)s::bytea, %(target)s::text, %(target_digest)s::bytea,
    %(assistant_id)s::uuid, %(release_id)s::uuid, %(run_id)s::uuid, %(envelope)s::bytea, %(statement_digest)s::bytea, %(signer)s::text,
    %(created_by)s::uuid, %(now)s::timestamptz);

-- name: verdict_by_id
-- One verdict.
select id, outcome, suite, suite_digest, target, target_digest, assistant_id, release_id, run_id, envelope, statement_digest, signer, created_by,
    created_at
from verdicts where id = %(id)s::uuid;

-- name: verdicts_page
-- Verdicts before an id, the newest first; of one assistant or of one suite if they are named.
select id, outcome, suite, suite_digest, target, target_digest, assistant_id, release_id, run_id, envelope, statement_digest, signer, created_by,
    created_at
from verdicts
where id < %(before)s::uuid and (%(assistant_id)s::uuid is null or assistant_id = %(assistant_id)s::uuid)
    and (%(suite)s::text is null or suite = %(suite)s::text)
order by id desc limit %(limit)s::int;

-- name: verdicts_newest
-- The newest verdicts of a suite about an assistant's releases.
select id, outcome, suite, suite_digest, target, target_digest, assistant_id, release_id, run_id, envelope, statement_digest, signer, created_by,
    created_at
from verdicts where assistant_id = %(assistant_id)s::uuid and suite = %(suite)s::text
order by id desc limit %(limit)s::int;

-- name: verdict_event
-- Whether an event of the ledger names a verdict's statement.
select id from ledger_events where id = %(id)s::uuid and kind = %(kind)s::text and body ->> 'statement' = %(statement)s::text;

-- name: release_number
-- The number of a release.
select number from releases where id = %(id)s::uuid;

-- name: requirement_of
-- What an assistant requires before a release goes live.
select suite, suite_digest, valid_for_s from verdict_requirements where assistant_id = %(assistant_id)s::uuid;

-- name: requirements_all
-- What every assistant requires that requires something.
select assistant_id, suite, suite_digest, valid_for_s from verdict_requirements limit 1000;

-- name: requirement_put
-- Let an assistant require a verdict.
insert into verdict_requirements (tenant_id, assistant_id, suite, suite_digest, valid_for_s, changed_by, changed_at)
values (%(tenant_id)s::uuid, %(assistant_id)s::uuid, %(suite)s::text, %(suite_digest)s::bytea, %(valid_for_s)s::bigint, %(by)s::uuid,
    %(now)s::timestamptz)
on conflict (tenant_id, assistant_id) do update set suite = excluded.suite, suite_digest = excluded.suite_digest,
    valid_for_s = excluded.valid_for_s, changed_by = excluded.changed_by, changed_at = excluded.changed_at;

-- name: requirement_drop
-- Let an assistant require nothing.
delete from verdict_requirements where assistant_id = %(assistant_id)s::uuid;
