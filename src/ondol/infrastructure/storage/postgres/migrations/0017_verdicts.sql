-- Signed verdicts of evaluations, what assistants require before a release goes live, and the nightly evaluation of what serves.

-- A verdict never changes. The envelope is what was signed; the other columns repeat what it says, to be found by, and are checked against it. It
-- holds names, digests and figures, and nothing that anybody asked or was answered.
create table ondol.verdicts (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    outcome text not null check (outcome in ('PASS', 'FAIL', 'INCONCLUSIVE')),
    suite text not null check (length(suite) between 1 and 200),
    suite_digest bytea not null check (length(suite_digest) = 32),
    target text not null check (length(target) between 1 and 300),
    target_digest bytea not null check (length(target_digest) = 32),
    assistant_id uuid,
    release_id uuid,
    run_id uuid not null,
    envelope bytea not null,
    statement_digest bytea not null check (length(statement_digest) = 32),
    signer text not null check (signer ~ '^[0-9a-f]{16}$'),
    created_by uuid,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, assistant_id) references ondol.assistants (tenant_id, id) on delete cascade,
    foreign key (tenant_id, release_id) references ondol.releases (tenant_id, id),
    check (release_id is null or assistant_id is not null)
);
create index verdicts_by_release on ondol.verdicts (tenant_id, release_id, id);
select ondol.bind_to_tenant('ondol.verdicts');

-- What an assistant requires before a release of it goes live: a passing verdict of this suite, as it is written, and not older than this.
create table ondol.verdict_requirements (
    tenant_id uuid not null,
    assistant_id uuid not null,
    suite text not null check (length(suite) between 1 and 200),
    suite_digest bytea not null check (length(suite_digest) = 32),
    valid_for_s bigint not null check (valid_for_s between 60 and 315360000),
    changed_by uuid,
    changed_at timestamptz not null,
    primary key (tenant_id, assistant_id),
    foreign key (tenant_id, assistant_id) references ondol.assistants (tenant_id, id) on delete cascade
);
select ondol.bind_to_tenant('ondol.verdict_requirements');

-- Which suite an assistant is evaluated by at which minute of its tenant's day, and what becomes of a regression. The suite is sealed with the
-- tenant's key; its cases are a golden set's, and not in it.
create table ondol.nightly_plans (
    tenant_id uuid not null,
    assistant_id uuid not null,
    suite text not null check (length(suite) between 1 and 200),
    suite_digest bytea not null check (length(suite_digest) = 32),
    suite_sealed bytea not null,
    at_minute smallint not null check (at_minute between 0 and 1439),
    policy text not null check (policy in ('alarm', 'rollback')),
    next_at timestamptz not null,
    changed_by uuid,
    changed_at timestamptz not null,
    primary key (tenant_id, assistant_id),
    foreign key (tenant_id, assistant_id) references ondol.assistants (tenant_id, id) on delete cascade
);
create index nightly_plans_due on ondol.nightly_plans (next_at);
select ondol.bind_to_tenant('ondol.nightly_plans');

-- One evaluation of what served. Looks of one series asked the same; a series begins anew when what serves is another, and is compared with the run
-- that `baseline_run_id` names. `alarm_at` is when somebody is to be told, until they were.
create table ondol.nightly_looks (
    tenant_id uuid not null,
    id uuid not null,
    assistant_id uuid not null,
    release_id uuid,
    run_id uuid,
    series text not null check (series ~ '^[0-9a-f]{64}$'),
    baseline_run_id uuid,
    outcome text not null check (outcome in ('first', 'steady', 'regression', 'failed')),
    stale integer not null default 0 check (stale >= 0),
    cases integer not null default 0 check (cases >= 0),
    figures jsonb not null,
    reason text not null check (length(reason) <= 500),
    rolled_back_to uuid,
    alarm_at timestamptz,
    alarm_attempts smallint not null default 0,
    created_at timestamptz not null,
    primary key (tenant_id, id),
    foreign key (tenant_id, assistant_id) references ondol.assistants (tenant_id, id) on delete cascade,
    foreign key (tenant_id, release_id) references ondol.releases (tenant_id, id),
    foreign key (tenant_id, rolled_back_to) references ondol.releases (tenant_id, id)
);
create index nightly_looks_by_assistant on ondol.nightly_looks (tenant_id, assistant_id, id);
create index nightly_looks_alarms on ondol.nightly_looks (alarm_at) where alarm_at is not null;
select ondol.bind_to_tenant('ondol.nightly_looks');
