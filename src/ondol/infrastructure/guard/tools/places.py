"""Where an argument leads: addresses on allowed hosts, paths below a folder. What could be read in two ways is refused, not repaired."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence

URL_CHARACTERS_MAX = 2_048
PATH_CHARACTERS_MAX = 1_024

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST_RULE = re.compile(rf"(?:\*\.)?{_LABEL}(?:\.{_LABEL})*(?::[1-9][0-9]{{0,4}})?")
# Nothing but letters, digits, dots and hyphens: no user before the host, no percent sign, no brackets of IPv6, no letters of other scripts.
_URL = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*)://([a-zA-Z0-9.-]+)(?::([1-9][0-9]{0,4}))?(?:[/?#][!-~]*)?")
_NEVER_IN_URL = frozenset('\\<>"^`{|}')
_USUAL_PORTS = {"https": "443", "http": "80"}
_ESCAPE = re.compile(r"%[0-9a-fA-F]{2}")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")


class LeadsAway(Exception):
    """The argument leads where it must not, or cannot be read in one way only; the message says why, in words of the rule."""


def is_host_rule(text: str) -> bool:
    """Whether a text can be an entry of a list of hosts: in lower case, below a domain of two labels at least where it begins with ``*.``."""
    if not _HOST_RULE.fullmatch(text) or "xn--" in text:
        return False
    return not text.startswith("*.") or text.partition(":")[0].count(".") > 1


def check_url(value: str, hosts: Sequence[str], schemes: Sequence[str]) -> None:
    """Check that an address lies on an allowed host. Where the name leads to is for the tool's own network to judge.

    Raises:
        LeadsAway: when it does not.
    """
    if len(value) > URL_CHARACTERS_MAX:
        raise LeadsAway("too long")
    match = _URL.fullmatch(value)
    if match is None or _NEVER_IN_URL & set(value):
        raise LeadsAway("not a plain address")
    scheme, host, port = match[1].lower(), match[2].lower(), match[3]
    if scheme not in schemes:
        raise LeadsAway("scheme")
    labels = host.split(".")
    if any(not re.fullmatch(_LABEL, label) or label.startswith("xn--") for label in labels):
        raise LeadsAway("not a plain host")
    suffix = "" if port in (None, _USUAL_PORTS.get(scheme)) else f":{port}"
    if f"{host}{suffix}" in hosts:
        return
    if _NUMERIC_LABEL.fullmatch(labels[-1]):
        raise LeadsAway("an address in numbers")
    for number in range(1, len(labels)):
        if f"*.{'.'.join(labels[number:])}{suffix}" in hosts:
            return
    raise LeadsAway("host not allowed")


def checked_path(value: str, root: str, real_path: Callable[[str], str] | None = None) -> str:
    """A relative path in its shortest form, with ``/`` between its parts.

    Args:
        root: the folder that it is opened in.
        real_path: where a path leads once links are followed; then that must lie below where `root` leads.

    Raises:
        LeadsAway: when it could leave the folder, or could be read as another path.
    """
    if not value.strip() or len(value) > PATH_CHARACTERS_MAX:
        raise LeadsAway("empty or too long")
    for form in (value, unicodedata.normalize("NFKC", value)):
        _check_path_form(form)
    parts = [part for part in value.split("/") if part not in ("", ".")]
    if not parts:
        raise LeadsAway("the folder itself")
    path = "/".join(parts)
    if real_path is not None:
        top = real_path(root)
        led = real_path(f"{root.rstrip('/')}/{path}")
        if not led.startswith(f"{top.rstrip('/')}/"):
            raise LeadsAway("a link out of the folder")
    return path


def _check_path_form(form: str) -> None:
    if form.startswith("/"):
        raise LeadsAway("absolute")
    if "\\" in form or _ESCAPE.search(form) or any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in form):
        raise LeadsAway("characters that can be read in two ways")
    for part in form.split("/"):
        bare = part.strip(" ")
        if (bare.startswith(".") and len(bare) > 1 and not bare.strip(". ")) or bare.startswith("~") or re.match(r"[A-Za-z]:", bare):
            raise LeadsAway("leaves the folder")
