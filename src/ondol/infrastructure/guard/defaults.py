"""The policies that come with Ondol: the one that holds where nobody chose, and the one that holds where the chosen one cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib import resources

from ondol.infrastructure.guard.conversation import Guards, prepare_guards
from ondol.infrastructure.guard.policy import STAGES, Policy, Rule, parse_policy
from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.types import Finding

REFUSE = "refuse"


@lru_cache(maxsize=1)
def default_policy_text() -> str:
    """The built-in policy as YAML, with its comments."""
    return (resources.files("ondol.infrastructure.guard") / "default_policy.yaml").read_text("utf-8")


@lru_cache(maxsize=1)
def default_policy() -> Policy:
    """The built-in policy."""
    return parse_policy(default_policy_text())


class RefuseCheck:
    """Objects to every text. Stands in for a policy that cannot be read."""

    name = REFUSE
    reach: int | None = 0

    def find(self, text: GuardText) -> Sequence[Finding]:
        """One finding over the whole text, unless it is empty."""
        return [Finding(REFUSE, f"{REFUSE}.unreadable_policy", 0, len(text.original), 1.0, "policy")] if text.original else []


def refusing_policy() -> Policy:
    """A policy that lets nothing pass at any stage."""
    return Policy(version=1, name="refuse-all", floor=True, stages={stage: [Rule(find=REFUSE, do="block")] for stage in STAGES}, keep_traffic_days=0)


def refusing_guards() -> Guards:
    """Guards that let nothing pass."""
    return prepare_guards([refusing_policy()], {REFUSE: RefuseCheck()})
