"""Reviews in the console: judging blind, and running queues."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ondol.application.console.sections.reviews import MARKS_MAX, places_of, rating_of
from tests.application.console.sections.test_sections import act_token, visitor

pytestmark = pytest.mark.anyio
ITEM = "0190f0c0-0000-7000-8000-000000000005"
KIM, LEE = "0190f0c0-0000-7000-8000-000000000006", "0190f0c0-0000-7000-8000-000000000007"
GIVEN = {
    "id": ITEM, "turns": [{"role": "user", "text": "<b>How long?"}], "answer": "Five days. <script>It</script> goes to your card.",
    "scales": ["helpfulness", "bias"], "guideline": "Be <i>fair.", "guideline_version": 1, "until": "2026-11-01T15:30:00Z",
}  # fmt: skip
QUEUE: dict[str, Any] = {
    "name": "weekly", "open": True, "scales": ["helpfulness", "bias"], "quorum": 2, "lease_minutes": 60, "feedback": "disliked",
    "created_at": "2026-11-01T15:30:00Z", "items": {"open": 3, "disputed": 1}, "ratings": 7,
}  # fmt: skip
NEXT = ("POST", "/evaluation/my-reviews/weekly/next")
QUEUES = "/evaluation/review-queues"


def sent(fakes: Any) -> Any:
    return json.loads(fakes.asked[-1].body)


async def test_an_item_is_judged_blind_and_the_next_one_comes(fakes: Any) -> None:
    fakes.replies[NEXT] = (200, {"item": GIVEN})
    fakes.replies["POST", f"/evaluation/my-reviews/weekly/items/{ITEM}/rating"] = (200, {"rated": True})
    browser = await visitor(fakes, "member")
    page = (await browser.get("/reviews/judge/weekly?lang=en")).text
    assert "&lt;b&gt;How long?" in page
    assert "Five days. &lt;script&gt;It&lt;/script&gt; goes" in page
    assert "Be &lt;i&gt;fair." in page
    assert "points-helpfulness" in page
    assert "points-correctness" not in page, "the queue does not ask for it"
    form = {
        "form_token": act_token(page), "item": ITEM, "points-helpfulness": "4", "points-bias": "none", "mark-0-10": "wrong", "mark-11-20": "",
        "correction": " Seven days. ", "comment": "",
    }  # fmt: skip
    answer = await browser.post("/reviews/judge/weekly", data=form)
    assert answer.headers["location"] == "/reviews/judge/weekly?done=rated"
    spans = [{"start": 0, "end": 10, "label": "wrong"}]
    assert sent(fakes) == {"points": {"helpfulness": 4, "bias": None}, "spans": spans, "correction": "Seven days.", "comment": ""}


async def test_a_refusal_loses_nothing_that_was_judged(fakes: Any) -> None:
    fakes.replies[NEXT] = (200, {"item": GIVEN})
    error = {"code": "bad_review", "message": "No points for bias.", "param": "points"}
    fakes.replies["POST", f"/evaluation/my-reviews/weekly/items/{ITEM}/rating"] = (400, {"error": error})
    browser = await visitor(fakes, "member")
    token = act_token((await browser.get("/reviews/judge/weekly")).text)
    form = {"form_token": token, "item": ITEM, "points-helpfulness": "4", "correction": "mine", "comment": "my word", "mark-0-10": "rude"}
    page = (await browser.post("/reviews/judge/weekly", data=form)).text
    assert "No points for bias." in page
    assert 'name="points-helpfulness" value="4" checked' in page
    assert ">mine</textarea>" in page
    assert ">my word</textarea>" in page
    assert '<option value="rude" selected>' in page


async def test_an_item_is_given_back_and_there_may_be_none(fakes: Any) -> None:
    fakes.replies[NEXT] = (200, {"item": GIVEN})
    fakes.replies["DELETE", f"/evaluation/my-reviews/weekly/items/{ITEM}"] = (200, {"changed": True})
    browser = await visitor(fakes, "member")
    token = act_token((await browser.get("/reviews/judge/weekly")).text)
    answer = await browser.post("/reviews/judge/weekly/back", data={"form_token": token, "item": ITEM})
    assert answer.headers["location"] == "/reviews?done=returned"
    fakes.replies[NEXT] = (200, {"item": None})
    assert "Nothing is left for you" in (await browser.get("/reviews/judge/weekly?lang=en")).text


async def test_who_only_judges_sees_their_own_queues_and_no_others(fakes: Any) -> None:
    mine = [{"name": "weekly", "open": True, "scales": [], "ratings": 3}, {"name": "done", "open": False, "scales": [], "ratings": 9}]
    fakes.replies["GET", "/evaluation/my-reviews"] = (200, {"queues": mine})
    browser = await visitor(fakes, "member")
    page = (await browser.get("/reviews?lang=en")).text
    assert 'href="/reviews/judge/weekly"' in page
    assert 'href="/reviews/judge/done"' not in page, "it is closed"
    assert [asked.path for asked in fakes.asked] == ["/evaluation/my-reviews"]
    assert (await browser.get("/reviews/queues/weekly")).status_code == 404
    assert (await browser.get("/reviews/new")).status_code == 404


def prepared(fakes: Any) -> None:
    told = {"queue": QUEUE, "raters": [KIM, LEE], "guideline": "Be fair.", "guideline_version": 1}
    fakes.replies["GET", f"{QUEUES}/weekly"] = (200, told)
    fakes.replies["GET", QUEUES] = (200, {"queues": [QUEUE]})
    people = [{"id": KIM, "login": "kim", "name": "Kim <b>"}, {"id": LEE, "login": "lee", "name": ""}]
    fakes.replies["GET", "/people"] = (200, {"people": people, "next": None})
    fakes.replies["GET", "/evaluation/golden-sets"] = (200, {"sets": [{"name": "help-ko"}]})
    alphas = {"helpfulness": {"alpha": 0.81, "low": 0.7, "high": 0.9, "items": 12, "ratings": 24}}
    alphas["bias"] = {"alpha": None, "low": None, "high": None, "items": 0, "ratings": 0}  # type: ignore[dict-item]
    drifts = [{"rater": LEE, "scale": "bias", "planted": 8, "bias": -0.5, "error": 0.5, "trend": 0.1, "p": 0.01, "drifts": True}]
    agreement = {"alphas": alphas, "pairs": [], "drifts": drifts, "ratings": {KIM: 5}}
    fakes.replies["GET", f"{QUEUES}/weekly/agreement"] = (200, agreement)
    rating = {"rater": KIM, "guideline": 1, "points": {"helpfulness": 1}, "spans": [], "correction": "", "comment": "<u>no", "created_at": ""}
    item = {
        "id": ITEM,
        "state": "disputed",
        "reasons": [],
        "turns": GIVEN["turns"],
        "answer": "x",
        "ratings": [rating],
        "decided": {},
        "correction": "",
    }
    fakes.replies["GET", f"{QUEUES}/weekly/items"] = (200, {"items": [item], "next": None})


async def test_a_queue_tells_agreement_drift_and_disputes(fakes: Any) -> None:
    prepared(fakes)
    browser = await visitor(fakes, "auditor")
    page = (await browser.get("/reviews/queues/weekly?lang=en")).text
    for words in (
        "0.81",
        "0.70 – 0.90",
        "not known yet",
        "Drifts",
        "Kim &lt;b&gt;",
        "&lt;u&gt;no",
        "5 judged",
        "Answers that people disliked come in",
    ):
        assert words in page, words
    assert ">Decide<" not in page, "who only reads decides nothing"


async def test_who_judges_in_an_open_queue_is_told_nothing_of_what_others_think(fakes: Any) -> None:
    prepared(fakes)
    error = {"code": "blind", "message": "Who judges in this queue does not see what others think.", "param": None}
    fakes.replies["GET", f"{QUEUES}/weekly/agreement"] = (403, {"error": error})
    browser = await visitor(fakes, "owner")
    page = (await browser.get("/reviews/queues/weekly?lang=en")).text
    assert "told to you once it is closed" in page
    assert "&lt;u&gt;no" not in page


ACTIONS: dict[str, tuple[str, dict[str, str], str, str, dict[str, Any], str]] = {
    "close": ("state", {"open": "no"}, "PATCH", "", {"open": False}, "changed"),
    "add": ("raters", {"raters": "kim, lee kim"}, "PATCH", "", {"add": [KIM, LEE]}, "changed"),
    "remove": ("remove", {"person": KIM}, "PATCH", "", {"remove": [KIM]}, "changed"),
    "sample": ("sample", {"count": "5", "days": "many"}, "POST", "/samples", {"count": 5, "days": "many"}, "filled"),
    "golden": ("golden", {"golden": "help-ko"}, "POST", "/golden", {"golden": "help-ko"}, "proposed"),
    "decide": (
        f"items/{ITEM}/decide", {"points-helpfulness": "2", "points-bias": "5", "correction": "so"}, "POST", f"/items/{ITEM}/decision",
        {"points": {"helpfulness": 2, "bias": 5}, "spans": [], "correction": "so", "comment": ""}, "decided",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", sorted(ACTIONS))
async def test_a_queue_is_run(fakes: Any, case: str) -> None:
    form, fields, method, path, body, done = ACTIONS[case]
    prepared(fakes)
    fakes.replies[method, f"{QUEUES}/weekly{path}"] = (200, {"items": 3})
    browser = await visitor(fakes, "admin")
    token = act_token((await browser.get("/reviews/queues/weekly")).text)
    answer = await browser.post(f"/reviews/queues/weekly/{form}", data={"form_token": token, **fields})
    assert answer.headers["location"] == f"/reviews/queues/weekly?done={done}"
    assert sent(fakes) == body


async def test_a_queue_is_made_and_an_unknown_rater_is_named(fakes: Any) -> None:
    prepared(fakes)
    fakes.replies["POST", QUEUES] = (200, QUEUE)
    browser = await visitor(fakes, "admin")
    token = act_token((await browser.get("/reviews/new?lang=en")).text)
    form = {"form_token": token, "name": "weekly", "guideline": "Be fair.", "quorum": "2", "feedback": "none", "scale-bias": "1", "raters": "kim"}
    answer = await browser.post("/reviews/new", data=form)
    assert answer.headers["location"] == "/reviews/queues/weekly?done=made"
    assert sent(fakes) == {"name": "weekly", "guideline": "Be fair.", "feedback": "none", "scales": ["bias"], "quorum": 2, "raters": [KIM]}
    page = await browser.post("/reviews/new", data={**form, "raters": "kim park"})
    assert (page.status_code, "Nobody is called park." in page.text, 'value="kim park"' in page.text) == (400, True, True)


def test_sentences_are_places_of_the_answer() -> None:
    answer = "환불은 5일 걸립니다. 카드로 갑니다!\n\n끝 😀 ok"
    places = places_of(answer)
    assert [answer[start:end].strip() for start, end, _ in places] == [text for _, _, text in places]
    assert [text for _, _, text in places] == ["환불은 5일 걸립니다.", "카드로 갑니다!", "끝 😀 ok"]
    many = places_of("One. " * 100)
    assert len(many) == MARKS_MAX + 1
    assert many[-1][1] == len("One. " * 100) - 1


@pytest.mark.parametrize(("field", "value"), [("mark-1-2", "evil"), ("mark-x-2", "wrong"), ("points-bias", "6"), ("points-other", "3")])
def test_what_the_form_does_not_offer_is_left_out(field: str, value: str) -> None:
    assert rating_of({field: value}) == {"points": {}, "spans": [], "correction": "", "comment": ""}
