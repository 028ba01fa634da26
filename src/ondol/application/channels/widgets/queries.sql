-- The queries of widgets.

-- name: widget_add
-- A new widget.
insert into widgets (tenant_id, id, public_id, name, assistant_id, key_id, algorithm, secret_sealed, origins, visitors, open_documents,
    questions_per_minute, questions_per_customer, window_at, created_by, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(public_id)s::text, %(name)s::text, %(assistant_id)s::uuid, %(key_id)s::uuid, %(algorithm)s::text,
    %(secret_sealed)s::bytea, %(origins)s::text[], %(visitors)s::boolean, %(open_documents)s::boolean, %(questions_per_minute)s::int,
    %(questions_per_customer)s::int, %(now)s::timestamptz, %(created_by)s::uuid, %(now)s::timestamptz);

-- name: widget_groups_set
-- Take groups from a widget that are not in the list.
delete from widget_groups where widget_id = %(widget_id)s::uuid and group_id <> all(%(group_ids)s::uuid[]);

-- name: widget_groups_add
-- Give a widget groups.
insert into widget_groups (tenant_id, widget_id, group_id)
select %(tenant_id)s::uuid, %(widget_id)s::uuid, group_id from unnest(%(group_ids)s::uuid[]) as group_id
on conflict do nothing;

-- name: widget_customers_narrow
-- Whoever asked through a widget leaves the groups that it has no more.
delete from group_people m using widget_customers c
where c.widget_id = %(widget_id)s::uuid and m.person_id = c.person_id and m.group_id <> all(%(group_ids)s::uuid[]);

-- name: widget_customers_open
-- Whoever asked through a widget reads what is open to everybody, or no more.
update people p set reads_open = %(open_documents)s::boolean from widget_customers c
where c.widget_id = %(widget_id)s::uuid and p.id = c.person_id and p.reads_open <> %(open_documents)s::boolean;

-- name: widget_by_name
-- A widget by its name.
select w.id, w.public_id, w.name, a.name as assistant, w.key_id, w.algorithm, w.origins, w.visitors, w.open_documents, w.questions_per_minute,
    w.questions_per_customer, w.created_at, coalesce(w.revoked_at, k.revoked_at) as revoked_at,
    array(select g.name from widget_groups m join groups g on g.id = m.group_id where m.widget_id = w.id order by g.name) as groups
from widgets w join assistants a on a.id = w.assistant_id join api_keys k on k.id = w.key_id
where w.name = %(name)s::text;

-- name: widgets_all
-- Every widget of the tenant, the oldest first.
select w.id, w.public_id, w.name, a.name as assistant, w.key_id, w.algorithm, w.origins, w.visitors, w.open_documents, w.questions_per_minute,
    w.questions_per_customer, w.created_at, coalesce(w.revoked_at, k.revoked_at) as revoked_at,
    array(select g.name from widget_groups m join groups g on g.id = m.group_id where m.widget_id = w.id order by g.name) as groups
from widgets w join assistants a on a.id = w.assistant_id join api_keys k on k.id = w.key_id
order by w.id limit 1000;

-- name: widget_by_public_id
-- Which tenant a widget belongs to, and for which sites it is.
-- door: system
select w.tenant_id, w.name, w.origins, w.visitors, (w.revoked_at is not null or k.revoked_at is not null or p.disabled_at is not null) as is_closed
from widgets w
join api_keys k on k.tenant_id = w.tenant_id and k.id = w.key_id
join people p on p.tenant_id = k.tenant_id and p.id = k.person_id
where w.public_id = %(public_id)s::text;

-- name: widget_secrets
-- What a site's tokens are signed with.
select secret_sealed, previous_sealed, previous_until from widgets where id = %(id)s::uuid;

-- name: widget_change
-- Change what people manage of a widget.
update widgets set origins = %(origins)s::text[], visitors = %(visitors)s::boolean, open_documents = %(open_documents)s::boolean,
    questions_per_minute = %(questions_per_minute)s::int, questions_per_customer = %(questions_per_customer)s::int
where id = %(id)s::uuid;

-- name: widget_visits_end
-- Visits of a widget that may go on no longer, since their site or their having no name is not allowed any more.
delete from widget_visits
where widget_id = %(widget_id)s::uuid and not is_preview and (origin <> all(%(origins)s::text[]) or (not is_named and not %(visitors)s::boolean));

-- name: widget_rotate
-- Another secret; the one before holds for a while.
update widgets set previous_sealed = case when %(until)s::timestamptz is null then null else secret_sealed end,
    previous_until = %(until)s::timestamptz, secret_sealed = %(secret_sealed)s::bytea
where id = %(id)s::uuid;

-- name: widget_revoke
-- Close a widget for good.
update widgets set revoked_at = %(now)s::timestamptz where id = %(id)s::uuid and revoked_at is null;

-- name: widget_key_revoke
-- And the key that it acts by, which ends its streams.
update api_keys set revoked_at = %(now)s::timestamptz where id = %(key_id)s::uuid and revoked_at is null;

-- name: customer_by_pseudonym
-- Who asked through a widget under a pseudonym.
select person_id from widget_customers where widget_id = %(widget_id)s::uuid and pseudonym = %(pseudonym)s::bytea;

-- name: customer_add
-- Somebody asks through a widget for the first time.
insert into widget_customers (tenant_id, widget_id, person_id, pseudonym, window_at, created_at)
values (%(tenant_id)s::uuid, %(widget_id)s::uuid, %(person_id)s::uuid, %(pseudonym)s::bytea, %(now)s::timestamptz, %(now)s::timestamptz);

-- name: widget_hold
-- Hold a widget while somebody joins, so that nobody joins twice.
select id from widgets where id = %(id)s::uuid for update;

-- name: visits_forget
-- Visits that are over.
delete from widget_visits where widget_id = %(widget_id)s::uuid and expires_at <= %(now)s::timestamptz;

-- name: visits_of_client
-- How many visits a network address has opened of late.
select count(*) as counted from widget_visits
where widget_id = %(widget_id)s::uuid and client_hash = %(client_hash)s::bytea and not is_named and created_at > %(since)s::timestamptz
    and expires_at > %(since)s::timestamptz;

-- name: visit_add
-- A visit; none where its token has been used.
insert into widget_visits (tenant_id, id, widget_id, person_id, token_hash, once_hash, client_hash, origin, is_named, is_preview, window_at, created_at,
    expires_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(widget_id)s::uuid, %(person_id)s::uuid, %(token_hash)s::bytea, %(once_hash)s::bytea,
    %(client_hash)s::bytea, %(origin)s::text, %(is_named)s::boolean, %(is_preview)s::boolean, %(now)s::timestamptz, %(now)s::timestamptz,
    %(expires_at)s::timestamptz)
on conflict (tenant_id, widget_id, once_hash) do nothing
returning id;

-- name: visit_by_token
-- The visit of a token, if it is in force.
-- door: system
select v.id, v.tenant_id, v.widget_id, v.person_id, w.key_id, a.name as assistant, v.origin, v.is_named, v.is_preview, v.expires_at
from widget_visits v
join widgets w on w.tenant_id = v.tenant_id and w.id = v.widget_id
join assistants a on a.tenant_id = w.tenant_id and a.id = w.assistant_id
join people p on p.tenant_id = v.tenant_id and p.id = v.person_id
where v.token_hash = %(token_hash)s::bytea and w.public_id = %(public_id)s::text and v.expires_at > %(now)s::timestamptz and p.disabled_at is null;

-- name: widget_count
-- Count a question of a widget, unless its minute is full.
update widgets set window_at = case when window_at > %(since)s::timestamptz then window_at else %(now)s::timestamptz end,
    asked = case when window_at > %(since)s::timestamptz then asked + 1 else 1 end
where id = %(widget_id)s::uuid and (window_at <= %(since)s::timestamptz or asked < questions_per_minute)
returning questions_per_customer;

-- name: customer_count
-- The same for a customer.
update widget_customers set window_at = case when window_at > %(since)s::timestamptz then window_at else %(now)s::timestamptz end,
    asked = case when window_at > %(since)s::timestamptz then asked + 1 else 1 end
where widget_id = %(widget_id)s::uuid and person_id = %(person_id)s::uuid
    and (window_at <= %(since)s::timestamptz or asked < %(most)s::int)
returning person_id;

-- name: visit_count
-- The same for a visit without a name.
update widget_visits set window_at = case when window_at > %(since)s::timestamptz then window_at else %(now)s::timestamptz end,
    asked = case when window_at > %(since)s::timestamptz then asked + 1 else 1 end
where id = %(visit_id)s::uuid and (window_at <= %(since)s::timestamptz or asked < %(most)s::int)
returning id;

-- name: widget_person_count
-- What there is of a customer beside their person.
select (select count(*) from widget_customers c where c.tenant_id = %(tenant_id)s::uuid and c.person_id = %(person_id)s::uuid)
    + (select count(*) from widget_visits v where v.tenant_id = %(tenant_id)s::uuid and v.person_id = %(person_id)s::uuid) as counted;

-- name: widget_person_remove
-- A customer and their visits go.
delete from widget_customers where person_id = %(person_id)s::uuid;
