"""The settings of a process that runs: taken up again when their file changes, all or nothing, without dropping a request."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ondol.core.config import SETTINGS_FILE_BYTES_MAX, Settings, differing, live_part
from ondol.core.errors import SettingsError

LOOK_EVERY_S = 0.5
"""A file is taken up when two looks find the same: between them an editor has written the rest. So a change is in force within two seconds."""

Part = TypeVar("Part")
_logger = logging.getLogger("ondol.settings")


@dataclass(frozen=True, slots=True)
class _Follower:
    """Somebody who holds what was made of a part of the settings."""

    part: Callable[[Settings], Any]
    make: Callable[[Any], Callable[[], None]]


class LiveSettings:
    """The settings in force in this process.

    Args:
        load: reads them; called again when the file has changed, in a thread.
        file: what is looked at; None where nothing is.

    Raises:
        SettingsError: as `load` does.

    Attributes:
        now: what is in force. Whoever keeps something that is made of it follows it.
        trouble: why the file as it is now is not; empty when it is.
    """

    def __init__(self, load: Callable[[], Settings], file: Path | None = None) -> None:
        self._load = load
        self._file = file
        self._followers: list[_Follower] = []
        # Read before the settings are: what changes between the two is then found later, not missed.
        self._taken = self._met = _digest(file)
        self.now = load()
        self.trouble = ""
        self._waiting: Sequence[str] = ()

    def follow(self, part: Callable[[Settings], Part], make: Callable[[Part], Callable[[], None]]) -> None:
        """Have something made anew whenever a part of the settings changes.

        Args:
            make: makes it, and gives what puts it in force, which must not fail. It raises `SettingsError` for what cannot be used: then none of
                the changed settings is taken up.
        """
        self._followers.append(_Follower(part, make))

    @contextlib.asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Take changes up for as long as this lasts."""
        if self._file is None:
            yield
            return
        watching = asyncio.create_task(self._watch(), name="settings")
        try:
            yield
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self.look()

    async def look(self) -> None:
        """Take the file up if it changed, and has not since the last look."""
        present = await asyncio.to_thread(_digest, self._file)
        rests, self._met = present == self._met, present
        if present == self._taken or not rests:
            return
        self._taken = present
        try:
            if not present:
                raise SettingsError(f"The settings file {self._file} is gone.", "Put it back; an empty one stands for the defaults.")
            self._take_up(await asyncio.to_thread(self._load))
        except SettingsError as error:
            self._refuse(f"{error.message} {error.hint}".strip())
        except Exception:
            _logger.exception("settings cannot be read")
            self._refuse("It cannot be read.")

    def _take_up(self, read: Settings) -> None:
        """Put in force what can be, all of it or nothing.

        Raises:
            SettingsError: somebody who follows them cannot use them.
        """
        merged = live_part(self.now, read)
        changed = [row.name for row in differing(self.now, merged)]
        made = [follower.make(follower.part(merged)) for follower in self._followers if follower.part(merged) != follower.part(self.now)]
        self.now = merged
        for put_in_force in made:
            put_in_force()
        if changed or self.trouble:
            _logger.info("settings taken up", extra={"changed": ", ".join(changed) or "none"})
        self.trouble = ""
        waiting = [row.name for row in differing(merged, read)]
        if waiting and waiting != self._waiting:
            _logger.warning("changed settings need a restart", extra={"names": ", ".join(waiting)})
        self._waiting = waiting

    def _refuse(self, reason: str) -> None:
        self.trouble = reason
        _logger.error("changed settings cannot be used, the former ones stay", extra={"file": str(self._file), "reason": reason})


def as_live(settings: Settings | LiveSettings) -> LiveSettings:
    """Settings that stay as they are, where they are not live already."""
    return settings if isinstance(settings, LiveSettings) else LiveSettings(lambda: settings)


def _digest(file: Path | None) -> bytes:
    """Of the file's content; empty where there is none. One that cannot be read differs from all that can."""
    if file is None:
        return b""
    try:
        with file.open("rb") as opened:
            return hashlib.sha256(opened.read(SETTINGS_FILE_BYTES_MAX + 1)).digest()
    except FileNotFoundError:
        return b""
    except OSError as error:
        return f"{error.errno}".encode()
