"""The pages of a console, found by following its links from the sections that a visitor sees: a new page is found without being named anywhere."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final, cast
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import httpx
from fastapi.routing import APIRoute

from ondol.application.console.navigation import GROUPS
from ondol.application.console.pages import Site
from ondol.application.console.routes import make_routes

ADDRESSES_MAX: Final = 2
"""Of a page whose path names something, such as a document, so many are looked at."""
QUERIES_MAX: Final = 8
"""Of one path so many forms are looked at: by person, of 90 days."""
FOLLOWED_MAX: Final = 600


SECTIONS: Final = tuple(section.path for group in GROUPS for section in group.sections)


def console_routes() -> list[tuple[str, str]]:
    """Method and path of every route of the console, in the order in which they are looked at."""
    routes = make_routes(cast(Site, None)).routes  # a site is needed by requests only
    return [(method, route.path) for route in routes if isinstance(route, APIRoute) for method in sorted(route.methods or ())]


@dataclass(slots=True)
class Form:
    """A form as it stands in a page. Fields without a value have an empty one."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Parts:
    """What a page is made of.

    Attributes:
        links: addresses of anchors, as they stand there.
        loads: addresses that the browser fetches by itself, or sends forms to.
        inline: scripts, styles and handlers within the page; a strict policy allows none.
    """

    links: list[str] = field(default_factory=list)
    forms: list[Form] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    inline: list[str] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts = Parts()
        self._form: Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        parts = self.parts
        parts.inline += [f"{tag} {name}" for name in given if name.startswith("on") or name == "style"]
        if tag == "style" or (tag == "script" and "src" not in given and given.get("type") != "application/json"):
            parts.inline.append(tag)
        if "id" in given:
            parts.ids.append(given["id"])
        if tag == "a" and "href" in given:
            parts.links.append(given["href"])
        parts.loads += [given[name] for name in ("src", "action", "formaction", "data", "poster", "hx-get", "hx-post") if given.get(name)]
        if tag == "link" and "href" in given:
            parts.loads.append(given["href"])
        if tag == "form":
            self._form = Form(given.get("action", ""), given.get("method", "get").lower())
            parts.forms.append(self._form)
        elif self._form is not None and tag in ("input", "select", "textarea", "button") and given.get("name"):
            self._form.fields.setdefault(given["name"], given.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None


def read_parts(html: str) -> Parts:
    """What a page is made of."""
    reader = _Reader()
    reader.feed(html)
    return reader.parts


@dataclass(frozen=True, slots=True)
class Visited:
    """A page as it was answered.

    Attributes:
        pattern: the route's path, such as ``/requests/{request_id}``.
    """

    address: str
    pattern: str
    answer: httpx.Response
    parts: Parts


@dataclass(frozen=True, slots=True)
class Patterns:
    """The paths of a console's routes."""

    paths: Sequence[str]
    _known: Mapping[str, re.Pattern[str]]

    @classmethod
    def of(cls, paths: Sequence[str]) -> Patterns:
        """Those that are given, as the application names them."""
        known = {path: re.compile(re.sub(r"\\\{[^}]*:path\\\}", ".+", re.sub(r"\\\{[^}:]*\\\}", "[^/]+", re.escape(path)))) for path in paths}
        return cls(paths, known)

    def at(self, path: str) -> str:
        """The route that answers a path; of several the first, as the application chooses. The path itself where there is none."""
        return next((name for name, known in self._known.items() if known.fullmatch(path)), path)


def crawl(
    client: httpx.Client,
    patterns: Patterns,
    starts: Sequence[str],
    skip: Callable[[str], bool] = lambda pattern: False,
    *,
    queries_max: int = QUERIES_MAX,
) -> Iterator[Visited]:
    """Every page that links lead to, few addresses of each.

    Args:
        client: with the visitor's cookies; it follows no redirects.
        starts: addresses to begin with.
        skip: of which route nothing is asked.
        queries_max: how many forms of one path are looked at.
    """
    waiting = deque(starts)
    seen: set[str] = set()
    paths: dict[str, set[str]] = {}
    queries: dict[str, set[str]] = {}
    while waiting and len(seen) < FOLLOWED_MAX:
        address = waiting.popleft()
        path, _, query = address.partition("?")
        pattern = patterns.at(path)
        of_pattern, of_path = paths.setdefault(pattern, set()), queries.setdefault(path, set())
        if address in seen or skip(pattern) or len(of_pattern | {path}) > ADDRESSES_MAX or len(of_path | {query}) > queries_max:
            continue
        seen.add(address)
        of_pattern.add(path)
        of_path.add(query)
        answer = client.get(address)
        parts = read_parts(answer.text) if answer.headers.get("content-type", "").startswith("text/html") else Parts()
        yield Visited(address, pattern, answer, parts)
        waiting += [own for link in parts.links if (own := _own(address, link))]


def _own(address: str, link: str) -> str:
    """An address of the same console without its fragment and language; empty for any other."""
    joined = urlsplit(urljoin(f"http://own{address}", link))
    if joined.netloc != "own" or link.startswith("#"):
        return ""
    query = [(name, value) for name, value in parse_qsl(joined.query) if name != "lang"]
    return f"{joined.path}?{urlencode(query)}" if query else joined.path
