"""A refusal helps without telling: it names what the asker's own search found, and offers the same way on to everybody."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence

import pytest

from ondol.application.assistant.refusal import NEAREST_MAX, OFFERS
from ondol.application.assistant.types import REFUSALS
from ondol.infrastructure.serving.scripted import ScriptedModel
from tests.application.assistant.conftest import Desk, Told

pytestmark = pytest.mark.anyio


def offered(told: Told) -> list[str]:
    return [document["title"] for document in told.finish.extension["refusal"]["nearest"]]


async def test_a_refusal_names_the_nearest_documents_and_offers_to_ask_for_access(desk: Desk) -> None:
    told = await desk.ask("Which colour has the refund counter of the help line?")
    assert told.text.split("\n\n") == [REFUSALS["en"], f"The nearest documents: {', '.join(offered(told))}", OFFERS["en"]]
    assert 0 < len(offered(told)) <= NEAREST_MAX
    assert told.finish.extension["refusal"]["access_request"] == f"/api/v1/answers/{told.request.id}/access-request"
    assert (await desk.last_answer())["answer"] == told.text


async def test_an_answer_offers_nothing(desk: Desk) -> None:
    assert "refusal" not in (await desk.ask("How long does a refund take?")).finish.extension


async def test_a_refusal_is_in_the_askers_language(desk: Desk) -> None:
    told = await desk.ask("환불 창구의 벽은 무슨 색인가요?")
    assert (told.text.split("\n\n")[0], told.text.split("\n\n")[-1]) == (REFUSALS["ko"], OFFERS["ko"])
    assert "가장 가까운 문서: " in told.text


@pytest.mark.parametrize("question", ["With which word does the vault open at midnight?", "Is Sesame the word of the vault procedure?", "zzzz qqqq"])
async def test_it_is_the_same_with_and_without_what_the_asker_may_not_see(desk: Desk, question: str) -> None:
    before = await desk.ask(question)
    (desk.house.folder / "secret.md").unlink()
    await desk.house.ingest(prune=True)
    after = await desk.ask(question)
    assert before.text == after.text
    assert offered(before) == offered(after)
    assert "Vault" not in json.dumps(before.finish.extension)


async def test_a_model_that_does_not_answer_is_a_refusal_that_helps(desk: Desk, model: ScriptedModel) -> None:
    model.say(REFUSALS["en"])
    told = await desk.ask("How long does a refund take?")
    assert told.text.startswith(f"{REFUSALS['en']}\n\nThe nearest documents: Refund policy")
    assert told.text.endswith(OFFERS["en"])


async def test_a_title_that_the_guard_would_change_is_not_told(desk: Desk) -> None:
    def inspect(texts: Sequence[str]) -> Sequence[str]:
        return ["" if "Refund" in text else text for text in texts]

    question = "Which colour has the refund counter of the help line?"
    assert "Refund policy" in offered(await desk.ask(question))
    told = await dataclasses.replace(desk, inspect=inspect).ask(question)
    assert "Refund policy" not in json.dumps([told.text, told.finish.extension])


async def test_an_endless_title_is_cut(desk: Desk) -> None:
    desk.house.write("long.md", f"# Counter colour {'very ' * 100}long\n\nThe counter of the branch has a colour.\n")
    await desk.house.ingest()
    told = await desk.ask("Which colour has the zebra of the counter in the branch?")
    if told.finish.extension["refused"]:
        assert len(told.text) < 800
