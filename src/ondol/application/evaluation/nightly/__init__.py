"""The nightly evaluation: what serves is asked its golden set, compared with when it was well, and rolled back where that is the plan."""

from __future__ import annotations

from ondol.application.evaluation.nightly.alarms import give_nightly_alarms
from ondol.application.evaluation.nightly.compare import compare_nights
from ondol.application.evaluation.nightly.due import run_due
from ondol.application.evaluation.nightly.look import NightlyRoom, look_at
from ondol.application.evaluation.nightly.store import drop_plan, get_plan, list_looks, list_plans, put_plan
from ondol.application.evaluation.nightly.types import Baseline, Found, Look, LookOutcome, Night, Plan, Policy

__all__ = [
    "Baseline",
    "Found",
    "Look",
    "LookOutcome",
    "Night",
    "NightlyRoom",
    "Plan",
    "Policy",
    "compare_nights",
    "drop_plan",
    "get_plan",
    "give_nightly_alarms",
    "list_looks",
    "list_plans",
    "look_at",
    "put_plan",
    "run_due",
]
