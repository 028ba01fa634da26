"""Attributes: a tenant's vocabulary of names and values, and which of them a person has."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import datetime

import psycopg

from ondol.core.errors import Conflict, RequestError
from ondol.core.ids import new_id
from ondol.infrastructure.access.rules import Clause, check_name, check_value
from ondol.infrastructure.storage.postgres import Connection, load_queries, rows

_QUERIES = load_queries("ondol.infrastructure.access")

ATTRIBUTES_OF_PERSON_MAX = 200

Attribute = tuple[str, str]
"""A name and one value."""


async def put_attribute(connection: Connection, tenant_id: uuid.UUID, name: str, values: Iterable[str], now: datetime) -> None:
    """Give an attribute exactly these values. What is gone from the list is taken from the people who had it.

    Raises:
        Conflict: when a value is to go that the rules of documents ask for.
        RequestError: when it cannot be called so, or a value cannot be.
    """
    wanted = sorted({check_value(value) for value in values})
    said = {"tenant_id": tenant_id, "name": check_name(name), "values": wanted}
    await connection.execute(_QUERIES["attribute_values_add"], {**said, "ids": [new_id() for _ in wanted], "now": now})
    try:
        async with connection.transaction():
            await connection.execute(_QUERIES["attribute_values_remove"], said)
    except psycopg.errors.ForeignKeyViolation:
        message = f"Rules of documents ask for a value of {name} that is to go."
        raise Conflict(message, f"Leave it in the list: {name} must keep every value that a rule names.", code="attribute_in_use") from None


async def list_attributes(connection: Connection) -> list[tuple[str, tuple[str, ...]]]:
    """Every attribute by name with its values."""
    return [(row["name"], tuple(sorted(row["values"]))) for row in await rows(connection, _QUERIES["attributes_all"], {})]


async def value_ids(connection: Connection, wanted: Iterable[Attribute]) -> dict[Attribute, uuid.UUID]:
    """The ids of attributes' values.

    Raises:
        RequestError: when one is unknown: a rule over a value that does not exist would close a document to everyone in silence, and a person
            with one would be let in when it is made.
    """
    asked = sorted({(check_name(name), check_value(value)) for name, value in wanted})
    said: dict[str, object] = {"names": [name for name, _ in asked], "values": [value for _, value in asked]}
    found = {(row["name"], row["value"]): row["id"] for row in await rows(connection, _QUERIES["attribute_values_of"], said)}
    unknown = [f"{name}={value}" for name, value in asked if (name, value) not in found]
    if unknown:
        message = f"There is no attribute {', '.join(unknown)}."
        raise RequestError(message, "Make it with `ondol apply`, or correct the name or the value.", code="unknown_attribute")
    return found


async def clause_ids(connection: Connection, clauses: Sequence[Clause]) -> frozenset[frozenset[uuid.UUID]]:
    """The clauses of a rule as sets of values' ids.

    Raises:
        RequestError: as `value_ids` does.
    """
    found = await value_ids(connection, ((clause.name, value) for clause in clauses for value in clause.values))
    return frozenset(frozenset(found[(clause.name, value)] for value in clause.values) for clause in clauses)


async def set_attributes(connection: Connection, tenant_id: uuid.UUID, person_id: uuid.UUID, attributes: Iterable[Attribute]) -> None:
    """Give a person exactly these attributes.

    Raises:
        RequestError: when one is unknown, or there are too many.
    """
    found = await value_ids(connection, attributes)
    if len(found) > ATTRIBUTES_OF_PERSON_MAX:
        raise RequestError(f"A person has at most {ATTRIBUTES_OF_PERSON_MAX} attributes.", "Put them into a group.", code="too_many_attributes")
    values = {"tenant_id": tenant_id, "person_id": person_id, "value_ids": sorted(found.values())}
    await connection.execute(_QUERIES["person_attributes_set"], values)
    await connection.execute(_QUERIES["person_attributes_add"], values)
