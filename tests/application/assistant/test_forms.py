from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.application.assistant.forms import conditions, form_of
from tests.application.assistant.test_extractive import ask, said


@pytest.mark.parametrize(
    ("question", "subjects"),
    [
        ("What is the difference between a Job and a CronJob?", ("Job", "CronJob")),
        ("How does a Job differ from a CronJob?", ("Job", "CronJob")),
        ("잡과 크론잡은 어떻게 다른가요?", ("잡", "크론잡")),
        ("밸브와 펌프의 차이는 무엇인가요?", ("밸브", "펌프")),
    ],
)
def test_what_is_compared(question: str, subjects: tuple[str, ...]) -> None:
    form = form_of(question)
    assert (form.subjects, form.compares) == (subjects, True)


@pytest.mark.parametrize(
    ("question", "conditional"),
    [
        ("What happens when the pump fails?", True),
        ("What happens to my order if I cancel?", True),
        ("펌프가 고장 나면 어떻게 되나요?", True),
        ("펌프를 껐을 때 무슨 일이 일어나나요?", True),
        ("When does the pump fail?", False),
        ("펌프는 어떻게 켜나요?", False),
    ],
)
def test_whether_a_condition_is_asked_about(question: str, conditional: bool) -> None:
    assert form_of(question).conditional is conditional


@pytest.mark.parametrize(
    ("question", "subject"),
    [
        ("When should I use a valve?", "valve"),
        ("밸브는 언제 사용해야 하나요?", "밸브"),
        ("언제 밸브를 쓰나요?", "밸브"),
    ],
)
def test_what_use_is_asked_about(question: str, subject: str) -> None:
    form = form_of(question)
    assert form.subjects == (subject,)
    assert form.heading is not None
    assert not form.defines


@pytest.mark.parametrize(
    ("question", "says", "not_says"),
    [
        ("How large may a file be at most?", "a file cannot exceed 1 mib.", "files have names."),
        ("파일 하나의 최대 크기는 얼마인가요?", "파일은 1 mib를 넘을 수 없다.", "파일에는 이름이 있다."),
        ("How often does it run by default?", "it runs every 10 seconds; the default is 10.", "it runs when asked."),
        ("기본 포트는 무엇인가요?", "기본값은 80이다.", "포트는 열려 있다."),
        ("Why is it slow?", "it is slow because the disk is old.", "the disk is old."),
        ("왜 느린가요?", "디스크가 낡았기 때문이다.", "디스크가 낡았다."),
    ],
)
def test_how_an_answer_is_worded(question: str, says: str, not_says: str) -> None:
    shapes = form_of(question).shapes
    assert shapes
    assert all(shape.search(says) for shape in shapes)
    assert not any(shape.search(not_says) for shape in shapes)


@pytest.mark.parametrize(
    ("text", "clauses"),
    [
        ("if the pump fails, the alarm rings.", ["if the pump fails"]),
        ("the alarm rings when the pump fails.", ["when the pump fails."]),
        ("펌프가 고장 나면, 경보가 크게 울린다.", ["펌프가 고장 나면"]),
        ("if it fails", []),
        ("the pump is blue and quiet.", []),
    ],
)
def test_the_conditions_of_a_sentence(text: str, clauses: list[str]) -> None:
    assert [text[start:end] for start, end in conditions(text)] == clauses


MACHINES = {
    "Pumps": "Pumps\n\nA pump is a machine that moves water. Pumps are painted blue. The pump was bought in spring.",
    "Valves": "Valves\n\nValves come in boxes. A valve is a part that opens and closes a pipe.",
    "Alarms": "Alarms\n\nTest the pump alarm weekly. If the pump fails, the alarm rings and the tank is closed. A failing pump is expensive.",
}
DEVICES = {
    "펌프": "펌프\n\n펌프는 물을 옮기는 기계이다. 펌프는 파란색으로 칠한다. 그 펌프를 봄에 샀다.",
    "밸브": "밸브\n\n밸브는 상자에 담겨 온다. 밸브는 관을 여닫는 부품이다.",
    "경보": "경보\n\n펌프 경보는 매주 시험한다. 펌프가 고장 나면 경보가 울리고 탱크가 닫힌다. 고장 난 펌프는 비싸다.",
}


@pytest.mark.parametrize(
    ("question", "shelf", "expected"),
    [
        ("What is a pump?", MACHINES, ["moves water"]),
        ("What is the difference between a pump and a valve?", MACHINES, ["moves water", "opens and closes a pipe"]),
        ("What happens when the pump fails?", MACHINES, ["the alarm rings"]),
        ("펌프는 무엇인가요?", DEVICES, ["물을 옮기는"]),
        ("펌프와 밸브의 차이는 무엇인가요?", DEVICES, ["물을 옮기는", "관을 여닫는"]),
        ("펌프가 고장 나면 어떻게 되나요?", DEVICES, ["경보가 울리고"]),
    ],
)
def test_the_form_decides_which_sentence_comes_first(question: str, shelf: dict[str, str], expected: list[str]) -> None:
    draft = ask(question, shelf)
    for words in expected:
        assert words in said(draft)


@given(st.text(max_size=200))
def test_no_text_breaks_it(text: str) -> None:
    form_of(text)
    for start, end in conditions(text.lower()):
        assert 0 <= start < end <= len(text.lower())
