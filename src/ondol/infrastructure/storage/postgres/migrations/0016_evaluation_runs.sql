-- Runs of evaluations: what was asked of what, and each result. What was asked and answered is sealed under the key of the person in whose name it
-- was asked, or of the tenant where that was nobody; figures stand beside it.

-- `digests` names all that the results depend on; `scorers` tells what each metric is. The suite is sealed without its cases, but for those that
-- stand in it. `owner_id` is the person whose key that is; null for the tenant's.
create table ondol.evaluation_runs (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    suite_name text not null check (length(suite_name) between 1 and 200),
    suite_digest bytea not null check (length(suite_digest) = 32),
    state text not null check (state in ('waiting', 'running', 'stopped', 'finished', 'failed')),
    outcome text check (outcome in ('PASS', 'FAIL', 'INCONCLUSIVE')),
    reasons text[] not null default '{}',
    cases integer not null check (cases > 0),
    repeats integer not null check (repeats > 0),
    digests jsonb not null,
    scorers jsonb not null,
    results_digest bytea check (length(results_digest) = 32),
    owner_id uuid,
    suite_sealed bytea not null,
    created_by uuid,
    created_at timestamptz not null,
    ended_at timestamptz,
    primary key (tenant_id, id)
);
create index evaluation_runs_by_owner on ondol.evaluation_runs (tenant_id, owner_id);
select ondol.bind_to_tenant('ondol.evaluation_runs');

-- One case, asked once: `place` counts the cases of the suite, `repeat` how often it was asked before. `document_ids` are those whose words may
-- stand in the answer. Of a result that was erased the content is empty and the figures stay.
create table ondol.evaluation_results (
    tenant_id uuid not null,
    run_id uuid not null,
    place integer not null check (place >= 0),
    repeat integer not null check (repeat >= 0),
    status text not null,
    scores jsonb not null,
    cost_nano bigint not null,
    currency text not null,
    latency_us bigint not null,
    person_id uuid,
    document_ids uuid[] not null,
    digest bytea not null check (length(digest) = 32),
    content_sealed bytea not null,
    created_at timestamptz not null,
    primary key (tenant_id, run_id, place, repeat),
    foreign key (tenant_id, run_id) references ondol.evaluation_runs (tenant_id, id) on delete cascade
);
create index evaluation_results_by_person on ondol.evaluation_results (tenant_id, person_id);
create index evaluation_results_by_document on ondol.evaluation_results using gin (document_ids);
select ondol.bind_to_tenant('ondol.evaluation_results');
