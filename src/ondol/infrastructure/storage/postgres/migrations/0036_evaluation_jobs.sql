-- Evaluations that a job worker carries out, begun over the API or by a schedule.

-- `is_queued`: a worker takes it up, and again after its end, for as long as it waits or runs. `wants_stop`: somebody asked for its end.
-- `retries_errors`: what failed is asked again. `begun`: how often a worker took it since it was last let go on.
alter table ondol.evaluation_runs
    add column is_queued boolean not null default false,
    add column wants_stop boolean not null default false,
    add column retries_errors boolean not null default false,
    add column begun smallint not null default 0;
create index evaluation_runs_open on ondol.evaluation_runs (id) where is_queued and state in ('waiting', 'running');

-- Which assistant is attacked each night, with what, in whose name, and up to which cost.
create table ondol.red_team_plans (
    tenant_id uuid not null references ondol.tenants (id),
    assistant_id uuid not null,
    person_id uuid not null,
    at_minute integer not null check (at_minute between 0 and 1439),
    categories text[] not null check (cardinality(categories) > 0),
    languages text[] not null check (cardinality(languages) > 0),
    mutators text[] not null check (cardinality(mutators) > 0),
    attacks_max integer not null check (attacks_max > 0),
    cost_nano bigint check (cost_nano > 0),
    currency text not null,
    next_at timestamptz not null,
    changed_by uuid,
    changed_at timestamptz not null,
    primary key (tenant_id, assistant_id),
    foreign key (tenant_id, assistant_id) references ondol.assistants (tenant_id, id) on delete cascade
);
create index red_team_plans_due on ondol.red_team_plans (next_at);
select ondol.bind_to_tenant('ondol.red_team_plans');
