-- The queries of runs: results come in batches while a run goes on, and are emptied when what they repeat is erased.

-- name: run_add
-- A new run.
insert into evaluation_runs (tenant_id, id, suite_name, suite_digest, state, cases, repeats, digests, scorers, owner_id, suite_sealed, created_by,
    created_at, is_queued)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(suite_name)s::text, %(suite_digest)s::bytea, %(state)s::text, %(cases)s::int, %(repeats)s::int,
    %(digests)s::jsonb, %(scorers)s::jsonb, %(owner_id)s::uuid, %(suite_sealed)s::bytea, %(created_by)s::uuid, %(now)s::timestamptz,
    %(is_queued)s::boolean);

-- name: run_by_id
-- A run, with how many results it has.
select r.*, (select count(*) from evaluation_results e where e.tenant_id = r.tenant_id and e.run_id = r.id) as done
from evaluation_runs r where r.id = %(id)s::uuid;

-- name: runs_page
-- Runs, the newest first, those of one suite if it is named.
select r.*, (select count(*) from evaluation_results e where e.tenant_id = r.tenant_id and e.run_id = r.id) as done
from evaluation_runs r
where (%(suite)s::text is null or r.suite_name = %(suite)s::text) and (%(before)s::uuid is null or r.id < %(before)s::uuid)
order by r.id desc limit %(limit)s::int;

-- name: suites_known
-- Each suite that was run, in the form that was run last.
select distinct on (suite_name) suite_name, suite_digest, id as last_run_id, state, outcome, cases, created_at
from evaluation_runs order by suite_name, id desc limit %(limit)s::int;

-- name: run_suite
-- The sealed suite of a run.
select suite_sealed, owner_id from evaluation_runs where id = %(id)s::uuid;

-- name: run_state
-- A run goes on, or ends.
update evaluation_runs set state = %(state)s::text, outcome = %(outcome)s::text, reasons = %(reasons)s::text[],
    results_digest = %(results_digest)s::bytea, ended_at = %(ended_at)s::timestamptz
where id = %(id)s::uuid;

-- name: run_delete
-- A run with its results.
delete from evaluation_runs where id = %(id)s::uuid returning id;

-- name: result_put
-- A result; one that was asked again takes the place of the one before.
insert into evaluation_results (tenant_id, run_id, place, repeat, status, scores, cost_nano, currency, latency_us, person_id, document_ids, digest,
    content_sealed, created_at)
values (%(tenant_id)s::uuid, %(run_id)s::uuid, %(place)s::int, %(repeat)s::int, %(status)s::text, %(scores)s::jsonb, %(cost_nano)s::bigint,
    %(currency)s::text, %(latency_us)s::bigint, %(person_id)s::uuid, %(document_ids)s::uuid[], %(digest)s::bytea, %(content_sealed)s::bytea,
    %(now)s::timestamptz)
on conflict (tenant_id, run_id, place, repeat) do update set
    status = excluded.status, scores = excluded.scores, cost_nano = excluded.cost_nano, currency = excluded.currency,
    latency_us = excluded.latency_us, person_id = excluded.person_id, document_ids = excluded.document_ids, digest = excluded.digest,
    content_sealed = excluded.content_sealed, created_at = excluded.created_at;

-- name: results_page
-- Results of a run in their order, behind a place.
select place, repeat, status, scores, cost_nano, currency, latency_us, person_id, document_ids, digest, content_sealed
from evaluation_results
where run_id = %(run_id)s::uuid and (place, repeat) > (%(place)s::int, %(repeat)s::int)
order by place, repeat limit %(limit)s::int;

-- name: results_of_cases
-- All results of some cases of a run, behind a place.
select place, repeat, status, scores, cost_nano, currency, latency_us, person_id, document_ids, digest, content_sealed
from evaluation_results
where run_id = %(run_id)s::uuid and place in (
    select distinct place from evaluation_results where run_id = %(run_id)s::uuid and place > %(after)s::int order by place limit %(cases)s::int)
order by place, repeat;

-- name: results_done
-- Which results of a run there are, and whether each is whole.
select place, repeat, status = 'ok' and not exists (
    select from jsonb_each(scores) s where s.value ->> 'status' not in ('ok', 'skipped')) as whole, cost_nano, currency
from evaluation_results
where run_id = %(run_id)s::uuid and (place, repeat) > (%(place)s::int, %(repeat)s::int)
order by place, repeat limit %(limit)s::int;

-- name: results_erase
-- Empty the results that were asked in a person's name, or that may hold words of a document.
update evaluation_results set content_sealed = ''
where length(content_sealed) > 0
    and (person_id = %(person_id)s::uuid or document_ids @> array[%(document_id)s::uuid]);

-- name: results_erase_count
-- How many results there are to empty.
select count(*) as counted from evaluation_results
where tenant_id = %(tenant_id)s::uuid and length(content_sealed) > 0
    and (person_id = %(person_id)s::uuid or document_ids @> array[%(document_id)s::uuid]);

-- name: suites_erase
-- Empty the suites that a person gave in.
update evaluation_runs set suite_sealed = '' where owner_id = %(person_id)s::uuid and length(suite_sealed) > 0;

-- name: suites_erase_count
-- How many suites there are to empty.
select count(*) as counted from evaluation_runs
where tenant_id = %(tenant_id)s::uuid and owner_id = %(person_id)s::uuid and length(suite_sealed) > 0;
