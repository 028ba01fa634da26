"""From a suite to the rules of its gate. They are part of the suite, so that its digest shows when somebody changed them after a run."""

from __future__ import annotations

from collections.abc import Iterable

from ondol.application.evaluation.gate.types import Rules
from ondol.application.evaluation.suites import Suite
from ondol.core.errors import RequestError


def rules_of(suite: Suite, hard_zero: Iterable[str] = ()) -> Rules:
    """What a suite is decided by.

    Args:
        hard_zero: scorers that are hard zeros by themselves, whether or not the suite says so.

    Raises:
        RequestError: when nothing would be decided, or a metric is said to be both a hard zero and primary; it names the field.
    """
    margins: dict[str, float] = {}
    for number, primary in enumerate(suite.gate.primary):
        if primary.metric in margins:
            raise _error(
                f"gate.primary[{number}].metric names {primary.metric!r} again.", "Give each metric one margin.", f"gate.primary[{number}].metric"
            )
        margins[primary.metric] = primary.margin
    if not margins:
        raise _error(
            "gate.primary is empty: the gate would decide nothing.",
            "Name the metrics that decide, each with the margin that is still no worse: `primary: [{metric: correct, margin: 0.02}]`.",
            "gate.primary",
        )
    zeros = tuple(dict.fromkeys([*suite.gate.hard_zero, *hard_zero]))
    both = [metric for metric in zeros if metric in margins]
    if both:
        raise _error(f"gate.primary names {both[0]!r}, which is a hard zero.", "One hit fails: it needs no margin.", "gate.primary")
    return Rules(
        margins=margins,
        hard_zero=zeros,
        success=dict(suite.card.success),
        coverage=suite.gate.coverage,
        below_coverage=suite.gate.below_coverage,
        alpha=suite.gate.alpha,
    )


def _error(message: str, hint: str, param: str) -> RequestError:
    return RequestError(message, hint, code="invalid_suite", param=param)
