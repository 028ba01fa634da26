"""Targets that need no platform, and conversations with any target."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ondol.application.evaluation.suites import SuiteError, TargetSpec
from ondol.application.evaluation.targets import TARGETS, Asking, Reach, Replied, hold
from ondol.application.evaluation.targets.chat import document_name, exchanged, read_answer
from ondol.application.evaluation.targets.conversation import OVER
from ondol.application.evaluation.types import Answer, Case, Turn
from ondol.infrastructure.serving.scripted import Reply, ScriptedModel
from ondol.infrastructure.serving.types import Usage

pytestmark = pytest.mark.anyio

CASE = Case(id="a", turns=(Turn("user", "환불은?"),))


def reach(environment: Mapping[str, str] | None = None, folder: Path | None = None, registered: bool = False) -> Reach:
    async def nothing(*_: Any) -> Any:
        raise AssertionError("the platform is not asked")

    async def is_registered(_: str) -> bool:
        return registered

    return Reach(nothing, nothing, nothing, nothing, nothing, is_registered, environment, folder)


@pytest.fixture
async def model() -> AsyncIterator[ScriptedModel]:
    async with ScriptedModel(Reply("사흘 걸립니다.", usage=Usage(30, 5))) as running:
        yield running


async def asked(spec: TargetSpec, given: Reach, case: Case = CASE) -> Answer:
    target = TARGETS[spec.kind](spec, given)
    try:
        return await target.ask(Asking(turns=case.turns, case=case, seed=3))
    finally:
        await target.close()


def endpoint(model: ScriptedModel, **settings: Any) -> TargetSpec:
    return TargetSpec(kind="endpoint", name=model.base_url, settings={"model": "small", **settings})


async def test_an_endpoint_is_asked_with_its_key(model: ScriptedModel) -> None:
    spec = endpoint(model, key_variable="SOME_API_KEY", system="Be brief.", temperature=0, max_tokens=50, send_seed=True)
    answer = await asked(spec, reach({"SOME_API_KEY": "sk-secret"}))
    assert (answer.text, answer.status, answer.input_tokens, answer.output_tokens) == ("사흘 걸립니다.", "ok", 30, 5)
    assert answer.latency_ms > 0
    [request] = model.requests
    assert request.headers["authorization"] == "Bearer sk-secret"
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "환불은?"}]
    assert request.body == {"model": "small", "messages": messages, "temperature": 0.0, "max_tokens": 50, "seed": 3}


async def test_probabilities_and_samples_are_asked_for_and_read(model: ScriptedModel) -> None:
    await asked(endpoint(model, top_logprobs=2, samples=3), reach({}))
    [request] = model.requests
    assert {name: request.body[name] for name in ("logprobs", "top_logprobs", "n")} == {"logprobs": True, "top_logprobs": 2, "n": 3}
    likely = [{"token": " B", "logprob": -0.1}, {"token": "A", "logprob": -2.5}]
    tokens = {"content": [{"token": " B", "logprob": -0.1, "top_logprobs": likely}, {"token": ".", "logprob": -0.3, "top_logprobs": []}]}
    choices = [{"message": {"content": "B."}, "logprobs": tokens}, {"message": {"content": "A."}}, {"message": {"content": None}}]
    answer = read_answer(Replied(200, {}, {"choices": choices}), 1.0)
    assert (answer.text, answer.logprobs, answer.samples) == ("B.", (-0.1, -0.3), ("B.", "A.", ""))
    assert answer.details["first_token"] == {" B": -0.1, "A": -2.5}
    assert read_answer(Replied(200, {}, {"choices": choices[1:2]}), 1.0).samples == ()


async def test_an_endpoint_of_elsewhere_is_asked_only_where_it_is_registered(model: ScriptedModel) -> None:
    refused = await asked(endpoint(model), reach())
    assert (refused.status, "no provider of the tenant" in refused.error, list(model.requests)) == ("target_error", True, [])
    assert (await asked(endpoint(model), reach(registered=True))).status == "ok"
    with pytest.raises(SuiteError, match="names no variables"):
        await asked(endpoint(model, key_variable="SOME_API_KEY"), reach(registered=True))


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("ftp://example.com", {"model": "m"}, "needs http or https"),
        ("https://me:secret@example.com/v1", {"model": "m"}, "needs http or https"),
        ("https://example.com/v1", {}, "target.model is missing"),
        ("https://example.com/v1", {"model": "m", "temprature": 1}, "unknown key 'temprature'"),
        ("https://example.com/v1", {"model": "m", "key_variable": "AWS_SECRET"}, "must end in _API_KEY"),
        ("https://example.com/v1", {"model": "m", "key_variable": "OTHER_API_KEY"}, "OTHER_API_KEY is not set"),
    ],
    ids=["scheme", "user", "model", "unknown", "secret", "unset"],
)
async def test_what_an_endpoint_cannot_be_is_told(name: str, settings: dict[str, Any], said: str) -> None:
    with pytest.raises(SuiteError, match=said):
        TARGETS["endpoint"](TargetSpec(kind="endpoint", name=name, settings=settings), reach({"AWS_SECRET": "x"}))


async def test_whatever_a_server_does_is_an_answer_with_a_status() -> None:
    for trouble in ("close_before_headers", "garbage", "not_http", "wrong_content_type", "refused", "unauthorised", "broken"):
        async with ScriptedModel(Reply(trouble=trouble)) as model:
            answer = await asked(endpoint(model, key_variable="SOME_API_KEY"), reach({"SOME_API_KEY": "sk-secret-0123456789"}))
        assert trouble == "garbage" or (answer.status, bool(answer.error)) == ("target_error", True), trouble
    bodies: list[dict[str, Any]] = [{}, {"choices": []}, {"choices": [{"message": {"content": ["x"]}}]}, {"choices": [{"message": None}]}]
    for body in bodies:
        assert read_answer(Replied(200, {}, body), 1.0).status == "target_error"


async def test_a_target_that_asks_for_patience_is_asked_again() -> None:
    limited = Replied(429, {"retry-after": "0"}, {"error": {"code": "rate_limit_exceeded", "message": "slow"}})
    spent = Replied(429, {"retry-after": "0"}, {"error": {"code": "budget_exceeded", "message": "spent"}})
    fine = Replied(200, {"x-ondol-cost": "0.002 USD"}, {"choices": [{"message": {"content": "x"}}]})

    async def through(*replies: Replied) -> tuple[Answer, int]:
        left = list(replies)

        async def send() -> Replied:
            return left.pop(0)

        return await exchanged(send), len(left)

    answer, left = await through(limited, limited, fine)
    assert (answer.text, answer.cost_nano, answer.currency, left) == ("x", 2_000_000, "USD", 0)
    answer, left = await through(spent, fine)
    assert (answer.status, answer.details["code"], left) == ("target_error", "budget_exceeded", 1)


async def test_a_python_function_is_a_target(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from ondol.application.evaluation.types import Answer\n"
        "def plain(messages, case): return messages[-1]['content'] + case.id\n"
        "async def whole(messages, case): return Answer(text='x', cost_nano=5)\n"
        "def broken(messages, case): return 1 / 0\n"
        "def number(messages, case): return 3\n"
        "value = 3\n",
        "utf-8",
    )
    given = reach({}, tmp_path)

    async def answered(function: str) -> Answer:
        return await asked(TargetSpec(kind="python", name=f"mine.py:{function}"), given)

    assert (await answered("plain")).text == "환불은?a"
    assert (await answered("whole")).cost_nano == 5
    assert (await answered("broken")).error == "ZeroDivisionError: division by zero"
    assert (await answered("number")).status == "target_error"
    for name, said in (("value", "has no function value"), ("absent", "has no function absent")):
        with pytest.raises(SuiteError, match=said):
            await answered(name)
    with pytest.raises(SuiteError, match="command line only"):
        await asked(TargetSpec(kind="python", name="mine.py:plain"), reach())


@dataclass
class Echo:
    """Answers with the number of turns that it was shown, and notes them."""

    seen: list[tuple[Turn, ...]] = field(default_factory=list)
    fails_at: int = 99

    async def identity(self) -> Mapping[str, str]:
        return {}

    async def ask(self, asking: Asking) -> Answer:
        self.seen.append(asking.turns)
        status: Any = "target_error" if len(self.seen) == self.fails_at else "ok"
        return Answer(text=f"answer {len(self.seen)}", status=status, latency_ms=2.0, cost_nano=3, input_tokens=10)

    async def close(self) -> None:
        return


TALK = Case(id="t", turns=(Turn("user", "one"), Turn("assistant", ""), Turn("user", "two"), Turn("assistant", "told"), Turn("user", "three")))


async def test_turns_that_are_written_down_are_told_and_the_others_asked_for() -> None:
    target = Echo()
    answer = await hold(target, TALK, 0)
    assert [turn.text for turn in target.seen[-1]] == ["one", "answer 1", "two", "told", "three"]
    assert (answer.text, answer.latency_ms, answer.cost_nano, answer.input_tokens) == ("answer 2", 4.0, 6, 20)
    assert [turn["text"] for turn in answer.details["turns"]] == ["one", "answer 1", "two", "told", "three", "answer 2"]
    failing = Echo(fails_at=1)
    assert ((await hold(failing, TALK, 0)).status, len(failing.seen)) == ("target_error", 1)


async def test_a_model_plays_the_user_until_it_has_what_it_wants() -> None:
    played = {"model": "player", "persona": "A customer.", "aim": "Know the date.", "turns": 9}
    case = Case(id="s", turns=(Turn("user", "Hello"),), facts={"simulated_user": played})
    shown: list[tuple[Turn, ...]] = []

    async def ask_user(model: str, turns: tuple[Turn, ...], seed: int) -> Answer:
        assert (model, seed) == ("player", 5)
        shown.append(turns)
        return Answer(text=f"question {len(shown)}" if len(shown) < 3 else OVER, cost_nano=100)

    target = Echo()
    answer = await hold(target, case, 5, ask_user)
    assert [turn["text"] for turn in answer.details["turns"]] == ["Hello", "answer 1", "question 1", "answer 2", "question 2", "answer 3"]
    assert (answer.text, answer.cost_nano) == ("answer 3", 3 * 3 + 3 * 100)
    assert [turn.role for turn in shown[1]] == ["system", "assistant", "user", "assistant", "user"]
    assert "A customer." in shown[0][0].text
    few = Case(id="s", turns=(Turn("user", "Hello"),), facts={"simulated_user": {**played, "turns": 2}})
    shown.clear()
    short = Echo()
    await hold(short, few, 5, ask_user)
    assert len(short.seen) == 2
    assert (await hold(Echo(), case, 5)).status == "target_error"


def test_documents_are_named_as_golden_sets_name_them() -> None:
    assert [document_name(path) for path in ("ko/refund.md", "ko/v1.2/refund", "a.html", "x")] == ["ko/refund", "ko/v1.2/refund", "a", "x"]
