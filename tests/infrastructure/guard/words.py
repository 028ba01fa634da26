"""A check for tests: it finds the words it is told, without patterns, weights or a wait for compiling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ondol.infrastructure.guard.policy import Policy, policy_from
from ondol.infrastructure.guard.registry import Resources
from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.types import Check, Finding


class WordCheck:
    """Finds words exactly as they are written."""

    reach: int | None = 40

    def __init__(self, name: str, words: Mapping[str, str]) -> None:
        self.name = name
        self._words = words

    def find(self, text: GuardText) -> Sequence[Finding]:
        found: list[Finding] = []
        for word, entity in self._words.items():
            start = text.original.find(word)
            while start >= 0:
                found.append(Finding(self.name, f"{self.name}.{entity.lower()}", start, start + len(word), 0.9, "word", entity))
                start = text.original.find(word, start + len(word))
        return sorted(found, key=lambda item: item.start)


def word_checks(policies: Sequence[Policy], resources: Resources) -> Mapping[str, Check]:
    """Checks called personal, secrets and injection for fixed words, and canary for the tenant's own."""
    del policies
    return {
        "personal": WordCheck("personal", {"010-1234-5678": "PHONE", "900101-1234567": "KR_RESIDENT_NUMBER"}),
        "secrets": WordCheck("secrets", {"hunter2": "PASSWORD"}),
        "injection": WordCheck("injection", {"ignore all": "OVERRIDE"}),
        "canary": WordCheck("canary", dict.fromkeys(resources.canaries, "CANARY")),
    }


def policy_of(name: str, *, stage: str = "input", **rules: str) -> Policy:
    """A policy with rules for one stage, by check."""
    return policy_from({"version": 1, "name": name, "stages": {stage: [{"find": check, "do": action} for check, action in rules.items()]}})
