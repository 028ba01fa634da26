"""A text that is being changed, as code points, with the place in the original that each of them came from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.uint32]
Places = NDArray[np.int32]
Mask = NDArray[np.bool_]


def codes_of(text: str) -> Codes:
    """The code points of a text, lone surrogates included."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def text_of(codes: Codes) -> str:
    """The text that those code points are."""
    return codes.tobytes().decode("utf-32-le", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Tracked:
    """Code points and where they came from.

    Attributes:
        codes: the code points.
        starts, ends: for each the span in the original that it was made of; both ascending. None while nothing moved.
    """

    codes: Codes
    starts: Places | None = None
    ends: Places | None = None

    @property
    def text(self) -> str:
        """The characters."""
        return text_of(self.codes)

    def places(self) -> tuple[Places, Places]:
        """Starts and ends, made when there are none yet."""
        if self.starts is None or self.ends is None:
            starts = np.arange(len(self.codes), dtype=np.int32)
            return starts, starts + np.int32(1)
        return self.starts, self.ends

    def kept(self, mask: Mask) -> Tracked:
        """Only the characters where the mask is true."""
        starts, ends = self.places()
        return Tracked(self.codes[mask], starts[mask], ends[mask])

    def exchanged(self, at: NDArray[np.intp], codes: Codes) -> Tracked:
        """Single characters in the place of others; nothing moves."""
        changed = self.codes.copy()
        changed[at] = codes
        return Tracked(changed, self.starts, self.ends)

    def edited(self, starts: Sequence[int] | NDArray[np.intp], ends: Sequence[int] | NDArray[np.intp], replacements: Sequence[str]) -> Tracked:
        """Spans, ascending and apart from each other, replaced by texts; every character of a replacement comes from the whole span."""
        if not len(starts):
            return self
        return self.edited_codes(
            np.asarray(starts, np.intp),
            np.asarray(ends, np.intp),
            codes_of("".join(replacements)),
            np.fromiter(map(len, replacements), np.intp, len(replacements)),
        )

    def edited_codes(self, begins: NDArray[np.intp], finishes: NDArray[np.intp], inserted: Codes, sizes: NDArray[np.intp]) -> Tracked:
        """The same with all replacements in one array, and how many characters each of them has."""
        starts, ends = self.places()
        # Each character is there once, the first of a span as often as its replacement is long, the rest of it not at all.
        times = np.ones(len(self.codes) + 1, np.intp)
        spans = finishes - begins
        if not bool((spans == 1).all()):
            depth = np.zeros(len(times), np.int8)
            depth[begins] += 1
            depth[finishes] -= 1
            times[np.cumsum(depth, dtype=np.int8) > 0] = 0
        times[begins] = sizes
        sources = np.repeat(np.arange(len(self.codes)), times[:-1])
        shifts = np.cumsum(sizes) - sizes
        heads = begins + np.cumsum(sizes - spans) - (sizes - spans)
        targets = np.repeat(heads - shifts, sizes) + np.arange(len(inserted))
        codes, new_ends = self.codes[sources], ends[sources]
        codes[targets] = inserted
        new_ends[targets] = np.repeat(ends[finishes - 1], sizes)
        return Tracked(codes, starts[sources], new_ends)


def runs_of(mask: Mask) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Where the runs of true begin and end, half-open."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False]))))
    return edges[::2], edges[1::2]
