"""A text as the guard sees it: as it was given, and normalised views of it whose spans lead back to the original."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ondol.infrastructure.guard.normalise.ciphers import ciphers_in
from ondol.infrastructure.guard.normalise.encoded import encoded_in
from ondol.infrastructure.guard.normalise.folded import folded, lowered, squeezed
from ondol.infrastructure.guard.normalise.found import Found
from ondol.infrastructure.guard.normalise.hidden import hidden_in, tricks_of
from ondol.infrastructure.guard.normalise.jamo import has_choseong
from ondol.infrastructure.guard.normalise.kinds import DIGIT, HANGUL, JAMO, LATIN, TRICKY, kinds
from ondol.infrastructure.guard.normalise.ordinary import Ordinary, ordinary
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


class View:
    """A normalised form of a text.

    Attributes:
        text: the normalised text.
        origins: for each of its characters where that begins in the original, ascending; None when this is the original, character for character.
        ends: likewise where it ends; None when each of them was one character.
    """

    __slots__ = ("_letters_of", "_origins", "ends", "text")

    def __init__(
        self, text: str, origins: NDArray[np.int32] | None = None, ends: NDArray[np.int32] | None = None, letters_of: Ordinary | None = None
    ) -> None:
        """With `letters_of` the origins are its letters' and digits' places, made when something asks for them."""
        self.text = text
        self.ends = ends
        self._origins = origins
        self._letters_of = letters_of

    @property
    def origins(self) -> NDArray[np.int32] | None:
        """Where each character begins in the original."""
        if self._letters_of is not None:
            self._origins, self._letters_of = self._letters_of.letter_places(), None
        return self._origins

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The span of the original that a span of this view was made of, half-open, in characters.

        It is the smallest that covers all of it, what was removed in between included; never empty unless the span is.
        """
        origins = self.origins
        if origins is None:
            return start, max(start, end)
        if end > start:
            return int(origins[start]), int(origins[end - 1]) + 1 if self.ends is None else int(self.ends[end - 1])
        if start < len(origins):
            place = int(origins[start])
        elif not len(origins):
            place = 0
        else:
            place = int(origins[-1]) + 1 if self.ends is None else int(self.ends[-1])
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
        scored: what linear models said of it, kept for the next check that asks; theirs alone.
    """

    # Plain slots, since what is made once here is asked for in every request: `functools.cached_property` takes a lock before Python 3.12.
    __slots__ = (
        "__codes",
        "__folded",
        "__found",
        "__ordinary",
        "__plain",
        "__plain_sorts",
        "__sorts",
        "__squeezed",
        "__tricks",
        "__views",
        "_depth",
        "_layers_left",
        "original",
        "scored",
    )

    def __init__(self, original: str, *, _depth: int = 0, _layers_left: int = LAYERS_MAX) -> None:
        self.original = original
        self.scored: object = None
        self._depth = _depth
        self._layers_left = _layers_left
        self.__views: list[View | None] = [None, None, None]
        self.__ordinary: Ordinary | Literal[False] | None = False
        self.__codes: NDArray[np.uint32] | None = None
        self.__sorts: NDArray[np.uint16] | None = None
        self.__plain: tuple[Tracked, frozenset[str]] | None = None
        self.__plain_sorts: NDArray[np.uint16] | None = None
        self.__folded: tuple[Tracked, NDArray[np.uint16], frozenset[str]] | None = None
        self.__squeezed: tuple[Tracked, frozenset[str]] | None = None
        self.__found: tuple[tuple[Layer, ...], bool] | None = None
        self.__tricks: frozenset[str] | None = None

    @property
    def _ordinary(self) -> Ordinary | None:
        if self.__ordinary is False:
            self.__ordinary = ordinary(self.original)
        return self.__ordinary

    @property
    def _codes(self) -> NDArray[np.uint32]:
        if self.__codes is None:
            self.__codes = codes_of(self.original)
        return self.__codes

    @property
    def _sorts(self) -> NDArray[np.uint16]:
        if self.__sorts is None:
            self.__sorts = kinds().take(self._codes)
        return self.__sorts

    @property
    def _plain(self) -> tuple[Tracked, frozenset[str]]:
        if self.__plain is None:
            tracked = Tracked(self._codes)
            is_tricky = bool(self.original) and bool(int(np.bitwise_or.reduce(self._sorts)) & TRICKY)
            self.__plain = plain(tracked, self._sorts) if is_tricky else (tracked, frozenset())
        return self.__plain

    @property
    def _plain_sorts(self) -> NDArray[np.uint16]:
        if self.__plain_sorts is None:
            tracked = self._plain[0]
            self.__plain_sorts = self._sorts if tracked.codes is self._codes else kinds().take(tracked.codes)
        return self.__plain_sorts

    @property
    def _folded(self) -> tuple[Tracked, NDArray[np.uint16], frozenset[str]]:
        if self.__folded is None:
            before = self._plain[0]
            text = self.plain.text
            lower = lowered(text)
            if lower == text:
                self.__folded = folded(before, self._plain_sorts)
            else:
                tracked = Tracked(codes_of(lower), before.starts, before.ends)
                self.__folded = folded(tracked, kinds().take(tracked.codes))
        return self.__folded

    @property
    def _squeezed(self) -> tuple[Tracked, frozenset[str]]:
        if self.__squeezed is None:
            text, sorts, _ = self._folded
            self.__squeezed = squeezed(text, sorts)
        return self.__squeezed

    @property
    def plain(self) -> View:
        """NFKC, without what is not seen, digits, dashes and spaces in ASCII, look-alikes in Latin letters where a word mixes scripts."""
        view = self.__views[0]
        if view is None:
            is_plain = self._ordinary is not None or self._plain[0].codes is self._codes
            view = self.__views[0] = View(self.original) if is_plain else _view(self._plain[0])
        return view

    @property
    def folded(self) -> View:
        """The plain view in lower case, without accents, leetspeak, letters repeated more than three times, or jamo typed apart."""
        view = self.__views[1]
        if view is None:
            same = self._ordinary
            view = self.__views[1] = _view(self._folded[0]) if same is None else View(same.lower)
        return view

    @property
    def squeezed(self) -> View:
        """The folded view's letters and digits alone."""
        view = self.__views[2]
        if view is None:
            same = self._ordinary
            view = self.__views[2] = _view(self._squeezed[0]) if same is None else View(same.letters, letters_of=same)
        return view

    @property
    def _found(self) -> tuple[tuple[Layer, ...], bool]:
        """The layers, and whether there are more, or deeper ones, than are looked at."""
        if self.__found is None:
            same = self._ordinary
            self.__found = ((), False) if same is not None and not same.may_hold_layers() else self._layers_found()
        return self.__found

    def _layers_found(self) -> tuple[tuple[Layer, ...], bool]:
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

    @property
    def layers(self) -> tuple[Layer, ...]:
        """What is encoded in the text, decoded; at most `LAYERS_MAX`, those of the layers themselves counted in."""
        return self._found[0]

    @property
    def tricks(self) -> frozenset[str]:
        """What had to be undone, of `TRICKS`. Ordinary text has none; still, one is no finding."""
        if self.__tricks is None:
            tricks = set() if self._ordinary is not None else self._tricks_undone()
            if self._found[1] or any("layers" in layer.text.tricks for layer in self.layers):
                tricks.add("layers")
            self.__tricks = frozenset(tricks)
        return self.__tricks

    def _tricks_undone(self) -> set[str]:
        tricks = tricks_of(self._codes, self._sorts) | self._plain[1] | self._folded[2] | self._squeezed[1]
        if int(np.bitwise_or.reduce(self._plain_sorts, initial=0)) & JAMO and has_choseong(self.plain.text):
            tricks |= {"choseong"}
        return tricks
