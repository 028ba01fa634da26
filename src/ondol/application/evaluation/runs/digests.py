"""What a run depends on, as digests."""

from __future__ import annotations

import functools
import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

import ondol
from ondol.application.evaluation.runs.types import Metric, RunDigests
from ondol.application.evaluation.suites import FileCases, GoldenCases, Suite, Surveyed, suite_digest
from ondol.application.evaluation.suites.cases import exact
from ondol.core.canonical import digest

CODE_SUFFIXES = (".py", ".sql", ".yaml", ".toml", ".json")


def run_digests(suite: Suite, surveyed: Surveyed, identity: Mapping[str, str], metrics: Sequence[Metric]) -> RunDigests:
    """All digests of a run.

    Args:
        identity: what the target says of itself.
    """
    judged = {spec.name: digest([exact(asdict(spec)), metric.version]).hex() for spec, metric in zip(suite.scorers, metrics, strict=True)}
    return RunDigests(
        suite=suite_digest(suite, surveyed).hex(),
        data=surveyed.digest.hex(),
        data_name=_data_name(suite),
        target=digest({"kind": suite.target.kind, "settings": exact(suite.target.settings), "identity": dict(identity)}).hex(),
        target_name=f"{suite.target.kind}/{suite.target.name}",
        identity=dict(identity),
        judges={name: judged[name] for name in judged if _is_judge(suite, name)},
        code=_code(),
        code_version=ondol.__version__,
        environment=_environment(),
    )


def _is_judge(suite: Suite, name: str) -> bool:
    return any(spec.name == name and spec.type.startswith("judge.") for spec in suite.scorers)


def _data_name(suite: Suite) -> str:
    match suite.cases:
        case GoldenCases(name=name, version=version):
            return f"{name}@{version}"
        case FileCases(path=path):
            return path.name
    return suite.card.name


@functools.cache
def _code() -> str:
    """SHA-256 over the platform's own files, by path."""
    home = Path(ondol.__file__).parent
    hashed = hashlib.sha256()
    for path in sorted(path for path in home.rglob("*") if path.suffix in CODE_SUFFIXES and "__pycache__" not in path.parts):
        hashed.update(path.relative_to(home).as_posix().encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return hashed.hexdigest()


@functools.cache
def _environment() -> str:
    """SHA-256 over the interpreter, the machine's kind, and the installed packages with their versions."""
    packages = sorted({f"{each.metadata['Name']}=={each.version}" for each in metadata.distributions()})
    return digest([platform.python_implementation(), platform.python_version(), platform.machine(), packages]).hex()
