-- People see where they are signed in: with which browser, roughly from where, and when it was last used. A network is told without the part of
-- the address that stands for one machine.

alter table ondol.sessions
    add column browser text not null default '' check (browser ~ '^[a-z_]{0,20}$'),
    add column system text not null default '' check (system ~ '^[a-z_]{0,20}$'),
    add column network text not null default '' check (length(network) <= 60),
    add column last_used_at timestamptz;
create index sessions_by_person on ondol.sessions (tenant_id, person_id);
