"""A text as the guard sees it: as it was given, and normalised views of it whose spans lead back to the original."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from ondol.infrastructure.guard.normalise.ciphers import ciphers_in
from ondol.infrastructure.guard.normalise.encoded import encoded_in
from ondol.infrastructure.guard.normalise.folded import folded, lowered, squeezed
from ondol.infrastructure.guard.normalise.found import Found
from ondol.infrastructure.guard.normalise.hidden import hidden_in, tricks_of
from ondol.infrastructure.guard.normalise.jamo import has_choseong
from ondol.infrastructure.guard.normalise.kinds import DIGIT, HANGUL, JAMO, LATIN, TRICKY, kinds
from ondol.infrastructure.guard.normalise.plain import plain
from ondol.infrastructure.guard.normalise.tracked import Tracked, codes_of

LAYERS_MAX = 32
"""Decoded layers of one text, those within layers counted in."""
LAYERS_DEPTH_MAX = 2
"""Layers within layers."""
TRICKS = frozenset(
    {"invisible", "bidi", "tags", "variation", "marks", "fullwidth", "styled", "homoglyph", "jamo", "choseong", "leet", "spacing", "layers"}
)
"""All that `GuardText.tricks` may hold. ``layers``: there are more of them, or deeper ones, than were looked at."""


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A normalised form of a text.

    Attributes:
        text: the normalised text.
        origins: for each of its characters where that begins in the original, ascending; None when this is the original, character for character.
        ends: likewise where it ends; None when each of them was one character.
    """

    text: str
    origins: NDArray[np.int32] | None = None
    ends: NDArray[np.int32] | None = None

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original that a span of this view was made of, half-open, in characters.

        It is the smallest that covers all of it, what was removed in between included; never empty unless the span is.
        """
        if self.origins is None:
            return start, max(start, end)
        if end > start:
            return int(self.origins[start]), int(self.origins[end - 1]) + 1 if self.ends is None else int(self.ends[end - 1])
        if start < len(self.origins):
            place = int(self.origins[start])
        elif not len(self.origins):
            place = 0
        else:
            place = int(self.origins[-1]) + 1 if self.ends is None else int(self.ends[-1])
        return place, place


@dataclass(frozen=True, slots=True)
class Layer:
    """Something encoded that stands in a text, decoded.

    Attributes:
        kind: how it was encoded.
        start, end: the encoded run in the original, half-open, in characters.
        text: what it says.
    """

    kind: str
    start: int
    end: int
    text: GuardText


def _view(tracked: Tracked) -> View:
    return View(tracked.text, tracked.starts, tracked.ends)


class GuardText:
    """A text and its views, each made when it is first asked for.

    Attributes:
        original: the text as it was given.
    """

    def __init__(self, original: str, *, _depth: int = 0, _layers_left: int = LAYERS_MAX) -> None:
        self.original = original
        self._depth = _depth
        self._layers_left = _layers_left

    @cached_property
    def _codes(self) -> NDArray[np.uint32]:
        return codes_of(self.original)

    @cached_property
    def _sorts(self) -> NDArray[np.uint16]:
        return kinds().take(self._codes)

    @cached_property
    def _plain(self) -> tuple[Tracked, frozenset[str]]:
        tracked = Tracked(self._codes)
        if not self.original or not int(np.bitwise_or.reduce(self._sorts)) & TRICKY:
            return tracked, frozenset()
        return plain(tracked, self._sorts)

    @cached_property
    def _plain_sorts(self) -> NDArray[np.uint16]:
        tracked = self._plain[0]
        return self._sorts if tracked.codes is self._codes else kinds().take(tracked.codes)

    @cached_property
    def _folded(self) -> tuple[Tracked, NDArray[np.uint16], frozenset[str]]:
        before = self._plain[0]
        text = self.plain.text
        lower = lowered(text)
        if lower == text:
            return folded(before, self._plain_sorts)
        tracked = Tracked(codes_of(lower), before.starts, before.ends)
        return folded(tracked, kinds().take(tracked.codes))

    @cached_property
    def _squeezed(self) -> tuple[Tracked, frozenset[str]]:
        text, sorts, _ = self._folded
        return squeezed(text, sorts)

    @cached_property
    def plain(self) -> View:
        """NFKC, without what is not seen, digits, dashes and spaces in ASCII, look-alikes in Latin letters where a word mixes scripts."""
        tracked = self._plain[0]
        return View(self.original) if tracked.codes is self._codes else _view(tracked)

    @cached_property
    def folded(self) -> View:
        """The plain view in lower case, without accents, leetspeak, letters repeated more than three times, or jamo typed apart."""
        return _view(self._folded[0])

    @cached_property
    def squeezed(self) -> View:
        """The folded view's letters and digits alone."""
        return _view(self._squeezed[0])

    @cached_property
    def _found(self) -> tuple[tuple[Layer, ...], bool]:
        """The layers, and whether there are more, or deeper ones, than are looked at."""
        if self._layers_left <= 0:
            return (), next(self._runs(), None) is not None
        found = list(islice(self._runs(), self._layers_left + 1))
        kept = found[: self._layers_left]
        left = (self._layers_left - len(kept)) // max(1, len(kept)) if self._depth < LAYERS_DEPTH_MAX - 1 else 0
        layers = (Layer(item.kind, item.start, item.end, GuardText(item.text, _depth=self._depth + 1, _layers_left=left)) for item in kept)
        return tuple(layers), len(found) > len(kept)

    def _runs(self) -> Iterator[Found]:
        yield from hidden_in(self._codes, self._sorts)
        present = int(np.bitwise_or.reduce(self._plain_sorts, initial=0))
        digits = int(np.count_nonzero(self._plain_sorts & DIGIT))
        text, codes = self.plain.text, self._plain[0].codes
        latin, hangul, jamo = (bool(present & kind) for kind in (LATIN, HANGUL, JAMO))
        for item in chain(encoded_in(text, codes, digits), ciphers_in(text, codes, latin=latin, hangul=hangul, jamo=jamo)):
            start, end = self.plain.span(item.start, item.end)
            yield Found(item.kind, start, end, item.text)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """What is encoded in the text, decoded; at most `LAYERS_MAX`, those of the layers themselves counted in."""
        return self._found[0]

    @cached_property
    def tricks(self) -> frozenset[str]:
        """What had to be undone, of `TRICKS`. Ordinary text has none; still, one is no finding."""
        tricks = tricks_of(self._codes, self._sorts) | self._plain[1] | self._folded[2] | self._squeezed[1]
        if int(np.bitwise_or.reduce(self._plain_sorts, initial=0)) & JAMO and has_choseong(self.plain.text):
            tricks |= {"choseong"}
        if self._found[1] or any("layers" in layer.text.tricks for layer in self.layers):
            tricks |= {"layers"}
        return frozenset(tricks)
