-- When somebody was last asked how likely they would recommend the assistant, and what they said then, from 0 to 10. One row for each person: it is
-- asked sparingly, and the latest answer counts. Who was asked and said nothing has none.

create table ondol.recommendations (
    tenant_id uuid not null,
    person_id uuid not null,
    asked_at timestamptz not null,
    score smallint check (score between 0 and 10),
    answered_at timestamptz,
    primary key (tenant_id, person_id),
    foreign key (tenant_id, person_id) references ondol.people (tenant_id, id) on delete cascade,
    check ((score is null) = (answered_at is null))
);
select ondol.bind_to_tenant('ondol.recommendations');
