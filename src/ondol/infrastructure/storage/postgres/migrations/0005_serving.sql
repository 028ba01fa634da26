-- Serving: which providers a tenant's models are answered by, and how the gateway treats the tenant's requests.

-- The tenant of whoever runs this installation: its models may be shared with all tenants. At most one.
alter table ondol.tenants add column operates boolean not null default false;
create unique index tenants_one_operator on ondol.tenants (operates) where operates;

create table ondol.providers (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    name text not null check (name ~ '^[a-z0-9](-?[a-z0-9]){0,62}$'),
    kind text not null check (kind in ('openai', 'anthropic')),
    base_url text not null check (length(base_url) between 1 and 2000),
    credential_sealed bytea,
    -- Of the credential only what tells two apart.
    credential_hint text not null default '' check (length(credential_hint) <= 12),
    settings jsonb not null default '{}',
    disabled_at timestamptz,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, name)
);
select ondol.bind_to_tenant('ondol.providers');

-- A model as callers name it.
create table ondol.models (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    alias text not null check (alias ~ '^[A-Za-z0-9][A-Za-z0-9._:/-]{0,199}$' and alias not like 'assistant/%'),
    settings jsonb not null default '{}',
    -- A pinned system prompt: callers neither see nor replace it.
    prompt_sealed bytea,
    -- Whether other tenants may call it too; only the operator's tenant says so.
    shared boolean not null default false,
    disabled_at timestamptz,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, alias)
);
select ondol.bind_to_tenant('ondol.models');

create table ondol.model_targets (
    tenant_id uuid not null,
    id uuid not null,
    model_id uuid not null,
    provider_id uuid not null,
    -- The model's name at the provider.
    name text not null check (length(name) between 1 and 300),
    -- Lower ones are asked first; among equals by weight.
    priority smallint not null default 0 check (priority between 0 and 100),
    weight integer not null default 1 check (weight between 0 and 1000000),
    primary key (tenant_id, id),
    foreign key (tenant_id, model_id) references ondol.models (tenant_id, id) on delete cascade,
    foreign key (tenant_id, provider_id) references ondol.providers (tenant_id, id)
);
create index model_targets_by_model on ondol.model_targets (tenant_id, model_id);
create index model_targets_by_provider on ondol.model_targets (tenant_id, provider_id);
select ondol.bind_to_tenant('ondol.model_targets');

-- How the gateway treats a tenant: notice and marking, content logging, what happens while Postgres is away, a pinned system prompt.
create table ondol.gateway_settings (
    tenant_id uuid primary key references ondol.tenants (id),
    settings jsonb not null,
    prompt_sealed bytea,
    changed_at timestamptz not null
);
select ondol.bind_to_tenant('ondol.gateway_settings');

-- The models that a key may call; null for all that the tenant has.
alter table ondol.api_keys add column models text[];

-- The directory of each worker keeps all of this in memory: a change moves the counter and is told at once.
create table ondol.serving_revision (
    only_row boolean primary key default true check (only_row),
    revision bigint not null default 1
);
insert into ondol.serving_revision default values;

create function ondol.tell_serving_changed() returns trigger
language plpgsql security definer set search_path = ondol, pg_temp as $$
begin
    update ondol.serving_revision set revision = revision + 1;
    perform pg_notify('ondol_serving', '');
    return null;
end $$;
create trigger serving_changed after insert or update or delete on ondol.providers
    for each statement execute function ondol.tell_serving_changed();
create trigger serving_changed after insert or update or delete on ondol.models
    for each statement execute function ondol.tell_serving_changed();
create trigger serving_changed after insert or update or delete on ondol.model_targets
    for each statement execute function ondol.tell_serving_changed();
create trigger serving_changed after insert or update or delete on ondol.gateway_settings
    for each statement execute function ondol.tell_serving_changed();
create trigger serving_changed after insert or update or delete on ondol.tenants
    for each statement execute function ondol.tell_serving_changed();
create trigger serving_changed after insert or update or delete on ondol.assistants
    for each statement execute function ondol.tell_serving_changed();

-- Whose limits a key counts against depends on its person's groups, which the directory of keys holds too.
create trigger keys_changed after insert or delete on ondol.group_people
    for each statement execute function ondol.tell_keys_changed();
create trigger keys_changed after insert or delete on ondol.group_groups
    for each statement execute function ondol.tell_keys_changed();
