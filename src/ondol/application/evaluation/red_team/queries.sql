-- The queries of plans to attack an assistant each night.

-- name: plans_all
-- The plans of the tenant by assistant, or that of one.
select assistant_id, person_id, at_minute, categories, languages, mutators, attacks_max, cost_nano, currency, next_at from red_team_plans
where %(assistant_id)s::uuid is null or assistant_id = %(assistant_id)s::uuid order by assistant_id;

-- name: plan_put
-- An assistant is attacked each night, in this way.
insert into red_team_plans (tenant_id, assistant_id, person_id, at_minute, categories, languages, mutators, attacks_max, cost_nano, currency, next_at,
    changed_by, changed_at)
values (%(tenant_id)s::uuid, %(assistant_id)s::uuid, %(person_id)s::uuid, %(at_minute)s::int, %(categories)s::text[], %(languages)s::text[],
    %(mutators)s::text[], %(attacks_max)s::int, %(cost_nano)s::bigint, %(currency)s::text, %(next_at)s::timestamptz, %(person_id)s::uuid,
    %(now)s::timestamptz)
on conflict (tenant_id, assistant_id) do update set person_id = excluded.person_id, at_minute = excluded.at_minute, categories = excluded.categories,
    languages = excluded.languages, mutators = excluded.mutators, attacks_max = excluded.attacks_max, cost_nano = excluded.cost_nano,
    currency = excluded.currency, next_at = excluded.next_at, changed_by = excluded.changed_by, changed_at = excluded.changed_at;

-- name: plan_drop
-- An assistant is attacked no more.
delete from red_team_plans where assistant_id = %(assistant_id)s::uuid returning assistant_id;

-- name: plans_due
-- Whose night has come, of all tenants.
select tenant_id, assistant_id from red_team_plans where next_at <= %(now)s::timestamptz order by next_at limit %(limit)s::int;

-- name: plan_claim
-- Take a night, unless somebody else did.
update red_team_plans set next_at = %(next_at)s::timestamptz
where assistant_id = %(assistant_id)s::uuid and next_at <= %(now)s::timestamptz returning assistant_id;
