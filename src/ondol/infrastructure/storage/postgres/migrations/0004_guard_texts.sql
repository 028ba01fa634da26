-- The guard: texts that no answer may repeat, such as copyrighted works. Of a text only keyed hashes are kept, sealed; never its words.

create table ondol.guard_texts (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    name text not null check (length(name) between 1 and 200),
    note_sealed bytea not null,
    words integer not null check (words > 0),
    digest bytea not null check (length(digest) = 32),
    hashes_sealed bytea not null,
    created_at timestamptz not null,
    created_by uuid,
    removed_at timestamptz,
    primary key (tenant_id, id),
    check ((removed_at is null) = (length(hashes_sealed) > 0))
);
create unique index guard_texts_once on ondol.guard_texts (tenant_id, digest) where removed_at is null;
select ondol.bind_to_tenant('ondol.guard_texts');

create trigger guard_changed after insert or update or delete on ondol.guard_texts
    for each statement execute function ondol.move_guard_revision();
