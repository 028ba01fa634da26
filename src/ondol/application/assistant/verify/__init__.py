"""Whether the sentences of an answer are borne out by the passages they cite, decided by code alone."""

from __future__ import annotations

from ondol.application.assistant.verify.claims import Passage, read_passage
from ondol.application.assistant.verify.stream import (
    AnswerVerifier,
    Checked,
    VerificationPolicy,
    check_sentence,
    cited_sentences,
    summary_of,
    verification_policy,
)
from ondol.application.assistant.verify.verdict import VERIFIER_ID, Reason, Span, Verdict, Verified, verify_sentence

__all__ = [
    "VERIFIER_ID",
    "AnswerVerifier",
    "Checked",
    "Passage",
    "Reason",
    "Span",
    "Verdict",
    "VerificationPolicy",
    "Verified",
    "check_sentence",
    "cited_sentences",
    "read_passage",
    "summary_of",
    "verification_policy",
    "verify_sentence",
]
