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
