"""Records of evaluation: a case that is asked, the answer that was given, the scores of it. Frozen, without behaviour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Role: TypeAlias = Literal["system", "user", "assistant"]

Status: TypeAlias = Literal["ok", "target_error", "scorer_error", "judge_error", "parse_error", "timeout", "skipped"]
"""What became of an answer or of a score. Only `ok` has a value; every other one is counted beside each mean and never dropped from it in silence."""

Better: TypeAlias = Literal["higher", "lower"]
Unit: TypeAlias = Literal["share", "points", "ms", "nano", "tokens", "count", "nats"]
"""Of a score: `share` is 0 to 1, `points` 1 to 5 as raters and judges give them, `nano` is money."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing to ask, and what a right answer is known to hold.

    Attributes:
        id: unique within its suite.
        turns: the conversation; the last turn is the one to be answered. Earlier turns of the assistant are told as they stand; where one has an
            empty text, the target itself is asked for it.
        expected: right answers, any of which will do; empty where none can be written down.
        facts: what scorers read besides, by the names that they document (`documents`, `must_contain`, `schema`, `tests`, `instructions`, ...).
        slices: by which results are told apart: `language`, `topic`, `difficulty`, `kind`.
        cluster: cases of one cluster depend on one another (questions of one document, turns of one conversation); the id where there is none.
        asker: the person in whose name it is asked, by e-mail or name; None for whoever runs the suite.
    """

    id: str
    turns: tuple[Turn, ...]
    expected: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    slices: Mapping[str, str] = field(default_factory=dict)
    cluster: str = ""
    asker: str | None = None

    @property
    def question(self) -> str:
        """What is to be answered."""
        return self.turns[-1].text

    @property
    def language(self) -> str:
        """`ko` or `en` as the case says itself; empty where it does not."""
        return self.slices.get("language", "")


@dataclass(frozen=True, slots=True)
class CitedSource:
    """A source under its number in the answer.

    Attributes:
        document: as golden sets name it: its path or title key.
        quotes: the passages of text that the answer rests on.
    """

    number: int
    document: str
    quotes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ranked:
    """What one stage of a search ranked, best first.

    Attributes:
        stage: `full_text`, `vectors`, `fused`, `reranked` or `diverse`; `final` is what was handed over.
        documents: one name for each place; a document stands as often as passages of it were ranked.
        passages: ids of the passages, in the same order.
        texts: words of the passages, in the same order, where the target tells them.
    """

    stage: str
    documents: tuple[str, ...]
    passages: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a target answered to one case, once.

    Attributes:
        text: the words of the answer.
        status: `ok`, `target_error`, `timeout` or `skipped`; `error` says why.
        is_refusal: whether the target itself says that it refuses; None where it does not say, and the text must be looked at.
        sources: what is cited, by number.
        sentences: of an answer that was verified: its sentences with their verdicts, as the assistant tells them.
        ranked: what each stage of the search ranked, where the target searches.
        tool_calls: as the family tells them.
        logprobs: natural logarithms of the probability of each token of the answer; None where the target has none.
        samples: further answers to the same question, for pass@k and self-consistency; the first is `text`.
        cost_nano, currency: what the answer cost by the price list.
        latency_ms, first_token_ms: from the moment at which it was asked.
        details: what else is kept of it: finish reason, the guard's verdicts, ids.
    """

    text: str
    status: Status = "ok"
    error: str = ""
    is_refusal: bool | None = None
    sources: tuple[CitedSource, ...] = ()
    sentences: tuple[Mapping[str, Any], ...] = ()
    ranked: tuple[Ranked, ...] = ()
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    logprobs: tuple[float, ...] | None = None
    samples: tuple[str, ...] = ()
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nano: int = 0
    currency: str = "USD"
    latency_ms: float = 0.0
    first_token_ms: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What one scorer found in one answer.

    Attributes:
        value: None unless `status` is `ok`, and for cases that the scorer does not speak of (`skipped`: they are not in its mean and are counted).
        reason: why, in a sentence; for people.
        details: what tells more, plain JSON.
    """

    value: float | None
    status: Status = "ok"
    reason: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """One case, asked once, and all that was found in the answer.

    Attributes:
        repeat: counts from 0; a case may be asked several times.
        scores: by the scorer's name in the suite.
    """

    case_id: str
    repeat: int
    cluster: str
    slices: Mapping[str, str]
    answer: Answer
    scores: Mapping[str, Score]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One metric over many cases, as statistics read it: one entry for each case that has a value, repeats of a case averaged.

    Attributes:
        case_ids, values, clusters: of the same length, in the order of the suite.
        total: cases that the metric speaks of, those without a value included.
        failures: how many of these have no value, by their status.
    """

    name: str
    unit: Unit
    better: Better
    case_ids: Sequence[str]
    values: Sequence[float]
    clusters: Sequence[str]
    total: int
    failures: Mapping[Status, int]

    @property
    def coverage(self) -> float:
        """The share of the cases that have a value; 1 where there is none to have."""
        return len(self.values) / self.total if self.total else 1.0
