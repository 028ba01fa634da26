"""Which class each token has, from what each class scores for it and from its neighbours' classes.

Every token takes its best class; then, so many times over, each looks at the classes beside it and takes the one that is best among them (iterated
conditional modes, Besag 1986). So a token's class depends on its `SWEEPS` neighbours to each side and on nothing further away, which a search for
the best sequence of all cannot promise.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

SWEEPS: Final = 2
"""How often tokens look at their neighbours."""


def best_classes(scores: NDArray[np.int16], tokens: NDArray[np.int64], count: int, links: NDArray[np.int16]) -> NDArray[np.int64]:
    """The class of each token that is looked at; the others have class 0, "nothing".

    Args:
        scores: of shape (looked at, columns), the first column for "nothing".
        tokens: which token of the text each row is, ascending.
        count: how many tokens the text has.
        links: what a class (last axis) scores behind another one, and before another one: shape (2, columns, columns).
    """
    classes: NDArray[np.int64] = scores.argmax(axis=1)
    behind, before = links
    around = np.zeros(count + 2, np.int64)
    middle, right = tokens + 1, tokens + 2
    for _ in range(SWEEPS):
        around[middle] = classes
        totals = behind.take(around.take(tokens), axis=0)
        totals += before.take(around.take(right), axis=0)
        totals += scores
        classes = totals.argmax(axis=1)
    return classes


def joined(tokens: list[int], classes: list[int]) -> list[tuple[int, int]]:
    """Neighbouring tokens of one class, as half-open ranges of these lists, of tokens that are something."""
    begins = [
        place
        for place, (token, kind) in enumerate(zip(tokens, classes, strict=True))
        if not place or token != tokens[place - 1] + 1 or kind != classes[place - 1]
    ]
    return list(zip(begins, [*begins[1:], len(tokens)], strict=False))
