"""Markdown as static site generators write it, made plain Markdown: Hugo shortcodes, MDX imports, kramdown attributes."""

from __future__ import annotations

import re

ARGUMENTS_CHARS_MAX = 2_000
"""Only so much of a shortcode's arguments is looked at."""

# {{< name arguments >}} or {{% name arguments %}}. No braces within, so that the search is linear.
_SHORTCODE = re.compile(r"\{\{([<%])([^{}]*?)[%>]\}\}")
_ARGUMENT = re.compile(r"""(?:([\w-]+)[ \t]*=[ \t]*)?(?:"((?:[^"\\]|\\.)*)"|`([^`]*)`|([^\s"`=]+))""")
_LIQUID_ADDRESS = re.compile(r"\]\([ \t]*\{\{[^{}\n]*\}\}[ \t]*\)")
_CODE_FENCE = re.compile(r"[ \t>]*(?:(?:[-*+]|\d+\.)[ \t]+)?(`{3,}|~{3,})([^\n]*)")
_ATTRIBUTES_LINE = re.compile(r"[ \t]*\{:[^{}\n]*\}[ \t]*")
_ATX_HEADING = re.compile(r"[ \t>]{0,8}#{1,6}[ \t]")
_MDX_LINE = re.compile(r"(?:import\s[^\n]*|export\s[^\n]*)")

# What of a shortcode a reader of the finished page sees: the first of these arguments that is there (a number is a position).
_VISIBLE_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "glossary_tooltip": ("text", "term_id"),
    "figure": ("caption", "title", "alt"),
    "heading": ("0",),
    "link": ("text",),
    "table": ("caption",),
    "tab": ("name", "header", "0"),
    "details": ("summary", "title", "0"),
    "alert": ("title",),
    "def": ("name",),
}

# Their argument is a line of its own above what they enclose.
_TITLED = frozenset({"tab", "details", "alert", "table", "def"})

# What they enclose is code.
_CODE = frozenset({"highlight", "mermaid"})

# What they enclose is not shown.
_UNSEEN = frozenset({"comment"})


def unwrap(text: str, *, mdx: bool = False) -> str:
    """Markdown without what only a site generator understands; code blocks are left as they are.

    A shortcode is replaced by the words that its page would show, or dropped; what it encloses stays. Takes and returns text with
    ``\\n`` line ends; linear in its length.
    """
    if not mdx and "{" not in text:
        return text
    return _drop_unseen("".join(segment if is_code else _unwrap_segment(segment, mdx) for is_code, segment in _segments(text)))


_UNSEEN_START, _UNSEEN_END = "\ue000ondol-unseen\ue001", "\ue000/ondol-unseen\ue001"


def _segments(text: str) -> list[tuple[bool, str]]:
    """The text cut into (is fenced code, piece). An unclosed fence reaches to the end, as in Markdown."""
    segments: list[tuple[bool, str]] = []
    piece: list[str] = []
    fence = ""
    for line in text.splitlines(keepends=True):
        match = _CODE_FENCE.match(line)
        if fence:
            piece.append(line)
            if match is not None and match[1].startswith(fence) and not match[2].strip():
                segments.append((True, "".join(piece)))
                piece, fence = [], ""
        elif match is not None and not (match[1][0] == "`" and "`" in match[2]):
            segments.append((False, "".join(piece)))
            piece, fence = [line], match[1]
        else:
            piece.append(line)
    segments.append((bool(fence), "".join(piece)))
    return segments


def _unwrap_segment(segment: str, mdx: bool) -> str:
    if "{" in segment:
        segment = _LIQUID_ADDRESS.sub("]()", _SHORTCODE.sub(_replacement, segment))
    lines = segment.split("\n")
    if "{" in segment:
        lines = ["" if _ATTRIBUTES_LINE.fullmatch(line) else _without_heading_attributes(line) for line in lines]
    if mdx:
        lines = ["" if _MDX_LINE.fullmatch(line) else line for line in lines]
    return "\n".join(lines)


def _without_heading_attributes(line: str) -> str:
    """``## Title {#anchor}`` without its anchor."""
    stripped = line.rstrip(" \t#")
    if not stripped.endswith("}") or _ATX_HEADING.match(line) is None:
        return line
    start = stripped.rfind("{")
    attributes = stripped[start + 1 : -1].strip() if start >= 0 else ""
    return stripped[:start].rstrip() if attributes[:1] in ("#", ".", ":") and "}" not in attributes else line


def _replacement(match: re.Match[str]) -> str:
    inside: str = match[2].strip()
    if inside.startswith("/*") and inside.endswith("*/"):  # an escaped shortcode is shown as it is
        closing = ">" if match[1] == "<" else "%"
        return f"{{{{{match[1]} {inside[2:-2].strip()} {closing}}}}}"
    if inside.startswith("/"):
        return _closing(inside[1:].strip())
    name, rest = [*inside.rstrip("/").split(None, 1), "", ""][:2]
    if name in _CODE:
        return "\n```" + (rest.split() or [""])[0] + "\n"
    if name in _UNSEEN:
        return _UNSEEN_START
    shown = _visible(name, rest)
    return f"{shown}\n\n" if shown and name in _TITLED else shown


def _closing(name: str) -> str:
    if name in _CODE:
        return "\n```\n"
    return _UNSEEN_END if name in _UNSEEN else ""


def _visible(name: str, rest: str) -> str:
    wanted = _VISIBLE_ARGUMENTS.get(name)
    if wanted is None:
        return ""
    arguments: dict[str, str] = {}
    for position, match in enumerate(_ARGUMENT.finditer(rest[:ARGUMENTS_CHARS_MAX])):
        value = match[2] or match[3] or match[4] or ""
        arguments.setdefault(match[1] or str(position), value.replace('\\"', '"'))
    return next((arguments[key].strip() for key in wanted if arguments.get(key, "").strip()), "")


def _drop_unseen(text: str) -> str:
    if _UNSEEN_START not in text:
        return text.replace(_UNSEEN_END, "")
    kept: list[str] = []
    position = 0
    while (start := text.find(_UNSEEN_START, position)) >= 0:
        kept.append(text[position:start])
        end = text.find(_UNSEEN_END, start)
        position = len(text) if end < 0 else end + len(_UNSEEN_END)
    kept.append(text[position:])
    return "".join(kept).replace(_UNSEEN_END, "")
