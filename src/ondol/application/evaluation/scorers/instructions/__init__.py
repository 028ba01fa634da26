"""Instructions whose following can be verified by code: the kinds of IFEval (Zhou et al. 2023) and Korean ones, by the ids that its sets use."""

from __future__ import annotations

from ondol.application.evaluation.scorers.instructions.arguments import Arguments, BadArgument
from ondol.application.evaluation.scorers.instructions.kinds import KINDS, kind_of

__all__ = ["KINDS", "Arguments", "BadArgument", "kind_of"]
