"""Looks at a text by a policy: one pass of all patterns over each view, then the checks, then the decision."""

from __future__ import annotations

import copy
import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Literal, TypeAlias, cast

from ondol.infrastructure.guard.actions import Edit, Marks, apply_edits, mark_spans, sentence_around
from ondol.infrastructure.guard.checks.base import PatternCheck, ViewName, view_of
from ondol.infrastructure.guard.normalise.ordinary import is_plain
from ondol.infrastructure.guard.patterns import Match, Pattern, PatternSet, TooManyMatches, unanchored
from ondol.infrastructure.guard.policy import ACTIONS, EDITS, Action, Policy, Rule, fits
from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.types import Check, Finding, Stage

CONFIDENCE_MIN = 0.5
"""The least confidence where a rule does not say one."""
FINDINGS_MAX = 2_000
"""Of one text; one with more is treated as if a check had failed."""
CALM_CHARACTERS_MAX = 8_192
"""No longer text is asked whether it is calm: a stream's window is shorter."""
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

    def calm(self, checks: Sequence[Check], views: frozenset[ViewName]) -> Calm | None:
        """What tells texts in which none of these checks finds anything; None where patterns alone do not tell."""
        patterns = [check for check in checks if getattr(check, "needs_match", False) and getattr(check, "view", None) == "plain"]
        if len(patterns) < len(checks) or views != {"plain"}:
            return None
        scanned, owners = self._views["plain"]
        names = {check.name: cast(PatternCheck, check).only_context for check in patterns}
        quiet = frozenset(index for index, (name, place) in enumerate(owners) if name not in names or place in names[name])
        anchored = [Pattern(unanchored(item.expression), item.ignore_case, finds_start=False) for item in scanned.patterns]
        anchored = [item for item, whole in zip(anchored, scanned.patterns, strict=True) if item.expression != whole.expression]
        return Calm(scanned, quiet, _pattern_set(tuple(anchored)))

    def matches(self, text: GuardText, views: frozenset[ViewName], failed: list[str]) -> dict[str, list[Match]]:
        """The matches of each check, by its name, with the pattern's place in that check; checks that cannot be served are added to `failed`."""
        found: dict[str, list[Match]] = {}
        for view in views:
            patterns, owners = self._views[view]
            try:
                matches = patterns.scan((text.plain if view == "plain" else view_of(text, view)).text)
            except Exception:
                _logger.exception("looking for patterns failed", extra={"view": view})
                failed += dict.fromkeys(name for name, _ in owners)
                continue
            for match in matches:
                name, place = owners[match.pattern]
                found.setdefault(name, []).append(Match(place, match.start, match.end))
        return found


class Calm:
    """Tells texts in which nothing is found, nor in any part of them, however they are cut.

    It holds by construction. Where the plain view of a text is the text itself, so it is of every part. A pattern without anchors that matches in a
    part matches in the whole; those with anchors are looked for without them, which only makes them match more. Where no pattern of a check matches
    but those that need another beside them, a check that `needs_match` finds nothing.
    """

    __slots__ = ("_anchored", "_patterns", "_quiet")

    def __init__(self, patterns: PatternSet, quiet: frozenset[int], anchored: PatternSet) -> None:
        self._patterns = patterns
        self._quiet = quiet
        self._anchored = anchored

    def compile(self, cache: Path | None = None) -> None:
        """Compile what is not compiled with the stage's own patterns."""
        self._anchored.compile(cache)

    def trouble(self, text: str) -> int:
        """0 when it is certain of this text. Else the text must be looked at, and the place behind which it may be calm again, in characters."""
        if len(text) > CALM_CHARACTERS_MAX or not is_plain(text):
            return len(text) or 1
        try:
            matches, data = self._patterns.raw(text)
            last = max((end for pattern, _, end in matches if pattern not in self._quiet), default=0) if matches else 0
            anchored, _ = self._anchored.raw(text)
        except TooManyMatches:
            return len(text)
        if anchored:
            last = max(last, *(match[2] for match in anchored))
        return last if not last or len(data) == len(text) else len(data[:last].decode("utf-8", "ignore"))


class StageGuard:
    """One stage of a policy, ready to look at texts. Safe to share between threads.

    Args:
        policies: the policy, and floors that apply as well; of two actions the stricter is taken.
        checks: by name; those that no rule of the stage names are not run.
        scans: the patterns of these checks, where other stages share them.

    Attributes:
        names: the checks that some rule of the stage is about, whether they are there or not.
        reach: the longest reach of the checks that have one and whose findings change or end a text, in characters.
        looks_at_whole: some check judges texts as one.
        has_pure: some check goes by the text and the policies alone.
        version: names the stage, its policies and those checks, 32 bytes.
    """

    def __init__(self, stage: Stage, policies: Sequence[Policy], checks: Mapping[str, Check], scans: Scans | None = None) -> None:
        self.stage = stage
        self.policies = tuple(policies)
        self._enforces = any(policy.mode == "enforce" for policy in policies)
        self._rules = [[_threshold(rule, checks) for rule in policy.stages.get(stage, ())] for policy in policies]
        named = {_check_of(item.rule) for rules in self._rules for item in rules}
        self.names = frozenset(named)
        self._acting = frozenset(_check_of(item.rule) for rules in self._rules for item in rules if item.rule.do != "observe")
        self._take(tuple(check for name, check in checks.items() if name in named))
        self._scans = scans or Scans({check.name: check for check in self.checks})
        self._views = self._scans.views_of(self.checks)

    def _take(self, checks: tuple[Check, ...]) -> None:
        self.checks = checks
        self._looks = tuple((check, hasattr(check, "patterns"), bool(getattr(check, "needs_match", False))) for check in checks)
        self._looks_at_parts = tuple(look for look in self._looks if look[0].reach is not None)
        self._pure = tuple(look for look in self._looks if getattr(look[0], "is_pure", False))
        self._impure = tuple(look for look in self._looks if not getattr(look[0], "is_pure", False))
        self.has_pure = bool(self._pure)
        self.version = _version(self.stage, self.policies, [look[0].name for look in self._pure])
        self._calm: Calm | Literal[False] | None = False
        self._holding = tuple(check for check in checks if check.reach is not None and check.name in self._acting)
        self._open = tuple((check.reach or 0, cast(Callable[[str], int] | None, getattr(check, "open_from", None))) for check in self._holding)
        self.reach = max((check.reach for check in self._holding if check.reach is not None), default=0)
        self.looks_at_whole = len(self._looks_at_parts) < len(self._looks)
        self._changes_by_whole = self._may_change_by_whole()
        self._whole = tuple(check for check in checks if hasattr(check, "mended"))

    def with_checks(self, checks: Sequence[Check]) -> StageGuard:
        """This stage with checks more, such as those that only one request asks for; itself where no rule is about any of them.

        Args:
            checks: none of them looks for patterns: what is compiled stays as it is. One may be of a name that is there already; both look then.
        """
        more = tuple(check for check in checks if check.name in self.names)
        if not more:
            return self
        guard = copy.copy(self)
        guard._take((*self.checks, *more))
        if all(check.reach is None for check in more):
            guard._calm = self.calm  # parts of texts are looked at by the same checks as before
        return guard

    def settled(self, text: str) -> int:
        """Up to where nothing that may still follow this text can change what is found in it, in characters."""
        length = place = len(text)
        for reach, open_from in self._open:
            settled = length - reach if length > reach else 0
            if open_from is not None:
                settled = max(settled, open_from(text))
            place = min(place, settled)
        return place

    @property
    def calm(self) -> Calm | None:
        """What tells texts in which the checks that look at parts of texts find nothing; None where nothing tells."""
        if self._calm is False:
            self._calm = self._scans.calm([look[0] for look in self._looks_at_parts], self._views) if self._looks_at_parts else None
        return self._calm

    @property
    def enforces(self) -> bool:
        """Whether any of the policies does."""
        return self._enforces

    def changes_by_whole(self) -> bool:
        """Whether a check that judges texts as one may change or end a text: then none of it may go out before its end."""
        return self._changes_by_whole

    def _may_change_by_whole(self) -> bool:
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
        findings, failed = self._look(text, self._looks_at_parts if is_part else self._looks)
        return _in_order(text, findings, failed)

    def find_apart(self, text: str) -> tuple[list[Finding], list[Finding], tuple[str, ...]]:
        """What the checks found that go by the text and the policies alone, to be given to `find_again` if no check failed; and what `find` tells."""
        pure, failed = self._look(text, self._pure)
        others, more = self._look(text, self._impure) if self._impure else ([], [])
        found = _in_order(text, [*pure, *others], [*failed, *more])
        return pure, *found

    def find_again(self, text: str, pure: Sequence[Finding]) -> tuple[list[Finding], tuple[str, ...]]:
        """What `find` tells of a text that was looked at before: only those checks look that depend on something else."""
        others, failed = self._look(text, self._impure) if self._impure else ([], [])
        return _in_order(text, [*pure, *others], failed)

    def _look(self, text: str, looks: Sequence[tuple[Check, bool, bool]]) -> tuple[list[Finding], list[str]]:
        """What some of the checks find, in no order, and the names of those that failed."""
        if len(text) > TEXT_CHARACTERS_MAX:
            return [], [check.name for check, _, _ in looks]
        looked_at = GuardText(text)
        findings: list[Finding] = []
        failed: list[str] = []
        by_name: dict[str, list[Match]] = {}
        if any(by_patterns for _, by_patterns, _ in looks):
            by_name = self._scans.matches(looked_at, self._views, failed)
        for check, by_patterns, needs_match in looks:
            try:
                if by_patterns:
                    own = by_name.get(check.name, ())
                    if own or not needs_match:
                        findings += cast(PatternCheck, check).confirm(looked_at, own)
                else:
                    findings += check.find(looked_at)
            except Exception:
                # Whatever a check fails with, the policy's answer to it is the same: the text is not let pass unseen.
                _logger.exception("a check failed", extra={"check": check.name})
                failed.append(check.name)
        return findings, failed

    def inspect(self, text: str, marks: Marks) -> Verdict:
        """Find, decide and edit."""
        findings, failed = self.find(text)
        return self.decide(text, findings, failed, marks)

    def decide(self, text: str, findings: Sequence[Finding], failed: Sequence[str], marks: Marks) -> Verdict:
        """What the policy does about findings in a text, and the text that goes on."""
        if not findings and not failed:
            return Verdict("allow", "allow", text)
        verdict = self.judge(self.decided_of(findings), failed)
        if verdict.decision == "allow":
            return replace(verdict, text=text)
        if not verdict.passes:
            return verdict
        edited = apply_edits(text, edits_of(text, self._widened(text, verdict.decided), marks))
        return self._mended(replace(verdict, text=edited))

    def _widened(self, text: str, decided: Sequence[Decided]) -> Sequence[Decided]:
        """Findings with the span that is cut out. A sentence that is left half cut still instructs: of a document the whole sentence goes."""
        if self.stage != "model" or not any(item.action == "strip" and item.finding.check == "injection" for item in decided):
            return decided
        widened = []
        for item in decided:
            if item.action == "strip" and item.finding.check == "injection":
                start, end = sentence_around(text, item.finding.start, item.finding.end)
                item = replace(item, finding=replace(item.finding, start=start, end=end))  # noqa: PLW2901 - the same finding, wider
            widened.append(item)
        return widened

    def _mended(self, verdict: Verdict) -> Verdict:
        """What goes on still holds to what is demanded of the text as a whole, after all edits; where it can only be refused, it is."""
        text = verdict.text
        for check in self._whole:
            try:
                decided = self.decided_of(check.find(GuardText(text)))
                broken = self.judge(decided, ())
                if not broken.passes:
                    return self._refused(verdict, decided)
                if any(item.action == "repair" for item in decided):
                    mended: str | None = check.mended(text)
                    if mended is None:
                        return self._refused(verdict, [replace(item, action="block") if item.action == "repair" else item for item in decided])
                    text = mended
            except Exception:
                # As in `find`: the policy says what a check that fails means.
                _logger.exception("a check failed", extra={"check": check.name})
                failing = self.judge(verdict.decided, (*verdict.failed, check.name))
                return replace(failing, text=text if failing.passes else "")
        return replace(verdict, text=text)

    def _refused(self, verdict: Verdict, decided: Sequence[Decided]) -> Verdict:
        others = [item for item in verdict.decided if not any(item.finding == again.finding for again in decided)]
        together = sorted((*others, *decided), key=lambda item: (item.finding.start, item.finding.end, item.finding.rule))
        return self.judge(together, verdict.failed)

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
    edited = (item for item in decided if item.action in EDITS and item.action != "repair")  # a repair is of the whole
    for item in [*sorted(edited, key=lambda item: (item.finding.start, -item.finding.end)), None]:
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


def _in_order(text: str, findings: list[Finding], failed: list[str]) -> tuple[list[Finding], tuple[str, ...]]:
    """Findings by where they begin, without those inside marks, and each failed check once."""
    if not findings:
        return findings, tuple(dict.fromkeys(failed)) if failed else ()
    if len(findings) > FINDINGS_MAX:
        failed.append("too-many-findings")
        findings = findings[:FINDINGS_MAX]
    marks = mark_spans(text)
    if marks:
        findings = [item for item in findings if not any(start <= item.start and item.end <= end for start, end in marks)]
    findings.sort(key=attrgetter("start", "end", "rule"))
    return findings, tuple(dict.fromkeys(failed))


def _version(stage: Stage, policies: Sequence[Policy], checks: Sequence[str]) -> bytes:
    """Names what texts are looked at by."""
    named = hashlib.blake2b("\0".join((stage, *checks)).encode(), digest_size=32)
    for policy in policies:
        named.update(policy.digest)
    return named.digest()


@lru_cache(maxsize=64)
def _pattern_set(patterns: tuple[Pattern, ...]) -> PatternSet:
    """Policies that look for the same share the automaton."""
    return PatternSet(patterns)
