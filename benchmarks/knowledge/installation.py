"""A fresh installation for one measurement."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from ondol.core.config import load_settings
from ondol.wiring.platform import Platform, open_platform

T = TypeVar("T")


def on_a_platform(measure: Callable[[Platform], Awaitable[T]]) -> T:
    """Open an installation in a temporary folder, measure, and remove it."""

    async def run(folder: Path) -> T:
        async with open_platform(load_settings(environment={}, options={"data_dir": folder})) as platform:
            return await measure(platform)

    with tempfile.TemporaryDirectory(prefix="ondol-benchmark-") as folder:
        Path(folder).chmod(0o711)
        return asyncio.run(run(Path(folder, "data")))
