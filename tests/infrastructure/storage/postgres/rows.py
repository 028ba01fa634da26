"""One minimal valid row for every table of the schema `ondol`, in an order in which foreign keys hold."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from ondol.core.ids import new_id

Row = dict[str, object]


@dataclass
class World:
    """The ids of one tenant's rows, so that a later row can point to an earlier one."""

    tenant_id: uuid.UUID = field(default_factory=new_id)
    ids: dict[str, uuid.UUID] = field(default_factory=dict)

    def new(self, table: str) -> uuid.UUID:
        """A fresh id for the table's row, kept for those that point to it."""
        return self.ids.setdefault(table, new_id())


def _now() -> datetime:
    return datetime.now(UTC)


REPLICA = uuid.UUID("01900000-0000-7000-8000-000000000001")
"""A worker that has leases of every tenant."""

TENANT_ROWS: dict[str, Callable[[World], Row]] = {
    "tenants": lambda w: {"id": w.tenant_id, "slug": f"t-{w.tenant_id.hex}", "name": "Tenant", "created_at": _now()},
    "people": lambda w: {"id": w.new("people"), "login_hash": os.urandom(32), "profile_sealed": b"x", "created_at": _now()},
    "person_roles": lambda w: {"person_id": w.ids["people"], "role": "member"},
    "groups": lambda w: {"id": w.new("groups"), "name": "outer", "created_at": _now()},
    "group_people": lambda w: {"group_id": w.ids["groups"], "person_id": w.ids["people"]},
    "group_groups": lambda w: {"group_id": w.ids["groups"], "member_group_id": w.ids["inner group"]},
    "api_keys": lambda w: {
        "id": w.new("api_keys"), "public_id": w.tenant_id.hex[-16:], "secret_hash": os.urandom(32), "person_id": w.ids["people"],
        "name": "key", "created_at": _now(),
    },
    "sessions": lambda w: {
        "id": w.new("sessions"), "person_id": w.ids["people"], "token_hash": os.urandom(32), "created_at": _now(), "expires_at": _now(),
    },
    "one_time_codes": lambda w: {
        "id": w.new("one_time_codes"), "person_id": w.ids["people"], "code_hash": os.urandom(32), "created_at": _now(), "expires_at": _now(),
    },
    "audiences": lambda w: {
        "id": w.new("audiences"), "digest": os.urandom(32), "rule": Jsonb({}), "class_rank": 0, "everyone": True, "created_at": _now(),
    },
    "audience_groups": lambda w: {"audience_id": w.ids["audiences"], "group_id": w.ids["groups"]},
    "audience_people": lambda w: {"audience_id": w.ids["audiences"], "person_id": w.ids["people"]},
    "attribute_values": lambda w: {"id": w.new("attribute_values"), "name": "department", "value": "sales", "created_at": _now()},
    "person_attributes": lambda w: {"person_id": w.ids["people"], "value_id": w.ids["attribute_values"]},
    "audience_attributes": lambda w: {"audience_id": w.ids["audiences"], "clause": 0, "value_id": w.ids["attribute_values"]},
    "bases": lambda w: {"id": w.new("bases"), "name": "base", "created_at": _now()},
    "documents": lambda w: {"id": w.new("documents"), "base_id": w.ids["bases"], "key_hash": os.urandom(32), "created_at": _now()},
    "document_versions": lambda w: {
        "id": w.new("document_versions"), "document_id": w.ids["documents"], "base_id": w.ids["bases"], "declared_version": 1,
        "source_hash": os.urandom(32), "fingerprint": os.urandom(32), "content_address": os.urandom(32), "audience_id": w.ids["audiences"],
        "state": "current", "language": "ko", "media_type": "text/plain", "original_bytes": 1, "passage_count": 1, "details_sealed": b"x",
        "created_at": _now(),
    },
    "index_versions": lambda w: {
        "id": w.new("index_versions"), "base_id": w.ids["bases"], "analyser_id": "mecab", "state": "active", "created_at": _now(),
    },
    "index_segments": lambda w: {
        "id": w.new("index_segments"), "index_id": w.ids["index_versions"], "passage_count": 1, "state": "live", "created_at": _now(),
    },
    "index_tags": lambda w: {"base_id": w.ids["bases"], "name": "stable", "index_id": w.ids["index_versions"], "moved_at": _now()},
    "segment_documents": lambda w: {"segment_id": w.ids["index_segments"], "document_version_id": w.ids["document_versions"]},
    "uploads": lambda w: {
        "id": w.new("uploads"), "base_id": w.ids["bases"], "person_id": w.ids["people"], "state": "received", "bytes": 1, "told_sealed": b"x",
        "created_at": _now(),
    },
    "idempotency_keys": lambda w: {
        "id": w.new("idempotency_keys"), "caller_id": w.ids["people"], "key_hash": os.urandom(32), "request_digest": os.urandom(32),
        "created_at": _now(), "keep_until": _now(),
    },
    "assistants": lambda w: {"id": w.new("assistants"), "name": "assistant", "base_id": w.ids["bases"], "created_at": _now()},
    "widgets": lambda w: {
        "id": w.new("widgets"), "public_id": w.tenant_id.hex[-24:], "name": "site", "assistant_id": w.ids["assistants"], "key_id": w.ids["api_keys"],
        "algorithm": "HS256", "secret_sealed": b"x", "origins": ["https://a.example"], "visitors": False, "open_documents": False,
        "questions_per_minute": 1, "questions_per_customer": 1, "window_at": _now(), "created_at": _now(),
    },
    "widget_groups": lambda w: {"widget_id": w.ids["widgets"], "group_id": w.ids["groups"]},
    "widget_customers": lambda w: {
        "widget_id": w.ids["widgets"], "person_id": w.ids["people"], "pseudonym": os.urandom(32), "window_at": _now(), "created_at": _now(),
    },
    "widget_visits": lambda w: {
        "id": w.new("widget_visits"), "widget_id": w.ids["widgets"], "person_id": w.ids["people"], "token_hash": os.urandom(32),
        "once_hash": os.urandom(32), "client_hash": os.urandom(32), "origin": "https://a.example", "is_named": True, "is_preview": False,
        "window_at": _now(), "created_at": _now(), "expires_at": _now(),
    },
    "bots": lambda w: {
        "id": w.new("bots"), "public_id": w.tenant_id.hex[-24:], "name": "chat", "assistant_id": w.ids["assistants"], "key_id": w.ids["api_keys"],
        "base_url": "https://chat.example/api", "private_network": False, "by_email": False, "signing_sealed": b"x", "token_sealed": b"x",
        "created_at": _now(),
    },
    "bot_people": lambda w: {
        "bot_id": w.ids["bots"], "user_hash": os.urandom(32), "user_sealed": b"x", "person_id": w.ids["people"],
    },
    "bot_rooms": lambda w: {"bot_id": w.ids["bots"], "chat_room": "C1", "clearance": 0, "open_documents": True},
    "bot_room_groups": lambda w: {"bot_id": w.ids["bots"], "chat_room": "C1", "group_id": w.ids["groups"]},
    "bot_events": lambda w: {
        "bot_id": w.ids["bots"], "event_hash": os.urandom(32), "signature_hash": os.urandom(32), "created_at": _now(),
    },
    "releases": lambda w: {
        "id": w.new("releases"), "assistant_id": w.ids["assistants"], "manifest": Jsonb({}), "manifest_version": 1, "digest": os.urandom(32),
        "state": "draft", "created_at": _now(),
    },
    "release_moves": lambda w: {
        "id": w.new("release_moves"), "assistant_id": w.ids["assistants"], "to_id": w.ids["releases"], "kind": "activate", "reason": "improvement",
        "created_at": _now(),
    },
    "release_indexes": lambda w: {"release_id": w.ids["releases"], "index_version_id": w.ids["index_versions"]},
    "verdicts": lambda w: {
        "id": w.new("verdicts"), "outcome": "PASS", "suite": "suite", "suite_digest": os.urandom(32), "target": "assistant/assistant",
        "target_digest": os.urandom(32), "assistant_id": w.ids["assistants"], "release_id": w.ids["releases"], "run_id": new_id(),
        "envelope": b"{}", "statement_digest": os.urandom(32), "signer": "0" * 16, "created_at": _now(),
    },
    "evaluation_runs": lambda w: {
        "id": w.new("evaluation_runs"), "suite_name": "suite", "suite_digest": os.urandom(32), "state": "running", "cases": 1, "repeats": 1,
        "digests": Jsonb({}), "scorers": Jsonb([]), "suite_sealed": b"x", "created_at": _now(),
    },
    "evaluation_results": lambda w: {
        "run_id": w.ids["evaluation_runs"], "place": 0, "repeat": 0, "status": "ok", "scores": Jsonb({}), "cost_nano": 0, "currency": "USD",
        "latency_us": 1, "document_ids": [], "digest": os.urandom(32), "content_sealed": b"x", "created_at": _now(),
    },
    "judgements": lambda w: {"address": os.urandom(32), "document_ids": [], "reply_sealed": b"x", "created_at": _now()},
    "verdict_requirements": lambda w: {
        "assistant_id": w.ids["assistants"], "suite": "suite", "suite_digest": os.urandom(32), "valid_for_s": 60, "changed_at": _now(),
    },
    "nightly_plans": lambda w: {
        "assistant_id": w.ids["assistants"], "suite": "suite", "suite_digest": os.urandom(32), "suite_sealed": b"x", "at_minute": 0,
        "policy": "alarm", "next_at": _now(), "changed_at": _now(),
    },
    "red_team_plans": lambda w: {
        "assistant_id": w.ids["assistants"], "person_id": w.ids["people"], "at_minute": 0, "categories": ["jailbreak"], "languages": ["ko"],
        "mutators": ["plain"], "attacks_max": 1, "currency": "USD", "next_at": _now(), "changed_at": _now(),
    },
    "nightly_looks": lambda w: {
        "id": w.new("nightly_looks"), "assistant_id": w.ids["assistants"], "release_id": w.ids["releases"], "series": "0" * 64,
        "outcome": "first", "figures": Jsonb({}), "reason": "", "created_at": _now(),
    },
    "prompt_versions": lambda w: {
        "id": w.new("prompt_versions"), "name": "assistant", "version": 1, "body_sealed": b"x", "digest": os.urandom(32), "is_built_in": False,
        "created_at": _now(),
    },
    "prompt_labels": lambda w: {"name": "assistant", "label": "tried", "version_id": w.ids["prompt_versions"], "moved_at": _now()},
    "answers": lambda w: {
        "id": w.new("answers"), "assistant_id": w.ids["assistants"], "person_id": w.ids["people"], "outcome": "answered",
        "content_sealed": b"x", "provenance": Jsonb({}), "created_at": _now(),
    },
    "access_requests": lambda w: {
        "id": w.new("access_requests"), "answer_id": w.ids["answers"], "person_id": w.ids["people"], "created_at": _now(),
    },
    "threads": lambda w: {
        "id": w.new("threads"), "assistant_id": w.ids["assistants"], "person_id": w.ids["people"], "title_sealed": b"x",
        "head_id": w.ids["answers"], "created_at": _now(), "changed_at": _now(),
    },
    "turns": lambda w: {
        "id": w.ids["answers"], "thread_id": w.ids["threads"], "person_id": w.ids["people"], "refused": False, "said_sealed": b"x",
        "rests_on": [], "created_at": _now(),
    },
    "thread_shares": lambda w: {
        "id": w.new("thread_shares"), "thread_id": w.ids["threads"], "person_id": w.ids["people"], "created_at": _now(),
    },
    "attachments": lambda w: {
        "id": w.new("attachments"), "person_id": w.ids["people"], "thread_id": w.ids["threads"], "state": "received", "bytes": 1,
        "media_type": "text/plain", "content_address": os.urandom(32), "details_sealed": b"x", "created_at": _now(), "bound_at": _now(),
    },
    "memory_slots": lambda w: {
        "id": w.new("memory_slots"), "assistant_id": w.ids["assistants"], "person_id": w.ids["people"], "name": "plan", "value_sealed": b"x",
        "changed_at": _now(),
    },
    "recommendations": lambda w: {"person_id": w.ids["people"], "asked_at": _now()},
    "answer_streams": lambda w: {
        "id": w.new("answer_streams"), "person_id": w.ids["people"], "worker_id": REPLICA, "request_sealed": b"x", "lease_until": _now(),
        "followed_at": _now(),
    },
    "answer_events": lambda w: {"stream_id": w.ids["answer_streams"], "run": 1, "first": 1, "events": 1, "events_sealed": b"x"},
    "request_hours": lambda w: {
        "hour": _now().replace(minute=0, second=0, microsecond=0), "person_id": w.ids["people"], "api_key_id": REPLICA, "group_ids": [], "model": "m",
        "currency": "", "requests": 1, "failed": 0, "server_errors": 0, "retried": 0, "guarded": 0, "blocked": 0, "estimated": 0,
        "input_tokens": 1, "cached_tokens": 0, "cache_write_tokens": 0, "output_tokens": 1, "reasoning_tokens": 0, "cost_nano": 0,
    },
    "request_model_hours": lambda w: {
        "hour": _now().replace(minute=0, second=0, microsecond=0), "model": "m", "currency": "", "requests": 1, "failed": 0, "server_errors": 0,
        "retried": 0, "guarded": 0, "blocked": 0, "estimated": 0, "input_tokens": 1, "cached_tokens": 0, "cache_write_tokens": 0,
        "output_tokens": 1, "reasoning_tokens": 0, "cost_nano": 0,
    },
    "request_speeds": lambda w: {"hour": _now(), "model": "m", "measure": "whole", "class": 3, "requests": 1},
    "golden_sets": lambda w: {
        "id": w.new("golden_sets"), "name": "golden", "split": "test", "base_id": w.ids["bases"], "floors": Jsonb({}),
        "owner_id": w.ids["people"], "created_at": _now(),
    },
    "golden_versions": lambda w: {
        "id": w.new("golden_versions"), "set_id": w.ids["golden_sets"], "number": 1, "root": os.urandom(32), "items": 1, "slices": Jsonb({}),
        "missing": Jsonb({}), "created_at": _now(),
    },
    "golden_items": lambda w: {
        "id": w.new("golden_items"), "set_id": w.ids["golden_sets"], "name": "first", "address": os.urandom(32), "owner_kind": "tenant",
        "owner_id": w.tenant_id, "content_sealed": b"x", "created_at": _now(),
    },
    "golden_entries": lambda w: {"version_id": w.ids["golden_versions"], "place": 0, "item_id": w.ids["golden_items"]},
    "golden_grounds": lambda w: {
        "item_id": w.ids["golden_items"], "document_id": w.ids["documents"], "version_id": w.ids["document_versions"],
    },
    "golden_proposals": lambda w: {
        "id": w.new("golden_proposals"), "set_id": w.ids["golden_sets"], "request_id": new_id(), "person_id": w.ids["people"],
        "reasons": ["random"], "state": "proposed", "content_sealed": b"x", "proposed_by": w.ids["people"], "created_at": _now(),
    },
    "review_queues": lambda w: {
        "id": w.new("review_queues"), "name": "queue", "is_open": True, "scales": ["clarity"], "quorum": 2, "lease_minutes": 60, "seed": 0,
        "feedback": "none", "created_at": _now(),
    },
    "review_guidelines": lambda w: {"queue_id": w.ids["review_queues"], "version": 1, "text_sealed": b"x", "created_at": _now()},
    "review_raters": lambda w: {"queue_id": w.ids["review_queues"], "person_id": w.ids["people"], "added_at": _now()},
    "review_items": lambda w: {
        "id": w.new("review_items"), "queue_id": w.ids["review_queues"], "state": "open", "reasons": [], "content_sealed": b"x",
        "created_at": _now(),
    },
    "review_leases": lambda w: {"item_id": w.ids["review_items"], "person_id": w.ids["people"], "guideline": 1, "until": _now()},
    "review_ratings": lambda w: {
        "id": w.new("review_ratings"), "item_id": w.ids["review_items"], "person_id": w.ids["people"], "guideline": 1,
        "points": Jsonb({"clarity": 3}), "created_at": _now(),
    },
    "review_decisions": lambda w: {
        "item_id": w.ids["review_items"], "points": Jsonb({"clarity": 3}), "decided_by": w.ids["people"], "created_at": _now(),
    },
    "requests": lambda w: {
        "id": w.new("requests"), "person_id": w.ids["people"], "model": "m", "route": "r", "input_tokens": 0, "output_tokens": 0,
        "duration_us": 1, "status": 200, "outcome": "ok", "created_at": _now(),
    },
    "request_contents": lambda w: {
        "id": w.ids["requests"], "person_id": w.ids["people"], "mode": "masked", "prompt_sealed": b"x", "answer_sealed": b"x", "created_at": _now(),
        "keep_until": _now(),
    },
    "feedback": lambda w: {
        "id": w.new("feedback"), "request_id": w.ids["requests"], "person_id": w.ids["people"], "thumb": "up", "created_at": _now(),
    },
    "ledger_events": lambda w: {
        "id": w.new("ledger_events"), "kind": "test", "body": Jsonb({}), "digest": os.urandom(32), "created_at": _now(),
    },
    "artefacts": lambda w: {"id": w.new("artefacts"), "kind": "document", "created_at": _now()},
    "artefact_links": lambda w: {
        "child_id": w.ids["artefacts"], "parent_id": w.ids["artefacts"], "relation": "about", "created_at": _now(),
    },
    "tombstones": lambda w: {"id": w.new("tombstones"), "kind": "document", "erased_at": _now()},
    "erasures": lambda w: {
        "id": w.new("erasures"), "kind": "document", "target_id": uuid.uuid4(), "state": "hidden", "reason": "request", "hidden_at": _now(),
    },
    "erasure_steps": lambda w: {"erasure_id": w.ids["erasures"], "name": "index", "place": 0, "found": 0},
    "erasure_items": lambda w: {"erasure_id": w.ids["erasures"], "kind": "version", "item_id": uuid.uuid4()},
    "document_identifiers": lambda w: {
        "document_version_id": w.ids["document_versions"], "entity": "EMAIL", "value_hash": os.urandom(32),
    },
    "guard_policies": lambda w: {
        "id": w.new("guard_policies"), "name": "careful", "version": 1, "body": Jsonb({}), "digest": os.urandom(32), "created_at": _now(),
    },
    "guard_bindings": lambda w: {"scope": "tenant", "target": "", "policy_name": "careful", "bound_at": _now()},
    "guard_canaries": lambda w: {"id": w.new("guard_canaries"), "purpose": "prompts", "value_sealed": b"x", "created_at": _now()},
    "guard_texts": lambda w: {
        "id": w.new("guard_texts"), "name": "a work", "note_sealed": b"x", "words": 100, "digest": os.urandom(32), "hashes_sealed": b"x",
        "created_at": _now(),
    },
    "guard_tokens": lambda w: {
        "id": w.new("guard_tokens"), "token": "[PHONE_Tabcdefghijkl]", "entity": "PHONE", "value_sealed": b"x", "person_id": w.ids["people"],
        "created_at": _now(), "expires_at": _now(),
    },
    "guard_incidents": lambda w: {
        "id": w.new("guard_incidents"), "kind": "blocked", "stage": "input", "policy_digest": os.urandom(32), "rules": ["secrets.aws"],
        "group_hash": os.urandom(32), "sample_sealed": b"x", "opened_at": _now(), "last_at": _now(),
    },
    "guard_traffic": lambda w: {
        "id": w.new("guard_traffic"), "request_id": w.ids["requests"], "stage": "input", "policy_digest": os.urandom(32), "decision": "allow",
        "findings": Jsonb([]), "text_sealed": b"x", "created_at": _now(), "keep_until": _now(),
    },
    "guard_approvals": lambda w: {
        "id": w.new("guard_approvals"), "tool": "orders.refund", "arguments_sealed": b"x", "call_hash": os.urandom(32), "reasons": ["destructive"],
        "role": "admin", "policy_digest": os.urandom(32), "asked_by": w.ids["people"], "asked_at": _now(),
        "expires_at": _now() + timedelta(hours=1),
    },
    "providers": lambda w: {
        "id": w.new("providers"), "name": "local", "kind": "openai", "base_url": "http://127.0.0.1/v1", "created_at": _now(),
    },
    "models": lambda w: {"id": w.new("models"), "alias": "tiny", "created_at": _now()},
    "model_targets": lambda w: {
        "id": w.new("model_targets"), "model_id": w.ids["models"], "provider_id": w.ids["providers"], "name": "tiny",
    },
    "gateway_settings": lambda w: {"settings": Jsonb({}), "changed_at": _now()},
    "limits": lambda w: {
        "id": w.new("limits"), "scope": "tenant", "subject": "", "requests_per_minute": 60, "created_at": _now(), "changed_at": _now(),
    },
    "budgets": lambda w: {
        "id": w.new("budgets"), "name": "all", "scope": "tenant", "subject": "", "unit": "tokens", "period": "total", "amount": 100,
        "created_at": _now(), "changed_at": _now(),
    },
    "budget_credits": lambda w: {"id": w.new("budget_credits"), "budget_id": w.ids["budgets"], "amount": 5, "created_at": _now()},
    "prices": lambda w: {
        "id": w.new("prices"), "provider": "local", "model": "tiny", "currency": "USD", "from_at": _now(), "input": 5, "created_at": _now(),
    },
    "limit_pools": lambda w: {
        "id": w.new("limit_pools"), "rule_id": w.ids["budgets"], "kind": "budget_tokens", "subject": "", "starts_at": _now(), "amount": 100,
        "filled_at": _now(),
    },
    "limit_leases": lambda w: {"pool_id": w.ids["limit_pools"], "replica_id": REPLICA, "amount": 5},
    "limit_replays": lambda w: {"pool_id": w.ids["limit_pools"], "replica_id": REPLICA, "request_id": new_id(), "number": 1, "amount": 5},
    "budget_alarms": lambda w: {"pool_id": w.ids["limit_pools"], "percent": 80, "spent": 80, "amount": 100, "reached_at": _now()},
}  # fmt: skip
"""In the order in which they can be inserted. A table of a later migration that is not here makes the tests of row security fail."""

WITHOUT_TENANT = {
    "sign_in_failures": "keyed hashes only; a wrong organisation's name counts too, so there is no tenant to bind it to",
    "key_revision": "one counter of the installation",
    "erasure_revision": "one counter of the installation",
    "guard_revision": "one counter of the installation",
    "serving_revision": "one counter of the installation",
    "limit_revision": "one counter of the installation",
    "limit_replicas": "worker processes, which serve all tenants",
    "ledger_batches": "the chain goes over all tenants and holds digests only",
}
"""Tables without a tenant, each with its reason."""


def tenant_column(table: str) -> str:
    """The column that names the tenant."""
    return "id" if table == "tenants" else "tenant_id"


def row_of(world: World, table: str) -> Row:
    """A row of that table for that tenant."""
    row = TENANT_ROWS[table](world)
    return row if table == "tenants" else {"tenant_id": world.tenant_id, **row}


def insert(connection: psycopg.Connection[tuple[object, ...]], table: str, row: Row) -> None:
    """Insert a row as whoever is connected."""
    statement = sql.SQL("insert into ondol.{} ({}) values ({})").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, row)), sql.SQL(", ").join(sql.SQL("%s") for _ in row)
    )
    connection.execute(statement, list(row.values()))


def populate(connection: psycopg.Connection[tuple[object, ...]], world: World) -> None:
    """One row in every tenant table, as the owner."""
    for table in TENANT_ROWS:
        if table == "limit_leases":
            connection.execute(
                "insert into ondol.limit_replicas (id, started_at, seen_at, expires_at) values (%s, now(), now(), now()) on conflict do nothing",
                [REPLICA],
            )
        if table == "group_groups":
            world.ids["inner group"] = new_id()
            insert(connection, "groups", {"tenant_id": world.tenant_id, "id": world.ids["inner group"], "name": "inner", "created_at": _now()})
        insert(connection, table, row_of(world, table))
