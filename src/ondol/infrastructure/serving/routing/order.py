"""In which order the targets of a model are tried."""

from __future__ import annotations

import math
from collections.abc import Callable
from hashlib import blake2b

from ondol.infrastructure.serving.types import ModelRow, TargetRow

TARGETS_TRIED_MAX = 8


def order_of(model: ModelRow, sticky_key: bytes, chance: Callable[[], float]) -> tuple[TargetRow, ...]:
    """The targets, best first, at most `TARGETS_TRIED_MAX`: by priority, and within one priority by weight.

    Each target draws a number u in (0, 1), and the largest u^(1/weight) goes first (Efraimidis and Spirakis, 2006): the first place falls to each
    in proportion to its weight, and so does the second among the rest. For a sticky model the number is a hash of the conversation's key and the
    target's id (weighted rendezvous hashing): a conversation stays where it is, and only those of a target that goes away move.

    Args:
        sticky_key: names a conversation; empty for none.
        chance: uniform in [0, 1).
    """
    targets = model.targets
    if len(targets) == 1 and targets[0].weight > 0:
        return targets
    sticky = model.sticky and sticky_key
    ranked: list[tuple[int, float, TargetRow]] = []
    for target in targets:
        if target.weight > 0:
            u = _hashed(sticky_key, target.id.bytes) if sticky else 1.0 - chance()
            ranked.append((target.priority, -math.log(u) / target.weight, target))
    ranked.sort(key=_rank)
    return tuple(target for _, _, target in ranked[:TARGETS_TRIED_MAX])


def _rank(entry: tuple[int, float, TargetRow]) -> tuple[int, float]:
    return entry[0], entry[1]


def _hashed(key: bytes, target: bytes) -> float:
    """A number in (0, 1) that belongs to this pair."""
    number = int.from_bytes(blake2b(key, key=target, digest_size=8).digest(), "big")
    return (number + 1) / (2**64 + 1)
