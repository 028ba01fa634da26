"""A Python function, from the command line only: `file.py:function` beside the suite, or `package.module:function`."""

from __future__ import annotations

import asyncio
import hashlib
import importlib
import importlib.util
import inspect
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from ondol.application.evaluation.suites import Fields, SuiteError, TargetSpec
from ondol.application.evaluation.targets.base import Asking, Reach, failed
from ondol.application.evaluation.targets.chat import messages_of
from ondol.application.evaluation.types import Answer


@dataclass(frozen=True, slots=True)
class PythonTarget:
    """See the module.

    Attributes:
        function: takes the messages (`role`, `content`) and the case; gives text, or an `Answer`. It may be async; one that is not runs in a thread.
    """

    function: Callable[[list[dict[str, str]], Any], Any]
    name: str
    code: str

    async def identity(self) -> Mapping[str, str]:
        """The function with the digest of its file."""
        return {"python": self.name, "code": self.code}

    async def ask(self, asking: Asking) -> Answer:
        """Call the function."""
        began = time.perf_counter()
        try:
            made = await self._called(messages_of(asking.turns), asking)
        except Exception as error:  # the border to somebody else's code
            return failed(f"{type(error).__name__}: {error}")
        latency_ms = (time.perf_counter() - began) * 1_000
        if isinstance(made, Answer):
            return made if made.latency_ms else replace(made, latency_ms=latency_ms)
        return Answer(text=made, latency_ms=latency_ms) if isinstance(made, str) else failed(f"The function gave {type(made).__name__}, not text.")

    async def close(self) -> None:
        """There is nothing to let go of."""

    async def _called(self, messages: list[dict[str, str]], asking: Asking) -> Any:
        if inspect.iscoroutinefunction(self.function):
            return await self.function(messages, asking.case)
        return await asyncio.to_thread(self.function, messages, asking.case)


def load_python(spec: TargetSpec, reach: Reach) -> PythonTarget:
    """The target of a suite.

    Raises:
        SuiteError: over the API, and when there is no such function.
    """
    Fields(spec.settings, "target").close(("python",))
    if reach.environment is None or reach.folder is None:
        raise SuiteError("target.python runs from the command line only.", "`ondol eval run`", param="target.python")
    place, _, function = spec.name.rpartition(":")
    if not place or not function:
        raise SuiteError(f"target.python is {spec.name!r}.", "Write it like target.py:answer, or package.module:answer.", param="target.python")
    module = _module(place, reach.folder)
    found = getattr(module, function, None)
    if not callable(found):
        raise SuiteError(f"target.python: {place} has no function {function}.", "It takes the messages and the case.", param="target.python")
    code = hashlib.sha256(Path(module.__file__).read_bytes()).hexdigest() if module.__file__ else ""
    return PythonTarget(found, spec.name, code)


def _module(place: str, folder: Path) -> ModuleType:
    try:
        if not place.endswith(".py"):
            return importlib.import_module(place)
        path = (folder / place).resolve()
        spec = importlib.util.spec_from_file_location(f"ondol_target_{path.stem}", path)
        if spec is None or spec.loader is None or not path.is_file():
            raise SuiteError(f"target.python: there is no file {path}.", "It is looked for beside the suite.", param="target.python")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module
    except SuiteError:
        raise
    except Exception as error:  # the border to somebody else's code
        raise SuiteError(f"target.python: {place} failed: {type(error).__name__}: {error}", param="target.python") from error
