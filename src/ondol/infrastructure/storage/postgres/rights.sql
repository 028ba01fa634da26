-- Who may do what, on one page. It runs after the migrations, in one transaction, whenever it or a role's name has changed and after a restore;
-- {app}, {system} and {keeper} become this installation's roles. The first acts for one tenant at a time, the second serves what stands above
-- tenants (sign-in, sealing, partitions, erasure), the third is nobody's login: its policy lets the owner, who is its member, migrate and
-- back up under forced row-level security. A table that is not named here is closed to the first two.

revoke all on all tables in schema ondol, ondol_migrations, procrastinate from public, {app}, {system};
revoke all on all sequences in schema procrastinate from public, {app}, {system};
revoke all on all functions in schema ondol, procrastinate from {app}, {system};
revoke all on schema ondol, ondol_migrations, procrastinate from public, {app}, {system};

grant usage on schema ondol, ondol_migrations, procrastinate to {app}, {system};
grant select on all tables in schema ondol_migrations to {app}, {system};
grant select, insert, update, delete on all tables in schema procrastinate to {app}, {system};
grant usage on all sequences in schema procrastinate to {app}, {system};
grant execute on all functions in schema procrastinate to {app}, {system};

revoke execute on function ondol.bind_to_tenant, ondol.make_partitions from public;
grant execute on function ondol.make_partitions to {system};

-- ---------------------------------------------------------------- above tenants

grant select, insert, update, delete on ondol.tenants to {system};
grant select, update on ondol.people to {system};
grant select on ondol.person_roles to {system};
grant select on ondol.api_keys to {system};
grant select, delete, update (last_used_at) on ondol.sessions to {system};
grant select, update, delete on ondol.one_time_codes to {system};
grant select, insert, delete on ondol.sign_in_failures to {system};
grant select on ondol.key_revision to {system};
-- Whether and where an event is sealed is for the sealer to say.
grant select, update (batch, place) on ondol.ledger_events to {system};
grant select, insert on ondol.ledger_batches to {system};
grant select on ondol.tombstones to {system};
-- Workers forget what is erased and go on with what is not finished, over all tenants. All of it is ids.
grant select on ondol.erasures, ondol.erasure_items, ondol.erasure_revision to {system};
-- Records come from the spool in batches over all tenants, each batch with its event; that is all that the system role does with them.
grant select (tenant_id, id), insert on ondol.requests to {system};
grant select, insert, update on ondol.request_hours, ondol.request_model_hours, ondol.request_speeds to {system};
grant insert (tenant_id, id, kind, actor_id, body, digest, created_at) on ondol.ledger_events to {system};
grant select (tenant_id, id, keep_until), delete on ondol.request_contents to {system};
-- Which policy holds where is kept in memory for all tenants; of alarms the system role sees which are due.
grant select on ondol.guard_policies to {system};
grant select on ondol.guard_bindings to {system};
grant select on ondol.guard_canaries to {system};
grant select on ondol.guard_texts to {system};
grant select on ondol.guard_revision to {system};
grant select on ondol.guard_incidents to {system};
-- Of nightly evaluations the system role sees which are due, and of which somebody has to be told.
grant select on ondol.nightly_plans, ondol.nightly_looks to {system};
-- Of runs it sees which wait for a worker, and of plans of attacks which are due.
grant select on ondol.evaluation_runs, ondol.red_team_plans to {system};
grant select (tenant_id, id, expires_at), delete on ondol.guard_tokens to {system};
grant select (tenant_id, id, keep_until), delete on ondol.guard_traffic to {system};
grant select (tenant_id, id, expires_at), delete on ondol.guard_approvals to {system};
-- Which uploads wait is asked for all tenants at once; each is then taken in as its tenant. What has ended is forgotten after a while.
grant select (tenant_id, id, state, ended_at), delete on ondol.uploads to {system};
-- Which attachments wait to be read, too.
grant select (tenant_id, id, state) on ondol.attachments to {system};
grant select (tenant_id, id, keep_until), delete on ondol.idempotency_keys to {system};

-- Answers on their way are forgotten some minutes after their end.
grant select (tenant_id, id, lease_until), delete on ondol.answer_streams to {system};
-- Threads that were deleted go once they can no longer be brought back.
grant select (tenant_id, id, deleted_at), delete on ondol.threads to {system};

-- What answers a tenant's models is kept in memory for all tenants.
grant select on ondol.providers, ondol.models, ondol.model_targets, ondol.gateway_settings, ondol.serving_revision, ondol.assistants, ondol.bases
    to {system};
grant select on ondol.releases to {system};
grant select on ondol.group_people, ondol.group_groups to {system};
-- A site's page names a widget and a visit by what only they know; the rest is done as the tenant that they belong to.
grant select on ondol.widgets, ondol.widget_visits to {system};
-- A chat names a bot so too.
grant select on ondol.bots to {system};
-- Limits and budgets hold over all tenants' callers: workers borrow from the pools, whoever writes the records settles what they left behind.
grant select on ondol.limits, ondol.prices, ondol.limit_revision to {system};
-- The row of a rule is held while its pool is opened: a lock for which Postgres wants the right to change something.
grant select, update (changed_at) on ondol.budgets to {system};
grant update (changed_at) on ondol.limits to {system};
grant select, insert, update, delete on ondol.limit_pools, ondol.limit_leases, ondol.limit_replays, ondol.limit_replicas, ondol.budget_alarms
    to {system};

-- ---------------------------------------------------------------- within a tenant

grant select, update on ondol.tenants to {app};
grant select, insert, update, delete on ondol.people to {app};
grant select, insert, delete on ondol.person_roles to {app};
grant select, insert, update, delete on ondol.groups to {app};
grant select, insert, delete on ondol.group_people to {app};
grant select, insert, delete on ondol.group_groups to {app};
grant select, insert, update, delete on ondol.api_keys to {app};
grant select, insert, update on ondol.sessions to {app};
grant select, insert, update, delete on ondol.widgets, ondol.widget_customers, ondol.widget_visits to {app};
grant select, insert, delete on ondol.widget_groups to {app};
grant select, insert, update on ondol.bots to {app};
grant select, insert, update, delete on ondol.bot_people, ondol.bot_rooms to {app};
grant select, insert, delete on ondol.bot_room_groups, ondol.bot_events to {app};
grant select, insert on ondol.one_time_codes to {app};
grant select, insert, delete on ondol.audiences to {app};
grant select, insert, delete on ondol.audience_groups to {app};
grant select, insert, delete on ondol.audience_people to {app};
grant select, insert, delete on ondol.audience_attributes to {app};
grant select, insert, delete on ondol.attribute_values to {app};
grant select, insert, delete on ondol.person_attributes to {app};
grant select on ondol.key_revision to {app};
grant select, insert, update, delete on ondol.bases to {app};
grant select, insert, update, delete on ondol.documents to {app};
grant select, insert, update, delete on ondol.document_versions to {app};
grant select, insert, update, delete on ondol.index_versions to {app};
grant select, insert, update, delete on ondol.index_segments to {app};
grant select, insert, update, delete on ondol.index_tags to {app};
grant select, insert, update, delete on ondol.segment_documents to {app};
grant select, insert, update on ondol.uploads to {app};
grant select, insert, update, delete on ondol.attachments to {app};
grant select, insert, update, delete on ondol.idempotency_keys to {app};
grant select, insert, update, delete on ondol.assistants to {app};
grant select, insert on ondol.prompt_versions to {app};
grant select, insert, update, delete on ondol.prompt_labels to {app};
grant select, insert, update on ondol.releases to {app};
grant select, insert on ondol.release_moves, ondol.release_indexes to {app};
grant select, insert, update, delete on ondol.evaluation_runs to {app};
-- Of a result that was erased the content goes; one that failed may be asked again.
grant select, insert, update, delete on ondol.evaluation_results to {app};
grant select, insert, update, delete on ondol.judgements to {app};
grant select, insert on ondol.verdicts to {app};
grant select, insert, update, delete on ondol.verdict_requirements, ondol.nightly_plans, ondol.red_team_plans to {app};
grant select, insert, update on ondol.nightly_looks to {app};
-- Of an answer that was erased the content goes; that it was given stays.
grant select, insert, update (content_sealed) on ondol.answers to {app};
grant select, insert, update on ondol.access_requests to {app};
grant select, insert, update, delete on ondol.threads, ondol.turns, ondol.memory_slots, ondol.thread_shares to {app};
grant select, insert, update, delete on ondol.answer_streams to {app};
grant select, insert, delete on ondol.answer_events to {app};
grant select, insert, update on ondol.golden_sets to {app};
grant select, insert on ondol.golden_versions, ondol.golden_entries, ondol.golden_grounds to {app};
-- Of an item that was erased the content goes.
grant select, insert, update (content_sealed) on ondol.golden_items to {app};
grant select, insert, update, delete on ondol.golden_proposals to {app};
grant select on ondol.requests, ondol.request_hours, ondol.request_model_hours, ondol.request_speeds to {app};
grant select, insert, update on ondol.review_queues to {app};
grant select, insert on ondol.review_guidelines, ondol.review_decisions to {app};
grant select, insert, update, delete on ondol.review_items, ondol.review_leases to {app};
grant select, insert, delete on ondol.review_raters to {app};
-- What somebody thought does not change; of who is erased the words go.
grant select, insert, update (note_sealed) on ondol.review_ratings to {app};
grant select, insert, delete on ondol.request_contents to {app};
grant select, insert, update, delete on ondol.feedback to {app};
grant select, insert, update, delete on ondol.recommendations to {app};
grant select, insert (tenant_id, id, kind, actor_id, body, digest, created_at) on ondol.ledger_events to {app};
grant select on ondol.ledger_batches to {app};
grant select, insert on ondol.artefacts to {app};
grant select, insert on ondol.artefact_links to {app};
grant select, insert on ondol.tombstones to {app};
grant select, insert, update on ondol.erasures to {app};
grant select, insert, update on ondol.erasure_steps to {app};
grant select, insert on ondol.erasure_items to {app};
grant select, insert, delete on ondol.document_identifiers to {app};
grant select, insert on ondol.guard_policies to {app};
grant select, insert, update, delete on ondol.guard_bindings to {app};
grant select, insert, update on ondol.guard_canaries to {app};
grant select, insert, update on ondol.guard_texts to {app};
grant select, insert, update, delete on ondol.guard_tokens to {app};
grant select, insert, update on ondol.guard_incidents to {app};
grant select, insert, delete on ondol.guard_traffic to {app};
grant select, insert, update on ondol.guard_approvals to {app};
grant select, insert, update, delete on ondol.providers to {app};
grant select, insert, update, delete on ondol.models to {app};
grant select, insert, update, delete on ondol.model_targets to {app};
grant select, insert, update, delete on ondol.gateway_settings to {app};
grant select, insert, update, delete on ondol.limits to {app};
grant select, insert, update, delete on ondol.budgets to {app};
grant select, insert on ondol.budget_credits to {app};
grant select, insert, delete on ondol.prices to {app};
grant select, update on ondol.limit_pools to {app};
grant select on ondol.limit_leases, ondol.limit_replays, ondol.budget_alarms to {app};

-- ---------------------------------------------------------------- policies

-- Every bound table: the owner's policy, without which the owner's UPDATE would silently touch no row and pg_dump would fail; the tenant's, unless
-- it is a partition, which is only reached through its parent; and the system role's, where the system role may do anything at all.
do $$
declare
    bound record;
begin
    for bound in
        select c.oid::regclass as name, c.relispartition as is_partition,
            case when c.oid = 'ondol.tenants'::regclass then 'id' else 'tenant_id' end as tenant_column,
            exists (select from aclexplode(c.relacl) granted where granted.grantee = '{system}'::regrole) or exists (
                select from pg_attribute t, aclexplode(t.attacl) granted where t.attrelid = c.oid and granted.grantee = '{system}'::regrole) as is_open
        from pg_class c
        where c.relnamespace = 'ondol'::regnamespace and c.relkind in ('r', 'p') and c.relrowsecurity
        order by c.relname
    loop
        execute format('drop policy if exists tenant_rows on %s', bound.name);
        execute format('drop policy if exists system_rows on %s', bound.name);
        execute format('drop policy if exists owner_rows on %s', bound.name);
        execute format('create policy owner_rows on %s to {keeper} using (true) with check (true)', bound.name);
        continue when bound.is_partition;
        execute format(
            'create policy tenant_rows on %s to {app}
                using (%2$I = (select nullif(current_setting(''ondol.tenant_id'', true), '''')::uuid))
                with check (%2$I = (select nullif(current_setting(''ondol.tenant_id'', true), '''')::uuid))',
            bound.name, bound.tenant_column);
        if bound.is_open then
            execute format('create policy system_rows on %s to {system} using (true) with check (true)', bound.name);
        end if;
    end loop;
end $$;
