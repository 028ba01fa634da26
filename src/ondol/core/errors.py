"""Every error that Ondol raises on purpose.

    OndolError
    ├── UserError               the person at the terminal or in the file can mend it
    │   ├── SettingsError       ondol.yaml, an environment variable or an option is wrong
    │   └── DataFolderError     the data folder is locked, full, foreign or of another version
    ├── RequestError            a caller of the API made a mistake (carries an HTTP status)
    │   ├── Unauthenticated     401
    │   ├── Forbidden           403
    │   ├── NotFound            404
    │   ├── Conflict            409
    │   └── TooManyRequests     429
    ├── UnreadableDocument      a file cannot be parsed; the rest of its batch goes on
    ├── SealBroken              sealed bytes were altered, cut off or moved
    ├── KeyDestroyed            the data key is gone: its content was erased
    ├── LedgerBroken            a ledger proof does not hold
    └── UpstreamError           a model provider failed, timed out or spoke nonsense
        └── UpstreamRateLimited it asks to come back later

A message says what happened; `hint` says the way out.
"""

from __future__ import annotations


class OndolError(Exception):
    """Base of all errors here.

    Args:
        message: what happened, one sentence.
        hint: what to do about it, one sentence, may be empty.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UserError(OndolError):
    """The person at the terminal can mend it: printed as a sentence and a hint, never as a traceback."""


class SettingsError(UserError):
    """A setting is unknown, of the wrong type or out of range."""


class DataFolderError(UserError):
    """The data folder cannot be used as it is."""


class RequestError(OndolError):
    """A caller of the API made a mistake.

    Args:
        code: a stable, distinct word for programs, such as ``model_not_found``.
        param: the name of the offending field, if there is one.
    """

    status = 400
    code = "invalid_request"

    def __init__(self, message: str, hint: str = "", *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message, hint)
        self.code = code or type(self).code
        self.param = param


class Unauthenticated(RequestError):
    """No valid key or session came with the request."""

    status = 401
    code = "invalid_api_key"


class Forbidden(RequestError):
    """The caller is known and may not do this."""

    status = 403
    code = "forbidden"


class NotFound(RequestError):
    """It does not exist, or the caller may not know that it does."""

    status = 404
    code = "not_found"


class Conflict(RequestError):
    """It exists already, or changed in the meantime."""

    status = 409
    code = "conflict"


class TooManyRequests(RequestError):
    """A limit is reached; `retry_after_s` says when to come back."""

    status = 429
    code = "rate_limit_exceeded"

    def __init__(self, message: str, hint: str = "", *, code: str | None = None, retry_after_s: int = 60) -> None:
        super().__init__(message, hint, code=code)
        self.retry_after_s = retry_after_s


class UnreadableDocument(OndolError):
    """A file cannot be read as the format it claims to be."""


class SealBroken(OndolError):
    """Sealed bytes were altered, cut off, reordered or opened in another place than they were sealed for."""


class KeyDestroyed(OndolError):
    """The data key no longer exists, so what it sealed is gone for good."""


class LedgerBroken(OndolError):
    """A digest, a chain link, a root or a signature of the ledger does not hold."""


class UpstreamError(OndolError):
    """A model provider failed.

    Args:
        status: the HTTP status to answer with (502, 503 or 504).
        code: a stable word, such as ``upstream_timeout``.
    """

    def __init__(self, message: str, hint: str = "", *, status: int = 502, code: str = "upstream_failed") -> None:
        super().__init__(message, hint)
        self.status = status
        self.code = code


class UpstreamRateLimited(UpstreamError):
    """The provider has had enough of us for now (503): the limit is the installation's, so a caller sees no 429.

    Attributes:
        retry_after_s: when to come back, in seconds.
    """

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(
            "The model provider is limiting requests.", f"Try again in {retry_after_s} seconds.", status=503, code="upstream_rate_limited"
        )
        self.retry_after_s = retry_after_s
