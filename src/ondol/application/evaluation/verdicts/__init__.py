"""Verdicts: what an evaluation came to, signed over everything that it depends on."""

from __future__ import annotations

from ondol.application.evaluation.verdicts.sign import sign_finding
from ondol.application.evaluation.verdicts.store import get_verdict, list_verdicts
from ondol.application.evaluation.verdicts.types import Figure, Finding, Inputs, Outcome, Verdict
from ondol.application.evaluation.verdicts.verify import Checked, Keys, check_file, check_stored, file_of

__all__ = [
    "Checked",
    "Figure",
    "Finding",
    "Inputs",
    "Keys",
    "Outcome",
    "Verdict",
    "check_file",
    "check_stored",
    "file_of",
    "get_verdict",
    "list_verdicts",
    "sign_finding",
]
