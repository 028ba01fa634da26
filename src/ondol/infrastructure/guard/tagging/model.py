"""The tagger: a maximum entropy model over hashed features, run only where a cheaper look says that something may be.

Three steps. A gate drops tokens that are surely nothing (`gate`); what is left is scored for every class by a maximum entropy model (Berger 1996;
`features`, `scores`); then neighbours settle on classes that go with one another (`classes`). Trained by ``scripts/train_guard_entities.py``.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ondol.core.errors import OndolError
from ondol.infrastructure.guard.tagging.classes import best_classes, joined
from ondol.infrastructure.guard.tagging.endings import ENDINGS, Endings, numbered
from ondol.infrastructure.guard.tagging.features import FEATURES, LISTED_BITS, ROW_BITS, rows
from ondol.infrastructure.guard.tagging.gate import GATE_BITS, GATES, REACHES, gate_scores, packed_gate
from ondol.infrastructure.guard.tagging.scores import COLUMNS, class_scores, packed_weights
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
"""What is tagged."""

KOREAN: Final = ("PERSON", "LOCATION", "ORGANISATION")
"""These have a class of their own where they hold Hangul: a Korean name is one run with its particle, an English one is several words."""

CLASSES: Final = ("", *LABELS, *KOREAN)
"""The label of each class; class 0 is "nothing". Neighbours of one class are one entity."""

ENTITY_CHARACTERS_MAX: Final = 128
"""Longer spans are dropped."""

OPEN_TOKENS: Final = 2 * MARGIN + 1
"""So many of the last tokens may be classed otherwise when a text goes on: the last one may grow; those before it look at four to each side."""

_BREAK_SEARCH: Final = 256
"""A long text is cut at white space at most so far before the limit of a piece."""

SURNAMES: Final = frozenset(
    "김이박최정강조윤장임한오서신권황안송전홍유고문양손배백허남심노하곽성차주우구민류나진지엄채원천방공현함변염여추도소석선설마길연위표명기반라왕금옥육인맹제"
)
"""A person is a single character only where that is one of Korea's common surnames (김 씨): 날씨 is the weather."""

_LABEL_NUMBERS: Final = (-1, *(LABELS.index(label) for label in CLASSES[1:]))
_PERSON: Final = LABELS.index("PERSON")
_ADDRESS: Final = LABELS.index("ADDRESS")
_NO_ENDS: Final = " \n\r\t,-:;/(["
"""No entity ends with one of these."""

_ARRAYS: Final = ("weights", "gate", "links", "bias", "listed", "endings")


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
        kinds = len(CLASSES)
        shapes = {"weights": (1 << ROW_BITS, kinds), "links": (2, kinds, kinds), "bias": (kinds,), "listed": (1 << LISTED_BITS,)}
        shapes |= {"gate": (GATES << GATE_BITS, len(REACHES)), "endings": (ENDINGS,)}
        if any(arrays[name].shape != shape for name, shape in shapes.items()) or header.get("features") != FEATURES:
            raise TaggerUnreadable("The entity tagger's weights do not have the shapes that this version reads: train them again.")
        if header.get("digest") != digest(arrays):
            raise TaggerUnreadable("The entity tagger's weights are not those that their header describes.")
        self.header = header
        self._weights = packed_weights(arrays["weights"])
        self._gate = packed_gate(arrays["gate"])
        self._links = arrays["links"]
        self._bias = arrays["bias"]
        self._listed = arrays["listed"]
        self._endings = Endings(numbered(header["remainders"]), tuple(arrays["endings"].tolist()))
        self._gate_threshold = int(header["gate_threshold"])
        self._slope, *self._biases = (float(value) for value in header["calibration"])

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
        return self.read(text, confidence_min)[0]

    def read(self, text: str, confidence_min: float = 0.0) -> tuple[list[Entity], int]:
        """The same, and from where on, in characters, entities may still come about or change if the text goes on."""
        if len(text) <= CHARACTERS_MAX:
            return self._piece(text, 0, confidence_min)
        found: list[Entity] = []
        start = open_from = 0
        while start < len(text):
            end = _piece_end(text, start)
            entities, open_from = self._piece(text[start:end], start, confidence_min)
            found += entities
            start = end
        return found, open_from

    def _piece(self, text: str, offset: int, confidence_min: float) -> tuple[list[Entity], int]:
        tokens = tokenise(text)
        first_open = len(tokens) - OPEN_TOKENS
        open_from = offset + tokens.starts.item(MARGIN + first_open) if first_open > 0 else offset
        chosen = (gate_scores(self._gate, tokens) >= self._gate_threshold).nonzero()[0]
        if not len(chosen):
            return [], open_from
        scores = class_scores(self._weights, rows(tokens, chosen, self._listed), self._bias)
        classes = best_classes(scores, chosen, len(tokens), self._links)
        some = classes.nonzero()[0]
        if not len(some):
            return [], open_from
        kinds = classes.take(some)
        leads = (scores.ravel().take(some * COLUMNS + kinds) - scores[:, 0].take(some)).tolist()
        places = chosen.take(some)
        near = places + MARGIN
        starts, ends, last_kinds = tokens.starts.take(near).tolist(), tokens.ends.take(near).tolist(), (tokens.shapes.take(near) >> 6).tolist()
        numbers, names = places.tolist(), kinds.tolist()
        found: list[Entity] = []
        for begin, end in joined(numbers, names):
            if numbers[end - 1] >= first_open - 1:
                open_from = min(open_from, offset + starts[begin])
            kind = names[begin]
            confidence = self.confidence(kind, sum(leads[begin:end]) / (end - begin))
            if confidence < confidence_min:
                continue
            label = _LABEL_NUMBERS[kind]
            start, run, stop = starts[begin], starts[end - 1], ends[end - 1]
            if last_kinds[end - 1] == HANGUL:
                stop = run + self._endings.split(label, text[run:stop], end - begin == 1)
            stop = _trimmed(text, start, stop, label)
            if stop - start <= ENTITY_CHARACTERS_MAX and not (label == _PERSON and stop - start == 1 and text[start] not in SURNAMES):
                found.append(Entity(LABELS[label], offset + start, offset + stop, confidence))
        return found, open_from

    def confidence(self, kind: int, lead: float) -> float:
        """The probability that a span is right, by its class's lead over none, averaged over its tokens: logistic, calibrated on held-out texts."""
        return 1 / (1 + math.exp(-self._slope * lead - self._biases[kind - 1]))


def _trimmed(text: str, start: int, stop: int, label: int) -> int:
    """Where a span ends that ends with no sign that nothing ends with; an address goes on to the end of its number."""
    if label == _ADDRESS:
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
