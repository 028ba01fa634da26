"""What the rules for personal data find by themselves, by label, on ko-pii's generated set and presidio-research's synthetic one.

    python -m benchmarks.guard.personal_rules [--misses]

ko-pii's documents with an even index were looked at while the rules were written, those with an odd index were not: both figures are printed. A
form that the gold names is looked for everywhere in its document, as ko-pii's own scorer does. `strict` counts equal forms (ko-pii) or spans
(presidio), `overlap` a form within another (ko-pii) or spans that share a character (presidio).
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from benchmarks.data import data_folder
from ondol.infrastructure.guard.checks.identifiers import PersonalCheck
from ondol.infrastructure.guard.checks.personal.found import ACTED_ON_MIN
from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.types import Finding

KO_PII_LABELS: Final[Mapping[str, str]] = {
    "KR_RESIDENT_NUMBER": "RRN",
    "KR_FOREIGNER_NUMBER": "FRN",
    "KR_CORPORATE_NUMBER": "CORP_REG",
    "KR_BUSINESS_NUMBER": "BUSINESS_REG",
    "KR_DRIVER_LICENCE": "DRIVER_LICENSE",
    "DRIVER_LICENCE": "DRIVER_LICENSE",
    "KR_PASSPORT": "PASSPORT",
    "PASSPORT": "PASSPORT",
    "KR_HEALTH_INSURANCE_NUMBER": "MEDICAL_INSURANCE",
    "PRESCRIPTION_ID": "PRESCRIPTION_ID",
    "PHONE": "PHONE",
    "BANK_ACCOUNT": "ACCOUNT",
    "CARD": "CARD",
    "VEHICLE_PLATE": "VEHICLE",
    "POSTAL_CODE": "POSTAL_CODE",
    "BIRTH_DATE": "DT_BIRTH",
    "AGE": "AGE",
    "HEIGHT": "HEIGHT",
    "WEIGHT": "WEIGHT",
    "EMAIL": "EMAIL",
    "URL": "URL",
    "IP_ADDRESS": "IP",
}
"""Our entities by ko-pii's labels. Those that are absent have none there."""

PRESIDIO_LABELS: Final[Mapping[str, str]] = {
    "CARD": "CREDIT_CARD",
    "PHONE": "PHONE_NUMBER",
    "EMAIL": "EMAIL_ADDRESS",
    "URL": "DOMAIN_NAME",
    "IP_ADDRESS": "IP_ADDRESS",
    "IBAN": "IBAN_CODE",
    "US_SSN": "US_SSN",
    "US_ITIN": "US_ITIN",
    "DRIVER_LICENCE": "US_DRIVER_LICENSE",
    "POSTAL_CODE": "ZIP_CODE",
    "AGE": "AGE",
    "BIRTH_DATE": "DATE_TIME",
}
"""Our entities by presidio-research's labels. Times and dates that are nobody's birth are no personal data here, so DATE_TIME is mostly missed."""


@dataclass(slots=True)
class Score:
    """Counts for one label, and what was missed or wrongly found, with some text around it."""

    hit: int = 0
    missed: int = 0
    wrong: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def precision(self) -> float:
        """Of what was found, how much was right; 1 when nothing was found."""
        return self.hit / (self.hit + self.wrong) if self.hit + self.wrong else 1.0

    @property
    def recall(self) -> float:
        """Of what there was, how much was found; 1 when there was nothing."""
        return self.hit / (self.hit + self.missed) if self.hit + self.missed else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of the two."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def found_in(check: PersonalCheck, text: str) -> list[Finding]:
    """Findings sure enough to be acted on."""
    return [finding for finding in check.find(GuardText(text)) if finding.confidence >= ACTED_ON_MIN]


def score_ko_pii(check: PersonalCheck, documents: Iterable[Mapping[str, Any]], *, strict: bool) -> dict[str, Score]:
    """By ko-pii's rule: sets of forms for each document and label; a form of one character within another is no hit."""
    scores: dict[str, Score] = defaultdict(Score)
    for document in documents:
        text = document["text"]
        gold: dict[str, set[str]] = defaultdict(set)
        for item in document["pii"]:
            gold[item["type"]].add(item["text"])
        predicted: dict[str, set[str]] = defaultdict(set)
        for finding in found_in(check, text):
            label = KO_PII_LABELS.get(finding.entity)
            if label is not None:
                predicted[label].add(text[finding.start : finding.end])
        for label in gold.keys() | predicted.keys():
            _count_forms(scores[label], text, predicted[label], gold[label], strict=strict)
    return scores


def _count_forms(score: Score, text: str, predicted: set[str], gold: set[str], *, strict: bool) -> None:
    pairs = [(form, true) for form in predicted for true in gold if _same(form, true, strict=strict)]
    right, seen = {form for form, _true in pairs}, {true for _form, true in pairs}
    score.hit += len(right)
    score.wrong += len(predicted - right)
    score.missed += len(gold - seen)
    score.examples += [f"missed {_around(text, text.find(form), form)}" for form in sorted(gold - seen)]
    score.examples += [f"wrong  {_around(text, text.find(form), form)}" for form in sorted(predicted - right)]


def _same(form: str, true: str, *, strict: bool) -> bool:
    if form == true:
        return True
    return not strict and min(len(form), len(true)) >= 2 and (form in true or true in form)


def score_presidio(check: PersonalCheck, documents: Iterable[Mapping[str, Any]], *, strict: bool) -> dict[str, Score]:
    """By spans. A finding of a label that this set lacks, or that lies in a span of another label, is not counted as wrong but under its own."""
    scores: dict[str, Score] = defaultdict(Score)
    for document in documents:
        text = document["full_text"]
        gold = [(span["entity_type"], span["start_position"], span["end_position"]) for span in document["spans"]]
        found = [(PRESIDIO_LABELS[item.entity], item.start, item.end) for item in found_in(check, text) if item.entity in PRESIDIO_LABELS]
        for label, start, end in gold:
            met = any(other == label and _meet(start, end, low, high, strict=strict) for other, low, high in found)
            scores[label].hit += met
            scores[label].missed += not met
            if not met:
                scores[label].examples.append(f"missed {_around(text, start, text[start:end])}")
        for label, start, end in found:
            if not any(other == label and _meet(start, end, low, high, strict=strict) for other, low, high in gold):
                scores[label].wrong += 1
                scores[label].examples.append(f"wrong  {_around(text, start, text[start:end])}")
    return scores


def _meet(start: int, end: int, low: int, high: int, *, strict: bool) -> bool:
    return (start, end) == (low, high) if strict else start < high and low < end


def _around(text: str, start: int, form: str) -> str:
    return (text[max(0, start - 18) : start] + "[" + form + "]" + text[start + len(form) : start + len(form) + 10]).replace("\n", "⏎")


def total(scores: Mapping[str, Score], labels: Iterable[str]) -> Score:
    """The sum over labels."""
    together = Score()
    for label in labels:
        together.hit += scores[label].hit if label in scores else 0
        together.missed += scores[label].missed if label in scores else 0
        together.wrong += scores[label].wrong if label in scores else 0
    return together


def read_ko_pii() -> list[dict[str, Any]]:
    """540 documents.

    Raises:
        DataAbsent: when they are not there.
    """
    return [json.loads(line) for line in (data_folder("ko-pii") / "generated_eval.jsonl").read_text("utf-8").splitlines()]


def read_presidio() -> list[dict[str, Any]]:
    """1,500 sentences.

    Raises:
        DataAbsent: when they are not there.
    """
    documents: list[dict[str, Any]] = json.loads((data_folder("presidio-research") / "data" / "synth_dataset_v2.json").read_text("utf-8"))
    return documents


def report(title: str, strict: Mapping[str, Score], overlap: Mapping[str, Score], labels: Iterable[str], *, misses: bool) -> None:
    """Print a table, and with `misses` what went wrong."""
    print(f"\n{title}\n{'label':20} {'gold':>5} | {'P':>6} {'R':>6} {'F1':>6} strict | {'P':>6} {'R':>6} {'F1':>6} overlap")
    rows = sorted(labels)
    for label in rows:
        exact, loose = strict.get(label, Score()), overlap.get(label, Score())
        _row(label, exact, loose)
    _row("these labels", total(strict, rows), total(overlap, rows))
    if misses:
        for label in rows:
            for example, count in Counter(overlap[label].examples).most_common(40) if label in overlap else ():
                print(f"{label:18} {example}" + (f" x{count}" if count > 1 else ""))


def _row(label: str, exact: Score, loose: Score) -> None:
    print(
        f"{label:20} {exact.hit + exact.missed:5} | {exact.precision:6.3f} {exact.recall:6.3f} {exact.f1:6.3f}        | "
        f"{loose.precision:6.3f} {loose.recall:6.3f} {loose.f1:6.3f}"
    )


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--misses", action="store_true", help="list what went wrong, in the documents that may be looked at")
    arguments = parser.parse_args()
    check = PersonalCheck()
    documents = read_ko_pii()
    for title, part, misses in (("looked at", documents[::2], arguments.misses), ("not looked at", documents[1::2], False)):
        strict, overlap = score_ko_pii(check, part, strict=True), score_ko_pii(check, part, strict=False)
        report(f"ko-pii generated_eval, {title} ({len(part)} documents)", strict, overlap, set(KO_PII_LABELS.values()), misses=misses)
    sentences = read_presidio()
    for title, part, misses in (("looked at", sentences[::2], arguments.misses), ("not looked at", sentences[1::2], False)):
        strict, overlap = score_presidio(check, part, strict=True), score_presidio(check, part, strict=False)
        report(f"presidio-research synth_dataset_v2, {title} ({len(part)} sentences)", strict, overlap, set(PRESIDIO_LABELS.values()), misses=misses)


if __name__ == "__main__":
    main()
