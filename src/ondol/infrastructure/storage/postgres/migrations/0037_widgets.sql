-- Widgets: an assistant on the sites of a tenant's customers. Whoever asks there is a person of a kind of their own, so that audiences, limits, usage
-- and erasure hold for them as for everybody else.

alter table ondol.people drop constraint people_kind_check;
alter table ondol.people add constraint people_kind_check check (kind in ('person', 'service', 'customer'));

-- Whether somebody reads what is open to everybody, as all people of the tenant do. A customer reads what is given to their groups.
alter table ondol.people add column reads_open boolean not null default true;
create trigger access_epoch_open after update of reads_open on ondol.people
    for each row execute function ondol.move_access_epoch();

-- `key_id` is what the widget acts by: its key is revoked with it, which ends its streams. Nobody knows the key's text. `secret_sealed` checks what the
-- site's server signs; the one before holds until `previous_until`. A minute's questions are counted from `window_at`.
create table ondol.widgets (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    public_id text not null check (public_id ~ '^[a-z0-9]{24}$'),
    name text not null check (name ~ '^[a-z0-9](-?[a-z0-9]){0,62}$'),
    assistant_id uuid not null,
    key_id uuid not null,
    algorithm text not null check (algorithm in ('HS256', 'EdDSA')),
    secret_sealed bytea not null,
    previous_sealed bytea,
    previous_until timestamptz,
    origins text[] not null,
    visitors boolean not null,
    open_documents boolean not null,
    questions_per_minute integer not null check (questions_per_minute between 1 and 100000),
    questions_per_customer integer not null check (questions_per_customer between 1 and 1000),
    window_at timestamptz not null,
    asked integer not null default 0,
    created_by uuid,
    created_at timestamptz not null,
    revoked_at timestamptz,
    primary key (tenant_id, id),
    unique (tenant_id, public_id),
    unique (tenant_id, name),
    foreign key (tenant_id, assistant_id) references ondol.assistants (tenant_id, id) on delete cascade,
    foreign key (tenant_id, key_id) references ondol.api_keys (tenant_id, id) on delete cascade,
    check ((previous_sealed is null) = (previous_until is null))
);
create index widgets_by_public_id on ondol.widgets (public_id);
select ondol.bind_to_tenant('ondol.widgets');

-- The most that anybody may read through a widget: what these groups may.
create table ondol.widget_groups (
    tenant_id uuid not null,
    widget_id uuid not null,
    group_id uuid not null,
    primary key (tenant_id, widget_id, group_id),
    foreign key (tenant_id, widget_id) references ondol.widgets (tenant_id, id) on delete cascade,
    foreign key (tenant_id, group_id) references ondol.groups (tenant_id, id) on delete cascade
);
select ondol.bind_to_tenant('ondol.widget_groups');

-- Who asked through a widget, by a keyed digest of the name that the site has for them. All without a name are one.
create table ondol.widget_customers (
    tenant_id uuid not null,
    widget_id uuid not null,
    person_id uuid not null,
    pseudonym bytea not null check (length(pseudonym) = 32),
    window_at timestamptz not null,
    asked integer not null default 0,
    created_at timestamptz not null,
    primary key (tenant_id, widget_id, person_id),
    unique (tenant_id, widget_id, pseudonym),
    foreign key (tenant_id, widget_id) references ondol.widgets (tenant_id, id) on delete cascade,
    foreign key (tenant_id, person_id) references ondol.people (tenant_id, id) on delete cascade
);
select ondol.bind_to_tenant('ondol.widget_customers');

-- A visit of somebody to a site: our own short-lived token, for one origin. `once_hash` is of what makes the site's token good for one visit.
create table ondol.widget_visits (
    tenant_id uuid not null,
    id uuid not null,
    widget_id uuid not null,
    person_id uuid not null,
    token_hash bytea not null check (length(token_hash) = 32),
    once_hash bytea not null check (length(once_hash) = 32),
    client_hash bytea not null check (length(client_hash) = 32),
    origin text not null,
    is_named boolean not null,
    is_preview boolean not null,
    window_at timestamptz not null,
    asked integer not null default 0,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, widget_id, once_hash),
    foreign key (tenant_id, widget_id, person_id) references ondol.widget_customers (tenant_id, widget_id, person_id) on delete cascade
);
create index widget_visits_by_token on ondol.widget_visits (token_hash);
create index widget_visits_by_end on ondol.widget_visits (tenant_id, widget_id, expires_at);
select ondol.bind_to_tenant('ondol.widget_visits');
