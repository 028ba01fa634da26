from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.application.assistant.listing import EXAMPLE_GRADE, Listed, enumerates, heads, is_headed, listed_by, names_things
from tests.application.assistant.test_extractive import ask, said


@pytest.mark.parametrize(
    ("question", "phrase", "of"),
    [
        ("What are the possible colours of a valve?", "colours", "valve"),
        ("Which valve colours are there?", "valve colours", ""),
        ("What types of pump are there?", "types of pump", ""),
        ("What are the valve modes?", "valve modes", ""),
        ("Which modes does a valve support?", "modes", "a valve"),
        ("List all valve modes", "valve modes", ""),
        ("밸브의 색상에는 무엇이 있나요?", "색상", "밸브"),
        ("밸브에는 어떤 색상들이 있나요?", "색상", "밸브"),
        ("펌프의 종류는 무엇인가요?", "펌프의 종류", ""),
        ("결제 수단에는 뭐가 있어요?", "결제 수단", ""),
    ],
)
def test_what_is_to_be_listed(question: str, phrase: str, of: str) -> None:
    assert listed_by(question) == Listed(phrase, of)


@pytest.mark.parametrize(
    "question",
    [
        "What is a valve?",
        "What are valves used for?",
        "Which valve is open?",
        "밸브는 무엇인가요?",
        "밸브는 어떻게 여나요?",
        "어떤 밸브를 사야 하나요?",
    ],
)
def test_other_questions_want_no_list(question: str) -> None:
    assert listed_by(question) is None


@pytest.mark.parametrize(
    ("text", "grade"),
    [
        ("A valve is in one of three states: `Open`, `Closed` or `Stuck`.", 1.0),
        ("밸브의 상태는 `열림`, `닫힘`, `고장` 중 하나이다.", 1.0),
        ("The valve is Open, Closed, or Stuck.", 1.0),
        ("There are two modes: `fast` and `slow`.", 1.0),
        ("Some states, such as `Open`, `Closed` and `Stuck`, are rare.", EXAMPLE_GRADE),
        ("The valve is `open`.", 0.0),
        ("밸브는 열려 있다.", 0.0),
    ],
)
def test_how_surely_a_sentence_counts_up(text: str, grade: float) -> None:
    assert enumerates(text) == grade


def test_lists_of_names_are_told_from_lists_of_sentences_and_of_steps() -> None:
    named = names_things(["- `red`: for hot water", "- `blue`: for cold water"])
    assert named == 1.0
    assert names_things(["- Debian 12", "- Rocky Linux 9"]) == 1.0
    assert names_things(["- 빨강", "- 파랑"]) == 1.0
    sentences = names_things(["- The valve that was bought in spring is blue.", "- 봄에 산 밸브는 물을 옮기는 데 쓰이는 파란 밸브이다."])
    assert sentences < named
    assert names_things(["1. Open it", "2. Close it"]) < named


def test_a_heading_that_says_what_is_listed_and_nothing_else_counts_most() -> None:
    listed = Listed("colours", "valve")
    assert is_headed("Valve colours", listed) == 1.0
    assert is_headed("Colours (RAL)", listed) == 1.0
    assert 0.0 < is_headed("Some behaviour is independent of colours", listed) < 0.5
    assert is_headed("Pump type", Listed("types of pump")) == 1.0
    assert is_headed("밸브의 색상", Listed("색상", "밸브")) == 1.0
    assert is_headed("Prices", listed) == 0.0


def test_words_in_headings_count_whatever_their_spaces() -> None:
    assert heads("열 펌프 밸브\n색상", Listed("색상", "열펌프밸브")) == 1.0
    assert heads("색상", Listed("색상", "열펌프밸브")) > heads("열펌프밸브", Listed("색상", "열펌프밸브")) > 0.0


COLOURS = {
    "Valves": "Valves\n\nValves have colours. The colours of valves were chosen long ago by the people who made the valves.",
    "Valve colours": "Valve colours\n\nThe colour tells what a valve is for.\n\n"
    "Colour: red; Use: the pipe behind it holds hot water. Do not touch it with bare hands.\n"
    "Colour: blue; Use: the pipe behind it holds cold water, which is safe to touch at any time of the day or night.\n"
    "Colour: grey; Use: the pipe behind it is empty. It was once filled with oil, which was pumped out and burnt in the winter after.\n"
    "Colour: green; Use: the pipe behind it holds water from the garden. Nobody should drink from it, whatever the neighbours say.",
    "Pumps": "Pumps\n\nA pump moves water. The colours of pumps do not matter.",
}
SHADES = {
    "밸브": "밸브\n\n밸브에는 색상이 있다. 밸브의 색상은 밸브를 만든 사람들이 오래전에 골랐다.",
    "밸브 색상": "밸브 색상\n\n밸브의 색상은 다음 중 하나이다.\n\n- `빨강`: 뜨거운 물\n- `파랑`: 차가운 물\n- `초록`: 빗물",
    "펌프": "펌프\n\n펌프는 물을 옮긴다. 펌프의 색상은 중요하지 않다.",
}


def test_a_long_table_that_is_asked_for_is_told_by_the_first_sentence_of_each_row() -> None:
    told = said(ask("What are the possible colours of a valve?", COLOURS))
    assert all(f"Colour: {colour};" in told for colour in ("red", "blue", "grey", "green"))
    assert "bare hands" not in told
    assert "neighbours" not in told


def test_a_short_list_that_is_asked_for_is_quoted_whole() -> None:
    assert "- `빨강`: 뜨거운 물\n- `파랑`: 차가운 물\n- `초록`: 빗물" in said(ask("밸브의 색상에는 무엇이 있나요?", SHADES))


@given(st.text(max_size=200), st.text(max_size=200))
def test_no_text_breaks_it(question: str, text: str) -> None:
    listed = listed_by(question) or Listed("색상", "valve")
    assert 0.0 <= enumerates(text) <= 1.0
    assert 0.0 <= heads(text, listed) <= 1.0
    assert 0.0 <= is_headed(text, listed) <= 1.0
    assert 0.0 <= names_things([text]) <= 1.0
