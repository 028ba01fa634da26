"""Links and images in what a model answers: where they lead, and whether they carry something out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal
from urllib.parse import unquote, urlsplit

from ondol.core.errors import SettingsError
from ondol.infrastructure.guard.checks.base import PatternCheck, ViewName
from ondol.infrastructure.guard.checks.held import open_link
from ondol.infrastructure.guard.patterns import Match, Pattern
from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.types import Finding

URL_CHARACTERS_MAX = 2_048
BEFORE_CHARACTERS_MAX = 300
"""So much before an address is looked at for what makes it an image."""
REACH_CHARACTERS = URL_CHARACTERS_MAX + BEFORE_CHARACTERS_MAX
DATA_CHARACTERS_MIN = 40
"""A part of a path or query of this length without a readable word carries data."""

_END = re.compile("[ \\t\\r\\n\"'<>`)\\\\]")
_CLOSING = frozenset(",.;:!?]")
_CLOSING_OF_SCHEME = _CLOSING - {":"}
"""Behind the colon of a scheme nothing may follow; without its colon it would be read as a host."""
_DATA = re.compile(r"[A-Za-z0-9+/=_%-]{40,}")
_IMAGE_BEFORE = re.compile(
    r"(?:!\[[^\]\[]{0,200}\]\(\s{0,3}<?|<(?:img|image|iframe|video|audio|source|embed|object|link)"
    r"\b[^<>]{0,200}|url\(\s{0,3}[\"']?)$",
    re.IGNORECASE,
)


class LinksCheck(PatternCheck):
    """Finds addresses that a policy does not allow.

    Args:
        allowed: hosts that may be linked, such as ``example.com`` or ``*.example.com`` (every host below it, not itself). When empty, plain
            links to any host pass, and only what carries data out or runs is found.

    Raises:
        SettingsError: when a host is not one.
    """

    name = "links"
    is_pure = True
    needs_match = True
    reach: int | None = REACH_CHARACTERS
    view: ViewName = "plain"
    patterns: Sequence[Pattern] = (
        Pattern(r"(?:https?|ftp|wss?):[\\/]{1,4}", ignore_case=True),
        Pattern(r"(?:javascript|vbscript|data|file|blob):", ignore_case=True),
        # Only its end is needed; asked for its start, Vectorscan 5.4 crashes on this one with texts of more than about 250 characters.
        Pattern(r"(?:\]\(|\]:|src=|href=|url\()[ \t]*[<\"']?//", ignore_case=True, finds_start=False),
    )

    def open_from(self, text: str) -> int:
        """From where a text that goes on may still hold something that is found as a whole."""
        return open_link(text, REACH_CHARACTERS)

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        for host in allowed:
            if not re.fullmatch(r"(?:\*\.)?[a-z0-9-]+(?:\.[a-z0-9-]+)*", host.lower()):
                raise SettingsError(f"{host} is not a host.", "Write `example.com` or `*.example.com`.")
        self._exact = frozenset(host.lower() for host in allowed if not host.startswith("*."))
        self._below = tuple(host[1:].lower() for host in allowed if host.startswith("*."))
        self._limited = bool(allowed)

    def confirm(self, text: GuardText, matches: Sequence[Match]) -> Sequence[Finding]:
        """The findings among the addresses that matched."""
        plain, found, reached = text.plain.text, [], 0
        for match in matches:
            if match.start < reached:
                continue
            begin = match.end - 2 if match.pattern == 2 else match.start
            stop = min(len(plain), begin + URL_CHARACTERS_MAX)
            edge = _END.search(plain, begin, stop)
            end = stop if edge is None else edge.start()
            closing = _CLOSING_OF_SCHEME if match.pattern == 1 else _CLOSING
            while end > begin and plain[end - 1] in closing:
                end -= 1
            if match.pattern == 1 and (begin and plain[begin - 1].isalnum()):
                continue
            image = _is_image(plain[max(0, begin - BEFORE_CHARACTERS_MAX) : begin])
            judged = self._judge(plain[begin:end], image, plain[max(0, begin - 3) : begin])
            if judged is not None:
                rule, confidence, reason = judged
                found.append(Finding(self.name, f"links.{rule}", *text.plain.span(begin, end), confidence, reason, "IMAGE" if image else "LINK"))
            reached = end
        return found

    def _judge(self, url: str, image: bool, before: str) -> tuple[str, float, str] | None:  # noqa: PLR0911 - one line for each answer
        lower = url.lower()
        if lower.startswith(("javascript:", "vbscript:", "data:", "file:", "blob:")):
            linked = before.endswith(("(", "=", '"', "'", "<", ": ")) and len(lower) > 8
            return ("scheme", 0.95, "scheme") if linked else None
        address = url.replace("\\", "/")
        scheme, colon, rest = address.partition(":")
        try:
            parts = urlsplit((scheme if colon else "https") + "://" + (rest if colon else address).lstrip("/"))
            host = (parts.hostname or "").rstrip(".")
        except ValueError:
            return "malformed", 0.8, "not an address"
        if "@" in parts.netloc:
            return "user_in_host", 0.9, "user before the host"
        allowed = host in self._exact or any(host.endswith(suffix) and len(host) > len(suffix) for suffix in self._below)
        if allowed:
            return None
        if not host.isascii() or any(label.startswith("xn--") for label in host.split(".")):
            return "lookalike_host", 0.8, "letters of another script in the host"
        is_suspect = image or self._limited or bool(parts.query)
        if is_suspect and any(_DATA.search(part) for part in (unquote(parts.path), parts.query, parts.fragment, host)):
            return "exfiltration", 0.95 if image else 0.7, "carries data"
        if image:
            return "remote_image", 0.9 if parts.query or self._limited else 0.6, "image from elsewhere"
        return ("host", 0.9, "host not allowed") if self._limited else None


def _is_image(before: str) -> bool:
    """Whether what stands before an address makes it something that is loaded without a click."""
    if "<" not in before and "![" not in before and not before[-8:].rstrip(" \t\r\n\"'").lower().endswith("url("):
        return False
    return _IMAGE_BEFORE.search(before) is not None


def without_links(text: str, spans: Sequence[tuple[int, int]], *, do: Literal["remove", "keep_text"] = "keep_text") -> str:
    """A text without the addresses at these spans, which must not overlap: taken out (``remove``) or put as ``(link removed)``."""
    pieces, position = [], 0
    for start, end in sorted(spans):
        pieces += [text[position:start], "" if do == "remove" else "(link removed)"]
        position = end
    return "".join(pieces) + text[position:]
