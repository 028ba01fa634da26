-- The ground: tenants, access, knowledge, ledger, releases, answers and usage.
-- Rules that hold from here on: every tenant row has key (tenant_id, id); ids are UUIDv7 made by the application; row-level security is
-- forced on every tenant table; money is a bigint of nano-units beside its currency; time is timestamptz in UTC, intervals half-open;
-- personal text is stored sealed (columns that end in _sealed) and looked up by keyed hashes (columns that end in _hash or _address).
-- No migration names a role: who may do what stands in rights.sql.

create schema ondol;

-- The tenant of the transaction, or null outside one: null matches no row.
create function ondol.current_tenant() returns uuid
language sql stable parallel safe
return (select nullif(current_setting('ondol.tenant_id', true), '')::uuid);

-- Binds a tenant table: row-level security that holds for its owner too. Until rights.sql has run nobody has a policy, so nobody sees a row.
create function ondol.bind_to_tenant(tenant_table regclass) returns void
language plpgsql as $$
begin
    execute format('alter table %s enable row level security', tenant_table);
    execute format('alter table %s force row level security', tenant_table);
end $$;

-- ---------------------------------------------------------------- tenants, people, groups

create table ondol.tenants (
    id uuid primary key,
    slug text not null unique check (slug ~ '^[a-z0-9](-?[a-z0-9]){0,62}$'),
    name text not null check (length(name) between 1 and 200),
    time_zone text not null default 'Asia/Seoul',
    currency text not null default 'KRW' check (currency in ('USD', 'KRW')),
    access_epoch bigint not null default 1,
    created_at timestamptz not null
);
select ondol.bind_to_tenant('ondol.tenants');

create table ondol.people (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    login_hash bytea not null check (length(login_hash) = 32),
    profile_sealed bytea not null,
    password_hash text,
    clearance smallint not null default 0 check (clearance between 0 and 3),
    kind text not null default 'person' check (kind in ('person', 'service')),
    disabled_at timestamptz,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, login_hash)
);
select ondol.bind_to_tenant('ondol.people');

create table ondol.person_roles (
    tenant_id uuid not null,
    person_id uuid not null,
    role text not null check (role in ('owner', 'admin', 'editor', 'auditor', 'member')),
    primary key (tenant_id, person_id, role),
    foreign key (tenant_id, person_id) references ondol.people (tenant_id, id) on delete cascade
);
select ondol.bind_to_tenant('ondol.person_roles');

create table ondol.groups (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    name text not null check (length(name) between 1 and 200),
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, name)
);
select ondol.bind_to_tenant('ondol.groups');

create table ondol.group_people (
    tenant_id uuid not null,
    group_id uuid not null,
    person_id uuid not null,
    primary key (tenant_id, group_id, person_id),
    foreign key (tenant_id, group_id) references ondol.groups (tenant_id, id) on delete cascade,
    foreign key (tenant_id, person_id) references ondol.people (tenant_id, id) on delete cascade
);
create index group_people_by_person on ondol.group_people (tenant_id, person_id);
select ondol.bind_to_tenant('ondol.group_people');

-- A member group's people belong to the group too, to any depth.
create table ondol.group_groups (
    tenant_id uuid not null,
    group_id uuid not null,
    member_group_id uuid not null check (member_group_id <> group_id),
    primary key (tenant_id, group_id, member_group_id),
    foreign key (tenant_id, group_id) references ondol.groups (tenant_id, id) on delete cascade,
    foreign key (tenant_id, member_group_id) references ondol.groups (tenant_id, id) on delete cascade
);
create index group_groups_by_member on ondol.group_groups (tenant_id, member_group_id);
select ondol.bind_to_tenant('ondol.group_groups');

-- ---------------------------------------------------------------- keys, sessions, sign-in

create table ondol.api_keys (
    tenant_id uuid not null,
    id uuid not null,
    public_id text not null check (public_id ~ '^[a-z0-9]{16}$'),
    secret_hash bytea not null check (length(secret_hash) = 32),
    person_id uuid not null,
    name text not null check (length(name) between 1 and 200),
    created_at timestamptz not null,
    expires_at timestamptz,
    revoked_at timestamptz,
    primary key (tenant_id, id),
    unique (tenant_id, public_id),
    foreign key (tenant_id, person_id) references ondol.people (tenant_id, id) on delete cascade
);
create index api_keys_by_public_id on ondol.api_keys (public_id);
select ondol.bind_to_tenant('ondol.api_keys');

create table ondol.sessions (
    tenant_id uuid not null,
    id uuid not null,
    person_id uuid not null,
    token_hash bytea not null check (length(token_hash) = 32),
    created_at timestamptz not null,
    expires_at timestamptz not null,
    revoked_at timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, person_id) references ondol.people (tenant_id, id) on delete cascade
);
create index sessions_by_token on ondol.sessions (token_hash);
select ondol.bind_to_tenant('ondol.sessions');

create table ondol.one_time_codes (
    tenant_id uuid not null,
    id uuid not null,
    person_id uuid not null,
    code_hash bytea not null check (length(code_hash) = 32),
    created_at timestamptz not null,
    expires_at timestamptz not null,
    used_at timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, person_id) references ondol.people (tenant_id, id) on delete cascade
);
create index one_time_codes_by_code on ondol.one_time_codes (code_hash);
select ondol.bind_to_tenant('ondol.one_time_codes');

-- Failed sign-ins, by keyed hashes of the account and of the client's address; no tenant, since a wrong organisation name counts too.
create table ondol.sign_in_failures (
    id uuid primary key,
    account_hash bytea not null,
    client_hash bytea not null,
    failed_at timestamptz not null
);
create index sign_in_failures_by_account on ondol.sign_in_failures (account_hash, failed_at);
create index sign_in_failures_by_client on ondol.sign_in_failures (client_hash, failed_at);

-- ---------------------------------------------------------------- audiences

-- The canonical form of an access rule. Each document version, and so each passage, belongs to exactly one.
create table ondol.audiences (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    digest bytea not null check (length(digest) = 32),
    rule jsonb not null,
    class_rank smallint not null check (class_rank between 0 and 3),
    everyone boolean not null,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, digest)
);
select ondol.bind_to_tenant('ondol.audiences');

create table ondol.audience_groups (
    tenant_id uuid not null,
    audience_id uuid not null,
    group_id uuid not null,
    primary key (tenant_id, audience_id, group_id),
    foreign key (tenant_id, audience_id) references ondol.audiences (tenant_id, id) on delete cascade,
    foreign key (tenant_id, group_id) references ondol.groups (tenant_id, id)
);
create index audience_groups_by_group on ondol.audience_groups (tenant_id, group_id);
select ondol.bind_to_tenant('ondol.audience_groups');

create table ondol.audience_people (
    tenant_id uuid not null,
    audience_id uuid not null,
    person_id uuid not null,
    primary key (tenant_id, audience_id, person_id),
    foreign key (tenant_id, audience_id) references ondol.audiences (tenant_id, id) on delete cascade,
    foreign key (tenant_id, person_id) references ondol.people (tenant_id, id) on delete cascade
);
create index audience_people_by_person on ondol.audience_people (tenant_id, person_id);
select ondol.bind_to_tenant('ondol.audience_people');

-- Every change of who belongs where moves the tenant's access epoch, on which caches of visible audiences stand.
create function ondol.move_access_epoch() returns trigger
language plpgsql as $$
begin
    update ondol.tenants set access_epoch = access_epoch + 1
    where id = coalesce(new.tenant_id, old.tenant_id);
    return null;
end $$;

create trigger access_epoch after insert or update of clearance, disabled_at or delete on ondol.people
    for each row execute function ondol.move_access_epoch();
create trigger access_epoch after insert or delete on ondol.person_roles
    for each row execute function ondol.move_access_epoch();
create trigger access_epoch after insert or delete on ondol.group_people
    for each row execute function ondol.move_access_epoch();
create trigger access_epoch after insert or delete on ondol.group_groups
    for each row execute function ondol.move_access_epoch();
create trigger access_epoch after insert or delete on ondol.audiences
    for each row execute function ondol.move_access_epoch();

-- Keys are checked in memory: a change is told at once, and found by the counter after a lost connection.
create table ondol.key_revision (
    only_row boolean primary key default true check (only_row),
    revision bigint not null default 1
);
insert into ondol.key_revision default values;

create function ondol.tell_keys_changed() returns trigger
language plpgsql security definer set search_path = ondol, pg_temp as $$
begin
    update ondol.key_revision set revision = revision + 1;
    perform pg_notify('ondol_keys', '');
    return null;
end $$;
create trigger keys_changed after insert or update or delete on ondol.api_keys
    for each statement execute function ondol.tell_keys_changed();
create trigger keys_changed after update of disabled_at or delete on ondol.people
    for each statement execute function ondol.tell_keys_changed();

-- ---------------------------------------------------------------- knowledge

create table ondol.bases (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    name text not null check (name ~ '^[a-z0-9](-?[a-z0-9]){0,62}$'),
    active_index_id uuid,
    revision bigint not null default 1,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, name)
);
select ondol.bind_to_tenant('ondol.bases');

-- A document is known by its key (the id of its front matter, or its path); key and title are content, so they are hashed and sealed.
create table ondol.documents (
    tenant_id uuid not null,
    id uuid not null,
    base_id uuid not null,
    key_hash bytea not null check (length(key_hash) = 32),
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, base_id, key_hash),
    foreign key (tenant_id, base_id) references ondol.bases (tenant_id, id)
);
select ondol.bind_to_tenant('ondol.documents');

create table ondol.document_versions (
    tenant_id uuid not null,
    id uuid not null,
    document_id uuid not null,
    base_id uuid not null,
    declared_version integer not null,
    source_hash bytea not null check (length(source_hash) = 32),
    fingerprint bytea not null check (length(fingerprint) = 32),
    content_address bytea not null check (length(content_address) = 32),
    audience_id uuid not null,
    valid_from timestamptz,
    valid_until timestamptz check (valid_until > valid_from),
    state text not null check (state in ('current', 'superseded', 'removed', 'erased')),
    language text not null,
    media_type text not null,
    original_bytes bigint not null check (original_bytes >= 0),
    passage_count integer not null check (passage_count >= 0),
    details_sealed bytea not null,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, document_id) references ondol.documents (tenant_id, id),
    foreign key (tenant_id, base_id) references ondol.bases (tenant_id, id),
    foreign key (tenant_id, audience_id) references ondol.audiences (tenant_id, id)
);
create unique index document_versions_one_current on ondol.document_versions (tenant_id, document_id) where state = 'current';
create index document_versions_by_document on ondol.document_versions (tenant_id, document_id);
create index document_versions_by_source on ondol.document_versions (tenant_id, base_id, source_hash) where state in ('current', 'superseded');
create index document_versions_with_dates on ondol.document_versions (tenant_id, base_id)
    where state = 'current' and (valid_from is not null or valid_until is not null);
create index document_versions_by_audience on ondol.document_versions (tenant_id, audience_id);
select ondol.bind_to_tenant('ondol.document_versions');

create table ondol.index_versions (
    tenant_id uuid not null,
    id uuid not null,
    base_id uuid not null,
    analyser_id text not null,
    state text not null check (state in ('building', 'active', 'retired', 'dropped')),
    created_at timestamptz not null,
    activated_at timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, base_id) references ondol.bases (tenant_id, id)
);
create index index_versions_by_base on ondol.index_versions (tenant_id, base_id);
select ondol.bind_to_tenant('ondol.index_versions');
alter table ondol.bases add foreign key (tenant_id, active_index_id) references ondol.index_versions (tenant_id, id);

-- A segment is immutable and becomes searchable by its row here, in the same transaction as its documents.
create table ondol.index_segments (
    tenant_id uuid not null,
    id uuid not null,
    index_id uuid not null,
    passage_count integer not null check (passage_count > 0),
    state text not null check (state in ('live', 'dropping')),
    created_at timestamptz not null,
    dropping_since timestamptz,
    primary key (tenant_id, id),
    foreign key (tenant_id, index_id) references ondol.index_versions (tenant_id, id)
);
create index index_segments_by_index on ondol.index_segments (tenant_id, index_id);
select ondol.bind_to_tenant('ondol.index_segments');

-- Which segment holds a document version's passages; `retired_at` masks them until a merge leaves them out.
create table ondol.segment_documents (
    tenant_id uuid not null,
    segment_id uuid not null,
    document_version_id uuid not null,
    retired_at timestamptz,
    primary key (tenant_id, segment_id, document_version_id),
    foreign key (tenant_id, segment_id) references ondol.index_segments (tenant_id, id) on delete cascade,
    foreign key (tenant_id, document_version_id) references ondol.document_versions (tenant_id, id)
);
create index segment_documents_by_version on ondol.segment_documents (tenant_id, document_version_id);
create index segment_documents_retired on ondol.segment_documents (tenant_id, segment_id) where retired_at is not null;
select ondol.bind_to_tenant('ondol.segment_documents');

-- ---------------------------------------------------------------- assistants, releases, answers

create table ondol.assistants (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    name text not null check (name ~ '^[a-z0-9](-?[a-z0-9]){0,62}$'),
    base_id uuid not null,
    settings jsonb not null default '{}',
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, name),
    foreign key (tenant_id, base_id) references ondol.bases (tenant_id, id)
);
select ondol.bind_to_tenant('ondol.assistants');

-- Prompt, model, index, retrieval settings and guard policy change together, as one immutable manifest.
create table ondol.releases (
    tenant_id uuid not null,
    id uuid not null,
    assistant_id uuid not null,
    manifest jsonb not null,
    manifest_version smallint not null,
    digest bytea not null check (length(digest) = 32),
    state text not null check (state in ('draft', 'gated', 'shadow', 'canary', 'live', 'retired')),
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, assistant_id, digest),
    foreign key (tenant_id, assistant_id) references ondol.assistants (tenant_id, id)
);
select ondol.bind_to_tenant('ondol.releases');

-- Tables by time are partitioned by id: a UUIDv7 begins with its milliseconds, so the key stays (tenant_id, id).
create table ondol.answers (
    tenant_id uuid not null,
    id uuid not null,
    assistant_id uuid not null,
    person_id uuid not null,
    outcome text not null check (outcome in ('answered', 'refused', 'failed', 'cancelled')),
    content_sealed bytea not null,
    provenance jsonb not null,
    created_at timestamptz not null,
    primary key (tenant_id, id)
) partition by range (id);
create index answers_by_person on ondol.answers (tenant_id, person_id, id);
select ondol.bind_to_tenant('ondol.answers');

create table ondol.requests (
    tenant_id uuid not null,
    id uuid not null,
    person_id uuid not null,
    api_key_id uuid,
    model text not null,
    route text not null,
    input_tokens integer not null check (input_tokens >= 0),
    output_tokens integer not null check (output_tokens >= 0),
    cost_nano bigint,
    currency text check (currency in ('USD', 'KRW')),
    duration_us bigint not null check (duration_us >= 0),
    status smallint not null,
    outcome text not null,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    check ((cost_nano is null) = (currency is null))
) partition by range (id);
select ondol.bind_to_tenant('ondol.requests');

-- ---------------------------------------------------------------- ledger

-- One row for each thing that happened. `batch` is null until the sealer has put the row into a signed batch, so a row that commits late
-- is sealed late and never missed. Bodies hold ids and keyed addresses, no content.
create table ondol.ledger_events (
    tenant_id uuid not null,
    id uuid not null,
    kind text not null check (length(kind) between 1 and 100),
    actor_id uuid,
    body jsonb not null,
    digest bytea not null check (length(digest) = 32),
    created_at timestamptz not null,
    batch bigint,
    place integer,
    primary key (tenant_id, id),
    check ((batch is null) = (place is null))
) partition by range (id);
create index ledger_events_unsealed on ondol.ledger_events (id) where batch is null;
create index ledger_events_by_batch on ondol.ledger_events (batch, place) where batch is not null;
select ondol.bind_to_tenant('ondol.ledger_events');

-- The chain over all tenants: each batch signs its Merkle root and the digest of the batch before it.
create table ondol.ledger_batches (
    number bigint primary key check (number > 0),
    event_count integer not null check (event_count > 0),
    root bytea not null check (length(root) = 32),
    previous_digest bytea not null check (length(previous_digest) = 32),
    digest bytea not null check (length(digest) = 32),
    signature bytea not null check (length(signature) = 64),
    signer text not null,
    sealed_at timestamptz not null
);

create table ondol.artefacts (
    tenant_id uuid not null,
    id uuid not null,
    kind text not null check (kind in (
        'original', 'document', 'document_version', 'index_segment', 'index_version', 'cache_entry', 'prompt', 'policy', 'model',
        'dataset', 'checkpoint', 'evaluation', 'release', 'answer', 'export', 'backup', 'subject')),
    address bytea check (length(address) = 32),
    created_at timestamptz not null,
    primary key (tenant_id, id)
);
create index artefacts_by_address on ondol.artefacts (tenant_id, address);
select ondol.bind_to_tenant('ondol.artefacts');

-- `child` came from `parent`. Erasure follows every relation forward; each kind of artefact has an eraser of its own.
create table ondol.artefact_links (
    tenant_id uuid not null,
    child_id uuid not null,
    parent_id uuid not null,
    relation text not null check (relation in (
        'derived_from', 'contained_in', 'cites', 'supersedes', 'about', 'trained_on', 'evaluated_on', 'cached_from', 'exported_from', 'backed_up_from')),
    created_at timestamptz not null,
    primary key (tenant_id, child_id, parent_id, relation),
    foreign key (tenant_id, child_id) references ondol.artefacts (tenant_id, id),
    foreign key (tenant_id, parent_id) references ondol.artefacts (tenant_id, id)
);
create index artefact_links_forward on ondol.artefact_links (tenant_id, parent_id);
select ondol.bind_to_tenant('ondol.artefact_links');

-- What has been erased, so that a restore of an older backup erases it again before it serves.
create table ondol.tombstones (
    tenant_id uuid not null,
    id uuid not null,
    kind text not null check (kind in ('document', 'subject', 'tenant')),
    erased_at timestamptz not null,
    primary key (tenant_id, id)
);
select ondol.bind_to_tenant('ondol.tombstones');

-- ---------------------------------------------------------------- partitions

-- Makes the monthly partitions of a table from the month of `first_day` on. Months are half-open in UTC and become bounds of UUIDv7.
create function ondol.make_partitions(parent text, first_day date, months integer) returns integer
language plpgsql security definer set search_path = ondol, pg_temp as $$
declare
    month_start timestamp := date_trunc('month', first_day);
    partition_name text;
    keeper text := (select policy.polroles[1]::regrole from pg_policy policy
        where policy.polrelid = to_regclass('ondol.' || parent) and policy.polname = 'owner_rows');
    made integer := 0;
begin
    if parent not in ('answers', 'requests', 'ledger_events') then
        raise exception '% is not partitioned by time', parent;
    end if;
    for month_number in 0 .. months - 1 loop
        partition_name := format('%s_%s', parent, to_char(month_start, 'YYYYMM'));
        if to_regclass('ondol.' || partition_name) is null then
            execute format('create table ondol.%I partition of ondol.%I for values from (%L) to (%L)',
                partition_name, parent, ondol.first_id_at(month_start), ondol.first_id_at(month_start + interval '1 month'));
            execute format('alter table ondol.%I enable row level security', partition_name);
            execute format('alter table ondol.%I force row level security', partition_name);
            execute format('create policy owner_rows on ondol.%I to %s using (true) with check (true)', partition_name, keeper);
            made := made + 1;
        end if;
        month_start := month_start + interval '1 month';
    end loop;
    return made;
end $$;

-- The smallest UUIDv7 of a moment in UTC.
create function ondol.first_id_at(moment timestamp) returns uuid
language sql immutable parallel safe
return (lpad(to_hex((extract(epoch from moment) * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid;
