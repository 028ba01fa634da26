"""The HTTP side of OTLP: one report to a collector, with the retries that its specification asks for.

https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import logging
import random
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple
from urllib.parse import unquote, urlsplit

from ondol.core.errors import SettingsError
from ondol.infrastructure.telemetry.protobuf import read_fields

if TYPE_CHECKING:
    import httpx

ATTEMPT_S = 10.0
"""The longest that one attempt may take, to the last byte of its answer."""
GIVE_UP_S = 120.0
"""What no collector took for so long is dropped: what is newer is worth more."""
BACKOFF_S = 1.0
BACKOFF_S_MAX = 30.0
RETRY_AFTER_S_MAX = 60.0
ANSWER_BYTES_MAX = 65_536
RETRYABLE = frozenset({429, 502, 503, 504})

Signal = Literal["traces", "metrics"]
_logger = logging.getLogger(__name__)


class Sent(NamedTuple):
    """How a report went.

    Attributes:
        reason: empty when the collector took it, else ``refused`` or ``gave_up``.
        rejected: items of a taken report that the collector did not want.
    """

    reason: str
    rejected: int = 0


class Collector:
    """Sends reports to one collector.

    Args:
        endpoint: base address; `/v1/traces` and `/v1/metrics` are appended.
        headers: such as a key.
        authority: PEM file of the authority that signed its certificate; empty for the system's.

    Raises:
        SettingsError: the address or the file cannot be used.
    """

    def __init__(
        self,
        endpoint: str,
        headers: Mapping[str, str] | None = None,
        authority: str = "",
        *,
        attempt_s: float = ATTEMPT_S,
        give_up_s: float = GIVE_UP_S,
        backoff_s: float = BACKOFF_S,
        chance: Callable[[], float] = random.random,
    ) -> None:
        import httpx

        address = urlsplit(endpoint)
        if address.scheme not in ("http", "https") or not address.hostname or address.username or address.query or address.fragment:
            raise SettingsError(
                "telemetry.otlp_endpoint is no base address of OTLP over HTTP.",
                "Give one such as http://127.0.0.1:4318; keys go to telemetry.otlp_headers.",
            )
        self._endpoint = endpoint.rstrip("/")
        self._attempt_s = attempt_s
        self._give_up_s = give_up_s
        self._backoff_s = backoff_s
        self._chance = chance
        self._told = ""
        try:
            context = ssl.create_default_context(cafile=authority or None)
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(f"telemetry.otlp_authority {Path(authority)} cannot be used.", "It must be a PEM file of certificates.") from error
        own = {"content-type": "application/x-protobuf", "content-encoding": "gzip", "user-agent": "ondol-otlp"}
        self._client: httpx.AsyncClient = httpx.AsyncClient(headers={**(headers or {}), **own}, verify=context, timeout=attempt_s, trust_env=False)

    async def send(self, signal: Signal, report: bytes) -> Sent:
        """Send one report; waits and tries again where that may help."""
        # Packing leaves the interpreter's lock, so a thread costs requests nothing.
        packed = await asyncio.to_thread(gzip.compress, report, 1)
        give_up_at = time.monotonic() + self._give_up_s
        attempt = 0
        while True:
            status, wait_s, answer = await self._attempt(signal, packed)
            if 200 <= status < 300:
                self._tell("")
                return Sent("", _rejected(answer))
            if status and status not in RETRYABLE:
                self._tell(f"status {status}")
                return Sent("refused")
            self._tell(f"status {status}" if status else "no answer")
            if wait_s is None:
                wait_s = min(BACKOFF_S_MAX, self._backoff_s * 2.0 ** min(attempt, 10)) * (0.5 + self._chance())
            if time.monotonic() + wait_s > give_up_at:
                return Sent("gave_up")
            attempt += 1
            await asyncio.sleep(wait_s)

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()

    async def _attempt(self, signal: Signal, packed: bytes) -> tuple[int, float | None, bytes]:
        """Status (0 when there was no answer), what it says of when to come again, and its body."""
        answer = bytearray()
        try:
            async with asyncio.timeout(self._attempt_s), self._client.stream("POST", f"{self._endpoint}/v1/{signal}", content=packed) as response:
                async for piece in response.aiter_raw():
                    answer += piece
                    if len(answer) > ANSWER_BYTES_MAX:
                        break
                return response.status_code, retry_after_s(response.headers.get("retry-after", "")), bytes(answer)
        except Exception:
            # The boundary of a report: whatever a collector or the way to it does wrong, it did not answer.
            return 0, None, b""

    def _tell(self, trouble: str) -> None:
        """Log when it begins to fail, fails otherwise, or works again; not each time."""
        if trouble == self._told:
            return
        self._told = trouble
        if trouble:
            _logger.warning("the collector takes no telemetry", extra={"reason": trouble, "endpoint": self._endpoint})
        else:
            _logger.info("the collector takes telemetry again", extra={"endpoint": self._endpoint})


def retry_after_s(told: str) -> float | None:
    """Seconds that a `Retry-After` asks for, at most `RETRY_AFTER_S_MAX`; None when it asks for nothing that can be understood."""
    told = told.strip()
    if told.isascii() and told.isdigit():
        return min(float(told[:9]), RETRY_AFTER_S_MAX)
    with contextlib.suppress(ValueError, TypeError):
        moment = parsedate_to_datetime(told)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return min(max(0.0, (moment - datetime.now(UTC)).total_seconds()), RETRY_AFTER_S_MAX)
    return None


def parse_headers(told: str) -> dict[str, str]:
    """Headers as `OTEL_EXPORTER_OTLP_HEADERS` writes them: ``name=value,name=value``, escaped with percent signs.

    Raises:
        SettingsError: a part is none.
    """
    headers: dict[str, str] = {}
    for number, part in enumerate(filter(None, (part.strip() for part in told.split(","))), 1):
        name, sign, value = part.partition("=")
        name, value = name.strip(), unquote(value.strip())
        if not sign or not name.isascii() or not name.replace("-", "").replace("_", "").isalnum() or not value.isascii() or not value.isprintable():
            # The part itself is not told: it may hold a key.
            raise SettingsError(f"Part {number} of telemetry.otlp_headers is no header.", "Write name=value, by commas; escape others with %.")
        headers[name.lower()] = value
    return headers


def _rejected(answer: bytes) -> int:
    """How many items a collector that took the report did not want: `partial_success`, its first field's first."""
    with contextlib.suppress(ValueError):
        for number, partial in read_fields(answer):
            if number == 1 and isinstance(partial, bytes):
                return max((value for inner, value in read_fields(partial) if inner == 1 and isinstance(value, int)), default=0)
    return 0
