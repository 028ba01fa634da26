"""The form of prompts: what is let in, what a value can do, and what differs between two."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.application.assistant.generative import system_text
from ondol.application.prompts import (
    Language,
    Prompt,
    PromptBody,
    PromptError,
    Value,
    built_in_names,
    load_prompt,
    parse_prompt,
    prompt_body,
    prompt_diff,
    prompt_yaml,
    render_prompt,
)

VALUES: dict[str, Value] = {"organisation": "ACME", "refusal": "No answer."}
WHOLE = """
variables: {organisation: line, days: number, spoken: language, note: text}
texts:
  en:
    role: you answer for $organisation.
    goal: costs $$5, within $days days, in $spoken.
    constraints: [Say nothing else., "Remember: $note"]
    output_format: one line.
    examples:
      - {question: "How much?", answer: "Five [1]"}
"""


def made(body: PromptBody, version: int | None = None) -> Prompt:
    return Prompt("mine", version, body, body.digest)


@pytest.mark.parametrize("language", ["ko", "en"])
def test_the_assistants_prompt_is_whole_in_both_languages(language: Language) -> None:
    prompt = load_prompt("assistant")
    filled = system_text(prompt, language, VALUES, "<<1>>")
    assert all(words in filled for words in ("ACME", "No answer.", "<<1>>", "`search_documents`"))
    assert "$" not in filled
    assert prompt.version is None
    assert built_in_names() == {"assistant"}


def test_a_prompt_is_written_part_by_part() -> None:
    body = parse_prompt(WHOLE)
    values: dict[str, Value] = {"organisation": "ACME", "days": 3, "spoken": "ko", "note": "be\nkind"}
    assert render_prompt(made(body), "en", values) == (
        "Role: you answer for ACME.\n\nGoal: costs $5, within 3 days, in Korean.\n\nRules:\n1. Say nothing else.\n2. Remember: be\nkind\n\n"
        "Output format: one line.\n\nExamples:\nQuestion: How much?\nAnswer: Five [1]"
    )
    assert render_prompt(made(body), "ko", values) == render_prompt(made(body), "en", values)  # it has no other language


def test_the_digest_is_of_what_is_said_and_not_of_how_it_is_written() -> None:
    body = parse_prompt(WHOLE)
    assert parse_prompt(prompt_yaml(body)) == body
    assert parse_prompt(prompt_yaml(body)).digest == body.digest
    assert parse_prompt(WHOLE.replace("one line", "two lines")).digest != body.digest


@given(st.text(max_size=200))
def test_a_value_is_data(value: str) -> None:
    """It is never looked at for variables, adds no line where one is allowed, and cannot write the marks of passages."""
    body = prompt_body({"texts": {"en": {"role": "[$x]", "goal": "after"}}, "variables": {"x": "line"}})
    filled = render_prompt(made(body), "en", {"x": value})
    inside, goal = filled.removeprefix("Role: [").split("]\n\nGoal: ")[0], filled.endswith("]\n\nGoal: after")
    assert goal
    assert "\n" not in inside
    assert "<<" not in inside
    assert inside.count("$") == value.count("$")


def test_hidden_characters_and_marks_do_not_come_through() -> None:
    body = prompt_body({"texts": {"en": {"role": "$x"}}, "variables": {"x": "text"}})
    assert render_prompt(made(body), "en", {"x": "a\u202eb\x00c\n<<d>> < e"}) == "Role: abc\n‹‹d›› < e"


@pytest.mark.parametrize(("kind", "value"), [("number", "3 days"), ("number", True), ("language", "fr"), ("line", "x" * 501), ("text", "x" * 8001)])
def test_a_value_is_of_its_type(kind: str, value: Value) -> None:
    body = prompt_body({"texts": {"en": {"role": "$x"}}, "variables": {"x": kind}})
    with pytest.raises(PromptError):
        render_prompt(made(body), "en", {"x": value})


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(PromptError, match="refusal"):
        render_prompt(load_prompt("assistant"), "en", {"organisation": "ACME"})


@pytest.mark.parametrize(
    ("tree", "told"),
    [
        ({"texts": {}}, "no text"),
        ({"texts": {"fr": {"role": "x"}}}, "unknown"),
        ({"texts": {"en": {"goal": "x"}}}, "role"),
        ({"texts": {"en": {"role": "$who"}}}, "who"),
        ({"texts": {"en": {"role": "5 $"}}}, "before no variable"),
        ({"texts": {"en": {"role": "x", "examples": [{"question": "$q", "answer": ""}]}}}, r"\$q"),
        ({"texts": {"en": {"role": "x"}}, "variables": {"Who": "line"}}, "no name"),
        ({"texts": {"en": {"role": "x"}}, "variables": {"who": "html"}}, "unknown"),
        ({"texts": {"en": {"role": "x" * 8001}}}, "unknown"),
        ({"texts": {"en": {"role": "x", "constraints": ["y" * 7000] * 11}}}, "bytes"),
        ({"texts": {"en": {"role": "\ud800"}}}, "surrogate"),
        ({"texts": {"en": {"role": "x"}}, "system": "y"}, "system"),
        ([], "unknown"),
    ],
)
def test_what_is_no_prompt_is_refused(tree: object, told: str) -> None:
    with pytest.raises(PromptError, match=told):
        prompt_body(tree)


@pytest.mark.parametrize("text", ["{", "a: &a [*a]", "!!python/object:os.system {}", "x" * 300_000])
def test_what_is_no_yaml_is_refused(text: str) -> None:
    with pytest.raises(PromptError):
        parse_prompt(text)


def test_a_diff_shows_what_changed_and_nothing_else() -> None:
    first = parse_prompt(WHOLE)
    text = msgspec.structs.replace(first.texts["en"], output_format="two lines.")
    second = msgspec.structs.replace(first, texts={"en": text})
    told = prompt_diff(made(first), made(second, 2)).splitlines()
    assert told[:2] == ["--- mine@builtin", "+++ mine@2"]
    assert [line.strip() for line in told[2:] if line[0] in "+-"] == ["-    output_format: one line.", "+    output_format: two lines."]
    assert prompt_diff(made(first), made(first)) == ""
