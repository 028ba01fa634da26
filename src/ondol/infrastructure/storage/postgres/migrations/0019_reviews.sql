-- Reviews: people judge answers. The server says who judges what and when; nobody sees who answered, or what others thought.

-- `quorum` people judge each item. Who took one has so many minutes for it. `feedback` says which opinions of people bring their answers in.
create table ondol.review_queues (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    name text not null check (name ~ '^[a-z0-9](-?[a-z0-9]){0,62}$'),
    is_open boolean not null,
    scales text[] not null check (cardinality(scales) > 0),
    quorum smallint not null check (quorum between 1 and 20),
    lease_minutes integer not null check (lease_minutes > 0),
    seed bigint not null,
    feedback text not null check (feedback in ('none', 'disliked', 'all')),
    created_by uuid,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, name)
);
select ondol.bind_to_tenant('ondol.review_queues');

-- What raters are told, in versions that never change: each rating names the one that was shown. Sealed under the tenant's key.
create table ondol.review_guidelines (
    tenant_id uuid not null,
    queue_id uuid not null,
    version integer not null check (version > 0),
    text_sealed bytea not null,
    created_by uuid,
    created_at timestamptz not null,
    primary key (tenant_id, queue_id, version),
    foreign key (tenant_id, queue_id) references ondol.review_queues (tenant_id, id)
);
select ondol.bind_to_tenant('ondol.review_guidelines');

create table ondol.review_raters (
    tenant_id uuid not null,
    queue_id uuid not null,
    person_id uuid not null,
    added_at timestamptz not null,
    primary key (tenant_id, queue_id, person_id),
    foreign key (tenant_id, queue_id) references ondol.review_queues (tenant_id, id)
);
select ondol.bind_to_tenant('ondol.review_raters');

-- What is judged, masked and sealed under the key of who asked (`person_id`), or of the tenant. `gold` is what a planted item is known to deserve.
create table ondol.review_items (
    tenant_id uuid not null,
    id uuid not null,
    queue_id uuid not null,
    request_id uuid,
    person_id uuid,
    state text not null check (state in ('open', 'agreed', 'disputed', 'settled', 'gold')),
    reasons text[] not null,
    gold jsonb,
    content_sealed bytea not null,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, queue_id, request_id),
    foreign key (tenant_id, queue_id) references ondol.review_queues (tenant_id, id),
    check ((state = 'gold') = (gold is not null)),
    check ((request_id is null) = (person_id is null))
);
create index review_items_by_state on ondol.review_items (tenant_id, queue_id, state, id);
create index review_items_by_person on ondol.review_items (tenant_id, person_id) where person_id is not null;
create index review_items_by_request on ondol.review_items (tenant_id, request_id) where request_id is not null;
select ondol.bind_to_tenant('ondol.review_items');

-- Who has taken an item, until when, and which guideline they were shown. It goes when they have judged; one whose time is over counts no more.
create table ondol.review_leases (
    tenant_id uuid not null,
    item_id uuid not null,
    person_id uuid not null,
    guideline integer not null,
    until timestamptz not null,
    primary key (tenant_id, item_id, person_id),
    foreign key (tenant_id, item_id) references ondol.review_items (tenant_id, id) on delete cascade
);
create index review_leases_by_person on ondol.review_leases (tenant_id, person_id);
select ondol.bind_to_tenant('ondol.review_leases');

-- What one person thinks of one item. `note_sealed` has spans, a correction and a comment, under the item's key.
create table ondol.review_ratings (
    tenant_id uuid not null,
    id uuid not null,
    item_id uuid not null,
    person_id uuid not null,
    guideline integer not null,
    points jsonb not null,
    note_sealed bytea,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, item_id, person_id),
    foreign key (tenant_id, item_id) references ondol.review_items (tenant_id, id) on delete cascade
);
create index review_ratings_by_person on ondol.review_ratings (tenant_id, person_id);
select ondol.bind_to_tenant('ondol.review_ratings');

-- What was decided where raters did not agree, by somebody who had not judged it.
create table ondol.review_decisions (
    tenant_id uuid not null,
    item_id uuid not null,
    points jsonb not null,
    note_sealed bytea,
    decided_by uuid not null,
    created_at timestamptz not null,
    primary key (tenant_id, item_id),
    foreign key (tenant_id, item_id) references ondol.review_items (tenant_id, id) on delete cascade
);
select ondol.bind_to_tenant('ondol.review_decisions');
