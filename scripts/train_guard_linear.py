"""Train the guard's linear models: logistic regression over hashed n-grams, by L-BFGS, in numpy alone.

    ONDOL_TEST_DATA=../shared/data python -m scripts.train_guard_linear

Reads the train halves of `benchmarks.guard.firewall_data` and the made sentences of `scripts.guard_corpus`; writes
src/ondol/infrastructure/guard/models/linear.npz. The same data, seed and numpy give the same bytes. `--only-out-of-domain` trains without each of
the larger families of attacks instead, and writes what those models find of them into the header of the file that is there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.guard import firewall_data as data
from benchmarks.guard.abuse_data import abuse_samples
from benchmarks.guard.firewall_data import Sample
from ondol.infrastructure.guard.checks.injection import InjectionCheck
from ondol.infrastructure.guard.linear import BUCKETS_BITS, MODELS_MAX, SIZES, LinearModels, buckets, dump, windows
from ondol.infrastructure.guard.text import GuardText
from scripts.guard_corpus import sentences

SEED = 20261121
OUT = Path("src/ondol/infrastructure/guard/models/linear.npz")
PENALTIES = {"direct": 1.0, "indirect": 1.0, "abuse_ko": 0.5, "abuse_en": 0.5}
"""Of the L2 terms. The models of abuse were chosen by recall at five per cent of false alarms over folds of their training sets."""
FOLDS = 3
STEPS_MAX = 60
MADE_COUNT = 3000
"""Of each kind and language."""
WINDOWS_MAX = 10
"""Of one text that are learned from."""
CALIBRATION_SHARE = 0.2
RATES = (0.001, 0.003, 0.01, 0.02, 0.05, 0.1)
FALSE_ALARMS_MAX = {"direct": 0.003, "indirect": 0.003, "abuse_ko": 0.05, "abuse_en": 0.05}
"""The rate on calibration texts at which a model's threshold is set: firewall models share one per cent with the rules."""
HONEST_WEIGHTS = {"wildguard": 4.0, "ifeval": 6.0, "bipia-carriers": 6.0}
"""Sets of what people really ask of models, which are small beside the others."""
ABUSE_CALIBRATION = {"abuse_ko": "kocohub", "abuse_en": "hatecheck"}
"""The set whose harmless texts decide a model's threshold."""
FAMILY_TEXTS_MIN = 60
"""Smaller families of calibration texts do not decide by themselves."""
HARMLESS_SHARE = 0.3
"""Of the honest prompts that the models of abuse learn from as well."""
OUT_OF_DOMAIN = (("inthewild", "dan", "autodan"), ("sysprompt",), ("bipia_text", "bipia_code"))
"""Families that are left out together, because they share texts."""

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Example:
    """A text to learn from, with what each model should say of it: 1, 0, or nothing (absent); `group` is the template that it shares."""

    text: str
    labels: dict[str, int]
    family: str
    calibration: bool
    weight: float = 1.0
    group: str = ""


@dataclass(frozen=True, slots=True)
class Rows:
    """Windows of texts as rows of bucket numbers: row i is columns[starts[i]:starts[i + 1]], each counting scale[i]."""

    columns: NDArray[np.int32]
    starts: NDArray[np.int64]
    scale: Vector
    owner: NDArray[np.int64]

    def times(self, weights: Vector) -> Vector:
        """Each row's sum of weights."""
        return np.add.reduceat(weights[self.columns], self.starts[:-1]) * self.scale

    def transposed_times(self, values: Vector) -> Vector:
        """Each bucket's sum of values."""
        repeated = np.repeat(values * self.scale, np.diff(self.starts))
        return np.bincount(self.columns, repeated, 1 << BUCKETS_BITS).astype(np.float64)

    def of(self, keep: NDArray[np.bool_]) -> Rows:
        """Only the rows that are kept."""
        lengths = np.diff(self.starts)
        starts = np.concatenate(([0], np.cumsum(lengths[keep])))
        return Rows(self.columns[np.repeat(keep, lengths)], starts, self.scale[keep], self.owner[keep])


def examples(without: Collection[str] = ()) -> list[Example]:
    """Everything that is learned from, less the families of attacks that are left out."""
    found: list[Example] = []

    def add(text: str, family: str, labels: dict[str, int], weight: float = 1.0, group: str = "") -> None:
        found.append(Example(text, labels, family, data.share(f"calibration {group or text}") < CALIBRATION_SHARE, weight, group))

    documents = [sample for sample in data.honest_documents() if sample.split == "train"]
    for sample in documents:
        add(sample.text, sample.family, {"direct": 0, "indirect": 0}, HONEST_WEIGHTS.get(sample.family, 1.0))
    for sample in data.honest_prompts():
        if sample.split == "train" and sample.family != "hatecheck-honest":
            labels = {"direct": 0, "indirect": 0}
            if sample.family != "kocohub-comments" and data.share(f"harmless {sample.text}") < HARMLESS_SHARE:
                labels[f"abuse_{sample.language}"] = 0
            add(sample.text, sample.family, labels, HONEST_WEIGHTS.get(sample.family, 1.0))
    for sample in data.direct_attacks():
        if sample.split == "train" and sample.family not in without:
            add(sample.text, sample.family, {"direct": 1}, 3.0, sample.text[:40])
    for sample in data.indirect_attacks():
        if sample.split == "train" and sample.family not in without and sample.detail not in data.TASK_CATEGORIES:
            add(sample.text, sample.family, {"indirect": 1}, 8.0)
            add(_inside(sample.text, documents), sample.family, {"indirect": 1}, 4.0)
    found += made(documents)
    for item in abuse_samples():
        if item.split == "train":
            labels = {f"abuse_{item.language}": int(item.attack), "direct": 0, "indirect": 0}
            add(item.text, item.family, labels, group=f"{item.family} {item.group}" if item.group else "")
    return found


def made(documents: Sequence[Sample]) -> list[Example]:
    """Made sentences; a template is for learning or for calibration, never both."""
    found = []
    for language in ("ko", "en"):
        for kind in ("direct", "indirect", "honest"):
            for item in sentences(kind, "ko" if language == "ko" else "en", MADE_COUNT, SEED):
                calibration = kind == "honest" and data.share(f"template {language} {item.template}") < CALIBRATION_SHARE
                labels = {"direct": {"direct": 1}, "indirect": {"indirect": 1}, "honest": {"direct": 0, "indirect": 0, f"abuse_{language}": 0}}[kind]
                family = f"made-{kind}-{language}"
                found.append(Example(item.text, labels, family, calibration))
                if kind != "honest" and data.share(f"inside {item.text}") < 0.3:
                    found.append(Example(_inside(item.text, documents), labels, family, calibration, 0.5))
    return found


def rows_of(items: Sequence[Example]) -> Rows:
    """The windows of texts, at most `WINDOWS_MAX` of each, evenly over it."""
    columns, lengths, scales, owners = [], [], [], []
    for number, item in enumerate(items):
        text = GuardText(item.text).folded.text
        hashed = buckets(text)
        starts, ends = windows(len(text) + 2)
        chosen = np.unique(np.linspace(0, len(starts) - 1, min(len(starts), WINDOWS_MAX)).astype(int))
        for place in chosen:
            part = hashed[:, starts[place] : ends[place]].ravel().astype(np.int32)
            columns.append(part)
            lengths.append(len(part))
            scales.append(1 / np.sqrt((ends[place] - starts[place]) * len(SIZES)))
            owners.append(number)
    return Rows(np.concatenate(columns), np.concatenate(([0], np.cumsum(lengths))), np.array(scales), np.array(owners))


def fit(rows: Rows, labels: Vector, weights: Vector, penalty: float) -> tuple[Vector, float]:
    """Weights and bias of the logistic regression with an L2 penalty on the weights.

    Both classes weigh the same in all.
    """
    balanced = weights * np.where(labels == 1, weights.sum() / (2 * weights[labels == 1].sum()), weights.sum() / (2 * weights[labels == 0].sum()))
    signs = 2 * labels - 1

    def loss(point: Vector) -> tuple[float, Vector]:
        margins = signs * (rows.times(point[:-1]) + point[-1])
        value = float((balanced * np.logaddexp(0, -margins)).sum() + penalty / 2 * (point[:-1] ** 2).sum())
        pull = -balanced * signs / (1 + np.exp(np.clip(margins, -500, 500)))
        return value, np.append(rows.transposed_times(pull) + penalty * point[:-1], pull.sum())

    point = minimise(loss, np.zeros((1 << BUCKETS_BITS) + 1))
    return point[:-1], float(point[-1])


def minimise(loss: Callable[[Vector], tuple[float, Vector]], point: Vector, memory: int = 8) -> Vector:
    """L-BFGS with backtracking (Nocedal and Wright 2006, algorithms 7.4 and 3.1)."""
    value, gradient = loss(point)
    pairs: list[tuple[Vector, Vector]] = []
    for _ in range(STEPS_MAX):
        direction = gradient.copy()
        alphas = []
        for moved, turned in reversed(pairs):
            alpha = (moved @ direction) / (moved @ turned)
            alphas.append(alpha)
            direction -= alpha * turned
        if pairs:
            moved, turned = pairs[-1]
            direction *= (moved @ turned) / (turned @ turned)
        else:
            direction /= max(float(np.sqrt(gradient @ gradient)), 1e-12)
        for (moved, turned), alpha in zip(pairs, reversed(alphas), strict=True):
            direction += moved * (alpha - (turned @ direction) / (moved @ turned))
        slope = float(gradient @ direction)
        step = 1.0
        for _ in range(20):
            candidate = point - step * direction
            new_value, new_gradient = loss(candidate)
            if new_value <= value - 1e-4 * step * slope:
                break
            step /= 2
        else:
            return point
        moved, turned = candidate - point, new_gradient - gradient
        if moved @ turned > 1e-10:
            pairs = [*pairs[-(memory - 1) :], (moved, turned)]
        done = value - new_value < 1e-5 * abs(value)
        point, value, gradient = candidate, new_value, new_gradient
        if done:
            break
    return point


def trained(items: Sequence[Example], rows: Rows, model: str, left_out: NDArray[np.bool_]) -> tuple[Vector, float]:
    """One model, from all texts that it has a label for and that are not left out.

    Windows of a long attack need not all be attacks: after a first fit only those that look like one are kept, and it is fitted again.
    """
    known = (np.array([model in item.labels for item in items]) & ~left_out)[rows.owner]
    mine = rows.of(known)
    labels = np.array([float(items[owner].labels[model]) for owner in mine.owner])
    counts = np.bincount(mine.owner, minlength=len(items))
    weights = np.array([items[owner].weight / np.sqrt(counts[owner]) for owner in mine.owner])
    vector, bias = fit(mine, labels, weights, PENALTIES[model])
    if model == "direct":
        scores = mine.times(vector) + bias
        best = np.full(len(items), -np.inf)
        np.maximum.at(best, mine.owner, scores)
        keep = (labels == 0) | (scores > 0.5 * best[mine.owner])
        vector, bias = fit(mine.of(keep), labels[keep], weights[keep], PENALTIES[model])
    return vector, bias


def crossed(items: Sequence[Example], rows: Rows, model: str) -> list[float]:
    """Scores of the harmless texts of a model's own set, each by a model that saw neither it nor another of its template."""
    folds = np.array([int(data.share(f"fold {item.group or item.text}") * FOLDS) for item in items])
    found: list[float] = []
    for fold in range(FOLDS):
        vector, bias = trained(items, rows, model, folds == fold)
        held = np.array([item.family == ABUSE_CALIBRATION[model] and item.labels.get(model) == 0 for item in items]) & (folds == fold)
        mine = rows.of(held[rows.owner])
        best = np.full(len(items), -np.inf)
        np.maximum.at(best, mine.owner, mine.times(vector) + bias)
        found += best[held].tolist()
    return found


def quantised(vector: Vector) -> tuple[NDArray[np.int8], float]:
    """Weights as signed bytes, and what one step is worth. The largest hundred-thousandth is cut off."""
    scale = float(np.quantile(np.abs(vector), 1 - 1e-5)) / 127
    return np.clip(np.rint(vector / scale), -127, 127).astype(np.int8), scale


def built(items: Sequence[Example], names: Sequence[str]) -> tuple[LinearModels, NDArray[np.int8], list[float], list[float], dict[str, list[float]]]:
    """All models, with thresholds still at zero, and for those of abuse the scores of harmless texts over folds.

    The firewall's models leave calibration texts out; those of abuse, which have fewer, learn from all.
    """
    rows = rows_of(items)
    weights = np.zeros((1 << BUCKETS_BITS, MODELS_MAX), np.int8)
    calibration = np.array([item.calibration for item in items])
    scales, biases = [], []
    cross: dict[str, list[float]] = {}
    for column, name in enumerate(names):
        if name in ABUSE_CALIBRATION:
            cross[name] = crossed(items, rows, name)
        vector, bias = trained(items, rows, name, calibration & (name not in ABUSE_CALIBRATION))
        weights[:, column], scale = quantised(vector)
        scales.append(scale)
        biases.append(bias)
        print(f"{name}: bias {bias:.2f}, scale {scale:.4f}", flush=True)
    return LinearModels(weights, scales, biases, {"models": [{"name": name, "threshold": 0.0} for name in names]}), weights, scales, biases, cross


def calibrated(models: LinearModels, items: Sequence[Example], cross: Mapping[str, Sequence[float]]) -> list[dict[str, Any]]:
    """For each model its threshold, and scores at other rates of false alarms.

    The pool of honest calibration texts is above a firewall model's threshold at most as often as `FALSE_ALARMS_MAX`, and no family of at least
    `FAMILY_TEXTS_MIN` more often than one time in a hundred. For abuse the scores over folds decide.
    """
    held = [item for item in items if item.calibration] + [_developed(sample) for sample in data.development() if not sample.attack]
    scores = [models.scores(GuardText(item.text).folded.text) for item in held]
    described = []
    for name in models.names:
        most = FALSE_ALARMS_MAX[name]
        if name in cross:
            values = np.array(cross[name])
            threshold = float(np.quantile(values, 1 - most))
        else:
            honest = [(item.family, score[name].value) for item, score in zip(held, scores, strict=True) if item.labels.get(name) == 0]
            values = np.array([value for _, value in honest])
            families = {family: [value for other, value in honest if other == family] for family, _ in honest}
            worst = [float(np.quantile(own, 1 - max(0.01, most))) for own in families.values() if len(own) >= FAMILY_TEXTS_MIN]
            threshold = max(float(np.quantile(values, 1 - most)), *worst)
        rates = {f"{rate:g}": float(np.quantile(values, 1 - rate)) for rate in RATES}
        described.append({"name": name, "threshold": threshold, "calibration_texts": len(values), "score_at_false_alarm_rate": rates})
        print(f"{name}: threshold {threshold:.2f} on {len(values)} texts, {rates}", flush=True)
    return described


def out_of_domain() -> dict[str, dict[str, int]]:
    """What models that never saw a family, nor those that share its texts, find of it at the threshold that they get; alone, and with the rules."""
    found: dict[str, dict[str, int]] = {}
    for left_out in OUT_OF_DOMAIN:
        name = "indirect" if "bipia_text" in left_out else "direct"
        items = examples(left_out)
        models, weights, scales, biases, _ = built(items, (name,))
        described = calibrated(models, items, {})
        silent = {"name": "direct" if name == "indirect" else "indirect", "threshold": 1e6}
        models = LinearModels(weights, [*scales, 1.0], [*biases, 0.0], {"models": [*described, silent]})
        check = InjectionCheck(models)
        for family in left_out:
            texts = [sample.text for sample in (*data.direct_attacks(), *data.indirect_attacks()) if sample.family == family]
            alone = sum(models.scores(GuardText(text).folded.text)[name].confidence >= 0.5 for text in texts)
            together = sum(any(item.confidence >= 0.5 and f".{name}." in item.rule for item in check.find(GuardText(text))) for text in texts)
            found[family] = {"texts": len(texts), "found_by_model": alone, "found_with_rules": together}
            print(f"without {left_out}: {family} {found[family]}", flush=True)
    return found


def _developed(sample: Sample) -> Example:
    return Example(sample.text, {"direct": 0, "indirect": 0}, "valid", True)


def _inside(text: str, documents: Sequence[Sample]) -> str:
    around = documents[int(data.share(f"around {text}") * len(documents))].text
    middle = len(around) // 2
    return f"{around[max(middle - 60, 0) : middle]}\n{text}\n{around[middle : middle + 60]}"


def main() -> None:
    """Train, calibrate, write."""
    parser = argparse.ArgumentParser(description="Train the guard's linear models.")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--only-out-of-domain", action="store_true", help="leave the weights; measure again what is found out of domain")
    arguments = parser.parse_args()
    if arguments.only_out_of_domain:
        arguments.out.write_bytes(_with_out_of_domain(arguments.out.read_bytes(), out_of_domain()))
        return
    items = examples()
    names = ("direct", "indirect", "abuse_ko", "abuse_en")
    models, weights, scales, biases, cross = built(items, names)
    header = {
        "version": 1,
        "models": calibrated(models, items, cross),
        "features": {"n_grams": list(SIZES), "buckets_bits": BUCKETS_BITS, "view": "folded"},
        "training": {
            "seed": SEED,
            "penalties": PENALTIES,
            "steps_max": STEPS_MAX,
            "made_sentences": MADE_COUNT,
            "families": _counts(items),
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        "data": {name: {"sha256": digest, "licence": data.LICENCES[name]} for name, digest in data.digests().items()},
        "held_out_families": list(data.HELD_OUT_FAMILIES),
        "out_of_domain": _kept(arguments.out),
        "weights_sha256": hashlib.sha256(weights.tobytes()).hexdigest(),
    }
    written = dump(weights, scales, biases, header)
    arguments.out.write_bytes(written)
    print(f"{arguments.out}: {len(written):,} bytes, sha256 {hashlib.sha256(written).hexdigest()}")


def _with_out_of_domain(written: bytes, figures: dict[str, dict[str, int]]) -> bytes:
    with np.load(BytesIO(written), allow_pickle=False) as arrays:
        header = {**json.loads(bytes(arrays["header"]).decode()), "out_of_domain": figures}
        return dump(arrays["weights"], arrays["scales"].tolist(), arrays["biases"].tolist(), header)


def _kept(file: Path) -> dict[str, Any]:
    """The figures out of domain of the file that is replaced."""
    return dict(LinearModels.load(file.read_bytes()).header.get("out_of_domain", {})) if file.is_file() else {}


def _counts(items: Iterable[Example]) -> dict[str, int]:
    found: dict[str, int] = {}
    for item in items:
        found[item.family] = found.get(item.family, 0) + 1
    return dict(sorted(found.items()))


if __name__ == "__main__":
    main()
