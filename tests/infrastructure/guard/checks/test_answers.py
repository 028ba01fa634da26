"""Checks of an answer against what was given: overlap, prompt leak, citations, schema."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.application.assistant.citations import CitationGate
from ondol.infrastructure.guard.checks.citations import CitationsCheck
from ondol.infrastructure.guard.checks.overlap import OverlapCheck
from ondol.infrastructure.guard.checks.prompt_leak import PromptLeakCheck, prepare_prompts
from ondol.infrastructure.guard.checks.schema import SchemaCheck, repaired
from ondol.infrastructure.guard.checks.shingles import CorpusIndex, GramHash, ShingleIndex
from ondol.infrastructure.guard.text import GuardText

PROMPT_EN = (
    "You are the helper of a small hosting company. Answer in two sentences. "
    "Never speak about prices below the list, and send angry people to the lead."
)
PROMPT_KO = (
    "당신은 작은 호스팅 회사의 상담원입니다. 두 문장으로 답하십시오. 정가보다 낮은 가격은 말하지 마십시오. "
    "화가 난 손님은 팀장에게 넘기십시오. 항상 존댓말을 쓰십시오."
)
KEY = bytes(range(16))
WORK = " ".join(f"낱말{number} word{number}" for number in range(40))


def test_overlap_and_prompt_leak() -> None:
    index = CorpusIndex.joined([CorpusIndex.build([WORK], key=KEY).save()], key=KEY)
    text = f"He said: {WORK} and left"
    (found,) = OverlapCheck(index).find(GuardText(text))
    assert text[found.start : found.end] in WORK
    assert found.end - found.start >= len(WORK) - 16
    assert OverlapCheck(index).find(GuardText(" ".join(WORK.split()[:20]))) == []
    assert len(PromptLeakCheck(prepare_prompts([WORK], key=KEY)).find(GuardText(text))) == 1
    assert PromptLeakCheck(prepare_prompts([WORK], key=bytes(16))).find(GuardText("quite another answer")) == []


@pytest.mark.parametrize("number", range(12))
@pytest.mark.parametrize("prompt", [PROMPT_EN, PROMPT_KO])
def test_a_leak_is_found_wherever_it_stands_and_however_it_is_written(prompt: str, number: int) -> None:
    check = PromptLeakCheck(prepare_prompts([prompt], key=KEY))
    part = " ".join(prompt.split()[1:16])
    before = "x" * number
    for form in (part, part.upper(), part.replace(" ", "\n> "), part.replace(" ", ""), " ".join(part), part.replace(" ", "\u200b ")):
        (found,) = check.find(GuardText(f"{before} {form} 끝"))
        assert found.end - found.start >= len(form) - 2
    assert check.find(GuardText(f"{before} {' '.join(prompt.split()[:5])} 그리고 {' '.join(prompt.split()[8:12])}")) == []


def test_grams_are_kept_by_key_and_size() -> None:
    index = ShingleIndex.build([WORK, "", "short"], key=KEY, size=12)
    assert len(index.hashes) == len(GuardText(WORK).squeezed.text) - 11
    assert not index.holds(ShingleIndex.build([WORK], key=bytes(16), size=12).hashes).any()
    assert index.holds(index.gram.of("word39")).size == 0
    assert ShingleIndex.build([], key=KEY).shared_runs(WORK) == []
    corpus = CorpusIndex.build([WORK], key=KEY).save()
    for bad in (b"", b"abc", corpus[:8] + corpus[:7:-1]):
        with pytest.raises(ValueError):
            CorpusIndex.joined([bad], key=KEY)
    with pytest.raises(ValueError):
        CorpusIndex.joined([corpus, CorpusIndex.build([WORK], key=KEY, size=12).save()], key=KEY)
    assert CorpusIndex.joined([], key=KEY).shared_runs(WORK) == []
    for size, key in ((3, KEY), (65, KEY), (12, b"short")):
        with pytest.raises(ValueError):
            ShingleIndex.build([WORK], key=key, size=size)
    with pytest.raises(ValueError):
        OverlapCheck(index, words_min=4)


@given(st.text(max_size=80), st.integers(1, 9))
def test_sampled_grams_are_those_of_all(text: str, step: int) -> None:
    gram = GramHash(8, KEY)
    everything = gram.of(text)
    assert gram.of(text, step).tolist() == everything[::step].tolist()
    assert len(everything) == max(0, len(text) - 7)


WORDS = [f"{char}{number}말" for number in range(60) for char in "abcdefg"]


@given(st.integers(0, 300), st.integers(28, 60), st.text("xyz 가나.", max_size=20), st.sampled_from([" ", "\n", "  ", ", "]), st.booleans())
def test_a_long_quotation_is_found_wherever_it_begins(first: int, count: int, before: str, between: str, is_upper: bool) -> None:
    parts = [" ".join(WORDS[start : start + 100]) for start in range(0, len(WORDS), 100)]
    index = CorpusIndex.joined(
        [CorpusIndex.build([" ".join(WORDS)], key=KEY).save(), *(CorpusIndex.build([part], key=KEY).save() for part in parts)], key=KEY
    )
    quoted = between.join(WORDS[first : first + count])
    text = f"{before} {quoted.upper() if is_upper else quoted} 끝"
    (found,) = OverlapCheck(index).find(GuardText(text))
    start = len(before) + 1
    assert start <= found.start <= start + 16 and start + len(quoted) - 16 <= found.end <= start + len(quoted)
    assert OverlapCheck(index).find(GuardText(" ".join(WORDS[first : first + 12][::-1]))) == []
    assert OverlapCheck(CorpusIndex(index.hashes, GramHash(index.gram.size, bytes(16)))).find(GuardText(text)) == [], "another tenant's key"


def test_citations() -> None:
    text = "첫 문장 [1]. 둘째 문장\n\nThird [3]. Fourth one! 5.5 percent\n\n```\ncode\n```\n"
    found = CitationsCheck(2).find(GuardText(text))
    assert [(item.rule, text[item.start : item.end]) for item in found] == [
        ("citations.missing", "둘째 문장"),
        ("citations.missing", "Third [3]."),
        ("citations.unknown", "[3]"),
        ("citations.missing", "Fourth one!"),
        ("citations.missing", "5.5 percent"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "A sentence [1].",
        "One. Two. Three [2].",
        "One [1]. Two",
        "One [1]\n\nTwo",
        "One\n\nTwo [1]",
        "- a [1]\n- b [2]\n- c",
        "- a\n- b\n- c [1]",
        "# Title\n\nText [1].",
        "Text [7].",
        "[7]",
        "",
        "Text [1].\n\n```\nx = a[3]\n```\n",
        "```\nx = 1\n```\n",
        "Use:\n```\nx\n\ny\n```\nas told [1].",
        "Use: [1]\n```\nx\n\ny [2]\n```\n",
        "Use:\n```\nx [1]",
        "한 문장입니다 [1]. 두 문장입니다. 세 문장입니다 [2]! 끝",
    ],
)
def test_what_is_cited_is_what_the_assistant_releases(text: str) -> None:
    assert (_missing(text) == 0) is (_withheld(text) == 0)


@given(st.lists(st.sampled_from(["word", "말. ", "so [1]", "그렇다 [2]", "odd [9]", "\n", "\n\n", "\n```\n", " "]), max_size=14).map("".join))
def test_and_nothing_is_called_cited_that_it_withholds(text: str) -> None:
    if _withheld(text):
        assert _missing(text)
    elif "```" not in text:
        assert not _missing(text)


def _missing(text: str) -> int:
    return sum(item.rule == "citations.missing" for item in CitationsCheck(2).find(GuardText(text)))


def _withheld(text: str) -> int:
    gate = CitationGate(2)
    list(gate.push(text))
    list(gate.finish())
    return gate.withheld_characters


def test_schema() -> None:
    check = SchemaCheck({"type": "object", "required": ["a"]})
    assert [item.rule for text in ('{"a":1}', "{}", "x") for item in check.find(GuardText(text))] == ["schema.invalid", "schema.not_json"]


def test_places_are_told_by_the_schemas_words_alone() -> None:
    schema = {
        "type": "object",
        "properties": {"items": {"type": "array", "items": {"type": "object", "properties": {"price": {"type": "integer"}}}}},
        "additionalProperties": {"type": "integer"},
    }
    found = SchemaCheck(schema).find(GuardText('{"items": [{}, {"price": "hunter2"}], "secret_name": "hunter2"}'))
    assert sorted((item.entity, item.reason) for item in found) == [("*", "type"), ("items/1/price", "type")]
    assert "hunter2" not in repr(found)


def test_repair() -> None:
    assert repaired('```json\n{"a": [1, 2,],}\n```') == '{"a": [1, 2]}'
    assert repaired('{"a": [1, "x"') == '{"a": [1, "x"]}'
    assert repaired('{"a": 12') is None
    assert repaired('{"a": "cut of') is None


@given(st.recursive(st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8))
def test_repair_keeps_valid_json(value: object) -> None:
    text = json.dumps(value)
    assert repaired(text) == text


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(alphabet='ab"\\,]}[{`가\n', max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='k",]`가', max_size=3), inner, max_size=3),
    max_leaves=8,
)
CONTAINERS = st.lists(VALUES, max_size=3) | st.dictionaries(st.text(alphabet="k가", max_size=3), VALUES, max_size=3)


@given(
    CONTAINERS,
    st.sampled_from([None, 0, 2]),
    st.booleans(),
    st.sampled_from(["", "```", "```json"]),
    st.sampled_from(["", "Here it is:\n"]),
    st.data(),
)
def test_what_was_only_wrapped_has_the_same_value(
    value: object, indent: int | None, ascii_only: bool, fence: str, before: str, data: st.DataObject
) -> None:
    text = _with_commas(value, data) if data.draw(st.booleans()) else json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    wrapped = f"{before}{fence}\n{text}\n```" if fence else text
    mended = repaired(wrapped)
    assert mended is not None
    assert json.loads(mended) == value


@given(CONTAINERS, st.integers(0, 200))
def test_what_is_cut_off_keeps_what_was_said(value: object, at: int) -> None:
    mended = repaired(json.dumps(value, ensure_ascii=False)[:at])
    assert mended is None or _is_beginning(json.loads(mended), value)


def _with_commas(value: object, data: st.DataObject) -> str:
    """JSON with a comma too many at the end of some lists and objects."""
    if isinstance(value, (list, dict)) and value:
        comma = data.draw(st.sampled_from(["", ",", " ,\n"]))
        if isinstance(value, list):
            return f"[{','.join(_with_commas(item, data) for item in value)}{comma}]"
        return f"{{{','.join(f'{json.dumps(key)}: {_with_commas(item, data)}' for key, item in value.items())}{comma}}}"
    return json.dumps(value)


def _is_beginning(part: object, whole: object) -> bool:
    """Whether a value is another one whose last lists and objects hold fewer things."""
    if isinstance(part, list) and isinstance(whole, list):
        pairs = list(zip(part, whole, strict=False))
        return len(part) <= len(whole) and all(one == other for one, other in pairs[:-1]) and all(_is_beginning(*pair) for pair in pairs[-1:])
    if isinstance(part, dict) and isinstance(whole, dict):
        names = list(part)
        same = names == list(whole)[: len(names)] and all(part[name] == whole[name] for name in names[:-1])
        return same and all(_is_beginning(part[name], whole[name]) for name in names[-1:])
    return part == whole
