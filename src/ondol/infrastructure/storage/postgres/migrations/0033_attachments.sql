-- Attachments: files that somebody brings to a conversation, to be asked about there and nowhere else.

-- Until the first answer of a new thread is kept, a file waits with its person and is in no thread (`bound_at` is null). What was in a thread that has
-- gone is in none either, and is removed. The file, its text and its terms lie sealed under a key of their own with the attachment's id, as those of a
-- document do; its name, its title and why it could not be read are sealed under the person's key.
create table ondol.attachments (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    person_id uuid not null,
    thread_id uuid,
    state text not null check (state in ('received', 'ready', 'failed')),
    bytes bigint not null check (bytes >= 0),
    attempts smallint not null default 0,
    media_type text not null,
    content_address bytea not null check (length(content_address) = 32),
    details_sealed bytea not null,
    language text,
    passages integer not null default 0 check (passages >= 0),
    failure text check (failure ~ '^[a-z0-9_]{1,100}$'),
    detail_sealed bytea,
    created_at timestamptz not null,
    ended_at timestamptz,
    bound_at timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, thread_id) references ondol.threads (tenant_id, id) on delete set null (thread_id),
    check (thread_id is null or bound_at is not null),
    check ((state = 'failed') = (failure is not null)),
    check (state <> 'ready' or language is not null)
);
create index attachments_by_thread on ondol.attachments (tenant_id, thread_id, id) where thread_id is not null;
create index attachments_by_person on ondol.attachments (tenant_id, person_id, id);
create index attachments_waiting on ondol.attachments (tenant_id, id) where state = 'received';
create index attachments_in_no_thread on ondol.attachments (tenant_id, created_at) where thread_id is null;
select ondol.bind_to_tenant('ondol.attachments');

create function ondol.tell_attachments() returns trigger
language plpgsql set search_path = ondol, pg_temp as $$
begin
    perform pg_notify('ondol_attachments', '');
    return null;
end $$;
create trigger attachment_received after insert on ondol.attachments
    for each statement execute function ondol.tell_attachments();
