"""The other side of the pipe may be missing, wrong or hostile: every outcome is a score with a status. Real tools run in `tests/upstreams`."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ondol.application.evaluation.scorers import LOADERS, Tools
from ondol.application.evaluation.scorers.apart import ASKS_MAX
from ondol.application.evaluation.scorers.base import Asked
from ondol.application.evaluation.types import Answer, CitedSource, Ranked, Score
from ondol.core.errors import RequestError
from tests.application.evaluation.scorers.scoring import score_of

QUOTED = (CitedSource(1, "ko/refunds", ("환불은 사흘 걸립니다.",)),)
GREETS = "import json, os, sys\ntold = json.loads(sys.stdin.readline())\ndef tell(**what): print(json.dumps(what), flush=True)\n"


async def ask(model: str, asked: Asked) -> Answer:
    if model == "guarded":
        return Answer(text="This cannot be handled.", details={"finish": "content_filter"})
    return Answer(text=f"{model}: {asked.turns[-1].text}") if model == "judge" else Answer(text="", status="target_error", error="no such model")


def scored(monkeypatch: pytest.MonkeyPatch, folder: Path, program: str, model: str = "judge", answer: Answer | None = None) -> Score:
    """What comes of a process that does something of its own."""
    script = folder / "python"
    script.write_text(f"#!{sys.executable}\n{GREETS}{program}", "utf-8")
    script.chmod(0o700)
    monkeypatch.setenv("ONDOL_EVAL_RAGAS_PYTHON", script.as_posix())
    asked = answer or Answer(text="사흘입니다.", sources=QUOTED)
    return score_of("ragas.faithfulness", asked, "3일", tools=Tools(ask=ask), settings={"model": model})


def test_questions_go_to_the_judge_and_the_value_comes_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = """
tell(ask="How \\uac00?")
heard = json.loads(sys.stdin.readline())["text"]
right = heard == "judge: How 가?" and told == {"metric": "ragas.faithfulness", "question": "?", "answer": "사흘입니다.", "expected": "3일",
                                               "contexts": ["환불은 사흘 걸립니다."]}
tell(value=0.75 if right else 0.0)
"""
    found = scored(monkeypatch, tmp_path, program)
    assert (found.value, found.details) == (0.75, {"asks": 1})


def test_the_process_has_no_credentials_and_its_telemetry_is_off(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    program = (
        'tell(value=float("OPENAI_API_KEY" not in os.environ and os.environ["RAGAS_DO_NOT_TRACK"] == "true" and os.getcwd() == os.environ["HOME"]))'
    )
    assert scored(monkeypatch, tmp_path, program).value == 1


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("", "ended"),
        ("print('hello', flush=True)", "nothing that can be read"),
        ("print('9' * 5_000_000, flush=True)", "nothing that can be read"),
        ("tell(value=2)", "no share"),
        ("tell(value=None)", "no share"),
        ("print('{\"value\": NaN}', flush=True)", "no share"),
        ("tell(error='it broke')", "it broke"),
        ("while True:\n    tell(ask='more')\n    sys.stdin.readline()", f"more than {ASKS_MAX} times"),
    ],
    ids=["ends", "babbles", "floods", "too-much", "nothing", "nan", "fails", "never-ends"],
)
def test_what_goes_wrong_is_counted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str, said: str) -> None:
    found = scored(monkeypatch, tmp_path, program)
    assert (found.value, found.status) == (None, "judge_error")
    assert said in found.reason


@pytest.mark.parametrize(("model", "said"), [("absent", "no such model"), ("guarded", "the guard refused")])
def test_a_judge_that_fails_is_told_to_the_tool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: str, said: str) -> None:
    found = scored(monkeypatch, tmp_path, 'tell(ask="?")\ntell(error=json.loads(sys.stdin.readline())["error"])', model=model)
    assert (found.status, said in found.reason) == ("judge_error", True)


def test_the_passages_are_those_that_were_handed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    handed = Answer(text="a", sources=QUOTED, ranked=(Ranked("final", ("ko/refunds",), texts=("handed",)),))
    assert scored(monkeypatch, tmp_path, 'tell(value=float(told["contexts"] == ["handed"]))', answer=handed).value == 1
    assert scored(monkeypatch, tmp_path, "", answer=Answer(text="a")).status == "skipped"


def test_an_environment_without_the_tool_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONDOL_EVAL_RAGAS_PYTHON", sys.executable)
    found = score_of("ragas.faithfulness", Answer(text="a", sources=QUOTED), tools=Tools(ask=ask), settings={"model": "judge"})
    assert (found.status, found.reason) == ("judge_error", "ragas.faithfulness: this environment has no ragas")


def test_without_an_environment_or_a_judge_the_suite_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for python in ("", "bin/python", "/nowhere/python"):
        monkeypatch.setenv("ONDOL_EVAL_DEEPEVAL_PYTHON", python)
        with pytest.raises(RequestError, match="environment with deepeval") as caught:
            LOADERS["deepeval.bias"]("mine", {"model": "judge"}, Tools(ask=ask))
        assert (caught.value.param, "ONDOL_EVAL_DEEPEVAL_PYTHON" in caught.value.hint) == ("type", True)
    with pytest.raises(RequestError) as refused:
        LOADERS["deepeval.bias"]("mine", {"model": "judge"}, Tools())
    assert refused.value.param == "model"
