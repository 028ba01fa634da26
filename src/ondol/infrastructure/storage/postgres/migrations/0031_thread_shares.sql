-- With whom of the tenant a thread is shared, to be read: a person, or everybody of a group.

create table ondol.thread_shares (
    tenant_id uuid not null,
    id uuid not null,
    thread_id uuid not null,
    person_id uuid,
    group_id uuid,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique nulls not distinct (tenant_id, thread_id, person_id, group_id),
    foreign key (tenant_id, thread_id) references ondol.threads (tenant_id, id) on delete cascade,
    foreign key (tenant_id, person_id) references ondol.people (tenant_id, id) on delete cascade,
    foreign key (tenant_id, group_id) references ondol.groups (tenant_id, id) on delete cascade,
    check ((person_id is null) <> (group_id is null))
);
create index thread_shares_by_person on ondol.thread_shares (tenant_id, person_id) where person_id is not null;
create index thread_shares_by_group on ondol.thread_shares (tenant_id, group_id) where group_id is not null;
select ondol.bind_to_tenant('ondol.thread_shares');
