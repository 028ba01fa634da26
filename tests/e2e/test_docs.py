"""What the documentation tells people to type: every command line parses, every YAML example is understood, and the Python example runs."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from ondol.application.declaration import parse_declaration
from ondol.application.evaluation.loaders import LOADERS
from ondol.application.evaluation.scorers import Tools
from ondol.application.evaluation.scorers.base import Asked
from ondol.application.evaluation.suites import Fields, parse_suite, read_case, survey
from ondol.application.evaluation.types import Answer
from ondol.application.knowledge.frontmatter import parse_metadata, read_metadata
from ondol.application.prompts import parse_prompt
from ondol.cli.main import cli
from ondol.core.config import load_settings
from ondol.infrastructure.guard.policy import parse_policy
from tests.e2e.conftest import Up

PROJECT = Path(__file__).resolve().parents[2]
PAGES = sorted([PROJECT / "README.md", PROJECT / "README.ko.md", *(PROJECT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[tuple[str, str]]:
    """The fenced blocks of a language on all pages that are not generated, with the page's name."""
    pages = [page for page in PAGES if not {"_build", "reference"} & set(page.parts)]
    return [(page.name, body) for page in pages for kind, body in BLOCK.findall(page.read_text("utf-8")) if kind == language]


EXAMPLE_ID = "01920000-0000-7000-8000-000000000000"
FILE = PROJECT / "src/ondol/infrastructure/guard/default_policy.yaml"
COMMANDS = sorted({line[2:].strip() for _, body in blocks("console") for line in body.splitlines() if line.startswith("$ ondol ")})


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_line_parses(line: str) -> None:
    words = shlex.split(re.sub(r"\bID\b", EXAMPLE_ID, line))[1:]
    words = words[: words.index(">")] if ">" in words else words
    command: click.Command = cli
    context = click.Context(cli, info_name="ondol")
    while isinstance(command, click.Group) and not (command.invoke_without_command and words[0].startswith("--")):
        found = command.get_command(context, words[0])
        assert found is not None, words[0]
        context, command, words = click.Context(found, context, info_name=words[0]), found, words[1:]
    files = [str(FILE) if word.endswith((".yaml", ".md")) else word for word in words]
    existing = [str(PROJECT) if word.startswith(("~/", "/var/")) else word for word in files]
    command.make_context(command.name, existing, parent=context)


async def nobody(model: str, asked: Asked) -> Answer:
    """A model that is named and never asked."""
    raise AssertionError(model)


def test_the_yaml_examples_are_understood(tmp_path: Path) -> None:
    seen = []
    for name, body in blocks("yaml"):
        file = tmp_path / "example.yaml"
        file.write_text(body, "utf-8")
        if body.startswith("---"):
            assert read_metadata(parse_metadata(body.strip().strip("-"))).version == 3
        elif "stages:" in body:
            assert parse_policy(body).stages
        elif body.startswith("scrape_configs:"):
            assert all(job["static_configs"] for job in yaml.safe_load(body)["scrape_configs"])
            continue
        elif body.startswith(("name: gate", "gate:")):
            assert yaml.safe_load(body)
            continue
        elif body.startswith("variables:"):
            assert parse_prompt(body).texts
        elif body.startswith("card:"):
            assert survey(parse_suite(body).cases).count == 2
        elif body.startswith("scorers:"):
            assert all(LOADERS[one.pop("type")](one.pop("name"), one, Tools(ask=nobody)).name for one in yaml.safe_load(body)["scorers"])
        elif body.startswith("cases:"):
            assert [read_case(Fields(item), "") for item in yaml.safe_load(body)["cases"]]
        elif body.startswith("version:"):
            assert parse_declaration(body).tenants[0].slug == "acme"
        else:
            load_settings(file, environment={})
        seen.append(name)
    assert set(seen) == {
        "documents.md",
        "evaluation-in-ci.md",
        "evaluation.md",
        "gateway.md",
        "guard.md",
        "judges.md",
        "monitoring.md",
        "people.md",
        "prompts.md",
        "releases.md",
        "running.md",
        "scorers.md",
        "search.md",
        "threads.md",
        "verdicts.md",
        "verification.md",
    }


@pytest.mark.parametrize(("page", "wanted"), [("README.md", "business days"), ("README.ko.md", "영업일")])
def test_the_python_example_runs(demo_up: Up, page: str, wanted: str) -> None:
    [example] = [body for name, body in blocks("python") if name == page]
    runnable = example.replace("http://127.0.0.1:8700", demo_up.url).replace("sk-ondol-...", demo_up.key)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(runnable, page, "exec"), {})  # noqa: S102 - it is our own page
    assert wanted in printed.getvalue()
    assert "url_citation" in printed.getvalue()
