"""Reading a lexbor tree without recursion, so that no nesting is too deep."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_NEVER_SHOWN = frozenset(
    {
        "script",
        "style",
        "template",
        "noscript",
        "head",
        "iframe",
        "object",
        "embed",
        "applet",
        "svg",
        "math",
        "canvas",
        "audio",
        "video",
        "map",
        "select",
        "datalist",
        "button",
        "input",
        "textarea",
        "progress",
        "meter",
        "dialog",
        "rp",
        "noembed",
        "noframes",
        "title",
        "meta",
        "link",
        "base",
    }
)
_HIDING_STYLE = re.compile(r"(?:display\s{0,9}:\s{0,9}none|visibility\s{0,9}:\s{0,9}(?:hidden|collapse))", re.IGNORECASE)


def is_hidden(node: LexborNode) -> bool:
    """Whether an element is not part of what a reader sees: by its kind, or by ``hidden``, ``aria-hidden`` or its own style."""
    if (node.tag or "") in _NEVER_SHOWN:
        return True
    attributes = node.attributes
    if not attributes:
        return False
    return (
        "hidden" in attributes
        or (attributes.get("aria-hidden") or "").strip().lower() == "true"
        or _HIDING_STYLE.search(attributes.get("style") or "") is not None
    )


def descendants(root: LexborNode) -> Iterator[LexborNode]:
    """All nodes below one, in document order, without what is hidden and what is below it."""
    above: list[LexborNode] = []
    current = root.child
    while current is not None:
        visible = not current.is_element_node or not is_hidden(current)
        if visible:
            yield current
        child = current.child if visible and current.is_element_node else None
        if child is not None:
            above.append(current)
            current = child
            continue
        following = current.next
        while following is None and above:
            following = above.pop().next
        current = following


def text_of(root: LexborNode) -> str:
    """All visible text below a node as it stands, line ends kept (for <pre>, <title>)."""
    pieces: list[str] = []
    for node in descendants(root):
        if node.is_text_node:
            pieces.append(node.text_content or "")
        elif node.tag == "br":
            pieces.append("\n")
    return "".join(pieces)


def inline_text(root: LexborNode) -> str:
    """All visible text below a node on one line: blocks and list items become separated words (for table cells)."""
    pieces: list[str] = []
    for node in descendants(root):
        if node.is_text_node:
            pieces.append(node.text_content or "")
        elif node.tag == "img":
            pieces.append(node.attributes.get("alt") or "")
        elif node.tag not in _INLINE:
            pieces.append(" ")
    return " ".join("".join(pieces).split())


_INLINE = frozenset(
    {
        "a",
        "abbr",
        "acronym",
        "b",
        "bdi",
        "bdo",
        "big",
        "cite",
        "code",
        "data",
        "del",
        "dfn",
        "em",
        "font",
        "i",
        "ins",
        "kbd",
        "label",
        "mark",
        "nobr",
        "q",
        "ruby",
        "s",
        "samp",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "sup",
        "time",
        "tt",
        "u",
        "var",
        "wbr",
    }
)
