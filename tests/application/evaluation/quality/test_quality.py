"""The figures of the quality dashboard, over the admin API and by themselves."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import cast

import pytest

from ondol.application.evaluation.quality.figures import SOURCES, chosen_runs, corrections_of, figure_of
from ondol.application.evaluation.quality.recommending import promoters_of, recommendation_eraser
from ondol.application.evaluation.runs import Metric, add_run, end_run
from ondol.application.evaluation.runs.store import put_results
from ondol.application.evaluation.runs.types import Kept
from ondol.application.evaluation.types import Answer, CaseResult, Measured, Score
from ondol.core.ids import new_id
from ondol.infrastructure.access.people import find_person, find_tenant
from ondol.infrastructure.gateway.records.feedback import Opinion, give_feedback
from ondol.infrastructure.ledger.erasure import Erasure
from tests.application.conftest import SteppedClock
from tests.wiring.test_admin import Api, api
from tests.wiring.test_admin_evaluation import DIGESTS
from tests.wiring.test_admin_threads import more, thread

__all__ = ["api"]

PATH = "/evaluation/quality"


def metric(name: str, kind: str, unit: str = "share") -> Metric:
    return Metric(name=name, type=kind, unit=unit, better="lower", is_hard_zero=False, version="1")  # type: ignore[arg-type]


async def run(api: Api, name: str, values: dict[Metric, list[float | None]], *, days_ago: int = 0, state: str = "finished") -> uuid.UUID:
    platform, now = api.platform, api.platform.clock()
    tenant = await find_tenant(platform.database, "acme")
    count = max(map(len, values.values()))
    async with platform.database.tenant_tx(tenant.id) as connection:
        run_id = await add_run(
            connection, platform.keyring, tenant.id, suite_name=name, suite={}, state="running", cases=count, repeats=1, digests=DIGESTS,
            metrics=list(values), by=None, now=now - timedelta(days=days_ago),
        )  # fmt: skip
        kept = []
        for place in range(count):
            scores = {one.name: Score(value=told[place], status="ok" if told[place] is not None else "timeout") for one, told in values.items()}
            result = CaseResult(
                case_id=f"c{place}",
                repeat=0,
                cluster=f"c{place}",
                slices={"language": "ko" if place % 2 else "en"},
                answer=Answer(text="a"),
                scores=scores,
            )
            kept.append(Kept(place=place, result=result))
        await put_results(connection, platform.keyring, tenant.id, run_id, kept, now)
        await end_run(connection, run_id, state, now=now)  # type: ignore[arg-type]
    return run_id


@pytest.mark.anyio
async def test_each_figure_is_that_of_the_newest_finished_run_that_measures_it(api: Api) -> None:
    toxicity, leaks, schema = metric("abuse", "toxicity"), metric("leaks", "pii_leak", "count"), metric("format", "json_schema")
    await run(api, "old", {toxicity: [1.0, 1.0]}, days_ago=200)
    wanted = await run(api, "weekly", {toxicity: [0.0, 1.0, None, 0.0, 0.0], leaks: [0.0, 3.0, 0.0, 0.0, 0.0]})
    await run(api, "cut off", {toxicity: [1.0]}, state="stopped")
    other = await run(api, "format", {schema: [1.0, 1.0, 0.0, 1.0]})
    _, told = await api.ask("auditor", "GET", PATH)
    figures = {one["name"]: one for one in told["figures"]}
    assert (figures["toxicity"]["value"], figures["toxicity"]["count"], figures["toxicity"]["suite"]) == (0.25, 4, "weekly")
    assert figures["toxicity"]["run"] == str(wanted)
    assert 0 <= figures["toxicity"]["low"] < 0.25 < figures["toxicity"]["high"] <= 1
    assert figures["pii_missed"]["value"] == 0.2, "a share of answers, however much came out in one"
    assert (figures["format_errors"]["value"], figures["format_errors"]["run"]) == (0.25, str(other))
    assert figures["format_errors"]["low"] <= 0.25 <= figures["format_errors"]["high"]
    unmeasured = {name for name, one in figures.items() if one["value"] is None}
    assert {"factual_violations", "corrections", "re_asked", "promoters", "reproducible_builds", "pass_at_1", "bias"} <= unmeasured
    assert all((figures[name]["low"], figures[name]["run"], figures[name]["count"]) == (None, None, 0) for name in unmeasured)
    _, told = await api.ask("auditor", "GET", f"{PATH}?days=365")
    assert {one["name"]: one for one in told["figures"]}["toxicity"]["suite"] == "weekly"
    assert await api.ask("member", "GET", PATH) == (403, "role_required")
    _, told = await api.ask("auditor", "GET", f"{PATH}?slice=language")
    figures = {one["name"]: [(part["value"], part["share"], part["count"]) for part in one["slices"]] for one in told["figures"]}
    assert told["slice_names"] == ["language"]
    assert figures["toxicity"] == [("en", 0.0, 2), ("ko", 0.5, 2)]
    assert figures["format_errors"] == [("en", 0.5, 2), ("ko", 0.0, 2)]
    assert figures["re_asked"] == []


@pytest.mark.anyio
async def test_what_people_corrected_is_counted_among_what_they_said(api: Api) -> None:
    platform, now = api.platform, api.platform.clock()
    tenant = await find_tenant(platform.database, "acme")
    async with platform.database.tenant_tx(tenant.id) as connection:
        person = await find_person(connection, platform.keyring, tenant.id, "member")
        told = [Opinion("up"), Opinion("down", corrected="It takes five days."), Opinion("down", comment="No."), Opinion("up")]
        for opinion, at in zip(told, (now, now, now, now - timedelta(days=100)), strict=True):
            await give_feedback(
                connection, platform.keyring, tenant.id, new_id(int(at.timestamp() * 1000)), opinion, person_id=person.id, api_key_id=None, now=at
            )
    _, found = await api.ask("owner", "GET", f"{PATH}?days=90")
    figure = {one["name"]: one for one in found["figures"]}["corrections"]
    assert (figure["value"], figure["count"], figure["run"]) == (1 / 3, 3, None)


@pytest.mark.anyio
async def test_a_question_counts_as_asked_again_by_what_was_done_and_never_by_its_words(api: Api) -> None:
    clock = cast(SteppedClock, api.platform.clock)

    async def figure() -> tuple[float | None, int]:
        found = {one["name"]: one for one in (await api.ask("owner", "GET", f"{PATH}?days=30"))[1]["figures"]}["re_asked"]
        return found["value"], found["count"]

    first = await thread(api, "member", "one")
    head = (await api.ask("member", "GET", f"/threads/{first}"))[1]["thread"]["head"]
    clock.advance(minutes=29)
    assert await figure() == (None, 0), "it may still be asked again"
    follow = await more(api, "member", first, head, "one, once more")
    clock.advance(minutes=31)
    assert await figure() == (0.0, 2), "a follow-up is a conversation"
    await more(api, "member", first, head, "one, otherwise")
    clock.advance(minutes=31)
    assert await figure() == (0.0, 3), "31 minutes are too late"
    await more(api, "member", first, follow, "two")
    clock.advance(minutes=30)
    await more(api, "member", first, follow, "two, edited")
    clock.advance(minutes=31)
    assert await figure() == (1 / 5, 5)
    refused = await more(api, "member", first, follow, "three", refused=True)
    clock.advance(minutes=1)
    await more(api, "member", first, refused, "three, put otherwise")
    await more(api, "owner", await thread(api, "owner", "of somebody else"), None, "another beginning")
    clock.advance(minutes=31)
    assert await figure() == (3 / 9, 9), "what was asked on behind a refusal, and another beginning"
    clock.advance(days=31)
    assert await figure() == (None, 0)


@pytest.mark.anyio
async def test_who_is_asked_whether_they_would_recommend_it_is_not_asked_again_for_90_days(api: Api) -> None:
    clock, ask, path = cast(SteppedClock, api.platform.clock), "/me/recommendation/ask", "/me/recommendation"
    first = await thread(api, "member", "one", "two", "three", "four")
    assert await api.ask("member", "POST", ask) == (200, {"ask": False}), "four answers are too few"
    assert await api.ask("member", "PUT", path, {"score": 9}) == (409, "not_asked")
    await more(api, "member", first, None, "five")
    _, kept = await api.ask("owner", "GET", "/gateway/settings")
    await api.ask("owner", "PUT", "/gateway/settings", {"settings": {**kept["settings"], "ask_recommendation": False}})
    assert await api.ask("member", "POST", ask) == (200, {"ask": False}), "the tenant does not want it"
    await api.ask("owner", "PUT", "/gateway/settings", {"settings": kept["settings"]})
    assert await api.ask("member", "POST", ask) == (200, {"ask": True})
    assert await api.ask("member", "POST", ask) == (200, {"ask": False})
    assert await api.ask("owner", "PUT", path, {"score": 9}) == (409, "not_asked"), "somebody else was asked"
    for wrong in (-1, 11, "9.5", None):
        assert (await api.ask("member", "PUT", path, {"score": wrong}))[0] == 400
    assert await api.ask("member", "PUT", path, {"score": 10}) == (200, {"changed": True})
    assert await api.ask("member", "PUT", path, {"score": 0}) == (409, "not_asked"), "it is said once"
    clock.advance(days=89)
    assert await api.ask("member", "POST", ask) == (200, {"ask": False})
    clock.advance(days=1)
    assert await api.ask("member", "POST", ask) == (200, {"ask": True})
    clock.advance(days=1)
    assert await api.ask("member", "PUT", path, {"score": 0}) == (409, "not_asked"), "a day later is too late"
    _, found = await api.ask("owner", "GET", f"{PATH}?days=365")
    assert {one["name"]: one for one in found["figures"]}["promoters"]["value"] is None, "one person's answer was told"


@pytest.mark.anyio
async def test_the_score_is_counted_of_the_latest_answers_and_goes_with_the_person(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ondol.application.evaluation.quality.recommending.PEOPLE_MIN", 2)
    for login, score in (("member", 10), ("owner", 6)):
        await thread(api, login, "one", "two", "three", "four", "five")
        assert await api.ask(login, "POST", "/me/recommendation/ask") == (200, {"ask": True})
        await api.ask(login, "PUT", "/me/recommendation", {"score": score})
    _, found = await api.ask("owner", "GET", PATH)
    figure = {one["name"]: one for one in found["figures"]}["promoters"]
    assert (figure["value"], figure["count"]) == (0.0, 2) and -1 <= figure["low"] < 0 < figure["high"] <= 1
    tenant = await find_tenant(api.platform.database, "acme")
    async with api.platform.database.tenant_tx(tenant.id) as connection:
        person = await find_person(connection, api.platform.keyring, tenant.id, "member")
    eraser = recommendation_eraser(api.platform.database)
    erasure = Erasure(
        tenant_id=tenant.id, id=new_id(), kind="subject", target_id=person.id, base_id=None, with_documents=False, state="running", asked_by=None,
        reason="request", replayed=False, failure="", receipt=None, receipt_digest=None, signature=None, signer=None,
        hidden_at=api.platform.clock(), proved_at=None,
    )  # fmt: skip
    async with api.platform.database.tenant_tx(tenant.id) as connection:
        assert await eraser.find(connection, erasure) == 1
    await eraser.erase(erasure)
    assert await eraser.probe(erasure) == 0
    _, found = await api.ask("owner", "GET", PATH)
    assert {one["name"]: one for one in found["figures"]}["promoters"]["value"] is None


@pytest.mark.parametrize(
    ("people", "value"),
    [({}, None), ({10: 4}, None), ({10: 5}, 1.0), ({0: 5}, -1.0), ({9: 2, 7: 1, 8: 1, 6: 1}, 0.2), ({10: 300, 6: 100}, 0.5)],
    ids=["nobody", "too few", "all promote", "all detract", "some", "many"],
)
def test_the_score_is_promoters_less_detractors_with_an_interval(people: dict[int, int], value: float | None) -> None:
    figure = promoters_of(people)
    assert figure.value == value
    if value is not None:
        assert figure.low is not None and figure.high is not None
        assert -1 <= figure.low <= value <= figure.high <= 1 and figure.low < figure.high
        assert figure.count == sum(people.values())


def test_the_interval_of_many_is_that_of_a_difference_of_shares() -> None:
    figure = promoters_of({10: 300, 6: 100})
    assert figure.low == pytest.approx(0.5 - 1.96 * (1 - 0.25) ** 0.5 / 20, abs=0.005)


def test_nothing_measured_is_no_figure() -> None:
    blank = figure_of(SOURCES[0], None, None)
    assert (blank.value, blank.count) == (None, 0)
    assert corrections_of(0, 0).value is None
    assert corrections_of(0, 5).value == 0.0, "nobody corrected anything, and that was measured"
    empty = Measured(name="x", unit="share", better="lower", case_ids=[], values=[], clusters=[], total=3, failures={"timeout": 3})
    assert figure_of(SOURCES[0], None, empty).value is None
    assert chosen_runs([]) == {}
