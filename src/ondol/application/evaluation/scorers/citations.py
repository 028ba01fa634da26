"""Whether an answer cites what it should, and only that.

By documents, against the case's `documents`: precision is the share of the cited documents that are relevant, recall the share of the relevant ones
that are cited.

By the verifier, as ALCE has it (Gao et al., Enabling Large Language Models to Generate Text with Citations, EMNLP 2023), with the rules of
`assistant` where ALCE asks a model: recall is the share of sentences that all that they cite together bears out; precision is the share of
citations that are needed. A citation is not needed if its sentence is not borne out, or if it alone does not bear it out and the others do without
it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ondol.application.assistant.verify import VERIFIER_ID, Passage, check_sentence, cited_sentences
from ondol.application.evaluation.scorers.base import Loader, Rule, Tools, skipped
from ondol.application.evaluation.scorers.documents import relevant_documents
from ondol.application.evaluation.scorers.grounding import SENTENCES_MAX, passages_of
from ondol.application.evaluation.scorers.refusal import is_refused
from ondol.application.evaluation.scorers.settings import Settings
from ondol.application.evaluation.types import Answer, Case, Score

Kind = Literal["citation_precision", "citation_recall"]


def load(kind: Kind) -> Loader:
    """The loader of one of them. Settings: `by`, `documents` (the default) or `verifier`."""

    def loader(name: str, told: Mapping[str, Any], _: Tools) -> Rule:
        settings = Settings(name, told)
        by = settings.choice("by", "documents", ("documents", "verifier"))
        settings.close()

        def of(case: Case, answer: Answer) -> Score:
            if is_refused(answer):
                return skipped("A refusal cites nothing.")
            return _by_documents(kind, case, answer) if by == "documents" else _by_verifier(kind, case, answer)

        return Rule(name=name, of=of, version="1" if by == "documents" else f"1-{VERIFIER_ID}")

    return loader


def _by_documents(kind: Kind, case: Case, answer: Answer) -> Score:
    relevant, cited = relevant_documents(case).keys(), {source.document for source in answer.sources}
    if not relevant:
        return skipped("The case names no document that answers it.")
    if kind == "citation_precision" and not cited:
        return skipped("The answer cites nothing.")
    value = len(relevant & cited) / len(cited if kind == "citation_precision" else relevant)
    return Score(value=value, details={"missed": sorted(relevant - cited), "strange": sorted(cited - relevant)})


def _by_verifier(kind: Kind, case: Case, answer: Answer) -> Score:
    passages = passages_of(case, answer)
    if not passages:
        return skipped("The answer has no sources with quotes, and the case has no `context`.")
    sentences = list(cited_sentences(answer.text))[:SENTENCES_MAX]
    if not sentences:
        return skipped("The answer has no sentence.")
    supported, needed, citations = 0, 0, 0
    for text, numbers in sentences:
        is_supported = _bears_out(text, numbers, passages)
        supported += is_supported
        citations += len(numbers)
        needed += is_supported and sum(_is_needed(text, number, numbers, passages) for number in numbers)
    details = {"sentences": len(sentences), "supported": supported, "citations": citations, "needed": needed}
    if kind == "citation_recall":
        return Score(value=supported / len(sentences), details=details)
    return Score(value=needed / citations, details=details) if citations else skipped("The answer cites nothing.")


def _is_needed(text: str, number: int, numbers: Sequence[int], passages: Mapping[int, Sequence[Passage]]) -> bool:
    others = [other for other in numbers if other != number]
    return _bears_out(text, [number], passages) or not _bears_out(text, others, passages)


def _bears_out(text: str, numbers: Sequence[int], passages: Mapping[int, Sequence[Passage]]) -> bool:
    cited = [passage for number in numbers for passage in passages.get(number, ())]
    return bool(cited) and check_sentence(text, cited).verdict == "supported"
