-- Erasures: what was asked to be erased, what of it was found where, and the receipt that it is gone. All of it is ids, counts and fixed words.

create table ondol.erasures (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    kind text not null check (kind in ('document', 'subject')),
    target_id uuid not null,
    base_id uuid,
    with_documents boolean not null default false,
    state text not null check (state in ('hidden', 'running', 'proved', 'failed')),
    asked_by uuid,
    reason text not null check (reason ~ '^[a-z][a-z0-9_.-]{0,62}$'),
    replayed boolean not null default false,
    failure text,
    receipt jsonb,
    receipt_digest bytea check (length(receipt_digest) = 32),
    signature bytea check (length(signature) = 64),
    signer text,
    hidden_at timestamptz not null,
    proved_at timestamptz,
    revision bigint not null default 0,
    primary key (tenant_id, id),
    unique (tenant_id, kind, target_id),
    check ((state = 'proved') = (proved_at is not null)),
    check (state <> 'proved' or num_nulls(receipt, receipt_digest, signature, signer) = 0)
);
create index erasures_open on ondol.erasures (hidden_at) where state in ('hidden', 'running');
create index erasures_by_revision on ondol.erasures (revision);
select ondol.bind_to_tenant('ondol.erasures');

-- What one eraser found, and what its probe saw before and after. Written as it becomes known, so that a killed run goes on where it was.
create table ondol.erasure_steps (
    tenant_id uuid not null,
    erasure_id uuid not null,
    name text not null check (length(name) between 1 and 100),
    place smallint not null,
    found bigint not null check (found >= 0),
    before bigint check (before >= 0),
    after bigint check (after >= 0),
    erased_at timestamptz,
    primary key (tenant_id, erasure_id, name),
    foreign key (tenant_id, erasure_id) references ondol.erasures (tenant_id, id)
);
select ondol.bind_to_tenant('ondol.erasure_steps');

-- The things that an erasure reaches, found before the first of them goes: what leads from one to another is erased too.
create table ondol.erasure_items (
    tenant_id uuid not null,
    erasure_id uuid not null,
    kind text not null check (kind in ('document', 'version', 'segment', 'answer')),
    item_id uuid not null,
    primary key (tenant_id, erasure_id, kind, item_id),
    foreign key (tenant_id, erasure_id) references ondol.erasures (tenant_id, id)
);
select ondol.bind_to_tenant('ondol.erasure_items');

-- Where somebody is spoken of: keyed hashes of the identifiers that the guard finds in a document when it is taken in.
create table ondol.document_identifiers (
    tenant_id uuid not null,
    document_version_id uuid not null,
    entity text not null check (length(entity) between 1 and 100),
    value_hash bytea not null check (length(value_hash) = 32),
    primary key (tenant_id, document_version_id, entity, value_hash),
    foreign key (tenant_id, document_version_id) references ondol.document_versions (tenant_id, id) on delete cascade
);
create index document_identifiers_by_value on ondol.document_identifiers (tenant_id, value_hash);
select ondol.bind_to_tenant('ondol.document_identifiers');

-- Every worker forgets what it keeps of the erased: a change moves this counter, which tells those whose notice was lost.
create table ondol.erasure_revision (
    only_row boolean primary key default true check (only_row),
    revision bigint not null default 1
);
insert into ondol.erasure_revision default values;

create function ondol.tell_erasure() returns trigger
language plpgsql security definer set search_path = ondol, pg_temp as $$
begin
    update ondol.erasure_revision set revision = revision + 1 returning revision into new.revision;
    perform pg_notify('ondol_erasures', '');
    return new;
end $$;
create trigger erasure_told before insert or update of state on ondol.erasures
    for each row execute function ondol.tell_erasure();
