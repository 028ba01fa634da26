"""What another policy would have decided about masked traffic that passed already.

What is private was taken out when the text was kept, so findings of that kind are taken as they were found then; everything else is looked for again
in the masked text. The result names rules and counts, never texts.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ondol.infrastructure.guard.conversation import Guards
from ondol.infrastructure.guard.engine import Decided, Decision
from ondol.infrastructure.guard.samples import is_private
from ondol.infrastructure.guard.traffic import KeptText

TOOLS_CHECK = "tools"
ASKED_CHECKS = frozenset({"prompt_leak", "overlap", "citations", "schema"})
"""Checks whose subject was the request's or the tenant's own and is not here: their findings are taken as they were."""
EXAMPLES_MAX = 5
"""Of one rule and change."""


@dataclass(frozen=True, slots=True)
class RuleChange:
    """Decisions that would change where one rule finds something.

    Attributes:
        rule: the rule that decides, in the old or the new policy; empty when none does.
        examples: ids of kept texts.
    """

    rule: str
    before: Decision
    after: Decision
    count: int
    examples: tuple[uuid.UUID, ...]


@dataclass(frozen=True, slots=True)
class DryRun:
    """The whole result: how many texts were decided about, in which way before and now, and the changes by rule, the most frequent first."""

    texts: int
    changed: int
    before: dict[str, int]
    after: dict[str, int]
    changes: tuple[RuleChange, ...]

    def plain(self) -> dict[str, Any]:
        """As plain data, for an incident's measured effect."""
        changes = [
            {
                "rule": item.rule,
                "before": item.before,
                "after": item.after,
                "count": item.count,
                "examples": [str(example) for example in item.examples],
            }
            for item in self.changes
        ]
        return {"texts": self.texts, "changed": self.changed, "before": self.before, "after": self.after, "changes": changes}


def dry_run(guards: Guards, kept: Iterable[KeptText]) -> DryRun:
    """Decide again about every text."""
    before: Counter[str] = Counter()
    after: Counter[str] = Counter()
    grouped: dict[tuple[str, Decision, Decision], list[uuid.UUID]] = {}
    texts = 0
    for item in kept:
        texts += 1
        decision, rule = _decide(guards, item)
        before[item.decision] += 1
        after[decision] += 1
        if decision != item.decision:
            grouped.setdefault((rule, item.decision, decision), []).append(item.id)
    changes = [RuleChange(rule, old, new, len(ids), tuple(ids[:EXAMPLES_MAX])) for (rule, old, new), ids in grouped.items()]
    changes.sort(key=lambda change: (-change.count, change.rule, change.before, change.after))
    return DryRun(texts, sum(change.count for change in changes), dict(before), dict(after), tuple(changes))


def _decide(guards: Guards, item: KeptText) -> tuple[Decision, str]:
    """The decision, and the rule that is to blame for a change of it."""
    old = [finding.rule for finding, action in item.findings if action != "observe"]
    guard = guards.stages.get(item.stage)
    if guard is None:
        return "allow", old[0] if old else ""
    found, failed = guard.find(item.text)
    present = {check.name for check in guard.checks}
    kept = [finding for finding, _ in item.findings if is_private(finding) or (finding.check in ASKED_CHECKS and finding.check not in present)]
    decided = guard.decided_of(sorted((*kept, *found), key=lambda finding: (finding.start, finding.end, finding.rule)))
    # What could not be mended then could not be mended now.
    beyond = {finding for finding, action in item.findings if finding.check in ASKED_CHECKS and action == "block"}
    decided = [Decided(one.finding, "block", one.say) if one.action == "repair" and one.finding in beyond else one for one in decided]
    # What tools' own rules found rests on who called, from what and with whose approval: it is taken as it was.
    decided += [Decided(finding, action, "") for finding, action in item.findings if finding.check == TOOLS_CHECK]
    verdict = guard.judge(decided, failed)
    new = [one.finding.rule for one in decided if one.action != "observe"]
    blamed = next((rule for rule in new if rule not in old), None) or next((rule for rule in old if rule not in new), None)
    return verdict.decision, blamed or (new or old or [""])[0]
