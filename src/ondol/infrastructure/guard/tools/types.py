"""Records of what a model may do with tools: a call, what a policy says about it, and a person's approval."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias

from ondol.infrastructure.guard.checks.schema import SchemaWords
from ondol.infrastructure.guard.tools.sql import SqlRule
from ondol.infrastructure.guard.types import Finding

Value: TypeAlias = "dict[str, Value] | list[Value] | str | int | float | bool | None"
"""What JSON holds."""


class Misfit(Protocol):
    """Something that does not fit a JSON Schema: where, and by which word of the schema."""

    @property
    def instance_path(self) -> list[str | int]:
        """Where it stands in the arguments."""
        ...

    @property
    def schema_path(self) -> list[str | int]:
        """What of the schema refuses it."""
        ...


class Validator(Protocol):
    """A compiled JSON Schema."""

    def iter_errors(self, instance: Any) -> Iterable[Misfit]:
        """All that does not fit."""
        ...


@dataclass(frozen=True, slots=True)
class ToolCall:
    """What a model asks for.

    Attributes:
        name: of the tool.
        arguments: as the model wrote them: the text of a JSON object.
    """

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ArgumentRule:
    """What one argument may be. Each part that is set must hold; an argument that is absent is judged by the schema alone.

    Attributes:
        path: names of properties from the top, ``*`` for each element of a list or each value of an object.
        one_of: the values themselves.
        prefix: what a text begins with.
        characters_max: how long a text may be.
        at_least, at_most: a number, both included.
        hosts: an address of a page lies on one of these: ``example.com``, ``*.example.com`` (below it, not itself), with ``:port`` if another
            than the usual one.
        schemes: of that address.
        root: the folder that the tool opens a relative path in, which the path does not leave.
        sql: one SELECT that reads the caller's rows.
    """

    path: tuple[str, ...]
    one_of: tuple[str | int | bool, ...] | None = None
    prefix: str | None = None
    characters_max: int | None = None
    at_least: float | None = None
    at_most: float | None = None
    hosts: tuple[str, ...] | None = None
    schemes: tuple[str, ...] = ("https",)
    root: str | None = None
    sql: SqlRule | None = None


@dataclass(frozen=True, slots=True)
class ToolRule:
    """What a policy says about the tools of one name or beginning.

    Attributes:
        name: as it is, or its beginning and ``*``.
        validator: of the arguments.
        words: that their schema knows.
        privileged: what came out of a document or another tool may not be among the arguments without approval.
        destructive: every call needs approval.
        approval_role: who may approve; empty when nobody may, then what needs approval is blocked.
    """

    name: str
    validator: Validator = field(compare=False)
    words: SchemaWords
    rules: tuple[ArgumentRule, ...] = ()
    privileged: bool = False
    destructive: bool = False
    approval_role: str = ""


@dataclass(frozen=True, slots=True)
class ToolPolicy:
    """The tools that may be called at all.

    Attributes:
        tools: exact names and beginnings; the exact name decides, else the longest beginning.
        run_characters: an argument that shares so many letters and digits in a row with an untrusted text is tainted.
        digest: SHA-256 of all that it says, 32 bytes.
    """

    tools: tuple[ToolRule, ...]
    run_characters: int
    digest: bytes

    def rule_for(self, name: str) -> ToolRule | None:
        """What is said about a tool; None for one that is not known."""
        exact = next((tool for tool in self.tools if tool.name == name), None)
        if exact is not None:
            return exact
        beginnings = [tool for tool in self.tools if tool.name.endswith("*") and name.startswith(tool.name[:-1])]
        return max(beginnings, key=lambda tool: len(tool.name), default=None)


@dataclass(frozen=True, slots=True)
class Approval:
    """A person's yes to one call.

    Attributes:
        role: in which the person said it.
        approver_id: who.
        digest: of exactly the call that may run (`approvals.digest_of`), 32 bytes.
        expires_at: from then on it holds no more.
    """

    role: str
    approver_id: uuid.UUID
    digest: bytes
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class ApprovalNeeded:
    """What a person is asked for.

    Attributes:
        role: who may say yes.
        digest: of the call that would run, 32 bytes.
        reasons: of ``destructive`` and ``tainted`` those that hold.
    """

    role: str
    digest: bytes
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ToolContext:
    """For whom, from what and when a tool is called.

    Attributes:
        tenant: the caller's tenant as it stands in the tables that SQL reads.
        now: with its time zone.
        untrusted: texts of documents and results of tools that the model was shown.
        own: what the person wrote; what stands there is trusted, wherever else it stands.
        approvals: given so far and not used up: that one serves once is the caller's business.
        real_path: where a path leads once links are followed, such as `os.path.realpath`; not looked at when absent.
    """

    tenant: str
    now: datetime
    untrusted: Sequence[str] = ()
    own: Sequence[str] = ()
    approvals: Sequence[Approval] = ()
    real_path: Callable[[str], str] | None = None


@dataclass(frozen=True, slots=True)
class ToolDecision:
    """What becomes of a call.

    Attributes:
        decision: it runs, a person is asked first, or it does not run.
        findings: why, with spans in the arguments as they were written.
        arguments: what it runs with, once it may: paths normalised, SQL rewritten; None when it is blocked.
        approval_needed: when a person is asked.
        approval: the one that let it run.
    """

    decision: Literal["allow", "ask", "block"]
    findings: tuple[Finding, ...] = ()
    arguments: Mapping[str, Value] | None = None
    approval_needed: ApprovalNeeded | None = None
    approval: Approval | None = None
