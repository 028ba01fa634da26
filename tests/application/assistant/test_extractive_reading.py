"""What the extractive model reads in a question and in a passage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.application.assistant.candidates import read_units
from ondol.application.assistant.figures import has_kind, kinds_wanted, wants_verdict
from ondol.application.assistant.lexicon import search_words, synonym_groups
from ondol.application.assistant.measure import FIGURES, measure
from ondol.application.assistant.question import understand
from ondol.application.assistant.words import find_korean, lower, read
from tests.application.assistant.test_extractive import evidence_of, weights_of


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("How much does it cost?", {"money"}),
        ("한 달 요금이 얼마예요?", {"money"}),
        ("How long are logs kept?", {"duration"}),
        ("며칠 안에 신고해야 하나요?", {"duration"}),
        ("몇 시에 시작하나요?", {"time"}),
        ("How many mailboxes do I get?", {"count"}),
        ("파일을 몇 개까지 올릴 수 있나요?", {"count"}),
        ("Which port is it?", {"port"}),
        ("용량이 몇 기가인가요?", {"size"}),
        ("Which plan includes SSH?", {"tier"}),
        ("누가 승인하나요?", {"person"}),
        ("What is a headless service?", {"meaning"}),
        ("왜 느린가요?", {"reason"}),
        ("Tell me about backups", set()),
    ],
)
def test_what_a_question_wants(question: str, wanted: set[str]) -> None:
    assert {kind for kinds in kinds_wanted(question) for kind in kinds} == wanted


def test_one_of_several_kinds_is_enough_when_the_words_leave_it_open() -> None:
    assert kinds_wanted("언제까지 내야 하나요?") == (frozenset({"date", "duration", "time"}),)
    assert kinds_wanted("용량은 얼마예요?") == (frozenset({"size"}),)


@pytest.mark.parametrize(
    ("question", "verdict"),
    [
        ("Can I pay by card?", True),
        ("카드로 낼 수 있나요?", True),
        ("My plan is full. Do you delete mail?", True),
        ("언제 낼 수 있나요?", False),
        ("Which card can I use?", False),
    ],
)
def test_what_can_be_answered_by_yes_or_no(question: str, verdict: bool) -> None:
    assert wants_verdict(question) is verdict


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("월 8,800원", "money"),
        ("krw 8,800 (usd 6.3)", "money"),
        ("there is no late fee", "money"),
        ("영업일 5일 안에", "duration"),
        ("for 90 days", "duration"),
        ("2026년 4월", "date"),
        ("02:00부터", "time"),
        ("up to 20 sites", "count"),
        ("25 mb", "size"),
        ("db.example.com", "host"),
        ("받을 수 없습니다", "verdict"),
    ],
)
def test_texts_hold_things(text: str, kind: str) -> None:
    assert has_kind(text, kind)  # type: ignore[arg-type]
    assert not has_kind("고맙습니다", kind)  # type: ignore[arg-type]


def quoted(text: str, title: str = "Title") -> list[tuple[str, str]]:
    return [(unit.kind, text[unit.start : unit.end]) for unit in read_units(evidence_of(title, text, language="en"))]


def test_a_passage_comes_apart_into_what_may_be_quoted() -> None:
    text = (
        "Title\n\nOne sentence. Another one.\n\nSystems\n\nChoose one of these:\n\n- Debian 12\n- Rocky Linux 9\n\n"
        "Plan: A; Price: 1\nPlan: B; Price: 2\n\nkubectl get pods  --all\n\nLearn more about systems.\n\nSee also: Prices"
    )
    assert quoted(text) == [
        ("sentence", "One sentence."),
        ("sentence", "Another one."),
        ("item", "- Debian 12"),
        ("item", "- Rocky Linux 9"),
        ("list", "- Debian 12\n- Rocky Linux 9"),
        ("row", "Plan: A; Price: 1"),
        ("row", "Plan: B; Price: 2"),
        ("list", "Plan: A; Price: 1\nPlan: B; Price: 2"),
        ("code", "kubectl get pods  --all"),
    ]


def test_units_know_their_heading_and_what_introduces_them() -> None:
    text = "Title\n\nIntroduction here.\n\nSystems\n\nChoose one of these:\n\n- Debian 12\n- Rocky Linux 9"
    last = read_units(evidence_of("Title", text, language="en"))[-2]
    assert text[slice(*last.heading)] == "Systems"
    assert text[slice(*last.lead)] == "Choose one of these:"
    assert text[slice(*last.section)].startswith("Systems")


def test_a_long_list_of_sentences_is_quoted_by_its_items_only() -> None:
    text = "Steps\n\n1. Open the panel.\n2. Press the button."
    assert [kind for kind, _ in quoted(text, "Steps")] == ["item", "item"]


def test_a_list_that_is_asked_for_is_a_unit_whatever_its_length() -> None:
    text = "Steps\n\nThese are the steps.\n\n1. Open the panel. Wait.\n2. Press the button.\n\n`red` : Hot water. Hurts.\n\n`blue` : Cold water."
    units = read_units(evidence_of("Steps", text, language="en"), "lists")
    lists = [[text[start:end] for start, end in unit.members] for unit in units if unit.kind == "list"]
    assert lists == [["1. Open the panel.", "2. Press the button."], ["`red` : Hot water.", "`blue` : Cold water."]]


def test_a_sentence_and_its_command_are_one_step() -> None:
    text = "Title\n\nWait. To open it, run:\n\nvalvectl open KITCHEN  --slow\n\nkind: Valve\n\n2. 밸브를 닫는다.\n\nvalvectl close KITCHEN  --slow"
    steps = [text[unit.start : unit.end] for unit in read_units(evidence_of("Title", text, language="en"), "steps") if unit.kind == "step"]
    assert steps == ["To open it, run:\n\nvalvectl open KITCHEN  --slow", "2. 밸브를 닫는다.\n\nvalvectl close KITCHEN  --slow"]


def test_names_and_numbers_are_taken_literally_and_other_words_are_not() -> None:
    terms = {term.text: term for term in understand("Does R4 come with a backup?", {"r4": 5.0, "backup": 2.0}).terms}
    assert terms["r4"].pattern is not None
    assert terms["r4"].near == ()
    assert terms["backup"].near != ()
    assert "doe" not in terms


def test_verbs_are_met_in_any_form() -> None:
    [term] = [term for term in understand("사이트를 옮기려면?", {"옮기": 3.0, "사이트": 2.0}).terms if term.text == "옮기"]
    assert term.pattern is not None
    assert all(term.pattern.search(text) for text in ("옮겨 드립니다", "옮긴 뒤", "옮길 수"))
    assert not term.pattern.search("올린 뒤")


def test_words_near_what_is_asked_weigh_more() -> None:
    asked = understand("My printer is old. Which port does IMAP use?", {"printer": 3.0, "old": 1.0, "port": 2.0, "imap": 3.0})
    share = dict(zip((term.text for term in asked.terms), asked.focus_shares, strict=True))
    assert share["printer"] == 0.0
    assert share["imap"] > 0.3


@given(st.text(max_size=80))
def test_lower_case_keeps_offsets(text: str) -> None:
    assert len(lower(text)) == len(text)
    reading = read(text)
    assert all(reading.text[start : start + 1].isalnum() for start in reading.starts)


def test_a_single_syllable_is_found_only_as_a_word() -> None:
    assert list(find_korean("월 요금과 월요일", "월")) == [0]
    assert list(find_korean("숲은 숲속에", "숲")) == [0]
    assert list(find_korean("요금제와 요금", "요금")) == [0, 5]


def test_every_group_has_words_in_both_languages() -> None:
    for group in synonym_groups():
        assert group.words or group.phrases
        assert group.korean or group.words
    assert search_words().keys() == set(synonym_groups())


def test_questions_settings_and_pointers_are_never_quoted() -> None:
    text = (
        "Limits\n\nHow large may a file be? See the reference for a list of limits. A file holds 1 MiB at most.\n\nplayer.maximum-lives=5\n\n"
        "파일은 얼마나 클 수 있나요? 파일은 1 MiB를 넘을 수 없다."
    )
    assert [quote for kind, quote in quoted(text, "Limits") if kind != "code"] == ["A file holds 1 MiB at most.", "파일은 1 MiB를 넘을 수 없다."]


@pytest.mark.parametrize("text", ["1 mib", "5gib", "128 bytes", "2 gi"])
def test_binary_units_are_sizes(text: str) -> None:
    assert has_kind(text, "size")


def test_words_that_the_dictionary_takes_apart_are_looked_for_whole() -> None:
    words = [term.text for term in understand("디플로이먼트는 언제 만드나요?", {}).terms]
    assert "디플로이먼트" in words
    assert "트" not in words
    known = [term.text for term in understand("연간 요금을 바꿨어요", {}).terms]
    assert "요금" in known


def _figures(question: str, text: str, title: str = "Title") -> dict[str, dict[str, float]]:
    evidence = evidence_of(title, text, language="ko" if any("가" <= char <= "힣" for char in text) else "en")
    asked = understand(question, weights_of(question, [text]))
    return {candidate.text: dict(zip(FIGURES, candidate.figures, strict=True)) for candidate in measure(asked, [evidence])}


def test_a_question_is_met_by_the_denial_of_its_word() -> None:
    figures = _figures("Are letters encrypted?", "Letters are stored unencrypted. Letters are blue.")
    assert figures["Letters are stored unencrypted."]["own"] > figures["Letters are blue."]["own"]


@pytest.mark.parametrize(
    ("question", "text", "better", "worse", "figure"),
    [
        ("What is a pump?", "Title\n\nPumps cost money. A pump is a machine.", "A pump is a machine.", "Pumps cost money.", "opening"),
        ("펌프는 무엇인가요?", "제목\n\n펌프를 샀다. 펌프는 기계이다.", "펌프는 기계이다.", "펌프를 샀다.", "opening"),
        ("What is a pump?", "Pump\n\nA machine that moves water. It is blue.", "A machine that moves water.", "It is blue.", "named"),
        ("Is the pump room open?", "Pump room\n\nIt opens at nine. Bring a key.", "It opens at nine.", "Bring a key.", "begins"),
        ("How large may it be?", "T\n\nIt has at most 5 lines. It is old.", "It has at most 5 lines.", "It is old.", "shape"),
        ("파일은 최대 얼마인가요?", "제목\n\n파일은 5줄을 넘을 수 없다. 파일은 낡았다.", "파일은 5줄을 넘을 수 없다.", "파일은 낡았다.", "shape"),
        ("What happens if it fails?", "T\n\nWhen it fails, it gets dark. It fails.", "When it fails, it gets dark.", "It fails.", "condition"),
        ("퓨즈가 나가면 어떻게 되나요?", "T\n\n퓨즈가 나가면 방이 깜깜해진다. 퓨즈다.", "퓨즈가 나가면 방이 깜깜해진다.", "퓨즈다.", "condition"),
        ("Which grace period is it?", "T\n\nA grace period. Grace was here for a long period.",
         "A grace period.", "Grace was here for a long period.", "pairs"),
        ("Who painted fences?", "T\n\nFences are green. Nobody ever painted fences.", "Fences are green.", "Nobody ever painted fences.", "topic"),
    ],
)  # fmt: skip
def test_what_is_measured_of_an_answers_form(question: str, text: str, better: str, worse: str, figure: str) -> None:
    figures = _figures(question, text, text.partition("\n")[0])
    assert figures[better][figure] > figures[worse][figure]


def test_a_fragment_is_told_from_a_sentence() -> None:
    figures = _figures("Where is the pump?", "Title\n\nThe pump is here. The tank is there.\n\nplaces a pump somewhere")
    assert {text: values["fragment"] for text, values in figures.items()} == {
        "The pump is here.": 0.0,
        "The tank is there.": 0.0,
        "places a pump somewhere": 1.0,
    }
