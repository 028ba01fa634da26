-- The queries of golden sets: versions that are only added, items that are emptied when they are erased, proposals that a second person decides.

-- name: set_add
-- A new set.
insert into golden_sets (tenant_id, id, name, split, base_id, floors, owner_id, expires_at, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(name)s::text, %(split)s::text, %(base_id)s::uuid, %(floors)s::jsonb, %(owner_id)s::uuid,
    %(expires_at)s::timestamptz, %(now)s::timestamptz);

-- name: set_by_name
-- A set by its name.
select id, name, split, base_id, floors, owner_id, expires_at, created_at from golden_sets where name = %(name)s::text;

-- name: set_lock
-- Versions of a set come one after the other.
select id from golden_sets where id = %(id)s::uuid for update;

-- name: set_change
-- Other floors, another owner or another end of a set.
update golden_sets set floors = %(floors)s::jsonb, owner_id = %(owner_id)s::uuid, expires_at = %(expires_at)s::timestamptz
where id = %(id)s::uuid;

-- name: sets_all
-- All sets by name, with their newest version.
select s.id, s.name, s.split, s.base_id, s.floors, s.owner_id, s.expires_at, s.created_at, v.number, v.items, v.root, v.missing
from golden_sets s
left join lateral (
    select number, items, root, missing from golden_versions where set_id = s.id order by number desc limit 1) v on true
order by s.name limit %(limit)s::int;

-- name: sets_counted
-- How many sets the tenant has.
select count(*) as counted from golden_sets;

-- name: version_newest
-- The newest version of a set.
select id, set_id, number, root, items, slices, missing, created_by, created_at from golden_versions
where set_id = %(set_id)s::uuid order by number desc limit 1;

-- name: version_by_number
-- A version by its number.
select id, set_id, number, root, items, slices, missing, created_by, created_at from golden_versions
where set_id = %(set_id)s::uuid and number = %(number)s::int;

-- name: versions_of_set
-- The versions of a set, the newest first.
select id, set_id, number, root, items, slices, missing, created_by, created_at from golden_versions
where set_id = %(set_id)s::uuid order by number desc limit %(limit)s::int;

-- name: version_add
-- A version.
insert into golden_versions (tenant_id, id, set_id, number, root, items, slices, missing, created_by, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(set_id)s::uuid, %(number)s::int, %(root)s::bytea, %(items)s::int, %(slices)s::jsonb,
    %(missing)s::jsonb, %(by)s::uuid, %(now)s::timestamptz);

-- name: entries_add
-- The items of a version in their order.
insert into golden_entries (tenant_id, version_id, place, item_id)
select %(tenant_id)s::uuid, %(version_id)s::uuid, given.place - 1, given.item_id
from unnest(%(item_ids)s::uuid[]) with ordinality as given (item_id, place);

-- name: items_add
-- Wordings that the set does not have yet.
insert into golden_items (tenant_id, id, set_id, name, address, owner_kind, owner_id, request_id, content_sealed, created_at)
select %(tenant_id)s::uuid, given.id, %(set_id)s::uuid, given.name, given.address, given.owner_kind, given.owner_id, given.request_id,
    given.content_sealed, %(now)s::timestamptz
from unnest(%(ids)s::uuid[], %(names)s::text[], %(addresses)s::bytea[], %(owner_kinds)s::text[], %(owner_ids)s::uuid[], %(request_ids)s::uuid[],
    %(contents)s::bytea[]) as given (id, name, address, owner_kind, owner_id, request_id, content_sealed)
on conflict (tenant_id, set_id, address) do nothing;

-- name: items_by_address
-- The wordings of a set that have these addresses.
select id, address, content_sealed = ''::bytea as is_erased from golden_items
where set_id = %(set_id)s::uuid and address = any(%(addresses)s::bytea[]);

-- name: grounds_add
-- The documents that items were written from.
insert into golden_grounds (tenant_id, item_id, document_id, version_id)
select %(tenant_id)s::uuid, given.item_id, given.document_id, given.version_id
from unnest(%(item_ids)s::uuid[], %(document_ids)s::uuid[], %(version_ids)s::uuid[]) as given (item_id, document_id, version_id)
on conflict (tenant_id, item_id, document_id) do nothing;

-- name: grounds_of_version
-- The document versions that the items of a version were written from.
select distinct g.version_id from golden_entries e join golden_grounds g on g.item_id = e.item_id where e.version_id = %(version_id)s::uuid;

-- name: documents_now
-- What documents hold now, by the keyed hashes of their keys.
select d.id, d.key_hash, v.id as version_id, v.content_address
from documents d join document_versions v on v.document_id = d.id and v.state = 'current'
where d.base_id = %(base_id)s::uuid and d.key_hash = any(%(key_hashes)s::bytea[]);

-- name: entries_of_version
-- Items of a version in their order, behind a place.
select e.place, e.tenant_id, i.id, i.name, i.address, i.owner_kind, i.owner_id, i.request_id, i.content_sealed
from golden_entries e join golden_items i on i.id = e.item_id
where e.version_id = %(version_id)s::uuid and e.place > %(after)s::int order by e.place limit %(limit)s::int;

-- name: stale_items
-- Items of a version whose documents hold something else now, or are there no more.
select i.id, i.name, bool_or(now_held.id is null) as is_gone
from golden_entries e
join golden_items i on i.id = e.item_id
join golden_grounds g on g.item_id = i.id
left join document_versions written on written.id = g.version_id
left join document_versions now_held on now_held.document_id = g.document_id and now_held.state = 'current'
where e.version_id = %(version_id)s::uuid and i.content_sealed <> ''::bytea
    and (now_held.id is null or now_held.content_address is distinct from written.content_address)
group by e.place, i.id, i.name order by e.place limit %(limit)s::int;

-- name: erased_items
-- Items of a version that were erased.
select i.id, i.name from golden_entries e join golden_items i on i.id = e.item_id
where e.version_id = %(version_id)s::uuid and i.content_sealed = ''::bytea order by e.place limit %(limit)s::int;

-- name: items_erase
-- Empty the items that were written from a document, that a person asked, or that were taken from an answer which an erasure reaches.
update golden_items i set content_sealed = ''::bytea
where i.content_sealed <> ''::bytea and (
    (i.owner_kind = 'subject' and i.owner_id = %(person_id)s::uuid)
    or i.id in (select g.item_id from golden_grounds g where g.document_id = %(document_id)s::uuid)
    or i.request_id in (select e.item_id from erasure_items e where e.erasure_id = %(erasure_id)s::uuid and e.kind = 'answer'));

-- name: items_erase_count
-- What the erasure of items empties.
select count(*) as counted from golden_items i
where i.tenant_id = %(tenant_id)s::uuid and i.content_sealed <> ''::bytea and (
    (i.owner_kind = 'subject' and i.owner_id = %(person_id)s::uuid)
    or exists (select from golden_grounds g where g.tenant_id = i.tenant_id and g.item_id = i.id and g.document_id = %(document_id)s::uuid)
    or exists (select from erasure_items e where e.tenant_id = i.tenant_id and e.erasure_id = %(erasure_id)s::uuid and e.kind = 'answer'
        and e.item_id = i.request_id));

-- name: proposals_erase
-- Remove what was proposed of a person's questions, or of answers that an erasure reaches.
delete from golden_proposals where person_id = %(person_id)s::uuid
    or request_id in (select item_id from erasure_items where erasure_id = %(erasure_id)s::uuid and kind = 'answer');

-- name: proposals_erase_count
-- What the erasure of proposals removes.
select count(*) as counted from golden_proposals p
where p.tenant_id = %(tenant_id)s::uuid and (p.person_id = %(person_id)s::uuid or exists (
    select from erasure_items e where e.tenant_id = p.tenant_id and e.erasure_id = %(erasure_id)s::uuid and e.kind = 'answer'
        and e.item_id = p.request_id));

-- name: base_versions
-- What a base holds now.
select id, document_id from document_versions where base_id = %(base_id)s::uuid and state = 'current' order by id limit %(limit)s::int;

-- name: answers_to_sample
-- Kept answers with what speaks for looking at them, in an order that a seed decides; those with the most such reasons first where risk is asked for.
with found as (
    select c.id, c.person_id, array_remove(array[
        case when a.outcome = 'refused' then 'refused' end,
        case when exists (select from feedback f where f.request_id = c.id and (f.thumb = 'down' or f.score < 50)) then 'disliked' end,
        case when r.guard_decision <> 'allow' then 'guard' end,
        case when (
            select count(*) filter (where s ->> 'verdict' = 'supported') * 1000 < count(*) * %(verified_thousandths)s::int
            from jsonb_array_elements(a.provenance -> 'sentences') s) then 'unverified' end], null) as reasons
    from request_contents c
    left join requests r on r.id = c.id
    left join answers a on a.id = c.id
    where c.keep_until > %(now)s::timestamptz and c.created_at >= %(since)s::timestamptz and c.id <> all(%(skipped)s::uuid[])
)
select id, person_id, reasons from found
where not %(by_risk)s::boolean or cardinality(reasons) > 0
order by case when %(by_risk)s::boolean then -cardinality(reasons) else 0 end, md5(id::text || %(seed)s::text) limit %(limit)s::int;

-- name: proposals_of_answers
-- From which answers something was proposed for a set, whatever became of it.
select request_id from golden_proposals where set_id = %(set_id)s::uuid order by id desc limit %(limit)s::int;

-- name: proposal_add
-- Put something up for a set, unless that was done already.
insert into golden_proposals (tenant_id, id, set_id, request_id, person_id, reasons, state, content_sealed, proposed_by, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(set_id)s::uuid, %(request_id)s::uuid, %(person_id)s::uuid, %(reasons)s::text[], 'proposed',
    %(content_sealed)s::bytea, %(by)s::uuid, %(now)s::timestamptz)
on conflict (tenant_id, set_id, request_id) do nothing;

-- name: proposals_page
-- What is put up for a set and not decided yet, behind an id.
select tenant_id, id, set_id, request_id, person_id, reasons, state, content_sealed, proposed_by, created_at from golden_proposals
where set_id = %(set_id)s::uuid and state = 'proposed' and (%(after)s::uuid is null or id > %(after)s::uuid) order by id limit %(limit)s::int;

-- name: proposals_by_id
-- Some of what is put up for a set and not decided yet, locked for the decision.
select tenant_id, id, set_id, request_id, person_id, reasons, state, content_sealed, proposed_by, created_at from golden_proposals
where set_id = %(set_id)s::uuid and state = 'proposed' and id = any(%(ids)s::uuid[]) order by id for update;

-- name: proposal_reword
-- Another wording, by whoever wrote it.
update golden_proposals set content_sealed = %(content_sealed)s::bytea, proposed_by = %(by)s::uuid where id = %(id)s::uuid;

-- name: proposals_decide
-- They are decided, and nothing is left of their content.
update golden_proposals set state = %(state)s::text, decided_by = %(by)s::uuid, decided_at = %(now)s::timestamptz, content_sealed = ''::bytea
where id = any(%(ids)s::uuid[]);
