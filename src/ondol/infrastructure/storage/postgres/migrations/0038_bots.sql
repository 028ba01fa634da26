-- Bots: an assistant in the rooms of a chat, asked by people of the tenant whom the chat names.

-- `key_id` is what a bot acts by, as a widget does. The chat signs what it sends with one secret; we answer with a token.
create table ondol.bots (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    public_id text not null check (public_id ~ '^[a-z0-9]{24}$'),
    name text not null check (name ~ '^[a-z0-9](-?[a-z0-9]){0,62}$'),
    assistant_id uuid not null,
    key_id uuid not null,
    base_url text not null check (length(base_url) between 8 and 2048),
    private_network boolean not null,
    by_email boolean not null,
    signing_sealed bytea not null,
    token_sealed bytea not null,
    created_by uuid,
    created_at timestamptz not null,
    revoked_at timestamptz,
    primary key (tenant_id, id),
    unique (tenant_id, public_id),
    unique (tenant_id, name),
    foreign key (tenant_id, assistant_id) references ondol.assistants (tenant_id, id) on delete cascade,
    foreign key (tenant_id, key_id) references ondol.api_keys (tenant_id, id) on delete cascade
);
create index bots_by_public_id on ondol.bots (public_id);
select ondol.bind_to_tenant('ondol.bots');

-- Who somebody in the chat is, where that is said and not told by their e-mail address. The chat's name for them is found by a keyed digest, and kept
-- under the person's own key.
create table ondol.bot_people (
    tenant_id uuid not null,
    bot_id uuid not null,
    user_hash bytea not null check (length(user_hash) = 32),
    user_sealed bytea not null,
    person_id uuid not null,
    primary key (tenant_id, bot_id, user_hash),
    foreign key (tenant_id, bot_id) references ondol.bots (tenant_id, id) on delete cascade,
    foreign key (tenant_id, person_id) references ondol.people (tenant_id, id) on delete cascade
);
create index bot_people_by_person on ondol.bot_people (tenant_id, person_id);
select ondol.bind_to_tenant('ondol.bot_people');

-- A shared room and who reads along: what is told there, each of these groups may read. No group goes while a room has it: the room would be told more.
create table ondol.bot_rooms (
    tenant_id uuid not null,
    bot_id uuid not null,
    chat_room text not null check (length(chat_room) between 1 and 100),
    clearance smallint not null check (clearance between 0 and 3),
    open_documents boolean not null,
    primary key (tenant_id, bot_id, chat_room),
    foreign key (tenant_id, bot_id) references ondol.bots (tenant_id, id) on delete cascade
);
select ondol.bind_to_tenant('ondol.bot_rooms');

create table ondol.bot_room_groups (
    tenant_id uuid not null,
    bot_id uuid not null,
    chat_room text not null,
    group_id uuid not null,
    primary key (tenant_id, bot_id, chat_room, group_id),
    foreign key (tenant_id, bot_id, chat_room) references ondol.bot_rooms (tenant_id, bot_id, chat_room) on delete cascade,
    foreign key (tenant_id, group_id) references ondol.groups (tenant_id, id)
);
select ondol.bind_to_tenant('ondol.bot_room_groups');

-- Events that came: each is answered once, however often it comes, and one that is sent again as it was is refused.
create table ondol.bot_events (
    tenant_id uuid not null,
    bot_id uuid not null,
    event_hash bytea not null check (length(event_hash) = 32),
    signature_hash bytea not null check (length(signature_hash) = 32),
    created_at timestamptz not null,
    primary key (tenant_id, bot_id, event_hash),
    foreign key (tenant_id, bot_id) references ondol.bots (tenant_id, id) on delete cascade
);
create index bot_events_by_time on ondol.bot_events (tenant_id, bot_id, created_at);
select ondol.bind_to_tenant('ondol.bot_events');
