"""Tools as a policy declares them; `tools.policy` makes them ready. Nothing is imported here that a policy without tools does not need."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from ondol.core.errors import SettingsError

TOOLS_MAX = 500
RULES_MAX = 100
"""Of one tool."""
ROLE_CHARACTERS_MAX = 200
RUN_CHARACTERS = 20
"""An argument that shares so many letters and digits in a row with an untrusted text is tainted, unless a policy says otherwise."""
RUN_CHARACTERS_MIN = 8
RUN_CHARACTERS_MAX = 64
APPROVAL_MINUTES = 60
APPROVAL_MINUTES_MAX = 7 * 24 * 60

_TOOL_NAME = re.compile(r"[A-Za-z0-9_.:/-]{1,128}\*?")


class DeclaredSql(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One SELECT over these tables; of the tenants' tables it reads the caller's rows alone."""

    dialect: Literal["postgres", "mysql"]
    tables: list[str]
    tenant_tables: list[str]
    tenant_column: str = "tenant_id"


class DeclaredRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one argument may be; see `tools.types.ArgumentRule`."""

    argument: str
    one_of: list[str | int | bool] | None = None
    prefix: str | None = None
    characters_max: int | None = None
    at_least: float | None = None
    at_most: float | None = None
    hosts: list[str] | None = None
    schemes: list[Literal["https", "http"]] | None = None
    root: str | None = None
    sql: DeclaredSql | None = None


class DeclaredTool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a policy says about the tools of one name or beginning; see `tools.types.ToolRule`.

    Attributes:
        arguments: a JSON Schema.
    """

    name: str
    arguments: dict[str, Any]
    rules: list[DeclaredRule] = []
    privileged: bool = False
    destructive: bool = False
    approval_role: str = ""


class DeclaredApprovals(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How approvals are kept.

    Attributes:
        expire_minutes: from the question on, an approval is given and used within so many minutes.
    """

    expire_minutes: int = APPROVAL_MINUTES


def check_tools(tools: Sequence[DeclaredTool], run_characters: int) -> None:
    """Check what can be seen without compiling anything.

    Raises:
        SettingsError: when there are too many tools, or one of them cannot be what it says.
    """
    if len(tools) > TOOLS_MAX:
        raise SettingsError(f"The policy names more than {TOOLS_MAX} tools.", "Join tools of one beginning under `name: beginning*`.")
    if not RUN_CHARACTERS_MIN <= run_characters <= RUN_CHARACTERS_MAX:
        raise SettingsError(
            f"`run_characters` that taint are not between {RUN_CHARACTERS_MIN} and {RUN_CHARACTERS_MAX}.", f"{RUN_CHARACTERS} is usual."
        )
    seen: set[str] = set()
    for tool in tools:
        if tool.name in seen:
            raise SettingsError(f"The tool {tool.name} is named twice.", "Keep one of the two.")
        seen.add(tool.name)
        _check_tool(tool)


def check_approvals(approvals: DeclaredApprovals) -> None:
    """Check how approvals are kept.

    Raises:
        SettingsError: when they would never or always hold.
    """
    if not 1 <= approvals.expire_minutes <= APPROVAL_MINUTES_MAX:
        raise SettingsError(
            f"`approvals` expire after {approvals.expire_minutes} minutes.", f"1 to {APPROVAL_MINUTES_MAX:,} are possible, {APPROVAL_MINUTES} usual."
        )


def _check_tool(tool: DeclaredTool) -> None:
    if not _TOOL_NAME.fullmatch(tool.name):
        raise SettingsError(
            f"{tool.name[:100]!r} cannot be the name of a tool.", "Letters, digits and `_.:/-`, and one `*` at the end if it is a beginning."
        )
    if tool.destructive and not tool.approval_role:
        raise SettingsError(f"The tool {tool.name} is destructive, and nobody may approve it.", "Name a role as `approval_role`.")
    if len(tool.approval_role) > ROLE_CHARACTERS_MAX:
        raise SettingsError(f"The role that approves {tool.name} has more than {ROLE_CHARACTERS_MAX} characters.", "Name a role or a group.")
    if len(tool.rules) > RULES_MAX:
        raise SettingsError(f"The tool {tool.name} has more than {RULES_MAX} rules.", "Say more in its schema.")
