"""The audit log in the console; that proofs are checked by the page itself is tried in a real browser."""

from __future__ import annotations

import ast
import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from ondol.application.console.sections.audit_words import KINDS, ROUTINE
from tests.application.console.sections.test_sections import visitor

pytestmark = pytest.mark.anyio
ID = "0190f0c0-0000-7000-8000-000000000003"
WHO = "0190f0c0-0000-7000-8000-000000000004"
EVENT: dict[str, Any] = {
    "id": ID, "kind": "key.revoked", "actor_id": WHO, "actor": "<b>owner", "body": {"key": WHO, "<i>": [1, "<u>"]},
    "created_at": "2026-11-01T15:30:00Z", "digest": "00", "batch": 3, "place": 0, "sound": True,
}  # fmt: skip
HEAD: dict[str, Any] = {"head": None, "public_key": "", "waiting": 2}
SIGNED = {"number": 3, "text": '{"number":3}', "digest": "ab", "signature": "cd", "signer": "0123456789abcdef", "sealed_at": "2026-11-01T15:30:01Z"}


def listed(fakes: Any, *events: dict[str, Any], head: dict[str, Any] = HEAD, since: str | None = None) -> None:
    fakes.replies["GET", "/ledger/events"] = (200, {"events": list(events), "next": ID, "since": since})
    fakes.replies["GET", "/ledger/head"] = (200, head)


async def test_events_are_told_in_words_and_names_as_text(fakes: Any) -> None:
    listed(
        fakes,
        EVENT,
        {**EVENT, "kind": "made.up", "actor": "", "batch": None},
        {**EVENT, "actor_id": None, "actor": "", "sound": False},
        head={**HEAD, "head": SIGNED},
    )
    browser = await visitor(fakes, "auditor")
    page = (await browser.get("/audit?lang=en")).text
    assert "An API key was revoked" in page and "&lt;b&gt;owner" in page and "2 Nov 2026, 00:30" in page
    assert "made.up" in page and "Somebody erased" in page and "Waiting to be sealed" in page
    assert "The platform" in page and "Was altered" in page and f"before={ID}" in page
    assert 'data-digest="ab"' in page and "{&#34;number&#34;:3}" in page


async def test_filters_become_what_the_api_understands(fakes: Any) -> None:
    listed(fakes)
    browser = await visitor(fakes, "owner")
    assert "Nothing of this kind happened" in (await browser.get("/audit?lang=en")).text
    first = [asked for asked in fakes.asked if asked.path == "/ledger/events"][-1]
    assert ("without", "requests.recorded") in first.query and not [value for name, value in first.query if name == "kind"]
    await browser.get("/audit?area=audit.area.limits&actor=+kim+&since=2026-11-01&until=2026-11-02")
    asked = [asked for asked in fakes.asked if asked.path == "/ledger/events"][-1]
    assert {value for name, value in asked.query if name == "kind"} == {kind for kind in KINDS if kind.startswith(("limit.", "budget."))}
    told = dict(asked.query)
    assert (told["actor"], told["since"], told["until"]) == ("kim", "2026-11-01T00:00:00+09:00", "2026-11-03T00:00:00+09:00"), "both days whole"
    await browser.get("/audit?area=audit.area.all")
    assert not {"kind", "without"} & {name for name, _ in [asked for asked in fakes.asked if asked.path == "/ledger/events"][-1].query}


async def test_a_filter_that_the_api_refuses_is_told_above_an_empty_list_and_stays(fakes: Any) -> None:
    listed(fakes)
    fakes.replies["GET", "/ledger/events"] = (404, {"error": {"code": "person_not_found", "message": "There is nobody <so>.", "param": "actor"}})
    browser = await visitor(fakes, "owner")
    answer = await browser.get("/audit?actor=nobody")
    assert answer.status_code == 404 and "There is nobody &lt;so&gt;." in answer.text and 'value="nobody"' in answer.text


async def test_a_search_by_subject_says_how_far_it_went(fakes: Any) -> None:
    listed(fakes, since="2026-08-01T00:00:00Z")
    browser = await visitor(fakes, "owner")
    assert "1 Aug 2026, 09:00" in (await browser.get(f"/audit?subject={WHO}&lang=en")).text


async def test_one_event_carries_its_proof_and_hostile_text_as_text(fakes: Any) -> None:
    proof = {"text": "</textarea><script>", "place": 0, "event_count": 1, "path": [], "batch": SIGNED, "public_key": "00"}
    fakes.replies["GET", f"/ledger/events/{ID}"] = (200, {"event": EVENT, "proof": proof})
    browser = await visitor(fakes, "auditor")
    page = (await browser.get(f"/audit/{ID}?lang=en")).text
    assert "<i>" not in page and "<u>" not in page and "</textarea><script>" not in page
    assert "&lt;/textarea&gt;&lt;script&gt;" in page and "number 1 of batch 3" in page
    fakes.replies["GET", f"/ledger/events/{ID}"] = (200, {"event": {**EVENT, "batch": None, "place": None}, "proof": None})
    assert "There is a proof once the event is sealed" in (await browser.get(f"/audit/{ID}?lang=en")).text


async def test_an_event_beyond_proof_says_so(fakes: Any) -> None:
    fakes.replies["GET", f"/ledger/events/{ID}"] = (409, {"error": {"code": "ledger_broken", "message": "altered", "param": None}})
    browser = await visitor(fakes, "auditor")
    answer = await browser.get(f"/audit/{ID}?lang=en")
    assert answer.status_code == 200 and "This event cannot be proved" in answer.text


async def test_lines_are_downloaded_with_the_filters_of_the_page(fakes: Any) -> None:
    fakes.replies["GET", "/ledger/export"] = (200, {"id": ID})
    browser = await visitor(fakes, "auditor")
    answer = await browser.get("/audit.jsonl?area=audit.area.guard")
    assert answer.headers["content-disposition"] == 'attachment; filename="audit-log.jsonl"' and json.loads(answer.text) == {"id": ID}
    assert ("kind", "guard.policy_put") in fakes.asked[-1].query


def recorded_kinds() -> set[str]:
    """Every kind that stands as a whole in a call that writes an event."""
    found: set[str] = set()
    for file in Path(str(files("ondol"))).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in {"record", "_tell", "_moved", "move_pointer"}:
                said = [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg == "kind")]
                found |= {arg.value for arg in said if isinstance(arg, ast.Constant) and isinstance(arg.value, str)}
    return {kind for kind in found if re.fullmatch(r"[a-z_]+\.[a-z_]+", kind)}


def test_every_kind_that_is_written_has_its_words() -> None:
    kinds = recorded_kinds()
    assert {"key.revoked", "guard.policy_bound", "person.added", "index.activated", "guard.incident_closed"} <= kinds
    assert sorted(kinds - KINDS.keys()) == [], "add them to sections/audit_words.py and to both catalogues"
    assert set(ROUTINE) <= set(KINDS.values())
