"""What the server of the console answers: headers, cookies, forms, downloads, escaping."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from ondol.application import console
from ondol.application.console import AssistantCard, OriginalFile, create_console
from ondol.application.console.assets import load_assets
from ondol.application.console.forms import FORM_BYTES_MAX, FORM_FIELDS_MAX
from ondol.application.console.headers import SECURITY_HEADERS
from ondol.application.knowledge.originals import DOWNLOADABLE_AS_THEMSELVES

pytestmark = pytest.mark.anyio

CONSOLE = Path(str(files("ondol.application.console")))
PASSWORD, CODE = "correct horse battery", "one-time-code_5e1f"
VERSION = "0190f0c0-0000-7000-8000-000000000001"
HOSTILE = "<img src=x onerror=alert(1)>\"'</script>&{{7*7}}"
SIGN_IN = {"organisation": "durubitnaru", "login": "haneul", "password": PASSWORD}


def visit(fakes: Any, headers: dict[str, str] | None = None, *, https: bool = False) -> httpx.AsyncClient:
    """A browser without redirects: what is answered is what is seen."""
    app = create_console(fakes.services(public_https=https))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://ondol.test" if https else "http://ondol.test", headers=headers)


def hidden_field(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, f"no field {name}"
    return found[1]


async def sign_in(browser: httpx.AsyncClient, **fields: str) -> httpx.Response:
    token = hidden_field((await browser.get("/sign-in")).text, "form_token")
    return await browser.post("/sign-in", data={**SIGN_IN, "form_token": token, **fields})


def test_the_public_names() -> None:
    assert sorted(console.__all__) == ["AssistantCard", "ConsoleServices", "OriginalFile", "Profile", "create_console"]


async def test_signing_in_and_out(fakes: Any) -> None:
    async with visit(fakes) as browser:
        assert (await browser.get("/")).headers["location"] == "/sign-in"
        entered = await sign_in(browser)
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        chat = await browser.get("/")
        assert chat.status_code == 200
        assert "김하늘" in chat.text
        assert (await browser.get("/sign-in")).headers["location"] == "/"
        left = await browser.post("/sign-out", data={"form_token": hidden_field(chat.text, "form_token")})
        assert (left.status_code, left.headers["location"]) == (303, "/sign-in")
        assert fakes.tokens == set()
        assert "ondol_session" not in browser.cookies


@pytest.mark.parametrize(
    ("fields", "status", "korean", "english"),
    [
        ({"password": "wrong"}, 401, "맞지 않습니다", "is not right"),
        ({"login": "locked"}, 429, "3분쯤 뒤에", "in about 3 min"),
    ],
)
async def test_a_failed_sign_in_says_so_in_both_languages(fakes: Any, fields: dict[str, str], status: int, korean: str, english: str) -> None:
    for language, words in (("ko", korean), ("en", english)):
        async with visit(fakes, {"accept-language": language}) as browser:
            answer = await sign_in(browser, **fields)
        assert answer.status_code == status
        assert words in answer.text
        assert hidden_field(answer.text, "form_token")
        assert PASSWORD not in answer.text
        assert "secret detail" not in answer.text
        assert answer.headers.get("retry-after") == ("150" if status == 429 else None)


async def test_the_organisation_is_filled_in_only_when_there_is_one(fakes: Any) -> None:
    async with visit(fakes) as browser:
        assert 'value="durubitnaru"' in (await browser.get("/sign-in")).text
    fakes.slugs = ["durubitnaru", "secret-customer"]
    async with visit(fakes) as browser:
        page = (await browser.get("/sign-in")).text
    assert "durubitnaru" not in page
    assert "secret-customer" not in page


async def test_every_response_carries_the_security_headers(fakes: Any) -> None:
    fakes.files[UUID(VERSION)] = OriginalFile("text/plain", "a.txt", _chunks(b"a"))
    asset = load_assets().url("frame.css")
    asked = [
        *(
            ("GET", path)
            for path in ("/", "/sign-in", "/welcome", f"/welcome?code={CODE}", "/nowhere", "/docs", "/openapi.json", asset, "/static/x/none")
        ),
        *(("GET", path) for path in (f"/documents/{VERSION}/original", "/documents/x/original", "//evil.example", "/sign-out")),
        *(("POST", path) for path in ("/", "/sign-in", "/sign-out", "/welcome", asset)),
        *(("HEAD", path) for path in ("/", "/sign-in")),
    ]
    seen = set()
    for signed_in in (False, True):
        async with visit(fakes) as browser:
            if signed_in:
                await sign_in(browser)
            answers = [await browser.request(method, path, data={"x": "1"} if method == "POST" else None) for method, path in asked]
            fakes.broken = True
            answers.append(await browser.get("/"))
            fakes.broken = False
        for answer in answers:
            assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS, answer.request.url
            seen.add(answer.status_code)
            is_asset = answer.request.method == "GET" and str(answer.request.url).endswith(asset)
            assert answer.headers["cache-control"] == ("public, max-age=31536000, immutable" if is_asset else "no-store")
    assert seen == {200, 303, 403, 404, 405, 410, 500}
    policy = SECURITY_HEADERS["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "require-trusted-types-for 'script'" in policy


async def test_an_error_page_speaks_the_language_and_tells_no_detail(fakes: Any) -> None:
    async with visit(fakes, {"accept-language": "en"}) as browser:
        await sign_in(browser)
        hidden = await browser.get(f"/documents/{VERSION}/original")
        fakes.broken = True
        broken = await browser.get("/")
    assert (hidden.status_code, broken.status_code) == (404, 500)
    assert "not a document you can read" in hidden.text
    assert "on our side" in broken.text
    for answer in (hidden, broken):
        assert "secret" not in answer.text
        assert "Traceback" not in answer.text
        assert answer.headers["content-language"] == "en"


@pytest.mark.parametrize(("https", "prefix"), [(False, ""), (True, "__Host-")])
async def test_cookies_are_kept_from_scripts_and_other_sites(fakes: Any, https: bool, prefix: str) -> None:
    async with visit(fakes, {"sec-fetch-site": "same-origin"}, https=https) as browser:
        first = await browser.get("/sign-in?lang=en")
        entered = await sign_in(browser)
    cookies = [*first.headers.get_list("set-cookie"), *entered.headers.get_list("set-cookie")]
    assert {cookie.partition("=")[0] for cookie in cookies} == {f"{prefix}ondol_visitor", f"{prefix}ondol_session", "ondol_language"}
    for cookie in cookies:
        parts = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"httponly", "samesite=strict", "path=/"} <= parts
        assert ("secure" in parts) is https
        assert not any(part.startswith("domain") for part in parts)
    assert "max-age=43200" in next(cookie for cookie in cookies if "ondol_session" in cookie).lower()


async def test_a_form_without_the_right_token_is_refused(fakes: Any) -> None:
    async with visit(fakes) as other:
        foreign = hidden_field((await other.get("/sign-in")).text, "form_token")
    async with visit(fakes) as browser:
        await browser.get("/sign-in")
        for token in ("", "x", "한", foreign):
            assert (await browser.post("/sign-in", data={**SIGN_IN, "form_token": token})).status_code == 403
            assert (await browser.post("/welcome", data={"code": CODE, "password": PASSWORD, "form_token": token})).status_code == 403
        assert fakes.tokens == set()
        assert fakes.codes == {CODE}
        entry_token = hidden_field((await browser.get("/sign-in")).text, "form_token")
        await sign_in(browser)
        for token in ("", foreign, entry_token):
            assert (await browser.post("/sign-out", data={"form_token": token})).status_code == 403
        assert len(fakes.tokens) == 1
    async with visit(fakes) as stranger:
        assert (await stranger.post("/sign-in", data={**SIGN_IN, "form_token": entry_token})).status_code == 403


@pytest.mark.parametrize(
    ("https", "headers", "passes"),
    [
        (False, {}, True),
        (False, {"origin": "null"}, True),
        (False, {"origin": "http://ondol.test"}, True),
        (False, {"origin": "https://ondol.test"}, False),
        (False, {"origin": "http://evil.example"}, False),
        (False, {"origin": "http://ondol.test.evil.example"}, False),
        (False, {"sec-fetch-site": "cross-site"}, False),
        (False, {"sec-fetch-site": "same-site", "origin": "http://ondol.test"}, False),
        (True, {"sec-fetch-site": "same-origin", "origin": "null"}, True),
        (True, {"sec-fetch-site": "same-origin", "origin": "https://evil.example"}, False),
        (True, {"origin": "https://ondol.test"}, True),
        (True, {"origin": "null"}, False),
        (True, {}, False),
    ],
)
async def test_a_form_from_another_origin_is_refused(fakes: Any, https: bool, headers: dict[str, str], passes: bool) -> None:
    async with visit(fakes, headers, https=https) as browser:
        assert (await sign_in(browser)).status_code == (303 if passes else 403)
    assert len(fakes.tokens) == (1 if passes else 0)


async def test_a_form_must_be_small_and_urlencoded(fakes: Any) -> None:
    async with visit(fakes) as browser:
        token = hidden_field((await browser.get("/sign-in")).text, "form_token")
        large = await browser.post("/sign-in", data={**SIGN_IN, "form_token": token, "password": "x" * FORM_BYTES_MAX})
        many = await browser.post("/sign-in", data={f"field{number}": "x" for number in range(FORM_FIELDS_MAX + 1)})
        other_type = await browser.post("/sign-in", json={**SIGN_IN, "form_token": token})
        not_text = await browser.post("/sign-in", content=b"login=%ff\xff", headers={"content-type": "application/x-www-form-urlencoded"})
    assert [answer.status_code for answer in (large, many, other_type, not_text)] == [400] * 4


async def test_nothing_of_a_request_becomes_an_address_to_go_to(fakes: Any) -> None:
    hostile = ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "%2f%2fevil.example")
    names = ("next", "url", "return", "redirect_uri", "lang")
    query = "&".join(f"{name}={value}" for name in names for value in hostile)
    places = set()
    forwarded = {"x-forwarded-host": "evil.example", "x-forwarded-prefix": "//evil.example", "referer": "https://evil.example"}
    async with visit(fakes, forwarded) as browser:
        places.add((await browser.get(f"/?{query}")).headers["location"])
        places.add((await browser.get(f"/documents/{VERSION}/original?{query}", headers={"host": "evil.example"})).headers["location"])
        for path in ("//evil.example/", "//evil.example/sign-in/", "/\\evil.example/", "/sign-in//evil.example", "/sign-in/"):
            answer = await browser.get(f"http://ondol.test{path}?{query}")
            assert (answer.status_code, answer.headers.get("location")) == (404, None)
        page = await browser.get(f"/sign-in?{query}")
        entered = await browser.post(
            f"/sign-in?{query}", data={**SIGN_IN, "form_token": hidden_field(page.text, "form_token"), "next": "//evil.example"}
        )
        places.add(entered.headers["location"])
        places.add((await browser.get(f"/sign-in?{query}")).headers["location"])
    assert places == {"/", "/sign-in"}
    assert {attribute.partition("?")[0] for attribute in _addresses(page.text) if not attribute.startswith("/static/")} == {
        "",
        "/",
        "/sign-in",
        "#main",
    }


async def test_looking_at_a_one_time_link_does_not_use_it_up(fakes: Any) -> None:
    async with visit(fakes) as browser:
        for _ in range(3):
            page = await browser.get(f"/welcome?code={CODE}")
            assert page.status_code == 200
        assert (fakes.codes, fakes.tokens) == ({CODE}, set())
        assert hidden_field(page.text, "code") == CODE
        fields = {"code": CODE, "form_token": hidden_field(page.text, "form_token")}
        short = await browser.post("/welcome", data={**fields, "password": "short"})
        assert short.status_code == 400
        assert hidden_field(short.text, "code") == CODE
        assert f"/welcome?code={CODE}&amp;lang=en" in short.text
        assert fakes.codes == {CODE}
        entered = await browser.post("/welcome", data={**fields, "password": PASSWORD})
        assert (entered.status_code, entered.headers["location"]) == (303, "/")
        assert fakes.codes == set()
        assert (await browser.get("/")).status_code == 200
    async with visit(fakes) as late:
        assert (await late.get(f"/welcome?code={CODE}")).status_code == 410
        assert (await late.get("/welcome")).status_code == 410
        page = await late.get("/sign-in")
        fields["form_token"] = hidden_field(page.text, "form_token")
        assert (await late.post("/welcome", data={**fields, "password": PASSWORD})).status_code == 410


async def test_hostile_names_stay_text(fakes: Any) -> None:
    fakes.name = fakes.organisation = HOSTILE
    fakes.cards = [AssistantCard("a", HOSTILE, HOSTILE), AssistantCard("b", "assistant/b", "B")]
    fakes.slugs = [HOSTILE]
    fakes.codes = {HOSTILE}
    async with visit(fakes) as browser:
        pages = [await browser.get("/sign-in"), await browser.get("/welcome", params={"code": HOSTILE, "lang": HOSTILE})]
        pages.append(await sign_in(browser, login=HOSTILE, password="wrong"))
        await sign_in(browser)
        pages.append(await browser.get("/"))
    for page in pages:
        parsed = _Tags(page.text)
        assert "img" not in parsed.names
        assert "{{7*7}}" in page.text
        assert "</script>&" not in page.text


async def test_no_page_holds_inline_script_or_style(fakes: Any) -> None:
    async with visit(fakes) as browser:
        pages = [await browser.get(path) for path in ("/sign-in", f"/welcome?code={CODE}", "/nowhere")]
        await sign_in(browser)
        pages.append(await browser.get("/"))
    for page in pages:
        parsed = _Tags(page.text)
        assert "style" not in parsed.names
        assert [name for name in parsed.attributes if name == "style" or name.startswith("on")] == []
        assert all("src" in script or script.get("type") == "application/json" for script in parsed.scripts)
        assert [address for address in _addresses(page.text) if "//" in address or ":" in address] == []


def test_no_file_asks_another_host() -> None:
    for path in [*CONSOLE.glob("templates/*"), *CONSOLE.glob("static/*.*"), *CONSOLE.glob("messages/*/*")]:
        found = re.findall(r"(?:https?:)?//[a-z0-9][\w.-]*\.[a-z]+[^\s\"'`]*", path.read_text("utf-8"))
        kept = [address for address in found if address != "http://www.w3.org/2000/svg" and ".example" not in address]  # RFC 2606: nobody's
        assert kept == [], path.name


def test_no_script_parses_html_or_text_as_code() -> None:
    sinks = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|srcdoc|\beval\b|new Function|setTimeout\([\"']"
    )
    allowed = {"trust.js": ["DOMParser"]}  # it names the one way that it leaves open
    for path in CONSOLE.glob("static/*.js"):
        assert sinks.findall(path.read_text("utf-8")) == allowed.get(path.name, []), path.name
    vendored = (CONSOLE / "static/vendor/marked.esm.js").read_text("utf-8")
    assert re.findall(r"\bfetch\(|XMLHttpRequest|WebSocket|\bimport\s*\(|\bfrom\s*[\"']", vendored) == []


async def test_assets_are_kept_for_good_under_their_digest_only(fakes: Any) -> None:
    assets = load_assets()
    async with visit(fakes) as browser:
        for path in assets.by_path:
            answer = await browser.get(assets.url(path))
            assert answer.content == (CONSOLE / "static" / path).read_bytes()
            assert answer.headers["content-type"] == assets.by_path[path].media_type
            again = await browser.get(assets.url(path), headers={"if-none-match": f'"x", W/{answer.headers["etag"]}'})
            assert (again.status_code, again.content) == (304, b"")
        older = await browser.get("/static/0000000000000000/chat.js")
        assert (older.status_code, older.headers["cache-control"]) == (200, "no-cache")
        for path in ("../app.py", "%2e%2e/app.py", "vendor", "", "marked.LICENSE"):
            assert (await browser.get(f"/static/{assets.digest}/{path}")).status_code == 404
    assert "vendor/marked.esm.js" in assets.by_path


@pytest.mark.parametrize(
    "media_type", ["text/html", "image/svg+xml", "application/xhtml+xml", "text/javascript", "TEXT/HTML; charset=utf-8", "nonsense"]
)
async def test_what_a_browser_might_run_is_downloaded_as_bytes(fakes: Any, media_type: str) -> None:
    answer = await _original(fakes, OriginalFile(media_type, "a.html", _chunks(b"<script>", b"alert(1)</script>")))
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.content == b"<script>alert(1)</script>"


@pytest.mark.parametrize("media_type", sorted(DOWNLOADABLE_AS_THEMSELVES))
async def test_other_originals_keep_their_type_and_are_still_attachments(fakes: Any, media_type: str) -> None:
    answer = await _original(fakes, OriginalFile(media_type, "a", _chunks(b"a")))
    assert (answer.headers["content-type"], answer.headers["content-disposition"].partition(";")[0]) == (media_type, "attachment")


@pytest.mark.parametrize(
    ("file_name", "disposition"),
    [
        ("환불 정책.md", "attachment; filename=\"__ __.md\"; filename*=UTF-8''%ED%99%98%EB%B6%88%20%EC%A0%95%EC%B1%85.md"),
        ('a".html\r\nSet-Cookie: x=1', "attachment; filename=\"a_.htmlSet-Cookie_ x_1\"; filename*=UTF-8''a%22.htmlSet-Cookie%3A%20x%3D1"),
        ("../../etc\\passwd", "attachment; filename=\"passwd\"; filename*=UTF-8''passwd"),
        ("\n", "attachment; filename=\"document\"; filename*=UTF-8''document"),
    ],
)
async def test_a_file_name_is_only_a_name(fakes: Any, file_name: str, disposition: str) -> None:
    answer = await _original(fakes, OriginalFile("text/plain", file_name, _chunks(b"a")))
    assert answer.headers["content-disposition"] == disposition


async def test_a_session_that_ended_is_forgotten(fakes: Any) -> None:
    async with visit(fakes) as browser:
        await sign_in(browser)
        fakes.tokens.clear()
        answer = await browser.get(f"/documents/{VERSION}/original")
    assert answer.headers["location"] == "/sign-in"
    assert "ondol_session" not in browser.cookies


async def test_without_an_assistant_there_is_nothing_to_ask(fakes: Any) -> None:
    fakes.cards = []
    async with visit(fakes) as browser:
        await sign_in(browser)
        page = (await browser.get("/")).text
    assert "<textarea" not in page
    assert "아직 물어볼 도우미가 없습니다" in page


async def _original(fakes: Any, file: OriginalFile) -> httpx.Response:
    fakes.files[UUID(VERSION)] = file
    async with visit(fakes) as browser:
        await sign_in(browser)
        return await browser.get(f"/documents/{VERSION}/original")


async def _chunks(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


class _Tags(HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: list[str] = []
        self.scripts: list[dict[str, str | None]] = []
        self.addresses: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes += [name for name, _ in attrs]
        self.addresses += [value or "" for name, value in attrs if name in {"href", "src", "action", "formaction"} and tag != "use"]
        if tag == "script":
            self.scripts.append(dict(attrs))


def _addresses(text: str) -> list[str]:
    return _Tags(text).addresses


async def test_people_are_told_before_they_ask_that_a_machine_answers(fakes: Any) -> None:
    async with visit(fakes) as browser:
        await sign_in(browser)
        assert "ai-generated" not in (await browser.get("/")).text
        fakes.notices = {"ko": "이 답변은 <b>인공지능</b>이 생성합니다.", "en": "A machine answers."}
        korean, english = (await browser.get("/?lang=ko")).text, (await browser.get("/?lang=en")).text
        assert '<meta name="ai-generated" content="true">' in korean
        assert "이 답변은 &lt;b&gt;인공지능&lt;/b&gt;이 생성합니다." in korean
        assert "A machine answers." in english and "인공지능" not in english
