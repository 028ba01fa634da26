"""The one interface of providers, and what all that speak JSON over HTTP share."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ondol.core.clock import Clock, utc_now
from ondol.core.errors import SettingsError, UpstreamError
from ondol.infrastructure.serving.errors import UpstreamFailure
from ondol.infrastructure.serving.http import Egress, HttpRequest, Origin, Proxy, checked_headers, parse_base_url, parse_proxy
from ondol.infrastructure.serving.providers.failures import failure_of
from ondol.infrastructure.serving.types import Family, Frame, Headers, Operation, ProviderRow

PREPARED_MAX = 4096
HEADERS_OF_ROW_MAX = 32

_CREDENTIAL = re.compile(r"[!-~]*")
_OURS = frozenset(
    b"host content-length content-type content-encoding transfer-encoding connection keep-alive te trailer upgrade expect accept-encoding cookie "
    b"authorization proxy-authorization proxy-connection x-api-key anthropic-version traceparent".split()
)
"""Headers that neither a row nor a caller may set."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a kind of provider, as data.

    Attributes:
        base_url: where it lives when a row does not say.
        paths: of each operation that it has, below the base.
        needs_credential: it refuses requests without one.
        credential_header: where the credential goes, and what stands before it.
        fixed_headers: sent with every request.
        base_suffix: dropped from the end of a row's path, where people write the base both with and without it.
    """

    base_url: str
    paths: Mapping[Operation, str]
    needs_credential: bool
    credential_header: tuple[bytes, bytes]
    fixed_headers: tuple[tuple[bytes, bytes], ...] = ()
    base_suffix: str = ""


class StreamEnd(Protocol):
    """Follows one stream to its end.

    Attributes:
        done: the end mark has come; nothing after it matters.
        finished: the answer is whole, even if the stream ends without a mark.
    """

    done: bool
    finished: bool

    def take(self, frame: Frame) -> None:
        """Look at the next frame. Raises `UpstreamError` for an error event or one of a wrong shape."""


class Provider(Protocol):
    """How to speak with one family of providers. Knows nothing of connections, targets or retries."""

    family: Family
    facts: Facts

    @property
    def operations(self) -> frozenset[Operation]:
        """What it has."""

    def request(
        self, operation: Operation, body: bytes, content_type: bytes, credential: str, row: ProviderRow, trace: bytes = b"", headers: Headers = ()
    ) -> HttpRequest:
        """The request to send. `body` is in the provider's own shape already.

        Raises:
            UpstreamError: ``upstream_unsupported`` for an operation that it lacks.
            SettingsError: when the row cannot be used.
        """

    def egress(self, row: ProviderRow) -> Egress:
        """Where a row's connections may go. Raises `SettingsError`."""

    def accepts(self, operation: Operation, media_type: bytes, *, stream: bool) -> bool:
        """Whether an answer with status 200 may have this content type."""

    def failure(self, status: int, headers: Headers, body: bytes, credential: str = "") -> UpstreamError:
        """What an error answer means."""

    def stream_end(self, operation: Operation, credential: str = "") -> StreamEnd:
        """A follower for one stream."""

    def check(self, row: ProviderRow) -> None:
        """Whether a row can be used, before it is stored. Raises `SettingsError`, never with a value that might be secret."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A row, parsed once."""

    row: ProviderRow
    origin: Origin
    paths: Mapping[Operation, bytes]
    headers: tuple[tuple[bytes, bytes], ...]
    egress: Egress


class JsonProvider:
    """What OpenAI's and Anthropic's families share. One for each worker process: it keeps parsed rows.

    Args:
        proxy_url: the installation's outbound proxy; empty for none. A row's own goes first.
        clock: for dates in Retry-After.
    """

    family: Family
    facts: Facts

    def __init__(self, proxy_url: str = "", clock: Clock = utc_now) -> None:
        self._proxy: Proxy | None = parse_proxy(proxy_url, trusted=True) if proxy_url else None
        self._clock = clock
        self._rows: dict[uuid.UUID, _Prepared] = {}
        self._operations = frozenset(self.facts.paths)

    @property
    def operations(self) -> frozenset[Operation]:
        """See `Provider`."""
        return self._operations

    def request(
        self, operation: Operation, body: bytes, content_type: bytes, credential: str, row: ProviderRow, trace: bytes = b"", headers: Headers = ()
    ) -> HttpRequest:
        """See `Provider`."""
        prepared = self._prepared(row)
        path = prepared.paths.get(operation)
        if path is None:
            raise UpstreamFailure(f"This kind of provider has no {operation}.", code="upstream_unsupported", retryable=False, blames=False)
        sent = [*prepared.headers, (b"content-type", content_type)]
        if credential:
            if not _CREDENTIAL.fullmatch(credential):
                raise SettingsError("The provider's credential holds spaces, line ends or characters outside ASCII.", "Paste it again.")
            name, before = self.facts.credential_header
            sent.append((name, before + credential.encode()))
        if trace:
            sent.append((b"traceparent", trace))
        if headers:
            sent.extend((name, value) for name, value in headers if name not in _OURS)
        return HttpRequest(b"POST", prepared.origin, path, sent, body)

    def egress(self, row: ProviderRow) -> Egress:
        """See `Provider`."""
        return self._prepared(row).egress

    def accepts(self, operation: Operation, media_type: bytes, *, stream: bool) -> bool:
        """See `Provider`."""
        if stream:
            return media_type == b"text/event-stream"
        if operation == "speech":
            return media_type.startswith(b"audio/") or media_type == b"application/octet-stream"
        if operation == "transcriptions" and media_type in {b"text/plain", b"text/vtt", b"application/x-subrip"}:
            return True
        return media_type in {b"", b"application/json"} or (media_type.startswith(b"application/") and media_type.endswith(b"+json"))

    def failure(self, status: int, headers: Headers, body: bytes, credential: str = "") -> UpstreamError:
        """See `Provider`."""
        return failure_of(status, headers, body, credential=credential, clock=self._clock)

    def check(self, row: ProviderRow) -> None:
        """See `Provider`."""
        self._prepare(row)
        if not _CREDENTIAL.fullmatch(row.credential.reveal()):
            raise SettingsError("The provider's credential holds spaces, line ends or characters outside ASCII.", "Paste it again.")

    def _prepared(self, row: ProviderRow) -> _Prepared:
        prepared = self._rows.get(row.id)
        if prepared is None or prepared.row is not row:
            prepared = self._prepare(row)
            if len(self._rows) >= PREPARED_MAX:
                self._rows.clear()
            self._rows[row.id] = prepared
        return prepared

    def _prepare(self, row: ProviderRow) -> _Prepared:
        origin, prefix = parse_base_url(row.base_url or self.facts.base_url)
        prefix = prefix.removesuffix(self.facts.base_suffix)
        own = tuple((name.lower().encode(), value.encode("latin-1", "replace")) for name, value in row.headers)
        checked_headers(own, "the provider")
        if any(name in _OURS for name, _ in own) or len(own) > HEADERS_OF_ROW_MAX:
            raise SettingsError("The provider sets headers that are not its to set, or too many.", "Leave out host, authorization and the like.")
        proxy = parse_proxy(row.proxy_url) if row.proxy_url else self._proxy
        return _Prepared(
            row,
            origin,
            {operation: (prefix + path).encode() for operation, path in self.facts.paths.items()},
            ((b"host", origin.authority.encode()), (b"accept", b"*/*"), (b"accept-encoding", b"identity"), *self.facts.fixed_headers, *own),
            Egress(frozenset({origin}), row.private_network, row.ca_pem, proxy),
        )
