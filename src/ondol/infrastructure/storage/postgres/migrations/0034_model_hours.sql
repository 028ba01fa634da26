-- Requests by the hour and the model alone: what the pages of three months are read from where nobody asks who it was. There are as many rows as
-- hours and models, however many people ask. Rows here are added in the transaction that keeps the records, as in `request_hours`.

-- The empty word stands for no known price.
create table ondol.request_model_hours (
    tenant_id uuid not null references ondol.tenants (id),
    hour timestamptz not null check (hour = date_trunc('hour', hour, 'UTC')),
    model text not null,
    currency text not null check (currency in ('', 'USD', 'KRW')),
    requests bigint not null check (requests > 0),
    failed bigint not null,
    server_errors bigint not null,
    retried bigint not null,
    guarded bigint not null,
    blocked bigint not null,
    estimated bigint not null,
    input_tokens bigint not null,
    cached_tokens bigint not null,
    cache_write_tokens bigint not null,
    output_tokens bigint not null,
    reasoning_tokens bigint not null,
    images bigint not null default 0,
    audio_ms bigint not null default 0,
    characters bigint not null default 0,
    cost_nano numeric not null,
    primary key (tenant_id, hour, model, currency)
);
-- What was recorded before; once the table is bound to its tenants, a migration has no rows of its own there. Pictures, sound and characters are not
-- counted yet where this is applied in its order.
insert into ondol.request_model_hours (
    tenant_id, hour, model, currency, requests, failed, server_errors, retried, guarded, blocked, estimated, input_tokens, cached_tokens,
    cache_write_tokens, output_tokens, reasoning_tokens, cost_nano
)
select tenant_id, hour, model, currency, sum(requests), sum(failed), sum(server_errors), sum(retried), sum(guarded), sum(blocked), sum(estimated),
    sum(input_tokens), sum(cached_tokens), sum(cache_write_tokens), sum(output_tokens), sum(reasoning_tokens), sum(cost_nano)
from ondol.request_hours group by 1, 2, 3, 4;

select ondol.bind_to_tenant('ondol.request_model_hours');
