"""What becomes of the rankings of a search: put together, and what each stage said is kept for evaluation."""

from __future__ import annotations

from ondol.application.knowledge.ranking.diversity import diversify, looked_at
from ondol.application.knowledge.ranking.fusion import fuse
from ondol.application.knowledge.ranking.stages import Ranked, Stage, StageName, stage_of

__all__ = ["Ranked", "Stage", "StageName", "diversify", "fuse", "looked_at", "stage_of"]
