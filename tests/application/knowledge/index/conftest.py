"""A root folder for segments, and builders of small indexes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ondol.core.ids import new_id
from ondol.infrastructure.storage.lance import IndexPlace, LanceRoot


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanceRoot]:
    opened = LanceRoot(tmp_path_factory.mktemp("lance"))
    yield opened
    opened.close()


@pytest.fixture
def place() -> IndexPlace:
    """An index of its own for each test."""
    return IndexPlace(new_id(), new_id(), new_id())
