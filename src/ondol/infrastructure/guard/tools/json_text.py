"""JSON as checks read it: what JSON writes as an escape stands as the character itself, so that there is one way to write each.

``{"key": "a\\n\\u0073ecret"}`` becomes ``{"key": "a``, the end of a line, and ``secret"}``. Only quotes and backslashes keep their backslash, and
the end of a line between values becomes a space. So `tightened` leads back to JSON of the same value, whatever was replaced in between.
"""

from __future__ import annotations

import re

_OPEN = r"\\(?:u[0-9a-fA-F]{0,3}|u[dD][89abAB][0-9a-fA-F]{2}(?:\\(?:u(?:[dD](?:[c-fC-F][0-9a-fA-F]?)?)?)?)?)?\Z"
_PAIR = r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_WHOLE = rf"{_PAIR}|\\u[0-9a-fA-F]{{4}}|\\.|[\x00-\x1f\"]"
_AT_END = re.compile(_WHOLE, re.DOTALL)
_GOING_ON = re.compile(rf"(?P<open>{_OPEN})|{_WHOLE}", re.DOTALL)
_SHORT = {"\\b": "\b", "\\f": "\f", "\\n": "\n", "\\r": "\r", "\\t": "\t", "\\/": "/"}
_LONG = {char: written for written, char in _SHORT.items() if char != "/"}
_KEPT = {'"': '\\"', "\\": "\\\\"}
_CONTROL = re.compile(r"[\x00-\x1f]")


class Loosener:
    """Loosens JSON that comes in pieces; the same comes out however it was cut."""

    def __init__(self) -> None:
        self._held = ""
        self._in_string = False

    def push(self, piece: str) -> str:
        """What can be read for certain now; an escape that may go on is held back."""
        text = self._held + piece
        self._held = ""
        return self._loosened(text, _GOING_ON)

    def finish(self) -> str:
        """The rest."""
        text, self._held = self._held, ""
        return self._loosened(text, _AT_END)

    def _loosened(self, text: str, pattern: re.Pattern[str]) -> str:
        out: list[str] = []
        position = 0
        for match in pattern.finditer(text):
            out.append(text[position : match.start()])
            position = match.end()
            if match.lastgroup == "open":
                self._held = match[0]
            else:
                out.append(self._one(match[0]))
        out.append(text[position:])
        return "".join(out)

    def _one(self, written: str) -> str:
        if written == '"':
            self._in_string = not self._in_string
            return written
        if len(written) == 1:
            return written if self._in_string else " "
        if len(written) == 2:
            return _SHORT.get(written, written) if self._in_string else written
        char = _character(written)
        if char is None or (not self._in_string and char < " "):
            return written
        return _KEPT.get(char, char)


def loosened(text: str) -> str:
    """A whole text of JSON, loosened."""
    loosener = Loosener()
    return loosener.push(text) + loosener.finish()


def loosened_value(value: str) -> str:
    """A value as it stands within a string of loosened JSON."""
    return "".join(_KEPT.get(char, char) for char in value)


def tightened(text: str) -> str:
    """Loosened JSON as JSON again; any piece of it can be tightened by itself."""
    return _CONTROL.sub(lambda match: _LONG.get(match[0]) or f"\\u{ord(match[0]):04x}", text)


def _character(written: str) -> str | None:
    """The character of an escape in hexadecimal digits; None for half a one."""
    code = int(written[2:6], 16)
    if len(written) == 12:
        return chr(0x10000 + ((code - 0xD800) << 10) + int(written[8:12], 16) - 0xDC00)
    return None if 0xD800 <= code <= 0xDFFF else chr(code)
