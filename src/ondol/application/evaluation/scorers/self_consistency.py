"""`self_consistency`: what several answers to one question agree on (Wang et al. 2022)."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping
from typing import Any

from ondol.application.evaluation.scorers.base import Rule, Scorer, Tools, skipped
from ondol.application.evaluation.scorers.gsm8k import final_number
from ondol.application.evaluation.scorers.reference import ANSWER_CHARACTERS_MAX, NOTHING_EXPECTED
from ondol.application.evaluation.scorers.settings import Settings
from ondol.application.evaluation.types import Answer, Case, Score

SAMPLES_MAX = 100


def load_self_consistency(name: str, settings: Mapping[str, Any], _tools: Tools) -> Scorer:
    """1 where what most samples answer is expected, else 0; with `measure: agreement`, the share of the samples that answer what most do.

    On a tie the answer that came first. A sample without an answer agrees with none. A target's `samples` says how many there are.
    Settings: `of` (`number`: the number behind `####`, or the last one; or `text`: the whole sample), `measure` (`vote`).
    """
    told = Settings(name, settings)
    is_number = told.choice("of", "number", ("number", "text")) == "number"
    is_vote = told.choice("measure", "vote", ("vote", "agreement")) == "vote"
    told.close()

    def form(text: str) -> str | None:
        if is_number:
            number = final_number(text[-ANSWER_CHARACTERS_MAX:])
            return None if number is None else str(number.normalize())
        return " ".join(unicodedata.normalize("NFKC", text[:ANSWER_CHARACTERS_MAX]).casefold().split()) or None

    def of(case: Case, answer: Answer) -> Score:
        if len(answer.samples) < 2:
            return skipped("there are not several samples")
        if is_vote and not case.expected:
            return skipped(NOTHING_EXPECTED)
        forms = [form(text) for text in answer.samples[:SAMPLES_MAX]]
        counts = Counter(found for found in forms if found is not None)
        if not counts:
            return Score(value=0.0, reason="no sample has an answer", details={"answers": {}})
        best, votes = counts.most_common(1)[0]
        value = float(best in {form(expected) for expected in case.expected}) if is_vote else votes / len(forms)
        answers = {found[:100]: count for found, count in counts.most_common(10)}
        return Score(value=value, details={"answers": answers, "agreement": votes / len(forms), "samples": len(forms)})

    return Rule(name=name, of=of)
