"""The tagger as a whole: its file, long texts, training."""

from __future__ import annotations

import json
import random
from importlib.resources import files
from io import BytesIO

import numpy as np
import pytest

from benchmarks.data import DataAbsent, data_folder
from ondol.infrastructure.guard.tagging import load_tagger
from ondol.infrastructure.guard.tagging.model import LABELS, Tagger, TaggerUnreadable, digest, dump
from ondol.infrastructure.guard.tagging.tokens import CHARACTERS_MAX

SHIPPED = (files("ondol.infrastructure.guard.models") / "entities.npz").read_bytes()
FILE_BYTES_MAX = 2 * 1024 * 1024


def test_the_file_is_what_its_header_says() -> None:
    assert len(SHIPPED) <= FILE_BYTES_MAX
    with np.load(BytesIO(SHIPPED), allow_pickle=False) as stored:
        header = json.loads(bytes(stored["header"]).decode())
        assert header["digest"] == digest({name: stored[name] for name in stored.files})
    assert header["labels"] == list(LABELS)
    assert all(item["name"] and item["licence"] and (item["sha256"] or item["name"].startswith("Faker")) for item in header["data"])
    assert header["seed"] and header["measured"]["klue_test"]["PERSON"]["gold"] > 500


def test_one_syllable_is_a_person_only_as_a_surname() -> None:
    text = "오늘은 날씨가 좋다. 어제는 날씨가 흐렸다."
    assert [entity for entity in load_tagger().entities(text) if entity.label == "PERSON" and entity.end - entity.start == 1] == []


def test_other_weights_than_the_header_names_are_refused() -> None:
    with np.load(BytesIO(SHIPPED), allow_pickle=False) as stored:
        arrays, header = {name: stored[name].copy() for name in stored.files if name != "header"}, json.loads(bytes(stored["header"]).decode())
    assert Tagger.load(dump(arrays, header)).header["digest"] == header["digest"]
    arrays["weights"][0, 0] ^= 1
    with pytest.raises(TaggerUnreadable, match="not those"):
        Tagger(arrays, header)
    with pytest.raises(TaggerUnreadable):
        Tagger.load(b"nothing")


def test_only_what_is_sure_enough_is_given() -> None:
    text = "담당자 박선영은 서울에 있고, My name is John Smith from Berlin."
    every = load_tagger().entities(text)
    least = sorted(entity.confidence for entity in every)[len(every) // 2]
    assert load_tagger().entities(text, least) == [entity for entity in every if entity.confidence >= least] != every


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
