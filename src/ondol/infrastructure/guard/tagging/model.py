"""The tagger: a linear-chain model over hashed features, run only where a cheaper look says that something may be.

Three steps. A gate drops tokens that are surely nothing (`gate`); what is left is scored for every tag by a maximum entropy model (Berger 1996;
`features`, `scores`); where something may be, the best sequence of tags is searched, in which one tag following another counts too (Viterbi 1967;
`paths`). Trained by ``scripts/train_guard_entities.py``.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ondol.core.errors import OndolError
from ondol.infrastructure.guard.tagging.endings import Endings, numbered
from ondol.infrastructure.guard.tagging.features import FEATURES, ROW_BITS, rows
from ondol.infrastructure.guard.tagging.gate import GATE_BITS, GATES, REACHES, gate_scores, packed_gate
from ondol.infrastructure.guard.tagging.paths import best_paths, options, spans
from ondol.infrastructure.guard.tagging.scores import COLUMNS, packed_weights, tag_scores
from ondol.infrastructure.guard.tagging.tokens import CHARACTERS_MAX, HANGUL, MARGIN, tokenise

LABELS: Final = (
    "PERSON",
    "ADDRESS",
    "ORGANISATION",
    "LOCATION",
    "TITLE",
    "POSITION",
    "EDUCATION",
    "MAJOR",
    "NATIONALITY",
    "AGE",
    "DATE_TIME",
    "POSTAL_CODE",
)
"""What is tagged. The tags are O and, for each label in this order, its beginning (odd numbers) and its inside (even numbers)."""

TAGS: Final = 1 + 2 * len(LABELS)
ENTITY_CHARACTERS_MAX: Final = 200
"""Longer spans are dropped."""

_BREAK_SEARCH: Final = 256
"""A long text is cut at white space at most so far before the limit of a piece."""

SURNAMES: Final = frozenset(
    "김이박최정강조윤장임한오서신권황안송전홍유고문양손배백허남심노하곽성차주우구민류나진지엄채원천방공현함변염여추도소석선설마길연위표명기반라왕금옥육인맹제"
)
"""A person is a single character only where that is one of Korea's common surnames (김 씨): 날씨 is the weather."""

_PERSON: Final = LABELS.index("PERSON")
_NO_ENDS: Final = " \n\r\t,-:;/(["
"""No entity ends with one of these."""

_NEVER: Final = -20_000
"""The score of a tag that cannot stand first: lower than any sum of weights makes up for."""

_ARRAYS: Final = ("weights", "gate", "transitions", "listed", "endings")


class TaggerUnreadable(OndolError):
    """A file of weights is not one that this version can use."""


@dataclass(frozen=True, slots=True)
class Entity:
    """A span of a text and what it is: half-open, in characters; confidence is a calibrated probability."""

    label: str
    start: int
    end: int
    confidence: float


class Tagger:
    """Finds entities. Immutable, safe to share between threads."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]], header: Mapping[str, Any]) -> None:
        """Take the arrays as the training script made them.

        Raises:
            TaggerUnreadable: when shapes and header do not fit together, or the arrays are not those that the header's digest names.
        """
        shapes = {"weights": (1 << ROW_BITS, TAGS), "transitions": (TAGS + 1, TAGS), "gate": (GATES << GATE_BITS, len(REACHES))}
        if any(arrays[name].shape != shape for name, shape in shapes.items()) or header.get("features") != FEATURES:
            raise TaggerUnreadable("The entity tagger's weights do not have the shapes that this version reads: train them again.")
        if header.get("digest") != digest(arrays):
            raise TaggerUnreadable("The entity tagger's weights are not those that their header describes.")
        self.header = header
        self._weights = packed_weights(arrays["weights"])
        self._gate = packed_gate(arrays["gate"])
        self._columns = tuple(tuple(column) for column in arrays["transitions"].T.tolist())
        self._begin = np.full(COLUMNS, _NEVER, np.int16)
        self._begin[:TAGS] = np.maximum(arrays["transitions"][TAGS], _NEVER)
        self._listed = arrays["listed"]
        self._endings = Endings(numbered(header["remainders"]), tuple(arrays["endings"].tolist()))
        self._gate_threshold = int(header["gate_threshold"])
        self._sure = int(header["sure_lead"])
        self._margin = int(header["margin"])
        self._calibration = tuple(float(value) for value in header["calibration"])

    @classmethod
    def load(cls, data: bytes) -> Tagger:
        """Read what `dump` wrote.

        Raises:
            TaggerUnreadable: for anything else.
        """
        try:
            with np.load(BytesIO(data), allow_pickle=False) as stored:
                return cls({name: stored[name] for name in _ARRAYS}, json.loads(bytes(stored["header"]).decode()))
        except (ValueError, KeyError, OSError, EOFError, UnicodeDecodeError) as error:
            raise TaggerUnreadable(f"Not a file of an entity tagger: {error}") from error

    def entities(self, text: str, confidence_min: float = 0.0) -> list[Entity]:
        """The entities of a text that are so sure at least, by where they begin. Linear in the text's length."""
        if len(text) <= CHARACTERS_MAX:
            return list(self._piece(text, 0, confidence_min))
        found: list[Entity] = []
        start = 0
        while start < len(text):
            end = _piece_end(text, start)
            found += self._piece(text[start:end], start, confidence_min)
            start = end
        return found

    def _piece(self, text: str, offset: int, confidence_min: float) -> Iterator[Entity]:
        tokens = tokenise(text)
        chosen = (gate_scores(self._gate, tokens) >= self._gate_threshold).nonzero()[0]
        if not len(chosen):
            return
        scores = tag_scores(self._weights, rows(tokens, chosen, self._listed))
        found: list[tuple[int, int, int, float]] = []
        for run, tags, leads in best_paths(options(scores, chosen, self._begin, self._sure, self._margin), self._columns):
            for begin, end, label in spans(tags):
                own = leads[begin:end]
                confidence = self.confidence(label, sum(own) / (end - begin), min(own))
                if confidence >= confidence_min:
                    found.append((run + begin, run + end - 1, label, confidence))
        if not found:
            return
        found.sort()
        starts, ends, shapes = tokens.starts.item, tokens.ends.item, tokens.shapes.item
        for first, last, label, confidence in found:
            start, stop = starts(MARGIN + first), ends(MARGIN + last)
            if shapes(MARGIN + last) >> 6 == HANGUL:
                run = starts(MARGIN + last)
                stop = run + self._endings.split(label, text[run:stop], first == last)
            stop = _trimmed(text, start, stop, LABELS[label])
            if stop - start <= ENTITY_CHARACTERS_MAX and not (label == _PERSON and stop - start == 1 and text[start] not in SURNAMES):
                yield Entity(LABELS[label], offset + start, offset + stop, confidence)

    def confidence(self, label: int, mean: float, low: int) -> float:
        """The probability that a span is right, by its tags' lead over none, on average and at least: logistic, calibrated on held-out sentences."""
        by_mean, by_low, bias = self._calibration[:3]
        value = by_mean * mean + by_low * low + bias + self._calibration[3 + label]
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, value))))


def _trimmed(text: str, start: int, stop: int, label: str) -> int:
    """Where a span ends that ends with no sign that nothing ends with; an address goes on to the end of its number."""
    if label == "ADDRESS":
        while stop < len(text) and text[stop].isdigit() and stop - start < ENTITY_CHARACTERS_MAX:
            stop += 1
    while stop > start + 1 and text[stop - 1] in _NO_ENDS:
        stop -= 1
    return stop


def _piece_end(text: str, start: int) -> int:
    """Where a piece of a long text ends: at a line's end if there is one near, else at white space, else at the limit."""
    limit = start + CHARACTERS_MAX
    if limit >= len(text):
        return len(text)
    for sign in ("\n", " "):
        at = text.rfind(sign, limit - _BREAK_SEARCH, limit)
        if at > start:
            return at + 1
    return limit


def digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    """SHA-256 over the arrays' bytes, in a fixed order."""
    total = hashlib.sha256()
    for name in _ARRAYS:
        total.update(np.ascontiguousarray(arrays[name]).tobytes())
    return total.hexdigest()


def dump(arrays: Mapping[str, NDArray[Any]], header: Mapping[str, Any]) -> bytes:
    """A file of a tagger: an npz whose ``header`` is canonical JSON. The same contents give the same bytes."""
    import zipfile

    text = json.dumps({**header, "digest": digest(arrays)}, ensure_ascii=False, sort_keys=True)
    parts = {**{name: arrays[name] for name in _ARRAYS}, "header": np.frombuffer(text.encode(), np.uint8)}
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, array in parts.items():
            part = BytesIO()
            np.lib.format.write_array(part, np.ascontiguousarray(array), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0)), part.getvalue(), zipfile.ZIP_DEFLATED, 9)
    return out.getvalue()


@cache
def load_tagger() -> Tagger:
    """The tagger that comes with the guard, read once."""
    return Tagger.load((files("ondol.infrastructure.guard.models") / "entities.npz").read_bytes())
