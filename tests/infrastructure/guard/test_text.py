"""Views of a text: what they read, and where each of their characters stood."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterator
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ondol.infrastructure.guard.text import TRICKS, GuardText, View

TRICKY = st.sampled_from(
    "aAeо\u0456іАΑαяЖhlr013457@$!|+-_. \n\t\u00a0\u2003ｉ８①㈜㎡…½\ufdfa\u1112\u1161\u11ab\u1100\uac00한글ㅎㅏㄴㅋㅠㅣㄱㅡ一ー\uffa1\u3164\u115f"
    "\u200b\u200d\u00ad\ufeff\u202e\u202c\u2066\ufe0f\U000e0041\U000e0100\u0301\u0308\u0336\u20dd\u05b0\u3099𝐢Ⓐ🅐🄰ᴀɐǝ😀👍🏽🇰\ud800\udfff\x00\x85\u2028İıßſé\u1e9b\u0344"
)
TEXTS = st.one_of(st.text(st.characters(), max_size=60), st.text(TRICKY, max_size=60), st.text(st.characters(max_codepoint=0x1FFF), max_size=60))


def views(text: GuardText) -> Iterator[View]:
    yield from (text.plain, text.folded, text.squeezed)


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_any_text_has_views_whose_spans_lie_in_it_and_ascend(original: str) -> None:
    text = GuardText(original)
    for view in views(text):
        spans = [view.span(place, place + 1) for place in range(len(view.text))]
        assert all(0 <= start < end <= len(original) for start, end in spans)
        assert spans == sorted(spans)
        assert [end for _, end in spans] == sorted(end for _, end in spans)
        assert view.span(0, 0)[0] == view.span(0, 0)[1] <= len(original)
        end = len(view.text)
        assert view.span(end, end)[0] == view.span(end, end)[1] <= len(original)


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.data())
def test_a_span_covers_exactly_the_spans_of_its_characters(original: str, data: st.DataObject) -> None:
    view = data.draw(st.sampled_from(list(views(GuardText(original)))))
    start = data.draw(st.integers(0, len(view.text)))
    end = data.draw(st.integers(start, len(view.text)))
    if start < end:
        parts = [view.span(place, place + 1) for place in range(start, end)]
        assert view.span(start, end) == (parts[0][0], parts[-1][1])


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_plain_of_plain_is_plain(original: str) -> None:
    plain = GuardText(original).plain.text
    assert GuardText(plain).plain.text == plain


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_layers_and_tricks_of_any_text_are_within_it(original: str) -> None:
    text = GuardText(original)
    assert text.tricks <= TRICKS
    assert all(0 <= layer.start < layer.end <= len(original) for layer in text.layers)


@settings(max_examples=200, deadline=None)
@given(
    st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=80),
    st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), max_size=80),
)
def test_ordinary_text_is_its_own_plain_view(english: str, korean: str) -> None:
    original = f"{english}\n{korean}"
    plain = GuardText(original).plain
    assert (plain.text, plain.origins, plain.ends) == (original, None, None)


@pytest.mark.parametrize(
    ("original", "plain"),
    [
        ("ig\u200bn\u00ado\u2060re", "ignore"),
        ("ｉｇｎｏｒｅ　１２３", "ignore 123"),
        ("𝐢𝗴𝓷𝕠𝖗𝚎 ①② ㈜온돌", "ignore 12 (주)온돌"),
        ("іgnоrе", "ignore"),
        ("ιgnοrε αll", "ignore all"),
        ("read асе now", "read ace now"),
        ("Привет, мир: асе", "Привет, мир: асе"),
        ("Καλημέρα κόσμε", "Καλημέρα κόσμε"),
        ("the α value", "the α value"),
        ("cпасибо", "cпасибо"),
        ("ɪɢɴᴏʀᴇ 🅐🅑", "ignore AB"),
        (unicodedata.normalize("NFD", "한글 읽다 café"), "한글 읽다 café"),
        ("\u1112 \u1161 \u11ab", "ㅎ ㅏ ㄴ"),
        ("가\u11a8", "각"),
        ("ㅋㅋㅋ ㅎㅏㄴ", "ㅋㅋㅋ ㅎㅏㄴ"),
        ("\uffa1\uffc2", "ㄱㅏ"),
        ("010ㅡ1234ー5678", "010-1234-5678"),
        ("٣٤٥ – ५६", "345 - 56"),
        ("i\u0336g\u0336n\u0321\u0338", "ign"),
        ("при\u0301вет", "привет"),
        ("שָׁלוֹם हिन्दी ไทย", "שָׁלוֹם हिन्दी ไทย"),
        ("a\u2028b\u00a0c", "a\nb c"),
        ("a\x00b\x1bc\n", "abc\n"),
        ("\u0301", ""),
        ("", ""),
    ],
)
def test_plain(original: str, plain: str) -> None:
    assert GuardText(original).plain.text == plain


@pytest.mark.parametrize(
    ("original", "folded"),
    [
        ("pr0mpt 1gn0re P@SSW0RD $ystem in57ruct!ons y0u ignor3", "prompt ignore password system instructions you ignore"),
        (
            "v1.2.3 k8s p2p mp3 i18n a11y l10n h264 utf8 gpt4o b2b $5.00",
            "v1.2.3 k8s p2p mp3 i18n a11y l10n h264 utf8 gpt4o b2b $5.00",
        ),
        ("3f2a9b0c-1d2e-4f5a-8b9c-0d1e2f3a4b5c u5e94", "3f2a9b0c-1d2e-4f5a-8b9c-0d1e2f3a4b5c u5e94"),
        ("me@home.org a+b hello! user5 step1 base64 80th", "me@home.org a+b hello! user5 step1 base64 80th"),
        ("ignoooooore allllll 무시이이이이이", "ignore all 무시이"),
        ("000000 ffff", "000000 f"),
        ("ㅇㅏㄴㄴㅕㅇㅎㅏㅅㅔㅇㅛ ㄷㅏㄺ ㄱㅏㅂㅅ ㄱㅏㅂㅅㅣ", "안녕하세요 닭 값 갑시"),
        ("하ㄴ글 ㅅl발 ㅎr고", "한글 시발 하고"),
        ("아ㅋㅋ 네ㅎㅎ ㅇㅋ! ㅠㅠ ㅋㅋㅋㅋㅋㅋ", "아ㅋㅋ 네ㅎㅎ ㅇㅋ! ㅠㅠ ㅋㅋㅋ"),
        ("Ìgñôré CAFÉ İstanbul", "ignore cafe istanbul"),
    ],
)
def test_folded(original: str, folded: str) -> None:
    assert GuardText(original).folded.text == folded


@pytest.mark.parametrize(
    ("original", "squeezed"),
    [
        ("i g n o r e", "ignore"),
        ("무.시-해 줘", "무시해줘"),
        ("1 g n 0 r 3", "ignore"),
        ("ㅎ ㅏ ㄴ ㄱ ㅡ ㄹ", "한글"),
        ("ㅋㅋㅋ ㅠㅠ", "ㅋㅋㅋㅠㅠ"),
        ("i😀g❤️n👍🏽o🇰🇷r😀e", "ignore"),
    ],
)
def test_squeezed(original: str, squeezed: str) -> None:
    assert GuardText(original).squeezed.text == squeezed


@pytest.mark.parametrize(
    ("original", "found", "shown"),
    [
        ("say: ig\u200bno\u200bre\u200b!", "ignore", "ig\u200bno\u200bre"),
        ("아 " + unicodedata.normalize("NFD", "무시해") + " 줘", "무시해", unicodedata.normalize("NFD", "무시해")),
        ("은 ㈜온돌 이", "주", "㈜"),
        ("ㅎㅏㄴㄱㅡㄹ", "글", "ㄱㅡㄹ"),
        ("so i.g.n.o.r.e. it", "ignore", "i.g.n.o.r.e"),
        ("nooooope", "nop", "nooooop"),
    ],
)
def test_a_span_leads_back_to_what_it_was_made_of(original: str, found: str, shown: str) -> None:
    view = next(view for view in views(GuardText(original)) if found in view.text)
    start = view.text.index(found)
    begin, end = view.span(start, start + len(found))
    assert original[begin:end] == shown


@pytest.mark.parametrize(
    ("original", "tricks"),
    [
        ("ig\u200bnore", {"invisible"}),
        ("ab\u202edc\u202c", {"bidi"}),
        ("x\U000e0068\U000e0069", {"tags"}),
        ("a\ufe00b", {"variation"}),
        ("i\u0336g\u0336n\u0336ore", {"marks"}),
        ("ｉｇｎｏｒｅ", {"fullwidth"}),
        ("𝐢𝐠𝐧𝐨𝐫𝐞", {"styled"}),
        ("іgnоrе", {"homoglyph"}),
        ("ㅁㅜㅅㅣ", {"jamo"}),
        ("ㅁㅅㅎㄱ ㅇㄹㅈ", {"choseong"}),
        ("1gn0re", {"leet"}),
        ("i g n o r e", {"spacing"}),
    ],
)
def test_tricks_are_named(original: str, tricks: set[str]) -> None:
    assert GuardText(original).tricks == tricks


@pytest.mark.parametrize(
    "original",
    [
        "ㅋㅋㅋㅋㅋ ㅠㅠ ㅎㅎ ㅇㅋㅇㅋ ㄷㄷㄷㄷ ㄱㅅㄱㅅ 아ㅋㅋ",
        "❤️ 👨‍👩‍👧 1️⃣ 🇰🇷 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f 👍🏽",
        "“따옴표” — 그리고… ‘이것’ ① ㈜ ㎡ ™ ½ 25℃",
        "k8s v1.2.3 mp3 i18n utf8 3f2a9b0c-1d2e-4f5a-8b9c-0d1e2f3a4b5c $5.00 me@home.org",
        "TNFα 3 μm Δt",
        "Москва и Россия, да. Αθήνα.",
        "می\u200cخواهم क्\u200dष",
        "def f(a, b, c, d): return [a, b, c, d]",
        unicodedata.normalize("NFD", "파일 이름.txt"),
        "\ufeffA file with a mark at its beginning",
        "그 말 이 참 좋다",
    ],
)
def test_what_ordinary_people_write_is_no_trick(original: str) -> None:
    assert GuardText(original).tricks == frozenset()


CALLS_PATTERNS = [
    "a\u0301\u0327\u0308", "ㅎㅏㄴ", "іgnоrе ", "1gn0re ", "i g n ", "\u1112\u1161\u11ab", "&#65;", "\\u0041", "%41",
    "72 ", "aWdub3Jl", "\u202ea", "o0", "oooo",
    "erongi lla ", "vtaber nyy ", "antlgkrh ", "69 ", "\ud800", "\ufdfa", "ɐ",
]  # fmt: skip


@pytest.mark.parametrize("pattern", CALLS_PATTERNS)
def test_work_grows_with_length_and_no_faster(pattern: str) -> None:
    GuardText(pattern * 50).tricks  # noqa: B018 - what is made once is made now
    once, twice = calls(pattern * 400), calls(pattern * 800)
    assert twice <= 2.2 * once + 200


def calls(original: str) -> int:
    """How many functions are called, built-in ones too, to make all views of a text."""
    count = 0

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    text = GuardText(original)
    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        text.tricks  # noqa: B018
    finally:
        sys.setprofile(before)
    return count


def test_only_so_many_marks_of_one_letter_are_looked_at() -> None:
    assert GuardText("א" + "\u05b0\u05bc" * 50_000).plain.text == "א" + unicodedata.normalize("NFC", "א" + "\u05b0\u05bc" * 4)[1:]
