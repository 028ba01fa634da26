"""The Merkle tree of RFC 6962 (section 2.1) with SHA-256.

Leaves and nodes are hashed with different prefixes, so a node can never pass for a leaf, and the last node of an odd level moves up
unpaired instead of being doubled, so two different lists never share a root.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

_LEAF = b"\x00"
_NODE = b"\x01"
_sha256 = hashlib.sha256


def leaf_hash(data: bytes) -> bytes:
    """SHA-256 of 0x00 and the leaf's data."""
    return hashlib.sha256(_LEAF + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256 of 0x01 and the hashes of both children."""
    return hashlib.sha256(_NODE + left + right).digest()


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """The root over the data of the leaves; for none of them SHA-256 of nothing."""
    if not leaves:
        return hashlib.sha256().digest()
    level = [leaf_hash(data) for data in leaves]
    while len(level) > 1:
        level = _next_level(level)
    return level[0]


class RootBuilder:
    """The root of `merkle_root`, a leaf at a time, with as many hashes in memory as the tree is high: for whoever must not stop for long."""

    def __init__(self) -> None:
        self.count = 0
        self._peaks: list[bytes] = []

    def add(self, data: bytes) -> None:
        """Add the next leaf."""
        current = _sha256(_LEAF + data).digest()
        number = self.count
        peaks = self._peaks
        while number & 1:
            current = _sha256(_NODE + peaks.pop() + current).digest()
            number >>= 1
        peaks.append(current)
        self.count += 1

    def root(self) -> bytes:
        """The root over the leaves so far."""
        if not self._peaks:
            return hashlib.sha256().digest()
        current = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            current = node_hash(peak, current)
        return current


def audit_path(leaves: Sequence[bytes], place: int) -> tuple[bytes, ...]:
    """The hashes beside a leaf's way to the root, from the bottom.

    Args:
        leaves: the data of all leaves.
        place: which leaf, from 0.

    Raises:
        IndexError: when there is no such leaf.
    """
    if not 0 <= place < len(leaves):
        raise IndexError(f"there is no leaf {place} among {len(leaves)}")
    level = [leaf_hash(data) for data in leaves]
    path: list[bytes] = []
    while len(level) > 1:
        beside = place ^ 1
        if beside < len(level):
            path.append(level[beside])
        level = _next_level(level)
        place //= 2
    return tuple(path)


def root_of_path(data: bytes, place: int, leaf_count: int, path: Sequence[bytes]) -> bytes | None:
    """The root that an audit path leads to, or None when a tree of so many leaves has no such path at that place.

    Args:
        data: the leaf's data.
        place: the leaf's place, from 0.
        leaf_count: leaves of the whole tree.
        path: as `audit_path` gives it.
    """
    if not 0 <= place < leaf_count:
        return None
    current = leaf_hash(data)
    hashes = iter(path)
    last = leaf_count - 1
    while last > 0:
        if place % 2 or place < last:
            beside = next(hashes, None)
            if beside is None:
                return None
            current = node_hash(beside, current) if place % 2 else node_hash(current, beside)
        place //= 2
        last //= 2
    return current if next(hashes, None) is None else None


def _next_level(level: list[bytes]) -> list[bytes]:
    paired = [node_hash(left, right) for left, right in zip(level[0::2], level[1::2], strict=False)]
    if len(level) % 2:
        paired.append(level[-1])
    return paired
