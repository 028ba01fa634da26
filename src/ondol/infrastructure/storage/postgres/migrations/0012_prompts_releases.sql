-- Prompts with versions, and releases: what an assistant serves, as one immutable manifest and one pointer to it.

-- A prompt's version never changes. Its texts are sealed with the tenant's key: examples may be taken from what people asked.
create table ondol.prompt_versions (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    name text not null check (name ~ '^[a-z0-9](-?[a-z0-9]){0,62}$'),
    version integer not null check (version > 0),
    body_sealed bytea not null,
    digest bytea not null check (length(digest) = 32),
    is_built_in boolean not null,
    created_by uuid,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, name, version)
);
select ondol.bind_to_tenant('ondol.prompt_versions');

-- Names for versions of a prompt, moved at will.
create table ondol.prompt_labels (
    tenant_id uuid not null,
    name text not null,
    label text not null check (label ~ '^[a-z](-?[a-z0-9]){0,62}$'),
    version_id uuid not null,
    moved_at timestamptz not null,
    primary key (tenant_id, name, label),
    foreign key (tenant_id, version_id) references ondol.prompt_versions (tenant_id, id)
);
select ondol.bind_to_tenant('ondol.prompt_labels');

-- A release is numbered within its assistant. Which one is live is said by the assistant alone; its own state says how far it came before.
-- One that is implicit was made of the assistant's declaration, and the next declaration replaces it.
alter table ondol.releases
    add column number integer check (number > 0),
    add column is_implicit boolean not null default false,
    add column created_by uuid;
update ondol.releases r set number = numbered.number
from (select id, tenant_id, row_number() over (partition by tenant_id, assistant_id order by id) as number from ondol.releases) numbered
where numbered.tenant_id = r.tenant_id and numbered.id = r.id;
alter table ondol.releases add unique (tenant_id, assistant_id, number);
alter table ondol.releases drop constraint releases_state_check;
alter table ondol.releases add constraint releases_state_check
    check (state in ('draft', 'candidate', 'gated', 'shadow', 'canary', 'live', 'retired'));

alter table ondol.assistants
    add column live_release_id uuid,
    add column previous_release_id uuid,
    add foreign key (tenant_id, live_release_id) references ondol.releases (tenant_id, id),
    add foreign key (tenant_id, previous_release_id) references ondol.releases (tenant_id, id);

-- Every move of an assistant's pointer: from where, to where, by whom, and why in their own words, sealed with the tenant's key.
create table ondol.release_moves (
    tenant_id uuid not null,
    id uuid not null,
    assistant_id uuid not null,
    from_id uuid,
    to_id uuid not null,
    kind text not null check (kind in ('declare', 'activate', 'rollback')),
    reason text not null check (reason ~ '^[a-z][a-z_]{0,30}$'),
    note_sealed bytea,
    actor_id uuid,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, assistant_id) references ondol.assistants (tenant_id, id),
    foreign key (tenant_id, from_id) references ondol.releases (tenant_id, id),
    foreign key (tenant_id, to_id) references ondol.releases (tenant_id, id)
);
create index release_moves_by_assistant on ondol.release_moves (tenant_id, assistant_id, id);
select ondol.bind_to_tenant('ondol.release_moves');

-- The index versions that a release names: they stay while it is live, was live before, or is the next to be.
create table ondol.release_indexes (
    tenant_id uuid not null,
    release_id uuid not null,
    index_version_id uuid not null,
    primary key (tenant_id, release_id, index_version_id),
    foreign key (tenant_id, release_id) references ondol.releases (tenant_id, id),
    foreign key (tenant_id, index_version_id) references ondol.index_versions (tenant_id, id)
);
create index release_indexes_by_index on ondol.release_indexes (tenant_id, index_version_id);
select ondol.bind_to_tenant('ondol.release_indexes');

create function ondol.is_released(of_tenant uuid, index_id uuid) returns boolean
language sql stable set search_path = ondol, pg_temp as $$
    select exists (
        select from ondol.release_indexes i
        join ondol.releases r on r.tenant_id = i.tenant_id and r.id = i.release_id
        join ondol.assistants a on a.tenant_id = r.tenant_id and a.id = r.assistant_id
        where i.tenant_id = of_tenant and i.index_version_id = index_id
            and (r.state = 'candidate' or r.id in (a.live_release_id, a.previous_release_id)))
$$;
