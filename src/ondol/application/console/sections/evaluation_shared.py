"""What the pages of evaluation have in common: their tabs, and the names of outcomes and states."""

from __future__ import annotations

from collections.abc import Mapping

PATH = "/evaluation"
OUTCOMES: Mapping[str, str] = {
    "PASS": "evaluation.outcome.passed",
    "FAIL": "evaluation.outcome.failed",
    "INCONCLUSIVE": "evaluation.outcome.inconclusive",
}
TONES: Mapping[str, str] = {"PASS": "good", "FAIL": "bad", "INCONCLUSIVE": "wait", "failed": "bad", "waiting": "wait", "running": "wait"}
STATES: Mapping[str, str] = {
    "waiting": "evaluation.state.waiting",
    "running": "evaluation.state.running",
    "stopped": "evaluation.state.stopped",
    "finished": "evaluation.state.finished",
    "failed": "evaluation.state.failed",
}
OPEN = ("waiting", "running")
DONE: Mapping[str, str] = {
    "started": "evaluation.done.started",
    "stopped": "evaluation.done.stopped",
    "resumed": "evaluation.done.resumed",
    "deleted": "evaluation.done.deleted",
    "planned": "red_team.done.planned",
    "dropped": "red_team.done.dropped",
}


def tabs_of(tab: str) -> dict[str, object]:
    """What every page of the section shows above itself, and the words that its templates use."""
    tabs = [
        ("runs", "evaluation.runs", PATH),
        ("quality", "quality.title", PATH + "/quality"),
        ("golden", "evaluation.golden", PATH + "/golden"),
        ("nights", "evaluation.nights", PATH + "/nights"),
        ("red_team", "red_team.board", PATH + "/red-team"),
    ]
    return {"tab": tab, "tabs": tabs, "outcomes": OUTCOMES, "tones": TONES, "states": STATES, "open_states": OPEN, "done_texts": DONE}
