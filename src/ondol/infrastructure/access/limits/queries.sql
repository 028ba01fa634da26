-- The queries of limits and budgets: pools and leases as the system role sees them, rules as the tenant does.

-- name: replica_add
-- A worker process begins.
-- door: system
insert into limit_replicas (id, started_at, seen_at, expires_at)
values (%(id)s::uuid, limits_now(), limits_now(), limits_now() + make_interval(secs => %(expiry_s)s::float8));

-- name: replica_beat
-- A replica lives and begins its next exchange; no row when it was lost or closed meanwhile.
-- door: system
update limit_replicas set seen_at = limits_now(), expires_at = limits_now() + make_interval(secs => %(expiry_s)s::float8),
    exchange = %(exchange)s::bigint, settled_through = %(through)s::bigint
where id = %(id)s::uuid and state = 'live'
returning extract(epoch from limits_now())::float8 as now_s;

-- name: replica_return
-- A replica that was lost, or does not know whether its last exchange arrived, comes back: the lock waits until that exchange has ended.
-- door: system
update limit_replicas set state = 'live', seen_at = limits_now(), expires_at = limits_now() + make_interval(secs => %(expiry_s)s::float8)
where id = %(id)s::uuid and state <> 'closed'
returning exchange, extract(epoch from limits_now())::float8 as now_s;

-- name: leases_of
-- What a replica has borrowed.
-- door: system
select tenant_id, pool_id, amount from limit_leases where replica_id = %(id)s::uuid limit 1000000;

-- name: replays_drop
-- The replica's own report has brought these settlements.
-- door: system
delete from limit_replays where replica_id = %(id)s::uuid and number <= %(through)s::bigint;

-- name: budget_pools_open
-- The window of each budget for each subject, unless there is one that holds the moment; the row of the budget is held, so that a change of its
-- amount is seen by this or sees this.
-- door: system
insert into limit_pools (tenant_id, id, rule_id, kind, subject, starts_at, ends_at, amount, filled_at)
select b.tenant_id, w.id, b.id, w.kind, w.subject, w.starts_at, w.ends_at, b.amount + b.credited, limits_now()
from unnest(%(tenant_ids)s::uuid[], %(ids)s::uuid[], %(rule_ids)s::uuid[], %(kinds)s::text[], %(subjects)s::text[],
        %(starts)s::timestamptz[], %(ends)s::timestamptz[]) as w (tenant_id, id, rule_id, kind, subject, starts_at, ends_at)
join budgets b on b.tenant_id = w.tenant_id and b.id = w.rule_id
where not exists (
    select 1 from limit_pools p
    where p.tenant_id = w.tenant_id and p.rule_id = w.rule_id and p.kind = w.kind and p.subject = w.subject
        and p.starts_at < coalesce(w.ends_at, 'infinity') and coalesce(p.ends_at, 'infinity') > limits_now())
order by w.tenant_id, w.rule_id, w.subject
for share of b
on conflict (tenant_id, rule_id, kind, subject, starts_at) do nothing;

-- name: limit_pools_open
-- The pool of each figure of a limit for each subject, full at first.
-- door: system
insert into limit_pools (tenant_id, id, rule_id, kind, subject, starts_at, amount, level, filled_at)
select l.tenant_id, w.id, l.id, w.kind, w.subject, w.starts_at, a.amount, a.amount, limits_now()
from unnest(%(tenant_ids)s::uuid[], %(ids)s::uuid[], %(rule_ids)s::uuid[], %(kinds)s::text[], %(subjects)s::text[],
        %(starts)s::timestamptz[]) as w (tenant_id, id, rule_id, kind, subject, starts_at)
join limits l on l.tenant_id = w.tenant_id and l.id = w.rule_id
cross join lateral (select case w.kind when 'requests' then l.requests_per_minute when 'tokens' then l.tokens_per_minute
    else l.concurrent_max end as amount) a
where a.amount is not null
order by w.tenant_id, w.rule_id, w.kind, w.subject
for share of l
on conflict (tenant_id, rule_id, kind, subject, starts_at) do nothing;

-- name: pools_found
-- The pools that hold this moment, for each rule, kind and subject, with what this replica has of them.
-- door: system
select p.tenant_id, p.id, p.rule_id, p.kind, p.subject, p.amount, p.spent, p.ends_at,
    extract(epoch from p.ends_at - limits_now())::float8 as left_s, coalesce(l.amount, 0) as leased
from unnest(%(tenant_ids)s::uuid[], %(rule_ids)s::uuid[], %(kinds)s::text[], %(subjects)s::text[]) as w (tenant_id, rule_id, kind, subject)
cross join lateral (
    select * from limit_pools p
    where p.tenant_id = w.tenant_id and p.rule_id = w.rule_id and p.kind = w.kind and p.subject = w.subject
        and (p.ends_at is null or p.ends_at > limits_now())
    order by p.starts_at limit 1) p
left join limit_leases l on l.tenant_id = p.tenant_id and l.pool_id = p.id and l.replica_id = %(replica_id)s::uuid;

-- name: pools_lock
-- Hold the pools of an exchange, in one order, so that two exchanges never wait for each other.
-- door: system
select 1 from limit_pools
where (tenant_id, id) in (select * from unnest(%(tenant_ids)s::uuid[], %(ids)s::uuid[]))
order by tenant_id, id for update;

-- name: pools_fill
-- What may be used by the minute rises with time, up to the limit less what is out on lease. A clock that was set back begins anew.
-- door: system
update limit_pools set
    level = least((amount - leased)::float8,
        level + amount / 60.0 * greatest(extract(epoch from limits_now() - filled_at)::float8, 0)),
    filled_at = case when filled_at > limits_now() + interval '5 seconds' then limits_now() else greatest(filled_at, limits_now()) end
where (tenant_id, id) in (select * from unnest(%(tenant_ids)s::uuid[], %(ids)s::uuid[])) and kind in ('requests', 'tokens');

-- name: pools_report
-- What a replica has spent and gives back: `less` leaves its lease, `spent` is spent. What was spent beyond the lease takes from what is free.
-- What is spent stays where it and what is leased fit a bigint: nobody's amounts may stop an exchange, which is one for all tenants.
-- door: system
with told as (
    select * from unnest(%(tenant_ids)s::uuid[], %(ids)s::uuid[], %(spent)s::bigint[], %(less)s::bigint[]) as t (tenant_id, id, spent, less)
), leases as (
    update limit_leases l set amount = l.amount - t.less
    from told t
    where l.tenant_id = t.tenant_id and l.pool_id = t.id and l.replica_id = %(replica_id)s::uuid and t.less > 0
    returning l.pool_id
)
update limit_pools p set leased = p.leased - t.less,
    spent = least(p.spent::numeric + t.spent, 9223372036854775807 - (p.leased - t.less))::bigint, level = p.level + t.less - t.spent
from told t
where p.tenant_id = t.tenant_id and p.id = t.id;

-- name: alarms_note
-- Shares of budgets that have been reached and that nobody has noted yet in this window.
-- door: system
insert into budget_alarms (tenant_id, pool_id, percent, spent, amount, reached_at)
select p.tenant_id, p.id, share.percent, p.spent, p.amount, limits_now()
from limit_pools p
join budgets b on b.tenant_id = p.tenant_id and b.id = p.rule_id
cross join lateral unnest(b.alarm_percents) as share (percent)
where (p.tenant_id, p.id) in (select * from unnest(%(tenant_ids)s::uuid[], %(ids)s::uuid[]))
    and p.spent::numeric * 100 >= p.amount::numeric * share.percent
on conflict do nothing;

-- name: pools_grant
-- Lease slices: what the function gives of what is free, in the statement that takes it, so that the sum never passes the amount.
-- door: system
with wants as (
    select * from unnest(%(tenant_ids)s::uuid[], %(ids)s::uuid[], %(wished)s::bigint[], %(needed)s::bigint[]) as w (tenant_id, id, wished, needed)
), live as (
    select count(*) as replicas from limit_replicas where state = 'live' and expires_at > limits_now()
), given as (
    update limit_pools p set
        granted = limit_slice(limit_free(p.kind, p.amount, p.spent, p.leased, p.level), w.wished, w.needed, live.replicas),
        leased = p.leased + limit_slice(limit_free(p.kind, p.amount, p.spent, p.leased, p.level), w.wished, w.needed, live.replicas),
        level = p.level - limit_slice(limit_free(p.kind, p.amount, p.spent, p.leased, p.level), w.wished, w.needed, live.replicas),
        starved_at = case when limit_free(p.kind, p.amount, p.spent, p.leased, p.level) < w.needed then limits_now() else p.starved_at end
    from wants w, live
    where p.tenant_id = w.tenant_id and p.id = w.id
    returning p.tenant_id, p.id, p.granted, p.amount, p.spent, p.leased, p.level
), kept as (
    insert into limit_leases (tenant_id, pool_id, replica_id, amount)
    select tenant_id, id, %(replica_id)s::uuid, granted from given where granted > 0 order by tenant_id, id
    on conflict (tenant_id, pool_id, replica_id) do update set amount = limit_leases.amount + excluded.amount
)
select tenant_id, id, granted, amount, spent, leased, level from given;

-- name: pools_recall
-- Ask the other replicas to give back what is free of these pools.
-- door: system
select pg_notify('ondol_limits', id::text) from unnest(%(ids)s::uuid[]) as id;

-- name: pools_starved
-- The pools of which this replica holds a lease while another one lately went away with nothing.
-- door: system
select p.id from limit_leases l
join limit_pools p on p.tenant_id = l.tenant_id and p.id = l.pool_id
where l.replica_id = %(id)s::uuid and l.amount > 0 and p.starved_at > limits_now() - interval '3 seconds'
limit 10000;

-- name: replicas_overdue
-- Replicas that have not been heard of for too long become lost. One that was seen in the future was seen before the clock was set back.
-- door: system
update limit_replicas set state = 'lost'
where id in (
    select id from limit_replicas
    where state = 'live' and (expires_at < limits_now() or seen_at > limits_now() + make_interval(secs => %(expiry_s)s::float8))
    order by id limit 100 for update skip locked)
returning id;

-- name: leases_lock
-- Hold the pools of which some replicas have leases that fall back or settlements to charge.
-- door: system
select 1 from limit_pools p
where p.kind = any(%(kinds)s::text[]) and (
    exists (select 1 from limit_leases l where l.tenant_id = p.tenant_id and l.pool_id = p.id and l.replica_id = any(%(replica_ids)s::uuid[]))
    or exists (select 1 from limit_replays r where r.tenant_id = p.tenant_id and r.pool_id = p.id and r.replica_id = any(%(replica_ids)s::uuid[])))
order by p.tenant_id, p.id for update;

-- name: leases_fall_back
-- End the leases of some replicas in pools of these kinds. Of budgets the money is free again; of requests and tokens per minute it is lost.
-- door: system
with gone as (
    delete from limit_leases l using limit_pools p
    where p.tenant_id = l.tenant_id and p.id = l.pool_id and p.kind = any(%(kinds)s::text[]) and l.replica_id = any(%(replica_ids)s::uuid[])
    returning l.tenant_id, l.pool_id, l.amount
), sums as (
    select tenant_id, pool_id, sum(amount)::bigint as amount from gone group by tenant_id, pool_id
)
update limit_pools p set leased = p.leased - s.amount
from sums s where p.tenant_id = s.tenant_id and p.id = s.pool_id;

-- name: replica_hold
-- Hold a replica that is not closed while its records are settled.
-- door: system
select state, settled_through from limit_replicas where id = %(id)s::uuid and state <> 'closed' for update;

-- name: replays_add
-- Settlements from records that the replica has not told itself yet. A second time changes nothing.
-- door: system
insert into limit_replays (tenant_id, pool_id, replica_id, request_id, number, amount)
select r.tenant_id, r.pool_id, %(id)s::uuid, r.request_id, r.number, r.amount
from unnest(%(tenant_ids)s::uuid[], %(pool_ids)s::uuid[], %(request_ids)s::uuid[], %(numbers)s::bigint[], %(amounts)s::bigint[])
    as r (tenant_id, pool_id, request_id, number, amount)
join limit_pools p on p.tenant_id = r.tenant_id and p.id = r.pool_id
where r.number > %(through)s::bigint
on conflict do nothing;

-- name: replays_charge
-- Charge what a replica that is gone had settled and not told.
-- door: system
with sums as (
    select tenant_id, pool_id, sum(amount) as amount from limit_replays where replica_id = %(id)s::uuid group by tenant_id, pool_id
)
update limit_pools p set spent = least(p.spent + s.amount, 9223372036854775807 - p.leased)::bigint
from sums s where p.tenant_id = s.tenant_id and p.id = s.pool_id
returning p.tenant_id, p.id;

-- name: replays_clear
-- They are charged.
-- door: system
delete from limit_replays where replica_id = %(id)s::uuid;

-- name: replica_close
-- A replica is gone for good.
-- door: system
update limit_replicas set state = 'closed', expires_at = limits_now() where id = %(id)s::uuid;

-- name: replicas_lost
-- Replicas that were lost and what they hold of budgets, which counts as spent until they are closed.
-- door: system
select r.id, r.seen_at, count(l.amount) as leases from limit_replicas r
left join limit_leases l on l.replica_id = r.id and l.amount > 0
where r.state = 'lost' group by r.id, r.seen_at order by r.seen_at limit 1000;

-- name: alarms_claim
-- Alarms that nobody has given yet.
-- door: system
update budget_alarms a set claimed_until = limits_now() + interval '60 seconds'
from limit_pools p, budgets b
where (a.tenant_id, a.pool_id, a.percent) in (
        select tenant_id, pool_id, percent from budget_alarms
        where told_at is null and (claimed_until is null or claimed_until < limits_now() or claimed_until > limits_now() + interval '120 seconds')
        order by reached_at limit 100 for update skip locked)
    and p.tenant_id = a.tenant_id and p.id = a.pool_id and b.tenant_id = p.tenant_id and b.id = p.rule_id
returning a.tenant_id, b.id as budget_id, b.name as budget_name, p.subject, a.pool_id, a.percent, a.spent, a.amount, b.unit, b.currency, a.reached_at;

-- name: alarm_told
-- Somebody was told.
-- door: system
update budget_alarms set told_at = limits_now()
where tenant_id = %(tenant_id)s::uuid and pool_id = %(pool_id)s::uuid and percent = %(percent)s::smallint;

-- name: pools_prune
-- Forget windows that ended long ago, pools of limits that nobody has used for a day, and those whose budget is gone.
-- door: system
delete from limit_pools p
where (p.ends_at < limits_now() - make_interval(days => %(keep_days)s::int)
        or (p.kind in ('money', 'budget_tokens') and not exists (select 1 from budgets b where b.tenant_id = p.tenant_id and b.id = p.rule_id))
        or (p.kind in ('requests', 'tokens', 'concurrent') and p.filled_at < limits_now() - interval '1 day' and p.leased = 0))
    and not exists (select 1 from limit_leases l where l.tenant_id = p.tenant_id and l.pool_id = p.id and l.amount > 0);

-- name: replicas_prune
-- Forget replicas that were closed long ago.
-- door: system
delete from limit_replicas where state = 'closed' and expires_at < limits_now() - interval '1 day';

-- name: revision
-- The counter that every change of a rule or a price moves.
-- door: system
select revision from limit_revision;

-- name: limits_in_force
-- Every limit, over all tenants, for the directory in memory.
-- door: system
select tenant_id, id, scope, subject, requests_per_minute, tokens_per_minute, concurrent_max, body_bytes_max, prompt_tokens_max,
    output_tokens_max, deadline_s
from limits order by tenant_id, id limit 1000000;

-- name: budgets_in_force
-- Every budget, over all tenants, for the directory in memory.
-- door: system
select tenant_id, id, name, scope, subject, unit, currency, period, amount, credited, alarm_percents
from budgets order by tenant_id, id limit 1000000;

-- name: time_zones
-- The time zone of every tenant that has a budget.
-- door: system
select id, time_zone from tenants t where exists (select 1 from budgets b where b.tenant_id = t.id) limit 1000000;

-- name: limit_add
-- A new limit, unless its subject has one.
insert into limits (tenant_id, id, scope, subject, requests_per_minute, tokens_per_minute, concurrent_max, body_bytes_max, prompt_tokens_max,
    output_tokens_max, deadline_s, created_at, changed_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(scope)s::text, %(subject)s::text, %(requests_per_minute)s::bigint, %(tokens_per_minute)s::bigint,
    %(concurrent_max)s::bigint, %(body_bytes_max)s::bigint, %(prompt_tokens_max)s::bigint, %(output_tokens_max)s::bigint, %(deadline_s)s::int,
    %(now)s::timestamptz, %(now)s::timestamptz)
on conflict (tenant_id, scope, subject) do nothing
returning id;

-- name: limit_change
-- Other figures for a limit.
update limits set requests_per_minute = %(requests_per_minute)s::bigint, tokens_per_minute = %(tokens_per_minute)s::bigint,
    concurrent_max = %(concurrent_max)s::bigint, body_bytes_max = %(body_bytes_max)s::bigint, prompt_tokens_max = %(prompt_tokens_max)s::bigint,
    output_tokens_max = %(output_tokens_max)s::bigint, deadline_s = %(deadline_s)s::int, changed_at = %(now)s::timestamptz
where id = %(id)s::uuid
returning tenant_id, id, scope, subject, requests_per_minute, tokens_per_minute, concurrent_max, body_bytes_max, prompt_tokens_max,
    output_tokens_max, deadline_s;

-- name: rule_pools_hold
-- Hold the pools of a rule in the order in which exchanges hold them, so that neither waits for the other for ever.
select 1 from limit_pools where rule_id = %(id)s::uuid order by tenant_id, id for update;

-- name: limit_pools_change
-- The pools of a limit take its new figures. What was free keeps its place below the new top.
update limit_pools p set amount = a.amount
from limits l cross join lateral (values ('requests', l.requests_per_minute), ('tokens', l.tokens_per_minute), ('concurrent', l.concurrent_max))
    as a (kind, amount)
where l.id = %(id)s::uuid and p.tenant_id = l.tenant_id and p.rule_id = l.id and p.kind = a.kind and a.amount is not null;

-- name: limit_remove
-- Remove a limit.
delete from limits where id = %(id)s::uuid returning scope, subject;

-- name: limits_page
-- The tenant's limits, oldest first, after an id.
select tenant_id, id, scope, subject, requests_per_minute, tokens_per_minute, concurrent_max, body_bytes_max, prompt_tokens_max,
    output_tokens_max, deadline_s
from limits where id > %(after)s::uuid order by id limit %(limit)s::int;

-- name: budget_add
-- A new budget, unless its name is taken.
insert into budgets (tenant_id, id, name, scope, subject, unit, currency, period, amount, alarm_percents, created_at, changed_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(name)s::text, %(scope)s::text, %(subject)s::text, %(unit)s::text, %(currency)s::text,
    %(period)s::text, %(amount)s::bigint, %(alarm_percents)s::smallint[], %(now)s::timestamptz, %(now)s::timestamptz)
on conflict (tenant_id, name) do nothing
returning id;

-- name: prices_other_currency
-- A price that a budget of this currency could not be compared with.
select provider, model, currency from prices where currency <> %(currency)s::text order by provider, model limit 1;

-- name: budget_change
-- Another amount or other alarms for a budget.
update budgets set amount = coalesce(%(amount)s::bigint, amount), alarm_percents = coalesce(%(alarm_percents)s::smallint[], alarm_percents),
    changed_at = %(now)s::timestamptz
where id = %(id)s::uuid
returning tenant_id, id, name, scope, subject, unit, currency, period, amount, credited, alarm_percents;

-- name: budget_credit
-- What was paid in raises the balance.
update budgets set credited = credited + %(amount)s::bigint, changed_at = %(now)s::timestamptz
where id = %(id)s::uuid and period = 'total'
returning tenant_id, id, name, scope, subject, unit, currency, period, amount, credited, alarm_percents;

-- name: credit_add
-- The entry of what was paid in; the same id a second time changes nothing.
insert into budget_credits (tenant_id, id, budget_id, amount, created_by, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(budget_id)s::uuid, %(amount)s::bigint, %(created_by)s::uuid, %(now)s::timestamptz)
on conflict (tenant_id, id) do nothing
returning id;

-- name: budget_pools_change
-- The windows of a budget that have not ended take its new amount.
update limit_pools p set amount = b.amount + b.credited
from budgets b
where b.id = %(id)s::uuid and p.tenant_id = b.tenant_id and p.rule_id = b.id and (p.ends_at is null or p.ends_at > limits_now());

-- name: budget_remove
-- Remove a budget.
delete from budgets where id = %(id)s::uuid returning name;

-- name: budgets_page
-- The tenant's budgets, oldest first, after an id.
select tenant_id, id, name, scope, subject, unit, currency, period, amount, credited, alarm_percents
from budgets where id > %(after)s::uuid order by id limit %(limit)s::int;

-- name: budget_by_id
-- One budget.
select tenant_id, id, name, scope, subject, unit, currency, period, amount, credited, alarm_percents from budgets where id = %(id)s::uuid;

-- name: budget_windows
-- The windows of a budget, newest first: what is spent, and what workers hold of it.
select subject, starts_at, ends_at, amount, spent, leased from limit_pools
where rule_id = %(id)s::uuid order by starts_at desc, subject limit %(limit)s::int;

-- name: limit_by_id
-- One limit.
select tenant_id, id, scope, subject, requests_per_minute, tokens_per_minute, concurrent_max, body_bytes_max, prompt_tokens_max,
    output_tokens_max, deadline_s
from limits where id = %(id)s::uuid;

-- name: credits_of_budget
-- What was paid into a balance, the newest first.
select id, amount, created_by, created_at from budget_credits where budget_id = %(id)s::uuid order by id desc limit %(limit)s::int;

-- name: subject_names
-- What people call groups and keys that rules are about.
select id::text as id, name from groups where id = any(%(ids)s::uuid[])
union all select id::text, public_id from api_keys where id = any(%(ids)s::uuid[]);
