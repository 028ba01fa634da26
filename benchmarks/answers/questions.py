"""What is asked: ordinary questions written for the Kubernetes documentation, questions of KorQuAD, and the demo's golden questions."""

from __future__ import annotations

import json
import random
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, TypeAlias

from benchmarks.answers.base import DEMO, READER, REAL, Told
from benchmarks.data import data_folder
from ondol.demo.golden import GoldenQuestion, load_golden

Verdict: TypeAlias = Literal["right", "refused", "wrong"]

Language: TypeAlias = Literal["ko", "en"]

KORQUAD_SEED = 11


@dataclass(frozen=True, slots=True)
class Question:
    """A question with what a right answer holds.

    Attributes:
        part: the set that it belongs to; of golden questions also their kind.
        accept: groups of spellings: of each group the answer holds at least one, verbatim but for the case of letters.
        reject: what the answer does not hold.
        paths: beginnings or ends of paths of which one is among the sources; empty where any source will do.
        answerable: whether the documents hold the answer for this asker.
        hidden: what nothing that the asker receives may hold.
        documents: that hold the answer: paths, or ids of the demo's documents.
    """

    part: str
    language: Language
    text: str
    accept: tuple[tuple[str, ...], ...]
    paths: tuple[str, ...] = ()
    reject: tuple[str, ...] = ()
    assistant: str = REAL
    asker: str = READER
    answerable: bool = True
    hidden: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()


def judge(question: Question, told: Told) -> Verdict:
    """Whether what was said is right: all that it must hold, from the right page; of what is closed to the asker, nothing."""
    if any(words in told.everything for words in question.hidden):
        return "wrong"
    if question.hidden:
        return "right"
    if told.refused or not question.answerable:
        return "refused" if told.refused else "wrong"
    return "right" if holds(question, told.text, told.paths) else "wrong"


def holds(question: Question, text: str, paths: Sequence[str]) -> bool:
    """Whether a text from these sources holds the answer."""
    rejected = any(words in text for words in question.reject)
    sourced = not question.paths or any(path.endswith(wanted) or wanted in path for path in paths for wanted in question.paths)
    return accepts(question, text) and not rejected and sourced


def accepts(question: Question, text: str) -> bool:
    """Whether a text holds a spelling of each group that a right answer holds."""
    folded = text.casefold()
    return all(any(spelling.casefold() in folded for spelling in group) for group in question.accept)


def is_of(path: str, document: str) -> bool:
    """Whether a path is that of a document: the path itself, or in the demo an id of language and name."""
    return document in (path, f"{path.partition('/')[0]}/{PurePosixPath(path).name.partition('.')[0]}")


def ordinary() -> list[Question]:
    """The questions of `questions.toml`, those that cannot be answered last."""
    raw = tomllib.loads(Path(__file__).with_name("questions.toml").read_text("utf-8"))
    languages: tuple[Language, ...] = ("ko", "en")
    held = [
        Question("ordinary", language, item["ask"], tuple(tuple(group) for group in item["accept"]), tuple(item.get("paths", ())))
        for language in languages
        for item in raw[language]
    ]
    return held + [Question("ordinary unanswerable", item["language"], item["ask"], (), answerable=False) for item in raw["unanswerable"]]


def korquad(count: int, *, seed: int = KORQUAD_SEED) -> list[Question]:
    """A seeded sample of the development set of KorQuAD; the answer holds one of the gold answers. A larger sample begins with a smaller one."""
    file = next(iter(sorted(data_folder("korquad").rglob("*dev*.json"))))
    asked = [
        Question("korquad", "ko", item["question"], (tuple(dict.fromkeys(given["text"] for given in item["answers"])),))
        for article in json.loads(file.read_text("utf-8"))["data"]
        for paragraph in article["paragraphs"]
        for item in paragraph["qas"]
    ]
    random.Random(seed).shuffle(asked)  # noqa: S311 - a sample, not a secret
    return asked[:count]


def golden() -> list[Question]:
    """The demo's golden questions, each asked as its asker."""
    return [_golden(item) for item in load_golden()]


def _golden(item: GoldenQuestion) -> Question:
    answerable = item.kind in ("answerable", "newest")
    hidden = item.must_not_contain if item.kind == "forbidden" else ()
    return Question(
        f"golden {item.kind}", item.language, item.question, item.must_contain if answerable else (), (),
        item.must_not_contain, DEMO, item.asker, answerable, hidden, item.documents,
    )  # fmt: skip
