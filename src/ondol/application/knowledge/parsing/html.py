"""HTML to blocks, by selectolax (lexbor): the main content as a reader sees it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ondol.application.knowledge.parsing.builder import DocumentBuilder
from ondol.application.knowledge.parsing.charset import decode
from ondol.application.knowledge.parsing.html_tables import read_table
from ondol.application.knowledge.parsing.html_tree import inline_text, is_hidden, text_of
from ondol.application.knowledge.parsing.html_work import too_much_work
from ondol.application.knowledge.parsing.limits import HEADING_CHARS_MAX, HTML_BYTES_MAX, check_size
from ondol.application.knowledge.types import BlockKind, ParsedDocument
from ondol.core.errors import UnreadableDocument

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

CHARSET_BYTES_MAX = 4096
"""Only so much of the beginning is searched for the declared encoding (browsers search 1,024 bytes)."""

MAIN_SHARE_MIN = 0.2
"""A page's only <article> is taken for its content when it holds at least this share of the page's text."""

CONTENT_ELEMENTS_MAX = 50
"""So many <main> or <article> elements are looked at."""

_CHARSET = re.compile(rb"""<meta[^>]{0,500}?charset\s{0,5}=\s{0,5}["']?\s{0,5}([A-Za-z0-9_:.-]{1,40})""", re.IGNORECASE)

_BLOCK = frozenset(
    {
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "caption",
        "center",
        "dd",
        "details",
        "dialog",
        "dir",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hgroup",
        "hr",
        "html",
        "legend",
        "li",
        "main",
        "menu",
        "nav",
        "ol",
        "optgroup",
        "p",
        "pre",
        "search",
        "section",
        "summary",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "ul",
    }
)
_HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
_LISTS = frozenset({"ul", "ol", "menu", "dir"})
_PAGE_FURNITURE = frozenset({"nav", "aside", "footer"})
_FURNITURE_ROLES = frozenset({"navigation", "search", "banner", "contentinfo", "complementary"})
_ANCHOR_SIGN = re.compile(r"(?:\s*[¶§🔗]|\s+#)\s*$")


def load(name: str, data: bytes) -> ParsedDocument:
    """Parse a page; its ``<meta name="ondol:..." content="...">`` tags become the metadata.

    Raises:
        UnreadableDocument: too large, of unknown encoding, nested beyond reason, or with two ``ondol:`` tags of one name.
    """
    check_size(name, len(data), HTML_BYTES_MAX)
    declared = _CHARSET.search(data[:CHARSET_BYTES_MAX])
    text = decode(name, data, declared=declared[1].decode("ascii") if declared else None)
    tree = _tree(name, text)
    metadata = _metadata(name, tree)
    builder = DocumentBuilder(name)
    _Walker(builder, within_content=False).walk_all(_content_roots(tree))
    if builder.empty and tree.body is not None:
        _Walker(builder, within_content=True).walk_all([tree.body])
    given = metadata.get("title")
    title_node = tree.css_first("head > title")
    title = given if isinstance(given, str) else text_of(title_node) if title_node is not None else None
    return builder.finish(title=title, metadata=metadata)


def add_fragment(builder: DocumentBuilder, html: str) -> None:
    """Add the blocks of a piece of HTML that stands in another document.

    Raises:
        UnreadableDocument: nested beyond reason.
    """
    if html.startswith("<!--") and html.rstrip().find("-->") == len(html.rstrip()) - 3:
        return
    body = _tree(builder.name, html).body
    if body is not None:
        _Walker(builder, within_content=True).walk_all([body])


def _tree(name: str, text: str) -> LexborHTMLParser:
    from selectolax.lexbor import LexborHTMLParser, SelectolaxError

    reason = too_much_work(text)
    if reason is not None:
        raise UnreadableDocument(f"{name} is not reasonable HTML: {reason}.", "Save the page again from a browser, or convert it to Markdown.")
    try:
        return LexborHTMLParser(text)
    except (SelectolaxError, RuntimeError, ValueError) as error:
        raise UnreadableDocument(f"{name} could not be read as HTML: {error}.", "Save the page again from a browser.") from error


def _metadata(name: str, tree: LexborHTMLParser) -> dict[str, object]:
    """The ``ondol:`` tags of the head (those in the body may be a visitor's words) and the description."""
    metadata: dict[str, object] = {}
    for node in tree.css("head > meta[name]"):
        attributes = node.attributes
        key = (attributes.get("name") or "").strip().lower()
        if key.startswith("ondol:"):
            key = key.removeprefix("ondol:")
            if key in metadata:
                raise UnreadableDocument(f"{name} has two `ondol:{key}` tags.", "Leave one of them.")
        elif key != "description" or key in metadata:
            continue
        metadata[key] = attributes.get("content") or ""
    return metadata


def _content_roots(tree: LexborHTMLParser) -> list[LexborNode]:
    body = tree.body
    if body is None:
        return []
    mains = [node for node in tree.css("main, [role=main]")[:CONTENT_ELEMENTS_MAX] if not _is_within_hidden(node)]
    if mains:
        return _outermost(mains)
    articles = _outermost([node for node in tree.css("article")[:CONTENT_ELEMENTS_MAX] if not _is_within_hidden(node)])
    if len(articles) == 1 and len(inline_text(articles[0])) >= MAIN_SHARE_MIN * len(inline_text(body)):
        return articles
    return [body]


def _is_within_hidden(node: LexborNode) -> bool:
    current: LexborNode | None = node
    while current is not None and current.is_element_node:
        if is_hidden(current):
            return True
        current = current.parent
    return False


def _outermost(nodes: list[LexborNode]) -> list[LexborNode]:
    """Without those that stand in another one of them."""
    members = {node.mem_id for node in nodes}
    kept: list[LexborNode] = []
    for node in nodes:
        above = node.parent
        while above is not None and above.mem_id not in members:
            above = above.parent
        if above is None:
            kept.append(node)
    return kept


class _Walker:
    """Goes through the tree without recursion, collecting inline text until a block begins or ends.

    Args:
        within_content: whether the page's own header counts as content.
    """

    def __init__(self, builder: DocumentBuilder, *, within_content: bool) -> None:
        self.builder = builder
        self.inline: list[str] = []
        self.lists: list[int | None] = []  # the next number, None for bullets
        self.containers: list[str] = []  # "item" and "quote"
        self.marker = ""
        self.heading_level = 0
        self.content_depth = 1 if within_content else 0

    def walk_all(self, roots: list[LexborNode]) -> None:
        for root in roots:
            self._walk(root)
            self._flush()

    def _walk(self, root: LexborNode) -> None:
        above: list[LexborNode] = []
        current = root
        while True:
            if self._enter(current):
                child = current.child
                if child is not None:
                    above.append(current)
                    current = child
                    continue
                self._leave(current)
            while (sibling := current.next if above else None) is None:
                if not above:
                    return
                current = above.pop()
                self._leave(current)
            current = sibling

    def _enter(self, node: LexborNode) -> bool:
        """Whether the node's children are to be visited (and the node to be left afterwards)."""
        if node.is_text_node:
            self.inline.append(" ".join(("x" + (node.text_content or "") + "x").split())[1:-1])
            return False
        if not node.is_element_node:
            return False
        tag = node.tag or ""
        if is_hidden(node) or self._is_furniture(node, tag):
            return False
        match tag:
            case "br":
                self.inline.append("\n")
            case "img":
                self.inline.append(node.attributes.get("alt") or "")
            case "pre":
                self._flush()
                self.builder.add("code", text_of(node), level=len(self.lists))
                self.marker = ""
            case "code" | "kbd" | "samp" | "tt":
                code = " ".join(text_of(node).split())
                self.inline.append(f"`{code}`" if code and "`" not in code else code)
            case "table":
                return self._enter_table(node)
            case _:
                if tag in _BLOCK:
                    self._enter_block(node, tag)
                return True
        return False

    def _is_furniture(self, node: LexborNode, tag: str) -> bool:
        if tag in _PAGE_FURNITURE or (tag == "header" and not self.content_depth):
            return True
        return node.attributes.get("role") in _FURNITURE_ROLES

    def _enter_table(self, node: LexborNode) -> bool:
        self._flush()
        table = read_table(node)
        if table is None:
            return True
        self.marker = ""
        self.builder.add("paragraph", table.caption)
        self.builder.add_table(table.rows, header=table.header, level=len(self.lists))
        return False

    def _enter_block(self, node: LexborNode, tag: str) -> None:
        self._flush()
        if tag in _HEADINGS:
            self.heading_level = _HEADINGS[tag]
        elif tag in _LISTS:
            start = node.attributes.get("start") or "1"
            self.lists.append((int(start) if re.fullmatch("[0-9]{1,9}", start) else 1) if tag == "ol" else None)
        elif tag == "li":
            self.containers.append("item")
            self.marker = self._next_marker()
        elif tag == "blockquote":
            self.containers.append("quote")
        elif tag in ("main", "article"):
            self.content_depth += 1

    def _next_marker(self) -> str:
        if not self.lists or self.lists[-1] is None:
            return "-"
        number = self.lists[-1]
        self.lists[-1] = number + 1
        return f"{number}."

    def _leave(self, node: LexborNode) -> None:
        tag = node.tag or ""
        if tag not in _BLOCK:
            return
        self._flush()
        if tag in _HEADINGS:
            self.heading_level = 0
        elif tag in _LISTS:
            self.lists.pop()
        elif tag in ("li", "blockquote"):
            self.containers.pop()
            self.marker = ""
        elif tag in ("main", "article"):
            self.content_depth -= 1

    def _flush(self) -> None:
        text = "".join(self.inline)
        self.inline.clear()
        if not text or text.isspace():
            return
        if self.heading_level:
            self.builder.add("heading", _ANCHOR_SIGN.sub("", text) if len(text) <= HEADING_CHARS_MAX else text, level=self.heading_level)
            return
        inner = self.containers[-1] if self.containers else ""
        kind: BlockKind = "list_item" if self.marker else "quote" if inner == "quote" else "paragraph"
        self.builder.add(kind, text, level=max(len(self.lists), 1 if self.marker else 0), marker=self.marker)
        self.marker = ""
