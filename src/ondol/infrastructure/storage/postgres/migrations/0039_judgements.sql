-- What judges said, so that the same question is not paid twice: by a keyed address over who judges, how it is asked, and what is judged.

-- The reply is sealed under the key of the person in whose name the answer was asked, or of the tenant where that was nobody. `document_ids` are those
-- whose words may stand in what was judged.
create table ondol.judgements (
    tenant_id uuid not null references ondol.tenants (id),
    address bytea not null check (length(address) = 32),
    person_id uuid,
    document_ids uuid[] not null,
    reply_sealed bytea not null,
    created_at timestamptz not null,
    primary key (tenant_id, address)
);
create index judgements_by_age on ondol.judgements (tenant_id, created_at);
create index judgements_by_person on ondol.judgements (tenant_id, person_id);
create index judgements_by_document on ondol.judgements using gin (document_ids);
select ondol.bind_to_tenant('ondol.judgements');
