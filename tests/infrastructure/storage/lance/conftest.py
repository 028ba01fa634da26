"""A root folder for the segments of a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ondol.core.ids import new_id
from ondol.infrastructure.storage.lance import IndexPlace, LanceRoot


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanceRoot]:
    opened = LanceRoot(folder_of(tmp_path_factory))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def root_folder(root: LanceRoot, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory)


@pytest.fixture
def place() -> IndexPlace:
    """An index of its own for each test."""
    return IndexPlace(new_id(), new_id(), new_id())


def folder_of(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.getbasetemp() / "lance"
