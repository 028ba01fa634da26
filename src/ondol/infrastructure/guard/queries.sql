-- The queries of the guard: policies, bindings, canaries, registered texts, the vault, incidents, masked traffic.

-- name: policy_add
-- The next version of a policy.
insert into guard_policies (tenant_id, id, name, version, body, digest, created_at, created_by)
select %(tenant_id)s::uuid, %(id)s::uuid, %(name)s::text, coalesce(max(version), 0) + 1, %(body)s::jsonb, %(digest)s::bytea,
    %(now)s::timestamptz, %(by)s::uuid
from guard_policies where name = %(name)s::text
returning id, name, version, body, digest, created_at, created_by;

-- name: policy_newest
-- The newest version of a policy, or the one asked for.
select id, name, version, body, digest, created_at, created_by from guard_policies
where name = %(name)s::text and (%(version)s::int is null or version = %(version)s::int)
order by version desc limit 1;

-- name: policy_by_digest
-- A version by its digest.
select id, name, version, body, digest, created_at, created_by from guard_policies where digest = %(digest)s::bytea order by id limit 1;

-- name: policies_newest
-- The newest version of every policy, by name; not the built-in ones, which are kept for those that name them by their digest.
select distinct on (name) id, name, version, body, digest, created_at, created_by from guard_policies where name <> 'default'
order by name, version desc limit 1000;

-- name: policy_versions
-- The versions of one policy, the newest first, without their bodies.
select id, name, version, digest, created_at, created_by from guard_policies where name = %(name)s::text order by version desc limit 1000;

-- name: policy_count
-- How many names of policies the tenant has, this one not counted.
select count(distinct name) as counted from guard_policies where name not in (%(name)s::text, 'default');

-- name: key_named
-- A key by its id or its public id.
select id from api_keys where id::text = %(name)s::text or public_id = %(name)s::text limit 1;

-- name: binding_put
-- Bind a policy to a place.
insert into guard_bindings (tenant_id, scope, target, policy_name, bound_at, bound_by)
values (%(tenant_id)s::uuid, %(scope)s::text, %(target)s::text, %(policy)s::text, %(now)s::timestamptz, %(by)s::uuid)
on conflict (tenant_id, scope, target) do update
set policy_name = excluded.policy_name, bound_at = excluded.bound_at, bound_by = excluded.bound_by;

-- name: binding_remove
-- Take a place's policy away.
delete from guard_bindings where scope = %(scope)s::text and target = %(target)s::text returning policy_name;

-- name: bindings_all
-- Every binding of the tenant.
select scope, target, policy_name as policy from guard_bindings order by scope, target limit %(limit)s::int;

-- name: guard_revision
-- The counter that every change of policies, bindings, canaries and registered texts moves.
-- door: system
select revision from guard_revision;

-- name: every_binding
-- What is bound where over all tenants, with the digest of the policy's newest version.
-- door: system
select b.tenant_id, b.scope, b.target, b.policy_name as policy, newest.digest
from guard_bindings b left join lateral (
    select p.digest from guard_policies p where p.tenant_id = b.tenant_id and p.name = b.policy_name order by p.version desc limit 1
) newest on true
limit 1000000;

-- name: bound_bodies
-- The bodies of versions by tenant and digest.
-- door: system
select distinct on (p.tenant_id, p.digest) p.tenant_id, p.digest, p.body from guard_policies p
join unnest(%(tenant_ids)s::uuid[], %(digests)s::bytea[]) as wanted (tenant_id, digest)
    on wanted.tenant_id = p.tenant_id and wanted.digest = p.digest;

-- name: every_canary
-- The canaries in force over all tenants.
-- door: system
select tenant_id, id, value_sealed from guard_canaries where retired_at is null limit 1000000;

-- name: canary_add
-- A new canary.
insert into guard_canaries (tenant_id, id, purpose, value_sealed, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(purpose)s::text, %(value_sealed)s::bytea, %(now)s::timestamptz);

-- name: canaries_all
-- The canaries of the tenant, the oldest first.
select id, purpose, value_sealed, created_at, retired_at from guard_canaries order by id limit %(limit)s::int;

-- name: canary_retire
-- Retire a canary.
update guard_canaries set retired_at = %(now)s::timestamptz where id = %(id)s::uuid and retired_at is null returning id;

-- name: every_text
-- The registered texts of all tenants that no answer may repeat, without their hashes.
-- door: system
select tenant_id, id from guard_texts where removed_at is null order by tenant_id, id limit 1000000;

-- name: text_hashes
-- The hashes of one registered text.
-- door: system
select hashes_sealed from guard_texts where tenant_id = %(tenant_id)s::uuid and id = %(id)s::uuid and removed_at is null;

-- name: texts_counted
-- How many texts a tenant has registered, and how many words they have together.
select count(*) as counted, coalesce(sum(words), 0) as words from guard_texts where removed_at is null;

-- name: text_by_digest
-- The registered text that has a digest.
select id from guard_texts where digest = %(digest)s::bytea and removed_at is null;

-- name: text_add
-- Register a text.
insert into guard_texts (tenant_id, id, name, note_sealed, words, digest, hashes_sealed, created_at, created_by)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(name)s::text, %(note_sealed)s::bytea, %(words)s::int, %(digest)s::bytea, %(hashes_sealed)s::bytea,
    %(now)s::timestamptz, %(by)s::uuid);

-- name: texts_page
-- Registered texts, the newest first, before an id.
select id, name, note_sealed, words, created_at, created_by from guard_texts
where id < %(before)s::uuid and removed_at is null order by id desc limit %(limit)s::int;

-- name: text_remove
-- Take a text out: its hashes and its note go, that it was there stays.
update guard_texts set removed_at = %(now)s::timestamptz, hashes_sealed = ''::bytea, note_sealed = ''::bytea
where id = %(id)s::uuid and removed_at is null returning id;

-- name: texts_forget
-- Forget which texts one person registered.
update guard_texts set created_by = null where created_by = %(person_id)s::uuid;

-- name: token_put
-- Keep a token's value for a person, or keep it longer.
insert into guard_tokens (tenant_id, id, token, entity, value_sealed, person_id, created_at, expires_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(token)s::text, %(entity)s::text, %(value_sealed)s::bytea, %(person_id)s::uuid,
    %(created_at)s::timestamptz, %(expires_at)s::timestamptz)
on conflict (tenant_id, token, person_id) do update set expires_at = greatest(guard_tokens.expires_at, excluded.expires_at);

-- name: tokens_of
-- The values behind tokens that one person may have back: what they wrote themselves, and what nobody wrote.
select id, token, person_id, value_sealed from guard_tokens
where token = any(%(tokens)s::text[]) and (person_id is null or person_id = %(person_id)s::uuid) and expires_at > %(now)s::timestamptz
order by token, person_id nulls last;

-- name: tokens_erase
-- Remove what one person's tokens stood for.
delete from guard_tokens where person_id = %(person_id)s::uuid;

-- name: tokens_count
-- What the erasure of tokens removes.
select count(*) as counted from guard_tokens where tenant_id = %(tenant_id)s::uuid and person_id = %(person_id)s::uuid;

-- name: tokens_expire
-- Remove tokens whose time is over, some at a time.
-- door: system
delete from guard_tokens where (tenant_id, id) in (
    select tenant_id, id from guard_tokens where expires_at <= %(now)s::timestamptz limit %(limit)s::int
);

-- name: incident_count_up
-- One more case of an incident that is not closed, or the first case of a new one.
insert into guard_incidents (
    tenant_id, id, kind, stage, policy_digest, rules, group_hash, api_key_id, person_id, request_id, sample_sealed, opened_at, last_at, alarm_at
) values (
    %(tenant_id)s::uuid, %(id)s::uuid, %(kind)s::text, %(stage)s::text, %(policy)s::bytea, %(rules)s::text[], %(group_hash)s::bytea,
    %(api_key_id)s::uuid, %(person_id)s::uuid, %(request_id)s::uuid, %(sample_sealed)s::bytea, %(now)s::timestamptz, %(now)s::timestamptz,
    %(now)s::timestamptz
)
on conflict (tenant_id, group_hash) where state <> 'closed'
do update set count = guard_incidents.count + 1, last_at = greatest(guard_incidents.last_at, excluded.last_at)
returning id, count;

-- name: incident_by_id
-- One incident.
select id, kind, state, stage, policy_digest, rules, api_key_id, person_id, request_id, sample_sealed, count, opened_at, last_at, proposal, effect,
    closed_by, closed_at, note_sealed
from guard_incidents where id = %(id)s::uuid;

-- name: incidents_page
-- Incidents, the newest first, before an id.
select id, kind, state, stage, policy_digest, rules, api_key_id, person_id, request_id, sample_sealed, count, opened_at, last_at, proposal, effect,
    closed_by, closed_at, note_sealed
from guard_incidents
where id < %(before)s::uuid and (%(state)s::text is null or state = %(state)s::text) and (%(kind)s::text is null or kind = %(kind)s::text)
order by id desc limit %(limit)s::int;

-- name: incident_propose
-- Give an incident that is not closed a proposal.
update guard_incidents set state = 'proposed', proposal = %(proposal)s::jsonb, effect = null
where id = %(id)s::uuid and state <> 'closed' returning id;

-- name: incident_measure
-- Give a proposal its measured effect.
update guard_incidents set effect = %(effect)s::jsonb where id = %(id)s::uuid and state = 'proposed' returning id;

-- name: incident_close
-- Close an incident.
update guard_incidents
set state = 'closed', closed_by = %(by)s::uuid, closed_at = %(now)s::timestamptz, note_sealed = %(note_sealed)s::bytea, alarm_at = null
where id = %(id)s::uuid and state <> 'closed' returning id;

-- name: samples_erase
-- Empty the samples that one person's requests left in incidents, or the requests that an erasure reaches.
update guard_incidents set sample_sealed = ''::bytea
where sample_sealed <> ''::bytea and (person_id = %(person_id)s::uuid or request_id in (select item_id from erasure_items where erasure_id = %(erasure_id)s::uuid and kind = 'answer'));

-- name: samples_count
-- What the erasure of samples empties.
select count(*) as counted from guard_incidents g where g.tenant_id = %(tenant_id)s::uuid and g.sample_sealed <> ''::bytea and (
    g.person_id = %(person_id)s::uuid or exists (
        select from erasure_items i
        where i.tenant_id = g.tenant_id and i.erasure_id = %(erasure_id)s::uuid and i.kind = 'answer' and i.item_id = g.request_id));

-- name: alarms_due
-- Incidents of which somebody has still to be told, over all tenants.
-- door: system
select tenant_id, id from guard_incidents where alarm_at <= %(now)s::timestamptz order by alarm_at limit %(limit)s::int;

-- name: alarm_claim
-- Take an alarm: nobody else takes it before the lease is over.
update guard_incidents i set alarm_at = %(lease_until)s::timestamptz, alarm_attempts = alarm_attempts + 1
from (select tenant_id, id from guard_incidents where id = %(id)s::uuid and alarm_at <= %(now)s::timestamptz for update skip locked) free
where i.tenant_id = free.tenant_id and i.id = free.id
returning i.id, i.kind, i.stage, i.policy_digest, i.rules, i.count, i.opened_at, i.alarm_attempts;

-- name: alarm_settle
-- An alarm that was given, or when it is tried again.
update guard_incidents set alarm_at = %(again_at)s::timestamptz where id = %(id)s::uuid;

-- name: traffic_add
-- Keep a masked text; a batch that is written again after a broken connection changes nothing.
insert into guard_traffic (
    tenant_id, id, request_id, person_id, stage, policy_digest, decision, findings, text_sealed, created_at, keep_until
) values (
    %(tenant_id)s::uuid, %(id)s::uuid, %(request_id)s::uuid, %(person_id)s::uuid, %(stage)s::text, %(policy)s::bytea, %(decision)s::text,
    %(findings)s::jsonb, %(text_sealed)s::bytea, %(created_at)s::timestamptz, %(keep_until)s::timestamptz
)
on conflict (tenant_id, id) do nothing;

-- name: traffic_page
-- Masked texts since a moment, the oldest first, after an id.
select id, request_id, person_id, stage, policy_digest, decision, findings, text_sealed, created_at
from guard_traffic where id > %(after)s::uuid and keep_until > %(now)s::timestamptz order by id limit %(limit)s::int;

-- name: traffic_expire
-- Remove masked texts whose time is over, some at a time.
-- door: system
delete from guard_traffic where (tenant_id, id) in (
    select tenant_id, id from guard_traffic where keep_until <= %(now)s::timestamptz limit %(limit)s::int
);

-- name: traffic_erase
-- Remove one person's masked texts, or those of the requests that an erasure reaches.
delete from guard_traffic where person_id = %(person_id)s::uuid or request_id in (select item_id from erasure_items where erasure_id = %(erasure_id)s::uuid and kind = 'answer');

-- name: traffic_count
-- What the erasure of masked texts removes.
select count(*) as counted from guard_traffic g where g.tenant_id = %(tenant_id)s::uuid and (g.person_id = %(person_id)s::uuid or exists (
    select from erasure_items i
    where i.tenant_id = g.tenant_id and i.erasure_id = %(erasure_id)s::uuid and i.kind = 'answer' and i.item_id = g.request_id));

-- name: approval_waiting
-- The question that one person has asked about a call already and that nobody has answered.
select id, expires_at from guard_approvals
where asked_by = %(person_id)s::uuid and call_hash = %(call_hash)s::bytea and role = %(role)s::text and decision is null
    and expires_at > %(now)s::timestamptz and arguments_sealed <> ''::bytea
order by id desc limit 1;

-- name: approvals_counted
-- How many questions wait for an answer, of one person and of all.
select count(*) as counted, count(*) filter (where asked_by = %(person_id)s::uuid) as theirs
from guard_approvals where decision is null and expires_at > %(now)s::timestamptz;

-- name: approval_ask
-- Ask for an approval.
insert into guard_approvals (
    tenant_id, id, tool, arguments_sealed, call_hash, reasons, role, policy_digest, asked_by, api_key_id, request_id, incident_id, asked_at, expires_at
) values (
    %(tenant_id)s::uuid, %(id)s::uuid, %(tool)s::text, %(arguments_sealed)s::bytea, %(call_hash)s::bytea, %(reasons)s::text[], %(role)s::text,
    %(policy)s::bytea, %(person_id)s::uuid, %(api_key_id)s::uuid, %(request_id)s::uuid, %(incident_id)s::uuid, %(now)s::timestamptz,
    %(expires_at)s::timestamptz
);

-- name: approval_by_id
-- One approval.
select id, tool, arguments_sealed, reasons, role, policy_digest, asked_by, api_key_id, request_id, incident_id, asked_at, expires_at, decision,
    decided_by, decided_at, note_sealed, used_at, call_hash
from guard_approvals where id = %(id)s::uuid;

-- name: approvals_page
-- Approvals that somebody may see, the newest first, before an id.
select id, tool, arguments_sealed, reasons, role, policy_digest, asked_by, api_key_id, request_id, incident_id, asked_at, expires_at, decision,
    decided_by, decided_at, note_sealed, used_at
from guard_approvals
where id < %(before)s::uuid
    and (%(sees_all)s::boolean or asked_by = %(person_id)s::uuid or role = any(%(roles)s::text[]))
    and (%(state)s::text is null or %(state)s::text = case
        when decision = 'denied' then 'denied'
        when used_at is not null then 'used'
        when expires_at <= %(now)s::timestamptz then 'expired'
        else coalesce(decision, 'pending') end)
order by id desc limit %(limit)s::int;

-- name: approval_decide
-- Say yes or no to what waits, in the role that was asked and never to oneself.
update guard_approvals
set decision = %(decision)s::text, decided_by = %(by)s::uuid, decided_at = %(now)s::timestamptz, note_sealed = %(note_sealed)s::bytea
where id = %(id)s::uuid and decision is null and expires_at > %(now)s::timestamptz and asked_by <> %(by)s::uuid
    and role = any(%(roles)s::text[]) and arguments_sealed <> ''::bytea
returning id, incident_id;

-- name: approval_use
-- Use up an approval: once, by whoever asked, for the very call, before it ends.
update guard_approvals set used_at = %(now)s::timestamptz
where id = %(id)s::uuid and decision = 'approved' and used_at is null and expires_at > %(now)s::timestamptz
    and asked_by = %(person_id)s::uuid and role = %(role)s::text and call_hash = %(call_hash)s::bytea and arguments_sealed <> ''::bytea
returning id, role, decided_by, expires_at;

-- name: approval_unused
-- The approval that holds for a call of one person and was not used.
select id from guard_approvals
where asked_by = %(person_id)s::uuid and call_hash = %(call_hash)s::bytea and role = %(role)s::text and decision = 'approved' and used_at is null
    and expires_at > %(now)s::timestamptz
order by expires_at limit 1;

-- name: approvals_erase
-- Empty the arguments that one person's questions held; without them nobody approves and nothing runs.
update guard_approvals set arguments_sealed = ''::bytea
where arguments_sealed <> ''::bytea and (asked_by = %(person_id)s::uuid or request_id in (select item_id from erasure_items where erasure_id = %(erasure_id)s::uuid and kind = 'answer'));

-- name: approvals_count
-- What the erasure of arguments empties.
select count(*) as counted from guard_approvals g where g.tenant_id = %(tenant_id)s::uuid and g.arguments_sealed <> ''::bytea and (
    g.asked_by = %(person_id)s::uuid or exists (
        select from erasure_items i
        where i.tenant_id = g.tenant_id and i.erasure_id = %(erasure_id)s::uuid and i.kind = 'answer' and i.item_id = g.request_id));

-- name: approvals_expire
-- Remove approvals that ended long ago, some at a time; the ledger keeps who decided.
-- door: system
delete from guard_approvals where (tenant_id, id) in (
    select tenant_id, id from guard_approvals where expires_at <= %(ended_before)s::timestamptz limit %(limit)s::int
);

-- name: registrars_count
-- The texts that one person registered.
select count(*) as counted from guard_texts where tenant_id = %(tenant_id)s::uuid and created_by = %(person_id)s::uuid;
