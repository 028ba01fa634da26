-- Attributes: values of a tenant's own vocabulary that people have, and that access rules ask for.

create table ondol.attribute_values (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    name text not null check (length(name) between 1 and 63),
    value text not null check (length(value) between 1 and 200),
    created_at timestamptz not null,
    primary key (tenant_id, id),
    unique (tenant_id, name, value)
);
select ondol.bind_to_tenant('ondol.attribute_values');

create table ondol.person_attributes (
    tenant_id uuid not null,
    person_id uuid not null,
    value_id uuid not null,
    primary key (tenant_id, person_id, value_id),
    foreign key (tenant_id, person_id) references ondol.people (tenant_id, id) on delete cascade,
    foreign key (tenant_id, value_id) references ondol.attribute_values (tenant_id, id) on delete cascade
);
create index person_attributes_by_value on ondol.person_attributes (tenant_id, value_id);
select ondol.bind_to_tenant('ondol.person_attributes');

-- Each clause of an audience's rule is met by one of its values. An audience says how many clauses it has, so that one whose rows are lost is
-- closed, not open.
alter table ondol.audiences add column clauses smallint not null default 0 check (clauses >= 0);

create table ondol.audience_attributes (
    tenant_id uuid not null,
    audience_id uuid not null,
    clause smallint not null check (clause >= 0),
    value_id uuid not null,
    primary key (tenant_id, audience_id, clause, value_id),
    foreign key (tenant_id, audience_id) references ondol.audiences (tenant_id, id) on delete cascade,
    foreign key (tenant_id, value_id) references ondol.attribute_values (tenant_id, id)
);
create index audience_attributes_by_value on ondol.audience_attributes (tenant_id, value_id);
select ondol.bind_to_tenant('ondol.audience_attributes');

create trigger access_epoch after insert or delete on ondol.person_attributes
    for each row execute function ondol.move_access_epoch();
