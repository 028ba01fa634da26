-- The queries of bots.

-- name: bot_add
-- A new bot.
insert into bots (tenant_id, id, public_id, name, assistant_id, key_id, base_url, private_network, by_email, signing_sealed, token_sealed, created_by,
    created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(public_id)s::text, %(name)s::text, %(assistant_id)s::uuid, %(key_id)s::uuid, %(base_url)s::text,
    %(private_network)s::boolean, %(by_email)s::boolean, %(signing_sealed)s::bytea, %(token_sealed)s::bytea, %(created_by)s::uuid,
    %(now)s::timestamptz);

-- name: bots_all
-- Every bot of the tenant, the oldest first; one where a name is given.
select b.id, b.public_id, b.name, a.name as assistant, b.key_id, b.base_url, b.private_network, b.by_email, b.created_at,
    coalesce(b.revoked_at, k.revoked_at) as revoked_at
from bots b join assistants a on a.id = b.assistant_id join api_keys k on k.id = b.key_id
where %(name)s::text is null or b.name = %(name)s::text
order by b.id limit 1000;

-- name: bot_by_public_id
-- Which tenant a bot belongs to.
-- door: system
select b.tenant_id, b.name, (b.revoked_at is not null or k.revoked_at is not null or p.disabled_at is not null) as is_closed
from bots b
join api_keys k on k.tenant_id = b.tenant_id and k.id = b.key_id
join people p on p.tenant_id = k.tenant_id and p.id = k.person_id
where b.public_id = %(public_id)s::text;

-- name: bot_secrets
-- What a chat signs with, and what it is called with.
select signing_sealed, token_sealed from bots where id = %(id)s::uuid;

-- name: bot_change
-- Change what people manage of a bot; what is null stays.
update bots set by_email = coalesce(%(by_email)s::boolean, by_email), signing_sealed = coalesce(%(signing_sealed)s::bytea, signing_sealed),
    token_sealed = coalesce(%(token_sealed)s::bytea, token_sealed)
where id = %(id)s::uuid;

-- name: bot_revoke
-- Close a bot for good.
update bots set revoked_at = %(now)s::timestamptz where id = %(id)s::uuid and revoked_at is null;

-- name: bot_key_revoke
-- And the key that it acts by, which ends what is being answered.
update api_keys set revoked_at = %(now)s::timestamptz where id = %(key_id)s::uuid and revoked_at is null;

-- name: bot_person_put
-- Say who somebody in the chat is.
insert into bot_people (tenant_id, bot_id, user_hash, user_sealed, person_id)
values (%(tenant_id)s::uuid, %(bot_id)s::uuid, %(user_hash)s::bytea, %(user_sealed)s::bytea, %(person_id)s::uuid)
on conflict (tenant_id, bot_id, user_hash) do update set user_sealed = excluded.user_sealed, person_id = excluded.person_id;

-- name: bot_person_remove
-- Say so no longer.
delete from bot_people where bot_id = %(bot_id)s::uuid and user_hash = %(user_hash)s::bytea returning person_id;

-- name: bot_person
-- Who somebody in the chat is.
select person_id from bot_people where bot_id = %(bot_id)s::uuid and user_hash = %(user_hash)s::bytea;

-- name: bot_people_all
-- Everybody of whom that is said.
select person_id, user_sealed from bot_people where bot_id = %(bot_id)s::uuid order by person_id, user_hash limit 10000;

-- name: bot_room_put
-- Answer in a shared room.
insert into bot_rooms (tenant_id, bot_id, chat_room, clearance, open_documents)
values (%(tenant_id)s::uuid, %(bot_id)s::uuid, %(chat_room)s::text, %(clearance)s::smallint, %(open_documents)s::boolean)
on conflict (tenant_id, bot_id, chat_room) do update set clearance = excluded.clearance, open_documents = excluded.open_documents;

-- name: bot_room_groups_set
-- Take groups from a room that are not in the list.
delete from bot_room_groups where bot_id = %(bot_id)s::uuid and chat_room = %(chat_room)s::text and group_id <> all(%(group_ids)s::uuid[]);

-- name: bot_room_groups_add
-- Give a room groups.
insert into bot_room_groups (tenant_id, bot_id, chat_room, group_id)
select %(tenant_id)s::uuid, %(bot_id)s::uuid, %(chat_room)s::text, group_id from unnest(%(group_ids)s::uuid[]) as group_id
on conflict do nothing;

-- name: bot_room_remove
-- Answer there no longer.
delete from bot_rooms where bot_id = %(bot_id)s::uuid and chat_room = %(chat_room)s::text returning chat_room;

-- name: bot_room
-- Who reads along in a room.
select r.clearance, r.open_documents,
    array(select g.group_id from bot_room_groups g where g.bot_id = r.bot_id and g.chat_room = r.chat_room) as group_ids
from bot_rooms r where r.bot_id = %(bot_id)s::uuid and r.chat_room = %(chat_room)s::text;

-- name: bot_rooms_all
-- Every room with the groups that read along.
select r.chat_room, r.clearance, r.open_documents,
    array(select n.name from bot_room_groups g join groups n on n.id = g.group_id where g.bot_id = r.bot_id and g.chat_room = r.chat_room order by n.name)
        as groups
from bot_rooms r where r.bot_id = %(bot_id)s::uuid order by r.chat_room limit 10000;

-- name: bot_event_add
-- An event that was not seen before; none where it was.
insert into bot_events (tenant_id, bot_id, event_hash, signature_hash, created_at)
values (%(tenant_id)s::uuid, %(bot_id)s::uuid, %(event_hash)s::bytea, %(signature_hash)s::bytea, %(now)s::timestamptz)
on conflict (tenant_id, bot_id, event_hash) do nothing
returning bot_id;

-- name: bot_event_signature
-- With which signature an event came first.
select signature_hash from bot_events where bot_id = %(bot_id)s::uuid and event_hash = %(event_hash)s::bytea;

-- name: bot_events_forget
-- Events that come no more.
delete from bot_events where bot_id = %(bot_id)s::uuid and created_at <= %(before)s::timestamptz;

-- name: bot_of_person_count
-- Where a chat's name for a person is kept.
select count(*) as counted from bot_people b where b.tenant_id = %(tenant_id)s::uuid and b.person_id = %(person_id)s::uuid;

-- name: bot_of_person_remove
-- It is kept no more.
delete from bot_people where person_id = %(person_id)s::uuid;
