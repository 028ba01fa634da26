"""The cache keeps its bounds and forgets what was used longest ago."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ondol.infrastructure.storage.lance.cache import ByteBoundedCache

BYTES_MAX, COUNT_MAX = 20, 4
steps = st.lists(st.tuples(st.sampled_from(["get", "put", "discard"]), st.integers(0, 6), st.integers(0, 25)), max_size=40)


@given(steps=steps)
def test_it_behaves_like_a_list_in_order_of_use(steps: list[tuple[str, int, int]]) -> None:
    cache: ByteBoundedCache[int, int] = ByteBoundedCache(BYTES_MAX, COUNT_MAX)
    model: list[tuple[int, int]] = []
    for step, key, size in steps:
        kept = dict(model)
        rest = [entry for entry in model if entry[0] != key]
        if step == "get":
            assert cache.get(key) == kept.get(key)
            model = [*rest, (key, kept[key])] if key in kept else model
        elif step == "discard":
            cache.discard(key)
            model = rest
        else:
            cache.put(key, size, size)
            model = [*rest, (key, size)] if size <= BYTES_MAX else rest
            while len(model) > COUNT_MAX or sum(entry[1] for entry in model) > BYTES_MAX:
                model.pop(0)
        assert len(cache) == len(model)
        assert cache.size_bytes == sum(entry[1] for entry in model)
    assert [cache.get(key) for key, _ in model] == [size for _, size in model]
