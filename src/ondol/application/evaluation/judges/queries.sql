-- The queries of judgements: what a judge said is kept for a while, and found again by its address.

-- name: judgement_by_address
-- What a judge said, if that is not too long ago.
select person_id, reply_sealed from judgements where address = %(address)s::bytea and created_at > %(since)s::timestamptz;

-- name: judgement_put
-- What a judge said; what was said before to the same question gives way. Nobody has it again who was erased meanwhile.
insert into judgements (tenant_id, address, person_id, document_ids, reply_sealed, created_at)
values (%(tenant_id)s::uuid, %(address)s::bytea, %(person_id)s::uuid, %(document_ids)s::uuid[], %(reply_sealed)s::bytea, %(now)s::timestamptz)
on conflict (tenant_id, address) do update set person_id = excluded.person_id, document_ids = excluded.document_ids,
    reply_sealed = excluded.reply_sealed, created_at = excluded.created_at;

-- name: judgements_expire
-- Remove some of those that are too old.
delete from judgements where address in (
    select address from judgements where created_at <= %(since)s::timestamptz order by created_at limit %(limit)s::int);

-- name: judgements_erase
-- Remove what was said of answers that a person asked for, or that may hold words of a document.
delete from judgements where person_id = %(person_id)s::uuid or document_ids @> array[%(document_id)s::uuid];

-- name: judgements_erase_count
-- How many there are to remove.
select count(*) as counted from judgements
where tenant_id = %(tenant_id)s::uuid and (person_id = %(person_id)s::uuid or document_ids @> array[%(document_id)s::uuid]);
