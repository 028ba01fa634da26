"""How much work an HTML text would be for a tree builder, counted before one is let near it.

The standard's algorithm walks up the open elements at nearly every tag and reopens unclosed formatting elements in every block, so a few
megabytes of hostile tags cost hours or tens of gigabytes. This count reads the tags by the standard's tokenizer rules and never
takes an element for closed unless it surely is; it may overestimate a broken page, never underestimate one.

Rules from the WHATWG HTML standard, sections 13.2.5 (tokenization) and 13.1.2.4 (optional tags).
"""

from __future__ import annotations

import re

DEPTH_SUM_MAX = 300_000_000
"""Open elements, summed over all tags. 10,000 levels of one tag each sum to 50 million."""

FORMATTING_SUM_MAX = 10_000_000
"""Open formatting elements, summed over all tags: as many elements may be made in the tree."""

FORMATTING_ALIKE_MAX = 3
"""So many equal formatting elements are reopened at most (the standard's "Noah's Ark clause")."""

ATTRIBUTES_MAX = 1_000
"""In one tag (each is compared with all before it)."""

_SPACE = "[\t\n\f\r ]"
_ATTRIBUTE = (
    rf"[^\t\n\f\r />][^\t\n\f\r />=]*+"
    rf"(?:{_SPACE}*+={_SPACE}*+(?:\"[^\"]*+(?:\"|\Z)|'[^']*+(?:'|\Z)|(?=>)|[^\t\n\f\r >\"'][^\t\n\f\r >]*+))?+"
)
_MARKUP = re.compile(
    rf"<(?:(?P<close>/?)(?P<name>[A-Za-z][^\t\n\f\r />]*+)(?P<attributes>(?:[\t\n\f\r /]++|{_ATTRIBUTE})*+)(?:>|\Z)"
    r"|!--(?:-?>|(?s:.*?)(?:--!?>|\Z))"
    r"|(?P<cdata>!\[CDATA\[)"
    r"|[!?/][^>]*+(?:>|\Z))"
)
_ONE_ATTRIBUTE = re.compile(_ATTRIBUTE)
_SCRIPT_PART = re.compile(r"<!--(?P<at_once>-?>)?|-->|<(?P<close>/?)script(?=[\t\n\f\r />])", re.IGNORECASE)

_VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "keygen", "link", "meta", "param", "source", "track", "wbr", "image"})
# Their end tags may be left out and their like closes them, so they never stand deeper in each other than what is counted does.
_SELF_LIMITING = frozenset(
    {"html", "head", "body", "p", "li", "dt", "dd", "tr", "td", "th", "tbody", "thead", "tfoot", "colgroup", "option", "rb", "rt", "rp", "rtc"}
)
_RAW_TEXT = frozenset({"style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"})
_FORMATTING = frozenset({"a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"})
_SVG_PARENTS = frozenset({"svg", "g", "defs", "symbol", "lineargradient", "radialgradient", "clippath", "mask", "pattern", "marker"})
_SVG_LEAVES = frozenset({"path", "circle", "rect", "line", "polyline", "polygon", "ellipse", "use", "stop", "image", "animate"})
_UNSURE = "?"  # an entry that no end tag closes


def too_much_work(text: str) -> str | None:
    """Why this HTML should not be given to a tree builder, or None. Linear in the length of the text."""
    counter = _Counter()
    position = 0
    while (match := _MARKUP.search(text, position)) is not None:
        position = match.end()
        name = match["name"]
        if name is None:
            if match["cdata"]:
                counter.open_elements.append(_UNSURE)
            continue
        name = name.lower()
        if match["close"]:
            counter.close(name)
        else:
            if len(match["attributes"]) > ATTRIBUTES_MAX and _attributes_exceed(match["attributes"]):
                return f"a tag has more than {ATTRIBUTES_MAX:,} attributes"
            position = counter.open(name, match["attributes"], text, position)
        counter.depth_sum += len(counter.open_elements)
        counter.formatting_sum += counter.formatting
        if counter.depth_sum > DEPTH_SUM_MAX or counter.formatting_sum > FORMATTING_SUM_MAX:
            return "too many elements stand open in each other"
    return None


def _attributes_exceed(attributes: str) -> bool:
    return sum(1 for _ in _ONE_ATTRIBUTE.finditer(attributes)) > ATTRIBUTES_MAX


class _Counter:
    """A stack of elements that may be open."""

    def __init__(self) -> None:
        self.open_elements: list[str] = []
        self.alike: dict[str, int] = {}  # open formatting elements by name and attributes
        self.formatting = 0
        self.formatting_keys: list[str] = []  # of the formatting elements on the stack
        self.depth_sum = 0
        self.formatting_sum = 0

    def open(self, name: str, attributes: str, text: str, position: int) -> int:
        """Count a start tag; returns where to read on (behind the contents of script, style and the like)."""
        in_svg = bool(self.open_elements) and self.open_elements[-1] in _SVG_PARENTS
        if in_svg and name not in _SVG_PARENTS:
            if not (name in _SVG_LEAVES and attributes.endswith("/")):
                # HTML in a drawing ends the drawing, other elements stay open: both are taken for open from here on.
                self.open_elements.append(_UNSURE if name in _VOID | _SELF_LIMITING else name)
            return position
        if name in _VOID or name in _SELF_LIMITING:
            return position
        if name == "script":
            return _script_end(text, position)
        if name in _RAW_TEXT:
            end = re.compile(f"</{name}(?=[\t\n\f\r />])", re.IGNORECASE).search(text, position)
            return end.start() if end is not None else len(text)
        self.open_elements.append(name)
        if name in _FORMATTING:
            key = name + attributes
            self.formatting_keys.append(key)
            self._count_formatting(key, +1)
        return position

    def close(self, name: str) -> None:
        """Count an end tag: it closes the innermost element or, for all we know, nothing."""
        if self.open_elements and self.open_elements[-1] == name:
            self.open_elements.pop()
            if name in _FORMATTING and self.formatting_keys:
                self._count_formatting(self.formatting_keys.pop(), -1)
        elif name in ("p", "br") and self.open_elements and self.open_elements[-1] in _SVG_PARENTS:
            self.open_elements.append(_UNSURE)  # these end a drawing

    def _count_formatting(self, key: str, step: int) -> None:
        before = min(self.alike.get(key, 0), FORMATTING_ALIKE_MAX)
        self.alike[key] = self.alike.get(key, 0) + step
        self.formatting += min(self.alike[key], FORMATTING_ALIKE_MAX) - before


def _script_end(text: str, position: int) -> int:
    """Where the end tag of a script begins: one that stands in a script within a comment does not count."""
    commented = nested = False
    for match in _SCRIPT_PART.finditer(text, position):
        part = match[0]
        if part.startswith("<!--"):
            commented = commented or match["at_once"] is None
        elif part == "-->":
            commented = nested = False
        elif match["close"]:
            if not nested:
                return match.start()
            nested = False
        elif commented:
            nested = True
    return len(text)
