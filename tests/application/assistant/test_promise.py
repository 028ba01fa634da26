from __future__ import annotations

from ondol.application.assistant.forms import form_of
from ondol.application.assistant.promise import PROMISING_MAX, graders, may_run_on, with_promising
from ondol.application.knowledge.search import Evidence
from tests.application.assistant.test_extractive import evidence_of

FILLER = [("Notes", "Valves and colours were talked about."), ("More notes", "A valve has a colour.")]


def _read(question: str, *pages: tuple[str, str], language: str = "en") -> list[str]:
    usual = [evidence_of(title, text, language=language, score=9) for title, text in FILLER]
    later = [evidence_of(title, text, language=language) for title, text in pages]
    chosen = with_promising(form_of(question), question, [*usual, *later], len(usual), language)
    return [found.version.details.title for found in chosen[len(usual) :]]


def test_passages_that_say_what_it_is_are_read_beside_the_usual_ones() -> None:
    question = "What is the difference between a valve and a pump?"
    usual = [evidence_of(f"Mention {number}", "Close the valve at night.", language="en", score=9 - number) for number in range(2)]
    later = [
        evidence_of("Pipes", "Some pipes have a valve.", language="en"),
        evidence_of("밸브", "A valve is a small Ventil.", language="ko"),
        evidence_of("Valves", "A valve is a part that opens and closes a pipe.", language="en"),
        evidence_of("Pumps", "A pump is a machine.", language="en"),
    ]
    chosen = with_promising(form_of(question), question, [*usual, *later], 2, "en")
    assert [found.version.details.title for found in chosen] == ["Mention 0", "Mention 1", "Valves", "밸브", "Pumps"]


def test_pages_whose_headings_name_what_is_to_be_listed_are_read_as_well() -> None:
    pages = [("Paint", "Paint is dear."), ("Valve colours", "- red\n- green"), ("Pumps", "- small\n- large")]
    assert _read("What are the possible colours of a valve?", *pages) == ["Valve colours"]
    korean = [("페인트", "페인트는 비싸다."), ("밸브의 색상", "- 빨강\n- 초록"), ("펌프", "- 작은 것\n- 큰 것")]
    assert _read("밸브의 색상에는 무엇이 있나요?", *korean, language="ko") == ["밸브의 색상"]


def test_a_heading_inside_a_page_counts_as_well() -> None:
    inside = ("Pumps", "The pump is old.\n\nValve colours\n\n- red\n- green")
    assert _read("Which valve colours are there?", ("Paint", "Paint is dear."), inside) == ["Pumps"]


def test_pages_that_tell_a_limit_are_read_as_well() -> None:
    pages = [("Paint", "Paint is dear."), ("Rooms", "A room holds no more than 12 valves."), ("Halls", "A hall has 3 doors.")]
    assert _read("How many valves can be in a room at most?", *pages) == ["Rooms"]
    korean = [("페인트", "페인트는 비싸다."), ("방", "방에는 밸브가 12개 이하로 있다."), ("강당", "강당에는 문이 있다.")]
    assert _read("방에 밸브를 최대 몇 개까지 둘 수 있나요?", *korean, language="ko") == ["방"]


def test_so_many_are_read_at_most_and_for_other_questions_none() -> None:
    pages = [(f"Valve colours {number}", "- red\n- green") for number in range(PROMISING_MAX + 3)]
    assert len(_read("Which valve colours are there?", *pages)) == PROMISING_MAX
    question = "Is the valve green?"
    assert graders(form_of(question), question) == ()


def test_a_list_may_run_on_only_where_its_heading_says_so() -> None:
    evidence: list[Evidence] = [evidence_of(title, "- red\n- green", language="en") for title in ("Pumps", "Valve colours")]
    assert [found.version.details.title for found in may_run_on(form_of("Which valve colours are there?"), evidence)] == ["Valve colours"]
    assert may_run_on(form_of("What is a valve?"), evidence) == ()
