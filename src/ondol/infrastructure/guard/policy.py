"""A guard policy: for each place where text passes, what is done about which finding. Declared as YAML, checked here, named by its digest.

    version: 1
    name: careful
    stages:
      input:
        - {find: "personal:KR_RESIDENT_NUMBER", do: block}
        - {find: personal, do: mask}
        - {find: injection, do: block, false_alarms: 0.01}
      output:
        - {find: canary, do: block}
    checks:
      shape: {characters_max: 20000}

The first rule of a stage that fits a finding decides about it; a finding that none fits is let pass and not even counted.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal, TypeAlias

import msgspec
import yaml
from msgspec import UNSET, UnsetType

from ondol.core.canonical import digest
from ondol.core.errors import SettingsError
from ondol.infrastructure.guard.declared_tools import APPROVAL_MINUTES, RUN_CHARACTERS, DeclaredApprovals, DeclaredTool, check_approvals, check_tools
from ondol.infrastructure.guard.types import Finding, Stage

STAGES: tuple[Stage, ...] = ("input", "model", "tool", "output")
POLICY_BYTES_MAX = 256 * 1024
RULES_MAX = 500
"""Of one stage."""

Action: TypeAlias = Literal[
    "observe", "mask", "keep_last_four", "hash", "tokenise", "drop", "strip", "escape", "repair", "restrict", "escalate", "answer", "block"
]
"""From the mildest to the strictest: count it; change the text, where `repair` refuses what it cannot mend; answer with a warning; give it to a
person; answer something fixed; refuse.
"""

ACTIONS: tuple[Action, ...] = (
    "observe",
    "mask",
    "keep_last_four",
    "hash",
    "tokenise",
    "drop",
    "strip",
    "escape",
    "repair",
    "restrict",
    "escalate",
    "answer",
    "block",
)
EDITS: frozenset[Action] = frozenset({"mask", "keep_last_four", "hash", "tokenise", "drop", "strip", "escape", "repair"})
"""The actions that change the text and let it pass."""

REPAIRED = frozenset({"schema"})
"""The checks of which a text that is wrong as a whole can be mended."""

Mode: TypeAlias = Literal["enforce", "observe"]

NEVER_TOKENISED = frozenset({"KR_RESIDENT_NUMBER", "KR_FOREIGNER_NUMBER", "KR_PASSPORT", "KR_DRIVER_LICENCE"})
"""Korean law (Personal Information Protection Act, articles 24 and 24-2) lets these be kept only where a statute says so, so no token may lead
back to them.
"""


_MAY_BE_NULL = ("tools", "tools_run_characters", "approvals")
"""Null is the same as absent, to the digest too."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is done about findings of one kind.

    Attributes:
        find: a check's name, a rule's name or the beginning of one up to a dot, or a check's name, a colon and an entity.
        do: the action.
        at: the least confidence; findings below it pass by this rule.
        false_alarms: instead of `at`, the rate of false alarms to accept: the confidence is taken from the measurement beside the weights.
        say: for `answer`, `restrict` and `escalate`: which text, by the name it has in `texts`; a sensible one is built in.
    """

    find: str
    do: Action
    at: float | None = None
    false_alarms: float | None = None
    say: str = ""


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """A policy as it is declared.

    Attributes:
        mode: in `observe` everything is found and recorded and nothing is changed.
        floor: it also applies below a more specific policy; of two actions the stricter is taken.
        stages: rules by stage; a stage that is absent is not looked at.
        checks: settings of checks, by name.
        texts: what is said, by name and language.
        on_error: what happens when a check fails: `block`, unless somebody decided otherwise.
        keep_traffic_days: how long masked traffic is kept for dry runs; 0 keeps none.
        tools: the tools that may be called; absent or null where tools are not restricted, empty where none may be called.
        tools_run_characters: an argument that shares so many letters and digits in a row with an untrusted text is tainted.
        approvals: how approvals of calls are kept.

    What stands last is left out of the digest where it is absent, so that policies from before it was known keep theirs.
    """

    version: Literal[1]
    name: str
    mode: Mode = "enforce"
    floor: bool = False
    stages: dict[Stage, list[Rule]] = {}
    checks: dict[str, dict[str, Any]] = {}
    texts: dict[str, dict[Literal["ko", "en"], str]] = {}
    on_error: Literal["block", "pass"] = "block"
    keep_traffic_days: int = 2
    tools: list[DeclaredTool] | UnsetType | None = UNSET
    tools_run_characters: int | UnsetType | None = UNSET
    approvals: DeclaredApprovals | UnsetType | None = UNSET

    @property
    def restricts_tools(self) -> bool:
        """Whether only the tools that it names may be called."""
        return isinstance(self.tools, list)

    @property
    def declared_tools(self) -> Sequence[DeclaredTool]:
        """The tools that it names."""
        return self.tools if isinstance(self.tools, list) else ()

    @property
    def run_characters(self) -> int:
        """`tools_run_characters`, or the usual value."""
        return self.tools_run_characters if isinstance(self.tools_run_characters, int) else RUN_CHARACTERS

    @property
    def approval_minutes(self) -> int:
        """So long an approval is waited for and holds."""
        return self.approvals.expire_minutes if isinstance(self.approvals, DeclaredApprovals) else APPROVAL_MINUTES

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 over the canonical JSON of all that it says, 32 bytes."""
        plain = msgspec.to_builtins(self)
        return digest(_canonical({name: value for name, value in plain.items() if value is not None or name not in _MAY_BE_NULL}))


def parse_policy(text: str) -> Policy:
    """Read a policy.

    Raises:
        SettingsError: when it is not YAML, or says something unknown or forbidden.
    """
    if len(text.encode("utf-8", "surrogatepass")) > POLICY_BYTES_MAX:
        raise SettingsError(f"The policy is larger than {POLICY_BYTES_MAX // 1024} KiB.", "Move long word lists to the tenant's word lists.")
    try:
        tree = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, UnicodeError) as error:
        raise SettingsError(f"The policy is not valid YAML: {error}", "`ondol guard policy --default` shows one.") from error
    return policy_from(tree)


def policy_from(tree: object, known: Mapping[str, Sequence[str]] | None = None) -> Policy:
    """A policy from plain data, checked.

    Args:
        known: the checks that exist, with the names of their settings; not looked at when absent.

    Raises:
        SettingsError: when it says something unknown or forbidden.
    """
    try:
        policy = msgspec.convert(tree, Policy)
    except msgspec.ValidationError as error:
        raise SettingsError(f"The policy says something unknown: {error}.", "`ondol guard policy --default` shows a whole one.") from error
    for stage, rules in policy.stages.items():
        if len(rules) > RULES_MAX:
            raise SettingsError(f"Stage {stage} has more than {RULES_MAX} rules.", "Join rules that do the same.")
        for rule in rules:
            _check_rule(policy, stage, rule)
    check_tools(policy.declared_tools, policy.run_characters)
    if isinstance(policy.approvals, DeclaredApprovals):
        check_approvals(policy.approvals)
    if known is not None:
        _check_names(policy, known)
    return policy


def to_yaml(policy: Policy) -> str:
    """The policy as YAML that `parse_policy` reads back to the same digest."""
    return yaml.safe_dump(msgspec.to_builtins(policy), allow_unicode=True, sort_keys=False, width=140)


def fits(rule: Rule, finding: Finding) -> bool:
    """Whether a rule speaks about a finding, its confidence aside."""
    check, colon, entity = rule.find.partition(":")
    if colon:
        return finding.check == check and finding.entity == entity
    return rule.find in (finding.check, finding.rule) or finding.rule.startswith(rule.find + ".")


def stricter(first: Action, second: Action) -> Action:
    """The stricter of two actions."""
    return max(first, second, key=ACTIONS.index)


def _check_rule(policy: Policy, stage: Stage, rule: Rule) -> None:
    where = f"The rule on {rule.find} in stage {stage}"
    if not rule.find:
        raise SettingsError(f"A rule in stage {stage} does not say what it is about.", "Give `find` the name of a check.")
    if rule.at is not None and rule.false_alarms is not None:
        raise SettingsError(f"{where} has both `at` and `false_alarms`.", "Keep one of the two.")
    if rule.at is not None and not 0 <= rule.at <= 1:
        raise SettingsError(f"{where} has a confidence outside 0 to 1.", "0.5 is usual.")
    if rule.false_alarms is not None and not 0 < rule.false_alarms <= 0.5:
        raise SettingsError(f"{where} accepts an impossible rate of false alarms.", "0.01 is usual.")
    if rule.say and rule.say not in policy.texts:
        raise SettingsError(f"{where} says {rule.say}, which is not among the texts.", "Add it below `texts`, in `ko` and `en`.")
    if rule.do == "repair" and rule.find.partition(":")[0].partition(".")[0] not in REPAIRED:
        raise SettingsError(f"{where} would repair it.", f"Only {', '.join(sorted(REPAIRED))} can be repaired; use `mask`, `drop` or `block`.")
    entity = rule.find.partition(":")[2]
    if rule.do == "tokenise" and (entity in NEVER_TOKENISED or stage == "output"):
        reason = "the law forbids to keep it" if entity in NEVER_TOKENISED else "nobody could turn the token back for the caller"
        raise SettingsError(f"{where} would tokenise it: {reason}.", "Use `mask`, `drop` or `block`.")


def _check_names(policy: Policy, known: Mapping[str, Sequence[str]]) -> None:
    named = {rule.find.partition(":")[0].partition(".")[0] for rules in policy.stages.values() for rule in rules} | set(policy.checks)
    for name in sorted(named - set(known)):
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        raise SettingsError(f"There is no check called {name}.", f"Did you mean `{close[0]}`?" if close else f"There are {', '.join(sorted(known))}.")
    for name, settings in policy.checks.items():
        for setting in sorted(set(settings) - set(known[name])):
            close = difflib.get_close_matches(setting, known[name], n=1, cutoff=0.5)
            hint = f"Did you mean `{close[0]}`?" if close else f"It has {', '.join(known[name]) or 'no settings'}."
            raise SettingsError(f"The check {name} has no setting {setting}.", hint)


def _canonical(value: Any) -> Any:
    """Canonical JSON has no floats: they are written as strings."""
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return value
