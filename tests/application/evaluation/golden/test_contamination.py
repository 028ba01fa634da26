"""Contamination: what stands elsewhere is found in both languages, by chance nothing is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ondol.application.evaluation.golden import contamination
from ondol.application.evaluation.golden.compare import difference
from ondol.application.evaluation.golden.contamination import Contamination, Overlap, look_for, texts_of_jsonl
from ondol.application.evaluation.golden.plain import item_of
from ondol.application.evaluation.golden.types import GoldenItem, KeptItem
from ondol.core.errors import RequestError
from ondol.core.ids import new_id
from ondol.demo.golden import load_golden

ENGLISH = "How many mailboxes may a customer of the small plan create in one domain?"
KOREAN = "소형 요금제를 쓰는 고객은 도메인 하나에 메일함을 몇 개까지 만들 수 있나요?"


def item(question: str, expected: str = "", name: str = "a") -> GoldenItem:
    return item_of({"id": name, "question": question, **({"expected": expected} if expected else {})})


def overlaps(question: str, *texts: str, expected: str = "") -> tuple[Overlap, ...]:
    return look_for([item(question, expected)], [(f"t{number}", text) for number, text in enumerate(texts)]).overlaps


@pytest.mark.parametrize("question", [ENGLISH, KOREAN], ids=["en", "ko"])
def test_a_question_is_found_wherever_it_stands(question: str) -> None:
    text = f"앞의 글 something before. {question.upper()} 뒤의 글 and something behind."
    assert overlaps(question, "nothing here, 아무것도 없음", text) == (Overlap("a", "question", 1.0, ("t1",)),)
    assert overlaps(question, "nothing here", "아무것도 없음") == ()


def test_korean_with_another_ending_and_other_spaces_is_found() -> None:
    assert overlaps(KOREAN, "소형요금제를 쓰는 고객은, 도메인 하나에 메일함을 몇 개까지 만들 수 있는지 알려 드립니다.")[0].share > 0.8


def test_less_than_the_border_is_not_contained_and_parts_in_two_texts_are_put_together() -> None:
    words = ENGLISH.split()
    first, second = " ".join(words[:10]), " ".join(words[3:])
    assert overlaps(ENGLISH, first) == ()
    assert overlaps(ENGLISH, first, second) == (Overlap("a", "question", 1.0, ("t1", "t0")),)


def test_a_short_question_is_found_as_a_whole_line_only() -> None:
    asked = item("What is Ondol?")
    assert look_for([asked], [("t", "They ask what is Ondol? and more.")]) == Contamination(1, 1, (), ("a",))
    assert look_for([asked], [("t", "Ask:\nwhat is ondol\nand more.")]) == Contamination(1, 1, (Overlap("a", "question", 1.0, ("t",)),), ())


def test_answers_are_told_apart_from_questions() -> None:
    long = "A customer of the small plan may create two hundred mailboxes in each domain."
    found = look_for([item(ENGLISH, long)], [("t", long)])
    assert [(one.part, one.share) for one in found.overlaps] == [("expected", 1.0)]
    assert found.contaminated == ()
    assert overlaps(ENGLISH, "200", expected="200") == (), "a short answer stands anywhere and says nothing"


def test_no_golden_question_of_the_demo_stands_in_another_one_by_chance() -> None:
    questions = load_golden()
    half = len(questions) // 2
    found = look_for([item(one.question, name=one.id) for one in questions[:half]], [(one.id, one.question) for one in questions[half:]])
    assert (found.items, found.texts, found.overlaps) == (half, len(questions) - half, ())


def test_texts_are_found_anywhere_in_a_record(tmp_path: Path) -> None:
    file = tmp_path / "train.jsonl"
    deep: object = KOREAN
    for _ in range(50):
        deep = {"messages": [deep]}
    file.write_text("\n" + json.dumps({"text": ENGLISH, "n": 1}) + "\n" + json.dumps(deep) + "\n", "utf-8")
    found = look_for([item(ENGLISH, name="en"), item(KOREAN, name="ko")], texts_of_jsonl([file]))
    assert [(one.item_id, one.places) for one in found.overlaps] == [("en", ("train.jsonl:2",)), ("ko", ("train.jsonl:3",))]
    assert found.contaminated == ("en", "ko")


def test_a_bad_data_set_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "train.jsonl"
    for content, told in ((b'{"a": 1}\n{"a":', "train.jsonl:2: this is no JSON"), (b"[" * 100_000, "train.jsonl:1"), (b"\xff\xfe", "train.jsonl:1")):
        file.write_bytes(content)
        with pytest.raises(RequestError, match=told):
            list(texts_of_jsonl([file]))
    monkeypatch.setattr(contamination, "LINE_BYTES_MAX", 10)
    file.write_bytes(b'{"text": "much too long"}\n')
    with pytest.raises(RequestError, match="more than 10 bytes"):
        list(texts_of_jsonl([file]))
    with pytest.raises(RequestError, match="cannot be read"):
        list(texts_of_jsonl([tmp_path / "absent.jsonl"]))
    monkeypatch.setattr(contamination, "RUNS_MAX", 3)
    with pytest.raises(RequestError, match="more than 3 runs"):
        look_for([item(ENGLISH)], [])


def test_versions_are_compared_by_what_their_items_say() -> None:
    def kept(name: str, address: int, question: str | None) -> KeptItem:
        return KeptItem(new_id(), name, bytes([address] * 32), None if question is None else item(question, name=name))

    first = [kept("same", 1, "x"), kept("gone", 2, "x"), kept("reworded", 3, "x"), kept("again", 4, "x"), kept("erased", 5, None)]
    second = [kept("new", 9, "x"), kept("same", 1, "x"), kept("reworded", 6, "y"), kept("again", 7, "x"), kept("erased", 8, "x")]
    found = difference(first, second)
    assert (found.added, found.removed) == (("new",), ("gone",))
    assert found.changed == {"reworded": ("turns",), "again": ("documents_now",), "erased": ("erased",)}
