"""Whether the built-in extractive model answers what the documents hold and refuses what they do not, on questions of KorQuAD.

A base holds the paragraphs of the development set but for one in five, drawn by the seed; the rest of each article stays, so that much of a
question is found although nothing answers it. Asked are questions of paragraphs that were taken out, which are to be refused, and of those that
stayed. The model was fitted on 600 questions of this set, and the lowest probability at which it answers was chosen on others: the demo's golden
questions. So articles are split in two: on one half the threshold is chosen that is best there, and what is refused is told of the other half, at
both. Which sentence stands first depends on no threshold that was chosen here, and is told of all questions.
"""

from __future__ import annotations

import json
import random
import re
import string
import tempfile
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from benchmarks.data import data_folder
from benchmarks.knowledge.installation import on_a_platform
from ondol.application.assistant.evidence import find_evidence
from ondol.application.assistant.extractive import ANSWERED_MIN, extract
from ondol.application.evaluation.statistics.rates import wilson
from ondol.application.knowledge.ingest import IngestOptions, ingest_folder
from ondol.application.knowledge.search import Found, IndexStates
from ondol.application.knowledge.store import find_base
from ondol.infrastructure.access.people import NewPerson, add_person, create_tenant
from ondol.wiring.platform import Platform

SEED = 29
REMOVED_EACH = 5
"""One paragraph of so many is left out of the base."""
QUESTIONS_QUICK = 60
"""Of each kind."""
THRESHOLDS = tuple(place / 100 for place in range(5, 96))
Ids: TypeAlias = tuple[IndexStates, uuid.UUID, uuid.UUID, uuid.UUID]
"""What is kept of the index, and the tenant, the person and the base."""
_NO_WORDS = re.compile(r"[《》〈〉‘’" + re.escape(string.punctuation) + "]")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and whether its paragraph is in the base."""

    text: str
    gold: tuple[str, ...]
    article: int
    is_held: bool


@dataclass(frozen=True, slots=True)
class Chosen:
    """What the model made of a question, were it never to refuse.

    Attributes:
        probability: that its best sentence answers the question.
        sentences: what it would quote, the first first.
    """

    asked: Asked
    probability: float
    sentences: tuple[str, ...]


def measure(*, quick: bool) -> dict[str, Any]:
    """Figures by name; the quick form asks a sample."""
    return on_a_platform(lambda platform: figures(platform, QUESTIONS_QUICK if quick else None))


async def figures(platform: Platform, count: int | None) -> dict[str, Any]:
    """`unanswerable_refusal_accuracy` with its over-refusal, exact match, F1 and how often the first sentence holds the answer."""
    paragraphs, questions = read_questions()
    chosen = [await _chosen(platform, ids, asked) async for ids, asked in _asked(platform, paragraphs, questions, count)]
    tuning, rest = [[one for one in chosen if one.asked.article % 2 == half] for half in (0, 1)]
    best = best_threshold(tuning)
    held = [one for one in chosen if one.asked.is_held]
    ours = at_threshold(rest, ANSWERED_MIN)
    return {
        "unanswerable_refusal_accuracy": ours["refused"]["rate"],
        "over_refusal": ours["over_refused"]["rate"],
        "korquad_refusals": {"shipped": ours, "chosen": at_threshold(rest, best)},
        "korquad_answers": {
            "questions": len(held),
            "answered": scores(held, ANSWERED_MIN),
            "never_refusing": scores(held, 0.0),
        },
    }


def show(figures: dict[str, Any]) -> None:
    """The tables for people."""
    print(f"{'KorQuAD, threshold':22} {'at':>5} {'removed: refused':>28} {'held: refused':>28}")
    for name, row in figures["korquad_refusals"].items():
        print(f"{name:22} {row['threshold']:5.2f} {_told(row['refused']):>28} {_told(row['over_refused']):>28}")
    print(f"\n{'KorQuAD, held':16} {'first sentence holds it':>24} {'any holds it':>13} {'exact':>7} {'F1':>7}")
    for name in ("answered", "never_refusing"):
        row = figures["korquad_answers"][name]
        print(f"{name:16} {row['first_holds']:24.3f} {row['any_holds']:13.3f} {row['exact_match']:7.3f} {row['f1']:7.3f}")
    print()


def read_questions() -> tuple[list[str], list[tuple[Asked, int]]]:
    """Distinct paragraphs, and the questions with the paragraphs that hold their answers; one paragraph of `REMOVED_EACH` is not held."""
    file = next(iter(sorted(data_folder("korquad").rglob("*dev*.json"))))
    draw = random.Random(SEED)  # noqa: S311 - drawn the same each time
    paragraphs: dict[str, int] = {}
    questions = []
    removed: dict[int, bool] = {}
    for number, article in enumerate(json.loads(file.read_text("utf-8"))["data"]):
        for paragraph in article["paragraphs"]:
            place = paragraphs.setdefault(paragraph["context"], len(paragraphs))
            is_removed = removed.setdefault(place, draw.randrange(REMOVED_EACH) == 0)
            for item in paragraph["qas"]:
                gold = tuple(dict.fromkeys(given["text"] for given in item["answers"]))
                questions.append((Asked(item["question"], gold, number, not is_removed), place))
    return list(paragraphs), questions


async def _asked(
    platform: Platform, paragraphs: Sequence[str], questions: Sequence[tuple[Asked, int]], count: int | None
) -> AsyncIterator[tuple[Ids, Asked]]:
    """Take in what is held, and give each question that is asked with whom and where to ask."""
    now = platform.clock()
    tenant = await create_tenant(platform.database, platform.keyring, slug="korquad-answers", name="Benchmark", now=now)
    async with platform.database.tenant_tx(tenant.id) as connection:
        person = await add_person(connection, platform.keyring, tenant.id, NewPerson("reader", "Reader"), now)
    out = {place for asked, place in questions if not asked.is_held}
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), {place: paragraph for place, paragraph in enumerate(paragraphs) if place not in out})
        await ingest_folder(platform.knowledge, tenant.id, "korquad", Path(folder), IngestOptions(), lambda done, total: None)
    async with platform.database.tenant_tx(tenant.id) as connection:
        base = await find_base(connection, "korquad")
    states = IndexStates()
    for is_held in (True, False):
        of_kind = [asked for asked, _ in questions if asked.is_held == is_held]
        for asked in of_kind if count is None else random.Random(SEED).sample(of_kind, min(count, len(of_kind))):  # noqa: S311
            yield (states, tenant.id, person.id, base.id), asked


def _write(folder: Path, paragraphs: Mapping[int, str]) -> None:
    for place, paragraph in paragraphs.items():
        (folder / f"{place:04}.txt").write_text(paragraph, "utf-8")


async def _chosen(platform: Platform, ids: Ids, asked: Asked) -> Chosen:
    states, tenant_id, person_id, base_id = ids
    found: Found = await find_evidence(platform.knowledge, states, tenant_id, person_id, base_id, asked.text)
    draft = extract(asked.text, found.evidence, found.term_weights, answered_min=0.0)
    return Chosen(asked, draft.score, tuple(sentence.text for sentence in draft.sentences))


def best_threshold(chosen: Sequence[Chosen]) -> float:
    """The threshold that tells best what is to be refused from what is to be answered, by the mean of both rates; of equals the lowest."""
    return max(THRESHOLDS, key=lambda least: (_balance(chosen, least), -least))


def _balance(chosen: Sequence[Chosen], least: float) -> float:
    row = at_threshold(chosen, least)
    return float(row["refused"]["rate"] - row["over_refused"]["rate"])


def at_threshold(chosen: Sequence[Chosen], least: float) -> dict[str, Any]:
    """How many of the questions that nothing answers were refused, and how many of the others."""
    told = {}
    for name, is_held in (("refused", False), ("over_refused", True)):
        of_kind = [one for one in chosen if one.asked.is_held == is_held]
        told[name] = wilson(sum(one.probability < least or not one.sentences for one in of_kind), len(of_kind)).as_dict()
    return {"threshold": least, **told}


def scores(chosen: Sequence[Chosen], least: float) -> dict[str, float]:
    """Over all questions, a refusal counting as nothing: whether the first sentence, or any, holds the answer; exact match and F1 of the first."""
    answered = [one if one.probability >= least else Chosen(one.asked, one.probability, ()) for one in chosen]
    firsts = [(one.sentences[0] if one.sentences else "", one.asked.gold) for one in answered]
    whole = [(" ".join(one.sentences), one.asked.gold) for one in answered]
    return {
        "first_holds": _mean([holds(text, gold) for text, gold in firsts]),
        "any_holds": _mean([holds(text, gold) for text, gold in whole]),
        "exact_match": _mean([max(plain(text) == plain(one) for one in gold) for text, gold in firsts]),
        "f1": _mean([max(f1(text, one) for one in gold) for text, gold in firsts]),
    }


def holds(text: str, gold: Sequence[str]) -> bool:
    """Whether a text holds one of the answers, whatever the spaces."""
    squeezed = "".join(text.split())
    return any("".join(one.split()) in squeezed for one in gold)


def plain(text: str) -> str:
    """A text as KorQuAD 1.0 compares it: in lower case, without punctuation, brackets and quotes, one space between words."""
    return " ".join(_NO_WORDS.sub(lambda sign: " " if sign[0] in "《》〈〉‘’'\"<>()" else "", text.lower()).split())


def f1(text: str, gold: str) -> float:
    """KorQuAD 1.0's F1: over the characters of both, spaces left out, each as often as it occurs."""
    mine, theirs = (Counter(plain(one).replace(" ", "")) for one in (text, gold))
    common = (mine & theirs).total()
    return 2 * common / (mine.total() + theirs.total()) if common else 0.0


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 4) if values else 0.0


def _told(rate: dict[str, Any]) -> str:
    return f"{rate['rate']:.1%} ({rate['low']:.1%} to {rate['high']:.1%})"
