"""Evaluation tools of others, unmodified, with the gateway as the model's server: lm-evaluation-harness and Inspect."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ondol.infrastructure.serving.scripted import ScriptedModel
from scripts.apart import python_apart
from tests.infrastructure.gateway.ground import Ground, Tenancy

pytestmark = [pytest.mark.anyio, pytest.mark.upstreams]

SECONDS_MAX = 300
SUMS = [(12, 30), (7, 8), (1_000, 234), (5, 5), (99, 1)]
CAUSES = [
    ("비가 왔다.", "땅이 젖었다.", "해가 떴다.", 0),
    ("늦잠을 잤다.", "일찍 왔다.", "지각했다.", 1),
    ("불을 껐다.", "어두워졌다.", "밝아졌다.", 0),
]
SUMS_TASK = r"""
task: sums
dataset_path: json
dataset_kwargs: {data_files: {test: FOLDER/sums.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "Question: {{question}}\nAnswer:"
doc_to_target: "{{answer}}"
generation_kwargs: {until: ["Question:"], do_sample: false, temperature: 0.0}
filter_list:
  - {name: strict-match, filter: [{function: regex, regex_pattern: '#### (\-?[0-9\.\,]+)'}, {function: take_first}]}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true, ignore_case: true, regexes_to_ignore: [",", '(?s).*#### ']}]
"""
CAUSES_TASK = r"""
task: causes
dataset_path: json
dataset_kwargs: {data_files: {test: FOLDER/causes.jsonl}}
test_split: test
output_type: generate_until
doc_to_text: "{{premise}} 그래서?\n1. {{alternative_1}}\n2. {{alternative_2}}\n번호만 답하세요."
doc_to_target: "{{label + 1}}"
generation_kwargs: {until: ["\n"], do_sample: false}
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
"""


def solve(body: Mapping[str, Any]) -> str:
    """Adds up two numbers, but never 99 and 1, and always takes the first choice."""
    content = body["messages"][-1]["content"]
    question = content if isinstance(content, str) else "".join(part["text"] for part in content)
    if "번호만" in question:
        return "1"
    numbers = [int(number) for number in re.findall(r"\d+", question)]
    if len(numbers) != 2:
        return "hello, world"  # Inspect greets a model before it measures it
    first, second = numbers
    return f"{first} and {second} are so many.\n#### {first + second + (first == 99):,}"


@pytest.fixture
async def tenancy(ground: Ground) -> AsyncIterator[Tenancy]:
    """A tenant whose model ``m`` solves the tasks."""
    async with ScriptedModel(solve) as model:
        async with ground.at_once():
            made = await ground.tenancy()
            await made.provider(model.base_url)
            await made.model("up/small")
            await made.price("up", "small")
        yield made


async def run(tenancy: Tenancy, folder: Path, *arguments: str) -> str:
    """What the harness' Python says, run in a folder of its own without a network to anywhere else."""
    alone = {"HF_DATASETS_OFFLINE": "1", "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hf"), "DO_NOT_TRACK": "1", "HOME": str(folder)}
    keys = {"OPENAI_API_KEY": tenancy.key, "OPENAI_BASE_URL": f"{tenancy.ground.url}/v1"}
    process = await asyncio.create_subprocess_exec(
        python_apart("harness").as_posix(), *arguments, cwd=folder, env={**os.environ, **alone, **keys},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(SECONDS_MAX):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, said.decode()[-5_000:]
    return said.decode()


def write_tasks(folder: Path) -> None:
    sums = [{"question": f"What is {first} + {second}?", "answer": f"{first}+{second}=<<>>\n#### {first + second}"} for first, second in SUMS]
    causes = [{"premise": premise, "alternative_1": one, "alternative_2": two, "label": label} for premise, one, two, label in CAUSES]
    for name, rows in (("sums", sums), ("causes", causes)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    for name, task in (("sums", SUMS_TASK), ("causes", CAUSES_TASK)):
        (folder / f"{name}.yaml").write_text(task.replace("FOLDER", folder.as_posix()), "utf-8")


async def test_lm_evaluation_harness(tenancy: Tenancy, tmp_path: Path) -> None:
    write_tasks(tmp_path)
    model = f"model=m,base_url={tenancy.ground.url}/v1/chat/completions,num_concurrent=4,max_retries=2,tokenized_requests=False"
    await run(
        tenancy, tmp_path, "-m", "lm_eval", "--model", "local-chat-completions", "--model_args", model, "--apply_chat_template",
        "--tasks", "sums,causes", "--include_path", tmp_path.as_posix(), "--output_path", "out", "--log_samples", "--num_fewshot", "1",
    )  # fmt: skip
    [file] = (tmp_path / "out").rglob("results_*.json")
    results = json.loads(file.read_text("utf-8"))["results"]
    assert results["sums"]["exact_match,strict-match"] == 4 / 5
    assert results["causes"]["exact_match,none"] == pytest.approx(2 / 3)
    records = tenancy.records
    assert {record.outcome for record in records} == {"answered"}
    assert len(records) == len(SUMS) + len(CAUSES)
    assert all((record.cost_nano or 0) > 0 for record in records)


INSPECT_TASK = """
from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.scorer import match
from inspect_ai.solver import generate, system_message

@task
def sums():
    return Task(
        dataset=[Sample(input=f"What is {first} + {second}?", target=f"{first + second:,}") for first, second in SUMS],
        solver=[system_message("Add up."), generate()],
        scorer=match(numeric=True),
    )
"""


async def test_inspect(tenancy: Tenancy, tmp_path: Path) -> None:
    (tmp_path / "sums.py").write_text(INSPECT_TASK.replace("in SUMS", f"in {SUMS!r}"), "utf-8")
    options = ["--log-format", "json", "--log-dir", "logs", "--display", "plain", "--temperature", "0", "--max-connections", "4"]
    await run(tenancy, tmp_path, "-m", "inspect_ai", "eval", "sums.py", "--model", "openai/m", *options)
    [file] = (tmp_path / "logs").glob("*.json")
    log = json.loads(file.read_text("utf-8"))
    assert log["status"] == "success"
    assert log["results"]["scores"][0]["metrics"]["accuracy"]["value"] == 4 / 5
    assert {usage["input_tokens"] > 0 for usage in log["stats"]["model_usage"].values()} == {True}
    assert {record.outcome for record in tenancy.records} == {"answered"}
    assert len(tenancy.records) >= len(SUMS)
