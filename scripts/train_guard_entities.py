"""Train the guard's entity tagger: names, addresses, organisations and their kin in Korean and English.

    python -m scripts.train_guard_entities                     # writes src/ondol/infrastructure/guard/models/entities.npz
    python -m scripts.train_guard_entities --morphemes         # compares KLUE-NER with and without MeCab-ko morphemes; writes nothing

Needs Faker (a development requirement) and, by ONDOL_TEST_DATA, KLUE-NER and KLUE-DP (CC BY-SA 4.0), GSM8K (MIT), MBPP and Kubernetes'
documentation (CC BY 4.0). The same data, seed and Faker give the same bytes.
Nothing of the sets that the guard is measured on is read: not presidio-research, not ko-pii's generated set, not the fifth of KLUE-NER held out here.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from benchmarks.data import data_folder
from ondol.infrastructure.guard.tagging.classes import best_classes, joined
from ondol.infrastructure.guard.tagging.endings import ENDINGS, REMAINDER_MAX, candidates, ending_rows, numbered
from ondol.infrastructure.guard.tagging.features import FEATURES, LISTED_BITS, LISTS, ROW_BITS, listed_places, rows, word_hash
from ondol.infrastructure.guard.tagging.gate import GATE_BITS, GATES, REACHES
from ondol.infrastructure.guard.tagging.model import CLASSES, KOREAN, LABELS, Tagger, digest, dump
from ondol.infrastructure.guard.tagging.scores import WEIGHT_MAX
from ondol.infrastructure.guard.tagging.tokens import CHARACTERS_MAX, HANGUL, MARGIN, Tokens, tokenise
from scripts.guard_entities.english import English
from scripts.guard_entities.examples import Example, in_lower_case, read_klue, read_nouns, read_plain_english, read_plain_korean
from scripts.guard_entities.figures import calibration, span_figures
from scripts.guard_entities.gate import fit_gate, gate_cut
from scripts.guard_entities.korean import Korean

OUT = Path(__file__).parent.parent / "src/ondol/infrastructure/guard/models/entities.npz"
SEED = 20_261_121
LISTED_SHARE = 0.6
"""So much of the known names goes into the lists that the tagger looks words up in: it must learn names that are on no list too."""
REMAINDERS_MIN = 3
PLAIN_ENGLISH = 4_500
BATCH = 512
DAMPING = 0.7
"""What labels stand beside one another is partly known from the neighbours' features already."""
NOTHING_SHARE = 0.3
"""That a class stands beside "nothing" counts so much of what it would."""
LINK_LOG_ODDS_MAX = 6.0
RECALL_LOG_ODDS = 1.2
"""Every class but "nothing" is helped by so much: a name that is missed costs more than one too many."""
RATE = 0.15

Sentence = tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.bool_] | None]
"""Feature rows (FEATURES, tokens), gold classes, and which tokens may be anything."""
MoreRows = Callable[[str, Tokens], NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Examples by use. `klue_test` is for the measurement alone."""

    train: list[Example]
    develop: list[Example]
    klue_test: list[Example]


def klue_parts(examples: list[Example], seed: int) -> tuple[list[Example], list[Example], list[Example]]:
    """Train, develop (5 %) and test (20 %) parts of KLUE-NER, by a seeded shuffle of its sentences."""
    order = list(range(len(examples)))
    random.Random(f"klue {seed}").shuffle(order)  # noqa: S311 - reproducible, no secret
    test, develop = len(order) // 5, len(order) // 20
    pick = [examples[index] for index in order]
    return pick[test + develop :], pick[test : test + develop], pick[:test]


def klue_test(seed: int = SEED) -> list[Example]:
    """The fifth of KLUE-NER that no training sees."""
    return klue_parts(read_klue(_klue("ner-v1.1/klue-ner-v1.1_dev.tsv")), seed)[2]


def _klue(name: str) -> Path:
    return data_folder("klue") / "klue_benchmark" / f"klue-{name}"


def corpus(seed: int, korean: Korean, english: English, korean_count: int, english_count: int) -> Corpus:
    """All examples, the written ones made by the two generators."""
    train, develop, test = klue_parts(read_klue(_klue("ner-v1.1/klue-ner-v1.1_dev.tsv")), seed)
    plain = read_plain_korean(_klue("dp-v1.1/klue-dp-v1.1_dev.tsv")) + plain_english(seed)
    written = korean.examples(korean_count) + english.examples(english_count)
    unseen = korean.examples(korean_count // 20) + english.examples(english_count // 20)
    return Corpus(train + train + plain + written, develop + unseen, test)


def plain_english(seed: int) -> list[Example]:
    """Ordinary English: GSM8K (MIT), MBPP and Kubernetes' documentation (CC BY 4.0), one text in six in lower case."""
    rng = random.Random(f"plain {seed}")  # noqa: S311
    texts = [json.loads(line)["question"] for line in _english("gsm8k").read_text("utf-8").splitlines()]
    texts += [json.loads(line)["text"] for line in _english("mbpp").read_text("utf-8").splitlines()]
    pages = [page.read_text("utf-8") for page in kubernetes_pages()]
    lines = [line.strip() for page in pages for line in page.splitlines() if len(line) > 40 and line.isascii() and not set(line) & set("{}<>`|[]")]
    chosen = rng.sample(texts, min(len(texts), PLAIN_ENGLISH)) + rng.sample(lines, min(len(lines), PLAIN_ENGLISH))
    return [in_lower_case(example) if rng.random() < 0.17 else example for example in read_plain_english(chosen)]


def kubernetes_pages() -> list[Path]:
    """The English pages of Kubernetes' documentation."""
    return sorted((data_folder("k8s-docs") / "content" / "en").rglob("*.md"))


def _english(name: str) -> Path:
    return sorted(data_folder(name).rglob("*.jsonl"))[0]


def token_classes(tokens: Tokens, example: Example) -> tuple[NDArray[np.int64], list[tuple[str, str, int, bool]]]:
    """Gold classes, and for each entity that ends in a run of Hangul: label, run, length of its part, whether it begins there."""
    starts = tokens.starts[MARGIN:-MARGIN]
    classes = np.zeros(len(tokens), np.int64)
    cuts: list[tuple[str, str, int, bool]] = []
    for start, end, label in example.spans:
        inside = ((starts >= start) & (starts < end)).nonzero()[0]
        if not len(inside) or starts[inside[0]] != start:
            continue
        korean = label in KOREAN and bool((tokens.kinds[inside] == HANGUL).any())
        classes[inside] = 1 + (len(LABELS) + KOREAN.index(label) if korean else LABELS.index(label))
        last = int(inside[-1])
        if tokens.kinds[last] == HANGUL:
            run_start, run_end = int(starts[last]), int(tokens.ends[MARGIN + last])
            cuts.append((label, example.text[run_start:run_end], end - run_start, len(inside) == 1))
    return classes, cuts


def sentence(example: Example, listed: NDArray[np.uint16], more: MoreRows | None) -> tuple[Sentence, list[tuple[str, str, int, bool]], Tokens]:
    """An example as rows and classes."""
    tokens = tokenise(example.text[:CHARACTERS_MAX])
    classes, cuts = token_classes(tokens, example)
    found = rows(tokens, np.arange(len(tokens)), listed) if len(tokens) else np.zeros((FEATURES, 0), np.int64)
    if more is not None:
        found = np.concatenate([found, more(example.text, tokens)])
    unknown = None
    if example.unknown:
        starts = tokens.starts[MARGIN:-MARGIN]
        unknown = np.zeros(len(tokens), np.bool_)
        for start, end in example.unknown:
            unknown |= (starts >= start) & (starts < end)
    return (found.astype(np.uint32), classes, unknown), cuts, tokens


def links(sentences: Sequence[Sentence], scale: float) -> NDArray[np.int16]:
    """What each class (last axis) gains behind, and before, another one: shape (2, classes, classes), on the scale of the weights.

    It is how much likelier than by chance they stand so (pointwise mutual information), damped; beside "nothing" it is less than that.
    """
    counts = np.full((len(CLASSES), len(CLASSES)), 0.5)
    for _, gold, unknown in sentences:
        if len(gold) and unknown is None:
            np.add.at(counts, (gold[:-1], gold[1:]), 1)
    chance = counts.sum(axis=0) / counts.sum()
    information = np.clip(np.log(counts / counts.sum(axis=1, keepdims=True) / chance), -LINK_LOG_ODDS_MAX, LINK_LOG_ODDS_MAX)
    both = np.stack([information, information.T])
    both -= (1 - NOTHING_SHARE) * both[:, :1]
    return np.round(DAMPING * both / scale).astype(np.int16)


def recall_bias(scale: float) -> NDArray[np.int16]:
    """What every class is helped by."""
    bias = np.full(len(CLASSES), round(RECALL_LOG_ODDS / scale), np.int16)
    bias[0] = 0
    return bias


def fit(sentences: Sequence[Sentence], epochs: int, seed: int) -> NDArray[np.float32]:
    """A maximum entropy model of each token's class, by AdaGrad (Duchi 2011) on batches of tokens; tokens that may be anything are left out."""
    found = np.concatenate([own for own, _, _ in sentences], axis=1)
    gold = np.concatenate([own for _, own, _ in sentences])
    known = np.concatenate([np.ones(len(own), np.bool_) if unknown is None else ~unknown for _, own, unknown in sentences]).nonzero()[0]
    weights, squares = np.zeros((1 << ROW_BITS, len(CLASSES)), np.float32), np.full((1 << ROW_BITS, len(CLASSES)), 0.1, np.float32)
    rng = np.random.default_rng(seed)
    for epoch in range(epochs):
        began, loss = time.monotonic(), 0.0
        for batch in np.array_split(rng.permutation(known), max(1, len(known) // BATCH)):
            own = found[:, batch]
            scores = weights[own].sum(axis=0)
            scores -= scores.max(axis=1, keepdims=True)
            error = np.exp(scores)
            error /= error.sum(axis=1, keepdims=True)
            at_gold = (np.arange(len(batch)), gold[batch])
            loss -= float(np.log(error[at_gold] + 1e-12).sum())
            error[at_gold] -= 1
            flat = own.ravel()
            order = np.argsort(flat, kind="stable")
            ordered = flat[order]
            begins = np.append(0, (ordered[1:] != ordered[:-1]).nonzero()[0] + 1)
            slope = np.add.reduceat(error[order % len(batch)], begins, axis=0)
            touched = ordered[begins]
            squares[touched] += slope**2
            weights[touched] -= RATE * slope / np.sqrt(squares[touched])
        print(f"epoch {epoch + 1}: loss {loss / len(known):.4f} a token, {time.monotonic() - began:.0f} s", flush=True)
    return weights


def fit_endings(cuts: Sequence[tuple[str, str, int, bool]], seed: int) -> tuple[list[str], NDArray[np.int8]]:
    """Which strings may follow an entity in its run, and an averaged perceptron that chooses among them."""
    counts = Counter(run[length:] for _, run, length, _ in cuts if length < len(run))
    remainders = numbered(sorted(rest for rest, count in counts.items() if count >= REMAINDERS_MIN and len(rest) <= REMAINDER_MAX))
    weights, total = np.zeros(ENDINGS), np.zeros(ENDINGS)
    order, rng, step = list(range(len(cuts))), random.Random(f"endings {seed}"), 1  # noqa: S311
    for _ in range(6):
        rng.shuffle(order)
        for index in order:
            label, run, length, alone = cuts[index]
            found = {option: list(ending_rows(LABELS.index(label), run, option, rest, alone)) for option, rest in candidates(run, remainders)}
            step += 1
            if length not in found or len(found) == 1:
                continue
            best = max(found, key=lambda option: weights[found[option]].sum() + (option != length))
            if best != length:
                for option, sign in ((length, 1), (best, -1)):
                    np.add.at(weights, found[option], sign)
                    np.add.at(total, found[option], sign * step)
    average = weights - total / step
    return list(remainders), np.clip(np.round(average * 127 / max(1e-9, np.abs(average).max())), -127, 127).astype(np.int8)


def listed_table(lists: dict[str, set[str]], seed: int) -> NDArray[np.uint16]:
    """The table of listed words: a seeded share of them, those whose place is taken left out."""
    rng = random.Random(f"listed {seed}")  # noqa: S311
    bits: dict[str, int] = {}
    for bit, name in enumerate(LISTS):
        words = sorted({word.strip(".,'’()").lower() for word in lists[name]} - {""})
        share = LISTED_SHARE if len(words) > 1_000 else 1.0
        for word in words:
            if len(word) > 1 and rng.random() < share:
                bits[word] = bits.get(word, 0) | 1 << bit
    table = np.zeros(1 << LISTED_BITS, np.uint16)
    for word in sorted(bits):
        place, fingerprint = listed_places(np.array([word_hash(word)], np.uint32))
        if table[place[0]] == 0:
            table[place[0]] = int(fingerprint[0]) << 8 | bits[word]
    return table


def quantised(weights: NDArray[np.float32]) -> tuple[NDArray[np.int8], float]:
    """Weights as signed bytes, the largest one in ten thousand clipped, and how many units of log odds one step is."""
    scale = float(np.quantile(np.abs(weights[weights != 0]), 0.9999)) / WEIGHT_MAX
    return np.clip(np.round(weights / scale), -WEIGHT_MAX, WEIGHT_MAX).astype(np.int8), scale


def train(
    seed: int, korean_count: int, english_count: int, epochs: int, limit: int | None = None
) -> tuple[dict[str, NDArray[Any]], dict[str, Any], Corpus]:
    """Arrays, header and the examples. `limit` keeps so many examples, for a quick test."""
    korean, english = (
        Korean(random.Random(f"korean {seed}"), read_nouns(_klue("dp-v1.1/klue-dp-v1.1_dev.tsv"))),  # noqa: S311
        English(random.Random(f"english {seed}")),  # noqa: S311
    )
    lists = english.listed()
    lists["first_name"] |= set(korean.words["given"])
    listed = listed_table(lists, seed)
    examples = corpus(seed, korean, english, korean_count, english_count)
    if limit:
        chosen = random.Random(seed).sample(examples.train, limit)  # noqa: S311
        examples = Corpus(chosen, examples.develop[:limit], examples.klue_test[:limit])
    made = [sentence(example, listed, None) for example in examples.train]
    print(f"{len(made):,} examples, {sum(len(tokens) for _, _, tokens in made):,} tokens", flush=True)
    table, scale = quantised(fit([own for own, _, _ in made], epochs, seed))
    remainders, endings = fit_endings([cut for _, cuts, _ in made for cut in cuts], seed)
    arrays: dict[str, NDArray[Any]] = {
        "weights": table,
        "gate": np.zeros((GATES << GATE_BITS, len(REACHES)), np.int8),
        "links": links([own for own, _, _ in made], scale),
        "bias": recall_bias(scale),
        "listed": listed,
        "endings": endings,
    }
    header: dict[str, Any] = {
        "name": "entities",
        "labels": list(LABELS),
        "features": FEATURES,
        "seed": seed,
        "date": "2026-11-21",
        "licence": "CC-BY-SA-4.0 as a whole, for what was learned from KLUE; the written examples are Apache-2.0, the names of Faker MIT",
        "data": data_record(),
        "examples": {
            "train": len(examples.train),
            "develop": len(examples.develop),
            "korean_written": korean_count,
            "english_written": english_count,
        },
        "epochs": epochs,
        "gate_threshold": 0,
        "scale": round(scale, 6),
        "remainders": remainders,
        "calibration": [0.0] * len(CLASSES),
    }
    header["digest"] = digest(arrays)
    header["calibration"] = calibration(Tagger(arrays, header), examples.develop)
    open_tagger = Tagger(arrays, header)
    texts = [[example.text[:CHARACTERS_MAX] for example in part] for part in (examples.train, examples.develop)]
    seen, unseen = ([(tokenise(text), open_tagger.entities(text)) for text in part] for part in texts)
    arrays["gate"] = fit_gate(seen, seed)
    header |= gate_cut(arrays["gate"], unseen)
    header["digest"] = digest(arrays)
    return arrays, header, examples


def data_record() -> list[dict[str, str]]:
    """What was read: name, licence and SHA-256 of each file, and the version of Faker."""
    here = Path(__file__).parent / "guard_entities"
    files = [
        (_klue("ner-v1.1/klue-ner-v1.1_dev.tsv"), "KLUE-NER v1.1 dev, four fifths", "CC-BY-SA-4.0"),
        (_klue("dp-v1.1/klue-dp-v1.1_dev.tsv"), "KLUE-DP v1.1 dev", "CC-BY-SA-4.0"),
        (_english("gsm8k"), "GSM8K", "MIT"),
        (_english("mbpp"), "MBPP", "CC-BY-4.0"),
        (here / "korean.yaml", "Korean templates and words", "Apache-2.0"),
        (here / "english.yaml", "English templates and words", "Apache-2.0"),
    ]
    read = [{"name": name, "licence": licence, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()} for file, name, licence in files]
    pages = hashlib.sha256(b"".join(page.read_bytes() for page in kubernetes_pages())).hexdigest()
    read.append({"name": "Kubernetes documentation, English pages", "licence": "CC-BY-4.0", "sha256": pages})
    return [*read, {"name": f"Faker {version('faker')}", "licence": "MIT", "sha256": ""}]


def morpheme_rows(text: str, tokens: Tokens) -> NDArray[np.int64]:
    """Four more features: the first, last and all morpheme tags of a token by MeCab-ko, and the first tag of the token behind."""
    from mecab import MeCab

    global _mecab  # noqa: PLW0603 - one dictionary for a comparison that runs once
    _mecab = _mecab or MeCab()
    by_start: dict[int, list[str]] = {}
    index = (tokens.starts[MARGIN:-MARGIN].searchsorted(np.arange(len(text) + 1), side="right") - 1).tolist()
    for morpheme in _mecab.parse(text):
        by_start.setdefault(index[morpheme.span.start], []).append(morpheme.pos)
    tags = [by_start.get(place, ["-"]) for place in range(len(tokens))] + [["-"]]
    kinds = [("first", own[0]) for own in tags[:-1]], [("last", own[-1]) for own in tags[:-1]], [("all", "+".join(own)) for own in tags[:-1]]
    nexts = [("next", f"{own[0]} {after[0]}") for own, after in pairwise(tags)]
    return np.array([[crc32(" ".join(item).encode()) % (1 << ROW_BITS) for item in row] for row in (*kinds, nexts)], np.int64).reshape(4, len(tokens))


_mecab: Any = None


def class_spans(classes: NDArray[np.int64]) -> set[tuple[int, int, str]]:
    """Begin, end and label of each entity, in tokens."""
    places = classes.nonzero()[0].tolist()
    kinds = classes[places].tolist()
    return {(places[begin], places[end - 1] + 1, CLASSES[kinds[begin]]) for begin, end in joined(places, kinds)}


def compare_morphemes(seed: int, epochs: int) -> dict[str, dict[str, float]]:
    """F1 of exact token spans on the held-out fifth of KLUE-NER, trained on the rest alone, without and with morpheme features."""
    train, _, test = klue_parts(read_klue(_klue("ner-v1.1/klue-ner-v1.1_dev.tsv")), seed)
    listed = np.zeros(1 << LISTED_BITS, np.uint16)
    figures: dict[str, dict[str, float]] = {}
    for name, more in (("characters and words", None), ("and MeCab-ko morphemes", morpheme_rows)):
        own = [sentence(example, listed, more)[0] for example in train]
        table, scale = quantised(fit(own, epochs, seed))
        between, bias = links(own, scale), recall_bias(scale)
        counts: dict[str, list[int]] = {label: [0, 0, 0] for label in ("PERSON", "LOCATION", "ORGANISATION", "all")}
        began = time.thread_time()
        unseen = [sentence(example, listed, more)[0] for example in test]
        features_s = time.thread_time() - began
        for found, gold, _ in unseen:
            scores = table[found].sum(axis=0, dtype=np.int16) + bias
            mine, true = class_spans(best_classes(scores, np.arange(len(gold)), len(gold), between)), class_spans(gold)
            for span in mine | true:
                for label in (span[2], "all"):
                    counts[label][0 if span in mine and span in true else 1 if span in mine else 2] += 1
        figures[name] = {label: round(2 * right / max(1, 2 * right + wrong + missed), 4) for label, (right, wrong, missed) in counts.items()}
        figures[name]["features_characters_per_s"] = round(sum(len(example.text) for example in test) / features_s)
    return figures


def main() -> None:
    """Train, measure on the held-out parts, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--korean", type=int, default=9_000)
    parser.add_argument("--english", type=int, default=15_000)
    parser.add_argument("--morphemes", action="store_true")
    options = parser.parse_args()
    if options.morphemes:
        print(json.dumps(compare_morphemes(options.seed, options.epochs), indent=1))
        return
    arrays, header, examples = train(options.seed, options.korean, options.english, options.epochs)
    tagger = Tagger(arrays, header)
    header["measured"] = {
        "klue_test": span_figures(tagger, examples.klue_test, ["PERSON", "LOCATION", "ORGANISATION"]),
        "develop": span_figures(tagger, examples.develop, LABELS),
    }
    options.out.write_bytes(dump(arrays, header))
    print(json.dumps(header["measured"], indent=1))
    print(
        f"{options.out}: {options.out.stat().st_size:,} bytes, arrays {header['digest']}, gate lets {header['gate_passes_others']:.0%} of others pass"
    )


if __name__ == "__main__":
    main()
