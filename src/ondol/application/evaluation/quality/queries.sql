-- The queries of the question how likely somebody would recommend the assistant. Asking is one statement, so that nobody is asked twice at once.

-- name: recommendation_ask
-- Somebody is asked: nothing when they were not long ago, or have had too few answers.
insert into recommendations (tenant_id, person_id, asked_at)
select %(tenant_id)s::uuid, p.id, %(now)s::timestamptz from people p
where p.id = %(person_id)s::uuid and p.kind = 'person'
    and (select count(*) from (select from turns t where t.tenant_id = p.tenant_id and t.person_id = p.id limit %(answers_min)s::integer) as few)
        >= %(answers_min)s::integer
on conflict (tenant_id, person_id) do update set asked_at = excluded.asked_at where recommendations.asked_at <= %(asked_before)s::timestamptz
returning person_id;

-- name: recommendation_put
-- What somebody said who was asked lately and has not said anything since.
update recommendations set score = %(score)s::smallint, answered_at = %(now)s::timestamptz
where person_id = %(person_id)s::uuid and asked_at > %(asked_after)s::timestamptz and (answered_at is null or answered_at < asked_at)
returning person_id;

-- name: recommendations_count
-- How many said each score since a moment.
select score, count(*) as people from recommendations where answered_at >= %(since)s::timestamptz group by score order by score;

-- name: recommendations_erase
-- What a person was asked and said.
delete from recommendations where person_id = %(person_id)s::uuid;

-- name: recommendations_left
-- What is left of a person who is erased.
select count(*) as counted from recommendations r where r.tenant_id = %(tenant_id)s::uuid and r.person_id = %(person_id)s::uuid;
