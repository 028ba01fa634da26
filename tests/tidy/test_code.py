"""Lengths, docstrings and names of the code."""

from __future__ import annotations

import ast
import re

from tests.tidy.project import modules, public_definitions, texts

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 100
FUNCTION_LINES_WANTED = 70
LONG_FUNCTIONS_SHARE_MAX = 0.01
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]) + r")\b")


def test_no_file_is_longer_than_anyone_reads() -> None:
    lengths = {path: texts()[path].count("\n") for path in modules()}
    assert {path: lines for path, lines in lengths.items() if lines > FILE_LINES_MAX} == {}


def test_functions_fit_a_screen() -> None:
    lengths = {
        f"{path}:{node.lineno} {node.name}": (node.end_lineno or node.lineno) - node.lineno + 1
        for path, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    longer = {name: lines for name, lines in lengths.items() if lines > FUNCTION_LINES_WANTED}
    assert {name: lines for name, lines in longer.items() if lines > FUNCTION_LINES_MAX} == {}
    assert len(longer) <= LONG_FUNCTIONS_SHARE_MAX * len(lengths), longer


def test_no_module_is_a_drawer_for_everything() -> None:
    assert [path for path in modules() if re.search(r"(^|/)_?(utils?|helpers?|common|misc)(\.py|/)", path)] == []


def test_everything_public_says_what_it_is() -> None:
    shipped = {path: tree for path, tree in modules().items() if path.startswith(("src/", "scripts/"))}
    silent = [f"{path} itself" for path, tree in shipped.items() if tree.body and not ast.get_docstring(tree)]
    silent += [
        f"{path}:{definition.lineno} {definition.name}"
        for path, tree in shipped.items()
        for definition in public_definitions(tree)
        if not ast.get_docstring(definition)
    ]
    assert silent == []


def test_nothing_is_left_for_later() -> None:
    assert [f"{path}:{number}" for path, text in texts().items() for number, line in enumerate(text.splitlines(), 1) if UNFINISHED.search(line)] == []


def test_annotations_are_never_run() -> None:
    defining = [path for path, tree in modules().items() if any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in tree.body)]
    assert [path for path in defining if "from __future__ import annotations" not in texts()[path]] == []
