"""What the tidiness tests look at: the project's own files, their text and their syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CODE_FOLDERS = ("src", "tests", "scripts", "benchmarks")
LEFT_OUT = {"node_modules", "build", "dist", "vendor", "_build", "__pycache__"}
HIDDEN_KEPT = {".ci"}
TEXT_BYTES_MAX = 5_000_000


def own_files() -> Iterator[Path]:
    """Every file of the project that people write: not what is built, installed or hidden (but `.ci` and hidden files at the top)."""
    folders = [ROOT]
    while folders:
        for path in sorted(folders.pop().iterdir()):
            if path.is_dir():
                if path.name in HIDDEN_KEPT or not (path.name.startswith(".") or path.name in LEFT_OUT or path.name.endswith(".egg-info")):
                    folders.append(path)
            else:
                yield path


@cache
def texts() -> dict[str, str]:
    """Text of each own file by its path from the top; files that are not UTF-8 are left out."""
    found: dict[str, str] = {}
    for path in own_files():
        if path.stat().st_size <= TEXT_BYTES_MAX:
            try:
                found[path.relative_to(ROOT).as_posix()] = path.read_text("utf-8")
            except UnicodeDecodeError:
                continue
    return found


@cache
def modules() -> dict[str, ast.Module]:
    """Syntax tree of each Python file by its path from the top."""
    return {path: ast.parse(text, path) for path, text in texts().items() if path.endswith(".py") and path.split("/")[0] in CODE_FOLDERS}


def public_definitions(tree: ast.Module) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    """Public functions and classes of a module, and the public methods of its public classes. Overloads and inner functions are left out."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_") and not _is_overload(node):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (
                    part
                    for part in node.body
                    if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) and not part.name.startswith("_") and not _is_overload(part)
                )


def _is_overload(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(isinstance(mark, ast.Name) and mark.id == "overload" for mark in node.decorator_list)
