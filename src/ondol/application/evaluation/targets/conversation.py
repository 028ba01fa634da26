"""Holds a case's conversation with a target: turns that are written down, turns that the target is asked for, and a user whom a model plays."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ondol.application.evaluation.targets.base import Asking, Target
from ondol.application.evaluation.types import Answer, Case, Turn

OVER = "[END]"
"""A simulated user says this, and nothing else, when there is nothing left to ask."""

AskUser = Callable[[str, tuple[Turn, ...], int], Awaitable[Answer]]
"""Asks the model that plays the user: its alias, the conversation with its part as the assistant's, and the seed."""

_PLAY = (
    "You play a person who talks with an assistant. Who you are: {persona}\nWhat you want: {aim}\n"
    "Write only what this person says next, in the language of the conversation, in one or two sentences. "
    f"When you have what you want, or when it is clear that you will not get it, write {OVER} and nothing else."
)


@dataclass(slots=True)
class _Held:
    """What a conversation has come to."""

    turns: list[Turn]
    answers: list[Answer]
    user_answers: list[Answer]


async def hold(target: Target, case: Case, seed: int, ask_user: AskUser | None = None) -> Answer:
    """Lead a case's conversation to its end.

    Returns:
        The last answer; tokens, cost and time are of the whole conversation, and `details.turns` tells all of it where there was more than one
        question.
    """
    held = _Held([], [], [])
    for number, turn in enumerate(case.turns):
        if turn.role == "assistant" and not turn.text:
            if not await _answered(target, case, seed, held):
                return _whole(held)
        else:
            held.turns.append(turn)
        if number == len(case.turns) - 1 and not await _answered(target, case, seed, held):
            return _whole(held)
    played = case.facts.get("simulated_user")
    if isinstance(played, dict):
        return await _play(target, case, seed, held, played, ask_user)
    return _whole(held)


async def _answered(target: Target, case: Case, seed: int, held: _Held) -> bool:
    answer = await target.ask(Asking(turns=tuple(held.turns), case=case, asker=case.asker, seed=seed))
    held.answers.append(answer)
    held.turns.append(Turn("assistant", answer.text))
    return answer.status == "ok"


async def _play(target: Target, case: Case, seed: int, held: _Held, played: dict[str, Any], ask_user: AskUser | None) -> Answer:
    if ask_user is None:
        return replace(_whole(held), status="target_error", error="No model can play the user here.")
    for _ in range(int(played["turns"]) - 1):
        said = await ask_user(played["model"], _as_user(held.turns, played), seed)
        held.user_answers.append(said)
        if said.status != "ok":
            return replace(_whole(held), status=said.status, error=f"The simulated user said nothing: {said.error}")
        text = said.text.strip()
        if not text or text.startswith(OVER):
            break
        held.turns.append(Turn("user", text))
        if not await _answered(target, case, seed, held):
            break
    return _whole(held)


def _as_user(turns: Sequence[Turn], played: dict[str, Any]) -> tuple[Turn, ...]:
    """The conversation as the one who plays the user sees it: what the assistant said is said to it."""
    system = Turn("system", _PLAY.format(persona=played["persona"], aim=played["aim"]))
    spoken = [turn for turn in turns if turn.role != "system"]
    return system, *(Turn("user" if turn.role == "assistant" else "assistant", turn.text) for turn in spoken)


def _whole(held: _Held) -> Answer:
    last, asked = held.answers[-1], [*held.answers, *held.user_answers]
    if len(asked) == 1:
        return last
    return replace(
        last,
        input_tokens=sum(each.input_tokens for each in asked),
        output_tokens=sum(each.output_tokens for each in asked),
        cost_nano=sum(each.cost_nano for each in asked),
        latency_ms=sum(each.latency_ms for each in held.answers),
        details={**last.details, "turns": [{"role": turn.role, "text": turn.text} for turn in held.turns]},
    )
