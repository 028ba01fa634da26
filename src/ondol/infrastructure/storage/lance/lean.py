"""Import LanceDB without the client of its remote catalogue.

`import lancedb` also imports `lance_namespace`, whose generated client builds some hundred pydantic models: half of the import's 1.6 s and a
fifth of its memory, in each process, for a REST catalogue that is never used here. So while LanceDB is imported the two packages are stood
in for by empty modules; afterwards they are forgotten, and whoever imports them later gets the real ones. Where LanceDB turns out to need
them, it is imported plainly.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

UNUSED_PACKAGES = ("lance_namespace", "lance_namespace_urllib3_client")


def import_lancedb() -> Any:
    """The `lancedb` module."""
    if "lancedb" in sys.modules or any(name in sys.modules for name in UNUSED_PACKAGES):
        return importlib.import_module("lancedb")
    try:
        with _stood_in_for():
            return importlib.import_module("lancedb")
    except Exception:
        for name in [name for name in sys.modules if name.partition(".")[0] == "lancedb"]:
            del sys.modules[name]
        return importlib.import_module("lancedb")


@contextmanager
def _stood_in_for() -> Iterator[None]:
    finder = _StandIns()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in tuple(sys.modules) if name.partition(".")[0] in UNUSED_PACKAGES]:
            del sys.modules[name]


class _StandIns(MetaPathFinder, Loader):
    """Finds the unused packages and their modules, and makes them empty."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in UNUSED_PACKAGES:
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Empty(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing is in it."""


class _Empty(ModuleType):
    """Any public name asked of it is a fresh exception class: it can be named in annotations and in `except`."""

    def __getattr__(self, name: str) -> type[Exception]:
        if name.startswith("__"):
            raise AttributeError(name)
        made: type[Exception] = type(name, (Exception,), {})
        setattr(self, name, made)
        return made
