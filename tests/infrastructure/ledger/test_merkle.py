from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from ondol.infrastructure.ledger.merkle import RootBuilder, audit_path, merkle_root, root_of_path

leaf_lists = st.lists(st.binary(max_size=4), min_size=1, max_size=40)

# The eight leaves and roots that implementations of Certificate Transparency publish as their reference values.
KNOWN_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
KNOWN_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def definition(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, section 2.1, word by word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + definition(leaves[:split]) + definition(leaves[split:])).digest()


def test_known_roots() -> None:
    leaves = [bytes.fromhex(text) for text in KNOWN_LEAVES]
    assert [merkle_root(leaves[: count + 1]).hex() for count in range(8)] == KNOWN_ROOTS


@given(st.lists(st.binary(max_size=4), max_size=70))
def test_root_is_the_definition(leaves: list[bytes]) -> None:
    assert merkle_root(leaves) == definition(leaves)


@given(leaf_lists, leaf_lists)
def test_different_lists_have_different_roots(first: list[bytes], second: list[bytes]) -> None:
    assert (merkle_root(first) == merkle_root(second)) == (first == second)


@given(leaf_lists)
def test_doubling_the_last_leaf_changes_the_root(leaves: list[bytes]) -> None:
    assert merkle_root([*leaves, leaves[-1]]) != merkle_root(leaves)


@given(leaf_lists, st.data())
def test_every_path_leads_to_the_root_and_no_other_does(leaves: list[bytes], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(leaves) - 1))
    path = audit_path(leaves, place)
    root = merkle_root(leaves)
    assert root_of_path(leaves[place], place, len(leaves), path) == root
    assert root_of_path(leaves[place] + b"x", place, len(leaves), path) != root
    assert root_of_path(leaves[place], place, len(leaves), [*path, bytes(32)]) is None
    if path:
        assert root_of_path(leaves[place], place, len(leaves), path[:-1]) is None
        changed = data.draw(st.integers(0, len(path) - 1))
        assert root_of_path(leaves[place], place, len(leaves), [*path[:changed], bytes(32), *path[changed + 1 :]]) != root
    other = data.draw(st.integers(-1, len(leaves)))
    if other != place:
        # Under another place the same path proves the leaf only if both leaves are equal, and so are the hashes beside them.
        found = root_of_path(leaves[place], other, len(leaves), path)
        assert found != root or leaves[other] == leaves[place]


@given(st.lists(st.binary(max_size=4), max_size=70))
def test_a_root_built_leaf_by_leaf_is_the_same(leaves: list[bytes]) -> None:
    builder = RootBuilder()
    for leaf in leaves:
        builder.add(leaf)
    assert (builder.count, builder.root()) == (len(leaves), merkle_root(leaves))
