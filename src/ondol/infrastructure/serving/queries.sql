-- name: serving_revision
-- The counter that every change moves.
-- door: system
select revision from serving_revision;

-- name: serving_providers
-- Every provider of every tenant, for the memory of a worker.
-- door: system
select tenant_id, id, name, kind, base_url, credential_sealed, settings, disabled_at is not null as is_disabled from providers limit 1000000;

-- name: serving_models
-- Every model in use, of every tenant.
-- door: system
select tenant_id, id, alias, settings, prompt_sealed, shared, created_at from models where disabled_at is null;

-- name: serving_targets
-- What answers each model, of every tenant.
-- door: system
select tenant_id, id, model_id, provider_id, name, priority, weight from model_targets order by tenant_id, model_id, priority, id;

-- name: serving_tenants
-- Every tenant with the gateway's settings.
-- door: system
select t.id as tenant_id, t.slug, t.operates, t.currency, g.settings, g.prompt_sealed
from tenants t left join gateway_settings g on g.tenant_id = t.id;

-- name: serving_assistants
-- Every assistant of every tenant.
-- door: system
select a.tenant_id, a.id, a.name, a.created_at, b.name as base, a.live_release_id as release_id, r.manifest #>> '{route,model}' as route,
    (r.manifest #>> '{retrieval,context_tokens_max}')::int as context_tokens,
    case when r.manifest_version >= 3 then substring(r.manifest ->> 'guard_policy_digest' from '^[0-9a-f]{64}$') end as policy
from assistants a join bases b on b.tenant_id = a.tenant_id and b.id = a.base_id
left join releases r on r.tenant_id = a.tenant_id and r.id = a.live_release_id;

-- name: provider_put
-- A provider; a credential that is not given stays as it is.
insert into providers (tenant_id, id, name, kind, base_url, credential_sealed, credential_hint, settings, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(name)s::text, %(kind)s::text, %(base_url)s::text, %(credential_sealed)s::bytea, %(credential_hint)s::text, %(settings)s::jsonb, %(now)s::timestamptz)
on conflict (tenant_id, name) do update set
    kind = excluded.kind, base_url = excluded.base_url, settings = excluded.settings,
    credential_sealed = case when %(has_credential)s::boolean then excluded.credential_sealed else providers.credential_sealed end,
    credential_hint = case when %(has_credential)s::boolean then excluded.credential_hint else providers.credential_hint end
returning id;

-- name: provider_credential
-- A credential sealed for its row.
update providers set credential_sealed = %(credential_sealed)s::bytea, credential_hint = %(credential_hint)s::text where id = %(id)s::uuid returning id;

-- name: provider_sealed
-- A provider's credential as it is kept.
select credential_sealed from providers where id = %(id)s::uuid;

-- name: provider_disable
-- Take a provider out of use, or back into it.
update providers set disabled_at = %(disabled_at)s::timestamptz where name = %(name)s::text returning id;

-- name: provider_delete
-- Delete a provider that no model uses.
delete from providers p where p.name = %(name)s::text and not exists (select from model_targets t where t.provider_id = p.id) returning p.id;

-- name: provider_by_name
-- One provider.
select tenant_id, id, name, kind, base_url, credential_hint, settings, disabled_at, created_at from providers where name = %(name)s::text;

-- name: providers_page
-- The tenant's providers, oldest first, after an id.
select tenant_id, id, name, kind, base_url, credential_hint, settings, disabled_at, created_at from providers
where id > %(after)s::uuid order by id limit %(limit)s::int;

-- name: model_put
-- A model; a prompt that is not given stays as it is.
insert into models (tenant_id, id, alias, settings, prompt_sealed, shared, disabled_at, created_at)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(alias)s::text, %(settings)s::jsonb, %(prompt_sealed)s::bytea, %(shared)s::boolean, %(disabled_at)s::timestamptz, %(now)s::timestamptz)
on conflict (tenant_id, alias) do update set
    settings = excluded.settings, shared = excluded.shared, disabled_at = excluded.disabled_at,
    prompt_sealed = case when %(has_prompt)s::boolean then excluded.prompt_sealed else models.prompt_sealed end
returning id;

-- name: model_prompt
-- A pinned prompt sealed for its row.
update models set prompt_sealed = %(prompt_sealed)s::bytea where id = %(id)s::uuid returning id;

-- name: model_delete
-- Delete a model and its targets.
delete from models where alias = %(alias)s::text returning id;

-- name: model_by_alias
-- One model.
select tenant_id, id, alias, settings, prompt_sealed is not null as has_prompt, shared, disabled_at, created_at from models where alias = %(alias)s::text;

-- name: models_page
-- The tenant's models, oldest first, after an id.
select tenant_id, id, alias, settings, prompt_sealed is not null as has_prompt, shared, disabled_at, created_at from models
where id > %(after)s::uuid order by id limit %(limit)s::int;

-- name: targets_of_model
-- What answers a model.
select t.id, p.name as provider, t.name, t.priority, t.weight
from model_targets t join providers p on p.tenant_id = t.tenant_id and p.id = t.provider_id
where t.model_id = %(model_id)s::uuid order by t.priority, t.id;

-- name: targets_clear
-- A model's targets are written anew.
delete from model_targets where model_id = %(model_id)s::uuid;

-- name: target_add
-- One target of a model.
insert into model_targets (tenant_id, id, model_id, provider_id, name, priority, weight)
values (%(tenant_id)s::uuid, %(id)s::uuid, %(model_id)s::uuid, %(provider_id)s::uuid, %(name)s::text, %(priority)s::smallint, %(weight)s::int);

-- name: gateway_settings_get
-- The tenant's settings.
select settings, prompt_sealed is not null as has_prompt, changed_at from gateway_settings;

-- name: gateway_settings_put
-- The tenant's settings; a prompt that is not given stays as it is.
insert into gateway_settings (tenant_id, settings, prompt_sealed, changed_at)
values (%(tenant_id)s::uuid, %(settings)s::jsonb, %(prompt_sealed)s::bytea, %(now)s::timestamptz)
on conflict (tenant_id) do update set
    settings = excluded.settings, changed_at = excluded.changed_at,
    prompt_sealed = case when %(has_prompt)s::boolean then excluded.prompt_sealed else gateway_settings.prompt_sealed end;

-- name: operator_tenant
-- The tenant that runs this installation; it shows itself to itself only.
select id from tenants where operates;

-- name: targets_at
-- What the tenant's models ask of a provider.
select distinct t.name from model_targets t join providers p on p.tenant_id = t.tenant_id and p.id = t.provider_id where p.name = %(name)s::text;

-- name: prompts
-- The pinned prompts of the tenant's models, and its own, as they are kept.
select id, alias, prompt_sealed from models where prompt_sealed is not null
union all select tenant_id, '', prompt_sealed from gateway_settings where prompt_sealed is not null;

-- name: operator
-- The tenant that runs this installation.
-- door: system
select id, slug, name, time_zone, currency from tenants where operates;

-- name: operator_leave
-- No tenant runs this installation.
-- door: system
update tenants set operates = false where operates;

-- name: operator_set
-- This tenant runs the installation.
-- door: system
update tenants set operates = true where id = %(id)s::uuid;

-- name: models_unshare
-- Share no model of the tenant any longer.
update models set shared = false where shared;

-- name: models_shared
-- The models that are shared with every tenant.
-- door: system
select m.tenant_id, m.alias, m.created_at, exists (select from model_targets t join providers p on p.tenant_id = t.tenant_id and p.id = t.provider_id
    where t.tenant_id = m.tenant_id and t.model_id = m.id and t.weight > 0 and p.disabled_at is null) as answerable
from models m where m.shared and m.disabled_at is null order by m.alias limit %(limit)s::int;

-- name: models_offered
-- The tenant's own models in use, and whether a provider in use answers them.
select m.tenant_id, m.alias, m.created_at, exists (select from model_targets t join providers p on p.tenant_id = t.tenant_id and p.id = t.provider_id
    where t.model_id = m.id and t.weight > 0 and p.disabled_at is null) as answerable
from models m where m.disabled_at is null order by m.alias limit %(limit)s::int;

-- name: assistants_offered
-- The tenant's assistants.
select name, created_at from assistants order by name limit %(limit)s::int;

-- name: model_offered
-- A model of the tenant that is in use.
select id from models where alias = %(alias)s::text and disabled_at is null;

-- name: model_shared
-- A model that is shared with every tenant.
-- door: system
select id from models where alias = %(alias)s::text and shared and disabled_at is null limit 1;
