"""What the pages of evaluation have in common: their tabs, and the names of outcomes and states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
SLICE = "language"
"""By which figures are told apart until somebody chooses otherwise."""
SLICE_LABELS: Mapping[str, str] = {
    "language": "evaluation.slice.language",
    "topic": "evaluation.slice.topic",
    "kind": "evaluation.slice.kind",
    "difficulty": "evaluation.slice.difficulty",
    "mutator": "evaluation.slice.mutator",
}
"""Names of slices that are known; others are called as their suite calls them."""
LANGUAGES: Mapping[str, str] = {"ko": "prompts.language.ko", "en": "prompts.language.en"}
DONE: Mapping[str, str] = {
    "started": "evaluation.done.started",
    "stopped": "evaluation.done.stopped",
    "resumed": "evaluation.done.resumed",
    "deleted": "evaluation.done.deleted",
    "planned": "red_team.done.planned",
    "dropped": "red_team.done.dropped",
}


def sliced(by: str, names: Sequence[str]) -> dict[str, object]:
    """What pages need that tell figures apart by a slice, one of `names`."""
    return {"by": by, "slice_names": names, "slice_labels": SLICE_LABELS, "value_labels": LANGUAGES if by == SLICE else {}}


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
