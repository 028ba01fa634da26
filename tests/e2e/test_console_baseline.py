"""What a baseline scan of the console looks for, over every page and route of it: headers, cookies, forms, reflected input, addresses of others,
traces, methods, redirects, originals, and ways out of the folder of assets.

The list is that of the passive and the harmless active rules of OWASP ZAP's baseline scan. Pages and routes are found by themselves.
"""

from __future__ import annotations

import ast
import http.client
import itertools
import re
import uuid
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import httpx
import pytest

from benchmarks.console.crawl import Visited, console_routes, read_parts
from ondol.application.console.assets import load_assets
from ondol.infrastructure.access.types import Role
from tests.e2e.conftest import Up
from tests.e2e.visiting import FILES, SESSION, Visitor, visitors

__all__ = ["visitors"]  # a fixture
MARK = "zq9hostile"
NAMES_AT_ONCE = 8
HOSTILE = f'{MARK}"\'><b id="{MARK}" onclick="x">{{{{7*7}}}}</b><script>{MARK}</script>'
PATHS = (HOSTILE, "..%2f..%2fetc%2fpasswd", "a" * 1_500, "%00", "%ff", "0" * 40, "-1", "가나다")
TRACES = re.compile(r"Traceback|File \"/|jinja2|psycopg|\.py\b.{0,20}line \d|site-packages", re.IGNORECASE)
ELSEWHERE = "evil.example"
AWAY = {
    "whole": f"https://{ELSEWHERE}/", "half": f"//{ELSEWHERE}/", "slashed": f"/\\{ELSEWHERE}/", "script": f"javascript:{ELSEWHERE}",
}  # fmt: skip
WAYS_OUT = (
    "../app.py", "..%2fapp.py", "%2e%2e/app.py", "%2e%2e%2fapp.py", "..%5capp.py", "%252e%252e%252fapp.py", "vendor/../../app.py", "/etc/passwd",
    "....//app.py", "app.css%00.js",
)  # fmt: skip
ROUTES = console_routes()
GETS = [path for method, path in ROUTES if method == "GET" and path not in FILES]
POSTS = [path for method, path in ROUTES if method == "POST"]


@pytest.fixture(scope="module")
def owner(visitors: dict[Role, Visitor]) -> Visitor:
    return visitors["owner"]


def filled(pattern: str, value: str | None = None) -> str:
    """A route's path with something in each place."""
    return re.sub(r"\{[^}]*\}", lambda _: quote(value, safe="%") if value is not None else str(uuid.uuid4()), pattern)


def check(answer: httpx.Response, what: str) -> None:
    """What holds for every answer of the console, whatever was asked."""
    headers, text = answer.headers, answer.text if "text" in answer.headers.get("content-type", "text") else ""
    policy = dict(part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";"))
    assert answer.status_code < 500, what
    assert policy["default-src"] == "'none'" and policy["frame-ancestors"] == "'none'" and policy["base-uri"] == "'none'", what
    assert policy["form-action"] == "'self'" and policy["require-trusted-types-for"] == "'script'", what
    assert not re.search(r"unsafe|\*|https?:|blob:", headers["content-security-policy"]), what
    assert "data:" not in policy["script-src"], what
    assert headers["x-content-type-options"] == "nosniff" and headers["x-frame-options"] == "DENY", what
    assert headers["referrer-policy"] == "no-referrer" and "geolocation=()" in headers["permissions-policy"], what
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin", what
    assert "access-control-allow-origin" not in headers and "x-powered-by" not in headers, what
    assert not re.search(r"\d", headers.get("server", "")), f"{what}: a version of the server"
    if "/static/" not in str(answer.url):
        assert "no-store" in headers["cache-control"], what
    if answer.status_code not in (204, 303, 304) and answer.content:
        assert "charset=utf-8" in headers["content-type"].replace(" ", "") or "text" not in headers["content-type"], what
    for cookie in headers.get_list("set-cookie"):
        told = cookie.lower()
        assert "httponly" in told and "samesite=strict" in told and "path=/" in told and "domain=" not in told, f"{what}: {cookie}"
    assert not TRACES.search(text), what
    assert ELSEWHERE not in text and ELSEWHERE not in headers.get("location", ""), what


def check_page(page: Visited) -> None:
    """What a page may hold."""
    assert page.parts.inline == [], page.address
    loads = [urlsplit(address) for address in (*page.parts.loads, *(form.action for form in page.parts.forms))]
    assert [address for address in loads if address.netloc or address.scheme] == [], f"{page.address} asks another host"
    assert [link for link in page.parts.links if urlsplit(link).scheme not in ("", "https") or urlsplit(link).netloc == ELSEWHERE] == [], page.address


def check_not_reflected(answer: httpx.Response, what: str) -> None:
    """What was sent stands in the page as text only."""
    check(answer, what)
    assert f"<script>{MARK}" not in answer.text and f'<b id="{MARK}' not in answer.text, what
    assert MARK not in read_parts(answer.text).ids and read_parts(answer.text).inline == [], what
    assert f"{MARK}\"'>" not in answer.text, f"{what}: a quote gets out of its attribute"


def asked_names() -> Iterator[str]:
    """The names that pages read out of their address, as the code has them."""
    for file in Path(str(files("ondol.application.console"))).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("asked", "get") and node.args:
                [name, *_] = node.args
                if isinstance(name, ast.Constant) and isinstance(name.value, str) and re.fullmatch(r"[a-z_]{2,20}", name.value):
                    yield name.value


def test_every_page_is_sent_with_all_its_headers_and_asks_nobody_else(owner: Visitor) -> None:
    assert len(owner.pages) > 30
    for page in owner.pages:
        check(page.answer, page.address)
        check_page(page)


@pytest.mark.parametrize("path", ["/sign-in", "/welcome?code=x", "/nowhere", "/static/x/nowhere.js", "/keys", "/documents/x/original"])
def test_strangers_are_answered_with_the_same_headers(demo_up: Up, path: str) -> None:
    answer = httpx.get(demo_up.url + path, timeout=60.0)
    check(answer, path)
    assert read_parts(answer.text).inline == []


def test_no_value_of_an_address_becomes_a_part_of_a_page(owner: Visitor) -> None:
    names = sorted({*asked_names(), *(name for page in owner.pages for name, _ in parse_qsl(urlsplit(page.address).query))})
    assert {"lang", "done", "state", "question"} <= set(names)
    for page in owner.pages:
        path, _, query = page.address.partition("?")
        for some in (names[at : at + NAMES_AT_ONCE] for at in range(0, len(names), NAMES_AT_ONCE)):
            check_not_reflected(owner.client.get(f"{path}?{urlencode(dict.fromkeys(some, HOSTILE))}"), f"{path} with {some}")
        for name, _ in parse_qsl(query):
            changed = {**dict(parse_qsl(query)), name: HOSTILE}
            check_not_reflected(owner.client.get(f"{path}?{urlencode(changed)}"), f"{path} with {name}")


@pytest.mark.parametrize("value", PATHS, ids=["markup", "parents", "long", "nothing", "no text", "digits", "negative", "korean"])
def test_no_part_of_a_path_becomes_a_part_of_a_page(owner: Visitor, value: str) -> None:
    for pattern in [path for path in (*GETS, FILES[1]) if "{" in path]:
        address = filled(pattern, value)
        answer = owner.client.get(address)
        check_not_reflected(answer, f"{pattern} with {value[:20]}")
        assert 200 <= answer.status_code < 500


def test_what_is_typed_comes_back_as_text(owner: Visitor) -> None:
    """Every form of every page, filled in with hostile values in fields for which there is no right one, so that it is refused."""
    tried = set()
    for page in owner.pages:
        for form in page.parts.forms:
            if form.method != "post" or form.action == "/sign-out" or form.action in tried or not form.action.endswith(("/new", "/prices", "/try")):
                continue
            tried.add(form.action)
            fields = {name: HOSTILE for name in form.fields if name != "form_token"}
            check_not_reflected(owner.act(form.action, fields), form.action)
    assert len(tried) >= 4


def test_every_form_has_a_token_and_none_is_in_an_address(owner: Visitor) -> None:
    for page in owner.pages:
        for form in page.parts.forms:
            if form.method == "post":
                assert re.fullmatch(r"[0-9a-f]{64}", form.fields.get("form_token", "")), (page.address, form.action)
            elif form.method == "get":
                assert "form_token" not in form.fields, (page.address, form.action)


@pytest.mark.parametrize("pattern", POSTS)
def test_no_form_is_taken_without_its_token_or_from_another_site(owner: Visitor, pattern: str) -> None:
    address = filled(pattern)
    own = f"http://{owner.client.base_url.netloc.decode()}"
    for headers, fields in (
        ({}, {"form_token": ""}),
        ({}, {"form_token": "0" * 64}),
        ({"origin": f"https://{ELSEWHERE}"}, {"form_token": owner.form_token(pattern)}),
        ({"sec-fetch-site": "cross-site", "origin": own}, {"form_token": owner.form_token(pattern)}),
        ({"sec-fetch-site": "same-site", "origin": own}, {"form_token": owner.form_token(pattern)}),
    ):
        answer = owner.client.post(address, data=fields, headers=headers)
        check(answer, address)
        assert answer.status_code == 403, (address, headers, fields)
    assert owner.client.post(address, json={"form_token": owner.form_token(pattern)}).status_code in (400, 403), "a script's body is no form"
    assert owner.client.get("/home").status_code == 200, "still signed in"


def test_routes_answer_their_own_methods_only(owner: Visitor) -> None:
    known = {(method, path) for method, path in ROUTES}
    for path in sorted({path for _, path in ROUTES}):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
            if (method, path) in known:
                continue
            answer = owner.client.request(method, filled(path))
            assert answer.status_code in (403, 404, 405, 501), (method, path, answer.status_code)
            assert "access-control-allow-methods" not in answer.headers, (method, path)


@pytest.mark.parametrize("name", ["next", "url", "return_to", "redirect", "done", "lang", "code"])
@pytest.mark.parametrize("kind", AWAY)
def test_nobody_is_led_to_another_host(owner: Visitor, demo_up: Up, name: str, kind: str) -> None:
    with httpx.Client(base_url=demo_up.url, timeout=60.0) as stranger:
        for client, path in itertools.product((owner.client, stranger), ("/", "/sign-in", "/welcome", "/home", "/keys")):
            answer = client.get(path, params={name: AWAY[kind]})
            place = answer.headers.get("location", "/")
            assert place.startswith("/") and not place.startswith(("//", "/\\")), (path, place)
            assert not [link for link in read_parts(answer.text).links if urlsplit(link).netloc], (path, name)


def test_the_name_of_a_host_that_was_made_up_leads_nobody_away(owner: Visitor) -> None:
    for path in ("/", "/home", "/sign-in", "/keys"):
        answer = owner.client.get(path, headers={"host": ELSEWHERE})
        assert ELSEWHERE not in answer.headers.get("location", "") and ELSEWHERE not in answer.text


def test_originals_are_files_and_never_pages(owner: Visitor) -> None:
    originals = sorted({link for page in owner.pages for link in page.parts.links if link.startswith("/documents/")})
    assert originals
    for address in originals:
        answer = owner.client.get(address)
        assert answer.headers["content-disposition"].startswith("attachment"), address
        assert answer.headers["x-content-type-options"] == "nosniff" and "no-store" in answer.headers["cache-control"]
        assert not re.search(r"html|svg|javascript|[/+]xml", answer.headers["content-type"]), address


@pytest.mark.parametrize("way", WAYS_OUT)
def test_assets_are_those_of_the_folder_and_nothing_beside_it(demo_up: Up, way: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", demo_up.port, timeout=60)
    try:
        for folder in (load_assets().digest, "x", ".."):
            connection.request("GET", f"/static/{folder}/{way}")
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status in (400, 404), (folder, way)
            assert b"from __future__" not in body and b"root:" not in body
    finally:
        connection.close()


def test_a_session_is_in_its_cookie_only(owner: Visitor) -> None:
    for page in owner.pages:
        assert owner.client.cookies[SESSION] not in page.answer.text and owner.client.cookies[SESSION] not in page.address
