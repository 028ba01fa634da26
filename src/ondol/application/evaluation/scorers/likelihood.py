"""`perplexity` and `choice`: what a model holds likely, where its server tells the probabilities of tokens (a target's `logprobs: true`)."""

from __future__ import annotations

import math
import string
from collections.abc import Mapping, Sequence
from typing import Any

from ondol.application.evaluation.scorers.base import Rule, Scorer, Tools, skipped
from ondol.application.evaluation.scorers.reference import NOTHING_EXPECTED, bad_fact
from ondol.application.evaluation.scorers.settings import WORD_CHARACTERS_MAX, Settings
from ondol.application.evaluation.types import Answer, Case, Score

CHOICES_MAX = 26
_AROUND = string.whitespace + string.punctuation + "①②③④⑤⑥⑦⑧⑨ ▁Ġ"
_CIRCLED = {mark: str(number) for number, mark in enumerate("①②③④⑤⑥⑦⑧⑨", 1)}


def load_perplexity(name: str, settings: Mapping[str, Any], _tools: Tools) -> Scorer:
    """The mean negative logarithm of the probability of the answer's tokens, in nats: the logarithm of the perplexity, which is in the details.

    Lower is better. An answer without probabilities is not spoken of. No settings.
    """
    Settings(name, settings).close()

    def of(_case: Case, answer: Answer) -> Score:
        if not answer.logprobs:
            return skipped("the target tells no probabilities of tokens")
        if not all(math.isfinite(logprob) and logprob <= 0 for logprob in answer.logprobs):
            return Score(value=None, status="scorer_error", reason="a probability of a token is none")
        mean = -sum(answer.logprobs) / len(answer.logprobs)
        perplexity = math.exp(mean) if mean < 700 else None
        return Score(value=mean, details={"perplexity": perplexity, "tokens": len(answer.logprobs)})

    return Rule(name=name, of=of, unit="nats", better="lower")


def load_choice(name: str, settings: Mapping[str, Any], _tools: Tools) -> Scorer:
    """1 where the right one of `facts.choices` is chosen, else 0. The expected answer is the choice itself or its label.

    Choices are labelled `A`, `B`, ... (or as `facts.labels` says). By likelihood, the choice whose label is the likeliest first token of the answer,
    of those that the server tells (a target's `top_logprobs`); by text, the label that the answer begins with, or the only choice that it says.
    Settings: `by` (`auto`: likelihood where it is told, else text; or `likelihood`, `text`).
    """
    told = Settings(name, settings)
    by = told.choice("by", "auto", ("auto", "likelihood", "text"))
    told.close()

    def of(case: Case, answer: Answer) -> Score:
        if not case.expected:
            return skipped(NOTHING_EXPECTED)
        choices, labels = _texts(case.facts.get("choices")), _texts(case.facts.get("labels"))
        if choices is None:
            return bad_fact(case, "choices", f"is a list of 2 to {CHOICES_MAX} texts")
        if "labels" in case.facts and (labels is None or len(labels) != len(choices)):
            return bad_fact(case, "labels", "is a list of as many texts as there are choices")
        labels = labels or string.ascii_uppercase[: len(choices)]
        right = {place for place, (choice, label) in enumerate(zip(choices, labels, strict=True)) if {choice, label} & set(case.expected)}
        if len(right) != 1:
            return bad_fact(case, "choices", "has exactly one that is expected")
        first = answer.details.get("first_token")
        likely = _likely(first, labels) if isinstance(first, Mapping) and by != "text" else {}
        chosen = max(likely, key=likely.__getitem__) if likely else (_said(answer.text, choices, labels) if by != "likelihood" else None)
        details = {"chosen": None if chosen is None else labels[chosen], "likelihoods": {labels[place]: value for place, value in likely.items()}}
        if chosen is None:
            return Score(value=None, status="parse_error", reason="the answer chooses none", details=details)
        return Score(value=float(chosen in right), details=details)

    return Rule(name=name, of=of)


def _texts(value: Any) -> Sequence[str] | None:
    if not isinstance(value, list | tuple) or not 2 <= len(value) <= CHOICES_MAX:
        return None
    return [str(text) for text in value] if all(isinstance(text, str) and 0 < len(text) <= WORD_CHARACTERS_MAX for text in value) else None


def _likely(first: Mapping[str, Any], labels: Sequence[str]) -> dict[int, float]:
    """Of each label that is told, the greatest logarithm of its probability, by its place."""
    found: dict[int, float] = {}
    for token, logprob in first.items():
        plain = _label(token)
        if plain in labels and isinstance(logprob, int | float) and math.isfinite(logprob):
            place = labels.index(plain)
            found[place] = max(float(logprob), found.get(place, -math.inf))
    return found


def _said(text: str, choices: Sequence[str], labels: Sequence[str]) -> int | None:
    text = text.strip()
    words = text.split(maxsplit=1)
    whole = [place for place, choice in enumerate(choices) if text.rstrip(".") == choice.rstrip(".")]
    by_label = [place for place, label in enumerate(labels) if words and label in (words[0], _label(words[0]))]
    inside = [place for place, choice in enumerate(choices) if choice in text]
    for places in (whole, by_label, inside):
        if len(places) == 1:
            return places[0]
    return None


def _label(token: str) -> str:
    """A token without what stands around a label: `(B)`, ` B.`; `②` is 2."""
    return _CIRCLED.get(token.strip()) or token.strip(_AROUND)
