"""Linear classifiers over hashed character n-grams, several of them on one pass over a text.

A text is cut into overlapping windows of two sizes. A window's features are its character n-grams, each hashed to a bucket by a multilinear hash
of its code points (Carter and Wegman 1979), counted, and divided by the root of their number. A model is one signed byte for each bucket, a scale and
a bias; the score of a text is that of its highest window, so that an attack hidden in a long document is seen, and where. The work is linear in the
length of the text: the sums of all windows come from one running sum.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from io import BytesIO
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ondol.core.errors import OndolError
from ondol.infrastructure.guard.text import GuardText

SIZES = (2, 3, 4, 5)
"""Lengths of the n-grams, in characters."""
BUCKETS_BITS = 18
MODELS_MAX = 4
"""One bucket's weights for all models are one 32-bit word, so that looking it up is one step."""
WINDOWS = ((128, 64), (512, 256))
"""Sizes of the windows and how far apart they begin, in characters. A text that is not longer than a window is one window."""
LIMITS_KEPT_MAX, LIMITS_CHARACTERS_MAX = 1_024, 4_096
"""For so many lengths of texts, each up to so many characters, the sums that matter are kept: about a megabyte."""
CONFIDENCE_STEEPNESS = 1.5
"""How fast confidence leaves one half on either side of a model's threshold, for each unit of its score (log odds)."""

_KEYS = np.array([0x9E3779B1, 0x85EBCA6B, 0xC2B2AE35, 0x27D4EB2F, 0x165667B1], np.uint32)[:, None]
_SEEDS = np.array([0x2545F491, 0x6C8E9CF5, 0xB5297A4D, 0x1B56C4E9], np.uint32)
_STEPS = np.diff(_SEEDS, prepend=np.zeros(2, np.uint32))[:, None]
"""From one length's seed to the next; a hash adds up one of them for each of its characters. The first has none."""
_SHIFT = np.uint32(32 - BUCKETS_BITS)
_WIDTH = max(SIZES)
_EDGE = " ".encode("utf-32-le")
_BEYOND = b"\x80" * _WIDTH

SUMMED_CHARACTERS_MAX = 256
"""Up to so many characters the windows' sums are one small product of matrices; those of a longer text come from a running sum."""


class ModelUnreadable(OndolError):
    """A file of weights is not one that this version can use."""


@dataclass(frozen=True, slots=True)
class Score:
    """What one model says of a text.

    Attributes:
        value: log odds of the highest window.
        confidence: between 0 and 1; one half is the model's threshold.
        start, end: that window, in characters of the text that was scored.
    """

    value: float
    confidence: float
    start: int
    end: int


def buckets(text: str) -> NDArray[np.uint32]:
    """The bucket of each n-gram: a row for each of `SIZES`, a column for each place in the text and the edge before it.

    Columns where a longer n-gram would run over the end hold what hashing zeros gives; `window_counts` leaves them out of the count, and their weight
    is part of what a model learns of endings.
    """
    length = len(text) + 2
    products = _ascii_products().take(np.frombuffer(b" %b %b" % (text.encode(), _BEYOND), np.uint8), axis=1) if text.isascii() else _products(text)
    hashes = np.empty((_WIDTH, length), np.uint32)
    running = products[0, :length]
    for offset in range(1, _WIDTH):
        running = np.add(running, products[offset, offset : offset + length], out=hashes[offset])
    rows = hashes[1:]
    rows >>= _SHIFT
    return rows


def _products(text: str) -> NDArray[np.uint32]:
    """What each character adds to the hash at each place of an n-gram, the seeds added in: [places, characters with edges and what is beyond]."""
    codes = np.frombuffer(b"".join((_EDGE, text.encode("utf-32-le", "surrogatepass"), _EDGE, bytes(4 * _WIDTH))), np.uint32)
    if not text.isprintable():  # control characters count as spaces; every one of them is not printable
        codes = codes.copy()
        np.maximum(codes[:-_WIDTH], 32, out=codes[:-_WIDTH])
    products = codes * _KEYS
    products += _STEPS
    return products


@lru_cache(maxsize=1)
def _ascii_products() -> NDArray[np.uint32]:
    """The same for each ASCII character, and one more for what is beyond."""
    codes = np.maximum(np.arange(0x81, dtype=np.uint32), 32)
    codes[-1] = 0
    return codes * _KEYS + _STEPS


@lru_cache(maxsize=256)
def windows(length: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where the windows of a text of so many characters begin and end."""
    starts: list[int] = []
    ends: list[int] = []
    for size, step in WINDOWS:
        begins = list(range(0, max(length - size, 0) + 1, step))
        if length > size and begins[-1] + size < length:
            begins.append(length - size)
        starts += begins
        ends += [min(begin + size, length) for begin in begins]
        if length <= size:
            break
    return np.array(starts, np.intp), np.array(ends, np.intp)


@lru_cache(maxsize=SUMMED_CHARACTERS_MAX + 2)
def _membership(length: int) -> NDArray[np.float32]:
    """Which of a text's n-grams each window holds: [windows, sizes * length]."""
    places = np.arange(length)
    starts, ends = windows(length)
    held = ((places >= starts[:, None]) & (places < ends[:, None])).astype(np.float32)
    return np.tile(held, len(SIZES))


class LinearModels:
    """Models that share their features. Safe to share between threads.

    Attributes:
        names: of the models, by column.
        header: what the file says of itself: data with digests and licences, seed, thresholds and the measurements they were chosen by.
    """

    def __init__(self, weights: NDArray[np.int8], scales: Sequence[float], biases: Sequence[float], header: Mapping[str, Any]) -> None:
        """Weights are [2 ** BUCKETS_BITS, MODELS_MAX]; unused columns are zero. The header needs ``models``, each with ``name`` and ``threshold``.

        Raises:
            ModelUnreadable: when shapes or header do not fit together.
        """
        models = header.get("models")
        if weights.shape != (1 << BUCKETS_BITS, MODELS_MAX) or weights.dtype != np.int8:
            raise ModelUnreadable(f"weights are {weights.dtype} {weights.shape}, not int8 {(1 << BUCKETS_BITS, MODELS_MAX)}.")
        if not isinstance(models, list) or not len(models) == len(scales) == len(biases) <= MODELS_MAX:
            raise ModelUnreadable("the header does not describe as many models as there are scales.")
        self.header = header
        self.names = tuple(str(model["name"]) for model in models)
        self._words = np.ascontiguousarray(weights).view(np.uint32).ravel()
        self._scales = np.array(scales, np.float64)
        self._biases = np.array(biases, np.float64)
        self._thresholds = np.array([float(model["threshold"]) for model in models])
        self._limits: dict[int, NDArray[np.float32]] = {}

    @classmethod
    def load(cls, data: bytes) -> LinearModels:
        """Read what `dump` wrote.

        Raises:
            ModelUnreadable: for anything else.
        """
        try:
            with np.load(BytesIO(data), allow_pickle=False) as arrays:
                header = json.loads(bytes(arrays["header"]).decode())
                return cls(arrays["weights"], arrays["scales"].tolist(), arrays["biases"].tolist(), header)
        except (ValueError, KeyError, OSError, EOFError, BadZipFile) as error:
            raise ModelUnreadable(f"not a file of linear models: {error}") from error

    @classmethod
    def packaged(cls) -> LinearModels:
        """The models that come with the guard: read once, so that checks share them and their pass over a text."""
        return _packaged()

    def scores(self, text: str) -> dict[str, Score]:
        """What each model says of a text."""
        return self._judged(len(text), self._totals(text))

    def _totals(self, text: str) -> NDArray[Any]:
        """The sum of all weights of each window: [windows, models], whole numbers."""
        length = len(text) + 2
        signed = self._words.take(buckets(text)).view(np.int8).reshape(len(SIZES), length, MODELS_MAX)
        if length <= SUMMED_CHARACTERS_MAX:
            # Whole numbers below 2 ** 24 are exact in these, in whatever order they are added.
            summed: NDArray[Any] = _membership(length) @ signed.reshape(-1, MODELS_MAX).astype(np.float32)
            return summed
        starts, ends = windows(length)
        sums = np.zeros((length + 1, MODELS_MAX), np.int32)
        np.cumsum(signed.sum(axis=0, dtype=np.int16), axis=0, dtype=np.int32, out=sums[1:])
        return sums[ends] - sums[starts]

    def _judged(self, length: int, totals: NDArray[Any]) -> dict[str, Score]:
        """What totals say of a text of so many characters."""
        starts, ends = windows(length + 2)
        roots = np.sqrt((ends - starts) * float(len(SIZES)))
        values = totals[:, : len(self.names)].astype(np.float64) / roots[:, None]
        best = values.argmax(axis=0)
        answer: dict[str, Score] = {}
        for column, name in enumerate(self.names):
            at = int(best[column])
            value = float(values[at, column] * self._scales[column] + self._biases[column])
            answer[name] = Score(value, self._confidence(column, value), max(int(starts[at]) - 1, 0), min(int(ends[at]) - 1, length))
        return answer

    def false_alarm_rates(self, name: str) -> tuple[tuple[float, float], ...]:
        """Rates of false alarms of a model on its calibration texts, each with the confidence that gives it; at the model's threshold"
        " that is one half."""
        column = self.names.index(name)
        measured: Mapping[str, float] = self.header["models"][column].get("score_at_false_alarm_rate", {})
        return tuple((float(rate), self._confidence(column, score)) for rate, score in sorted(measured.items(), key=lambda item: float(item[0])))

    def _confidence(self, column: int, value: float) -> float:
        margin = CONFIDENCE_STEEPNESS * (value - float(self._thresholds[column]))
        return 1 / (1 + math.exp(-max(-40.0, min(40.0, margin))))

    def scores_of(self, text: GuardText) -> dict[str, Score]:
        """What each model says of a text's folded view. Checks that ask for the same text share one pass."""
        scored = self._scored(text)
        if scored.scores is None:
            scored.scores = self._judged(len(text.folded.text), scored.totals)
        return scored.scores

    def is_silent(self, text: GuardText, *names: str) -> bool:
        """Whether none of these models' confidence in a text's folded view reaches one half; `scores_of` says the same, at more cost."""
        heard = self._scored(text).heard
        return not (heard and any(heard[self.names.index(name)] for name in names))

    def _scored(self, text: GuardText) -> _Scored:
        scored = text.scored
        if not isinstance(scored, _Scored) or scored.models is not self:
            folded = text.folded.text
            totals = self._totals(folded)
            limits = self._limits.get(len(folded))
            if limits is None:
                limits = self._limits_of(len(folded))
            reached = totals >= limits
            heard: list[bool] | None = reached.max(axis=0).tolist() if b"\1" in reached.tobytes() else None
            scored = text.scored = _Scored(self, totals, heard)
        return scored

    def _limits_of(self, length: int) -> NDArray[np.float32]:
        """The sums from which a model may reach its threshold in each window: [windows, 4], whole numbers, too low so that rounding cannot matter."""
        starts, ends = windows(length + 2)
        limits = np.full((len(starts), MODELS_MAX), np.inf, np.float32)
        roots = np.sqrt((ends - starts) * float(len(SIZES)))
        for column, (threshold, bias, scale) in enumerate(zip(self._thresholds, self._biases, self._scales, strict=True)):
            limits[:, column] = np.floor((threshold - bias) / scale * roots) - 1 if scale > 0 else -np.inf
        if length <= LIMITS_CHARACTERS_MAX and len(self._limits) < LIMITS_KEPT_MAX:
            self._limits[length] = limits
        return limits


class _Scored:
    """What models said of one text: the windows' sums, whose sums may matter if anyone's do, and the scores once something asked for them."""

    __slots__ = ("heard", "models", "scores", "totals")

    def __init__(self, models: LinearModels, totals: NDArray[Any], heard: Sequence[bool] | None) -> None:
        self.models = models
        self.totals = totals
        self.heard = heard
        self.scores: dict[str, Score] | None = None


@lru_cache(maxsize=1)
def _packaged() -> LinearModels:
    return LinearModels.load((files("ondol.infrastructure.guard.models") / "linear.npz").read_bytes())


def dump(weights: NDArray[np.int8], scales: Sequence[float], biases: Sequence[float], header: Mapping[str, Any]) -> bytes:
    """A file of models: an npz whose ``header`` is canonical JSON. The same contents give the same bytes."""
    import zipfile

    arrays = {
        "header": np.frombuffer(json.dumps(header, ensure_ascii=False, sort_keys=True).encode(), np.uint8),
        "weights": weights,
        "scales": np.array(scales, np.float64),
        "biases": np.array(biases, np.float64),
    }
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in arrays.items():
            part = BytesIO()
            np.lib.format.write_array(part, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0)), part.getvalue(), zipfile.ZIP_DEFLATED, 9)
    return out.getvalue()
