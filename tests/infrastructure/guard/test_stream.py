"""Whatever pieces a text comes in, what is let out and the verdict are the same, and nothing forbidden is ever among it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.infrastructure.guard.actions import Marks
from ondol.infrastructure.guard.engine import StageGuard, Verdict
from ondol.infrastructure.guard.policy import Action, Policy, policy_from
from ondol.infrastructure.guard.stream import STEP_CHARACTERS, StreamGuard, StreamRestorer
from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.types import Finding

KEY = bytes(32)


@dataclass(frozen=True)
class Digits:
    """Finds runs of five digits and more, up to its reach."""

    name: str = "digits"
    reach: int | None = 40

    def find(self, text: GuardText) -> Sequence[Finding]:
        return [
            Finding(self.name, "digits.run", match.start(), match.end(), 0.9, "run", "NUMBER") for match in re.finditer(r"\d{5,40}", text.original)
        ]


@dataclass(frozen=True)
class Word:
    """Finds one word."""

    word: str
    name: str = "word"
    reach: int | None = 20

    def find(self, text: GuardText) -> Sequence[Finding]:
        return [Finding(self.name, "word.it", match.start(), match.end(), 1.0, "word") for match in re.finditer(self.word, text.original)]


@dataclass(frozen=True)
class Long:
    """Judges the text as one."""

    name: str = "long"
    reach: int | None = None

    def find(self, text: GuardText) -> Sequence[Finding]:
        return [Finding(self.name, "long.it", 0, len(text.original), 1.0, "length")] if len(text.original) > 200 else []


class Broken:
    name = "broken"
    reach = 10

    def find(self, text: GuardText) -> Sequence[Finding]:
        raise RuntimeError("cannot look at this")


def policy(*rules: tuple[str, Action], **more: object) -> Policy:
    return policy_from({"version": 1, "name": "test", "stages": {"output": [{"find": find, "do": do} for find, do in rules]}, **more})


def guard_of(given_policy: Policy) -> StageGuard:
    checks = {check.name: check for check in (Digits(), Word("stop"), Long(), Broken())}
    return StageGuard("output", [given_policy], checks)


def pieces_of(text: str, cuts: Sequence[int]) -> list[str]:
    places = [0, *sorted({min(cut, len(text)) for cut in cuts}), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(places)]


def run(guard: StageGuard, pieces: Sequence[str]) -> tuple[str, Verdict]:
    stream = StreamGuard(guard, Marks(KEY))
    out = [stream.push(piece) for piece in pieces]
    rest, verdict = stream.finish()
    return "".join((*out, rest)), verdict


TEXTS = st.lists(st.sampled_from(["12345", "678901234", " ", "ab ", "stop", "가나다 ", "x" * 30, "1", "-", "\n", "😀"]), max_size=60).map("".join)
RULES = st.lists(
    st.tuples(
        st.sampled_from(["digits", "word", "long"]), st.sampled_from(["observe", "mask", "hash", "tokenise_", "restrict", "escalate", "block"])
    ),
    max_size=3,
).map(lambda rules: [(on, "drop" if do == "tokenise_" else do) for on, do in rules])


@given(TEXTS, st.lists(st.integers(0, 600), max_size=20), RULES)
def test_cuts_change_nothing(text: str, cuts: list[int], rules: list[tuple[str, Action]]) -> None:
    guard = guard_of(policy(*rules))
    whole = run(guard, [text])
    assert run(guard, pieces_of(text, cuts)) == whole
    assert run(guard, list(text)) == whole


@given(TEXTS)
def test_nothing_forbidden_goes_out(text: str) -> None:
    out, _ = run(guard_of(policy(("digits", "mask"), ("word", "block"))), list(text))
    assert "stop" not in out
    assert not re.search(r"\d{5,}", re.sub(r"\[NUMBER_\d+\]", "|", out))
    before_stop = text.split("stop", maxsplit=1)[0]
    assert re.sub(r"\[NUMBER_\d+\]", "#", out) == re.sub(r"\d{5,40}", "#", before_stop)


def test_text_without_findings_passes_unchanged() -> None:
    out, verdict = run(guard_of(policy(("digits", "mask"), ("word", "block"))), ["Hello, 안녕하세요. ", "All is well."])
    assert out == "Hello, 안녕하세요. All is well."
    assert verdict.decision == "allow"


def test_text_goes_out_before_its_end_and_stays_behind_by_a_bounded_delay() -> None:
    stream = StreamGuard(guard_of(policy(("digits", "mask"))), Marks(KEY))
    sent = received = 0
    for _ in range(400):
        sent += 3
        received += len(stream.push("ab "))
        assert sent - received <= stream.delay_characters
    assert received > 1000
    assert stream.delay_characters == 40 + STEP_CHARACTERS


def test_a_number_cut_in_two_is_one_number() -> None:
    out, _ = run(guard_of(policy(("digits", "mask"))), ["call 123", "456", "789 or 123456789 again"])
    assert out == "call [NUMBER_1] or [NUMBER_1] again"


def test_after_a_block_nothing_more_is_wanted() -> None:
    stream = StreamGuard(guard_of(policy(("word", "block"))), Marks(KEY))
    out = stream.push("so far so good, now stop it at once " + "x" * 100)
    assert stream.stopped
    assert out + stream.push("secret") == "so far so good, now "
    rest, verdict = stream.finish()
    assert (rest, verdict.decision, verdict.say) == ("", "block", "blocked")


def test_what_judges_the_whole_holds_all_back() -> None:
    stream = StreamGuard(guard_of(policy(("long", "block"))), Marks(KEY))
    assert stream.push("a" * 300) == ""
    assert stream.finish()[0] == ""
    stream = StreamGuard(guard_of(policy(("long", "block"))), Marks(KEY))
    assert stream.push("short") == ""
    assert stream.finish()[0] == "short"


def test_a_warning_needs_no_holding_back() -> None:
    stream = StreamGuard(guard_of(policy(("long", "restrict"))), Marks(KEY))
    assert len(stream.push("a" * 300)) > 200
    assert stream.finish()[1].decision == "restrict"


def test_a_failing_check_lets_nothing_out() -> None:
    out, verdict = run(guard_of(policy(("broken", "observe"))), ["hello " * 20])
    assert out == ""
    assert verdict.decision == "block"
    assert verdict.failed == ("broken",)


def test_a_failing_check_may_be_let_pass() -> None:
    out, verdict = run(guard_of(policy(("broken", "observe"), on_error="pass")), ["hello " * 20])
    assert out == "hello " * 20
    assert verdict.failed == ("broken",)


def test_observing_changes_and_delays_nothing() -> None:
    stream = StreamGuard(guard_of(policy(("digits", "mask"), ("word", "block"), mode="observe")), Marks(KEY))
    assert stream.push("12345 stop") == "12345 stop"
    rest, verdict = stream.finish()
    assert (rest, verdict.decision, verdict.would) == ("", "allow", "block")


@given(st.lists(st.sampled_from(["[NUMBER_", "]", "[", "12345", " ok ", "x"]), max_size=20), st.lists(st.integers(0, 200), max_size=10))
def test_tokens_come_back_however_they_are_cut(parts: list[str], cuts: list[int]) -> None:
    marks = Marks(KEY)
    token = marks.replacement("tokenise", Finding("digits", "digits.run", 0, 5, 0.9, "run", "NUMBER"), "55555")
    text = "".join(parts) + token + "".join(parts)
    restorer = StreamRestorer(marks)
    out = "".join([restorer.push(piece) for piece in pieces_of(text, cuts)]) + restorer.finish()
    assert out == text.replace(token, "55555")


@pytest.mark.parametrize("piece", ["[", "[NUMBER_T"])
def test_an_open_bracket_is_not_held_for_ever(piece: str) -> None:
    marks = Marks(KEY)
    marks.replacement("tokenise", Finding("digits", "digits.run", 0, 5, 0.9, "run", "NUMBER"), "55555")
    restorer = StreamRestorer(marks)
    assert restorer.push(piece) == ""
    assert restorer.push("a" * 100) == piece + "a" * 100
