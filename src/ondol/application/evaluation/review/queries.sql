-- The queries of reviews: queues, what is judged, who has taken what, what they think of it.

-- name: queue_add
-- A new queue.
insert into review_queues (tenant_id, id, name, is_open, scales, quorum, lease_minutes, seed, feedback, created_by, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(name)s::text, true, %(scales)s::text[], %(quorum)s::int, %(lease_minutes)s::int, %(seed)s::bigint,
    %(feedback)s::text, %(by)s::uuid, %(now)s::timestamptz);

-- name: queue_by_name
-- A queue by its name.
select id, name, is_open, scales, quorum, lease_minutes, seed, feedback, created_at from review_queues where name = %(name)s::text;

-- name: queue_lock
-- Items of a queue are given and taken back one after the other.
select id from review_queues where id = %(id)s::uuid for update;

-- name: queue_change
-- Open or close a queue, or say which opinions enter it.
update review_queues set is_open = %(is_open)s::boolean, feedback = %(feedback)s::text where id = %(id)s::uuid;

-- name: queues_all
-- All queues by name, or those of one rater, with how many items are in each state and how many they have judged themselves.
select q.id, q.name, q.is_open, q.scales, q.quorum, q.lease_minutes, q.seed, q.feedback, q.created_at,
    (select coalesce(jsonb_object_agg(counted.state, counted.items), '{}'::jsonb) from (
        select state, count(*) as items from review_items where queue_id = q.id group by state) counted) as states,
    (select count(*) from review_ratings r join review_items i on i.id = r.item_id
        where i.queue_id = q.id and (%(person_id)s::uuid is null or r.person_id = %(person_id)s::uuid)) as ratings
from review_queues q
where %(person_id)s::uuid is null or exists (select from review_raters m where m.queue_id = q.id and m.person_id = %(person_id)s::uuid)
order by q.name limit %(limit)s::int;

-- name: guideline_add
-- The next version of what raters are told.
insert into review_guidelines (tenant_id, queue_id, version, text_sealed, created_by, created_at)
values (%(tenant_id)s::uuid, %(queue_id)s::uuid, %(version)s::int, %(text_sealed)s::bytea, %(by)s::uuid, %(now)s::timestamptz);

-- name: guideline_newest
-- What raters are told now.
select tenant_id, version, text_sealed from review_guidelines where queue_id = %(queue_id)s::uuid order by version desc limit 1;

-- name: rater_add
-- Somebody may judge.
insert into review_raters (tenant_id, queue_id, person_id, added_at)
values (%(tenant_id)s::uuid, %(queue_id)s::uuid, %(person_id)s::uuid, %(now)s::timestamptz) on conflict (tenant_id, queue_id, person_id) do nothing;

-- name: rater_remove
-- Somebody may judge no more; what they judged stays.
delete from review_raters where queue_id = %(queue_id)s::uuid and person_id = %(person_id)s::uuid;

-- name: raters_of_queue
-- Who may judge, in the order in which they were named.
select person_id from review_raters where queue_id = %(queue_id)s::uuid order by added_at, person_id;

-- name: item_add
-- Something to judge, unless the same answer is in the queue already.
insert into review_items (tenant_id, id, queue_id, request_id, person_id, state, reasons, gold, content_sealed, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(queue_id)s::uuid, %(request_id)s::uuid, %(person_id)s::uuid, %(state)s::text, %(reasons)s::text[],
    %(gold)s::jsonb, %(content_sealed)s::bytea, %(now)s::timestamptz)
on conflict (tenant_id, queue_id, request_id) do nothing;

-- name: items_counted
-- How many items a queue has.
select count(*) as counted from review_items where queue_id = %(queue_id)s::uuid;

-- name: item_by_id
-- One item of a queue.
select tenant_id, id, queue_id, request_id, person_id, state, reasons, gold, content_sealed, created_at from review_items
where queue_id = %(queue_id)s::uuid and id = %(id)s::uuid;

-- name: items_page
-- Items of a queue in some states, behind an id.
select tenant_id, id, queue_id, request_id, person_id, state, reasons, gold, content_sealed, created_at from review_items
where queue_id = %(queue_id)s::uuid and state = any(%(states)s::text[]) and (%(after)s::uuid is null or id > %(after)s::uuid)
order by id limit %(limit)s::int;

-- name: item_requests
-- The answers that are in a queue.
select request_id from review_items where queue_id = %(queue_id)s::uuid and request_id is not null order by id desc limit %(limit)s::int;

-- name: item_state
-- How far an item has come.
update review_items set state = %(state)s::text where id = %(id)s::uuid;

-- name: item_taken
-- What somebody has taken and not judged yet.
select i.tenant_id, i.id, i.person_id, i.content_sealed, l.guideline, l.until
from review_leases l join review_items i on i.id = l.item_id
where i.queue_id = %(queue_id)s::uuid and l.person_id = %(person_id)s::uuid and l.until > %(now)s::timestamptz order by i.id limit 1;

-- name: item_next
-- What somebody judges next, in an order that is their own: not what they asked or judged themselves, and not what enough others have judged or taken.
select i.tenant_id, i.id, i.person_id, i.content_sealed
from review_items i
where i.queue_id = %(queue_id)s::uuid and i.person_id is distinct from %(person_id)s::uuid
    and not exists (select from review_ratings r where r.item_id = i.id and r.person_id = %(person_id)s::uuid)
    and (i.state = 'gold' or (i.state = 'open' and (select count(*) from review_ratings r where r.item_id = i.id)
        + (select count(*) from review_leases l where l.item_id = i.id and l.until > %(now)s::timestamptz) < %(quorum)s::int))
order by md5(i.id::text || %(seed)s::text || %(person_id)s::text) limit 1;

-- name: lease_put
-- Somebody takes an item.
insert into review_leases (tenant_id, item_id, person_id, guideline, until)
values (%(tenant_id)s::uuid, %(item_id)s::uuid, %(person_id)s::uuid, %(guideline)s::int, %(until)s::timestamptz)
on conflict (tenant_id, item_id, person_id) do update set guideline = excluded.guideline, until = excluded.until;

-- name: lease_end
-- They have judged it, or give it back.
delete from review_leases where item_id = %(item_id)s::uuid and person_id = %(person_id)s::uuid and until > %(now)s::timestamptz returning guideline;

-- name: rating_add
-- What somebody thinks of an item.
insert into review_ratings (tenant_id, id, item_id, person_id, guideline, points, note_sealed, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(item_id)s::uuid, %(person_id)s::uuid, %(guideline)s::int, %(points)s::jsonb, %(note_sealed)s::bytea,
    %(now)s::timestamptz);

-- name: ratings_of_items
-- What was thought of some items, in the order of judging.
select id, item_id, person_id, guideline, points, note_sealed, created_at from review_ratings where item_id = any(%(ids)s::uuid[]) order by id;

-- name: points_of_queue
-- All points of a queue, with those that are known to be right.
select r.item_id, r.person_id, r.points, i.gold from review_ratings r join review_items i on i.id = r.item_id
where i.queue_id = %(queue_id)s::uuid order by r.id limit %(limit)s::int;

-- name: decision_add
-- What was decided where raters did not agree.
insert into review_decisions (tenant_id, item_id, points, note_sealed, decided_by, created_at)
values (%(tenant_id)s::uuid, %(item_id)s::uuid, %(points)s::jsonb, %(note_sealed)s::bytea, %(by)s::uuid, %(now)s::timestamptz);

-- name: decisions_of_items
-- What was decided of some items.
select item_id, points, note_sealed from review_decisions where item_id = any(%(ids)s::uuid[]);

-- name: feedback_to_review
-- Answers of which people said something that brings them into a queue, in another order each time, so that none that cannot be shown stays in the way.
select f.request_id, bool_or(f.thumb = 'down' or f.score < 50) as is_disliked
from feedback f join request_contents c on c.id = f.request_id and c.keep_until > %(now)s::timestamptz
where not exists (select from review_items i where i.queue_id = %(queue_id)s::uuid and i.request_id = f.request_id)
group by f.request_id
having %(every)s::boolean or bool_or(f.thumb = 'down' or f.score < 50)
order by md5(f.request_id::text || %(now)s::timestamptz::text) limit %(limit)s::int;

-- name: review_items_erase
-- Remove what a person asked, or what was taken from answers that an erasure reaches, with all that was thought of it.
delete from review_items where person_id = %(person_id)s::uuid
    or request_id in (select item_id from erasure_items where erasure_id = %(erasure_id)s::uuid and kind = 'answer');

-- name: review_items_count
-- What the erasure of items removes.
select count(*) as counted from review_items i
where i.tenant_id = %(tenant_id)s::uuid and (i.person_id = %(person_id)s::uuid or exists (
    select from erasure_items e where e.tenant_id = i.tenant_id and e.erasure_id = %(erasure_id)s::uuid and e.kind = 'answer'
        and e.item_id = i.request_id));

-- name: rater_erase
-- A person rates no more.
delete from review_raters where person_id = %(person_id)s::uuid;

-- name: rater_leases_erase
-- What they had taken is free again.
delete from review_leases where person_id = %(person_id)s::uuid;

-- name: rater_notes_erase
-- Of what they judged the words go.
update review_ratings set note_sealed = null where person_id = %(person_id)s::uuid and note_sealed is not null;

-- name: rater_count
-- What the erasure of a rater removes.
select (select count(*) from review_raters m where m.tenant_id = %(tenant_id)s::uuid and m.person_id = %(person_id)s::uuid)
    + (select count(*) from review_leases l where l.tenant_id = %(tenant_id)s::uuid and l.person_id = %(person_id)s::uuid)
    + (select count(*) from review_ratings r where r.tenant_id = %(tenant_id)s::uuid and r.person_id = %(person_id)s::uuid
        and r.note_sealed is not null) as counted;
