-- Answers on their way: what of a stream has gone out, so that whoever was cut off reads on from any worker, and the question, so that another
-- worker answers when the one that did is gone. All text is sealed under the asker's key. Rows live for minutes.

-- `lease_until` is when the worker counts as gone, or when the stream has ended. `run` counts how often the answer was begun. `last_sealed` holds
-- the end of an answer before its record is kept: with the record it is the answer's end, without it nobody has seen it.
create table ondol.answer_streams (
    tenant_id uuid not null references ondol.tenants (id),
    id uuid not null,
    person_id uuid not null,
    worker_id uuid not null,
    run integer not null default 1 check (run > 0),
    request_sealed bytea not null,
    last_sealed bytea,
    is_stopping boolean not null default false,
    is_ended boolean not null default false,
    lease_until timestamptz not null,
    followed_at timestamptz not null,
    primary key (tenant_id, id)
);
create index answer_streams_by_person on ondol.answer_streams (tenant_id, person_id);
create index answer_streams_by_age on ondol.answer_streams (lease_until);
select ondol.bind_to_tenant('ondol.answer_streams');

-- Some events of a run in a row, the first of which has the number `first`.
create table ondol.answer_events (
    tenant_id uuid not null,
    stream_id uuid not null,
    run integer not null,
    first integer not null check (first > 0),
    events integer not null check (events > 0),
    events_sealed bytea not null,
    primary key (tenant_id, stream_id, run, first),
    foreign key (tenant_id, stream_id) references ondol.answer_streams (tenant_id, id) on delete cascade
);
select ondol.bind_to_tenant('ondol.answer_events');
