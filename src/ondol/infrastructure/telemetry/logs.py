"""Logging: a fixed event text plus fields, in one line, with secrets masked whatever carries them."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}
_SECRET_NAMES = re.compile(r"password|passwd|secret|token$|api_?key|authorization|cookie", re.IGNORECASE)
_MASKS = (
    (re.compile(r"(sk-ondol-[a-z0-9]{16}-)[A-Za-z0-9]+"), r"\1***"),
    (re.compile(r"\b(sk|pk|rk)-(?!ondol-[a-z0-9]{16}-\*)[A-Za-z0-9_-]{16,}"), r"\1-***"),
    (re.compile(r"(?i)\b(bearer\s+)[^\s,;\"']+"), r"\1***"),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://[^\s:/@]*):[^\s/]+@"), r"\1:***@"),
    (re.compile(r"""(?i)\b((?:password|passwd|secret|api_key|token|code|ondol_session)=)("[^"]*"|'[^']*'|[^\s&;"']+)"""), r"\1***"),
)
LINE_CHARACTERS_MAX = 8000
FIELD_DEPTH_MAX = 4

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]")


def mask(text: str) -> str:
    """The text with keys, bearer tokens and passwords in addresses left out."""
    for pattern, replacement in _MASKS:
        text = pattern.sub(replacement, text)
    return text


class TextFormatter(logging.Formatter):
    """One line: time, level, logger, event, fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, masked and bounded."""
        fields = " ".join(f"{name}={value}" for name, value in _fields(record).items())
        moment = datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        # What came from outside must not be able to begin a line of its own.
        line = _CONTROL.sub(_escaped, f"{moment}Z {record.levelname.lower():7} {record.name}: {record.getMessage()} {fields}".rstrip())
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return mask(line)[:LINE_CHARACTERS_MAX]


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The object, masked and bounded."""
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": mask(record.getMessage())[:LINE_CHARACTERS_MAX],
        }
        entry |= {name: value for name, value in _fields(record).items() if name not in entry}
        if record.exc_info:
            entry["exception"] = mask(self.formatException(record.exc_info))[:LINE_CHARACTERS_MAX]
        return json.dumps(entry, ensure_ascii=False)


def set_up_logging(level: str, form: Literal["text", "json"]) -> None:
    """Send the platform's logs to standard error in the chosen form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logging.basicConfig(level=getattr(logging, level.upper()), handlers=[handler], force=True)
    for chatty in ("httpx", "httpcore", "uvicorn.access", "uvicorn.error", "procrastinate", "psycopg.pool"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, logging.getLogger().level))


def _fields(record: logging.LogRecord) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in vars(record).items():
        if name in _STANDARD or name.startswith("_"):
            continue
        found[name] = "***" if _SECRET_NAMES.search(name) else _masked(value, FIELD_DEPTH_MAX)
    return found


def _masked(value: object, depth: int) -> object:
    """A field as it may be written: whatever it is made of is masked and bounded too."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth and isinstance(value, Mapping):
        return {str(name): "***" if _SECRET_NAMES.search(str(name)) else _masked(item, depth - 1) for name, item in value.items()}
    if depth and isinstance(value, list | tuple | set | frozenset):
        return [_masked(item, depth - 1) for item in value]
    return mask(str(value))[:LINE_CHARACTERS_MAX]


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()
