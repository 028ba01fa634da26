"""The gate: whether a candidate may take its baseline's place, by rules that were written down before anything was measured."""

from __future__ import annotations

from ondol.application.evaluation.gate.decide import decide
from ondol.application.evaluation.gate.rules import rules_of
from ondol.application.evaluation.gate.tell import as_dict, as_text
from ondol.application.evaluation.gate.types import Compared, Decision, HardZero, Outcome, Rules, Threshold

__all__ = ["Compared", "Decision", "HardZero", "Outcome", "Rules", "Threshold", "as_dict", "as_text", "decide", "rules_of"]
