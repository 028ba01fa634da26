"""Whether the scorers are those that others publish by: `python -m benchmarks.evaluation.equality`.

KorQuAD's and SQuAD's rules are stated here a second time, literally and sharing nothing with Ondol's; the figures of `rouge_score` and sacrebleu were
computed by them (`scripts/scorer_figures.py`). The tests ask for the same.
"""

from __future__ import annotations

import collections
import json
import random
import re
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.data import data_folder
from ondol.application.evaluation.scorers import korquad
from ondol.application.evaluation.scorers.rouge import Kind, overlap
from ondol.application.evaluation.scorers.tokens import words

FIGURES = Path(__file__).resolve().parents[2] / "tests" / "application" / "evaluation" / "scorers" / "figures.json"
SEED = 7
ROUGE: Sequence[Kind] = ("rouge_1", "rouge_2", "rouge_l", "rouge_lsum")

Pairs = Sequence[tuple[str, str]]
"""Answers of a set with the paragraphs that they stand in."""


def equality() -> Mapping[str, bool]:
    """The quick figures.

    Raises:
        DataAbsent: when KorQuAD is not there.
    """
    own, official = korquad_figures(read_answers(data_folder("korquad") / "dataset" / "KorQuAD_v1.0_dev.json"))
    return {"korquad_f1_equals_official": own == official, "rouge_equals_reference": not rouge_differences()}


def read_answers(file: Path) -> Pairs:
    """Each expected answer of KorQuAD 1.0 with its paragraph."""
    return [
        (answer["text"], paragraph["context"])
        for article in json.loads(file.read_text("utf-8"))["data"]
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
        for answer in question["answers"]
    ]


def korquad_figures(answers: Pairs) -> tuple[tuple[float, float], tuple[float, float]]:
    """Exact match and F1 in percent of the same predictions, by our scorers and by the official rules."""
    totals = [0.0] * 4
    for prediction, answer in predictions(answers):
        totals[0] += korquad.normalised(prediction) == korquad.normalised(answer)
        totals[1] += korquad.character_f1(prediction, answer)
        totals[2] += official_korquad(prediction) == official_korquad(answer)
        totals[3] += official_f1(letters_of(prediction), letters_of(answer))
    shares = [100.0 * total / len(answers) for total in totals]
    return (shares[0], shares[1]), (shares[2], shares[3])


def predictions(answers: Pairs) -> Iterator[tuple[str, str]]:
    """Predictions as models make them: right, cut, longer, quoted, with particles, of another question, empty, in capitals, out of order."""
    chance = random.Random(SEED)  # noqa: S311 - predictions, not keys
    changes: list[Callable[[str, str], str]] = [
        lambda answer, _: answer,
        lambda answer, _: answer[: chance.randrange(len(answer) + 1)],
        lambda answer, context: f"{answer} {context[: chance.randrange(40)]}",
        lambda answer, _: f"‘{answer}’",
        lambda answer, _: f"《{answer}》입니다.",
        lambda answer, _: f"{answer}{chance.choice(('은', '는', '이', '가', '에서', '으로'))}",
        lambda _, context: context[chance.randrange(len(context)) :][:20],
        lambda _answer, _: chance.choice(answers)[0],
        lambda _answer, _: "",
        lambda answer, _: f"  The {answer.upper()} , (a) ",
        lambda answer, _: "".join(chance.sample(answer, len(answer))),
    ]
    for answer, context in answers:
        yield chance.choice(changes)(answer, context), answer


def official_korquad(text: str) -> str:
    """A text as KorQuAD 1.0's script compares it."""
    for sign in ("'", '"', "《", "》", "<", ">", "〈", "〉", "(", ")", "‘", "’"):
        text = text.replace(sign, " ")
    kept = [letter for letter in text.lower() if letter not in set(string.punctuation)]
    return " ".join("".join(kept).split())


def official_squad(text: str) -> str:
    """A text as SQuAD 1.1's script compares it."""
    kept = "".join(letter for letter in text.lower() if letter not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", kept).split())


def official_f1(mine: Sequence[str], theirs: Sequence[str]) -> float:
    """F1 as both scripts compute it."""
    common = collections.Counter(mine) & collections.Counter(theirs)
    shared = sum(common.values())
    if shared == 0:
        return 0
    precision = 1.0 * shared / len(mine)
    recall = 1.0 * shared / len(theirs)
    return (2 * precision * recall) / (precision + recall)


def letters_of(text: str) -> list[str]:
    """The characters that KorQuAD 1.0's F1 is over."""
    return [letter for word in official_korquad(text).split() for letter in word]


def rouge_differences() -> list[tuple[str, str]]:
    """The kind and the answer of each English figure of `rouge_score` that ours does not equal to the last digit."""
    english: list[dict[str, Any]] = next(part["pairs"] for part in json.loads(FIGURES.read_text("utf-8")) if part["language"] == "en")
    different: list[tuple[str, str]] = []
    for pair in english:
        for kind in ROUGE:
            best = max((overlap(kind, pair["answer"], expected, words) for expected in pair["expected"]), key=lambda found: found.f1)
            if [best.f1, best.precision, best.recall] != pair["rouge"][kind]:
                different.append((kind, pair["answer"]))
    return different


if __name__ == "__main__":
    print(json.dumps(equality()))
