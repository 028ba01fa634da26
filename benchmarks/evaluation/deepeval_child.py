"""Run by DeepEval's own Python, `deepeval_child.py PORT CONCURRENCY CASES`: asks the stub with OpenAI's client, scores with `evaluate`.

DeepEval scores answers and leaves asking to its user, so this asks as its documentation does: an asynchronous client, so many at a time.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any


async def answers(port: int, concurrency: int, questions: list[str]) -> list[str]:
    """What the stub says to each question."""
    client = importlib.import_module("openai").AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="sk-stub")
    places = asyncio.Semaphore(concurrency)

    async def one(question: str) -> str:
        async with places:
            reply = await client.chat.completions.create(model="stub", messages=[{"role": "user", "content": question}])
        return str(reply.choices[0].message.content)

    return list(await asyncio.gather(*map(one, questions)))


def main(port: int, concurrency: int, file: Path) -> None:
    """Ask, score, and say how long it took."""
    deepeval, metrics, tests, configs = map(importlib.import_module, ("deepeval", "deepeval.metrics", "deepeval.test_case", "deepeval.evaluate"))
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    began = time.perf_counter()
    said = asyncio.run(answers(port, concurrency, [row["question"] for row in rows]))
    asked = time.perf_counter()
    cases: list[Any] = [
        tests.LLMTestCase(input=row["question"], actual_output=text, expected_output=row["expected"][0]) for row, text in zip(rows, said, strict=True)
    ]
    told = deepeval.evaluate(cases, [metrics.ExactMatchMetric()], async_config=configs.AsyncConfig(max_concurrent=concurrency))
    ended = time.perf_counter()
    passed = sum(bool(result.success) for result in told.test_results)
    print(json.dumps({"run_s": ended - began, "asked_s": asked - began, "passed": passed}))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
