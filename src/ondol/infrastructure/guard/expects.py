"""What one request demands of its answer beyond the policy, and the checks that this comes to.

A check is added only where the policy has a rule about it and the request gives it a subject: all others go the way that was prepared.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ondol.core.canonical import keyed_digest
from ondol.core.errors import RequestError
from ondol.infrastructure.guard.checks.citations import CitationsCheck
from ondol.infrastructure.guard.checks.prompt_leak import PromptLeakCheck, prepare_prompts
from ondol.infrastructure.guard.checks.schema import SchemaCheck
from ondol.infrastructure.guard.checks.shingles import ShingleIndex
from ondol.infrastructure.guard.engine import StageGuard
from ondol.infrastructure.guard.types import Check

PROMPTS_BYTES_MAX = 32 << 20
"""Memory of the prompts that are kept ready; 10 to 12 bytes a letter. What was not used for longest goes first."""
SCHEMAS_KEPT_MAX = 256

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Expects:
    """What a request demands of its answer.

    Attributes:
        prompts: the system prompts that a tenant or an assistant pinned and that must not come out. The caller's own is the caller's own.
        schema: the JSON Schema that the answer must hold to; ``{}`` for any JSON.
        source_count: how many sources the answer may cite; absent where it need not cite any.
    """

    prompts: tuple[str, ...] = ()
    schema: Mapping[str, Any] | None = None
    source_count: int | None = None


NOTHING = Expects()


def expecting(guard: StageGuard, expects: Expects, key: bytes) -> StageGuard:
    """A stage with the checks of one request; the stage itself where there are none.

    Args:
        key: the tenant's, 32 bytes.

    Raises:
        RequestError: when the schema is none, or costs too much to look at.
    """
    checks: list[Check] = []
    prompts = tuple(prompt for prompt in expects.prompts if prompt)
    if prompts and "prompt_leak" in guard.names:
        checks.append(_prompt_check(prompts, key))
    if expects.schema is not None and "schema" in guard.names:
        checks.append(schema_check(expects.schema))
    if expects.source_count is not None and "citations" in guard.names:
        checks.append(CitationsCheck(expects.source_count))
    return guard.with_checks(checks) if checks else guard


def schema_check(schema: Mapping[str, Any]) -> SchemaCheck:
    """The check of a schema that a request demands; the same schema is compiled once.

    Raises:
        RequestError: when it is none, costs too much to look at, or refers to something outside itself.
    """
    try:
        digest = hashlib.sha256(json.dumps(schema, sort_keys=True, allow_nan=False).encode()).digest()
        return _SCHEMAS.get(digest, lambda: SchemaCheck(schema))
    except (ValueError, TypeError, RecursionError) as error:
        raise RequestError(
            f"The answer cannot be checked against response_format: {error}.",
            "Send a smaller JSON Schema that refers to nothing outside itself.",
            code="bad_response_format",
            param="response_format",
        ) from error


class _Kept(Generic[T]):
    """What was made lately, by digest, up to a weight; safe to share between threads."""

    def __init__(self, weight_max: int, weigh: Callable[[T], int]) -> None:
        self._weight_max = weight_max
        self._weigh = weigh
        self._weight = 0
        self._values: OrderedDict[bytes, T] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, digest: bytes, make: Callable[[], T]) -> T:
        """The value of a digest, made if it is not there."""
        with self._lock:
            if digest in self._values:
                self._values.move_to_end(digest)
                return self._values[digest]
        value = make()
        weight = self._weigh(value)
        with self._lock:
            if digest not in self._values and weight <= self._weight_max:
                self._values[digest] = value
                self._weight += weight
                while self._weight > self._weight_max:
                    self._weight -= self._weigh(self._values.popitem(last=False)[1])
        return value


def _prompt_check(prompts: tuple[str, ...], key: bytes) -> PromptLeakCheck:
    digest = keyed_digest(key, "guard-prompts", "\0".join(prompts).encode("utf-8", "surrogatepass"))
    return PromptLeakCheck(_PROMPTS.get(digest, lambda: prepare_prompts(prompts, key=key)))


_PROMPTS: _Kept[ShingleIndex] = _Kept(PROMPTS_BYTES_MAX, lambda index: index.bytes)
_SCHEMAS: _Kept[SchemaCheck] = _Kept(SCHEMAS_KEPT_MAX, lambda _: 1)
"""Kept by digest alone: equal digests are equal demands, whoever made them."""
