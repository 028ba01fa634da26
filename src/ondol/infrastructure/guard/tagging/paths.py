"""The best sequence of tags for runs of tokens, over the few tags that are likely for each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ondol.infrastructure.guard.tagging.scores import COLUMNS

Columns = Sequence[Sequence[int]]
"""What a tag scores after another one: first by the tag, then by the one before it, of which the last is "the beginning"."""


@dataclass(frozen=True, slots=True)
class Options:
    """The tags that are considered, token by token.

    Attributes:
        alone: tokens without a neighbour that may be something too, each with its best tag (never "nothing") and that one's lead over "nothing".
        tokens: the others that may be something, ascending.
        counts: how many tags are considered for each of them.
        tags, leads: one after another, the tags and by how much each one leads "nothing".
    """

    alone: list[tuple[int, int, int]]
    tokens: list[int]
    counts: list[int]
    tags: list[int]
    leads: list[int]


def options(scores: NDArray[np.int16], tokens: NDArray[np.int64], begin: NDArray[np.int16], sure: int, margin: int) -> Options:
    """For each token the tags that its best one leads by at most `margin`; tokens at which "nothing" leads by more than `sure` are left out.

    Args:
        scores: of shape (tokens, COLUMNS), the first column for "nothing".
        tokens: which token of the text each row is.
        begin: what each tag scores as the first one: shape (COLUMNS,).
    """
    bests = scores[:, 1:].max(axis=1)
    bests -= scores[:, 0]
    kept = (bests >= -sure).nonzero()[0]
    leads = scores.take(kept, axis=0)
    leads -= leads[:, :1].copy()
    tokens = tokens.take(kept)
    apart = np.ones(len(kept) + 1, np.bool_)
    np.not_equal(tokens[1:], tokens[:-1] + 1, out=apart[1:-1])
    lonely = apart[:-1] & apart[1:]
    single, joined = lonely.nonzero()[0], (~lonely).nonzero()[0]
    own = leads.take(single, axis=0)
    tags = (own + begin).argmax(axis=1)
    some = tags.nonzero()[0]
    tags = tags.take(some)
    alone = list(zip(tokens.take(single.take(some)).tolist(), tags.tolist(), own[some, tags].tolist(), strict=True))
    if not len(joined):
        return Options(alone, [], [], [], [])
    leads = leads.take(joined, axis=0)
    likely = leads >= (np.maximum(bests.take(kept.take(joined)), 0) - margin)[:, None]
    flat = likely.ravel().nonzero()[0]
    counts = np.add.reduce(likely, axis=1)
    return Options(alone, tokens.take(joined).tolist(), counts.tolist(), (flat & (COLUMNS - 1)).tolist(), leads.ravel().take(flat).tolist())


def best_paths(found: Options, columns: Columns) -> Iterator[tuple[int, list[int], list[int]]]:
    """For each run of neighbouring tokens: the first token, the best tags (Viterbi 1967), and their leads."""
    for token, tag, lead in found.alone:
        yield token, [tag], [lead]
    begin = [len(columns)]
    run = position = 0
    previous = -2
    lasts, scores = begin, [0]
    steps: list[tuple[list[int], list[int], list[int]]] = []
    for token, count in zip(found.tokens, found.counts, strict=True):
        if token != previous + 1:
            if steps:
                yield run, *_traced(scores, steps)
            run, steps, lasts, scores = token, [], begin, [0]
        previous = token
        tags, leads = found.tags[position : position + count], found.leads[position : position + count]
        position += count
        before: list[int] = []
        following: list[int] = []
        if len(lasts) == 1:
            last, score = lasts[0], scores[0]
            before = [0] * count
            following = [score + columns[tag][last] + lead for tag, lead in zip(tags, leads, strict=True)]
        else:
            for tag, lead in zip(tags, leads, strict=True):
                column = columns[tag]
                totals = [score + column[last] for last, score in zip(lasts, scores, strict=True)]
                best = max(totals)
                before.append(totals.index(best))
                following.append(best + lead)
        steps.append((tags, leads, before))
        lasts, scores = tags, following
    if steps:
        yield run, *_traced(scores, steps)


def _traced(scores: list[int], steps: list[tuple[list[int], list[int], list[int]]]) -> tuple[list[int], list[int]]:
    """Tags and leads of the path that ends best."""
    place = scores.index(max(scores))
    if len(steps) == 1:
        return [steps[0][0][place]], [steps[0][1][place]]
    best_tags, best_leads = [], []
    for tags, leads, before in reversed(steps):
        best_tags.append(tags[place])
        best_leads.append(leads[place])
        place = before[place]
    best_tags.reverse()
    best_leads.reverse()
    return best_tags, best_leads


def spans(tags: Sequence[int]) -> list[tuple[int, int, int]]:
    """Begin, end and label (index) of each entity that the tags of neighbouring tokens name: odd tags begin one, even tags go on with it."""
    found = []
    begin = label = -1
    for index, tag in enumerate(tags):
        if begin >= 0:
            if tag == 2 * label + 2:
                continue
            found.append((begin, index, label))
            begin = -1
        if tag:
            begin, label = index, (tag - 1) // 2
    if begin >= 0:
        found.append((begin, len(tags), label))
    return found
