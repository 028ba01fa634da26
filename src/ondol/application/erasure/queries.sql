-- The queries of asking for erasures: what a restore has brought back.

-- name: base_of_document
-- The base of a document that is there.
select base_id from documents where id = %(id)s::uuid;

-- name: anything_of_person
-- Whether anything is there that a person was given or said.
select id from answers where person_id = %(id)s::uuid and content_sealed <> ''::bytea
union all
select id from request_contents where person_id = %(id)s::uuid
union all
select id from attachments where person_id = %(id)s::uuid
limit 1;
