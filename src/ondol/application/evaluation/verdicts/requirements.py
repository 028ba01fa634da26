"""What an assistant requires before a release of it goes live: a passing verdict of one suite, as it is written, and not older than so long."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from ondol.application.evaluation.verdicts.store import QUERIES
from ondol.core.canonical import Json
from ondol.core.errors import RequestError
from ondol.infrastructure.ledger import record
from ondol.infrastructure.releases import hold_assistant
from ondol.infrastructure.storage.postgres import Connection, one, rows

VALID_FOR_DEFAULT = timedelta(days=30)
VALID_FOR_MIN = timedelta(minutes=1)
VALID_FOR_MAX = timedelta(days=3_650)
SUITE_CHARACTERS_MAX = 200

_SPAN = re.compile(r"([1-9][0-9]{0,4})([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, slots=True)
class Requirement:
    """What is required.

    Attributes:
        suite: the suite's name.
        suite_digest: of the suite with its cases, 32 bytes: a suite that says something else under the same name does not do.
        valid_for: how old a verdict may be when the release goes live.
    """

    suite: str
    suite_digest: bytes
    valid_for: timedelta = VALID_FOR_DEFAULT


async def get_requirement(connection: Connection, assistant_id: uuid.UUID) -> Requirement | None:
    """What an assistant requires; None where it requires nothing."""
    row = await one(connection, QUERIES["requirement_of"], {"assistant_id": assistant_id})
    return None if row is None else Requirement(row["suite"], bytes(row["suite_digest"]), timedelta(seconds=row["valid_for_s"]))


async def list_requirements(connection: Connection) -> dict[uuid.UUID, Requirement]:
    """What every assistant requires that requires something, by its id."""
    found = await rows(connection, QUERIES["requirements_all"], {})
    return {row["assistant_id"]: Requirement(row["suite"], bytes(row["suite_digest"]), timedelta(seconds=row["valid_for_s"])) for row in found}


async def put_requirement(
    connection: Connection,
    tenant_id: uuid.UUID,
    assistant_id: uuid.UUID,
    requirement: Requirement | None,
    now: datetime,
    *,
    by: uuid.UUID | None = None,
) -> bool:
    """Let an assistant require this from now on, or nothing; whether that changes anything. What is live stays.

    The assistant is held, so that a release that goes live at the same moment is judged by what was required before or by this.

    Raises:
        RequestError: when a value is out of range; it names the field.
        NotFound: when the tenant has no such assistant.
    """
    if requirement is not None:
        _check(requirement)
    await hold_assistant(connection, assistant_id)
    if await get_requirement(connection, assistant_id) == requirement:
        return False
    if requirement is None:
        await connection.execute(QUERIES["requirement_drop"], {"assistant_id": assistant_id})
    else:
        values = {
            "tenant_id": tenant_id,
            "assistant_id": assistant_id,
            "suite": requirement.suite,
            "suite_digest": requirement.suite_digest,
            "valid_for_s": int(requirement.valid_for.total_seconds()),
            "by": by,
            "now": now,
        }
        await connection.execute(QUERIES["requirement_put"], values)
    body: dict[str, Json] = {
        "assistant": assistant_id,
        "suite": requirement.suite_digest if requirement is not None else None,
        "valid_for_s": int(requirement.valid_for.total_seconds()) if requirement is not None else None,
    }
    await record(connection, tenant_id, kind="assistant.verdict_required", actor_id=by, body=body, now=now)
    return True


def span_of_days(text: str, param: str = "valid_for") -> timedelta:
    """A length of time such as 90m, 12h or 30d.

    Raises:
        RequestError: when it is none, or is out of range.
    """
    match = _SPAN.fullmatch(text)
    span = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match is not None else timedelta()
    if not VALID_FOR_MIN <= span <= VALID_FOR_MAX:
        raise RequestError(f"`{param}` is {text[:40]!r}: it is 1m to 3650d.", "For example: 90m, 12h, 30d.", param=param)
    return span


def span_text(span: timedelta) -> str:
    """A length of time in its largest whole unit, such as 30d."""
    minutes = int(span.total_seconds()) // 60
    for unit, size in (("d", 1_440), ("h", 60)):
        if minutes % size == 0 and minutes:
            return f"{minutes // size}{unit}"
    return f"{minutes}m"


def _check(requirement: Requirement) -> None:
    if not 1 <= len(requirement.suite) <= SUITE_CHARACTERS_MAX:
        raise RequestError(f"`suite` has 1 to {SUITE_CHARACTERS_MAX} characters.", "Name the suite as its card does.", param="suite")
    if len(requirement.suite_digest) != 32:
        raise RequestError("`digest` is no SHA-256.", "`ondol eval check SUITE --json` tells it.", param="digest")
    if not VALID_FOR_MIN <= requirement.valid_for <= VALID_FOR_MAX:
        raise RequestError("`valid_for` is 1m to 3650d.", "For example: 90m, 12h, 30d.", param="valid_for")
