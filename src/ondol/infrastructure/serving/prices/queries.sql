-- The queries of price lists.

-- name: price_add
-- A new price list of a target, unless there is one from that moment.
insert into prices (tenant_id, id, provider, model, currency, from_at, input, cached_input, cache_write, output, reasoning, request, image,
    second, character, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(provider)s::text, %(model)s::text, %(currency)s::text, %(from_at)s::timestamptz, %(input)s::bigint,
    %(cached_input)s::bigint, %(cache_write)s::bigint, %(output)s::bigint, %(reasoning)s::bigint, %(request)s::bigint, %(image)s::bigint,
    %(second)s::bigint, %(character)s::bigint, %(now)s::timestamptz)
on conflict (tenant_id, provider, model, from_at) do nothing
returning id;

-- name: budget_other_currency
-- A budget in money that a price of this currency could not be held against.
select name, currency from budgets where unit = 'money' and currency <> %(currency)s::text order by name limit 1;

-- name: price_remove
-- Remove a price list.
delete from prices where id = %(id)s::uuid returning provider, model;

-- name: prices_page
-- The tenant's price lists, oldest first, after an id.
select tenant_id, id, provider, model, currency, from_at, input, cached_input, cache_write, output, reasoning, request, image, second, character
from prices where id > %(after)s::uuid order by id limit %(limit)s::int;

-- name: price_now
-- The tenant's price list of a target at a moment.
select id from prices where provider = %(provider)s::text and model = %(model)s::text and from_at <= %(now)s::timestamptz
order by from_at desc limit 1;

-- name: prices_all
-- Every price list, over all tenants, for the directory in memory.
-- door: system
select tenant_id, id, provider, model, currency, from_at, input, cached_input, cache_write, output, reasoning, request, image, second, character
from prices order by tenant_id, provider, model, from_at limit 1000000;
