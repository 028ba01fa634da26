-- Index versions: numbered within their base, built beside the one that serves, kept for a while and called by tags.

-- What a version was built with never changes after it was made; its number is given here, so that also those who do not know of numbers
-- (the release before this one) make versions that have one.
alter table ondol.index_versions
    add column number integer check (number > 0),
    add column settings jsonb not null default '{}',
    add column wanted jsonb not null default '{}',
    add column built_at timestamptz,
    add column retired_at timestamptz,
    add column keep_until timestamptz,
    add column failure text;
alter table ondol.index_versions drop constraint index_versions_state_check;
alter table ondol.index_versions add constraint index_versions_state_check
    check (state in ('building', 'ready', 'active', 'retired', 'failed', 'dropped'));

update ondol.index_versions v set number = numbered.number
from (select id, row_number() over (partition by tenant_id, base_id order by id) as number from ondol.index_versions) numbered
where numbered.id = v.id;
-- A version that was replaced was left as active before; the base says which one is.
update ondol.index_versions v set state = 'retired', retired_at = v.created_at
where v.state = 'active' and not exists (select from ondol.bases b where b.tenant_id = v.tenant_id and b.active_index_id = v.id);
alter table ondol.index_versions add unique (tenant_id, base_id, number);

create function ondol.number_index_version() returns trigger
language plpgsql set search_path = ondol, pg_temp as $$
begin
    perform from ondol.bases b where b.tenant_id = new.tenant_id and b.id = new.base_id for no key update;
    select coalesce(max(number), 0) + 1 into new.number from ondol.index_versions v where v.tenant_id = new.tenant_id and v.base_id = new.base_id;
    return new;
end $$;
create trigger index_version_numbered before insert on ondol.index_versions
    for each row when (new.number is null) execute function ondol.number_index_version();

-- Names for versions of a base, moved at will; a version that has one is not dropped by age or count.
create table ondol.index_tags (
    tenant_id uuid not null,
    base_id uuid not null,
    name text not null check (name ~ '^[a-z](-?[a-z0-9]){0,62}$'),
    index_id uuid not null,
    moved_at timestamptz not null,
    primary key (tenant_id, base_id, name),
    foreign key (tenant_id, base_id) references ondol.bases (tenant_id, id) on delete cascade,
    foreign key (tenant_id, index_id) references ondol.index_versions (tenant_id, id) on delete cascade
);
create index index_tags_by_index on ondol.index_tags (tenant_id, index_id);
select ondol.bind_to_tenant('ondol.index_tags');

-- How many versions a base keeps, the one that serves included, and for how many days those that do not serve; null: without an end.
alter table ondol.bases
    add column keep_versions integer not null default 2 check (keep_versions between 1 and 20),
    add column keep_days integer check (keep_days between 1 and 3650);
