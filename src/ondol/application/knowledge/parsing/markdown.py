"""Markdown (CommonMark with tables) to blocks, by markdown-it-py."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ondol.application.knowledge.frontmatter import split_front_matter
from ondol.application.knowledge.parsing.builder import DocumentBuilder
from ondol.application.knowledge.parsing.charset import decode
from ondol.application.knowledge.parsing.html import add_fragment
from ondol.application.knowledge.parsing.limits import MARKDOWN_BRACKETS_MAX, MARKDOWN_BYTES_MAX, MARKDOWN_LINES_MAX, check_size
from ondol.application.knowledge.parsing.shortcodes import unwrap
from ondol.application.knowledge.types import BlockKind, ParsedDocument
from ondol.core.errors import UnreadableDocument

if TYPE_CHECKING:
    from markdown_it.token import Token

NESTING_MAX = 40
"""Quotes, lists and emphasis deeper than this are not read (markdown-it recurses)."""

_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9-]*)")
_HIDING = re.compile(
    r"""<(?:script|style|template)\b|\shidden(?=[\s=/>])|aria-hidden\s*=\s*["']?true|display\s*:\s*none|visibility\s*:\s*hidden""",
    re.IGNORECASE,
)
_STRAY_EMPHASIS = re.compile(
    r"(?P<code>`+[^`]*`+)|\*\*(?=\S)(?P<strong>[^*`\n]{1,300})(?<=\S)\*\*|(?<![\w`])_(?=\S)(?P<soft>[^_`\n]{1,100})(?<=\S)_(?=[\uac00-\ud7a3])"
)
_VOID = frozenset({"br", "img", "hr", "input", "wbr", "meta", "link", "area", "col", "embed", "source", "track", "base"})


def load(name: str, data: bytes) -> ParsedDocument:
    """Parse Markdown; front matter becomes the metadata.

    Raises:
        UnreadableDocument: too large, of unknown encoding, or with broken front matter.
    """
    check_size(name, len(data), MARKDOWN_BYTES_MAX)
    text = decode(name, data).replace("\r\n", "\n").replace("\r", "\n")
    if text.count("\n") > MARKDOWN_LINES_MAX or text.count("[") > MARKDOWN_BRACKETS_MAX:
        raise UnreadableDocument(
            f"{name} has more than {MARKDOWN_LINES_MAX:,} lines or {MARKDOWN_BRACKETS_MAX:,} brackets.", "Split it into several files."
        )
    metadata, body = split_front_matter(text)
    builder = DocumentBuilder(name)
    _Walker(builder).walk(_tokens(name, unwrap(body, mdx=name.lower().endswith(".mdx"))))
    title = metadata.get("title")
    return builder.finish(title=title if isinstance(title, str) else None, metadata=metadata)


def _tokens(name: str, text: str) -> list[Token]:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"maxNesting": NESTING_MAX}).enable(["table", "strikethrough"])
    try:
        return parser.parse(text)
    except (RecursionError, IndexError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableDocument(f"{name} could not be read as Markdown: {type(error).__name__}.", "Look for unusual nesting.") from error


class _Walker:
    """Goes through markdown-it's flat list of tokens, remembering what it stands in."""

    def __init__(self, builder: DocumentBuilder) -> None:
        self.builder = builder
        self.containers: list[str] = []  # "quote" and "item", outermost first
        self.lists: list[int | None] = []  # the next number, None for bullets
        self.marker = ""  # of the list item that has begun and not yet shown its text
        self.kind: BlockKind = "paragraph"
        self.heading_level = 0
        self.header: list[str] = []
        self.rows: list[list[str]] = []
        self.in_header = False
        self.in_table = False

    def walk(self, tokens: list[Token]) -> None:
        for token in tokens:
            match token.type:
                case "inline":
                    self._inline(token)
                case "fence" | "code_block":
                    self._flush_marker()
                    self.builder.add("code", token.content, level=len(self.lists))
                case "html_block":
                    add_fragment(self.builder, token.content)
                case "heading_open":
                    self.kind, self.heading_level = "heading", int(token.tag[1:])
                case "paragraph_open":
                    self.kind = "paragraph"
                case _:
                    self._enter_or_leave(token)

    def _enter_or_leave(self, token: Token) -> None:
        match token.type:
            case "bullet_list_open":
                self.lists.append(None)
            case "ordered_list_open":
                start: Any = token.attrGet("start")
                self.lists.append(1 if start is None else int(start))
            case "bullet_list_close" | "ordered_list_close":
                self.lists.pop()
            case "list_item_open":
                self._flush_marker()
                self.containers.append("item")
                self.marker = self._next_marker()
            case "blockquote_open":
                self.containers.append("quote")
            case "list_item_close" | "blockquote_close":
                self.containers.pop()
                self.marker = ""
            case "table_open":
                self._flush_marker()
                self.header, self.rows, self.in_table = [], [], True
            case "table_close":
                self.builder.add_table(self.rows, header=self.header, level=len(self.lists))
                self.in_table = False
            case "thead_open" | "thead_close":
                self.in_header = token.type == "thead_open"
            case "tr_open":
                if not self.in_header:
                    self.rows.append([])
            case _:
                pass

    def _next_marker(self) -> str:
        number = self.lists[-1]
        if number is None:
            return "-"
        self.lists[-1] = number + 1
        return f"{number}."

    def _flush_marker(self) -> None:
        """An item that begins with a list, a table or code has no text of its own: its marker is dropped."""
        self.marker = ""

    def _inline(self, token: Token) -> None:
        text = _inline_text(token.children or [])
        if self.in_table:
            (self.header if self.in_header else self.rows[-1]).append(text)
        elif self.kind == "heading":
            self.builder.add("heading", text, level=self.heading_level)
        elif text.strip():
            inner = self.containers[-1] if self.containers else ""
            kind: BlockKind = "list_item" if self.marker else "quote" if inner == "quote" else "paragraph"
            self.builder.add(kind, text, level=len(self.lists), marker=self.marker)
            self.marker = ""


def _inline_text(children: list[Token]) -> str:
    """What a reader sees: link texts, image descriptions, code in its backticks; no tags, comments or hidden elements."""
    pieces: list[str] = []
    hidden = ""  # the name of the hidden element that we are in
    depth = 0
    for child in children:
        if child.type == "html_inline":
            tag = _TAG.match(child.content)
            name = tag[2].lower() if tag else ""
            if hidden:
                depth += (1 if tag and not tag[1] else -1) if name == hidden else 0
                hidden = hidden if depth else ""
            elif name == "br":
                pieces.append("\n")
            elif name and tag and not tag[1] and name not in _VOID and _HIDING.search(child.content):
                hidden, depth = name, 1
        elif hidden:
            continue
        elif child.type in ("text", "text_special", "image"):
            pieces.append(child.content)
        elif child.type == "code_inline":
            pieces.append(f"{child.markup}{child.content}{child.markup}")
        elif child.type == "softbreak":
            pieces.append(" ")
        elif child.type == "hardbreak":
            pieces.append("\n")
    return _without_stray_emphasis("".join(pieces))


def _without_stray_emphasis(text: str) -> str:
    """Drop emphasis marks that CommonMark does not recognise before a Korean particle, as in ``**파드(Pod)**는`` and ``_이름_을``."""
    if "**" not in text and "_" not in text:
        return text
    return _STRAY_EMPHASIS.sub(lambda match: match["code"] or match["strong"] or match["soft"], text)
