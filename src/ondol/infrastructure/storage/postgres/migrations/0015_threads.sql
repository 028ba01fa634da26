-- Threads: what a person and an assistant have said to each other, and what an assistant remembers of a person. All text is sealed under the
-- person's key.

create table ondol.threads (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    assistant_id uuid not null,
    person_id uuid not null,
    title_sealed bytea not null,
    head_id uuid not null,
    turns integer not null default 0 check (turns >= 0),
    created_at timestamptz not null,
    changed_at timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, assistant_id) references ondol.assistants (tenant_id, id) on delete cascade
);
create index threads_by_person on ondol.threads (tenant_id, person_id, changed_at, id);
select ondol.bind_to_tenant('ondol.threads');

-- One question with its answer, whose id it has. Turns that follow the same one are siblings: an edited question, or the same one asked again.
-- `rests_on` names the document versions that may have left words in it; who may not read them all is not reminded of it. A summary tells of
-- the turns up to and including this one on its branch, and rests on what those rest on.
create table ondol.turns (
    tenant_id uuid not null,
    id uuid not null,
    thread_id uuid not null,
    parent_id uuid,
    person_id uuid not null,
    refused boolean not null,
    said_sealed bytea not null,
    rests_on uuid[] not null,
    summary_sealed bytea,
    summary_rests_on uuid[],
    created_at timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, thread_id) references ondol.threads (tenant_id, id) on delete cascade,
    check ((summary_sealed is null) = (summary_rests_on is null))
) partition by range (id);
create index turns_by_thread on ondol.turns (tenant_id, thread_id, id);
create index turns_by_person on ondol.turns (tenant_id, person_id);
create index turns_by_ground on ondol.turns using gin (rests_on);
select ondol.bind_to_tenant('ondol.turns');

-- What a person told an assistant to keep in mind, by name.
create table ondol.memory_slots (
    tenant_id uuid not null,
    id uuid not null,
    assistant_id uuid not null,
    person_id uuid not null,
    name text not null check (name ~ '^[a-z][a-z0-9_]{0,31}$'),
    value_sealed bytea not null,
    changed_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, assistant_id, person_id, name),
    foreign key (tenant_id, assistant_id) references ondol.assistants (tenant_id, id) on delete cascade
);
create index memory_slots_by_person on ondol.memory_slots (tenant_id, person_id);
select ondol.bind_to_tenant('ondol.memory_slots');
