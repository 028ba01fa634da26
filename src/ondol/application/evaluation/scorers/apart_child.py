"""The program that runs a metric of Ragas or DeepEval in their own environment: started by `apart`, alone, with lines of JSON in and out.

The first line in is what to score; each line out with `ask` is a question for the judge, answered by the next line in; the last line out has `value`
or `error`. It imports nothing of Ondol.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from typing import Any, TextIO

RAGAS = {"context_precision": "LLMContextPrecisionWithReference", "context_recall": "LLMContextRecall", "faithfulness": "Faithfulness"}
DEEPEVAL = {
    "answer_relevancy": "AnswerRelevancyMetric",
    "bias": "BiasMetric",
    "contextual_precision": "ContextualPrecisionMetric",
    "contextual_recall": "ContextualRecallMetric",
    "contextual_relevancy": "ContextualRelevancyMetric",
    "faithfulness": "FaithfulnessMetric",
    "toxicity": "ToxicityMetric",
}


class Judge:
    """Asks the other side of the pipe, one question at a time."""

    def __init__(self, into: TextIO, out: TextIO) -> None:
        self._into = into
        self._out = out

    def ask(self, prompt: str, temperature: float = 0.0) -> str:
        """The judge's answer.

        Raises:
            RuntimeError: when it has none.
        """
        self.tell({"ask": prompt, "temperature": temperature})
        told = json.loads(self._into.readline())
        if "text" not in told:
            raise RuntimeError(f"the judge failed: {told.get('error', '')}")
        return str(told["text"])

    def tell(self, what: dict[str, Any]) -> None:
        """Write one line."""
        self._out.write(json.dumps(what) + "\n")
        self._out.flush()


def by_ragas(judge: Judge, metric: str, told: dict[str, Any]) -> float:
    """The value of one of Ragas' metrics."""
    llms, metrics, schema = (importlib.import_module(f"ragas.{name}") for name in ("llms.base", "metrics", "dataset_schema"))
    outputs = importlib.import_module("langchain_core.outputs")

    def generate(_self: Any, prompt: Any, n: int = 1, temperature: float | None = 0.01, stop: Any = None, callbacks: Any = None) -> Any:
        texts = [judge.ask(prompt.to_string(), temperature or 0.0) for _ in range(n)]
        return outputs.LLMResult(generations=[[outputs.Generation(text=text) for text in texts]])

    async def agenerate(self: Any, prompt: Any, n: int = 1, temperature: float | None = 0.01, stop: Any = None, callbacks: Any = None) -> Any:
        return generate(self, prompt, n, temperature)

    members: dict[str, Any] = {"generate_text": generate, "agenerate_text": agenerate, "is_finished": lambda _self, _response: True}
    model = type("OndolJudge", (llms.BaseRagasLLM,), members)()
    sample = schema.SingleTurnSample(
        user_input=told["question"], response=told["answer"], reference=told["expected"] or None, retrieved_contexts=told["contexts"]
    )
    return float(asyncio.run(getattr(metrics, RAGAS[metric])(llm=model).single_turn_ascore(sample)))


def by_deepeval(judge: Judge, metric: str, told: dict[str, Any]) -> float:
    """The value of one of DeepEval's metrics."""
    models, metrics, cases = (importlib.import_module(f"deepeval.{name}") for name in ("models", "metrics", "test_case"))

    async def a_generate(_self: Any, prompt: str, *_: Any, **__: Any) -> str:
        return judge.ask(prompt)

    members: dict[str, Any] = {
        "load_model": lambda self, *_, **__: self,
        "generate": lambda _self, prompt: judge.ask(prompt),
        "a_generate": a_generate,
        "get_model_name": lambda _self, *_, **__: "ondol",
    }
    model = type("OndolJudge", (models.DeepEvalBaseLLM,), members)()
    case = cases.LLMTestCase(
        input=told["question"], actual_output=told["answer"], expected_output=told["expected"] or None, retrieval_context=told["contexts"]
    )
    measuring = getattr(metrics, DEEPEVAL[metric])(model=model, async_mode=False, include_reason=False)
    measuring.measure(case, _show_indicator=False)
    return float(measuring.score)


def main() -> None:
    """Score what the first line says."""
    judge = Judge(sys.stdin, sys.stdout)
    sys.stdout = sys.stderr  # what the tools print is no part of the answer
    told = json.loads(sys.stdin.readline())
    library, metric = str(told["metric"]).split(".")
    try:
        value = {"ragas": by_ragas, "deepeval": by_deepeval}[library](judge, metric, told)
        judge.tell({"value": value} if value == value else {"error": "the metric came to no number"})  # noqa: PLR0124 - NaN is no value
    except ModuleNotFoundError as error:
        judge.tell({"error": f"this environment has no {error.name}"})
    except Exception as error:  # whatever the tool raises is told and counted
        judge.tell({"error": f"{type(error).__name__}: {error}"[:1_000]})


if __name__ == "__main__":
    main()
