"""What a document says about itself: reading YAML front matter, and checking the keys that Ondol acts on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime

import yaml

from ondol.application.knowledge.types import DocumentMetadata
from ondol.core.canonical import keyed_digest
from ondol.core.errors import RequestError, UnreadableDocument
from ondol.infrastructure.access.rules import StatedRule, parse_rule
from ondol.infrastructure.access.types import SECURITY_CLASSES, SecurityClass

FRONT_MATTER_CHARS_MAX = 64 * 1024
FRONT_MATTER_DEPTH_MAX = 20
"""How deep lists and mappings may stand in each other."""

KEY_CHARS_MAX = 200
TITLE_CHARS_MAX = 500
GROUPS_MAX = 50
GROUP_CHARS_MAX = 100
VERSION_MAX = 2**31 - 1

_FENCE = re.compile(r"---[ \t]*\n")
_CLOSING_FENCE = re.compile(r"^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.MULTILINE)
_KEY_LINE = re.compile(r"[A-Za-z_][\w-]*[ \t]*:(?:[ \t\n]|\Z)")
_LANGUAGE = re.compile(r"([A-Za-z]{2,3})(?:[-_][A-Za-z0-9]{2,8})*")
_VISIBLE = re.compile("[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


def split_front_matter(text: str) -> tuple[dict[str, object], str]:
    """The front matter of a Markdown text and what follows it.

    A text without front matter gives an empty mapping; so does one that merely begins with a thematic break.

    Args:
        text: with ``\\n`` line ends.

    Raises:
        UnreadableDocument: the front matter is not closed, too long or not valid YAML. (Reading on without it would lose the
            document's security class.)
    """
    opening = _FENCE.match(text)
    if opening is None:
        return {}, text
    start = opening.end()
    closing = _CLOSING_FENCE.search(text, start, start + FRONT_MATTER_CHARS_MAX)
    looks_meant = _KEY_LINE.match(text, start) is not None
    if closing is None:
        if looks_meant:
            raise UnreadableDocument(
                f"The front matter is not closed within {FRONT_MATTER_CHARS_MAX:,} characters.", "End it with a line of three hyphens."
            )
        return {}, text
    body = text[closing.end() :]
    try:
        return parse_metadata(text[start : closing.start()]), body
    except UnreadableDocument:
        if looks_meant:
            raise
        return {}, text


def parse_metadata(source: str) -> dict[str, object]:
    """A YAML mapping as used in front matter and in sidecar files, with string keys.

    Aliases, tags beyond plain YAML and repeated keys are refused.

    Raises:
        UnreadableDocument: it is too long or too deep, not YAML, or not a mapping.
    """
    if len(source) > FRONT_MATTER_CHARS_MAX:
        raise UnreadableDocument(f"The metadata has more than {FRONT_MATTER_CHARS_MAX:,} characters.", "Keep only what describes the document.")
    try:
        loader = _Loader(source)
        node = loader.get_single_node()
        if node is None:
            return {}
        if not isinstance(node, yaml.MappingNode):
            raise UnreadableDocument("The metadata is not a list of keys and values.", "Write one `key: value` on each line.")
        _refuse_repeated_keys(node)
        value = loader.construct_document(node)
    except (yaml.YAMLError, ValueError, TypeError, OverflowError, RecursionError, AttributeError) as error:
        # Besides its own errors PyYAML lets those of int() and datetime() through.
        raise UnreadableDocument(f"The metadata is not valid YAML: {_first_line(error)}", "Quote values that hold a colon, # or @.") from error
    return {str(key): item for key, item in value.items()}


def read_metadata(raw: Mapping[str, object]) -> DocumentMetadata:
    """Check the keys that Ondol acts on: id, language, title, version, valid_from, valid_until, class, groups, access.

    Unknown keys are ignored, so that the front matter of other tools does no harm. A value is accepted in YAML's own type or as the
    string that stands in an HTML meta tag.

    Raises:
        UnreadableDocument: a known key has a value that is not accepted; the message names the key, the hint what is accepted.
    """
    valid_from, valid_until = _moment(raw, "valid_from"), _moment(raw, "valid_until")
    if valid_from is not None and valid_until is not None and valid_from >= valid_until:
        raise UnreadableDocument("`valid_until` is not after `valid_from`.", "`valid_until` is the first day that is no longer valid.")
    stated = _access(raw)
    return DocumentMetadata(
        key=_text(raw, "id", KEY_CHARS_MAX),
        language=_language(raw),
        title=_text(raw, "title", TITLE_CHARS_MAX),
        version=_version(raw),
        valid_from=valid_from,
        valid_until=valid_until,
        security_class=_one_class(_security_class(raw), stated),
        groups=_groups(raw),
        clauses=None if stated is None else stated.clauses,
    )


def document_key_hash(key: bytes, name: str) -> bytes:
    """By what a document is found that is called so; 32 bytes.

    Args:
        key: the tenant's key for keyed digests of knowledge.
    """
    return keyed_digest(key, "document", name.encode())


def is_document_key(name: str) -> bool:
    """Whether a document may be called so."""
    return bool(name) and name == name.strip() and len(name) <= KEY_CHARS_MAX and _VISIBLE.fullmatch(name) is not None


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses aliases (a few lines of them unfold into gigabytes) and deep nesting (which recurses)."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not allowed")
        self.depth += 1
        if self.depth > FRONT_MATTER_DEPTH_MAX:
            raise yaml.YAMLError(f"nested more than {FRONT_MATTER_DEPTH_MAX} deep")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _refuse_repeated_keys(node: yaml.MappingNode) -> None:
    seen: set[str] = set()
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode):
            if key.value in seen:
                raise yaml.YAMLError(f"`{key.value}` stands there twice")
            seen.add(key.value)


def _first_line(error: Exception) -> str:
    problem = getattr(error, "problem", None)
    mark = getattr(error, "problem_mark", None)
    text = str(problem or error).strip().partition("\n")[0] or type(error).__name__
    return f"{text} (line {mark.line + 2})." if mark is not None else f"{text}."


def _wrong(key: str, value: object, accepted: str) -> UnreadableDocument:
    shown = repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "..."
    return UnreadableDocument(f"`{key}` is {shown}, which is not accepted.", f"`{key}` must be {accepted}.")


def _text(raw: Mapping[str, object], key: str, chars_max: int) -> str | None:
    value = raw.get(key)
    if value is None:
        return None
    text = value.strip() if isinstance(value, str) else ""
    if not text or len(text) > chars_max or _VISIBLE.fullmatch(text) is None:
        raise _wrong(key, value, f"a text on one line of at most {chars_max} characters")
    return text


def _language(raw: Mapping[str, object]) -> str | None:
    value = raw.get("language")
    if value is None:
        return None
    match = _LANGUAGE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise _wrong("language", value, "`ko`, `en` or another language code such as `ja` or `pt-BR` (in quotes if it is `no`)")
    return match[1].lower()


def _version(raw: Mapping[str, object]) -> int | None:
    value = raw.get("version")
    if value is None:
        return None
    if isinstance(value, str) and re.fullmatch("[0-9]{1,10}", value.strip()):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= VERSION_MAX:
        raise _wrong("version", value, f"a whole number from 1 to {VERSION_MAX:,}")
    return value


# The keys below say who may read a document and when. A key that is there but empty is a mistake that would open the document, so it is
# refused and not taken for absent.


def _moment(raw: Mapping[str, object], key: str) -> datetime | None:
    if key not in raw:
        return None
    value = raw[key]
    moment: datetime | None = None
    try:
        if isinstance(value, str):
            value = datetime.fromisoformat(value.strip())
        if isinstance(value, datetime):
            moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
        elif isinstance(value, date):
            moment = datetime(value.year, value.month, value.day, tzinfo=UTC)
    except (ValueError, OverflowError):
        moment = None
    if moment is None:
        raise _wrong(key, raw[key], "a day such as 2026-04-01 (UTC) or a time with its zone such as 2026-04-01T09:00:00+09:00")
    return moment


def _security_class(raw: Mapping[str, object]) -> SecurityClass | None:
    if "class" not in raw:
        return None
    value = raw["class"]
    wanted = value.strip() if isinstance(value, str) else None
    for known in SECURITY_CLASSES:
        if wanted == known:
            return known
    raise _wrong("class", value, f"one of {', '.join(SECURITY_CLASSES)}")


def _access(raw: Mapping[str, object]) -> StatedRule | None:
    if "access" not in raw:
        return None
    value = raw["access"]
    if not isinstance(value, str):
        raise _wrong("access", value, "a rule such as `department in (sales, support) and class <= internal`")
    try:
        return parse_rule(value)
    except RequestError as error:
        raise UnreadableDocument(error.message, error.hint) from error


def _one_class(said: SecurityClass | None, stated: StatedRule | None) -> SecurityClass | None:
    """The class that `class` or `access` gives; both may say the same."""
    also = stated.security_class if stated is not None else None
    if said is not None and also is not None and said != also:
        raise UnreadableDocument(f"`class` is {said} and `access` says {also}.", "Say the class in one of them.")
    return said or also


def _groups(raw: Mapping[str, object]) -> tuple[str, ...] | None:
    if "groups" not in raw:
        return None
    value = raw["groups"]
    names = value.split(",") if isinstance(value, str) else value
    accepted = f"a list of 1 to {GROUPS_MAX} group names such as [support-staff]; leave the key out to let everybody read"
    if not isinstance(names, list) or not 1 <= len(names) <= GROUPS_MAX:
        raise _wrong("groups", value, accepted)
    groups: list[str] = []
    for name in names:
        group = name.strip() if isinstance(name, str) else ""
        if not group or len(group) > GROUP_CHARS_MAX or _VISIBLE.fullmatch(group) is None:
            raise _wrong("groups", value, accepted)
        groups.append(group)
    return tuple(dict.fromkeys(groups))
