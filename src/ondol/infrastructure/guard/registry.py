"""The checks by name, and how each is built from its settings. A check is imported when a policy first names it, so that start-up stays light."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from ondol.core.errors import SettingsError
from ondol.infrastructure.guard.policy import Policy
from ondol.infrastructure.guard.types import Check

if TYPE_CHECKING:
    from ondol.infrastructure.guard.checks.shingles import HasRuns, ShingleIndex


@dataclass(frozen=True, slots=True)
class Resources:
    """What checks look for, or by, beyond their settings. A check whose only subject is absent here is left out: it could find nothing.

    Attributes:
        canaries: the values of the tenant's canaries in force.
        prompt: the system prompt that no answer may repeat, prepared by `checks.prompt_leak.prepare_prompts`. What only one request brings
            stands in `expects.Expects`.
        corpus: the texts that an answer must not repeat, as `texts.py` keeps them.
        source_count: how many sources an answer may cite.
        tokens_of: how many tokens a text has.
    """

    canaries: tuple[str, ...] = ()
    prompt: ShingleIndex | None = None
    corpus: HasRuns | None = None
    source_count: int | None = None
    tokens_of: Callable[[str], int] | None = None


@dataclass(frozen=True, slots=True)
class _Row:
    """A check.

    Attributes:
        module, name: where it stands.
        settings: what a policy may set.
        resources: what it is given beside them, by the name of its parameter.
        joined: settings of which several policies' lists are joined, not replaced.
        subject: the setting or resource without which it finds nothing.
    """

    module: str
    name: str
    settings: tuple[str, ...] = ()
    resources: Mapping[str, str] = field(default_factory=dict)
    joined: tuple[str, ...] = ()
    subject: str = ""


_CHECKS: Mapping[str, _Row] = {
    "personal": _Row("identifiers", "PersonalCheck"),
    "entities": _Row("entities", "EntityCheck"),
    "secrets": _Row("secrets", "SecretsCheck"),
    "private_keys": _Row("secrets", "PrivateKeyCheck"),
    "injection": _Row("injection", "InjectionCheck"),
    "abuse": _Row("abuse", "AbuseCheck", ("banned", "uses_models"), joined=("banned",)),
    "topics": _Row("topics", "TopicsCheck", ("named", "built_in"), joined=("named", "built_in")),
    "active": _Row("active", "ActiveCheck"),
    "shape": _Row("shape", "ShapeCheck", ("characters_max", "tokens_max", "languages"), {"tokens_of": "tokens_of"}),
    "canary": _Row("canary", "CanaryCheck", resources={"canaries": "canaries"}, subject="canaries"),
    "prompt_leak": _Row("prompt_leak", "PromptLeakCheck", resources={"prompt": "prompt"}, subject="prompt"),
    "overlap": _Row("overlap", "OverlapCheck", ("words_min",), {"index": "corpus"}, subject="index"),
    "links": _Row("links", "LinksCheck", ("allowed",)),
    "code": _Row("code", "CodeCheck"),
    "citations": _Row("citations", "CitationsCheck", resources={"source_count": "source_count"}, subject="source_count"),
    "schema": _Row("schema", "SchemaCheck", ("schema",), subject="schema"),
}

KNOWN: Mapping[str, tuple[str, ...]] = {name: row.settings for name, row in _CHECKS.items()}
"""The checks that exist, with the names of their settings."""


def build_checks(settings: Mapping[str, Mapping[str, Any]], resources: Resources, names: Collection[str] | None = None) -> dict[str, Check]:
    """The checks by name, without those that have nothing to look for.

    Args:
        settings: by the check's name.
        names: only these; all when absent.

    Raises:
        SettingsError: when a setting is unknown or of the wrong type.
    """
    checks: dict[str, Check] = {}
    for name, row in _CHECKS.items():
        if names is None or name in names:
            given = {parameter: getattr(resources, resource) for parameter, resource in row.resources.items()}
            values = {**settings.get(name, {}), **given}
            if not row.subject or values.get(row.subject) not in (None, ()):
                checks[name] = _built(name, row, settings.get(name, {}), given)
    return checks


def checks_for(policies: Sequence[Policy], resources: Resources) -> dict[str, Check]:
    """The checks that some rule of these policies names, with the policies' settings joined."""
    return build_checks(merged_settings(policies), resources, named_checks(policies))


def named_checks(policies: Sequence[Policy]) -> set[str]:
    """The names of the checks that some rule of these policies is about."""
    return {rule.find.partition(":")[0].partition(".")[0] for policy in policies for rules in policy.stages.values() for rule in rules}


def merged_settings(policies: Sequence[Policy]) -> dict[str, dict[str, Any]]:
    """The settings of several policies as one.

    A later policy is a floor of those before it: what it sets holds, so that nobody loosens a floor from above; lists that only add
    what is looked for are joined.
    """
    merged: dict[str, dict[str, Any]] = {}
    for policy in policies:
        for name, settings in policy.checks.items():
            joined = _CHECKS[name].joined if name in _CHECKS else ()
            present = merged.setdefault(name, {})
            for setting, value in settings.items():
                before = present.get(setting)
                if setting in joined and isinstance(value, list) and isinstance(before, list):
                    present[setting] = [*before, *(item for item in value if item not in before)]
                elif setting in joined and isinstance(value, dict) and isinstance(before, dict):
                    present[setting] = {**before, **value}
                else:
                    present[setting] = value
    return merged


def _built(name: str, row: _Row, settings: Mapping[str, Any], given: Mapping[str, Any]) -> Check:
    unknown = sorted(set(settings) - set(row.settings))
    if unknown:
        raise SettingsError(f"The check {name} has no setting {unknown[0]}.", f"It has {', '.join(row.settings) or 'no settings'}.")
    build = getattr(importlib.import_module(f"ondol.infrastructure.guard.checks.{row.module}"), row.name)
    try:
        return cast(Check, build(**settings, **given))
    except (TypeError, ValueError, AttributeError) as error:
        raise SettingsError(f"The check {name} cannot be set up: {error}.", f"It has {', '.join(row.settings) or 'no settings'}.") from error
