-- name: insert_request
-- Keeps one request; a batch that is written again after a broken connection changes nothing.
insert into requests (
    tenant_id, id, person_id, api_key_id, model, route, input_tokens, output_tokens, cost_nano, currency, duration_us, status, outcome, created_at,
    guard_policy, guard_decision, guard_rules
) values (
    %(tenant_id)s::uuid, %(id)s::uuid, %(person_id)s::uuid, %(api_key_id)s::uuid, %(model)s::text, %(route)s::text, %(input_tokens)s::integer,
    %(output_tokens)s::integer, %(cost_nano)s::bigint, %(currency)s::text, %(duration_us)s::bigint, %(status)s::smallint, %(outcome)s::text,
    %(created_at)s::timestamptz, %(guard_policy)s::bytea, %(guard_decision)s::text, %(guard_rules)s::text[]
)
on conflict (tenant_id, id) do nothing;
