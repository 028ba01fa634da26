-- Documents one at a time: where a version came from, access that was set by hand, uploads that wait to be taken in, and requests that came before.

-- Who brought a version: a run over a folder, or somebody who uploaded it. A run never takes out what was uploaded unless it is told to.
-- What somebody deleted is not taken in again from a file that has not changed since.
alter table ondol.document_versions
    add column origin text not null default 'folder' check (origin in ('folder', 'upload')),
    add column deleted boolean not null default false;
create index document_versions_by_any_source on ondol.document_versions (tenant_id, base_id, source_hash);
create index document_versions_listed on ondol.document_versions (tenant_id, base_id, document_id) where state = 'current';

-- Access that was set by hand holds for later versions too, whatever their files say.
alter table ondol.documents
    add column audience_id uuid,
    add foreign key (tenant_id, audience_id) references ondol.audiences (tenant_id, id);
create index documents_by_audience on ondol.documents (tenant_id, audience_id) where audience_id is not null;

-- A file that was received whole, sealed under a key of its own with its id, until a job worker has taken it in. What is said of it is sealed with
-- that key, why it failed with the tenant's.
create table ondol.uploads (
    tenant_id uuid not null,
    id uuid not null,
    base_id uuid not null,
    person_id uuid not null,
    state text not null check (state in ('received', 'taken_in', 'failed')),
    bytes bigint not null check (bytes >= 0),
    attempts smallint not null default 0,
    told_sealed bytea not null,
    document_id uuid,
    version_id uuid,
    failure text check (failure ~ '^[a-z0-9_]{1,100}$'),
    detail_sealed bytea,
    created_at timestamptz not null,
    ended_at timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, base_id) references ondol.bases (tenant_id, id)
);
create index uploads_waiting on ondol.uploads (tenant_id, id) where state = 'received';
create index uploads_ended on ondol.uploads (ended_at) where state <> 'received';
select ondol.bind_to_tenant('ondol.uploads');

create function ondol.tell_uploads() returns trigger
language plpgsql set search_path = ondol, pg_temp as $$
begin
    perform pg_notify('ondol_uploads', '');
    return null;
end $$;
create trigger upload_received after insert on ondol.uploads
    for each statement execute function ondol.tell_uploads();

-- Requests that carried an Idempotency-Key, by whoever sent it: a person's session or one API key. The answer holds ids and words only.
create table ondol.idempotency_keys (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    caller_id uuid not null,
    key_hash bytea not null check (length(key_hash) = 32),
    request_digest bytea not null check (length(request_digest) = 32),
    body_digest bytea check (length(body_digest) = 32),
    status smallint,
    answer jsonb,
    created_at timestamptz not null,
    keep_until timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, caller_id, key_hash)
);
create index idempotency_keys_by_end on ondol.idempotency_keys (keep_until);
select ondol.bind_to_tenant('ondol.idempotency_keys');
