-- The ledger is read by people: what of a kind happened, and what somebody did, the newest first.

create index ledger_events_by_kind on ondol.ledger_events (tenant_id, kind, id);
create index ledger_events_by_actor on ondol.ledger_events (tenant_id, actor_id, id) where actor_id is not null;
