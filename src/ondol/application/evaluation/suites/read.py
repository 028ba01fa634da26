"""From a suite file to a `Suite`."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Hashable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import yaml

from ondol.application.evaluation.suites.card import check_card, read_card
from ondol.application.evaluation.suites.cases import CASE_FORMATS, CASES_MAX, read_case
from ondol.application.evaluation.suites.fields import Fields, SuiteError, did_you_mean
from ondol.application.evaluation.suites.types import (
    CaseSource,
    FileCases,
    GateSection,
    GoldenCases,
    InlineCases,
    Limits,
    Primary,
    ScorerSpec,
    Suite,
    TargetKind,
    TargetSpec,
)
from ondol.core.money import Currency, Money, parse_money

SUITE_BYTES_MAX = 4 * 1024 * 1024
DEPTH_MAX = 20
NODES_MAX = 1_000_000
"""Scalars, lists and mappings, those that an alias repeats counted each time."""
SCORERS_MAX = 100
SLICES_MAX = 10
REPEATS_MAX = 100
CONCURRENCY_MAX = 512
PER_MINUTE_MAX = 1_000_000
TIMEOUT_S_MAX = 3_600
_SEED_MAX = 2**31 - 1


def read_suite(path: Path) -> Suite:
    """The suite of a file: YAML, or Python with a function `suite() -> Suite`, which is run.

    Raises:
        SuiteError: when it cannot be read or understood; it names the field.
    """
    if path.suffix == ".py":
        return _python_suite(path)
    try:
        if path.stat().st_size > SUITE_BYTES_MAX:
            raise SuiteError(
                f"{path} has more than {SUITE_BYTES_MAX:,} bytes.", "Put the cases into a file of their own: `cases: {file: cases.jsonl}`."
            )
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SuiteError(f"{path} cannot be read: {error}.", "Give a suite in YAML, in UTF-8, or a Python file.") from error
    return parse_suite(text, name=path.stem, folder=path.parent)


def parse_suite(text: str, *, name: str = "suite", folder: Path | None = None) -> Suite:
    """A suite of YAML text.

    Args:
        name: what its card is called where it does not say.
        folder: in which the suite's files are looked for; None where it may name none.

    Raises:
        SuiteError: when it is not understood; it names the field.
    """
    return suite_from(parse_yaml(text), name=name, folder=folder)


def parse_yaml(text: str) -> object:
    """Plain data of YAML text.

    Raises:
        SuiteError: when it is none, too large or deep, or a key stands twice.
    """
    if len(text.encode("utf-8", "surrogatepass")) > SUITE_BYTES_MAX:
        raise SuiteError(
            f"The suite has more than {SUITE_BYTES_MAX:,} bytes.", "Put the cases into a file of their own: `cases: {file: cases.jsonl}`."
        )
    try:
        tree = yaml.load(text, _Loader)  # noqa: S506 - it is a safe loader
    except RecursionError:
        raise _too_deep() from None
    except (yaml.YAMLError, ValueError) as error:
        raise SuiteError(f"The suite is no valid YAML: {error}", "Look at the line that is named.") from error
    return tree


def suite_from(tree: object, *, name: str = "suite", folder: Path | None = None) -> Suite:
    """A suite of plain data; arguments and errors as of `parse_suite`."""
    _measure(tree, 0, [NODES_MAX])
    fields = Fields(tree)
    slices = fields.texts("slices")
    if len(slices) > SLICES_MAX:
        raise SuiteError(f"slices has {len(slices)} entries; at most {SLICES_MAX} are read.", param="slices")
    suite = Suite(
        card=read_card(fields.section("card"), name),
        target=_target(fields.section("target")),
        cases=_cases(fields, slices, folder),
        scorers=fields.each("scorers", _scorer, most=SCORERS_MAX),
        slices=slices,
        repeats=fields.whole("repeats", 1, low=1, high=REPEATS_MAX),
        seed=fields.whole("seed", 0, low=0, high=_SEED_MAX),
        limits=_limits(fields.section("limits", {})),
        gate=_gate(fields.section("gate", {})),
    )
    fields.close()
    check_suite(suite)
    return suite


def check_suite(suite: Suite) -> None:
    """What a suite says in several places agrees.

    Raises:
        SuiteError: when it does not.
    """
    names = tuple(scorer.name for scorer in suite.scorers)
    if not names:
        raise SuiteError("scorers is empty: nothing would be measured.", param="scorers")
    for number, name in enumerate(names):
        if name in names[:number]:
            raise SuiteError(
                f"scorers[{number}] is called {name!r} like another one.", "Give each a name of its own.", param=f"scorers[{number}].name"
            )
    check_card(suite.card, names)
    metrics = [(f"gate.primary[{number}].metric", item.metric) for number, item in enumerate(suite.gate.primary)]
    for place, metric in metrics + [("gate.hard_zero", item) for item in suite.gate.hard_zero]:
        if metric not in names:
            raise SuiteError(f"{place} names {metric[:60]!r}, which no scorer measures.", did_you_mean(metric, names), param=place)


def target_from(tree: object) -> TargetSpec:
    """A target of plain data, as a suite has it.

    Raises:
        SuiteError: when it names none.
    """
    return _target(Fields(tree, "target"))


def with_cost(limits: Limits, text: str) -> Limits:
    """The limits with another cap, such as "5.00 USD".

    Raises:
        SuiteError: when it is no amount.
    """
    money = _cost(Fields({"cost": text}, "limits"))
    assert money is not None  # noqa: S101 - the text is there
    return replace(limits, cost_nano=money.nano, currency=money.currency)


def _target(fields: Fields) -> TargetSpec:
    # A prompt is asked of a route, so it comes first.
    kinds: tuple[TargetKind, ...] = get_args(TargetKind)
    kind = next((known for known in kinds if fields.peek(known) is not None), None)
    if kind is None:
        fields.close(kinds)
        raise SuiteError("target is empty.", f"Name what is asked: {', '.join(kinds)}.", param="target")
    name = fields.text(kind, characters_max=2_000)
    return TargetSpec(kind=kind, name=name, settings=fields.rest())


def _cases(fields: Fields, slices: tuple[str, ...], folder: Path | None) -> CaseSource:
    if isinstance(tree := fields.peek("cases"), list):
        inline = [read_case(Fields(item, f"cases[{number}]"), f"case-{number + 1}", slices) for number, item in enumerate(tree)]
        fields.take("cases")
        return InlineCases(cases=tuple(inline))
    source = fields.section("cases")
    if source.peek("golden") is not None:
        name, _, version = source.name("golden").partition("@")
        if not name or not version:
            raise SuiteError("cases.golden names no version.", "For example: support-ko@3", param="cases.golden")
        source.close(("file",))
        return GoldenCases(name=name, version=version)
    path = source.text("file", characters_max=1_000)
    chosen = source.section("fields", {})
    mapped = {name: chosen.text(name, characters_max=200) for name in list(chosen.names)}
    limit = source.whole("limit", None, low=1, high=CASES_MAX)
    source.close(("golden",))
    return FileCases(path=_file(path, folder), fields=mapped, limit=limit)


def _file(name: str, folder: Path | None) -> Path:
    """A file in the suite's folder or below it: a suite that somebody else wrote must not send other files to whatever it asks."""
    if folder is None:
        raise SuiteError(
            "cases.file: a suite that comes over the API names no files.", "Give the cases inline, or as a golden set.", param="cases.file"
        )
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise SuiteError(f"cases.file: {name} is outside the suite's folder.", "Put the file beside the suite.", param="cases.file")
    if path.suffix not in CASE_FORMATS:
        raise SuiteError(f"cases.file: {name} is no {', '.join(CASE_FORMATS)}.", "Name the file for what it is.", param="cases.file")
    if not path.is_file():
        raise SuiteError(f"cases.file: there is no file {path}.", "It is looked for beside the suite.", param="cases.file")
    return path


def _scorer(fields: Fields) -> ScorerSpec:
    kind = fields.name("type")
    name = fields.name("name", kind)
    threshold = fields.number("threshold", None, low=-1e15, high=1e15)
    return ScorerSpec(name=name, type=kind, threshold=threshold, settings=fields.rest())


def _limits(fields: Fields) -> Limits:
    cost = _cost(fields)
    limits = Limits(
        concurrency=fields.whole("concurrency", Limits().concurrency, low=1, high=CONCURRENCY_MAX),
        per_minute=fields.whole("per_minute", None, low=1, high=PER_MINUTE_MAX),
        cost_nano=cost.nano if cost else None,
        currency=cost.currency if cost else "USD",
        timeout_s=fields.number("timeout_s", Limits().timeout_s, low=0.001, high=TIMEOUT_S_MAX),
        keep_verdicts=fields.flag("keep_verdicts", Limits().keep_verdicts),
    )
    fields.close()
    return limits


def _cost(fields: Fields) -> Money | None:
    text = fields.text("cost", None, characters_max=40)
    if text is None:
        return None
    amount, _, currency = text.partition(" ")
    place = fields.at("cost")
    for known in get_args(Currency):
        if currency == known:
            try:
                money = parse_money(amount, known)
            except ValueError as error:
                raise SuiteError(f"{place}: {error}.", 'For example "5.00 USD".', param=place) from None
            if money.nano < 0:
                raise SuiteError(f"{place} is below zero.", param=place)
            return money
    raise SuiteError(f"{place} is {text!r}, which names no known currency.", 'For example "5.00 USD" or "7000 KRW".', param=place)


def _gate(fields: Fields) -> GateSection:
    default = GateSection()
    gate = GateSection(
        primary=fields.each("primary", _primary, most=SCORERS_MAX),
        hard_zero=fields.texts("hard_zero"),
        coverage=fields.number("coverage", default.coverage, low=0, high=1),
        below_coverage=fields.choice("below_coverage", ("fail", "inconclusive"), default.below_coverage),
        alpha=fields.number("alpha", default.alpha, low=0.0001, high=0.5),
    )
    fields.close()
    return gate


def _primary(fields: Fields) -> Primary:
    primary = Primary(metric=fields.name("metric"), margin=fields.number("margin", low=0, high=1e15))
    fields.close()
    return primary


def _python_suite(path: Path) -> Suite:
    """What the function `suite` of a Python file gives. The file is run: only the command line, whose user could run it anyway, comes here."""
    name = f"ondol_suite_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise SuiteError(f"{path} cannot be read as Python.", "Give a file with a function `suite() -> Suite`.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
        made = module.suite()
    except SuiteError:
        raise
    except Exception as error:  # the border to somebody else's code
        raise SuiteError(f"{path} failed: {type(error).__name__}: {error}", "It needs a function `suite() -> Suite`.") from error
    if not isinstance(made, Suite):
        raise SuiteError(f"{path}: suite() gave {type(made).__name__}, not a Suite.", "Import Suite from ondol.application.evaluation.suites.")
    check_suite(made)
    return made


class _Loader(yaml.SafeLoader):
    """Plain data only, and no key twice: which of the two would hold is nothing to guess at."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        self.flatten_mapping(node)
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(None, None, "a key is no scalar", key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {str(key)[:60]!r} stands twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def _measure(tree: object, depth: int, left: list[int]) -> None:
    """Refuse what is too deep or, with its aliases written out, too large."""
    left[0] -= 1
    if depth > DEPTH_MAX:
        raise _too_deep()
    if left[0] < 0:
        raise SuiteError(f"The suite has more than {NODES_MAX:,} entries, its aliases written out.", "Put the cases into a file of their own.")
    if isinstance(tree, Mapping):
        for value in tree.values():
            _measure(value, depth + 1, left)
    elif isinstance(tree, list):
        for value in tree:
            _measure(value, depth + 1, left)


def _too_deep() -> SuiteError:
    return SuiteError(f"The suite is nested more than {DEPTH_MAX} deep.", "Nothing in a suite needs that.")
