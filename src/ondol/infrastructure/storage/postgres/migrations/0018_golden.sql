-- Golden sets: questions whose right answers are known, in versions that never change. What they say is sealed under the key of the document that
-- they were written from, or of the person who asked, or of the tenant where there is neither.

-- One set is one split: `dev` is looked at while building, `test` is measured on, `hidden` is seen by nobody but its owner. `floors` says how many
-- items a slice must have, as {"language=ko": 20}. After `expires_at` nothing is measured on it until somebody looked at it again.
create table ondol.golden_sets (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    name text not null check (name ~ '^[a-z0-9](-?[a-z0-9]){0,62}$'),
    split text not null check (split in ('dev', 'test', 'hidden')),
    base_id uuid,
    floors jsonb not null,
    owner_id uuid not null,
    expires_at timestamptz,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, name),
    foreign key (tenant_id, base_id) references ondol.bases (tenant_id, id)
);
select ondol.bind_to_tenant('ondol.golden_sets');

-- `root` is the Merkle root over the addresses of the items in their order. `slices` counts them, as {"language=ko": 131}; `missing` holds the
-- floors that are not reached, with what is there instead.
create table ondol.golden_versions (
    tenant_id uuid not null,
    id uuid not null,
    set_id uuid not null,
    number integer not null check (number > 0),
    root bytea not null check (length(root) = 32),
    items integer not null check (items > 0),
    slices jsonb not null,
    missing jsonb not null,
    created_by uuid,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, set_id, number),
    foreign key (tenant_id, set_id) references ondol.golden_sets (tenant_id, id)
);
select ondol.bind_to_tenant('ondol.golden_versions');

-- An item in one wording; another wording is another row. `address` is keyed by the key of whoever owns it. Nothing is left of the content of one
-- that was erased; `request_id` is the answer that it was taken from.
create table ondol.golden_items (
    tenant_id uuid not null,
    id uuid not null,
    set_id uuid not null,
    name text not null check (length(name) between 1 and 100),
    address bytea not null check (length(address) = 32),
    owner_kind text not null check (owner_kind in ('tenant', 'document', 'subject')),
    owner_id uuid not null,
    request_id uuid,
    content_sealed bytea not null,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, set_id, address),
    foreign key (tenant_id, set_id) references ondol.golden_sets (tenant_id, id)
);
create index golden_items_by_owner on ondol.golden_items (tenant_id, owner_id);
create index golden_items_by_request on ondol.golden_items (tenant_id, request_id) where request_id is not null;
select ondol.bind_to_tenant('ondol.golden_items');

-- The items of a version in their order.
create table ondol.golden_entries (
    tenant_id uuid not null,
    version_id uuid not null,
    place integer not null check (place >= 0),
    item_id uuid not null,
    primary key (tenant_id, version_id, place),
    foreign key (tenant_id, version_id) references ondol.golden_versions (tenant_id, id),
    foreign key (tenant_id, item_id) references ondol.golden_items (tenant_id, id)
);
create index golden_entries_by_item on ondol.golden_entries (tenant_id, item_id);
select ondol.bind_to_tenant('ondol.golden_entries');

-- The documents that an item was written from, in the version of that time: where the current one holds something else, the item is stale.
create table ondol.golden_grounds (
    tenant_id uuid not null,
    item_id uuid not null,
    document_id uuid not null,
    version_id uuid not null,
    primary key (tenant_id, item_id, document_id),
    foreign key (tenant_id, item_id) references ondol.golden_items (tenant_id, id)
);
create index golden_grounds_by_document on ondol.golden_grounds (tenant_id, document_id);
select ondol.bind_to_tenant('ondol.golden_grounds');

-- What was asked and answered, masked and put up for a set. Whoever wrote the last word of it cannot be who lets it in. Once it is decided nothing is
-- left of its content.
create table ondol.golden_proposals (
    tenant_id uuid not null,
    id uuid not null,
    set_id uuid not null,
    request_id uuid not null,
    person_id uuid not null,
    reasons text[] not null,
    state text not null check (state in ('proposed', 'approved', 'rejected')),
    content_sealed bytea not null,
    proposed_by uuid not null,
    decided_by uuid,
    created_at timestamptz not null,
    decided_at timestamptz,
    primary key (tenant_id, id),
    unique (tenant_id, set_id, request_id),
    foreign key (tenant_id, set_id) references ondol.golden_sets (tenant_id, id),
    check (state <> 'approved' or decided_by <> proposed_by),
    check ((state = 'proposed') = (decided_by is null)),
    check ((decided_by is null) = (decided_at is null))
);
create index golden_proposals_by_person on ondol.golden_proposals (tenant_id, person_id);
create index golden_proposals_by_request on ondol.golden_proposals (tenant_id, request_id);
select ondol.bind_to_tenant('ondol.golden_proposals');
