"""A server that speaks OpenAI's chat form, by its address, past the gateway.

Its key stands in an environment variable whose name the suite tells, and is never kept. From elsewhere than the command line only hosts of the
tenant's own providers are asked, and no variable is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ondol.application.evaluation.suites import Fields, SuiteError, TargetSpec
from ondol.application.evaluation.targets.base import Asking, Reach, Replied, failed
from ondol.application.evaluation.targets.chat import chat_settings, exchanged, messages_of
from ondol.application.evaluation.types import Answer
from ondol.core.errors import RequestError, SettingsError, UpstreamError
from ondol.infrastructure.serving.http import HttpClient
from ondol.infrastructure.serving.http.egress import Egress, parse_base_url
from ondol.infrastructure.serving.http.types import HttpRequest, Origin
from ondol.infrastructure.serving.types import Headers, Timeouts

REPLY_BYTES_MAX = 8 * 1024 * 1024
CONNECTIONS_MAX = 512
CONNECT_S = 10.0
WHOLE_S = 3_600.0
"""The suite's own time-out ends a case long before."""
KEY_VARIABLE = re.compile(r"(?:[A-Z][A-Z0-9_]*_API_KEY|ONDOL_EVAL_[A-Z0-9_]+)")
"""Names of variables that a suite may have sent: a suite that somebody else wrote must not name any secret there is."""

_TIMEOUTS = Timeouts(CONNECT_S, WHOLE_S, WHOLE_S, WHOLE_S)


@dataclass(frozen=True, slots=True)
class EndpointTarget:
    """See the module."""

    client: HttpClient
    reach: Reach
    url: str
    origin: Origin
    path: bytes
    egress: Egress
    headers: Headers
    model: str
    system: str
    settings: Mapping[str, Any]
    seeded: bool

    async def identity(self) -> Mapping[str, str]:
        """Address and model; what stands behind them nobody can tell."""
        return {"endpoint": self.url, "model": self.model}

    async def ask(self, asking: Asking) -> Answer:
        """Answer the last turn."""
        if self.reach.environment is None and not await self.reach.is_registered(urlsplit(self.url).netloc):
            return failed("The host of the endpoint is no provider of the tenant.")
        seed = {"seed": asking.seed} if self.seeded else {}
        body = {"model": self.model, "messages": messages_of(asking.turns, self.system), **self.settings, **seed}
        content = msgspec.json.encode(body)
        try:
            return await exchanged(lambda: self._send(content))
        except (UpstreamError, RequestError) as error:
            return failed(f"{error.message} {error.hint}".strip())

    async def close(self) -> None:
        """Close its connections."""
        await self.client.close()

    async def _send(self, content: bytes) -> Replied:
        answer = await self.client.send(HttpRequest(b"POST", self.origin, self.path, self.headers, content), _TIMEOUTS, self.egress)
        received = await answer.read(REPLY_BYTES_MAX)
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}
        try:
            body = msgspec.json.decode(received)
        except (ValueError, RecursionError):
            body = None
        return Replied(answer.status, headers, body if isinstance(body, dict) else {})


def load_endpoint(spec: TargetSpec, reach: Reach) -> EndpointTarget:
    """The target of a suite.

    Raises:
        SuiteError: when a setting is unknown or cannot be, or the key's variable is not there.
    """
    fields = Fields(spec.settings, "target")
    url = urlsplit(spec.name)
    if url.scheme not in ("http", "https") or not url.hostname or url.username or url.query or url.fragment:
        hint = "Write it like https://api.example.com/v1, the key in `key_variable`."
        raise SuiteError("target.endpoint needs http or https, a host, and neither user, query nor fragment.", hint, param="target.endpoint")
    headers = ((b"content-type", b"application/json"), *_key(fields, reach))
    model, system, seeded = fields.text("model", characters_max=200), fields.text("system", ""), fields.flag("send_seed")
    settings = chat_settings(fields)
    fields.close(("endpoint",))
    try:
        origin, path = parse_base_url(spec.name)
    except SettingsError as error:
        raise SuiteError(f"target.endpoint: {error.message}", error.hint, param="target.endpoint") from None
    return EndpointTarget(
        client=HttpClient(connections_per_origin_max=CONNECTIONS_MAX),
        reach=reach,
        url=spec.name.rstrip("/"),
        origin=origin,
        path=f"{path}/chat/completions".encode(),
        egress=Egress(frozenset({origin}), private_network=True),
        headers=(*headers, (b"host", origin.authority.encode())),
        model=model,
        system=system,
        settings=settings,
        seeded=seeded,
    )


def _key(fields: Fields, reach: Reach) -> Headers:
    variable = fields.text("key_variable", None, characters_max=100)
    if variable is None:
        return ()
    place = "target.key_variable"
    if reach.environment is None:
        raise SuiteError(f"{place}: a suite that comes over the API names no variables.", "Register a provider, and name a route.", param=place)
    if not KEY_VARIABLE.fullmatch(variable):
        raise SuiteError(f"{place} must end in _API_KEY, or begin with ONDOL_EVAL_.", "No other variable is sent anywhere.", param=place)
    if not reach.environment.get(variable):
        raise SuiteError(f"{place}: {variable} is not set.", f"export {variable}=...", param=place)
    key = reach.environment[variable]
    if not all("!" <= character <= "~" for character in key):
        raise SuiteError(f"{place}: what {variable} holds is no key.", "A key is printable ASCII without spaces.", param=place)
    return ((b"authorization", b"Bearer " + key.encode()),)
