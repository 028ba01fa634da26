"""The gate: what a token and its neighbours say, summed at once."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ondol.infrastructure.guard.tagging import load_tagger
from ondol.infrastructure.guard.tagging.gate import GATE_BITS, GATES, REACHES, WEIGHT_MAX, gate_places, gate_scores, packed_gate
from ondol.infrastructure.guard.tagging.tokens import tokenise

WEIGHTS = np.random.default_rng(5).integers(-WEIGHT_MAX, WEIGHT_MAX + 1, (GATES << GATE_BITS, len(REACHES))).astype(np.int8)
TABLE = packed_gate(WEIGHTS)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_scores_are_the_sums_of_what_tokens_say_of_one_another(text: str) -> None:
    tokens = tokenise(text)
    places = gate_places(tokens)
    assert places.shape == (GATES, len(tokens))
    for row in range(GATES):
        assert ((places[row] >> GATE_BITS) == row).all()
    expected = [
        sum(
            int(WEIGHTS[place, column])
            for column, reach in enumerate(REACHES)
            if 0 <= index + reach < len(tokens)
            for place in places[:, index + reach].tolist()
        )
        for index in range(len(tokens))
    ]
    assert gate_scores(TABLE, tokens).tolist() == expected


def test_the_largest_weights_do_not_run_over() -> None:
    tokens = tokenise("one two three four five six")
    for weight in (WEIGHT_MAX, -WEIGHT_MAX):
        scores = gate_scores(packed_gate(np.full_like(WEIGHTS, weight)), tokens)
        assert int(scores[2]) == weight * GATES * len(REACHES)


def test_the_gate_that_ships_drops_most_of_an_ordinary_text() -> None:
    text = "Write a function that sorts a list of numbers and returns the three largest ones. 오늘은 날씨가 좋아서 산책을 오래 했습니다."
    header = load_tagger().header
    assert header["gate_passes_others"] < 0.2
    tagger = load_tagger()
    scores = gate_scores(tagger._gate, tokenise(text))
    assert (scores >= header["gate_threshold"]).mean() < 0.35
