-- The queries of the nightly evaluation.

-- name: plan_put
-- Let an assistant be evaluated each night.
insert into nightly_plans (tenant_id, assistant_id, suite, suite_digest, suite_sealed, at_minute, policy, next_at, changed_by, changed_at)
values (%(tenant_id)s::uuid, %(assistant_id)s::uuid, %(suite)s::text, %(suite_digest)s::bytea, %(suite_sealed)s::bytea, %(at_minute)s::smallint,
    %(policy)s::text, %(next_at)s::timestamptz, %(by)s::uuid, %(now)s::timestamptz)
on conflict (tenant_id, assistant_id) do update set suite = excluded.suite, suite_digest = excluded.suite_digest,
    suite_sealed = excluded.suite_sealed, at_minute = excluded.at_minute, policy = excluded.policy, next_at = excluded.next_at,
    changed_by = excluded.changed_by, changed_at = excluded.changed_at;

-- name: plan_drop
-- Evaluate an assistant no more.
delete from nightly_plans where assistant_id = %(assistant_id)s::uuid returning assistant_id;

-- name: plans_all
-- Every plan of the tenant, or that of one assistant.
select assistant_id, suite, suite_digest, suite_sealed, at_minute, policy, next_at from nightly_plans
where %(assistant_id)s::uuid is null or assistant_id = %(assistant_id)s::uuid
order by assistant_id limit 1000;

-- name: plans_due
-- door: system
-- Assistants whose night has come, over all tenants.
select tenant_id, assistant_id from nightly_plans where next_at <= %(now)s::timestamptz order by next_at limit %(limit)s::int;

-- name: plan_claim
-- Take a night: nobody else takes it, and the next one is due a day later.
update nightly_plans set next_at = %(next_at)s::timestamptz
where assistant_id = %(assistant_id)s::uuid and next_at <= %(now)s::timestamptz
returning assistant_id;

-- name: look_add
-- Keep a look.
insert into nightly_looks (tenant_id, id, assistant_id, release_id, run_id, series, baseline_run_id, outcome, stale, cases, figures, reason,
    rolled_back_to, alarm_at, alarm_attempts, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(assistant_id)s::uuid, %(release_id)s::uuid, %(run_id)s::uuid, %(series)s::text,
    %(baseline_run_id)s::uuid, %(outcome)s::text, %(stale)s::int, %(cases)s::int, %(figures)s::jsonb, %(reason)s::text,
    %(rolled_back_to)s::uuid, %(alarm_at)s::timestamptz, 0, %(now)s::timestamptz);

-- name: looks_page
-- The looks at an assistant before one of them, the newest first.
select id, assistant_id, release_id, run_id, series, baseline_run_id, outcome, stale, cases, figures, reason, rolled_back_to, alarm_at,
    alarm_attempts, created_at
from nightly_looks
where assistant_id = %(assistant_id)s::uuid and id < %(before)s::uuid
order by id desc limit %(limit)s::int;

-- name: alarms_due
-- door: system
-- Looks of which somebody has still to be told, over all tenants.
select tenant_id, id from nightly_looks where alarm_at <= %(now)s::timestamptz order by alarm_at limit %(limit)s::int;

-- name: alarm_claim
-- Take an alarm: nobody else takes it before the lease is over.
update nightly_looks l set alarm_at = %(lease_until)s::timestamptz, alarm_attempts = alarm_attempts + 1
from (select tenant_id, id from nightly_looks where id = %(id)s::uuid and alarm_at <= %(now)s::timestamptz for update skip locked) free
where l.tenant_id = free.tenant_id and l.id = free.id
returning l.id, l.assistant_id, l.release_id, l.run_id, l.series, l.baseline_run_id, l.outcome, l.stale, l.cases, l.figures, l.reason,
    l.rolled_back_to, l.alarm_at, l.alarm_attempts, l.created_at;

-- name: alarm_settle
-- An alarm that was given, or when it is tried again.
update nightly_looks set alarm_at = %(again_at)s::timestamptz where id = %(id)s::uuid;
