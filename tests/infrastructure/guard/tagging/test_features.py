"""The rows of the weight table that a token points to."""

from __future__ import annotations

import numpy as np

from ondol.infrastructure.guard.tagging.features import FEATURES, LISTED_BITS, ROW_BITS, listed_places, rows, word_hash
from ondol.infrastructure.guard.tagging.tokens import tokenise

NOTHING_LISTED = np.zeros(1 << LISTED_BITS, np.uint16)


def test_features_stay_within_the_table() -> None:
    tokens = tokenise("My name is 박선영, 서울 12-3.")
    found = rows(tokens, np.arange(len(tokens)), NOTHING_LISTED)
    assert found.shape == (FEATURES, len(tokens))
    assert int(found.min()) >= 0 and int(found.max()) < 1 << ROW_BITS


def test_a_token_has_the_same_rows_whatever_else_is_asked() -> None:
    tokens = tokenise("call Mary Jones tomorrow, 서울에서")
    every = rows(tokens, np.arange(len(tokens)), NOTHING_LISTED)
    assert (rows(tokens, np.array([1, 4]), NOTHING_LISTED) == every[:, [1, 4]]).all()


def test_rows_tell_of_two_tokens_to_each_side_and_no_more() -> None:
    def of_third(text: str) -> list[int]:
        found: list[int] = rows(tokenise(text), np.array([2]), NOTHING_LISTED)[:, 0].tolist()
        return found

    own = of_third("a bb Name dd e")
    assert own == of_third("a bb Name dd e f g")
    assert sum(one != other for one, other in zip(own, of_third("a bb Name dd x"), strict=True)) in range(1, FEATURES // 2)
    assert own != of_third("a bb Name xx e")


def test_a_listed_word_changes_the_rows_of_itself_and_its_neighbours() -> None:
    listed = NOTHING_LISTED.copy()
    place, fingerprint = listed_places(np.array([word_hash("mary")], np.uint32))
    listed[place[0]] = int(fingerprint[0]) << 8 | 1
    tokens = tokenise("please call Mary Jones tomorrow")
    every = np.arange(len(tokens))
    changed = (rows(tokens, every, listed) != rows(tokens, every, NOTHING_LISTED)).any(axis=0)
    assert changed.tolist() == [False, True, True, True, False]
