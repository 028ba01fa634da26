-- The queries of the jobs: procrastinate's own tables, which no row-level security guards, so every query says whose jobs are meant. A job is a
-- tenant's when its arguments name the tenant; all others are the installation's, for the tenant that runs it.

-- name: jobs_page
-- Jobs that somebody may see, the newest first, with when they were queued, begun and ended; of their arguments nothing.
select job.id, job.task_name, job.status::text as status, job.attempts, job.scheduled_at, job.args ? 'tenant_id' as is_own,
    moments.queued_at, moments.started_at, moments.ended_at
from procrastinate.procrastinate_jobs as job
cross join lateral (
    select min(event.at) filter (where event.type = 'deferred') as queued_at, max(event.at) filter (where event.type = 'started') as started_at,
        max(event.at) filter (where event.type in ('failed', 'succeeded', 'cancelled', 'aborted')) as ended_at
    from procrastinate.procrastinate_events as event
    where event.job_id = job.id
) as moments
where (job.args ->> 'tenant_id' = %(tenant_id)s::text or (%(operates)s::boolean and not job.args ? 'tenant_id'))
    and (%(statuses)s::text[] is null or job.status::text = any(%(statuses)s::text[]))
    and (%(id)s::bigint is null or job.id = %(id)s::bigint)
    and job.id < %(before)s::bigint
order by job.id desc
limit %(limit)s::integer;

-- name: jobs_path
-- Lets procrastinate's triggers find their tables until the transaction ends or the path is put back; tells what it was.
select current_setting('search_path') as before, set_config('search_path', 'procrastinate, pg_temp', true) as now;

-- name: jobs_path_back
-- Puts the path back.
select set_config('search_path', %(before)s::text, true) as now;

-- name: job_retry
-- Puts a failed job into the queue again, unless one of the same task waits there.
update procrastinate.procrastinate_jobs as job
set status = 'todo', attempts = job.attempts + 1, scheduled_at = null, abort_requested = false
where job.id = %(id)s::bigint and job.status = 'failed'
    and not exists (
        select from procrastinate.procrastinate_jobs as other
        where other.status = 'todo' and other.queueing_lock is not null and other.queueing_lock = job.queueing_lock
    )
returning job.id;

-- name: job_cancel
-- Takes a waiting job out of the queue.
update procrastinate.procrastinate_jobs set status = 'cancelled' where id = %(id)s::bigint and status = 'todo' returning id;

-- name: last_runs
-- When each periodic task was queued last.
select task_name, max(defer_timestamp) as last_s from procrastinate.procrastinate_periodic_defers group by task_name;
