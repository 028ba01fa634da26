"""Taint: what came out of a document or a tool's result, and would go into a tool.

A model that was talked into something copies: an address, an account, a command. So a value is tainted when it shares a long run of letters and
digits with an untrusted text, or stands in one as a whole, unless the person wrote the same. What the model puts in words of its own is not seen.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ondol.infrastructure.guard.checks.shingles import GramHash
from ondol.infrastructure.guard.declared_tools import RUN_CHARACTERS
from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.tools.arguments import every_value
from ondol.infrastructure.guard.tools.types import Value

WHOLE_CHARACTERS_MIN = 4
"""A shorter value stands in some text by chance."""
UNTRUSTED_CHARACTERS_MAX = 2_000_000
"""With more than this everything is tainted."""
VALUES_MAX = 1_000
"""With more values than this they are."""


@dataclass(frozen=True, slots=True, eq=False)
class Taint:
    """Untrusted texts, ready to be looked up in. See `taint_of`.

    Attributes:
        untrusted, own: letters and digits of the texts and of what is encoded in them.
        untrusted_grams, own_grams: hashes of their grams, ascending.
        is_all: there was too much to look at.
    """

    gram: GramHash
    untrusted: tuple[str, ...]
    own: tuple[str, ...]
    untrusted_grams: NDArray[np.uint64]
    own_grams: NDArray[np.uint64]
    is_all: bool = False

    def holds(self, value: Value) -> bool:
        """Whether a value, or one within it, is tainted. Names of properties are the schema's words unless they share a whole run."""
        if self.is_all:
            return True
        if not self.untrusted:
            return False
        words = dict.fromkeys(_words(value))
        return len(words) > VALUES_MAX or any(self._is_tainted(text, is_name) for text, is_name in words)

    def _is_tainted(self, text: str, is_name: bool) -> bool:
        return any(self._comes_from(form, is_name) for form in _forms(GuardText(text)))

    def _comes_from(self, letters: str, is_name: bool) -> bool:
        if len(letters) < WHOLE_CHARACTERS_MIN or any(letters in text for text in self.own):
            return False
        if not is_name and any(letters in text for text in self.untrusted):
            return True
        grams = self.gram.of(letters)
        return bool((_is_in(grams, self.untrusted_grams) & ~_is_in(grams, self.own_grams)).any())


def taint_of(untrusted: Sequence[str], own: Sequence[str], *, run_characters: int = RUN_CHARACTERS) -> Taint:
    """Prepare to look for what came out of untrusted texts and not out of the person's own.

    Args:
        run_characters: a shared run of so many letters and digits taints.

    Raises:
        ValueError: when `run_characters` is not of 4 to 64.
    """
    gram = GramHash(run_characters, secrets.token_bytes(16))
    nothing = np.empty(0, np.uint64)
    if sum(map(len, untrusted)) + sum(map(len, own)) > UNTRUSTED_CHARACTERS_MAX:
        return Taint(gram, (), (), nothing, nothing, is_all=True)
    theirs = tuple(form for text in untrusted for form in _forms(GuardText(text)))
    # Of the person's own texts only what can be read counts: what is hidden in one may have been pasted unseen.
    own_forms = tuple(GuardText(text).squeezed.text for text in own)
    return Taint(gram, theirs, own_forms, _grams(gram, theirs), _grams(gram, own_forms))


def _grams(gram: GramHash, texts: Iterable[str]) -> NDArray[np.uint64]:
    parts = [gram.of(text) for text in texts]
    return np.unique(np.concatenate(parts)) if parts else np.empty(0, np.uint64)


def _is_in(hashes: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.bool_]:
    if not len(known):
        return np.zeros(len(hashes), np.bool_)
    places = np.searchsorted(known, hashes)
    places[places == len(known)] = 0
    found: NDArray[np.bool_] = known[places] == hashes
    return found


def _forms(text: GuardText) -> Iterator[str]:
    """The letters and digits of a text, then of what is encoded in it."""
    yield text.squeezed.text
    for layer in text.layers:
        yield from _forms(layer.text)


def _words(value: Value) -> Iterator[tuple[str, bool]]:
    """Texts and numbers, each with whether it is the name of a property."""
    for item in every_value(value):
        if isinstance(item, str):
            yield item, False
        elif isinstance(item, (int, float)) and not isinstance(item, bool):
            yield str(item), False
        elif isinstance(item, dict):
            yield from ((name, True) for name in item)
