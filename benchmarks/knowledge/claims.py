"""Whether the check of answers agrees with people, and whether it sees what was altered.

Korean pairs that people labelled come from KLUE-NLI (development set): a sentence, and another that follows from it, contradicts it or neither. The
thresholds of the check were chosen on the pairs that `is_for_tuning` says; figures are of the others. No such pairs are at hand for English: there,
and in Korean as well, sentences of the Kubernetes documentation are checked against their own passages, as they stand and altered.
"""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.data import data_folder
from ondol.application.assistant.verify import read_passage, verify_sentence
from ondol.application.knowledge.sentences import split_sentences

SEED = 17
PAGES_MAX, PAGES_QUICK = 400, 100
"""Pages of each language, drawn by the seed."""
PREMISES_QUICK = 4
"""The quick form takes one of so many premises; `claim_pairs` tells of how many pairs the agreement is."""
ALTERED_MAX = 200
"""Sentences of each kind of alteration and language."""
SENTENCES_OF_PAGE_MAX = 4
SENTENCE_CHARACTERS = (30, 240)
_PLAIN = re.compile(r"^[^`|#<>\[\]{}*_]+[.]$")
_NUMBER = re.compile(r"(?<![\w.,:/-])\d{1,4}(?![\w.,:/-]*\d)(?=\s?[a-z가-힣%])")
_ENGLISH_DENIALS = ((r"\bcan\b", "cannot"), (r"\bis\b", "is not"), (r"\bare\b", "are not"), (r"\bdoes not\b", "does"), (r"\bmust\b", "must not"))
_KOREAN_DENIALS = (
    (r"있습니다\.$", "없습니다."),
    (r"있다\.$", "없다."),
    (r"합니다\.$", "하지 않습니다."),
    (r"한다\.$", "하지 않는다."),
    (r"된다\.$", "되지 않는다."),
)
_DENIALS = {"en": _ENGLISH_DENIALS, "ko": _KOREAN_DENIALS}


def measure(*, quick: bool) -> dict[str, Any]:
    """Agreement with people by label, and what is seen of alterations by language and kind."""
    nli = _klue(PREMISES_QUICK if quick else 1)
    right = nli["entailment"]["supported"] + sum(
        nli[label][verdict] for label in ("neutral", "contradiction") for verdict in ("partial", "unsupported")
    )
    pairs = sum(sum(counts.values()) for counts in nli.values())
    altered = {language: _altered(language, PAGES_QUICK if quick else PAGES_MAX) for language in ("ko", "en")}
    return {
        "claim_agreement": round(right / pairs, 3),
        "claim_pairs": pairs,
        "klue_nli": {label: dict(counts) for label, counts in nli.items()},
        "altered": altered,
    }


def show(figures: dict[str, Any]) -> None:
    """The tables for people."""
    print(f"{'KLUE-NLI':16} {'supported':>10} {'partial':>10} {'unsupported':>12}")
    for label, counts in figures["klue_nli"].items():
        print(f"{label:16} {counts.get('supported', 0):10} {counts.get('partial', 0):10} {counts.get('unsupported', 0):12}")
    print(f"agreement on whether it follows: {figures['claim_agreement']:.3f} of {figures['claim_pairs']:,} pairs\n")
    print(f"{'altered':20} {'ko':>6} {'not supp.':>10} {'en':>6} {'not supp.':>10}")
    for kind in figures["altered"]["ko"]:
        ko, en = figures["altered"]["ko"][kind], figures["altered"]["en"][kind]
        print(f"{kind:20} {ko['sentences']:6} {ko['not_supported']:10} {en['sentences']:6} {en['not_supported']:10}")
    print()


def is_for_tuning(place: int) -> bool:
    """Every second triple of pairs: those of one premise stay together."""
    return place // 3 % 2 == 0


def _klue(one_of: int) -> dict[str, Counter[str]]:
    file = next(iter(sorted(data_folder("klue").rglob("klue-nli*_dev.json"))))
    found: dict[str, Counter[str]] = {"entailment": Counter(), "neutral": Counter(), "contradiction": Counter()}
    for place, pair in enumerate(json.loads(file.read_text("utf-8"))):
        if not is_for_tuning(place) and place // 6 % one_of == 0:
            verdict = verify_sentence(pair["hypothesis"], [read_passage(pair["premise"])]).verdict
            found[pair["gold_label"]][verdict] += 1
    return found


def _altered(language: str, pages: int) -> dict[str, dict[str, Any]]:
    """Of each kind: how many sentences there were, and the share that was not found supported."""
    passages = list(_passages(language, pages))
    draw = random.Random(SEED)  # noqa: S311 - drawn the same each time
    told: dict[str, list[bool]] = {"as it stands": [], "another number": [], "denied or not": [], "of another page": []}
    for place, (text, sentence) in enumerate(passages):
        passage = read_passage(text)
        changed = {
            "as it stands": sentence,
            "another number": _other_number(sentence, draw),
            "denied or not": _denied(sentence, language),
            "of another page": passages[(place + len(passages) // 2) % len(passages)][1],
        }
        for kind, claim in changed.items():
            if claim is not None and len(told[kind]) < ALTERED_MAX:
                told[kind].append(verify_sentence(claim, [passage]).verdict != "supported")
    return {kind: {"sentences": len(seen), "not_supported": round(sum(seen) / len(seen), 3) if seen else None} for kind, seen in told.items()}


def _passages(language: str, pages: int) -> Iterator[tuple[str, str]]:
    """Stretches of pages and a plain sentence of each."""
    draw = random.Random(SEED)  # noqa: S311 - drawn the same each time
    for page in _pages(language, draw, pages):
        text = page.read_text("utf-8").split("---", 2)[-1]
        spans = [span for span in split_sentences(text) if _is_plain(text[slice(*span)])]
        for start, end in draw.sample(spans, min(SENTENCES_OF_PAGE_MAX, len(spans))):
            yield text[max(0, start - 500) : end + 500], text[start:end]


def _pages(language: str, draw: random.Random, count: int) -> Sequence[Path]:
    folder = data_folder("k8s-docs")
    pages = sorted(page for page in folder.rglob("*.md") if f"/{language}/" in page.as_posix())
    return draw.sample(pages, min(count, len(pages)))


def _is_plain(sentence: str) -> bool:
    low, high = SENTENCE_CHARACTERS
    return low <= len(sentence) <= high and _PLAIN.match(sentence) is not None


def _other_number(sentence: str, draw: random.Random) -> str | None:
    found = _NUMBER.search(sentence)
    if found is None:
        return None
    return f"{sentence[: found.start()]}{int(found[0]) + draw.randint(1, 9)}{sentence[found.end() :]}"


def _denied(sentence: str, language: str) -> str | None:
    for expression, put in _DENIALS[language]:
        changed = re.sub(expression, put, sentence, count=1)
        if changed != sentence:
            return changed
    return None
