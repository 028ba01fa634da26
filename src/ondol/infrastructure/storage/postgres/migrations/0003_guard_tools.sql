-- Approvals of tool calls: who asks for what, who said yes or no, and that a yes was used once.

-- The arguments are sealed under the asker's own data key; the call is known again by a keyed hash of its name and arguments. Whether it waits, holds,
-- was used or is over follows from what stands here and the time.
create table ondol.guard_approvals (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    tool text not null check (length(tool) between 1 and 128),
    arguments_sealed bytea not null,
    call_hash bytea not null check (length(call_hash) = 32),
    reasons text[] not null,
    role text not null check (length(role) between 1 and 200),
    policy_digest bytea not null check (length(policy_digest) = 32),
    asked_by uuid not null,
    api_key_id uuid,
    request_id uuid,
    incident_id uuid,
    asked_at timestamptz not null,
    expires_at timestamptz not null,
    decision text check (decision in ('approved', 'denied')),
    decided_by uuid,
    decided_at timestamptz,
    note_sealed bytea,
    used_at timestamptz,
    primary key (tenant_id, id),
    check (expires_at > asked_at),
    check ((decision is null) = (decided_by is null)),
    check ((decision is null) = (decided_at is null)),
    check (decided_by <> asked_by),
    check (used_at is null or decision = 'approved')
);
create index guard_approvals_by_person on ondol.guard_approvals (tenant_id, asked_by, call_hash);
create index guard_approvals_waiting on ondol.guard_approvals (tenant_id, expires_at) where decision is null;
create index guard_approvals_by_end on ondol.guard_approvals (expires_at);
select ondol.bind_to_tenant('ondol.guard_approvals');
