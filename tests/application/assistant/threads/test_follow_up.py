"""Which questions lean on the one before them, and what they mean with it."""

from __future__ import annotations

import json

import pytest

from benchmarks.answers.follow_ups import follow_ups
from ondol.application.assistant.threads.follow_up import leans, with_words_of
from ondol.demo.golden import load_golden
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.serving.types import Message
from tests.application.assistant.conftest import Desk

pytestmark = pytest.mark.anyio

STAND_ALONE_TAKEN_MAX = 0.03
"""Share of golden questions that may be taken for follow-ups; docs/benchmarks.md has the figure."""


def test_follow_ups_are_told_from_questions_that_stand_alone() -> None:
    golden = load_golden()
    assert [one.question for one in follow_ups() if not leans(one.question)] == []
    assert sum(leans(one.question) for one in golden) <= STAND_ALONE_TAKEN_MAX * len(golden)


@pytest.mark.parametrize(
    ("before", "question", "completed"),
    [
        ("How much does the Branch plan cost per month?", "And the Forest plan?", "How much does the Forest plan cost per month?"),
        ("How long are backups kept on the Branch plan?", "What about on the Tree plan?", "How long are backups kept on the Tree plan?"),
        ("가지 요금제는 한 달에 얼마인가요?", "숲 요금제는요?", "숲 요금제는 한 달에 얼마인가요?"),
        ("How do I get a free certificate?", "How often is it renewed?", "How do I get a free certificate.\nHow often is it renewed?"),
        ("IMAP 포트가 몇 번인가요?", "그럼 SMTP는요?", "IMAP 포트가 몇 번인가요.\nSMTP는요?"),
    ],
)
def test_a_follow_up_takes_what_it_leans_on(before: str, question: str, completed: str) -> None:
    assert with_words_of(before, question) == completed


EARLIER = (Message("user", "How long does a refund take?"), Message("assistant", "It takes 5 business days [1]."))


def _answering(rewritten: str | Reply) -> object:
    return lambda body: rewritten if "Rewrite" in json.dumps(body) else "It goes back to the card [1]."


async def searched_for(desk: Desk, model: ScriptedModel, rewritten: str | Reply) -> str:
    """What a follow-up was searched for: its passages are what the model was shown."""
    model.say(_answering(rewritten))  # type: ignore[arg-type]
    await desk.ask("And that?", *EARLIER)
    return json.dumps(model.requests[-1].body["messages"][-1]["content"])


async def test_a_model_completes_a_follow_up_and_is_not_asked_about_others(desk: Desk, model: ScriptedModel) -> None:
    assert "18:00" in await searched_for(desk, model, "When does the help line answer on weekdays?")
    [rewriting, _] = model.requests
    assert "Q: How long does a refund take?" in rewriting.body["messages"][-1]["content"]
    assert rewriting.body["messages"][-1]["content"].endswith("Q: And that?")
    await desk.ask("When does the help line answer on weekdays?", *EARLIER)
    assert len(model.requests) == 3


@pytest.mark.parametrize("rewritten", [Reply(trouble="broken"), "", "One line.\nAnd another.", "x" * 501, "환불은 며칠 걸리나요?"])
async def test_where_the_model_fails_the_words_before_are_taken(desk: Desk, model: ScriptedModel, rewritten: str | Reply) -> None:
    assert "business days" in await searched_for(desk, model, rewritten)


@pytest.mark.parametrize(
    "rewritten", ["When does the help line answer on weekdays?", "One line.\nAnd another.", Reply("When does the help", trouble="cut_off")]
)
async def test_what_a_follow_up_took_of_the_model_is_part_of_the_answers_usage(desk: Desk, model: ScriptedModel, rewritten: str | Reply) -> None:
    """Also where nothing comes of it: the provider takes its money all the same."""
    plain = (await desk.ask("How long does a refund take?", *EARLIER)).finish.usage
    model.say(_answering(rewritten))  # type: ignore[arg-type]
    asked = await desk.ask("And that?", *EARLIER)
    completing = sum(len(message["content"]) for message in model.requests[-2].body["messages"]) // 8
    assert asked.finish.usage.input_tokens > plain.input_tokens + completing
    record = (await desk.last_answer())["provenance"]
    assert (record["input_tokens"], record["output_tokens"]) == (asked.finish.usage.input_tokens, asked.finish.usage.output_tokens)
