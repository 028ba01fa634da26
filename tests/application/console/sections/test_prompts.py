"""Prompts in the console: versions and labels, writing one with its mistakes at their fields, and using it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from ondol.application.console.sections.prompt_form import of_prompt, written
from tests.application.console.sections.test_sections import act_token, visitor

pytestmark = pytest.mark.anyio
PROMPT: dict[str, Any] = {
    "texts": {
        "ko": {"role": "<b>상담원</b>입니다.", "constraints": ["짧게 씁니다.", "두 줄인\n규칙입니다."]},
        "en": {"role": "you help $who", "examples": [{"question": "How long?", "answer": "Five days."}]},
    },
    "variables": {"who": "line", "organisation": "line"},
}
VERSIONS = [
    {"name": "support", "version": number, "digest": "ab" * 32, "built_in": False, "labels": ["tried"] if number == 1 else [], "created_by": None,
     "created_at": "2026-11-01T15:30:00Z"}
    for number in (2, 1)
]  # fmt: skip
SHOWN = {"name": "support", "version": 2, "digest": "ab" * 32, "prompt": PROMPT}
ASSISTANTS = {"assistants": [{"name": "help", "title": {"ko": "도움말"}}]}
SEEN: dict[str, Any] = {"digest": "ab" * 32, "texts": {"en": "Role: you help <Kim>"}, "live": None, "model": None, "cases": [], "next": None}


def tell(fakes: Any) -> None:
    fakes.replies["GET", "/prompts"] = (200, {"prompts": VERSIONS, "built_in": ["assistant"]})
    fakes.replies["GET", "/prompts/support"] = (200, SHOWN)
    fakes.replies["GET", "/assistants"] = (200, ASSISTANTS)
    fakes.replies["GET", "/evaluation/golden-sets"] = (200, {"sets": [{"name": "refunds", "version": 1}, {"name": "empty", "version": None}]})


def form_of(page: str) -> dict[str, str]:
    """What a browser would send of the form of a prompt."""
    main = page[page.index('<form method="post" action="/prompts') :]
    fields = dict(re.findall(r'<input [^>]*name="(\w+)"[^>]*value="([^"]*)"', main))
    fields |= dict(re.findall(r'<textarea [^>]*name="(\w+)"[^>]*>\n([^<]*)</textarea>', main))
    return fields | dict.fromkeys(re.findall(r'<select [^>]*name="(variable_type_\d)"', main), "line")


async def test_prompts_stand_with_their_newest_version_and_labels(fakes: Any) -> None:
    tell(fakes)
    browser = await visitor(fakes, "auditor")
    page = (await browser.get("/prompts?lang=en")).text
    assert "/prompts/support" in page and "tried 1" in page and 'href="/prompts/assistant"' in page
    assert "/prompts/new" not in page, "an auditor writes none"


async def test_a_version_is_shown_as_text_and_who_may_not_write_gets_no_forms(fakes: Any) -> None:
    tell(fakes)
    browser = await visitor(fakes, "auditor")
    page = (await browser.get("/prompts/support?version=2&lang=en")).text
    assert "&lt;b&gt;상담원&lt;/b&gt;" in page and "<b>상담원" not in page
    assert "/prompts/support/edit" not in page and "/prompts/support/label" not in page
    assert [dict(asked.query) for asked in fakes.asked if asked.path == "/prompts/support"] == [{"version": "2"}]


async def test_what_is_not_touched_comes_back_as_it_was(fakes: Any) -> None:
    tell(fakes)
    fakes.replies["PUT", "/prompts/support"] = (200, {"name": "support", "version": 2, "digest": "ab", "new": False})
    browser = await visitor(fakes, "owner")
    fields = form_of(
        (await browser.get("/prompts/support/edit")).text.replace("&lt;", "<").replace("&gt;", ">").replace("<b>", "&b").replace("</b>", "b&")
    )
    fields = {name: text.replace("&b", "<b>").replace("b&", "</b>").replace("\n", "\r\n") for name, text in fields.items()}
    answer = await browser.post("/prompts/support/edit", data={**fields, "do": "keep"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/prompts/support?done=same")
    assert json.loads(fakes.asked[-1].body) == PROMPT


async def test_a_mistake_stands_at_its_field_and_nothing_typed_is_lost(fakes: Any) -> None:
    tell(fakes)
    refusal = {"error": {"code": "invalid_prompt", "message": "A `$` stands <before> no variable.", "param": "texts.en.examples.0.answer"}}
    fakes.replies["PUT", "/prompts/support"] = (400, refusal)
    browser = await visitor(fakes, "owner")
    fields = form_of((await browser.get("/prompts/support/edit")).text) | {"en_answer_0": "It costs $5.", "do": "keep"}
    page = (await browser.post("/prompts/support/edit", data=fields)).text
    assert re.search(r'name="en_answer_0"[^>]*aria-invalid="true"[^>]*>\nIt costs \$5\.</textarea>', page)
    assert 'id="en_answer_0-wrong"' in page and "stands &lt;before&gt; no variable" in page
    assert page.count('aria-invalid="true"') == 1


async def test_a_look_tells_the_text_and_asks_for_answers_only_where_told_to(fakes: Any) -> None:
    tell(fakes)
    answer = {"text": "<i>Five</i>", "refused": False, "failure": "", "sources": 1, "input_tokens": 1000, "output_tokens": 500, "cost": "0.002",
              "currency": "USD", "latency_ms": 12.0}  # fmt: skip
    case = {
        "id": "refund-0",
        "question": "How long?",
        "language": "en",
        "expected": ["5 days"],
        "draft": answer,
        "live": {**answer, "failure": "HTTP 500"},
    }
    fakes.replies["POST", "/evaluation/prompt-preview"] = (200, {**SEEN, "live": "assistant@1", "model": "m", "cases": [case], "next": 3})
    browser = await visitor(fakes, "owner")
    fields = form_of((await browser.get("/prompts/support/edit?lang=en")).text) | {
        "variable_value_0": "Kim",
        "assistant": "help",
        "golden": "refunds",
    }
    page = (await browser.post("/prompts/support/edit", data={**fields, "do": "answer"})).text
    sent = json.loads(fakes.asked[-3].body)
    assert {name: sent[name] for name in ("values", "answer", "first", "assistant", "golden")} == {
        "values": {"who": "Kim"}, "answer": True, "first": 0, "assistant": "help", "golden": "refunds",
    }  # fmt: skip
    assert "&lt;i&gt;Five&lt;/i&gt;" in page and "HTTP 500" in page and "$0.002" in page and "you help &lt;Kim&gt;" in page
    assert 'value="answer-3"' in page
    await browser.post("/prompts/support/edit", data={**fields, "do": "answer-3"})
    assert json.loads(fakes.asked[-3].body)["first"] == 3
    await browser.post("/prompts/support/edit", data=fields, headers={"hx-request": "true"})
    assert json.loads(fakes.asked[-3].body)["answer"] is False, "typing alone asks no model"


async def test_a_mistake_while_somebody_types_is_no_error_of_the_page(fakes: Any) -> None:
    tell(fakes)
    fakes.replies["POST", "/evaluation/prompt-preview"] = (
        400,
        {"error": {"code": "invalid_prompt", "message": "Not yet.", "param": "texts.en.role"}},
    )
    browser = await visitor(fakes, "owner")
    fields = form_of((await browser.get("/prompts/support/edit")).text)
    typing = await browser.post("/prompts/support/edit", data=fields, headers={"hx-request": "true"})
    sent = await browser.post("/prompts/support/edit", data=fields)
    assert (typing.status_code, sent.status_code) == (200, 400)
    assert "Not yet." in typing.text


async def test_a_version_becomes_a_candidate_and_is_labelled(fakes: Any) -> None:
    tell(fakes)
    fakes.replies["POST", "/assistants/help/releases"] = (200, {"number": 7})
    fakes.replies["POST", "/assistants/help/releases/7/propose"] = (200, {})
    fakes.replies["PUT", "/prompts/support/labels/good"] = (200, {"version": 2, "changed": True})
    browser = await visitor(fakes, "owner")
    page = (await browser.get("/prompts/support")).text
    assert 'name="value_who"' in page and 'name="value_organisation"' not in page
    token = act_token(page)
    used = await browser.post("/prompts/support/use?version=2", data={"form_token": token, "version": "2", "assistant": "help", "value_who": "Kim"})
    assert used.headers["location"] == "/assistants/help?done=proposed"
    made = next(asked for asked in fakes.asked if asked.path == "/assistants/help/releases")
    assert json.loads(made.body) == {"prompt": "support@2", "prompt_values": {"who": "Kim"}}
    labelled = await browser.post("/prompts/support/label?version=2", data={"form_token": token, "version": "2", "label": " good "})
    assert labelled.headers["location"] == "/prompts/support?done=labelled"
    assert json.loads(fakes.asked[-1].body) == {"version": "2"}


@pytest.mark.parametrize(
    ("param", "found"),
    [
        ("texts.ko.role", "ko_role"),
        ("prompt.texts.en.constraints.3", "en_constraints"),
        ("texts.en.examples.1.question", "en_question_1"),
        ("variables", "variable_name_0"),
        ("who", "variable_value_0"),
        ("name", "name"),
        ("", ""),
    ],
)
def test_each_mistake_has_its_field(param: str, found: str) -> None:
    assert of_prompt("support", PROMPT).field_of(param) == found


def test_a_form_is_bounded_and_hostile_names_are_passed_over() -> None:
    draft = written({"variable_name_999999999999": "x", "variable_name_x": "y", "en_question_-1": "z", "ko_role": "a"})
    assert draft.prompt == {"texts": {"ko": {"role": "a"}}, "variables": {}}
