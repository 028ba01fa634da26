"""How much of an answer its sources bear out, sentence by sentence, by the verifier of `assistant`: rules, and no model.

- groundedness: (supported + `partial` x partly supported) / sentences; `partial` is what a partly supported sentence counts, 0.5 where a suite does
  not say.
- hallucination rate: unsupported / sentences.

A refusal claims nothing and is skipped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ondol.application.assistant.verify import VERIFIER_ID
from ondol.application.evaluation.scorers.base import Loader, Rule, Tools, skipped
from ondol.application.evaluation.scorers.grounding import Grounded, checked_sentences, told_sentences
from ondol.application.evaluation.scorers.refusal import is_refused
from ondol.application.evaluation.scorers.settings import Settings
from ondol.application.evaluation.types import Answer, Case, Score

Kind = Literal["groundedness", "hallucination_rate"]
SHOWN_MAX = 10
"""So many unsupported sentences are told in the details."""


def load(kind: Kind) -> Loader:
    """The loader of one of them. Settings: `partial` (0.5, of groundedness), `recheck` (false), `left_out` (false).

    `recheck` verifies from quotes also where the target tells verdicts; `left_out` counts sentences that the target kept from its reader: what the
    model made up, rather than what people saw.
    """

    def loader(name: str, told: Mapping[str, Any], _: Tools) -> Rule:
        settings = Settings(name, told)
        partial = settings.number("partial", 0.5, least=0, most=1) if kind == "groundedness" else 0.0
        recheck, left_out = settings.flag("recheck", default=False), settings.flag("left_out", default=False)
        settings.close()

        def of(case: Case, answer: Answer) -> Score:
            if is_refused(answer):
                return skipped("A refusal claims nothing.")
            sentences = [] if recheck else told_sentences(answer)
            found = sentences or checked_sentences(case, answer)
            if found is None:
                return skipped("The answer has no sources with quotes, and the case has no `context`.")
            return _score(kind, [one for one in found if left_out or not one.is_left_out], partial, is_told=bool(sentences))

        return Rule(name=name, of=of, better="higher" if kind == "groundedness" else "lower", version=f"1-{VERIFIER_ID}")

    return loader


def _score(kind: Kind, sentences: Sequence[Grounded], partial: float, *, is_told: bool) -> Score:
    if not sentences:
        return skipped("The answer has no sentence.")
    counts: Counter[str] = Counter(one.verdict for one in sentences)
    counted = counts["supported"] + partial * counts["partial"] if kind == "groundedness" else counts["unsupported"]
    unsupported = [one.text for one in sentences if one.verdict == "unsupported" and one.text][:SHOWN_MAX]
    details: dict[str, Any] = {"sentences": len(sentences), **counts, "by": "target" if is_told else "scorer", "unsupported_sentences": unsupported}
    return Score(value=counted / len(sentences), details=details, reason=f"{counts['supported']} of {len(sentences)} sentences are supported.")
