"""What the gateway's admin routes share: who may ask, the forms of names, moments and amounts, and how settings are described."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from fastapi import Path, Request
from pydantic import AfterValidator, AwareDatetime, BaseModel, StringConstraints

from ondol.core.clock import Clock
from ondol.core.config import SignInSettings
from ondol.infrastructure.access.route_roles import RoleGate
from ondol.infrastructure.access.types import Principal
from ondol.infrastructure.storage.blobs import KeyRing
from ondol.infrastructure.storage.postgres import Connection, Database

PAGE_MAX = 500
PAGE = 100
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
PRINTED = r"^[^\x00-\x1f\x7f]+$"
"""Names without control characters."""
LATEST = datetime(2199, 12, 31, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class GatewayServices(RoleGate):
    """What the routes work with.

    Attributes:
        principal: who sends a request, roles included; it was authenticated before.
        sign_in: the settings of signing in, as they are now.
    """

    database: Database
    keyring: KeyRing
    clock: Clock
    principal: Callable[[Request], Principal]
    sign_in: Callable[[], SignInSettings]

    def within(self, who: Principal) -> AbstractAsyncContextManager[Connection]:
        """A transaction of the caller's tenant."""
        return self.database.tenant_tx(who.tenant_id)


class Changed(BaseModel):
    """It is done."""

    changed: bool = True


def _in_range(moment: datetime) -> datetime:
    if not EARLIEST <= moment <= LATEST:
        raise ValueError("give a moment between the years 2000 and 2199")
    return moment


Moment = Annotated[AwareDatetime, AfterValidator(_in_range)]
"""A moment with its offset from UTC."""

AmountText = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,19}(\.[0-9]{1,9})?$")]
"""A decimal amount, exact: units of a currency with up to nine places, or a whole number of tokens."""

ProviderName = Annotated[str, Path(pattern=r"^[a-z0-9](-?[a-z0-9]){0,62}$", max_length=63)]
Alias = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,199}$")]


def schema_of(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """The JSON schema of settings, with everything that it names written out."""
    whole = msgspec.json.schema(struct)
    parts: Mapping[str, Any] = whole.get("$defs", {})

    def written_out(tree: Any) -> Any:
        if isinstance(tree, dict):
            name = str(tree.get("$ref", "")).rpartition("/")[2]
            return written_out(parts[name]) if name else {key: written_out(value) for key, value in tree.items()}
        return [written_out(item) for item in tree] if isinstance(tree, list) else tree

    described: dict[str, Any] = written_out({key: value for key, value in whole.items() if key != "$defs"})
    return described


def plain(struct: msgspec.Struct) -> dict[str, Any]:
    """Settings as plain data, as they are shown."""
    tree: dict[str, Any] = msgspec.to_builtins(struct)
    return tree
