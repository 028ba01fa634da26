"""The tagger: a linear-chain model over hashed features, run only where a cheaper look says that something may be.

Three steps. A gate, one signed byte for each of a few features of a token, drops tokens that are surely nothing; what is left and two tokens
around it are scored for every tag (a maximum entropy model, Berger 1996); where something may be, the best sequence of tags is searched, in which
one tag following another counts too (Viterbi 1967). Trained by ``scripts/train_guard_entities.py``.
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
from ondol.infrastructure.guard.tagging.endings import Endings
from ondol.infrastructure.guard.tagging.features import FEATURES, ROW_BITS, gate_rows, rows
from ondol.infrastructure.guard.tagging.tokens import CHARACTERS_MAX, HANGUL, WORD, Tokens, tokenise

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
STRETCH_MAX: Final = 64
"""Longer stretches are cut: no entity has more tokens."""

ENTITY_CHARACTERS_MAX: Final = 200
"""Longer spans are dropped."""

_BREAK_SEARCH: Final = 256
"""A long text is cut at white space at most so far before the limit of a piece."""

_NO_ENDS: Final = " \n\r\t,-:;/(["
"""No entity ends with one of these."""

_ONE_SMALL_LETTER: Final = WORD * 64 + 1
NEAR: Final = 2
"""So many tokens to each side of one that the gate lets through are looked at too."""

_AROUND: Final = np.arange(-NEAR, NEAR + 1)[:, None]
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
        if arrays["weights"].shape != (1 << ROW_BITS, TAGS) or arrays["transitions"].shape != (TAGS + 1, TAGS) or header.get("features") != FEATURES:
            raise TaggerUnreadable("The entity tagger's weights do not have the shapes that this version reads: train them again.")
        if header.get("digest") != digest(arrays):
            raise TaggerUnreadable("The entity tagger's weights are not those that their header describes.")
        self.header = header
        self._weights = arrays["weights"].astype(np.int16)
        self._gate = arrays["gate"].astype(np.int16)
        self._transitions = arrays["transitions"].astype(np.int32)
        self._listed = arrays["listed"]
        self._endings = Endings(frozenset(header["remainders"]), tuple(arrays["endings"].tolist()))
        self._gate_threshold = int(header["gate_threshold"])
        self._sure = int(header["sure_lead"])
        self._likely = int(header["likely_lead"])
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

    def entities(self, text: str) -> list[Entity]:
        """The entities of a text, by where they begin. Linear in the text's length."""
        if len(text) <= CHARACTERS_MAX:
            return list(self._piece(text, 0))
        found: list[Entity] = []
        start = 0
        while start < len(text):
            end = _piece_end(text, start)
            found += self._piece(text[start:end], start)
            start = end
        return found

    def _piece(self, text: str, offset: int) -> Iterator[Entity]:
        tokens = tokenise(text)
        chosen = self._near_live(tokens)
        if not len(chosen):
            return
        scores = self._weights.take(rows(tokens, chosen, self._listed), axis=0).sum(axis=0, dtype=np.int16)
        stretches = self._stretches(chosen, scores)
        if not stretches:
            return
        tags = np.zeros(len(chosen), np.int64)
        for (start, end), best in zip(stretches, best_tags(scores, stretches, self._transitions), strict=True):
            tags[start:end] = best
        spans = tag_spans(tags, chosen)
        if not len(spans):
            return
        leads = scores[np.arange(len(tags)), tags] - scores[:, 0]
        totals = np.append(0, np.cumsum(leads, dtype=np.int64))
        lows = np.minimum.reduceat(np.append(leads, 0), spans[:, :2].ravel())[::2].tolist()
        sums = (totals[spans[:, 1]] - totals[spans[:, 0]]).tolist()
        starts, ends = tokens.starts[chosen[spans[:, 0]]].tolist(), tokens.ends[chosen[spans[:, 1] - 1]].tolist()
        lasts = chosen[spans[:, 1] - 1]
        hangul, runs = (tokens.kinds[lasts] == HANGUL).tolist(), tokens.starts[lasts].tolist()
        for index, (begin, end, label) in enumerate(spans.tolist()):
            start, stop = starts[index], ends[index]
            if hangul[index]:
                run = runs[index]
                stop = run + self._endings.split(LABELS[label], text[run:stop], begin == end - 1)
            if LABELS[label] == "ADDRESS":
                while stop < len(text) and text[stop].isdigit() and stop - start < ENTITY_CHARACTERS_MAX:
                    stop += 1
            while stop > start + 1 and text[stop - 1] in _NO_ENDS:
                stop -= 1
            if stop - start <= ENTITY_CHARACTERS_MAX:
                yield Entity(LABELS[label], offset + start, offset + stop, self.confidence(label, sums[index] / (end - begin), lows[index]))

    def _near_live(self, tokens: Tokens) -> NDArray[np.int64]:
        """The tokens that the gate lets through, and `NEAR` around each."""
        kinds = tokens.kinds
        asked: NDArray[np.int64] = ((kinds >= WORD) & (kinds <= HANGUL) & (tokens.shapes != _ONE_SMALL_LETTER)).nonzero()[0]
        if not len(asked):
            return asked
        live: NDArray[np.int64] = asked[self._gate.take(gate_rows(tokens, asked)).sum(axis=0) >= self._gate_threshold]
        if not len(live):
            return live
        near = np.zeros(len(tokens) + 2 * NEAR, np.bool_)
        near[live + NEAR + _AROUND] = True
        found: NDArray[np.int64] = near[NEAR:-NEAR].nonzero()[0]
        return found

    def _stretches(self, chosen: NDArray[np.int64], scores: NDArray[np.int16]) -> list[tuple[int, int]]:
        """Runs of neighbouring tokens that may be something, each with one that rather is: half-open, as indices into `chosen`."""
        leads = scores[:, 1:].max(axis=1) - scores[:, 0]
        kept = (leads > -self._sure).nonzero()[0]
        if not len(kept):
            return []
        ends = np.append(((chosen[kept[1:]] - chosen[kept[:-1]] != 1) | (kept[1:] % STRETCH_MAX == 0)).nonzero()[0] + 1, len(kept))
        begins = np.append(0, ends[:-1])
        likely = np.maximum.reduceat(leads[kept], begins) >= -self._likely
        return list(zip(kept[begins[likely]].tolist(), (kept[ends[likely] - 1] + 1).tolist(), strict=True))

    def confidence(self, label: int, mean: float, low: int) -> float:
        """The probability that a span is right, by its tags' lead over none, on average and at least: logistic, calibrated on held-out sentences."""
        by_mean, by_low, bias, *own = self._calibration
        value = by_mean * mean + by_low * low + bias + own[label]
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, value))))


def tag_spans(tags: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """Begin, end and label (index into `LABELS`) of each entity that a sequence of tags names: shape (entities, 3).

    Args:
        tags: of each token.
        places: which token of the text each is; an entity does not go on over a gap.
    """
    labels = (tags + 1) >> 1
    changes = np.ones(len(tags) + 1, np.bool_)
    changes[1:-1] = (labels[1:] != labels[:-1]) | (tags[1:] & 1 == 1) | (places[1:] - places[:-1] != 1)
    edges = changes.nonzero()[0]
    begins, ends = edges[:-1], edges[1:]
    named = (tags[begins] > 0).nonzero()[0]
    return np.stack((begins[named], ends[named], labels[begins[named]] - 1), axis=1)


def best_tags(scores: NDArray[np.int16], stretches: list[tuple[int, int]], transitions: NDArray[np.int32]) -> Iterator[list[int]]:
    """The best sequence of tags of each stretch, all of them searched side by side.

    Args:
        scores: of each token for each tag.
        stretches: half-open ranges of tokens.
        transitions: score of a tag (column) after another (row); the last row is the beginning.
    """
    if not stretches:
        return
    lengths = np.array([end - start for start, end in stretches])
    order = np.argsort(-lengths, kind="stable")
    firsts, lengths = np.array([start for start, _ in stretches])[order], lengths[order]
    state = transitions[TAGS] + scores[firsts]
    back = np.zeros((int(lengths[0]), len(stretches), TAGS), np.int64)
    between = transitions[:TAGS].T
    ending = state.copy()
    for step in range(1, int(lengths[0])):
        active = int((lengths > step).sum())
        paths = state[:active, None, :] + between
        back[step, :active] = paths.argmax(axis=2)
        state = paths.max(axis=2) + scores[firsts[:active] + step]
        ending[:active] = state
    results: list[list[int]] = [[] for _ in stretches]
    for row, place in enumerate(order.tolist()):
        tag = int(ending[row].argmax())
        tags = [tag]
        for step in range(int(lengths[row]) - 1, 0, -1):
            tag = int(back[step, row, tag])
            tags.append(tag)
        results[place] = tags[::-1]
    yield from results


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
