"""Looks at a text by a policy: one pass of all patterns over each view, then the checks, then the decision."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Literal, TypeAlias, cast

from ondol.infrastructure.guard.actions import Edit, Marks, apply_edits, mark_spans
from ondol.infrastructure.guard.checks.base import PatternCheck, ViewName, view_of
from ondol.infrastructure.guard.patterns import Match, Pattern, PatternSet
from ondol.infrastructure.guard.policy import ACTIONS, EDITS, Action, Policy, Rule, fits
from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.types import Check, Finding, Stage

CONFIDENCE_MIN = 0.5
"""The least confidence where a rule does not say one."""
FINDINGS_MAX = 2_000
"""Of one text; one with more is treated as if a check had failed."""
TEXT_CHARACTERS_MAX = 2_000_000
"""A longer text is not looked at but treated as if a check had failed."""

Decision: TypeAlias = Literal["allow", "mask", "restrict", "escalate", "answer", "block"]

VIEWS: tuple[ViewName, ...] = ("plain", "folded", "squeezed")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Decided:
    """A finding and what the policy does about it."""

    finding: Finding
    action: Action
    say: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is done about a text.

    Attributes:
        decision: what happens; in a policy that only observes always ``allow``.
        would: what would happen if the policy were enforced.
        text: what may go on: edited, or as it was; empty unless it is allowed, masked or restricted.
        decided: findings with their actions, by where they begin.
        say: the name of the text that people are told; empty where nothing is.
        failed: checks that failed, by name.
    """

    decision: Decision
    would: Decision
    text: str
    decided: tuple[Decided, ...] = ()
    say: str = ""
    failed: tuple[str, ...] = ()

    @property
    def passes(self) -> bool:
        """Whether the text goes on."""
        return self.decision in ("allow", "mask", "restrict")

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules that found something, in order, each once: what logs and records keep."""
        return tuple(dict.fromkeys(item.finding.rule for item in self.decided))


@dataclass(frozen=True, slots=True)
class _Threshold:
    rule: Rule
    confidence: float


class Scans:
    """The patterns of several checks: each view is scanned once for all of them."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._views: dict[ViewName, tuple[PatternSet, list[tuple[str, int]]]] = {}
        for view in VIEWS:
            owned = [(name, cast(PatternCheck, check).patterns) for name, check in checks.items() if getattr(check, "view", None) == view]
            owners = [(name, place) for name, patterns in owned for place in range(len(patterns))]
            if owners:
                self._views[view] = (_pattern_set(tuple(pattern for _, patterns in owned for pattern in patterns)), owners)

    def compile(self, cache: Path | None = None) -> None:
        """Compile now, which takes up to some hundred milliseconds, or read what an earlier process compiled and kept in a folder."""
        for patterns, _ in self._views.values():
            patterns.compile(cache)

    def views_of(self, checks: Sequence[Check]) -> frozenset[ViewName]:
        """The views that any of these checks looks at by patterns."""
        return frozenset(view for view in self._views if any(getattr(check, "view", None) == view for check in checks))

    def matches(self, text: GuardText, views: frozenset[ViewName], failed: list[str]) -> dict[str, list[Match]]:
        """The matches of each check, by its name, with the pattern's place in that check; checks that cannot be served are added to `failed`."""
        found: dict[str, list[Match]] = {}
        for view in views:
            patterns, owners = self._views[view]
            try:
                matches = patterns.scan(view_of(text, view).text)
            except Exception:
                _logger.exception("looking for patterns failed", extra={"view": view})
                failed += dict.fromkeys(name for name, _ in owners)
                continue
            for match in matches:
                name, place = owners[match.pattern]
                found.setdefault(name, []).append(Match(place, match.start, match.end))
        return found


class StageGuard:
    """One stage of a policy, ready to look at texts. Safe to share between threads.

    Args:
        policies: the policy, and floors that apply as well; of two actions the stricter is taken.
        checks: by name; those that no rule of the stage names are not run.
        scans: the patterns of these checks, where other stages share them.
    """

    def __init__(self, stage: Stage, policies: Sequence[Policy], checks: Mapping[str, Check], scans: Scans | None = None) -> None:
        self.stage = stage
        self.policies = tuple(policies)
        self._enforces = any(policy.mode == "enforce" for policy in policies)
        self._rules = [[_threshold(rule, checks) for rule in policy.stages.get(stage, ())] for policy in policies]
        named = {_check_of(item.rule) for rules in self._rules for item in rules}
        self.checks = tuple(check for name, check in checks.items() if name in named)
        acting = {_check_of(item.rule) for rules in self._rules for item in rules if item.rule.do != "observe"}
        self._holding = tuple(check for check in self.checks if check.reach is not None and check.name in acting)
        self._scans = scans or Scans({check.name: check for check in self.checks})
        self._views = self._scans.views_of(self.checks)

    @property
    def reach(self) -> int:
        """The longest reach of the checks that have one and whose findings change or end a text, in characters."""
        return max((check.reach for check in self._holding if check.reach is not None), default=0)

    def settled(self, text: str) -> int:
        """Up to where nothing that may still follow this text can change what is found in it, in characters."""
        return min((_settled(check, text) for check in self._holding), default=len(text))

    def changes_by_whole(self) -> bool:
        """Whether a check that judges texts as one may change or end a text: then none of it may go out before its end."""
        whole = {check.name for check in self.checks if check.reach is None}
        return any(
            _check_of(item.rule) in whole and item.rule.do not in ("observe", "restrict")
            for policy, rules in zip(self.policies, self._rules, strict=True)
            for item in rules
            if policy.mode == "enforce"
        )

    def find(self, text: str, *, is_part: bool = False) -> tuple[list[Finding], tuple[str, ...]]:
        """All findings of the stage's checks, by where they begin, and the names of the checks that failed.

        Args:
            is_part: leaves out the checks that judge texts as one.
        """
        checks = [check for check in self.checks if not is_part or check.reach is not None]
        if len(text) > TEXT_CHARACTERS_MAX:
            return [], tuple(check.name for check in checks)
        looked_at = GuardText(text)
        findings: list[Finding] = []
        failed: list[str] = []
        matches = self._scans.matches(looked_at, self._views, failed)
        for check in checks:
            try:
                if hasattr(check, "patterns"):
                    findings += cast(PatternCheck, check).confirm(looked_at, matches.get(check.name, ()))
                else:
                    findings += check.find(looked_at)
            except Exception:
                # Whatever a check fails with, the policy's answer to it is the same: the text is not let pass unseen.
                _logger.exception("a check failed", extra={"check": check.name})
                failed.append(check.name)
        if len(findings) > FINDINGS_MAX:
            failed.append("too-many-findings")
            findings = findings[:FINDINGS_MAX]
        marks = mark_spans(text)
        if marks:
            findings = [item for item in findings if not any(start <= item.start and item.end <= end for start, end in marks)]
        findings.sort(key=attrgetter("start", "end", "rule"))
        return findings, tuple(dict.fromkeys(failed))

    def inspect(self, text: str, marks: Marks) -> Verdict:
        """Find, decide and edit."""
        findings, failed = self.find(text)
        return self.decide(text, findings, failed, marks)

    def decide(self, text: str, findings: Sequence[Finding], failed: Sequence[str], marks: Marks) -> Verdict:
        """What the policy does about findings in a text, and the text that goes on."""
        verdict = self.judge(self.decided_of(findings), failed)
        if verdict.decision == "allow":
            return replace(verdict, text=text)
        if verdict.passes:
            return replace(verdict, text=apply_edits(text, edits_of(text, verdict.decided, marks)))
        return verdict

    def decided_of(self, findings: Sequence[Finding]) -> list[Decided]:
        """The findings that the policy has a rule for, with what the rule does."""
        return [item for finding in findings if (item := self._decided(finding)) is not None]

    def judge(self, decided: Sequence[Decided], failed: Sequence[str]) -> Verdict:
        """The verdict on findings that have been decided about, without a text."""
        worst = max((item for item in decided if item.action != "observe"), key=lambda item: ACTIONS.index(item.action), default=None)
        would = _decision(worst.action) if worst else "allow"
        say = (worst.say or _usual_text(worst)) if worst else ""
        if failed and any(policy.on_error == "block" for policy in self.policies):
            would, say = "block", "blocked"
        return Verdict(would if self._enforces else "allow", would, "", tuple(decided), say if self._enforces else "", tuple(failed))

    def _decided(self, finding: Finding) -> Decided | None:
        chosen: Decided | None = None
        for policy, rules in zip(self.policies, self._rules, strict=True):
            item = next((item for item in rules if finding.confidence >= item.confidence and fits(item.rule, finding)), None)
            if item is None:
                continue
            # Beside a policy that is enforced, one that only observes must not act through it.
            action: Action = "observe" if policy.mode == "observe" and self._enforces else item.rule.do
            if chosen is None or ACTIONS.index(action) > ACTIONS.index(chosen.action):
                chosen = Decided(finding, action, item.rule.say)
        return chosen


def edits_of(text: str, decided: Sequence[Decided], marks: Marks) -> list[Edit]:
    """The replacements for all findings whose action is one, overlapping ones joined under the surest of the strictest."""
    edits: list[Edit] = []
    group: list[Decided] = []
    end = -1
    for item in [*sorted((item for item in decided if item.action in EDITS), key=lambda item: (item.finding.start, -item.finding.end)), None]:
        if item is not None and item.finding.start < end:
            group.append(item)
            end = max(end, item.finding.end)
            continue
        if group:
            edits.append(_joined(text, group, end, marks))
        if item is not None:
            group, end = [item], item.finding.end
    return edits


def _joined(text: str, group: Sequence[Decided], end: int, marks: Marks) -> Edit:
    leading = max(group, key=lambda item: (ACTIONS.index(item.action), item.finding.confidence, item.finding.end - item.finding.start))
    start = group[0].finding.start
    return Edit(start, end, marks.replacement(leading.action, leading.finding, text[start:end]))


def _settled(check: Check, text: str) -> int:
    open_from: Callable[[str], int] | None = getattr(check, "open_from", None)
    least = max(0, len(text) - (check.reach or 0))
    return least if open_from is None else max(least, open_from(text))


def _check_of(rule: Rule) -> str:
    return rule.find.partition(":")[0].partition(".")[0]


def _threshold(rule: Rule, checks: Mapping[str, Check]) -> _Threshold:
    if rule.false_alarms is None:
        return _Threshold(rule, CONFIDENCE_MIN if rule.at is None else rule.at)
    check = checks.get(_check_of(rule))
    measured: Sequence[tuple[float, float]] = getattr(check, "false_alarm_rates", ())
    fitting = [confidence for rate, confidence in measured if rate <= rule.false_alarms]
    return _Threshold(rule, min(fitting, default=1.0))


def _decision(action: Action) -> Decision:
    match action:
        case "restrict" | "escalate" | "answer" | "block":
            return action
        case "observe":
            return "allow"
        case _:
            return "mask"


def _usual_text(item: Decided) -> str:
    match item.action:
        case "block":
            return "blocked"
        case "restrict":
            return "disclaimer"
        case "escalate":
            return "escalated"
        case "answer":
            return "helpline" if item.finding.entity == "SELF_HARM" else "expert"
    return ""


@lru_cache(maxsize=64)
def _pattern_set(patterns: tuple[Pattern, ...]) -> PatternSet:
    """Policies that look for the same share the automaton."""
    return PatternSet(patterns)
