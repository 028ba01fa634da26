"""A site of somebody else on a port of its own: its pages have a strict policy, and its server signs who is asking."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

PAGE = """<!doctype html><html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Shop</title>
<script type="module" crossorigin="anonymous" src="{script}" integrity="{integrity}"></script></head>
<body><main><h1>Shop</h1></main>{element}</body></html>"""


@dataclass
class ForeignSite:
    """What the site shows and signs.

    Attributes:
        origin: its own.
        page: the body of ``/``.
        policy: its Content-Security-Policy.
        token: makes what ``/ondol-token`` answers; none where nobody is signed in.
    """

    origin: str
    page: str = ""
    policy: str = ""
    token: Callable[[], str] | None = None
    asked: list[str] = field(default_factory=list)

    def shows(self, platform: str, widget: dict[str, str], element: str, *, language: str = "en") -> None:
        """Show a widget of a platform, with the policy that the guide names and nothing beside it."""
        self.page = PAGE.format(language=language, script=platform + widget["script"], integrity=widget["integrity"], element=element)
        self.policy = (
            f"default-src 'none'; script-src {platform}; connect-src 'self' {platform}; require-trusted-types-for 'script'; trusted-types 'none'"
        )


@pytest.fixture
def foreign_site() -> Iterator[ForeignSite]:
    with open_site() as site:
        yield site


@contextlib.contextmanager
def open_site() -> Iterator[ForeignSite]:
    """Serve one."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            if self.path == "/ondol-token":
                if site.token is None:
                    self._answer(403, "application/json", "{}")
                else:
                    self._answer(200, "application/json", json.dumps({"token": site.token()}))
            elif self.path == "/":
                self._answer(200, "text/html; charset=utf-8", site.page)
            else:
                self._answer(204, "text/plain", "")

        def _answer(self, status: int, kind: str, text: str) -> None:
            body = text.encode()
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            if site.policy:
                self.send_header("content-security-policy", site.policy)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site = ForeignSite(f"http://127.0.0.1:{server.server_port}")
    serving = threading.Thread(target=server.serve_forever, daemon=True)
    serving.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        serving.join()


def now_s() -> int:
    """Seconds since 1970."""
    return int(time.time())
