"""What a page says when the API refuses: words of the catalogue by the refusal's code, before the API's own sentence, which is English."""

from __future__ import annotations

from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    "invalid_value": "refused.value",
    "invalid_request": "refused.value",
    "missing_field": "refused.missing",
    "text_too_long": "refused.too_long",
    "bad_name": "refused.name",
    "bad_title": "refused.title",
    "bad_amount": "refused.amount",
    "bad_price": "refused.price",
    "bad_time_zone": "refused.time_zone",
    "bad_attribute": "refused.attribute",
    "bad_subject": "refused.nobody",
    "unknown_person": "refused.nobody",
    "person_not_found": "refused.person",
    "unknown_group": "refused.group",
    "document_not_found": "refused.document",
    "base_not_found": "refused.base",
    "model_not_found": "refused.model",
    "provider_not_found": "refused.provider",
    "assistant_not_found": "refused.assistant",
    "key_not_found": "refused.key",
    "thread_gone": "refused.thread_gone",
    "not_found": "refused.not_found",
    "thread_not_found": "refused.not_found",
    "conflict": "refused.conflict",
    "limit_exists": "refused.conflict",
    "budget_exists": "refused.budget_exists",
    "nothing_to_change": "refused.nothing",
    "role_required": "refused.role",
    "forbidden": "refused.role",
    "own_rights": "refused.own_rights",
    "last_owner": "refused.last_owner",
    "is_disabled": "refused.disabled",
    "wrong_password": "refused.wrong_password",
    "password_length": "refused.password_length",
    "too_many_shares": "refused.shares",
    "second_person_required": "refused.second_person",
    "rate_limit_exceeded": "refused.too_often",
    "upstream_unreachable": "refused.unreachable",
    "upstream_failed": "refused.upstream",
}
"""By the codes that people meet most, the key of their words. For any other one the API's sentence stands alone."""
