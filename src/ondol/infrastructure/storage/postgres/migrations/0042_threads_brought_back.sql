-- A thread that its person deletes is nobody's to see at once, and goes for good some minutes later: until then they can bring it back.

alter table ondol.threads add column deleted_at timestamptz;
create index threads_deleted on ondol.threads (deleted_at) where deleted_at is not null;
