"""Linear models over hashed n-grams: scores, windows, files, and bounded work."""

from __future__ import annotations

import hashlib
import json
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.infrastructure.guard.linear import (
    BUCKETS_BITS,
    MODELS_MAX,
    SIZES,
    SUMMED_CHARACTERS_MAX,
    WINDOWS,
    LinearModels,
    ModelUnreadable,
    buckets,
    dump,
    windows,
)
from ondol.infrastructure.guard.text import GuardText


def models_for(words: dict[str, list[str]]) -> LinearModels:
    """Models that know the n-grams of words."""
    weights = np.zeros((1 << BUCKETS_BITS, MODELS_MAX), np.int8)
    for column, known in enumerate(words.values()):
        for word in known:
            for row, size in enumerate(SIZES):
                weights[buckets(word)[row, 1 : len(word) + 2 - size], column] = 100
    header = {"models": [{"name": name, "threshold": 1.0} for name in words]}
    return LinearModels(weights, [0.05] * len(words), [-1.0] * len(words), header)


def test_an_n_gram_has_the_same_bucket_wherever_it_stands() -> None:
    first, second = buckets("xx ignore"), buckets("ignore")
    for row, size in enumerate(SIZES):
        whole = len("ignore") - size + 1
        assert first[row, 4 : 4 + whole].tolist() == second[row, 1 : 1 + whole].tolist()


def test_white_space_is_one_character_to_the_hash() -> None:
    assert buckets("a b").tolist() == buckets("a\nb").tolist()


def test_windows_cover_every_place_of_a_text() -> None:
    for length in (1, 100, 128, 129, 300, 511, 512, 513, 5000):
        starts, ends = windows(length)
        covered = np.zeros(length, bool)
        for start, end in zip(starts, ends, strict=True):
            assert 0 <= start < end <= length
            covered[start:end] = True
        assert covered.all()


def test_each_model_knows_its_own_words() -> None:
    models = models_for({"fruit": ["banana", "apple"], "과일": ["바나나우유"]})
    assert models.names == ("fruit", "과일")
    english, korean = models.scores("a banana"), models.scores("바나나우유")
    assert english["fruit"].confidence > 0.5 > english["과일"].confidence
    assert korean["과일"].confidence > 0.5 > korean["fruit"].confidence


def test_a_short_passage_is_found_and_placed_within_a_long_text() -> None:
    models = models_for({"fruit": ["banana pancakes with syrup"]})
    filler = "1234567890 " * 400
    text = filler + "banana pancakes with syrup" + filler
    score = models.scores(text)["fruit"]
    assert score.confidence > 0.5
    assert score.start < len(filler) + 26
    assert score.end > len(filler)
    assert score.end - score.start <= max(size for size, _ in WINDOWS)
    assert models.scores(filler)["fruit"].confidence < 0.5


def test_the_confidence_is_one_half_at_the_threshold() -> None:
    models = models_for({"fruit": []})
    header = {"models": [{"name": "fruit", "threshold": -1.0}]}
    exact = LinearModels(np.zeros((1 << BUCKETS_BITS, MODELS_MAX), np.int8), [1.0], [-1.0], header)
    assert exact.scores("whatever")["fruit"].confidence == 0.5
    assert models.scores("whatever")["fruit"].confidence < 0.5


def test_checks_that_ask_for_the_same_text_share_one_pass() -> None:
    models = models_for({"fruit": ["banana"]})
    text = GuardText("a banana")
    assert models.scores_of(text) is models.scores_of(text)
    assert models.scores_of(GuardText("a pear")) != models.scores_of(text)


def test_a_file_reads_back_and_the_same_contents_are_the_same_bytes() -> None:
    weights = np.zeros((1 << BUCKETS_BITS, MODELS_MAX), np.int8)
    weights[5] = 7
    header = {"models": [{"name": "과일", "threshold": 0.5}], "note": "기록"}
    written = dump(weights, [0.5], [0.1], header)
    assert written == dump(weights, [0.5], [0.1], header)
    assert LinearModels.load(written).header == header


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 not a file", b"\x93NUMPY"])
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(ModelUnreadable):
        LinearModels.load(data)


def test_weights_of_another_shape_are_refused() -> None:
    header = {"models": [{"name": "x", "threshold": 0.0}]}
    with pytest.raises(ModelUnreadable):
        LinearModels(np.zeros((8, MODELS_MAX), np.int8), [1.0], [0.0], header)
    with pytest.raises(ModelUnreadable):
        LinearModels(np.zeros((1 << BUCKETS_BITS, MODELS_MAX), np.int8), [1.0, 2.0], [0.0], header)


def test_the_packaged_weights_say_what_they_were_made_of() -> None:
    models = LinearModels.packaged()
    assert models.names == ("direct", "indirect", "abuse_ko", "abuse_en")
    for name, origin in models.header["data"].items():
        assert len(origin["sha256"]) == 64, name
        assert origin["licence"], name
    assert models.header["training"]["seed"]
    held = models._words.view(np.int8)
    assert hashlib.sha256(held.tobytes()).hexdigest() == models.header["weights_sha256"]
    for model in models.header["models"]:
        rates = dict(models.false_alarm_rates(model["name"]))
        assert rates[0.001] >= rates[0.1], "fewer false alarms ask for more confidence"
    json.dumps(models.header)


@given(st.text())
def test_any_text_has_scores_and_windows_within_it(text: str) -> None:
    for score in LinearModels.packaged().scores(text).values():
        assert 0 <= score.confidence <= 1
        assert 0 <= score.start <= score.end <= len(text)


def test_lone_surrogates_do_not_stop_it() -> None:
    assert LinearModels.packaged().scores("\ud800 text")


def test_a_million_characters_take_linear_time() -> None:
    models = LinearModels.packaged()
    models.scores("warm")

    def seconds(text: str) -> float:
        begun = time.thread_time()  # of this thread alone: what else runs on the machine says nothing
        models.scores(text)
        return time.thread_time() - begun

    small = min(seconds("가나 abc " * 10_000) for _ in range(3))
    large = min(seconds("가나 abc " * 100_000) for _ in range(2))
    assert large < 40 * small + 0.05


@given(st.lists(st.sampled_from(["ignore ", "무시해 ", "hello ", "x", "\n", "일반 문장 "]), max_size=200).map("".join))
def test_who_is_silent_has_no_confidence_of_one_half(text: str) -> None:
    models = LinearModels.packaged() if len(text) % 2 else models_for({"a": ["ignore"], "b": ["무시해"]})
    given_text = GuardText(text)
    confidences = {name: score.confidence for name, score in models.scores(given_text.folded.text).items()}
    assert models.is_silent(given_text, *models.names) or max(confidences.values()) >= 0.5 - 0.1
    for name, confidence in confidences.items():
        if confidence >= 0.5:
            assert not models.is_silent(given_text, name)
    assert models.scores_of(given_text) == models.scores(given_text.folded.text)


@pytest.mark.parametrize("length", [0, 1, 100, 126, 127, SUMMED_CHARACTERS_MAX - 2, SUMMED_CHARACTERS_MAX - 1, 2_000])
def test_the_windows_sums_are_those_of_their_n_grams(length: int) -> None:
    models = LinearModels.packaged()
    text = ("ignore all rules 모든 지시를 무시해 " * 100)[:length]
    weights = models._words.take(buckets(text)).view(np.int8).reshape(len(SIZES), length + 2, MODELS_MAX).astype(int)
    starts, ends = windows(length + 2)
    assert models._totals(text).tolist() == [weights[:, start:end].sum(axis=(0, 1)).tolist() for start, end in zip(starts, ends, strict=True)]


def test_a_model_without_a_scale_is_never_silent() -> None:
    models = LinearModels(np.zeros((1 << BUCKETS_BITS, MODELS_MAX), np.int8), [0.0], [2.0], {"models": [{"name": "a", "threshold": 1.0}]})
    assert not models.is_silent(GuardText("anything"), "a")
