"""TLS from files that may change while we listen: new handshakes get the new certificate, a broken file changes nothing."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from ondol.core.errors import SettingsError

_logger = logging.getLogger(__name__)


class Certificates:
    """The server's certificate chain and key.

    Args:
        certificate: PEM file of the chain, the server's own first.
        key: PEM file of its private key.

    Raises:
        SettingsError: they cannot be read, or do not belong together.

    Attributes:
        context: what the listening sockets use; it stays the same when the files change.
        reloads: how often new files were taken up; `broken` counts those that were not.
    """

    def __init__(self, certificate: Path, key: Path) -> None:
        self._certificate = certificate
        self._key = key
        self.reloads = 0
        self.broken = 0
        self._seen = self._signature()
        try:
            self.context = self._current = self._load()
        except (OSError, ssl.SSLError) as error:
            reason = error.strerror or type(error).__name__
            raise SettingsError(f"The TLS certificate cannot be used: {reason}.", "Check http.tls_certificate and http.tls_key.") from error
        # Swapping the whole context leaves no moment in which a new chain stands beside an old key.
        self.context.sni_callback = self._choose

    def refresh(self) -> bool:
        """Take up the files if they have changed. Cheap when they have not. Returns whether they were taken up."""
        signature = self._signature()
        if signature == self._seen:
            return False
        self._seen = signature
        try:
            self._current = self._load()
        except (OSError, ssl.SSLError) as error:
            self.broken += 1
            _logger.error("changed TLS files cannot be used, the old certificate stays", extra={"reason": str(error)})
            return False
        self.reloads += 1
        _logger.info("TLS certificate taken up")
        return True

    def _load(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.set_alpn_protocols(["http/1.1"])
        # An empty password instead of a question at the terminal, for which nobody is there.
        context.load_cert_chain(self._certificate, self._key, password="")
        return context

    def _choose(self, connection: ssl.SSLObject | ssl.SSLSocket, _name: str | None, _context: ssl.SSLContext) -> None:
        if connection.context is not self._current:
            connection.context = self._current

    def _signature(self) -> tuple[tuple[int, int, int], ...]:
        """What tells that a file is another one: inode, length and time of change; zeros while it is away."""
        found: list[tuple[int, int, int]] = []
        for path in (self._certificate, self._key):
            try:
                status = path.stat()
                found.append((status.st_ino, status.st_size, status.st_mtime_ns))
            except OSError:
                found.append((0, 0, 0))
        return tuple(found)
