-- The queries of access: tenants, people, groups, keys, sessions, audiences.

-- name: tenant_add
-- A new tenant.
-- door: system
insert into tenants (id, slug, name, time_zone, currency, created_at)
values (%(id)s::uuid, %(slug)s::text, %(name)s::text, %(time_zone)s::text, %(currency)s::text, %(now)s::timestamptz);

-- name: tenant_by_slug
-- The tenant that people name by its slug.
-- door: system
select id, slug, name, time_zone, currency from tenants where slug = %(slug)s::text;

-- name: tenants_all
-- Every tenant, by slug.
-- door: system
select id, slug, name, time_zone, currency from tenants order by slug limit 10000;

-- name: tenant_change
-- Change what people manage of a tenant.
update tenants set name = %(name)s::text, time_zone = %(time_zone)s::text, currency = %(currency)s::text;

-- name: tenant_own
-- The transaction's tenant.
select id, slug, name, time_zone, currency from tenants;

-- name: tenant_time_zone
-- The time zone of the transaction's tenant: whose days are counted.
select time_zone from tenants;

-- name: tenant_remove
-- Take back a tenant that holds nothing yet.
-- door: system
delete from tenants where id = %(id)s::uuid;

-- name: access_epoch
-- The tenant's access epoch, which every change of membership moves, and whether this transaction has written nothing yet.
select access_epoch, pg_current_xact_id_if_assigned() is null as settled from tenants;

-- name: person_add
-- A new person; personal text is sealed, the login is looked up by its keyed hash.
insert into people (tenant_id, id, login_hash, profile_sealed, password_hash, clearance, kind, reads_open, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(login_hash)s::bytea, %(profile_sealed)s::bytea, %(password_hash)s::text,
    %(clearance)s::smallint, %(kind)s::text, %(reads_open)s::boolean, %(now)s::timestamptz);

-- name: person_by_login
-- A person by the keyed hash of the login.
select p.id, p.profile_sealed, p.clearance, p.kind, p.disabled_at,
    array(select role from person_roles r where r.person_id = p.id order by role) as roles,
    array(select g.name from group_people m join groups g on g.id = m.group_id where m.person_id = p.id order by g.name) as groups,
    array(select v.name || '=' || v.value from person_attributes h join attribute_values v on v.id = h.value_id
        where h.person_id = p.id order by v.name, v.value) as attributes
from people p where p.login_hash = %(login_hash)s::bytea;

-- name: person_by_id
-- A person by id.
select p.id, p.profile_sealed, p.clearance, p.kind, p.disabled_at,
    array(select role from person_roles r where r.person_id = p.id order by role) as roles,
    array(select g.name from group_people m join groups g on g.id = m.group_id where m.person_id = p.id order by g.name) as groups,
    array(select v.name || '=' || v.value from person_attributes h join attribute_values v on v.id = h.value_id
        where h.person_id = p.id order by v.name, v.value) as attributes
from people p where p.id = %(id)s::uuid;

-- name: people_page
-- The people of a tenant, oldest first, after an id: not those who ask through widgets.
select p.id, p.profile_sealed, p.clearance, p.kind, p.disabled_at,
    array(select role from person_roles r where r.person_id = p.id order by role) as roles,
    array(select g.name from group_people m join groups g on g.id = m.group_id where m.person_id = p.id order by g.name) as groups,
    array(select v.name || '=' || v.value from person_attributes h join attribute_values v on v.id = h.value_id
        where h.person_id = p.id order by v.name, v.value) as attributes
from people p where p.id > %(after)s::uuid and p.kind <> 'customer' order by p.id limit %(limit)s::int;

-- name: profiles
-- The sealed profiles of some people.
select id, profile_sealed from people where id = any(%(ids)s::uuid[]);

-- name: person_set_clearance
-- Change how far a person may read.
update people set clearance = %(clearance)s::smallint where id = %(id)s::uuid and clearance <> %(clearance)s::smallint;

-- name: person_set_reads_open
-- Whether a person reads what is open to everybody.
update people set reads_open = %(reads_open)s::boolean where id = %(id)s::uuid and reads_open <> %(reads_open)s::boolean;

-- name: person_set_profile
-- Replace the sealed profile.
update people set profile_sealed = %(profile_sealed)s::bytea where id = %(id)s::uuid;

-- name: person_set_disabled
-- Shut a person out, or let them in again.
update people set disabled_at = %(disabled_at)s::timestamptz where id = %(id)s::uuid;

-- name: owners_left
-- How many owners may sign in.
select count(*) as counted from people p join person_roles r on r.person_id = p.id
where r.role = 'owner' and p.kind = 'person' and p.disabled_at is null;

-- name: person_set_password
-- Replace the password's hash.
update people set password_hash = %(password_hash)s::text where id = %(id)s::uuid;

-- name: roles_clear
-- Take the roles that are not in the list.
delete from person_roles where person_id = %(person_id)s::uuid and role <> all(%(roles)s::text[]);

-- name: roles_add
-- Give roles.
insert into person_roles (tenant_id, person_id, role)
select %(tenant_id)s::uuid, %(person_id)s::uuid, role from unnest(%(roles)s::text[]) as role
on conflict do nothing;

-- name: group_add
-- A group, unless its name is taken.
insert into groups (tenant_id, id, name, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(name)s::text, %(now)s::timestamptz)
on conflict (tenant_id, name) do nothing;

-- name: groups_by_name
-- The ids of groups by their names.
select id, name from groups where name = any(%(names)s::text[]);

-- name: groups_of_person
-- The groups that a person belongs to, nested ones included.
with recursive belongs (group_id) as (
    select group_id from group_people where person_id = %(person_id)s::uuid
    union
    select g.group_id from belongs b join group_groups g on g.member_group_id = b.group_id
)
select group_id from belongs order by group_id limit 10000;

-- name: groups_all
-- Every group of the tenant with its member groups.
select g.id, g.name,
    array(select m.name from group_groups n join groups m on m.id = n.member_group_id where n.group_id = g.id order by m.name) as member_groups
from groups g order by g.name limit 10000;

-- name: group_people_set
-- Put a person into exactly these groups: first out of the others.
delete from group_people where person_id = %(person_id)s::uuid and group_id <> all(%(group_ids)s::uuid[]);

-- name: group_people_add
-- Put a person into groups.
insert into group_people (tenant_id, group_id, person_id)
select %(tenant_id)s::uuid, group_id, %(person_id)s::uuid from unnest(%(group_ids)s::uuid[]) as group_id
on conflict do nothing;

-- name: group_groups_set
-- Leave only these groups as members of a group.
delete from group_groups where group_id = %(group_id)s::uuid and member_group_id <> all(%(member_ids)s::uuid[]);

-- name: group_groups_add
-- Make groups members of a group.
insert into group_groups (tenant_id, group_id, member_group_id)
select %(tenant_id)s::uuid, %(group_id)s::uuid, member_id from unnest(%(member_ids)s::uuid[]) as member_id
on conflict do nothing;

-- name: key_add
-- A new API key, of which only the secret's hash is kept.
insert into api_keys (tenant_id, id, public_id, secret_hash, person_id, name, created_at, expires_at, models)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(public_id)s::text, %(secret_hash)s::bytea, %(person_id)s::uuid, %(name)s::text,
    %(now)s::timestamptz, %(expires_at)s::timestamptz, %(models)s::text[]);

-- name: keys_page
-- The tenant's keys, oldest first, after an id.
select id, person_id, public_id, name, created_at, expires_at, revoked_at, models from api_keys
where id > %(after)s::uuid order by id limit %(limit)s::int;

-- name: key_by_public_id
-- The tenant's key of a public id, in force or not.
select id, person_id, public_id, name, created_at, expires_at, revoked_at, models from api_keys where public_id = %(public_id)s::text;

-- name: key_revoke
-- Revoke a key by its public id; a key stays revoked.
update api_keys set revoked_at = %(now)s::timestamptz where public_id = %(public_id)s::text and revoked_at is null
returning id, person_id;

-- name: keys_in_force
-- Every key that may be used, over all tenants, for the directory in memory.
-- door: system
with recursive belongs (tenant_id, person_id, group_id) as (
    select tenant_id, person_id, group_id from group_people
    union
    select b.tenant_id, b.person_id, g.group_id
    from belongs b join group_groups g on g.tenant_id = b.tenant_id and g.member_group_id = b.group_id
), groups_of as (
    select tenant_id, person_id, array_agg(group_id order by group_id) as group_ids from belongs group by tenant_id, person_id
)
select k.tenant_id, k.id, k.public_id, k.secret_hash, k.person_id, k.expires_at, k.models, g.group_ids
from api_keys k
join people p on p.tenant_id = k.tenant_id and p.id = k.person_id
left join groups_of g on g.tenant_id = k.tenant_id and g.person_id = k.person_id
where k.revoked_at is null and p.disabled_at is null
limit 1000000;

-- name: key_revision
-- The counter that every change of a key moves.
-- door: system
select revision from key_revision;

-- name: session_add
-- A new session.
insert into sessions (tenant_id, id, person_id, token_hash, created_at, expires_at, browser, system, network)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(person_id)s::uuid, %(token_hash)s::bytea, %(now)s::timestamptz, %(expires_at)s::timestamptz,
    %(browser)s::text, %(system)s::text, %(network)s::text);

-- name: session_by_token
-- The session of a token, if it is in force.
-- door: system
select s.tenant_id, s.id, s.person_id, s.last_used_at is null or s.last_used_at < %(stale)s::timestamptz as is_stale,
    array(select role from person_roles r where r.tenant_id = s.tenant_id and r.person_id = s.person_id) as roles
from sessions s join people p on p.tenant_id = s.tenant_id and p.id = s.person_id
where s.token_hash = %(token_hash)s::bytea and s.revoked_at is null and s.expires_at > %(now)s::timestamptz and p.disabled_at is null;

-- name: session_used
-- Notes that a session was used, unless another request just did.
-- door: system
update sessions set last_used_at = %(now)s::timestamptz
where tenant_id = %(tenant_id)s::uuid and id = %(id)s::uuid and (last_used_at is null or last_used_at < %(stale)s::timestamptz);

-- name: sessions_of_person
-- A person's sessions that are in force, the newest first.
select id, person_id, created_at, expires_at, last_used_at, browser, system, network from sessions
where person_id = %(person_id)s::uuid and revoked_at is null and expires_at > %(now)s::timestamptz
order by created_at desc, id desc
limit %(limit)s::integer;

-- name: session_end
-- End one session of a person, if it is in force.
update sessions set revoked_at = %(now)s::timestamptz
where id = %(id)s::uuid and person_id = %(person_id)s::uuid and revoked_at is null and expires_at > %(now)s::timestamptz
returning id;

-- name: sessions_end
-- End a person's sessions that are in force, all but one where one is named.
update sessions set revoked_at = %(now)s::timestamptz
where person_id = %(person_id)s::uuid and revoked_at is null and expires_at > %(now)s::timestamptz
    and (%(but)s::uuid is null or id <> %(but)s::uuid)
returning id;

-- name: own_password_hash
-- The hash of a person's password, while they are let in.
select password_hash from people where id = %(id)s::uuid and disabled_at is null;

-- name: session_revoke
-- End one session.
update sessions set revoked_at = %(now)s::timestamptz where id = %(id)s::uuid and revoked_at is null;

-- name: sessions_revoke_person
-- End all sessions of a person.
update sessions set revoked_at = %(now)s::timestamptz where person_id = %(person_id)s::uuid and revoked_at is null;

-- name: sessions_forget
-- Remove sessions that ended long ago.
-- door: system
delete from sessions where expires_at < %(before)s::timestamptz;

-- name: account_by_login
-- What a sign-in needs of an account.
-- door: system
select id, password_hash, disabled_at from people
where tenant_id = %(tenant_id)s::uuid and login_hash = %(login_hash)s::bytea and kind = 'person';

-- name: one_time_add
-- A one-time code, of which only the hash is kept.
insert into one_time_codes (tenant_id, id, person_id, code_hash, created_at, expires_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(person_id)s::uuid, %(code_hash)s::bytea, %(now)s::timestamptz, %(expires_at)s::timestamptz);

-- name: one_time_find
-- Whether a one-time code is good, without using it up.
-- door: system
select tenant_id, id, person_id from one_time_codes
where code_hash = %(code_hash)s::bytea and used_at is null and expires_at > %(now)s::timestamptz;

-- name: one_time_use
-- Use up a one-time code and all others of its person; of two redemptions at once only one gets rows.
-- door: system
update one_time_codes c set used_at = %(now)s::timestamptz
from one_time_codes given
where given.code_hash = %(code_hash)s::bytea and given.used_at is null and given.expires_at > %(now)s::timestamptz
    and c.tenant_id = given.tenant_id and c.person_id = given.person_id and c.used_at is null
returning c.tenant_id, c.id, c.person_id;

-- name: failure_add
-- Count a sign-in against the account and the address before its password is looked at.
-- door: system
insert into sign_in_failures (id, account_hash, client_hash, failed_at)
values (%(id)s::uuid, %(account_hash)s::bytea, %(client_hash)s::bytea, %(now)s::timestamptz);

-- name: failures_count
-- How many count in the window, for the account and for the address, and when the window's oldest ends.
-- door: system
select
    (select count(*) from sign_in_failures where account_hash = %(account_hash)s::bytea and failed_at > %(since)s::timestamptz) as account,
    (select count(*) from sign_in_failures where client_hash = %(client_hash)s::bytea and failed_at > %(since)s::timestamptz) as client;

-- name: failures_forget
-- A right password clears the account's count, and old rows go.
-- door: system
delete from sign_in_failures where account_hash = %(account_hash)s::bytea or failed_at < %(before)s::timestamptz;

-- name: failure_remove
-- Take back the count of an attempt that succeeded.
-- door: system
delete from sign_in_failures where id = %(id)s::uuid;

-- name: audience_add
-- The audience of a rule, unless it is there already.
insert into audiences (tenant_id, id, digest, rule, class_rank, everyone, clauses, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(digest)s::bytea, %(rule)s::jsonb, %(class_rank)s::smallint, %(everyone)s::boolean,
    %(clauses)s::smallint, %(now)s::timestamptz)
on conflict (tenant_id, digest) do nothing
returning id;

-- name: audience_by_digest
-- The audience of a rule.
select id from audiences where digest = %(digest)s::bytea;

-- name: audience_groups_add
-- The groups of an audience.
insert into audience_groups (tenant_id, audience_id, group_id)
select %(tenant_id)s::uuid, %(audience_id)s::uuid, group_id from unnest(%(group_ids)s::uuid[]) as group_id;

-- name: audience_people_add
-- The people of an audience.
insert into audience_people (tenant_id, audience_id, person_id)
select %(tenant_id)s::uuid, %(audience_id)s::uuid, person_id from unnest(%(person_ids)s::uuid[]) as person_id;

-- name: audience_attributes_add
-- The values of each clause of an audience.
insert into audience_attributes (tenant_id, audience_id, clause, value_id)
select %(tenant_id)s::uuid, %(audience_id)s::uuid, clause, value_id
from unnest(%(numbers)s::smallint[], %(value_ids)s::uuid[]) as said (clause, value_id);

-- name: visible_audiences
-- What may this person read: every audience whose class the clearance reaches, whose groups or people include them, groups nested, and of each
-- of whose clauses they have a value. What is open to everybody is not open to a customer of the tenant, unless that is said.
with recursive member_of (group_id) as (
    select group_id from group_people where person_id = %(person_id)s::uuid
    union
    select n.group_id from group_groups n join member_of m on n.member_group_id = m.group_id
)
select a.id
from people p
join audiences a on a.class_rank <= p.clearance
where p.id = %(person_id)s::uuid and p.disabled_at is null
    and ((a.everyone and p.reads_open)
        or exists (select 1 from audience_people ap where ap.audience_id = a.id and ap.person_id = p.id)
        or exists (select 1 from audience_groups ag join member_of m on m.group_id = ag.group_id where ag.audience_id = a.id))
    and (a.clauses = 0 or a.clauses = (
        select count(distinct aa.clause) from audience_attributes aa join person_attributes h on h.value_id = aa.value_id
        where aa.audience_id = a.id and h.person_id = p.id));

-- name: audiences_of_listeners
-- What may be told where these groups read along: what each of them may read, groups nested. A rule that asks for attributes is closed: a group has none.
with recursive member_of (listener_id, group_id) as (
    select group_id, group_id from unnest(%(group_ids)s::uuid[]) as group_id
    union
    select m.listener_id, n.group_id from group_groups n join member_of m on n.member_group_id = m.group_id
)
select a.id from audiences a
where a.class_rank <= %(clearance)s::smallint and a.clauses = 0
    and ((a.everyone and %(reads_open)s::boolean)
        or (cardinality(%(group_ids)s::uuid[]) > 0 and cardinality(%(group_ids)s::uuid[]) = (
            select count(distinct m.listener_id) from audience_groups ag join member_of m on m.group_id = ag.group_id where ag.audience_id = a.id)));

-- name: attribute_values_add
-- Values of an attribute, unless they are known.
insert into attribute_values (tenant_id, id, name, value, created_at)
select %(tenant_id)s::uuid, id, %(name)s::text, value, %(now)s::timestamptz from unnest(%(ids)s::uuid[], %(values)s::text[]) as said (id, value)
on conflict (tenant_id, name, value) do nothing;

-- name: attribute_values_remove
-- The values of an attribute that are not in the list go, from people too; a rule of documents holds those that it asks for.
delete from attribute_values where name = %(name)s::text and value <> all(%(values)s::text[]);

-- name: attribute_values_of
-- The ids of values by name and value.
select v.id, v.name, v.value from attribute_values v
join unnest(%(names)s::text[], %(values)s::text[]) as said (name, value) on said.name = v.name and said.value = v.value;

-- name: attributes_all
-- Every attribute of the tenant with its values.
select name, array_agg(value order by value) as values from attribute_values group by name order by name limit 10000;

-- name: person_attributes_set
-- Leave a person only these attributes.
delete from person_attributes where person_id = %(person_id)s::uuid and value_id <> all(%(value_ids)s::uuid[]);

-- name: person_attributes_add
-- Give a person attributes.
insert into person_attributes (tenant_id, person_id, value_id)
select %(tenant_id)s::uuid, %(person_id)s::uuid, value_id from unnest(%(value_ids)s::uuid[]) as value_id
on conflict do nothing;

-- name: person_remove
-- Remove a person with their roles, keys, sessions and codes, and from every group and audience.
delete from people where id = %(person_id)s::uuid;

-- name: person_count
-- What there is of a person: the row itself, keys, sessions, codes and memberships.
select (select count(*) from people p where p.tenant_id = %(tenant_id)s::uuid and p.id = %(person_id)s::uuid)
    + (select count(*) from person_roles r where r.tenant_id = %(tenant_id)s::uuid and r.person_id = %(person_id)s::uuid)
    + (select count(*) from api_keys k where k.tenant_id = %(tenant_id)s::uuid and k.person_id = %(person_id)s::uuid)
    + (select count(*) from sessions s where s.tenant_id = %(tenant_id)s::uuid and s.person_id = %(person_id)s::uuid)
    + (select count(*) from one_time_codes c where c.tenant_id = %(tenant_id)s::uuid and c.person_id = %(person_id)s::uuid)
    + (select count(*) from group_people g where g.tenant_id = %(tenant_id)s::uuid and g.person_id = %(person_id)s::uuid)
    + (select count(*) from audience_people a where a.tenant_id = %(tenant_id)s::uuid and a.person_id = %(person_id)s::uuid)
    + (select count(*) from person_attributes h where h.tenant_id = %(tenant_id)s::uuid and h.person_id = %(person_id)s::uuid) as counted;
