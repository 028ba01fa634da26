"""A person's approval of one call: exactly this one, by this role, until then."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from datetime import datetime

from ondol.core.canonical import digest
from ondol.infrastructure.guard.tools.arguments import parse_arguments
from ondol.infrastructure.guard.tools.types import Approval, ToolCall, Value


def digest_of(call: ToolCall) -> bytes:
    """The digest of a call, 32 bytes: equal for equal names and arguments however they were written. Approve what runs: see `call_of`.

    Raises:
        BadArguments: when the arguments cannot be read.
    """
    arguments = json.dumps(parse_arguments(call.arguments), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    # Canonical JSON has no fractions, so the arguments go in as one text.
    return digest({"tool": call.name, "arguments": arguments})


def call_of(name: str, arguments: Mapping[str, Value]) -> ToolCall:
    """The call that runs a tool with these arguments."""
    return ToolCall(name, json.dumps(arguments, ensure_ascii=False, separators=(",", ":"), sort_keys=True))


def covers(approval: Approval, call: ToolCall, now: datetime) -> bool:
    """Whether an approval is of this very call and still holds. That it serves only once, its keeper sees to.

    Raises:
        BadArguments: when the call's arguments cannot be read.
        TypeError: when one of the times has no time zone and the other has.
    """
    return now < approval.expires_at and hmac.compare_digest(approval.digest, digest_of(call))
