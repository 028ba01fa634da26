"""Verdicts: what an evaluation came to, signed over everything that it depends on."""

from __future__ import annotations

from ondol.application.evaluation.verdicts.parts import served_parts
from ondol.application.evaluation.verdicts.required import missing_of, required_gate
from ondol.application.evaluation.verdicts.requirements import Requirement, get_requirement, list_requirements, put_requirement
from ondol.application.evaluation.verdicts.results import ResultsChecked, check_results
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
    "Requirement",
    "ResultsChecked",
    "Verdict",
    "check_file",
    "check_results",
    "check_stored",
    "file_of",
    "get_requirement",
    "get_verdict",
    "list_requirements",
    "list_verdicts",
    "missing_of",
    "put_requirement",
    "required_gate",
    "served_parts",
    "sign_finding",
]
