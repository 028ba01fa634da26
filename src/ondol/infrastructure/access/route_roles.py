"""Which roles a route of the admin API takes, how its description says so, and the refusal of everybody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict

from ondol.core.errors import Forbidden
from ondol.infrastructure.access.types import ROLES, Principal, Role

READERS: frozenset[Role] = frozenset({"owner", "admin", "auditor"})
WRITERS: frozenset[Role] = frozenset({"owner", "admin"})
EDITORS: frozenset[Role] = frozenset({"owner", "admin", "editor"})
"""Who may write documents."""
ANYBODY: frozenset[Role] = frozenset(ROLES)


def told_roles(roles: frozenset[Role]) -> dict[str, Any]:
    """How the API's description says which roles a route takes."""
    return {"x-ondol-role": [role for role in ROLES if role in roles]}


READ, WRITE, EDIT, ASK = told_roles(READERS), told_roles(WRITERS), told_roles(EDITORS), told_roles(ANYBODY)


class Body(BaseModel):
    """A request's body: what it does not name is refused."""

    model_config = ConfigDict(extra="forbid")


class RoleGate:
    """What the services of a router know of who asks; the caller was authenticated before.

    Attributes:
        principal: who sends a request, roles included.
    """

    __slots__ = ()

    principal: Callable[[Request], Principal]

    @property
    def reads(self) -> Any:
        """What a route that reads has in the place of the caller: it is asked before the body is looked at."""
        return Depends(self.reader)

    @property
    def writes(self) -> Any:
        """The same for a route that changes something."""
        return Depends(self.writer)

    @property
    def edits(self) -> Any:
        """The same for a route that changes documents."""
        return Depends(self.editor)

    @property
    def asks(self) -> Any:
        """The same for a route that everybody may ask."""
        return Depends(self.anybody)

    def reader(self, request: Request) -> Principal:
        """Who asks, when they may read. Raises `Forbidden`."""
        return self.caller(request, READERS)

    def writer(self, request: Request) -> Principal:
        """Who asks, when they may change. Raises `Forbidden`."""
        return self.caller(request, WRITERS)

    def editor(self, request: Request) -> Principal:
        """Who asks, when they may change documents. Raises `Forbidden`."""
        return self.caller(request, EDITORS)

    def anybody(self, request: Request) -> Principal:
        """Who asks: everybody who was authenticated and has a role. Raises `Forbidden`."""
        return self.caller(request, ANYBODY)

    def caller(self, request: Request, allowed: frozenset[Role]) -> Principal:
        """Who asks.

        Raises:
            Forbidden: when they have none of the roles.
        """
        who = self.principal(request)
        if not who.roles & allowed:
            raise Forbidden("Your roles do not allow this.", f"It takes one of: {', '.join(sorted(allowed))}.", code="role_required")
        return who
