-- The queries of the queue of runs.

-- name: runs_open
-- Runs of all tenants that wait for a worker, or had one, the oldest first.
select tenant_id, id from evaluation_runs where is_queued and state in ('waiting', 'running') order by id limit %(limit)s::int;

-- name: runs_open_count
-- How many runs of the tenant wait or go on.
select count(*) as counted from evaluation_runs where is_queued and state in ('waiting', 'running');

-- name: run_take
-- A worker takes a run, unless it was begun too often.
update evaluation_runs set state = 'running', begun = begun + 1
where id = %(id)s::uuid and is_queued and state in ('waiting', 'running')
returning begun, wants_stop, retries_errors;

-- name: run_let_go
-- A worker that stops lets another one go on; that it began does not count.
update evaluation_runs set state = 'waiting', begun = greatest(begun - 1, 0), outcome = null, ended_at = null
where id = %(id)s::uuid and is_queued and state in ('running', 'stopped') and not wants_stop;

-- name: run_stop
-- One that waits has ended, one that runs is to end.
update evaluation_runs set wants_stop = true,
    ended_at = case when state = 'waiting' then %(now)s::timestamptz end,
    state = case when state = 'waiting' then 'stopped' else state end
where id = %(id)s::uuid and is_queued and state in ('waiting', 'running')
returning id;

-- name: run_resume
-- One that ended goes on.
update evaluation_runs set state = 'waiting', wants_stop = false, begun = 0, retries_errors = %(retries_errors)s::boolean, outcome = null,
    reasons = '{}', results_digest = null, ended_at = null
where id = %(id)s::uuid and is_queued and state in ('stopped', 'failed', 'finished')
returning id;

-- name: run_wants_stop
-- Whether somebody asked for the end of a run.
select wants_stop from evaluation_runs where id = %(id)s::uuid;

-- name: run_wake
-- Workers look at once for what waits.
select pg_notify('ondol_evaluations', '');

-- name: run_give_up
-- A run cannot be carried out.
update evaluation_runs set state = 'failed', outcome = null, reasons = array[%(reason)s::text], ended_at = %(now)s::timestamptz
where id = %(id)s::uuid and is_queued;
