-- The queries of threads. Each names the person whose thread it is: nobody else finds it, but for those with whom it is shared, who may read it.
-- What was deleted is found by nobody; only erasures and its person's bringing it back still reach it until it goes.

-- name: thread_add
-- A new thread, with the first turn at its head.
insert into threads (tenant_id, id, assistant_id, person_id, title_sealed, head_id, turns, created_at, changed_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(assistant_id)s::uuid, %(person_id)s::uuid, %(title_sealed)s::bytea, %(head_id)s::uuid, 1,
    %(now)s::timestamptz, %(now)s::timestamptz);

-- name: thread_grow
-- A thread gets a turn, which is its head from now on; nothing when the thread is gone or full.
update threads set head_id = %(head_id)s::uuid, turns = turns + 1, changed_at = %(now)s::timestamptz
where id = %(id)s::uuid and person_id = %(person_id)s::uuid and deleted_at is null and turns < %(turns_max)s::integer returning id;

-- name: thread_by_id
-- A thread of a person.
select t.id, t.person_id, t.assistant_id, a.name as assistant, t.title_sealed, t.head_id, t.turns, t.created_at, t.changed_at
from threads t join assistants a on a.tenant_id = t.tenant_id and a.id = t.assistant_id
where t.id = %(id)s::uuid and t.person_id = %(person_id)s::uuid and t.deleted_at is null;

-- name: thread_for_reader
-- A thread of a person, or one that is shared with them or with a group of theirs.
select t.id, t.person_id, t.assistant_id, a.name as assistant, t.title_sealed, t.head_id, t.turns, t.created_at, t.changed_at
from threads t join assistants a on a.tenant_id = t.tenant_id and a.id = t.assistant_id
where t.id = %(id)s::uuid and t.deleted_at is null and (t.person_id = %(person_id)s::uuid or exists (
    select from thread_shares s where s.tenant_id = t.tenant_id and s.thread_id = t.id
        and (s.person_id = %(person_id)s::uuid or s.group_id = any(%(group_ids)s::uuid[]))));

-- name: threads_shared_with
-- The threads of others that are shared with a person or a group of theirs, those that were spoken in last first, behind the one that is named.
select t.id, t.person_id, t.assistant_id, a.name as assistant, t.title_sealed, t.head_id, t.turns, t.created_at, t.changed_at
from threads t join assistants a on a.tenant_id = t.tenant_id and a.id = t.assistant_id
where t.person_id <> %(person_id)s::uuid and t.deleted_at is null and t.id in (
        select s.thread_id from thread_shares s where s.person_id = %(person_id)s::uuid or s.group_id = any(%(group_ids)s::uuid[]))
    and (%(before)s::uuid is null
        or (t.changed_at, t.id) < (select b.changed_at, b.id from threads b where b.id = %(before)s::uuid))
order by t.changed_at desc, t.id desc limit %(limit)s::integer;

-- name: shares_of_thread
-- With whom a thread is shared.
select s.id, s.person_id, s.group_id, g.name as group_name from thread_shares s
left join groups g on g.tenant_id = s.tenant_id and g.id = s.group_id
where s.thread_id = %(thread_id)s::uuid order by s.id limit %(limit)s::integer;

-- name: share_add
-- A thread is shared with a person or a group.
insert into thread_shares (tenant_id, id, thread_id, person_id, group_id, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(thread_id)s::uuid, %(person_id)s::uuid, %(group_id)s::uuid, %(now)s::timestamptz)
on conflict do nothing;

-- name: shares_end
-- A thread is no longer shared with some of those with whom it was.
delete from thread_shares where thread_id = %(thread_id)s::uuid and id = any(%(ids)s::uuid[]);

-- name: shares_erase_person
-- What others share with a person.
delete from thread_shares where person_id = %(person_id)s::uuid returning id;

-- name: threads_of_person
-- A person's threads, or those of them that they share, those that were spoken in last first, behind the one that is named.
select t.id, t.person_id, t.assistant_id, a.name as assistant, t.title_sealed, t.head_id, t.turns, t.created_at, t.changed_at
from threads t join assistants a on a.tenant_id = t.tenant_id and a.id = t.assistant_id
where t.person_id = %(person_id)s::uuid and t.deleted_at is null
    and (not %(only_shared)s::boolean or exists (select from thread_shares s where s.tenant_id = t.tenant_id and s.thread_id = t.id))
    and (%(before)s::uuid is null
        or (t.changed_at, t.id) < (select b.changed_at, b.id from threads b where b.id = %(before)s::uuid and b.person_id = %(person_id)s::uuid))
order by t.changed_at desc, t.id desc limit %(limit)s::integer;

-- name: thread_rename
-- Another title.
update threads set title_sealed = %(title_sealed)s::bytea
where id = %(id)s::uuid and person_id = %(person_id)s::uuid and deleted_at is null returning id;

-- name: thread_delete
-- A thread is nobody's to see any more.
update threads set deleted_at = %(now)s::timestamptz
where id = %(id)s::uuid and person_id = %(person_id)s::uuid and deleted_at is null returning id, turns;

-- name: thread_restore
-- A thread that was deleted after a moment is there again.
update threads set deleted_at = null
where id = %(id)s::uuid and person_id = %(person_id)s::uuid and deleted_at > %(after)s::timestamptz returning id, turns;

-- name: threads_forget
-- Of all tenants, what was deleted up to a moment goes, some at a time, and its turns and shares with it.
-- door: system
delete from threads where (tenant_id, id) in (
    select tenant_id, id from threads where deleted_at <= %(until)s::timestamptz limit %(limit)s::integer
);

-- name: turn_add
-- A turn of a thread.
insert into turns (tenant_id, id, thread_id, parent_id, person_id, refused, said_sealed, rests_on, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(thread_id)s::uuid, %(parent_id)s::uuid, %(person_id)s::uuid, %(refused)s::boolean,
    %(said_sealed)s::bytea, %(rests_on)s::uuid[], %(now)s::timestamptz);

-- name: turn_withdraw
-- A turn that nothing was said after goes.
delete from turns t where t.id = %(id)s::uuid and t.person_id = %(person_id)s::uuid
    and not exists (select from turns u where u.thread_id = t.thread_id and u.parent_id = t.id)
returning t.thread_id, t.parent_id;

-- name: thread_withdraw
-- A thread whose only turn has gone goes.
delete from threads where id = %(id)s::uuid and person_id = %(person_id)s::uuid and head_id = %(turn_id)s::uuid and turns = 1;

-- name: thread_shrink
-- A thread has a turn less; what was said last is what that followed, or the latest that is left.
update threads t set turns = turns - 1, head_id = case when head_id <> %(turn_id)s::uuid then head_id else coalesce(%(parent_id)s::uuid,
    (select u.id from turns u where u.thread_id = t.id order by u.id desc limit 1), head_id) end
where t.id = %(id)s::uuid and t.person_id = %(person_id)s::uuid;

-- name: turn_path
-- A turn and those before it on its branch, the latest first.
with recursive path as (
    select t.*, 1 as place from turns t
    where t.id = %(id)s::uuid and t.thread_id = %(thread_id)s::uuid and t.person_id = %(person_id)s::uuid
    union all
    select t.*, p.place + 1 from path p join turns t on t.id = p.parent_id and t.thread_id = p.thread_id
    where p.place < %(limit)s::integer
)
select id, parent_id, refused, said_sealed, rests_on, summary_sealed, summary_rests_on, created_at from path order by place;

-- name: turns_of_thread
-- The turns of a thread in the order in which they were said, behind the one that is named.
select id, parent_id, refused, said_sealed, rests_on, summary_sealed, summary_rests_on, created_at from turns
where thread_id = %(thread_id)s::uuid and person_id = %(person_id)s::uuid and (%(after)s::uuid is null or id > %(after)s::uuid)
order by id limit %(limit)s::integer;

-- name: turns_of_threads
-- The turns of some threads, those of each in the order in which they were said.
select id, thread_id, parent_id, refused, said_sealed, rests_on, summary_sealed, summary_rests_on, created_at from turns
where thread_id = any(%(thread_ids)s::uuid[]) and person_id = %(person_id)s::uuid order by thread_id, id limit %(limit)s::integer;

-- name: turn_tree
-- Which turn of a thread follows which, in the order in which they were said.
select id, parent_id from turns where thread_id = %(thread_id)s::uuid and person_id = %(person_id)s::uuid order by id limit %(limit)s::integer;

-- name: turns_by_id
-- Some turns of a thread.
select id, parent_id, refused, said_sealed, rests_on, summary_sealed, summary_rests_on, created_at from turns
where id = any(%(ids)s::uuid[]) and thread_id = %(thread_id)s::uuid and person_id = %(person_id)s::uuid order by id;

-- name: turns_asked_again
-- Turns of a time, and those of them in whose place, or behind whose refusal, their own person soon said something else.
select count(*) as turns, count(*) filter (where exists (
    select from turns u
    where u.tenant_id = t.tenant_id and u.thread_id = t.thread_id and u.person_id = t.person_id and (u.created_at, u.id) > (t.created_at, t.id)
        and u.created_at <= t.created_at + %(window)s::interval
        and (u.parent_id is not distinct from t.parent_id or (t.refused and u.parent_id = t.id)))) as again
from turns t
where t.id >= ondol.first_id_at((%(since)s::timestamptz) at time zone 'UTC') and t.created_at >= %(since)s::timestamptz
    and t.created_at <= %(until)s::timestamptz;

-- name: turn_summary_put
-- What was said up to a turn, in short.
update turns set summary_sealed = %(summary_sealed)s::bytea, summary_rests_on = %(rests_on)s::uuid[]
where id = %(id)s::uuid and person_id = %(person_id)s::uuid;

-- name: slot_put
-- What is to be kept in mind under a name, or another value of it.
insert into memory_slots (tenant_id, id, assistant_id, person_id, name, value_sealed, changed_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(assistant_id)s::uuid, %(person_id)s::uuid, %(name)s::text, %(value_sealed)s::bytea,
    %(now)s::timestamptz)
on conflict (tenant_id, assistant_id, person_id, name) do update set value_sealed = excluded.value_sealed, changed_at = excluded.changed_at;

-- name: slots_of_person
-- What an assistant keeps in mind of a person, by name.
select name, value_sealed, changed_at from memory_slots
where assistant_id = %(assistant_id)s::uuid and person_id = %(person_id)s::uuid order by name limit %(limit)s::integer;

-- name: slot_delete
-- It is no longer kept in mind.
delete from memory_slots
where assistant_id = %(assistant_id)s::uuid and person_id = %(person_id)s::uuid and name = %(name)s::text returning id;

-- name: threads_erase_person
-- All threads of a person, with their turns.
delete from threads where person_id = %(person_id)s::uuid returning id;

-- name: slots_erase_person
-- All that is kept in mind of a person.
delete from memory_slots where person_id = %(person_id)s::uuid returning id;

-- name: turns_erase_resting
-- The turns that may hold words of one of these document versions.
delete from turns where rests_on && %(version_ids)s::uuid[] or summary_rests_on && %(version_ids)s::uuid[] returning id;

-- name: turns_resting_count
-- The turns that may hold words of a document that is erased.
select count(*) as counted from turns t
where t.tenant_id = %(tenant_id)s::uuid and exists (
    select from erasure_items i
    where i.tenant_id = t.tenant_id and i.erasure_id = %(erasure_id)s::uuid and i.kind = 'version'
        and (i.item_id = any(t.rests_on) or i.item_id = any(t.summary_rests_on)));

-- name: memory_count
-- The threads, turns and slots of a person who is erased, and what is shared with them.
select (select count(*) from threads t where t.tenant_id = %(tenant_id)s::uuid and t.person_id = %(person_id)s::uuid)
    + (select count(*) from turns u where u.tenant_id = %(tenant_id)s::uuid and u.person_id = %(person_id)s::uuid)
    + (select count(*) from memory_slots s where s.tenant_id = %(tenant_id)s::uuid and s.person_id = %(person_id)s::uuid)
    + (select count(*) from thread_shares h where h.tenant_id = %(tenant_id)s::uuid and h.person_id = %(person_id)s::uuid) as counted;
