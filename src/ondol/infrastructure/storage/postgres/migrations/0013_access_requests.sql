-- Requests for access: whoever was refused an answer may ask for more documents, once for each answer, in a note that is sealed with their own
-- key. Whether there is such a document nobody tells them; an owner or admin grants or refuses.
create table ondol.access_requests (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    answer_id uuid not null,
    person_id uuid not null,
    note_sealed bytea,
    state text not null default 'open' check (state in ('open', 'granted', 'refused')),
    decided_by uuid,
    decided_at timestamptz,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, answer_id),
    check ((state = 'open') = (decided_at is null))
);
create index access_requests_by_person on ondol.access_requests (tenant_id, person_id, created_at);
create index access_requests_open on ondol.access_requests (tenant_id, id) where state = 'open';
select ondol.bind_to_tenant('ondol.access_requests');
