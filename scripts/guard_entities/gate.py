"""Training the gate: it learns from what the tagger finds when it looks at everything, so that it lets just that through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ondol.infrastructure.guard.tagging.gate import GATE_BITS, GATES, REACHES, WEIGHT_MAX, gate_places, gate_scores, packed_gate
from ondol.infrastructure.guard.tagging.model import Entity
from ondol.infrastructure.guard.tagging.tokens import MARGIN, Tokens

CONFIDENCE_MIN = 0.25
"""What the tagger is less sure of need not get through."""
CUT_SHARE = 0.016
"""So much of what the tagger finds may get lost."""
BATCH = 512
EPOCHS = 2
RATE = 0.15
POSITIVE_WEIGHT = 2.0

Found = tuple[Tokens, list[Entity]]
"""A text's tokens, and what the tagger found in it without a gate."""


def fit_gate(found: Sequence[Found], seed: int) -> NDArray[np.int8]:
    """Logistic regression for whether a token is part of what was found, by AdaGrad (Duchi 2011), in bytes: shape (GATES * 2**GATE_BITS, REACHES)."""
    size = GATES << GATE_BITS
    places, truth = [], []
    for tokens, entities in found:
        if len(tokens):
            places.append(_reached(gate_places(tokens), size))
            truth.append(_inside(tokens, entities))
    rows, wanted = np.concatenate(places, axis=1), np.concatenate(truth).astype(np.float32)
    weights, squares = np.zeros(size * len(REACHES) + 1, np.float32), np.full(size * len(REACHES) + 1, 0.01, np.float32)
    rng = np.random.default_rng(seed)
    for _ in range(EPOCHS):
        for batch in np.array_split(rng.permutation(len(wanted)), max(1, len(wanted) // BATCH)):
            held = rows[:, batch]
            error = 1 / (1 + np.exp(-np.clip(weights[held].sum(axis=0), -30, 30))) - wanted[batch]
            error *= np.where(wanted[batch] > 0, np.float32(POSITIVE_WEIGHT), np.float32(1))
            flat = held.ravel()
            order = np.argsort(flat, kind="stable")
            ordered = flat[order]
            begins = np.append(0, (ordered[1:] != ordered[:-1]).nonzero()[0] + 1)
            slope = np.add.reduceat(error[order % len(batch)], begins)
            touched = ordered[begins]
            squares[touched] += slope**2
            weights[touched] -= RATE * slope / np.sqrt(squares[touched])
            weights[-1] = 0
    own = weights[:-1]
    scale = max(1e-6, float(np.quantile(np.abs(own[own != 0]), 0.999))) / WEIGHT_MAX
    return np.clip(np.round(own / scale), -WEIGHT_MAX, WEIGHT_MAX).astype(np.int8).reshape(size, len(REACHES))


def gate_cut(gate: NDArray[np.int8], found: Sequence[Found]) -> dict[str, Any]:
    """The threshold at which all but a small share of what was found gets through whole, and the share of other tokens that gets through too."""
    table, least, others = packed_gate(gate), [], []
    for tokens, entities in found:
        if len(tokens):
            scores, inside = gate_scores(table, tokens), _inside(tokens, entities)
            least += [int(scores[_places(tokens, entity)].min()) for entity in entities if entity.confidence >= CONFIDENCE_MIN]
            others += scores[~inside].tolist()
    threshold = int(np.quantile(least, CUT_SHARE)) if least else 0
    return {"gate_threshold": threshold, "gate_passes_others": round(float((np.array(others) >= threshold).mean()), 4)}


def _reached(places: NDArray[np.uint32], size: int) -> NDArray[np.int32]:
    """Where the weights of each token stand that its neighbours and itself point to; the last place of all for neighbours that are none."""
    count = places.shape[1]
    rows = np.full((GATES, len(REACHES), count), size * len(REACHES), np.int64)
    for column, reach in enumerate(REACHES):
        begin, end = max(0, -reach), min(count, count - reach)
        rows[:, column, begin:end] = places[:, begin + reach : end + reach] * len(REACHES) + column
    return rows.reshape(-1, count).astype(np.int32)


def _inside(tokens: Tokens, entities: Sequence[Entity]) -> NDArray[np.bool_]:
    inside = np.zeros(len(tokens), np.bool_)
    for entity in entities:
        if entity.confidence >= CONFIDENCE_MIN:
            inside[_places(tokens, entity)] = True
    return inside


def _places(tokens: Tokens, entity: Entity) -> slice:
    """The tokens that an entity lies in."""
    starts, ends = tokens.starts[MARGIN:-MARGIN], tokens.ends[MARGIN:-MARGIN]
    return slice(int(ends.searchsorted(entity.start, "right")), int(starts.searchsorted(entity.end, "left")))
