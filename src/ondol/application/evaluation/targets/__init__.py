"""Targets: whatever can be asked, one file each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ondol.application.evaluation.suites import TargetKind, TargetSpec
from ondol.application.evaluation.targets.assistant import load_assistant
from ondol.application.evaluation.targets.base import Asking, Reach, Replied, Searched, Target
from ondol.application.evaluation.targets.conversation import hold
from ondol.application.evaluation.targets.endpoint import load_endpoint
from ondol.application.evaluation.targets.guard import load_guard
from ondol.application.evaluation.targets.prompt import load_prompt
from ondol.application.evaluation.targets.python import load_python
from ondol.application.evaluation.targets.retriever import load_retriever
from ondol.application.evaluation.targets.route import load_route

TARGETS: Mapping[TargetKind, Callable[[TargetSpec, Reach], Target]] = {
    "assistant": load_assistant,
    "endpoint": load_endpoint,
    "guard": load_guard,
    "prompt": load_prompt,
    "python": load_python,
    "retriever": load_retriever,
    "route": load_route,
}
"""By the key that a suite names."""

__all__ = ["TARGETS", "Asking", "Reach", "Replied", "Searched", "Target", "hold"]
