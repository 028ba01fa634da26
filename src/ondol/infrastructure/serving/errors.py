"""What an upstream may do wrong, as errors that the router can act on. No message here holds a word that an upstream, a row or a caller wrote,
but for codes that are plain words: error texts of providers quote keys, addresses and prompts.
"""

from __future__ import annotations

from typing import Literal

from ondol.core.errors import UpstreamError, UpstreamRateLimited


class UpstreamFailure(UpstreamError):
    """A provider failed, with what the router and the record want to know.

    Args:
        retryable: the same target may be asked again.
        elsewhere: another target may do better: false for a request that is refused for what it says.
        blames: it counts against the target's circuit breaker.
        retry_after_s: how long the provider asks us to wait; 0 when it did not.
        reason: the provider's own error code, when it is a plain word such as ``context_length_exceeded``.
        param: the name of the field it complains of, when it is a plain path such as ``messages[0].content``.
    """

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        status: int = 502,
        code: str = "upstream_failed",
        retryable: bool = True,
        elsewhere: bool = True,
        blames: bool = True,
        retry_after_s: float = 0.0,
        reason: str = "",
        param: str | None = None,
    ) -> None:
        UpstreamError.__init__(self, message, hint, status=status, code=code)
        self.retryable = retryable
        self.elsewhere = elsewhere
        self.blames = blames
        self.retry_after_s: float = retry_after_s
        self.reason = reason
        self.param = param


class UpstreamLimited(UpstreamRateLimited):
    """The provider answered 429. `retry_after_s` is at least 1 and rounded up, so that it fits a header.

    Attributes:
        told_s: what the provider itself said; 0 when it did not, and `retry_after_s` is our own guess.
    """

    def __init__(self, retry_after_s: int, *, told_s: int = 0, reason: str = "") -> None:
        super().__init__(retry_after_s)
        self.told_s = told_s
        self.retryable = True
        self.elsewhere = True
        self.blames = False
        self.reason = reason
        self.param: str | None = None


def unreachable(hint: str = "") -> UpstreamFailure:
    """No connection came about: nothing was sent."""
    return UpstreamFailure("The model provider cannot be reached.", hint, code="upstream_unreachable")


def busy() -> UpstreamFailure:
    """Every connection to the provider is in use, and the wait for one took too long. The provider did nothing wrong."""
    return UpstreamFailure(
        "All connections to the provider are in use.", "Try again shortly.", status=503, code="upstream_busy", retryable=False, blames=False
    )


def timed_out(what: str, *, blames: bool = True) -> UpstreamFailure:
    """`what` as in ``did not begin to answer``. `blames` is false when the caller's own deadline was the shorter one."""
    return UpstreamFailure(
        f"The model provider {what} in time.", "Try again, or ask for a shorter answer.", status=504, code="upstream_timeout", blames=blames
    )


def garbage(what: str) -> UpstreamFailure:
    """`what` as in ``its answer is not HTTP``: a fixed text, never the upstream's own."""
    return UpstreamFailure(f"The model provider's answer cannot be understood: {what}.", code="upstream_garbage")


def empty(code: Literal["upstream_garbage", "upstream_cut_off"]) -> UpstreamFailure:
    """Status 200 and no byte of an answer, as llama.cpp's server gives to some requests that it cannot serve: the next one may be served well."""
    return UpstreamFailure("The model provider's answer is empty.", "Try again, or ask for less.", code=code, blames=False)


def cut_off() -> UpstreamFailure:
    """The connection ended before the answer did."""
    return UpstreamFailure("The model provider's answer broke off.", "Try again.", code="upstream_cut_off")


def refused_by_egress(what: str, hint: str = "") -> UpstreamFailure:
    """`what` as in ``its host is not registered``. An administrator has to act; another target may do."""
    return UpstreamFailure(
        f"The provider's address is not allowed: {what}.", hint, code="upstream_not_allowed", retryable=False, elsewhere=True, blames=False
    )


def unavailable(retry_after_s: float) -> UpstreamFailure:
    """Every target of the model rests after failures, and none is due yet."""
    return UpstreamFailure(
        "No target of this model is available.",
        "Try again shortly.",
        status=503,
        code="upstream_unavailable",
        retryable=False,
        elsewhere=False,
        blames=False,
        retry_after_s=retry_after_s,
    )


def route_missing() -> UpstreamError:
    """What an assistant says whose release names a model that is gone."""
    hint = "An administrator can let another release serve."
    return UpstreamError("The model that this assistant's release names is gone.", hint, status=503, code="assistant_model_missing")
