"""The short strings of an upstream's answer: reasons, ids, kinds, tiers. No guard reads them, so only what has its known form goes out."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import Any

MARK_CHARACTERS_MAX = 256
"""The longest id: some servers put a state of their own into it."""
SEAL_CHARACTERS_MAX = 1 << 20
"""The longest signature of reasoning."""
MARKS_KEPT_MAX = 1024
"""Ids that are known to be some: what is in every event of a stream is looked at once."""
COUNTS_DEPTH_MAX = 3
COUNTS_MAX = 64
"""How deep, and how many to a level, the figures of a usage are told."""
_NUMBERS = (int, float)
_MARK = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.:/+=|~"

FINISHED = frozenset({
    "stop", "length", "tool_calls", "function_call", "content_filter", "abort", "error", "model_length", "insufficient_system_resource",
})  # fmt: skip
"""Why a choice of a chat or completion ended: OpenAI's words, and those that other servers of the family have."""
STOPPED = frozenset({"end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal", "model_context_window_exceeded", "compaction"})
"""Why a message ended, in Anthropic's words."""
STATUSES = frozenset({"completed", "incomplete", "in_progress", "queued", "cancelled", "failed", "searching", "calling"})
TIERS = frozenset({"auto", "default", "flex", "priority", "scale", "standard", "standard_only", "batch", "on_demand", "performance"})
_FIGURES = TIERS | {"tokens", "duration", "not_available", "global", "us"}
"""Words that stand among the figures of a usage."""


def word(value: Any, known: frozenset[str], otherwise: Any = None) -> Any:
    """A word of a known set, or what stands for any other. What is no string, such as null, is no word."""
    return value if type(value) is str and value in known else otherwise


def reason(value: Any, known: frozenset[str], otherwise: str) -> str | None:
    """Why something ended; None while it has not."""
    return (value if type(value) is str and value in known else otherwise) if value else None


def is_mark(value: Any) -> bool:
    """Whether it may be an id: one short run of the letters, digits and signs that ids are made of."""
    return type(value) is str and 0 < len(value) <= MARK_CHARACTERS_MAX and _is_of_signs(value)


@lru_cache(maxsize=MARKS_KEPT_MAX)
def _is_of_signs(value: str) -> bool:
    return value.isascii() and not value.encode().translate(None, _MARK)


def mark(value: Any, prefix: str = "id_") -> str:
    """An id. In the place of one that may be none stands a digest of it, so that what refers to it still finds it; empty where none was told."""
    if value is None or value == "":
        return ""
    if is_mark(value):
        return str(value)
    return prefix + blake2b(str(value).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def seal(value: Any) -> str:
    """A signature, which is long but of the same signs; empty where it is none."""
    sound = type(value) is str and len(value) <= SEAL_CHARACTERS_MAX and value.isascii() and not value.encode().translate(None, _MARK)
    return str(value) if sound else ""


def figures(usage: Any, depth: int = COUNTS_DEPTH_MAX) -> Any:
    """A usage as the provider told it: its numbers, and the few words among them. Anything else has no business there."""
    if type(usage) is int or usage is None:
        return usage
    if type(usage) is dict:
        names = list(usage)[:COUNTS_MAX] if depth else ()
        return {name: figures(usage[name], depth - 1) for name in names if is_mark(name)}
    return usage if isinstance(usage, bool | float) else word(usage, _FIGURES)


def dress_head(head: dict[str, Any], kind: str, created: int) -> None:
    """What stands at the top of an answer of OpenAI's older shapes, in place. `created` is in Unix seconds, for answers that do not say."""
    head["object"] = kind
    told = head.get("created")
    if not told or type(told) not in _NUMBERS:
        head["created"] = created
    fingerprint, tier = head.get("system_fingerprint"), head.get("service_tier")
    if fingerprint is not None and not is_mark(fingerprint):
        del head["system_fingerprint"]
    if tier is not None and (type(tier) is not str or tier not in TIERS):
        del head["service_tier"]
