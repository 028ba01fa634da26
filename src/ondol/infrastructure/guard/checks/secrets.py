"""Keys, tokens, passwords and private keys: the checks `secrets` and `private_keys`.

Known formats by their beginning; passwords and other secrets by the word and sign before them; what has neither by entropy beside a word such as key.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal, TypeAlias

from ondol.infrastructure.guard.checks.base import PatternCheck
from ondol.infrastructure.guard.checks.credentials import FORMATS, TOKEN_CHARS_MAX, is_jwt_header, is_placeholder, looks_random
from ondol.infrastructure.guard.checks.held import open_secret
from ondol.infrastructure.guard.checks.personal.found import Found, best_of
from ondol.infrastructure.guard.patterns import Match, Pattern
from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.types import Finding

SECRETS_REACH = 384
"""The longest token (`TOKEN_CHARS_MAX`) and the word before it."""

KEY_BLOCK_CHARS_MAX = 8_192
"""The longest private key that is looked at; RSA keys of 8,192 bits have about 6,500 characters."""

KNOWN_FORMAT: Final = 0.97
ASSIGNED: Final = 0.8
"""A password or secret behind its word and a sign."""
RANDOM_NEAR_WORD: Final = 0.7

PASSWORD_CHARS_MAX = 64
WORD_GAP_CHARS_MAX = 24
"""Between a word such as token and what may be one."""

CONNECTION_CHARS_MAX = 200

_ASSIGNMENT_EXPRESSION: Final = r"(?:password|passwd|passphrase|pwd|비밀번호|비번|패스워드|암호)(?:[\"']?[ ]?[:=]|는|은| is)[ ]?[\"']?[!-~]"
_NEAR_WORDS: Final = (
    *("key", "token", "secret", "credential", "bearer", "authorization", "kakao", "naver"),
    *("인증키", "시크릿", "토큰", "비밀키", "서비스키", "액세스키", "API키", "접근키", "카카오", "네이버"),
)
_TOKEN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-+/.~]{7,}={0,2}")
_HASH_WORDS: Final = (
    *("sha", "md5", "commit", "digest", "checksum", "hash", "uuid", "fingerprint"),
    *("etag", "integrity", "public", "해시", "커밋", "공개키"),
)
_JWT: Final = re.compile(r"eyJ[A-Za-z0-9_\-]+")
_TELEGRAM: Final = re.compile(r"(?<![A-Za-z0-9])[0-9]{8,10}:[A-Za-z0-9_\-]{35}(?![A-Za-z0-9_\-])")
_AZURE_CLIENT: Final = re.compile(r"(?<![A-Za-z0-9_~.\-])[A-Za-z0-9_~.\-]{3}[0-9]Q~[A-Za-z0-9_~.\-]{31,34}(?![A-Za-z0-9_~.\-])")
_PASSWORD_END: Final = re.compile(r"[\s\"'`,;<>()가-힣]|$")
_KEY_HEADER: Final = "PRIVATE KEY"
_KEY_LINE: Final = re.compile(r"[A-Za-z0-9+/=\s\\:,\-]*+")

_BODIES: Final = tuple(re.compile(item.body) for item in FORMATS)
_BODY_CLASS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")

Rule: TypeAlias = Callable[[str, int], Found | None]


def known_format_at(text: str, end: int, index: int) -> Found | None:
    """A token of a known format whose prefix ends here."""
    known = FORMATS[index]
    start = end - len(known.prefix)
    if start and text[start - 1] in _BODY_CLASS:
        return None
    body = _BODIES[index].match(text, end, min(len(text), end + TOKEN_CHARS_MAX))
    if body is None or (body.end() < len(text) and text[body.end()] in _BODY_CLASS):
        return None
    if is_placeholder(body[0]) or not any(map(str.isdigit, body[0])):
        return None
    return Found(known.kind, start, body.end(), KNOWN_FORMAT, "format")


def jwt_at(text: str, end: int) -> Found | None:
    """A JSON Web Token whose first characters end here; a long one by its first `TOKEN_CHARS_MAX`."""
    start = text.rfind("eyJ", max(0, end - 12), end)
    if start < 0 or (start and (text[start - 1] in _BODY_CLASS or text[start - 1] in "+/")):
        return None
    stop = min(len(text), start + TOKEN_CHARS_MAX)
    header = _JWT.match(text, start, stop)
    if header is None or text[header.end() : header.end() + 1] != "." or not is_jwt_header(header[0]):
        return None
    place = header.end()
    while place < stop and (text[place] in _BODY_CLASS or text[place] in "-."):
        place += 1
    return Found("jwt", start, place, KNOWN_FORMAT, "format")


def telegram_at(text: str, end: int) -> Found | None:
    """A Telegram bot token whose sign ends here."""
    return _around(_TELEGRAM, "telegram_token", text, end, 12, 40)


def azure_client_at(text: str, end: int) -> Found | None:
    """A client secret of Microsoft Entra, by the Q~ that ends here."""
    return _around(_AZURE_CLIENT, "azure_client_secret", text, end, 7, 40)


def _around(expression: re.Pattern[str], kind: str, text: str, end: int, before: int, after: int) -> Found | None:
    for found in expression.finditer(text, max(0, end - before), min(len(text), end + after)):
        if found.start() < end <= found.end():
            return Found(kind, found.start(), found.end(), KNOWN_FORMAT, "format")
    return None


def connection_at(text: str, end: int) -> Found | None:
    """A password in scheme://name:password@host, of which the colon ends here; the finding is the whole up to the host."""
    stop = min(len(text), end + CONNECTION_CHARS_MAX)
    place = end
    while place < stop and text[place] not in " \t\r\n\"'<>/@`":
        place += 1
    if place >= stop or text[place] != "@" or place == end or is_placeholder(text[end:place]):
        return None
    scheme = text.rfind("://", max(0, end - CONNECTION_CHARS_MAX // 2), end)
    start = scheme
    while start > 0 and scheme - start < 20 and (text[start - 1].isascii() and (text[start - 1].isalnum() or text[start - 1] in "+.-")):
        start -= 1
    host = place + 1
    while host < len(text) and host - place < 64 and text[host].isascii() and (text[host].isalnum() or text[host] in ".-_:"):
        host += 1
    return Found("connection_string", start, host, KNOWN_FORMAT, "format") if scheme >= 0 and host > place + 1 else None


def assigned_at(text: str, end: int) -> Found | None:
    """A password behind its word and a sign, whose first character ends here. Code that computes one, types and placeholders are not."""
    start = end - 1
    quoted = text[start - 1] in "\"'" if start else False
    stop = _PASSWORD_END.search(text, start, min(len(text), start + PASSWORD_CHARS_MAX + 1))
    if stop is None or stop.start() - start > PASSWORD_CHARS_MAX:
        return None
    value = text[start : stop.start()].rstrip("" if quoted else ".?")
    after = text[stop.start() : stop.start() + 1]
    if len(value) < 4 or is_placeholder(value) or after in {"(", "<"} or value[0] in "=([{<$%&|#/\\-*":
        return None
    mixed = any(map(str.isdigit, value)) or (any(not char.isalnum() and char not in "._-" for char in value) and len(value) >= 6)
    if not mixed and not (quoted and len(value) >= 6 and "." not in value and "_" not in value):
        return None
    return Found("password", start, start + len(value), ASSIGNED, "context")


def random_near(text: str, end: int) -> Found | None:
    """A token that looks random behind a word such as key, which ends here. What is called a hash, a commit or public is not a secret."""
    window_end = min(len(text), end + WORD_GAP_CHARS_MAX + TOKEN_CHARS_MAX)
    place = end
    while True:
        found = _TOKEN.search(text, place, min(window_end, place + WORD_GAP_CHARS_MAX + TOKEN_CHARS_MAX))
        if found is None or found.start() - end > WORD_GAP_CHARS_MAX:
            return None
        token = found[0].strip("=.-/")
        if looks_random(found[0].rstrip("=.")):
            break
        place = found.end()
    before = text[max(0, end - 32) : found.start()].lower()
    if any(word in before for word in _HASH_WORDS):
        return None
    start = found.start() + found[0].index(token)
    return Found("random_secret", start, min(found.end(), start + TOKEN_CHARS_MAX), RANDOM_NEAR_WORD, "entropy+context")


def key_header_at(text: str, end: int) -> Found | None:
    """The first line of a private key (RFC 7468, OpenSSH, PGP), of which PRIVATE KEY ends here, and what follows of it within `TOKEN_CHARS_MAX`."""
    return _key_block(text, end, TOKEN_CHARS_MAX)


def _key_block(text: str, end: int, most: int) -> Found | None:
    start = text.rfind("-----BEGIN", max(0, end - 48), end)
    if start < 0 or not text.startswith(("-----", " BLOCK-----"), end):
        return None
    limit = min(len(text), start + most)
    stop = text.find("-----END", end, limit)
    if stop >= 0:
        close = text.find("-----", stop + 8, min(limit, stop + 64))
        return Found("private_key", start, close + 5 if close >= 0 else stop + 8, 0.99, "format")
    head = min(limit, end + len(" BLOCK-----") if text.startswith(" BLOCK", end) else end + 5)
    body = _KEY_LINE.match(text, head, limit)
    return Found("private_key", start, body.end() if body else head, 0.99, "format")


_OTHER_RULES: Final[tuple[tuple[Pattern, Rule], ...]] = (
    (Pattern(r"eyJ[A-Za-z0-9_\-]{8}", finds_start=False), jwt_at),
    (Pattern(r"[0-9]{8}:[A-Za-z0-9_\-]{12}", finds_start=False), lambda text, end: telegram_at(text, end - 12)),
    (Pattern(r"[0-9]Q~", finds_start=False), azure_client_at),
    (Pattern(r"://[A-Za-z0-9_.%+\-]*:", finds_start=False), connection_at),
    (Pattern(_ASSIGNMENT_EXPRESSION, ignore_case=True, finds_start=False), assigned_at),
    (Pattern("|".join(_NEAR_WORDS), ignore_case=True, finds_start=False), random_near),
    (Pattern(_KEY_HEADER, finds_start=False), key_header_at),
)

SECRET_PATTERNS: Final[tuple[Pattern, ...]] = (
    *(Pattern(re.escape(item.prefix), finds_start=False) for item in FORMATS),
    *(pattern for pattern, _rule in _OTHER_RULES),
)


class SecretsCheck(PatternCheck):
    """Finds keys, tokens and passwords. Rules are named `secrets.` and the kind; the entity is SECRET."""

    name = "secrets"
    is_pure = True
    needs_match = True
    reach: int | None = SECRETS_REACH
    patterns: Sequence[Pattern] = SECRET_PATTERNS
    view: Literal["plain", "folded", "squeezed"] = "plain"

    def confirm(self, text: GuardText, matches: Sequence[Match]) -> Sequence[Finding]:
        """Findings by where they begin; none overlap."""
        if not matches:
            return ()
        view = text.plain
        return [_finding(self.name, item, *view.span(item.start, item.end)) for item in best_of(_candidates(view.text, matches))]

    def open_from(self, text: str) -> int:
        """From where a text that goes on may still hold something that is found as a whole."""
        return open_secret(text, SECRETS_REACH)


class PrivateKeyCheck(PatternCheck):
    """Finds private keys as a whole, for masking. `secrets` finds where they begin, with a reach that suits streams."""

    name = "private_keys"
    is_pure = True
    needs_match = True
    reach: int | None = KEY_BLOCK_CHARS_MAX
    patterns: Sequence[Pattern] = (Pattern(_KEY_HEADER, finds_start=False),)
    view: Literal["plain", "folded", "squeezed"] = "plain"

    def confirm(self, text: GuardText, matches: Sequence[Match]) -> Sequence[Finding]:
        """Findings by where they begin; none overlap."""
        if not matches:
            return ()
        view = text.plain
        blocks: list[Found] = []
        for match in matches:
            if blocks and match.end <= blocks[-1].end:
                continue
            block = _key_block(view.text, match.end, KEY_BLOCK_CHARS_MAX)
            if block is not None:
                blocks.append(block)
        return [_finding(self.name, item, *view.span(item.start, item.end)) for item in blocks]


def _candidates(text: str, matches: Sequence[Match]) -> Iterator[Found]:
    known = len(FORMATS)
    for match in matches:
        other = match.pattern - known
        found = known_format_at(text, match.end, match.pattern) if other < 0 else _OTHER_RULES[other][1](text, match.end)
        if found is not None:
            yield found


def _finding(check: str, found: Found, start: int, end: int) -> Finding:
    return Finding(check, f"{check}.{found.entity}", start, end, found.confidence, found.reason, "SECRET")
