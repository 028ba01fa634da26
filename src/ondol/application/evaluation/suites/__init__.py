"""Suites: what is asked, of whom, how it is scored, and what is enough; read from YAML, or made in Python."""

from __future__ import annotations

from ondol.application.evaluation.suites.cases import Surveyed, each_case, read_case, survey
from ondol.application.evaluation.suites.digest import suite_digest
from ondol.application.evaluation.suites.fields import Fields, SuiteError
from ondol.application.evaluation.suites.read import parse_suite, read_suite, suite_from
from ondol.application.evaluation.suites.types import (
    Card,
    CaseSource,
    FileCases,
    GateSection,
    GoldenCases,
    InlineCases,
    Limits,
    MadeCases,
    Milestone,
    Primary,
    ScorerSpec,
    Suite,
    TargetKind,
    TargetSpec,
)

__all__ = [
    "Card",
    "CaseSource",
    "Fields",
    "FileCases",
    "GateSection",
    "GoldenCases",
    "InlineCases",
    "Limits",
    "MadeCases",
    "Milestone",
    "Primary",
    "ScorerSpec",
    "Suite",
    "SuiteError",
    "Surveyed",
    "TargetKind",
    "TargetSpec",
    "each_case",
    "parse_suite",
    "read_case",
    "read_suite",
    "suite_digest",
    "suite_from",
    "survey",
]
