"""Who runs Postgres, and where people find the platform. Light enough for the supervisor to import."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager

from ondol.core.config import Settings
from ondol.core.errors import DataFolderError
from ondol.infrastructure.storage.folder import DataFolder, FolderLock
from ondol.infrastructure.storage.postgres.database import DatabaseAddresses
from ondol.infrastructure.storage.postgres.embedded import EmbeddedPostgres
from ondol.infrastructure.storage.postgres.migrate import is_current, migrate
from ondol.infrastructure.storage.postgres.roles import addresses_from_owner

WAIT_FOR_STORES_S = 30.0
WAIT_STEP_S = 0.1
WAIT_FOR_OTHERS_S = 3600.0


class Stores:
    """The embedded Postgres of a data folder, run by this process, or the user's own by address.

    Args:
        folder: an opened data folder.
    """

    def __init__(self, settings: Settings, folder: DataFolder) -> None:
        self._settings = settings
        self._lock = FolderLock(folder)
        self._embedded = None
        if not settings.database.url:
            self._embedded = EmbeddedPostgres(folder.postgres, folder.postgres_secret, os_user=settings.database.os_user)

    @property
    def is_embedded(self) -> bool:
        """Whether Postgres is ours to run."""
        return self._embedded is not None

    @property
    def postgres(self) -> EmbeddedPostgres | None:
        """The embedded server, if it is ours."""
        return self._embedded

    def acquire(self) -> bool:
        """Become the one process that runs the embedded stores; False when another one does."""
        return self._lock.acquire()

    def holder(self) -> str:
        """Who runs them."""
        return self._lock.holder()

    def start(self) -> None:
        """Start the embedded Postgres."""
        if self._embedded is not None:
            self._embedded.start()

    def is_alive(self) -> bool:
        """Whether the embedded Postgres still runs; a foreign one is not ours to watch."""
        return self._embedded is None or self._embedded.is_alive()

    def addresses(self) -> DatabaseAddresses:
        """Connection strings of the three roles."""
        owner = self._embedded.owner_address() if self._embedded is not None else self._settings.database.url
        return addresses_from_owner(owner, self._settings.database.role_prefix)

    def prepare(self) -> list[str]:
        """Bring the database to this version; the names of the migrations that ran."""
        addresses = self.addresses()
        return [] if is_current(addresses) else migrate(addresses)

    def stop(self) -> None:
        """Stop what was started here and give the lock back."""
        if self._embedded is not None:
            self._embedded.stop()
        self._lock.release()

    def start_or_join(self) -> bool:
        """Run the embedded stores if nobody does, or join those that another process runs; whether they are ours to stop.

        Raises:
            DataFolderError: when another process holds the folder and its Postgres does not come up.
        """
        deadline = time.monotonic() + WAIT_FOR_STORES_S
        while True:
            if self.acquire():
                try:
                    self.start()
                    self.prepare()
                except BaseException:
                    self.stop()
                    raise
                return True
            if is_current(self.addresses()):
                return False
            if time.monotonic() > deadline:
                raise DataFolderError(
                    f"The data folder is in use by process {self.holder()}, and its Postgres does not answer as this version's.",
                    "Stop that process, then try again.",
                )
            time.sleep(WAIT_STEP_S)

    def used(self) -> AbstractContextManager[None]:
        """Inside, a command that runs the stores for itself waits before it stops them."""
        return self._lock.used()

    def stop_when_unused(self) -> None:
        """Stop what was started here once other commands have left it."""
        self._lock.wait_until_unused(WAIT_FOR_OTHERS_S)
        self.stop()


def base_url(settings: Settings, port: int | None = None) -> str:
    """The address that people type."""
    if settings.http.public_url:
        return settings.http.public_url.rstrip("/")
    scheme = "https" if settings.http.tls_certificate else "http"
    host = "127.0.0.1" if settings.http.host in ("0.0.0.0", "::") else settings.http.host  # noqa: S104 - compared, not bound
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port or settings.http.port}"
