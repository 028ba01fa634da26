"""The tagger's parts: tokens, features, endings, the search for the best tags, its file."""

from __future__ import annotations

import json
import random
from importlib.resources import files
from io import BytesIO
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.data import DataAbsent, data_folder
from ondol.infrastructure.guard.tagging import load_tagger
from ondol.infrastructure.guard.tagging.endings import Endings
from ondol.infrastructure.guard.tagging.features import FEATURES, GATES, ROW_BITS, gate_rows, rows, word_hash
from ondol.infrastructure.guard.tagging.model import LABELS, TAGS, Tagger, TaggerUnreadable, best_tags, digest, dump, tag_spans
from ondol.infrastructure.guard.tagging.tokens import CHARACTERS_MAX, HANGUL, NEWLINE, SIGN, WORD, hashes, tokenise

SHIPPED = (files("ondol.infrastructure.guard.models") / "entities.npz").read_bytes()
FILE_BYTES_MAX = 2 * 1024 * 1024


def pieces(text: str) -> list[str]:
    tokens = tokenise(text)
    return [text[start:end] for start, end in zip(tokens.starts.tolist(), tokens.ends.tolist(), strict=True)]


def test_words_numbers_hangul_and_signs_stand_apart() -> None:
    assert pieces("김도현(35), O'Brien\n도움4로") == ["김도현", "(", "35", ")", ",", "O", "'", "Brien", "\n", "도움", "4", "로"]
    assert tokenise("가 a,\n").kinds.tolist() == [HANGUL, WORD, SIGN, NEWLINE]


@settings(deadline=None)
@given(st.text(max_size=200))
def test_tokens_are_all_that_is_not_white_space(text: str) -> None:
    assert "".join("".join(pieces(text)).split()) == "".join(text.split())


@settings(deadline=None)
@given(st.text(max_size=40), st.text(min_size=1, max_size=10), st.text(max_size=40))
def test_a_substring_has_one_hash_wherever_it_stands(before: str, word: str, behind: str) -> None:
    tokens = tokenise(before + word + behind)
    own = hashes(tokens.sums, np.array([len(before)]), np.array([len(before) + len(word)]))
    assert int(own[0]) == word_hash(word)


def test_case_and_digits_are_folded_in_hashes_and_kept_in_shapes() -> None:
    assert word_hash("Smith") == word_hash("sMITH") != word_hash("Smyth")
    assert word_hash("152") == word_hash("937")
    assert len({int(tokenise(word).shapes[0]) for word in ("smith", "Smith", "SMITH", "smiTH")}) == 4


def test_features_stay_within_the_table() -> None:
    tokens = tokenise("My name is 박선영, 서울 12-3.")
    every = np.arange(len(tokens))
    found = rows(tokens, every, np.zeros(1 << 17, np.uint16))
    assert found.shape == (FEATURES, len(tokens)) and gate_rows(tokens, every).shape == (GATES, len(tokens))
    assert int(found.min()) >= 0 and int(found.max()) < 1 << ROW_BITS


def test_the_best_tags_are_those_of_trying_all() -> None:
    rng = np.random.default_rng(3)
    scores = np.full((5, TAGS), -500, np.int16)
    scores[:, :3] = rng.integers(-50, 50, (5, 3))
    transitions = rng.integers(-40, 40, (TAGS + 1, TAGS)).astype(np.int32)

    def value(tags: tuple[int, ...]) -> int:
        path = (TAGS, *tags)
        return sum(int(scores[index, tag]) for index, tag in enumerate(tags)) + sum(int(transitions[path[i], path[i + 1]]) for i in range(len(tags)))

    best = max(product(range(3), repeat=5), key=value)
    shorter = max(product(range(3), repeat=2), key=value)
    assert list(best_tags(scores, [(0, 2), (0, 5)], transitions)) == [list(shorter), list(best)]


def test_tags_name_spans_that_end_at_gaps_and_new_beginnings() -> None:
    tags = np.array([1, 2, 1, 0, 3, 4, 4])
    assert tag_spans(tags, np.arange(7)).tolist() == [[0, 2, 0], [2, 3, 0], [4, 7, 1]]
    assert tag_spans(tags, np.array([0, 1, 2, 3, 4, 5, 9])).tolist() == [[0, 2, 0], [2, 3, 0], [4, 6, 1], [6, 7, 1]]


def test_a_particle_is_cut_off_only_where_it_is_known() -> None:
    endings = Endings(frozenset(), (0,) * (1 << 13))
    assert endings.split("PERSON", "박선영은", True) == 4
    assert load_tagger().entities("담당자 박선영은 휴가입니다.")[-1].end == len("담당자 박선영")


def test_the_file_is_what_its_header_says() -> None:
    assert len(SHIPPED) <= FILE_BYTES_MAX
    with np.load(BytesIO(SHIPPED), allow_pickle=False) as stored:
        header = json.loads(bytes(stored["header"]).decode())
        assert header["digest"] == digest({name: stored[name] for name in stored.files})
    assert header["labels"] == list(LABELS)
    assert all(item["name"] and item["licence"] and (item["sha256"] or item["name"].startswith("Faker")) for item in header["data"])
    assert header["seed"] and header["measured"]["klue_test"]["PERSON"]["gold"] > 500


def test_other_weights_than_the_header_names_are_refused() -> None:
    with np.load(BytesIO(SHIPPED), allow_pickle=False) as stored:
        arrays, header = {name: stored[name].copy() for name in stored.files if name != "header"}, json.loads(bytes(stored["header"]).decode())
    assert Tagger.load(dump(arrays, header)).header["digest"] == header["digest"]
    arrays["weights"][0, 0] ^= 1
    with pytest.raises(TaggerUnreadable, match="not those"):
        Tagger(arrays, header)
    with pytest.raises(TaggerUnreadable):
        Tagger.load(b"nothing")


def test_pieces_of_a_long_text_are_cut_at_lines() -> None:
    line = "My name is John Smith.\n"
    text = line * (2 * CHARACTERS_MAX // len(line))
    people = [(entity.start, entity.end) for entity in load_tagger().entities(text) if entity.label == "PERSON"]
    assert len(people) > 0.95 * text.count("\n")
    assert all(text[start:end] == "John Smith" for start, end in people)


def test_work_grows_with_the_length_and_not_faster() -> None:
    draw = random.Random(4)
    text = "".join(draw.choice("김a1 \n,가B") for _ in range(60_000))
    assert all(entity.end - entity.start <= 200 for entity in load_tagger().entities(text))


def test_training_gives_the_same_bytes_again() -> None:
    pytest.importorskip("faker")
    try:
        data_folder("klue")
    except DataAbsent:
        pytest.skip("needs KLUE")
    from scripts.train_guard_entities import train

    first, again = (train(7, 60, 60, 1, limit=150) for _ in range(2))
    assert dump(first[0], first[1]) == dump(again[0], again[1])
