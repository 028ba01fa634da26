"""How many items each slice has, and which floors are not reached."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from ondol.application.evaluation.golden.plain import ITEMS_MAX, WORD_CHARACTERS_MAX
from ondol.application.evaluation.golden.types import GoldenItem
from ondol.core.errors import RequestError

FLOORS_MAX = 100
SLICE_VALUES_MAX = 1_000
"""Different values of all slices of a version together: with more, a slice tells nothing."""
_FLOOR = re.compile(rf"[a-z][a-z0-9_]{{0,31}}=[^=\x00-\x1f]{{1,{WORD_CHARACTERS_MAX}}}")


def check_floors(floors: Mapping[str, int]) -> dict[str, int]:
    """The floors by ``name=value``.

    Raises:
        RequestError: when one is not understood.
    """
    if len(floors) > FLOORS_MAX:
        raise RequestError(f"A set has at most {FLOORS_MAX} floors.", code="bad_floor", param="floors")
    for name, least in floors.items():
        if not _FLOOR.fullmatch(name) or isinstance(least, bool) or not 0 < least <= ITEMS_MAX:
            hint = f"For example `language=ko` with 20 items; a version has at most {ITEMS_MAX:,}."
            raise RequestError(f"{name[:100]!r} is no floor.", hint, code="bad_floor", param="floors")
    return dict(floors)


def slices_of(items: Iterable[GoldenItem]) -> dict[str, int]:
    """How many items each slice has, by ``name=value`` and in that order.

    Raises:
        RequestError: when there are more values than tell anything.
    """
    counted = Counter(f"{name}={value}" for item in items for name, value in item.slices.items() if value)
    if len(counted) > SLICE_VALUES_MAX:
        raise RequestError(f"The items have more than {SLICE_VALUES_MAX:,} different slices.", code="too_many_slices", param="slices")
    return dict(sorted(counted.items()))


def missing_of(slices: Mapping[str, int], floors: Mapping[str, int]) -> dict[str, int]:
    """The floors that are not reached, with how many items there are instead."""
    return {name: slices.get(name, 0) for name, least in sorted(floors.items()) if slices.get(name, 0) < least}
