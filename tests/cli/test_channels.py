"""`ondol widget` and `ondol bot`, called as people call them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ondol.application.channels.widgets.script import element_script
from ondol.application.channels.widgets.visits import PREVIEW, open_preview
from ondol.cli.main import cli
from ondol.cli.running import with_platform
from ondol.core.config import load_settings
from ondol.core.errors import Conflict, NotFound, OndolError, RequestError, UserError
from ondol.infrastructure.access.people import find_tenant
from ondol.infrastructure.storage.postgres import DatabaseAddresses
from ondol.wiring.platform import Platform

Run = Callable[..., Result]
TENANT = """
version: 1
tenants:
- slug: acme
  groups: [{name: buyers}, {name: staff}]
  people: [{login: kim@acme.example}]
  bases: [docs]
  assistants: [{name: help, base: docs}]
"""
SECRETS = "8f742231b10e8888abcd99\nxoxb-0123456789\n"


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, addresses: DatabaseAddresses) -> Run:
    """Runs a command in an installation with an assistant."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ONDOL_DATABASE_URL", addresses.owner)
    monkeypatch.setenv("ONDOL_HTTP_PUBLIC_URL", "https://ondol.example")
    (tmp_path / "tenant.yaml").write_text(TENANT, "utf-8")
    assert CliRunner().invoke(cli, ["apply", "tenant.yaml"]).exit_code == 0
    return lambda *arguments, **more: CliRunner().invoke(cli, [*arguments, "--tenant", "acme"], **more)


def told(run: Run, *arguments: str) -> Any:
    """What a command tells programs."""
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def done(run: Run, *arguments: str, **more: Any) -> str:
    """What a command tells people."""
    result = run(*arguments, **more)
    assert result.exit_code == 0, (result.output, result.exception)
    return str(result.stdout)


def refused(run: Run, *arguments: str, **more: Any) -> OndolError:
    """The mistake that a command tells of."""
    error = run(*arguments, **more).exception
    assert isinstance(error, OndolError), error
    return error


def test_a_widget_is_made_listed_changed_and_closed(run: Run) -> None:
    assert "ondol widget create NAME" in done(run, "widget", "list")
    site = ("--assistant", "help", "--origin", "https://shop.example/", "--group", "buyers")
    made = told(run, "widget", "create", "site", *site)
    assert len(made["secret"]) == 43
    script, integrity = f"/widget/v1/{made['public_id']}/ondol-chat.js", element_script().integrity
    assert made == {"name": "site", "public_id": made["public_id"], "secret": made["secret"], "script": script, "integrity": integrity}
    [listed] = told(run, "widget", "list")["widgets"]
    known = {"name": "site", "public_id": made["public_id"], "assistant": "help", "origins": ["https://shop.example"], "groups": ["buyers"]}
    assert listed == {**known, "visitors": False, "revoked_at": None}
    assert "It holds at once" in done(run, "widget", "change", "site", "--origin", "https://a.example", "--origin", "https://b.example", "--visitors")
    [changed] = told(run, "widget", "list")["widgets"]
    assert changed == {**listed, "origins": ["https://a.example", "https://b.example"], "visitors": True}, "what is not given stays"
    rotated = done(run, "widget", "rotate", "site", "--grace-minutes", "5")
    assert "only time" in rotated and made["secret"] not in rotated
    assert "is closed" in done(run, "widget", "revoke", "site")
    assert told(run, "widget", "list")["widgets"][0]["revoked_at"] is not None
    assert isinstance(refused(run, "widget", "change", "site", "--visitors"), Conflict)


def test_a_site_with_a_key_of_its_own_has_no_secret(run: Run, tmp_path: Path) -> None:
    for name in ("first", "second"):
        public = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (tmp_path / f"{name}.pem").write_bytes(public)
    made = done(run, "widget", "create", "site", "--assistant", "help", "--origin", "https://a.example", "--public-key", "first.pem")
    assert "only time" not in made and "Widget site" in made
    assert "has the new public key" in done(run, "widget", "rotate", "site", "--public-key", "second.pem")
    assert isinstance(refused(run, "widget", "rotate", "site"), RequestError), "a secret is of the other kind"


def test_a_customer_of_a_widget_is_erased_by_the_sites_own_name(run: Run) -> None:
    assert run("widget", "create", "site", "--assistant", "help", "--origin", "https://a.example").exit_code == 0
    assert isinstance(refused(run, "widget", "erase", "site", "--customer", PREVIEW), NotFound), "who never asked is nobody"

    async def visit(platform: Platform) -> None:
        tenant = await find_tenant(platform.database, "acme")
        await open_preview(platform.knowledge, tenant.id, "site", "https://a.example")

    with_platform(load_settings(None), visit)
    hidden = done(run, "widget", "erase", "site", "--customer", PREVIEW)
    [erasure] = told(run, "erasure", "list")
    assert f"ondol erasure show {erasure['id']} --tenant acme" in hidden


def test_mistakes_about_widgets_are_told(run: Run) -> None:
    good = ("--assistant", "help", "--origin", "https://a.example")
    for arguments, code in (
        (("widget", "create", "A site", *good), "bad_name"),
        (("widget", "create", "site", "--assistant", "nobody", "--origin", "https://a.example"), "assistant_not_found"),
        (("widget", "create", "site", "--assistant", "help", "--origin", "http://a.example"), "bad_origin"),
        (("widget", "create", "site", *good, "--group", "nobody"), "unknown_group"),
        (("widget", "revoke", "site"), "widget_not_found"),
    ):
        error = refused(run, *arguments)
        assert isinstance(error, RequestError) and error.code == code
    assert "--origin" in run("widget", "create", "site", "--assistant", "help").output


def test_a_bot_is_made_told_who_is_who_and_closed(run: Run) -> None:
    assert "ondol bot create NAME" in done(run, "bot", "list")
    made = done(run, "bot", "create", "chat", "--assistant", "help", input=SECRETS)
    [listed] = told(run, "bot", "list")["bots"]
    assert listed["events"].startswith("https://ondol.example/bots/") and listed["events"] in made
    assert listed == {
        "name": "chat", "assistant": "help", "base_url": "https://slack.com/api", "by_email": False, "revoked_at": None, "events": listed["events"],
    }  # fmt: skip
    assert "U1 is kim@acme.example" in done(run, "bot", "connect", "chat", "U1", "kim@acme.example")
    assert "answers in C1" in done(run, "bot", "open", "chat", "C1", "--group", "buyers", "--group", "staff", "--no-open-documents")
    assert "It holds at once" in done(run, "bot", "change", "chat", "--by-email")
    room = {"chat_room": "C1", "groups": ["buyers", "staff"], "clearance": "public", "open_documents": False}
    shown = told(run, "bot", "show", "chat")
    assert shown == {**listed, "by_email": True, "people": [{"chat_user": "U1", "login": "kim@acme.example"}], "rooms": [room]}
    words = done(run, "bot", "show", "chat")
    assert "kim@acme.example" in words and "buyers, staff" in words and "xoxb" not in words
    assert "nobody that chat knows" in done(run, "bot", "disconnect", "chat", "U1")
    assert "no longer" in done(run, "bot", "shut", "chat", "C1")
    empty = done(run, "bot", "show", "chat")
    assert "ondol bot connect chat" in empty and "ondol bot open chat" in empty
    assert "is closed" in done(run, "bot", "revoke", "chat")
    assert told(run, "bot", "list")["bots"][0]["revoked_at"] is not None


def test_secrets_of_a_bot_come_from_the_environment_or_from_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    named = ("--signing-secret-env", "CHAT_SECRET", "--token-env", "CHAT_TOKEN")
    assert isinstance(refused(run, "bot", "create", "chat", "--assistant", "help", *named), UserError)
    for variable, value in zip(("CHAT_SECRET", "CHAT_TOKEN"), SECRETS.split(), strict=True):
        monkeypatch.setenv(variable, value)
    shown = told(run, "bot", "create", "chat", "--assistant", "help", "--base-url", "http://10.0.0.7/api", "--private-network", *named)
    assert shown["base_url"] == "http://10.0.0.7/api"
    assert isinstance(refused(run, "bot", "create", "other", "--assistant", "help", input="8f742231b10e\n"), UserError), "the token is missing"
    assert "is changed" in done(run, "bot", "change", "chat", "--token-env", "CHAT_TOKEN")


def test_mistakes_about_bots_are_told(run: Run) -> None:
    assert run("bot", "create", "chat", "--assistant", "help", input=SECRETS).exit_code == 0
    for arguments, code in (
        (("bot", "create", "chat", "--assistant", "help"), "bot_exists"),
        (("bot", "create", "other", "--assistant", "nobody"), "assistant_not_found"),
        (("bot", "create", "other", "--assistant", "help", "--base-url", "http://chat.example"), "bad_base_url"),
        (("bot", "connect", "chat", "U1", "nobody"), "person_not_found"),
        (("bot", "connect", "chat", "U 1", "kim@acme.example"), "bad_chat_id"),
        (("bot", "open", "chat", "C1", "--group", "nobody"), "unknown_group"),
        (("bot", "shut", "chat", "C1"), "chat_room_not_found"),
        (("bot", "disconnect", "chat", "U1"), "chat_user_not_found"),
        (("bot", "revoke", "nobody"), "bot_not_found"),
    ):
        error = refused(run, *arguments, input=SECRETS)
        assert isinstance(error, RequestError) and error.code == code, arguments
