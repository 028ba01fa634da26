"""Personal data found by the guard, beside ko-pii and Presidio, by their own scorers' rules and by exact spans.

    python -m benchmarks.guard.personal [--peers PYTHON] [--misses] [--json]

`--peers` is the interpreter of an environment that holds ko-pii and presidio-analyzer; they run there, on the same texts, in a process of their own.

Rules of the two scorers, in our words:

* ko-pii (`ko_pii.eval.kdpii`): for each document and label the set of found strings meets the set of gold strings. Two of them match when they are
  equal or one lies within the other and has at least two characters; where they stand does not matter, and one may match several. Found strings that
  match are right, others wrong; gold strings that match nothing are missed. Names of fewer than three characters are left out on both sides.
* presidio-research (`SpanEvaluator`, IoU 0.75): spans are read off tokens, trimmed of skip words at both ends, dropped when nothing is left, joined
  to a neighbour of the same type when only skip words stand between. A gold span takes the found spans that overlap it, from the left, as long as
  each raises their joint intersection over union; from 0.75 on it counts as found, once. Found spans that no gold span took are wrong. F has beta 2.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.data import data_folder
from benchmarks.guard.personal_rules import KO_PII_LABELS as RULES_BY_KO_PII
from benchmarks.guard.personal_rules import PRESIDIO_LABELS as RULES_BY_PRESIDIO
from benchmarks.guard.personal_scores import Counts, Find, Span, by_label_figures, summary, timed
from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.types import Check, Finding

KO_PII_LABELS: Final[Mapping[str, str]] = {
    **RULES_BY_KO_PII,
    "PERSON": "PERSON",
    "ADDRESS": "ADDRESS",
    "POSITION": "POSITION",
    "EDUCATION": "EDUCATION",
    "MAJOR": "MAJOR",
    "NATIONALITY": "NATIONALITY",
}
"""Our entities by ko-pii's labels. ORGANISATION, LOCATION, TITLE and DATE_TIME have none there and are left out."""

PRESIDIO_LABELS: Final[Mapping[str, str]] = {
    **RULES_BY_PRESIDIO,
    "PERSON": "PERSON",
    "ADDRESS": "STREET_ADDRESS",
    "ORGANISATION": "ORGANIZATION",
    "LOCATION": "GPE",
    "TITLE": "TITLE",
    "POSITION": "TITLE",
    "NATIONALITY": "NRP",
    "DATE_TIME": "DATE_TIME",
    "KR_RESIDENT_NUMBER": "PHONE_NUMBER",
    "BANK_ACCOUNT": "IBAN_CODE",
    "PASSPORT": "US_DRIVER_LICENSE",
}
"""Our entities by presidio-research's types. Others count as what they are, so that they are wrong whenever they are not within gold."""

CONFIDENCE_MIN: Final = 0.4
"""Findings below are not acted on by default."""

LOOKED_AT_SEED: Final = 20_261_121
"""One in ten of ko-pii's documents was looked at to learn its labelling; this seed draws which. The figure on the others is given apart."""

IOU_MIN: Final = 0.75
PERSON_CHARACTERS_MIN: Final = 3

# --- findings -> spans -------------------------------------------------------------------------------------------------------


def merged(findings: Iterable[Finding], least: float = CONFIDENCE_MIN) -> list[Finding]:
    """Sure findings of all checks; where one of `entities` and one of a rule overlap, the rule's stays, except inside an address."""
    sure = [finding for finding in findings if finding.confidence >= least]
    rules = [finding for finding in sure if finding.check != "entities"]
    kept = []
    addresses = [(finding.start, finding.end) for finding in sure if finding.entity == "ADDRESS"]
    for finding in sure:
        if finding.entity == "POSTAL_CODE" and any(start <= finding.start and finding.end <= end for start, end in addresses):
            continue
        if finding.check == "entities":
            others = [rule for rule in rules if rule.start < finding.end and finding.start < rule.end]
            if others and not (finding.entity == "ADDRESS" and all(rule.end - rule.start < finding.end - finding.start for rule in others)):
                continue
        kept.append(finding)
    return sorted(kept, key=lambda finding: (finding.start, finding.end))


def finder(checks: Sequence[Check], labels: Mapping[str, str], others: bool, parts: bool = False) -> Find:
    """Spans with the labels of a mapping; with `others`, entities that the mapping lacks keep their names; with `parts`, addresses in parts."""

    def find(text: str) -> list[Span]:
        given = GuardText(text)
        findings = merged(finding for check in checks for finding in check.find(given))
        spans = [
            (finding.start, finding.end, labels.get(finding.entity, finding.entity)) for finding in findings if others or finding.entity in labels
        ]
        return [part for span in spans for part in (address_parts(text, span) if parts and span[2] == "STREET_ADDRESS" else (span,))]

    return find


_ADDRESS_PART: Final = re.compile(r"[^\n,]+")
_LAST_NUMBER: Final = re.compile(r"(?<!(?i:Suite|.unit|. box|..Apt|.Apt.|Floor|.Flat|.Room)) \d[\d -]{3,}$")


def address_parts(text: str, span: Span) -> list[Span]:
    """An address by lines and commas: what holds a digit is the street or code, what does not is a city or country; a code after one stands alone.

    presidio-research labels most addresses so, while a finding of ours is a whole address.
    """
    parts: list[Span] = []
    for piece in _ADDRESS_PART.finditer(text, span[0], span[1]):
        code = _LAST_NUMBER.search(piece[0])
        number = any(char.isdigit() for char in piece[0])
        if parts and code and not any(char.isdigit() for char in piece[0][: code.start()]):
            parts += [(piece.start(), piece.start() + code.start(), "GPE"), (piece.start() + code.start() + 1, piece.end(), "STREET_ADDRESS")]
        elif piece[0].strip():
            parts.append((piece.start(), piece.end(), "STREET_ADDRESS" if number or not parts else "GPE"))
    return parts


# --- ko-pii ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class KoDocument:
    """A text and its gold strings by label."""

    text: str
    gold: Mapping[str, frozenset[str]]


def ko_documents() -> list[KoDocument]:
    """ko-pii's generated set: 540 documents (MIT)."""
    documents = []
    for line in (data_folder("ko-pii") / "generated_eval.jsonl").read_text("utf-8").splitlines():
        record = json.loads(line)
        gold: dict[str, set[str]] = defaultdict(set)
        for item in record["pii"]:
            gold[item["type"]].add(item["text"])
        documents.append(KoDocument(record["text"], {label: frozenset(forms) for label, forms in gold.items()}))
    return documents


def ko_looked_at(count: int) -> set[int]:
    """The documents whose labelling was looked at: a seeded tenth, and the first two."""
    return {0, 1, *random.Random(LOOKED_AT_SEED).sample(range(count), count // 10)}  # noqa: S311 - a sample, not a secret


def ko_counts(document: KoDocument, spans: Iterable[Span], exact: bool = False) -> dict[str, Counts]:
    """One document by ko-pii's rules, or with strings that must be equal."""
    found: dict[str, set[str]] = defaultdict(set)
    for start, end, label in spans:
        found[label].add(document.text[start:end])
    counts = {}
    for label in sorted({*found, *document.gold}):
        least = PERSON_CHARACTERS_MIN if label == "PERSON" else 0
        mine = {form for form in found.get(label, ()) if len(form) >= least}
        gold = {form for form in document.gold.get(label, ()) if len(form) >= least}
        pairs = [(one, other) for one in mine for other in gold if one == other or (not exact and _within(one, other))]
        right, met = {one for one, _ in pairs}, {other for _, other in pairs}
        counts[label] = Counts(len(right), len(mine - right), len(gold - met))
    return counts


def _within(one: str, other: str) -> bool:
    return (one in other or other in one) and min(len(one), len(other)) >= 2


def measure_ko(checks: Sequence[Check]) -> dict[str, Any]:
    """Figures on ko-pii's generated set: micro F1 over its 26 labels, on all documents and on those not looked at."""
    return ko_figures(finder(checks, KO_PII_LABELS, others=False))


def ko_figures(find: Find) -> dict[str, Any]:
    """As `measure_ko`, for anything that finds spans by ko-pii's labels."""
    documents = ko_documents()
    seconds, found = timed(find, [document.text for document in documents])
    per_document = [ko_counts(document, spans) for document, spans in zip(documents, found, strict=True)]
    exact = [ko_counts(document, spans, exact=True) for document, spans in zip(documents, found, strict=True)]
    looked_at = ko_looked_at(len(documents))
    unseen = [counts for index, counts in enumerate(per_document) if index not in looked_at]
    return {
        "all": summary(per_document, 1.0),
        "not_looked_at": summary(unseen, 1.0),
        "exact": summary(exact, 1.0),
        "by_label": by_label_figures(per_document, 1.0),
        "characters_per_s": round(sum(len(document.text) for document in documents) / seconds),
    }


# --- presidio-research -------------------------------------------------------------------------------------------------------

_SKIP_WORDS: Final = """
's street st. st de rue via and a the or do as of day address country state city zip po apt unit corner p.o. box suite mr. mrs. miss year
years y/o month months old morning noon afternoon night evening this first last week weeks weekend days age ago inc inc. ltd an in on at to
for from by with is was are were be been am has have had it its he she they we you i me my your his her our their that these those there
here who whom which what when where why how not no nor so than then too very can will just don should now about above after again against
all any because before below between both but during each few further if into more most off once only other out over own same some such
through under until up while us him them
"""
SKIP_WORDS: Final = frozenset(_SKIP_WORDS.split())
"""Words that presidio-research's scorer ignores: its own list and English stop words."""

_TOKEN: Final = re.compile(r"[A-Za-z]{1,4}\.(?=\s|$)|\w+(?:['’]s\b)?|\s+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class PresidioSentence:
    """A text and its gold spans."""

    text: str
    gold: tuple[Span, ...]


def presidio_sentences() -> list[PresidioSentence]:
    """presidio-research's synthetic set, version 2: 1,500 texts (MIT)."""
    records = json.loads((data_folder("presidio-research") / "data/synth_dataset_v2.json").read_text("utf-8"))
    return [
        PresidioSentence(
            record["full_text"], tuple(sorted((item["start_position"], item["end_position"], item["entity_type"]) for item in record["spans"]))
        )
        for record in records
    ]


def _content_tokens(text: str) -> list[tuple[int, int]]:
    """Tokens that are neither white space nor signs nor skip words."""
    return [
        (match.start(), match.end())
        for match in _TOKEN.finditer(text)
        if not match[0].isspace() and any(char.isalnum() for char in match[0]) and match[0].lower() not in SKIP_WORDS
    ]


def scored_spans(content: Sequence[tuple[int, int]], spans: Iterable[Span]) -> list[Span]:
    """Spans trimmed to their content, empty ones dropped, neighbours of one type joined when no content stands between."""
    kept: list[tuple[int, int, Span]] = []
    for start, end, label in sorted(spans):
        inside = [index for index, (begin, stop) in enumerate(content) if begin < end and start < stop]
        if not inside:
            continue
        first, last = inside[0], inside[-1]
        trimmed = (max(start, content[first][0]), min(end, content[last][1]), label)
        if kept and kept[-1][2][2] == label and first <= kept[-1][1] + 1:
            first, (begin, stop, _) = kept[-1][0], kept[-1][2]
            kept[-1] = (first, max(last, kept[-1][1]), (begin, max(stop, trimmed[1]), label))
        else:
            kept.append((first, last, trimmed))
    return [span for _, _, span in kept]


def presidio_counts(gold: Sequence[Span], found: Sequence[Span]) -> tuple[Counts, Counter[str], Counter[str]]:
    """One text, types ignored: counts, and by gold type how many were found and missed."""
    taken: set[Span] = set()
    hit: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for span in gold:
        chosen: list[Span] = []
        best = 0.0
        for other in found:
            if other not in taken and other[0] < span[1] and span[0] < other[1]:
                joint = _joint_iou(span, [*chosen, other])
                if joint > best:
                    chosen, best = [*chosen, other], joint
        if best >= IOU_MIN:
            taken.update(chosen)
            hit[span[2]] += 1
        else:
            lost[span[2]] += 1
    return Counts(hit.total(), sum(span not in taken for span in set(found)), lost.total()), hit, lost


def _joint_iou(span: Span, others: Sequence[Span]) -> float:
    own = set(range(span[0], span[1]))
    covered = {place for start, end, _ in others for place in range(start, end)}
    return len(own & covered) / len(own | covered)


def measure_presidio(checks: Sequence[Check]) -> dict[str, Any]:
    """Figures on presidio-research's synthetic set: F2 of spans at IoU 0.75 and of tokens, types ignored; by type; of exact spans."""
    whole = presidio_figures(finder(checks, PRESIDIO_LABELS, others=True))
    figures = presidio_figures(finder(checks, PRESIDIO_LABELS, others=True, parts=True))
    return {**figures, "spans_with_whole_addresses": whole["spans"], "exact": whole["exact"], "exact_and_type": whole["exact_and_type"]}


def presidio_figures(find: Find) -> dict[str, Any]:
    """As `measure_presidio`, for anything that finds spans by presidio-research's types."""
    sentences = presidio_sentences()
    seconds, found = timed(find, [sentence.text for sentence in sentences])
    spans, tokens, exact, typed = [], [], [], []
    hits: Counter[str] = Counter()
    losses: Counter[str] = Counter()
    for sentence, mine in zip(sentences, found, strict=True):
        content = _content_tokens(sentence.text)
        own, theirs = scored_spans(content, mine), scored_spans(content, sentence.gold)
        counts, hit, lost = presidio_counts(theirs, own)
        hits.update(hit)
        losses.update(lost)
        spans.append({"": counts})
        tokens.append({"": _token_counts(content, sentence.gold, mine)})
        exact.append({"": _set_counts({span[:2] for span in sentence.gold}, {span[:2] for span in mine})})
        typed.append({"": _set_counts(set(sentence.gold), set(mine))})
    return {
        "spans": summary(spans, 2.0),
        "tokens": summary(tokens, 2.0),
        "exact": summary(exact, 2.0),
        "exact_and_type": summary(typed, 2.0),
        "recall_by_type": {
            label: [round(hits[label] / (hits[label] + losses[label]), 3), hits[label] + losses[label]] for label in sorted({*hits, *losses})
        },
        "characters_per_s": round(sum(len(sentence.text) for sentence in sentences) / seconds),
    }


def _set_counts(gold: set[Any], mine: set[Any]) -> Counts:
    return Counts(len(gold & mine), len(mine - gold), len(gold - mine))


def _token_counts(content: Sequence[tuple[int, int]], gold: Iterable[Span], mine: Iterable[Span]) -> Counts:
    marked = [
        {index for index, (begin, stop) in enumerate(content) for span in spans if begin < span[1] and span[0] < stop} for spans in (gold, mine)
    ]
    return _set_counts(*marked)


# --- peers -------------------------------------------------------------------------------------------------------------------

PEER_SCRIPT: Final = r"""
import json, sys, time
texts = json.load(sys.stdin)
def run(find):
    for text in texts["ko"][:3] + texts["en"][:3]:
        find(text, "en")
    answer = {}
    for language in ("ko", "en"):
        began = time.perf_counter()
        found = [find(text, language) for text in texts[language]]
        answer[language] = {"seconds": time.perf_counter() - began, "found": found}
    return answer
out = {}
try:
    from ko_pii.detect import detect_all
    out["ko-pii"] = run(lambda text, language: [[r.start, r.end, r.label] for r in detect_all(text)])
except ImportError as error:
    out["ko-pii"] = {"absent": str(error)}
try:
    import spacy
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine
    class Blank(NlpEngine):
        def __init__(self): self.nlp = None
        def load(self): self.nlp = {l: spacy.blank(l if l != "ko" else "xx") for l in ("en", "ko")}
        def is_loaded(self): return self.nlp is not None
        def process_text(self, text, language):
            doc = self.nlp[language](text)
            return NlpArtifacts([], doc, [t.idx for t in doc], [t.text.lower() for t in doc], self, language)
        def process_batch(self, texts, language, **kw):
            for text in texts: yield text, self.process_text(text, language)
        def is_stopword(self, word, language): return self.nlp[language].vocab[word].is_stop
        def is_punct(self, word, language): return self.nlp[language].vocab[word].is_punct
        def get_supported_entities(self): return []
        def get_supported_languages(self): return ["en", "ko"]
    engine = Blank(); engine.load()
    registry = RecognizerRegistry(supported_languages=["en"])
    registry.load_predefined_recognizers(languages=["en"])
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=engine, supported_languages=["en"])
    out["presidio"] = run(lambda text, language: [[r.start, r.end, r.entity_type] for r in analyzer.analyze(text, "en", score_threshold=0.35)])
except ImportError as error:
    out["presidio"] = {"absent": str(error)}
json.dump(out, sys.stdout)
"""
"""What runs in the peers' environment. No spaCy model could be installed, so Presidio has its pattern recognisers and no names."""

PRESIDIO_TO_KO_PII: Final[Mapping[str, str]] = {
    "PERSON": "PERSON",
    "PHONE_NUMBER": "PHONE",
    "EMAIL_ADDRESS": "EMAIL",
    "CREDIT_CARD": "CARD",
    "IP_ADDRESS": "IP",
    "URL": "URL",
    "KR_RRN": "RRN",
    "LOCATION": "ADDRESS",
}
PRESIDIO_OWN: Final[Mapping[str, str]] = {"LOCATION": "GPE", "URL": "DOMAIN_NAME"}
KO_PII_TO_PRESIDIO: Final[Mapping[str, str]] = {
    "ADDRESS": "STREET_ADDRESS",
    "PHONE": "PHONE_NUMBER",
    "CARD": "CREDIT_CARD",
    "EMAIL": "EMAIL_ADDRESS",
    "URL": "DOMAIN_NAME",
    "NATIONALITY": "NRP",
}


def measure_peers(interpreter: str) -> dict[str, Any]:
    """The same figures for ko-pii and Presidio, as they run in another environment."""
    texts = {"ko": [document.text for document in ko_documents()], "en": [sentence.text for sentence in presidio_sentences()]}
    answer = subprocess.run([interpreter, "-c", PEER_SCRIPT], input=json.dumps(texts), capture_output=True, text=True, check=True, timeout=600)
    figures: dict[str, Any] = {}
    for name, result in json.loads(answer.stdout).items():
        if "absent" in result:
            figures[name] = result
            continue
        in_ko, in_en = ({}, KO_PII_TO_PRESIDIO) if name == "ko-pii" else (PRESIDIO_TO_KO_PII, PRESIDIO_OWN)
        known = {language: dict(zip(texts[language], result[language]["found"], strict=True)) for language in texts}
        ko = ko_figures(_recalled(known["ko"], in_ko, keep=name == "ko-pii"))
        en = presidio_figures(_recalled(known["en"], in_en, keep=True))
        for figure, language in ((ko, "ko"), (en, "en")):
            figure["characters_per_s"] = round(sum(map(len, texts[language])) / result[language]["seconds"])
        figures[name] = {"ko": ko, "presidio": en}
    return figures


def _recalled(known: Mapping[str, list[list[Any]]], labels: Mapping[str, str], keep: bool) -> Find:
    return lambda text: [(start, end, labels.get(label, label)) for start, end, label in known[text] if keep or label in labels]


def our_checks() -> list[Check]:
    """The checks that are measured together."""
    from ondol.infrastructure.guard.checks.entities import EntityCheck
    from ondol.infrastructure.guard.checks.identifiers import PersonalCheck

    return [PersonalCheck(), EntityCheck()]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", help="interpreter of the peers' environment")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    checks = our_checks()
    figures: dict[str, Any] = {"ours": {"ko": measure_ko(checks), "presidio": measure_presidio(checks)}}
    if options.peers:
        figures |= measure_peers(options.peers)
    if options.json:
        print(json.dumps(figures, ensure_ascii=False))
        return
    for name, own in figures.items():
        for part, figure in own.items():
            if isinstance(figure, str):
                print(name, part, figure)
                continue
            print(f"\n{name} on {part}: {figure['characters_per_s']:,} characters/s")
            for key, value in figure.items():
                if isinstance(value, dict) and "f" in value:
                    print(
                        f"  {key:<16} F {value['f']:.3f} {value['f_interval']}  P {value['precision']:.3f} R {value['recall']:.3f} {value['counts']}"
                    )
            for label, row in (figure.get("by_label") or figure.get("recall_by_type") or {}).items():
                print(f"    {label:<20} {row}")


if __name__ == "__main__":
    main()
