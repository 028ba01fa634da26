"""What the crawler reads out of pages, and that it knows the console's routes by themselves."""

from __future__ import annotations

import httpx

from benchmarks.console.crawl import Form, Patterns, console_routes, crawl, read_parts
from benchmarks.console.server_side import percentile

PAGE = """
<a href="/guard?state=open&lang=en">x</a><a href="#main">y</a><a href="https://elsewhere.example/">z</a>
<form method="post" action="/keys/1/revoke"><input name="form_token" value="t"><button name="do" value="keep">k</button></form>
<input name="outside"><script src="/static/a.js"></script><p style="x" onclick="y">p</p><script>1</script><link href="/b.css" rel="stylesheet">
"""


def test_the_parts_of_a_page() -> None:
    parts = read_parts(PAGE)
    assert parts.links == ["/guard?state=open&lang=en", "#main", "https://elsewhere.example/"]
    assert parts.forms == [Form("/keys/1/revoke", "post", {"form_token": "t", "do": "keep"})]
    assert parts.loads == ["/keys/1/revoke", "/static/a.js", "/b.css"]
    assert parts.inline == ["p style", "p onclick", "script"]


def test_routes_are_known_by_what_the_application_answers() -> None:
    routes = console_routes()
    assert {("GET", "/requests/{request_id}"), ("POST", "/keys/new"), ("GET", "/")} <= set(routes)
    patterns = Patterns.of([path for method, path in routes if method == "GET"])
    assert [patterns.at(path) for path in ("/requests/7", "/people/new", "/people/7", "/static/1/a/b.css", "/nowhere/at/all")] == [
        "/requests/{request_id}", "/people/new", "/people/{person}", "/static/{digest}/{path:path}", "/nowhere/at/all",
    ]  # fmt: skip


def test_a_crawl_follows_links_to_few_addresses_of_each_page() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        links = "".join(f'<a href="/items/{number}?lang=en">i</a>' for number in range(9)) if request.url.path == "/" else '<a href="?by=day">d</a>'
        return httpx.Response(200, html=links)

    with httpx.Client(transport=httpx.MockTransport(answer), base_url="http://own") as client:
        found = list(crawl(client, Patterns.of(["/", "/items/{item}"]), ["/"]))
    assert [one.address for one in found] == ["/", "/items/0", "/items/1", "/items/0?by=day", "/items/1?by=day"]
    assert {one.pattern for one in found} == {"/", "/items/{item}"}


def test_percentiles_are_of_values_that_were_seen() -> None:
    assert [percentile([3.0, 1.0, 2.0, 4.0], share) for share in (0.5, 0.75, 0.95, 1.0)] == [2.0, 3.0, 4.0, 4.0]
    assert percentile([], 0.95) == 0.0
