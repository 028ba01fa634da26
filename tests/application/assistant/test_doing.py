from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.application.assistant.doing import UNNAMED_GRADE, bounds, counted_by, does, verb_of
from tests.application.assistant.test_extractive import ask, said


@pytest.mark.parametrize(
    ("question", "met"),
    [
        ("What does a valve control?", ["the valve controls it", "controlling", "it controlled the flow"]),
        ("What does a pump supply?", ["it supplies water", "supplied", "supplying"]),
        ("밸브는 무엇을 제한하나요?", ["흐름을 제한한다", "제한하는 부품", "제한할 수 있다", "제한됩니다"]),
        ("펌프는 무엇을 만드나요?", ["압력을 만든다", "만들어 낸다", "만듭니다"]),
    ],
)
def test_a_verb_is_met_in_any_form(question: str, met: list[str]) -> None:
    verb = verb_of(question)
    assert verb is not None
    assert all(verb.search(text) for text in met)
    assert not verb.search("valves are blue. 밸브는 파랗다.")


@pytest.mark.parametrize(
    "question", ["What does a valve do?", "What is a valve?", "밸브는 무엇을 하나요?", "밸브는 어떤 역할을 하나요?", "밸브는 무슨 일을 하나요?"]
)
def test_doing_anything_is_no_verb(question: str) -> None:
    assert verb_of(question) is None


def test_the_thing_before_the_verb_counts_most() -> None:
    verb = verb_of("What does a valve limit?")
    assert verb is not None
    grades = [
        does("valve", verb, text)
        for text in ("a valve limits the flow.", "in the old house on the hill a valve limits the flow.", "to limit it, buy a valve.", "limits hold.")
    ]
    assert grades == sorted(grades, reverse=True)
    assert len(set(grades)) == 4


@pytest.mark.parametrize(
    ("question", "counted"),
    [
        ("How many valves can a room have at most?", "valves"),
        ("What is the maximum number of pumps?", "pumps"),
        ("How long can a name be at most?", ""),
        ("밸브는 최대 몇 개까지 둘 수 있나요?", "개"),
        ("이름은 최대 몇 글자인가요?", "글자"),
        ("How many valves are blue?", None),
        ("밸브는 몇 개인가요?", None),
        ("What is a valve?", None),
    ],
)
def test_of_what_there_may_be_how_many(question: str, counted: str | None) -> None:
    assert counted_by(question) == counted


@pytest.mark.parametrize(
    ("text", "counted", "grade"),
    [
        ("no more than 12 valves per room", "valves", 1.0),
        ("a room holds up to 12 blue valves.", "valves", 1.0),
        ("names hold 63 characters or less.", "characters", 1.0),
        ("a room holds up to 12 pumps.", "valves", UNNAMED_GRADE),
        ("a name is at most 63 long.", "", 1.0),
        ("밸브는 12개 이하이다.", "개", 1.0),
        ("이름은 최대 63자이다.", "글자", 1.0),
        ("there are 12 valves.", "valves", 0.0),
        ("밸브가 12개 있다.", "개", 0.0),
    ],
)
def test_how_surely_a_limit_is_told(text: str, counted: str, grade: float) -> None:
    assert bounds(text, counted) == grade


HOUSE = {
    "Valves": "Valves\n\nA valve is a part made of brass. Valves limit the flow of water. Valves in a room can be painted.",
    "Rooms": "Rooms\n\nA room with a valve is warm.\n\n- no more than 12 valves per room\n- no more than 3 pumps per room",
    "Painting": "Painting\n\nA valve can be painted by an artist.\n\nTo open the valve, run the following command:\n\nvalvectl open KITCHEN --slow",
    "Shelves": "Shelves\n\nA shelf is used for books and for boxes with screws. A shelf is bought in a shop. A shelf is heavy.",
}
HOME = {
    "밸브": "밸브\n\n밸브는 놋쇠로 만든 부품이다. 밸브는 물의 흐름을 제한한다. 밸브는 방에 칠할 수 있다.",
    "방": "방\n\n밸브가 있는 방은 따뜻하다.\n\n- 방 하나에 밸브 12개 이하\n- 방 하나에 펌프 3대 이하",
    "칠하기": "칠하기\n\n밸브는 화가가 칠할 수 있다.\n\n밸브를 열려면 다음 명령을 실행한다.\n\nvalvectl open KITCHEN --slow",
    "선반": "선반\n\n선반은 책과 상자를 두기 위해 사용된다. 선반은 가게에서 산다. 선반은 무겁다.",
}


@pytest.mark.parametrize(
    ("question", "shelf", "expected"),
    [
        ("What does a valve limit?", HOUSE, "limit the flow of water"),
        ("How many valves can a room have at most?", HOUSE, "no more than 12 valves"),
        ("How do I open the valve?", HOUSE, "To open the valve, run the following command:\n\nvalvectl open KITCHEN --slow"),
        ("What does valvectl open do?", HOUSE, "To open the valve, run the following command:\n\nvalvectl open KITCHEN --slow"),
        ("What is a shelf used for?", HOUSE, "used for books"),
        ("밸브는 무엇을 제한하나요?", HOME, "물의 흐름을 제한한다"),
        ("방 하나에 밸브는 최대 몇 개까지 되나요?", HOME, "밸브 12개 이하"),
        ("밸브를 열려면 어떻게 하나요?", HOME, "밸브를 열려면 다음 명령을 실행한다.\n\nvalvectl open KITCHEN --slow"),
        ("valvectl open은 무엇을 하나요?", HOME, "밸브를 열려면 다음 명령을 실행한다.\n\nvalvectl open KITCHEN --slow"),
        ("선반은 어디에 사용되나요?", HOME, "두기 위해 사용된다"),
    ],
)
def test_the_verb_the_number_and_the_command_decide(question: str, shelf: dict[str, str], expected: str) -> None:
    assert expected in said(ask(question, shelf))


@given(st.text(max_size=200), st.text(max_size=200))
def test_no_text_breaks_it(question: str, text: str) -> None:
    verb = verb_of(question)
    if verb is not None:
        assert 0.0 <= does("valve", verb, text) <= 1.0
    assert 0.0 <= bounds(text, counted_by(question) or "") <= 1.0
