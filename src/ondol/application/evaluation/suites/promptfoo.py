"""Reads promptfoo's YAML and writes it as a suite. What would run code (`javascript:`, `python:`, files of it) is refused by its name and line.

Understood: `description`, `prompts` (texts with ``{{variables}}``), `defaultTest`, `tests` with `vars`, `assert` and `metadata`, and of
`evaluateOptions` `maxConcurrency` and `repeat`. The types of assertion are those of `TYPES`; what could not be taken over is told, never dropped in
silence. The form is that of promptfoo's documentation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from ondol.application.evaluation.suites.fields import SuiteError, did_you_mean
from ondol.application.evaluation.suites.read import parse_yaml

CODE = ("javascript", "python", "ruby", "webhook", "exec")
"""Types of assertion, and schemes of values, that run somebody's code or reach out."""
KNOWN_KEYS = ("description", "prompts", "providers", "targets", "defaultTest", "tests", "tags", "evaluateOptions", "outputPath", "metadata", "env")
_CODE_FILE = re.compile(r"^(?:file://)?\S+\.(?:js|cjs|mjs|ts|py|rb|sh)(?::\w+)?$|^(?:javascript|python|exec|webhook|ruby):", re.IGNORECASE)
_VARIABLE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_.]*)\s*\}\}")
_SPECIAL = re.compile(r"[.*+?^${}()|\[\]\\]")
TESTS_MAX = 10_000
_OF_CONTEXT = ("context-faithfulness", "context-recall", "context-relevance")
OF_ALL = ("is-json", "contains-json", "latency", "cost", "llm-rubric", "g-eval", "answer-relevance", *_OF_CONTEXT)
"""Types whose scorers hold for all cases of a suite: they are taken from `defaultTest`."""
_OF_CASES = ("equals", "contains", "contains-all", "contains-any", "icontains", "icontains-all", "icontains-any", "regex", "starts-with")
TYPES = (*_OF_CASES, "similar", "factuality", *OF_ALL)


@dataclass(slots=True)
class Imported:
    """A suite as plain data, and what could not be taken over as it was.

    Attributes:
        notes: sentences for whoever imports.
    """

    suite: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def import_promptfoo(text: str, *, name: str, target: Mapping[str, Any]) -> Imported:
    """A suite of promptfoo's YAML.

    Args:
        name: of the suite's card.
        target: what the suite asks, since promptfoo's providers are addresses and keys of their own.

    Raises:
        SuiteError: when it is not understood, or would run code; it names what, and the line.
    """
    tree = parse_yaml(text)
    if not isinstance(tree, dict):
        raise SuiteError("The file is no promptfoo configuration.", "It is a mapping with `prompts` and `tests`.")
    _refuse_code(text)
    for key in tree:
        if key not in KNOWN_KEYS:
            raise SuiteError(f"promptfoo's {str(key)[:60]!r} is not taken over.", did_you_mean(str(key), KNOWN_KEYS), param=str(key)[:60])
    prompts, tests = _listed(tree, "prompts"), _listed(tree, "tests")
    if not prompts or not tests:
        raise SuiteError("The file has no prompts, or no tests.", "Both are needed.", param="tests" if prompts else "prompts")
    if len(prompts) * len(tests) > TESTS_MAX:
        raise SuiteError(f"The file has more than {TESTS_MAX:,} questions.", "Cut it into several.", param="tests")
    told = tree.get("defaultTest")
    default: Mapping[str, Any] = told if isinstance(told, dict) else {}
    made = _Making(target)
    for number, item in enumerate(default.get("assert") or []):
        made.of_all(item, f"defaultTest.assert[{number}]")
    cases = [made.case(prompt, test, default, place) for place, (prompt, test) in enumerate(_each(prompts, tests))]
    options = tree.get("evaluateOptions") or {}
    suite: dict[str, Any] = {
        "card": {
            "name": name,
            "owner": "to be named",
            "purpose": str(tree.get("description") or f"Imported from promptfoo: {name}"),
            "risk": "limited",
            "users": "to be named",
            "success": {},
        },
        "target": dict(target),
        "cases": cases,
        "scorers": list(made.scorers.values()),
        "repeats": int(options.get("repeat") or 1),
        "limits": {"concurrency": int(options.get("maxConcurrency") or 4)},
    }
    if not made.scorers:
        raise SuiteError("No test asserts anything.", "A suite needs at least one scorer.", param="tests")
    return Imported(suite, made.notes)


def suite_yaml(suite: Mapping[str, Any]) -> str:
    """A suite as YAML that `parse_suite` reads."""
    return yaml.safe_dump(dict(suite), allow_unicode=True, sort_keys=False, width=140)


class _Making:
    """Collects the scorers that the tests need, one for each type: what a test wants stands in its case's facts."""

    def __init__(self, target: Mapping[str, Any]) -> None:
        self.scorers: dict[str, dict[str, Any]] = {}
        self.notes: list[str] = []
        self._judge = str(target.get("route") or "judge")

    def of_all(self, item: Any, place: str) -> None:
        """An assertion of all tests that needs nothing of a case."""
        plain, negative, value = _kind(item, place)
        scorer = None if negative else _of_all(plain, item, value, self._judge)
        if scorer is not None:
            self.scorers.setdefault(scorer["name"], scorer)

    def case(self, prompt: str, test: Mapping[str, Any], default: Mapping[str, Any], place: int) -> dict[str, Any]:
        """One question, with the facts that its assertions are about."""
        variables = {**(default.get("vars") or {}), **(test.get("vars") or {})}
        made: dict[str, Any] = {"id": f"test-{place + 1}", "question": _filled(prompt, variables)}
        for number, item in enumerate(default.get("assert") or []):
            self._assertion(item, variables, made, f"defaultTest.assert[{number}]", is_default=True)
        for number, item in enumerate(test.get("assert") or []):
            self._assertion(item, variables, made, f"tests[{place}].assert[{number}]")
        metadata = test.get("metadata")
        if isinstance(metadata, dict):
            made["slices"] = {str(key): str(value) for key, value in metadata.items() if isinstance(value, str | int)}
        return made

    def _assertion(self, item: Any, variables: Mapping[str, Any], made: dict[str, Any], place: str, *, is_default: bool = False) -> None:
        plain, negative, told = _kind(item, place)
        if plain in OF_ALL and is_default and not negative:
            return
        value = _filled_all(told, variables)
        texts = [str(each) for each in (value if isinstance(value, list) else [value])]
        facts: dict[str, Any] = made.setdefault("facts", {})
        is_free = plain.startswith("icontains")
        kind = plain.removeprefix("i") if is_free else plain
        match kind, negative:
            case "equals", False:
                made.setdefault("expected", []).extend(texts)
                self._add("equals", "exact_match")
            case "contains" | "contains-all", False:
                facts.setdefault("must_contain", []).extend([text] for text in texts)
                self._add("contains", "contains_all", ignore_case=is_free)
            case "contains-any", False:
                facts.setdefault("must_contain", []).append(texts)
                self._add("contains", "contains_all", ignore_case=is_free)
            case "contains" | "contains-any" | "contains-all", True:
                facts.setdefault("must_not_contain", []).extend(texts)
                self._add("not_contains", "not_contains", ignore_case=is_free)
            case "regex" | "starts-with", False if "pattern" not in facts:
                facts["pattern"] = texts[0] if kind == "regex" else "^" + _SPECIAL.sub(r"\\\g<0>", texts[0])
                self._add("regex", "regex")
            case "factuality", False:
                made.setdefault("expected", []).extend(texts)
                self._add("factuality", "judge.reference", model=self._judge)
            case _:
                why = "holds for all cases here: put it into defaultTest" if plain in OF_ALL else "has nothing that answers to it here"
                self.notes.append(f"{place}: {item['type']} was left out; it {why}.")

    def _add(self, name: str, kind: str, **settings: Any) -> None:
        known = self.scorers.setdefault(name, {"name": name, "type": kind, **settings})
        if "ignore_case" in settings and known["ignore_case"] != settings["ignore_case"]:
            known["ignore_case"] = True
            note = f"{name}: some tests mind case and others do not; here none does."
            self.notes += [] if note in self.notes else [note]


def _kind(item: Any, place: str) -> tuple[str, bool, Any]:
    """The type of an assertion without its `not-`, whether it is turned round, and its value."""
    if not isinstance(item, dict) or not isinstance(item.get("type"), str):
        raise SuiteError(f"{place} has no type.", param=place)
    plain = item["type"].removeprefix("not-")
    if plain not in TYPES:
        raise SuiteError(f"{place}: the type {plain[:60]!r} is not taken over.", did_you_mean(plain, TYPES), param=place)
    return plain, plain != item["type"], item.get("value")


def _of_all(plain: str, item: Mapping[str, Any], value: Any, judge: str) -> dict[str, Any] | None:
    """A scorer that holds for all cases; None for types that a case must say more of."""
    threshold = item.get("threshold")
    schema = {"schema": value} if isinstance(value, dict) else {}
    scorers: dict[str, dict[str, Any]] = {
        "is-json": {"name": "json", "type": "json_schema", **schema},
        "contains-json": {"name": "json", "type": "json_schema", "repair": True, **schema},
        "latency": {"name": "latency", "type": "latency", **({} if threshold is None else {"threshold": threshold})},
        "cost": {"name": "cost", "type": "cost", **({} if threshold is None else {"threshold": float(threshold) * 1e9})},
        "llm-rubric": {"name": "rubric", "type": "judge.rubric", "model": judge, "rubric": str(value)},
        "g-eval": {"name": "rubric", "type": "judge.rubric", "model": judge, "rubric": str(value)},
        "answer-relevance": {"name": "relevance", "type": "judge.rubric", "model": judge, "criterion": "helpfulness"},
        "context-faithfulness": {"name": "groundedness", "type": "groundedness"},
        "context-recall": {"name": "recall", "type": "retrieval.recall"},
        "context-relevance": {"name": "precision", "type": "retrieval.precision"},
    }
    return scorers.get(plain)


def _listed(tree: Mapping[str, Any], name: str) -> list[Any]:
    value = tree.get(name) or []
    if not isinstance(value, list):
        raise SuiteError(f"{name} must be a list that stands in the file.", "Files beside it are not read.", param=name)
    return value


def _each(prompts: list[Any], tests: list[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for prompt in prompts:
        text = prompt.get("raw") or prompt.get("label") if isinstance(prompt, dict) else prompt
        if not isinstance(text, str) or text.startswith("file://"):
            raise SuiteError("A prompt must stand in the file itself.", "Files beside it are not read.", param="prompts")
        for test in tests:
            if not isinstance(test, dict):
                raise SuiteError("A test must be a mapping.", param="tests")
            yield text, test


def _filled(template: str, variables: Mapping[str, Any]) -> str:
    return _VARIABLE.sub(lambda match: str(variables.get(match[1], match[0])), template)


def _filled_all(value: Any, variables: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        return _filled(value, variables)
    return [_filled_all(item, variables) for item in value] if isinstance(value, list) else value


def _refuse_code(text: str) -> None:
    """Refuse whatever names code, with its line."""
    for node, line in _scalars(yaml.compose(text, yaml.SafeLoader)):
        if _CODE_FILE.match(node.strip()):
            raise SuiteError(f"Line {line}: {node.strip()[:80]!r} would run code, and is refused.", "Write it as a scorer of its own.")


def _scalars(node: yaml.Node | None) -> Iterator[tuple[str, int]]:
    if isinstance(node, yaml.ScalarNode):
        yield str(node.value), node.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _scalars(item)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value == "type" and isinstance(value, yaml.ScalarNode):
                kind = str(value.value).removeprefix("not-")
                if kind in CODE:
                    yield f"{kind}:", value.start_mark.line + 1
            yield from _scalars(value)
