"""Who may give whom which rights. Whoever manages people manages those of others: nobody raises their own, by whatever way."""

from __future__ import annotations

import uuid
from collections.abc import Collection

from ondol.core.errors import Conflict, Forbidden
from ondol.infrastructure.access.people import QUERIES, NewPerson, groups_of_person
from ondol.infrastructure.access.types import Person, Principal, SecurityClass, class_rank
from ondol.infrastructure.storage.postgres import Connection, one


def check_may_manage(who: Principal, person: Person) -> None:
    """Whether somebody may change, shut out or invite a person.

    Raises:
        Forbidden: the person is an owner, and whoever acts is none.
    """
    if "owner" in person.roles and "owner" not in who.roles:
        raise Forbidden("Only an owner manages an owner.", "Ask one.", code="role_required")


def check_may_grant(who: Principal, own_clearance: SecurityClass, known: Person | None, new: NewPerson) -> None:
    """Whether somebody may bring a person to what is said, or add one.

    Args:
        own_clearance: of whoever acts.
        known: the person as they are; None for one who joins.

    Raises:
        Forbidden: it changes one's own rights; or it makes an owner, or gives a clearance above one's own, and whoever acts is no owner.
    """
    if known is not None:
        check_may_manage(who, known)
        before = known.roles, known.clearance, frozenset(known.groups), frozenset(known.attributes)
        if known.id == who.person_id and before != (new.roles, new.clearance, frozenset(new.groups), frozenset(new.attributes)):
            raise _own_rights()
    if "owner" in who.roles:
        return
    if "owner" in new.roles:
        raise Forbidden("Only an owner makes an owner.", "Ask one.", code="role_required", param="roles")
    raised = known is None or class_rank(new.clearance) > class_rank(known.clearance)
    if raised and class_rank(new.clearance) > class_rank(own_clearance):
        raise Forbidden(
            f"Only an owner gives a clearance above {own_clearance}, your own.", "Ask one.", code="clearance_above_own", param="clearance"
        )


def check_not_oneself(who: Principal, person: Person) -> None:
    """Whether somebody shuts out, or lets in, somebody else.

    Raises:
        Forbidden: it is themselves.
    """
    if person.id == who.person_id:
        raise _own_rights()


async def check_owner_left(connection: Connection) -> None:
    """Whether the tenant still has an owner who may sign in. Asked at the end of a transaction that took one away.

    Raises:
        Conflict: when it has none.
    """
    found = await one(connection, QUERIES["owners_left"], {})
    if found is None or not found["counted"]:
        raise Conflict("The tenant would have no owner.", "Make somebody else an owner first.", code="last_owner")


async def check_own_groups(connection: Connection, person_id: uuid.UUID, before: Collection[uuid.UUID]) -> None:
    """Whether somebody belongs to no more groups than before. Asked at the end of a transaction that put groups into groups.

    Raises:
        Forbidden: when they do.
    """
    if not set(await groups_of_person(connection, person_id)) <= set(before):
        raise _own_rights()


def _own_rights() -> Forbidden:
    return Forbidden("Nobody changes their own rights.", "Ask another administrator or an owner.", code="own_rights")
