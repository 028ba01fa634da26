"""Every kind of instruction with answers that follow it and answers that do not, in both languages."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ondol.application.evaluation.scorers.instructions import KINDS, Arguments, BadArgument, kind_of
from ondol.application.evaluation.scorers.instructions.language import LANGUAGES, is_in

ROOT = Path(__file__).resolve().parents[5]
FOLDER = Path(os.environ.get("ONDOL_TEST_DATA", ROOT.parent / "shared" / "data")) / "ifeval" / "data"

FEW, MANY = {"relation": "less than"}, {"relation": "at least"}
EXAMPLES: list[tuple[str, Mapping[str, Any], list[str], list[str]]] = [
    ("change_case:capital_word_frequency", {"capital_relation": "at least", "capital_frequency": 2}, ["SSH and U.S. x"], ["SSH and Us"]),
    ("change_case:english_capital", {}, ["IT IS THE END."], ["It is the end.", "그것은 끝이다"]),
    ("change_case:english_lowercase", {}, ["it is the end."], ["It is.", "끝", "das ist nicht der tag"]),
    ("combination:repeat_prompt", {"prompt_to_repeat": " Tell me. "}, ["tell me. Yes"], ["I tell me.", "Tell"]),
    ("combination:two_responses", {}, ["a ****** b", "******\na\n******\nb"], ["a", "a ****** a", "a ****** b ****** c", "a ****** ****** b"]),
    ("detectable_content:number_placeholders", {"num_placeholders": 2}, ["[이름]님, [주소]로", "[a] [b] [c]"], ["[a]", "[a [b]", "[a\n] [b]"]),
    ("detectable_content:postscript", {"postscript_marker": "P.S."}, ["x\nP.S. y", "p. s. y"], ["PS y"]),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, ["x\nP. P. S. y"], ["P.S. y"]),
    ("detectable_content:postscript", {"postscript_marker": "추신:"}, ["끝.\n추신: 또 봐요"], ["추신 또 봐요"]),
    ("detectable_format:constrained_response", {}, ["My answer is no. Sorry"], ["no"]),
    ("detectable_format:constrained_response", {"options": ["예", "아니요"]}, ["아니요"], ["글쎄"]),
    ("detectable_format:json_format", {}, ['```json\n{"a": 1}\n```', "[1]"], ["{a}", "[" * 100_000]),
    ("detectable_format:multiple_sections", {"section_spliter": "제", "num_sections": 2}, ["제1 가\n제 2 나"], ["제1 가", "1 2"]),
    ("detectable_format:multiple_sections", {"section_spliter": "SECTION (", "num_sections": 1}, ["SECTION (1"], ["SECTION 1"]),
    ("detectable_format:number_bullet_lists", {"num_bullets": 2}, ["* a\n  - b", "x\n- a\n- b"], ["* a", "* a\n* b\n* c", "**a**\n* b"]),
    ("detectable_format:number_highlighted_sections", {"num_highlights": 2}, ["*a* *b*", "**a** *b*"], ["*a*", "* * *b", "*a\nb* *"]),
    ("detectable_format:number_numbered_lists", {"num_items": 2}, ["1. a\n2) b"], ["1. a", "1.a\n2.b", "1. a\n2. b\n3. c"]),
    ("detectable_format:title", {}, ["<<제목>>\n본문"], ["<< >>", "<<a", "<<a\nb>>", "a>><<b"]),
    ("keywords:existence", {"keywords": ["도메인", "C++"]}, ["도메인과 c++"], ["도메인과 C", "C++"]),
    ("keywords:forbidden_words", {"forbidden_words": ["rock"]}, ["rocks rocket"], ["a ROCK.", "rock"]),
    ("keywords:forbidden_words", {"forbidden_words": ["환불"]}, ["교환"], ["환불을 원하면", "미환불"]),
    ("keywords:frequency", {**MANY, "keyword": "가지", "frequency": 2}, ["가지와 가지"], ["가지"]),
    ("keywords:letter_frequency", {"let_relation": "less than", "letter": "E", "let_frequency": 2}, ["end"], ["eE"]),
    ("language:response_language", {"language": "ko"}, ["SSH로 접속하면 됩니다.", "123"], ["Use SSH 로 for it"]),
    ("language:response_language", {"language": "de"}, ["Das ist nicht der Weg, den wir gehen."], ["This is not the way that we go.", "가나다"]),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "그래서"},
        ["가\n\n그래서, 나"],
        ["그래서\n\n가"],
    ),
    ("length_constraints:number_paragraphs", {"num_paragraphs": 2}, ["a\n***\nb", "***\na\n***\nb"], ["a", "a***b***c", "a *** *** b"]),
    ("length_constraints:number_sentences", {**FEW, "num_sentences": 3}, ["하나다. 둘이다."], ["One. Two. Three."]),
    ("length_constraints:number_words", {**MANY, "num_words": 3}, ["세 어절 이상", "one two three"], ["두 어절"]),
    ("length_constraints:number_words", {"relation": "이하", "num_words": 2}, ["두 어절"], ["세 어절 이상"]),
    ("punctuation:no_comma", {}, ["쉼표 없이"], ["하나, 둘", "하나，둘"]),
    ("startend:end_checker", {"end_phrase": "감사합니다."}, ["끝. 감사합니다.", '"네. 감사합니다."'], ["감사합니다. 또", "감사합니다!"]),
    ("startend:quotation", {}, ['"다 이렇게"', "“다”"], ['"', "“다", 'x "y"']),
    ("ko:endings:formal", {}, ["됩니다. 아시겠습니까? 오십시오!", "SSH.\n됩니다."], ["됩니다. 돼요.", "된다.", "It is."]),
    ("ko:endings:polite", {}, ["돼요. 그렇죠? (네요)"], ["돼요. 됩니다.", ""]),
    ("ko:endings:plain", {}, ["된다. 가자! 먹어라."], ["됩니다.", "돼요."]),
    ("ko:length_constraints:number_characters", {"relation": "exactly", "num_characters": 4}, ["가 나\nA1"], ["가나A"]),
    ("ko:length_constraints:number_syllables", {"relation": "이상", "num_syllables": 2}, ["가 나 A"], ["가 ㅋㅋ AB"]),
    ("ko:letters:hangul_only", {}, ["가격은 3,000원 ㅋㅋ"], ["가격은 KRW", "加격", "3,000"]),
    ("ko:letters:no_hanja", {}, ["대한민국 ROK"], ["大한민국"]),
    ("ko:startend:acrostic", {"word": "김치"}, ["김이 난다\n\n치즈도 있다", "- 김: 김이\n- 치: 치즈"], ["김\n지", "김", "김\n치\n찌"]),
]


@pytest.mark.parametrize(
    ("instruction", "arguments", "right", "wrong"), EXAMPLES, ids=[f"{place}-{example[0]}" for place, example in enumerate(EXAMPLES)]
)
def test_an_answer_follows_or_does_not(instruction: str, arguments: Mapping[str, Any], right: list[str], wrong: list[str]) -> None:
    kind = kind_of(instruction)
    assert kind is not None
    assert [(text[:40], bool(kind(text, Arguments(arguments)))) for text in right] == [(text[:40], True) for text in right]
    assert [(text[:40], bool(kind(text, Arguments(arguments)))) for text in wrong] == [(text[:40], False) for text in wrong]


def test_every_kind_has_examples_and_is_found_with_its_language_in_front() -> None:
    assert {instruction for instruction, _, _, _ in EXAMPLES} == set(KINDS)
    assert kind_of("en:punctuation:no_comma") is kind_of("ko:punctuation:no_comma") is KINDS["punctuation:no_comma"]
    assert [kind_of(stranger) for stranger in ("en:ko:endings:formal", "en:endings:formal", "fr:punctuation:no_comma", "no_comma", "")] == [None] * 5


@pytest.mark.parametrize(
    ("instruction", "arguments", "field"),
    [
        ("keywords:frequency", {"keyword": "a", "frequency": 2, "relation": "around"}, "relation"),
        ("keywords:frequency", {"keyword": "a", "frequency": -1, "relation": "이상"}, "frequency"),
        ("keywords:frequency", {"keyword": " ", "frequency": 1, "relation": "이상"}, "keyword"),
        ("keywords:existence", {"keywords": "a"}, "keywords"),
        ("keywords:existence", {"keywords": ["a", 1]}, "keywords"),
        ("language:response_language", {"language": "xx"}, "language"),
        ("detectable_format:number_bullet_lists", {"num_bullets": True}, "num_bullets"),
        ("ko:startend:acrostic", {"word": "KIM"}, "word"),
    ],
    ids=str,
)
def test_a_wrong_argument_is_told_by_its_name(instruction: str, arguments: Mapping[str, Any], field: str) -> None:
    with pytest.raises(BadArgument, match=f"`{field}`"):
        KINDS[instruction]("a", Arguments(arguments))


def test_languages_that_share_letters_are_told_apart() -> None:
    texts = {
        "en": "The price of the plan is not the same as it was.",
        "de": "Der Preis ist nicht mit dem von uns und ihnen auf der Seite.",
        "fr": "Le prix de la page est dans les conditions que vous avez pour ce mois.",
        "es": "El precio de la página es el que se paga por los servicios y las cuentas.",
        "it": "Il prezzo della pagina è quello che si paga con il servizio e non di più.",
        "pt": "O preço da página é o que não se paga com os serviços do mês para você.",
        "vi": "Giá của trang này là không có trong các dịch vụ và những người đã được.",
        "ru": "Цена на сайте не так, как вы это видели у нас в прошлом году.",
        "bg": "Цената на сайта е това, което ще се плати от вас за тази година.",
        "uk": "Ціна на сайті не та, що була у вас в цьому році, але це так для всіх.",
        "ar": "السعر في هذا الموقع هو الذي لا يدفع من على الصفحة",
        "fa": "قیمت این صفحه برای شما با آن که در سال است می شود",
        "hi": "इस पृष्ठ की कीमत वह नहीं है जो आप को देनी है और यह सेवा के लिए है",
        "ja": "このページの価格です。",
        "zh": "这个页面的价格。",
        "ko": "이 page의 가격입니다.",
        "th": "ราคาของหน้านี้",
    }
    told = {language: [other for other in sorted(LANGUAGES) if is_in(other, text)] for language, text in texts.items()}
    assert told == {language: [language] for language in texts}
    assert is_in("sw", "")


@pytest.mark.skipif(not FOLDER.exists(), reason="IFEval is not here; ONDOL_TEST_DATA names the folder of public test data")
def test_every_instruction_of_ifeval_is_known_and_its_arguments_are_understood() -> None:
    told: list[tuple[str, Mapping[str, Any]]] = []
    for line in (FOLDER / "en_input_data.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        told += zip(row["instruction_id_list"], row["kwargs"], strict=True)
    for line in (FOLDER / "multiIF_20241018_English.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        for turn in (1, 2, 3):
            ids = row.get(f"turn_{turn}_instruction_id_list") or []
            told += zip(ids, (json.loads(one) if isinstance(one, str) else one for one in row.get(f"turn_{turn}_kwargs") or []), strict=True)
    assert len(told) > 5_000
    for instruction, arguments in told:
        kind = kind_of(instruction)
        assert kind is not None, instruction
        assert kind("An answer.", Arguments({name: value for name, value in arguments.items() if value is not None})) in (True, False)
    assert len({instruction.removeprefix("en:") for instruction, _ in told}) == 25
