"""What differs between two versions of golden sets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ondol.application.evaluation.golden.plain import plain_item
from ondol.application.evaluation.golden.types import KeptItem


@dataclass(frozen=True, slots=True)
class Difference:
    """What differs, by the ids of items.

    Attributes:
        changed: the fields that differ; `documents_now` alone where only the documents held something else when it was looked at again.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: dict[str, tuple[str, ...]]


def difference(first: Iterable[KeptItem], second: Iterable[KeptItem]) -> Difference:
    """What the second has otherwise than the first."""
    before = {item.name: item for item in first}
    after = {item.name: item for item in second}
    changed = {name: _fields(before[name], after[name]) for name in after if name in before and before[name].address != after[name].address}
    return Difference(tuple(name for name in after if name not in before), tuple(name for name in before if name not in after), changed)


def _fields(one: KeptItem, other: KeptItem) -> tuple[str, ...]:
    if one.item is None or other.item is None:
        return ("erased",)
    left, right = plain_item(one.item), plain_item(other.item)
    return tuple(name for name in left if left[name] != right[name]) or ("documents_now",)
