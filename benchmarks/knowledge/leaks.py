"""Whether a reader is told anything of what is closed to them: steps of the state machine, and how many of them told."""

from __future__ import annotations

from typing import Any

from benchmarks.knowledge.noninterference import noninterference

STEPS, STEPS_QUICK = 10_000, 30


def measure(*, quick: bool) -> dict[str, Any]:
    """`noninterference_steps` and `noninterference_leaks`."""
    steps, leaks = noninterference(STEPS_QUICK if quick else STEPS)
    return {"noninterference_steps": steps, "noninterference_leaks": leaks}


def show(figures: dict[str, Any]) -> None:
    """A line for people."""
    print(f"{figures['noninterference_steps']:,} steps in two worlds, of which {figures['noninterference_leaks']} told what is closed\n")
