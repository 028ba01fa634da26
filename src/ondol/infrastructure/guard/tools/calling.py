"""A tool call on its way out of a model: held until it is decided about where tools are restricted, else let out piece by piece as answers are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ondol.infrastructure.guard.actions import Marks
from ondol.infrastructure.guard.engine import Decided, Decision, StageGuard, Verdict
from ondol.infrastructure.guard.policy import Action
from ondol.infrastructure.guard.stream import StreamGuard, StreamRestorer
from ondol.infrastructure.guard.tools.approvals import call_of
from ondol.infrastructure.guard.tools.arguments import ARGUMENTS_CHARACTERS_MAX, BadArguments, parse_arguments
from ondol.infrastructure.guard.tools.joint import ToolsInForce, decide_by_all
from ondol.infrastructure.guard.tools.json_text import Loosener, loosened, loosened_value, tightened
from ondol.infrastructure.guard.tools.types import Approval, ToolCall, ToolContext, ToolDecision
from ondol.infrastructure.guard.types import Finding

NAME_CHARACTERS_MAX = 1_000
"""A call with a longer name does not go out."""

_STRICTNESS: tuple[Decision, ...] = ("allow", "mask", "restrict", "escalate", "answer", "block")
_ACTIONS: dict[str, Action] = {"allow": "observe", "ask": "escalate", "block": "block"}
_DECISIONS: dict[str, Decision] = {"allow": "allow", "ask": "escalate", "block": "block"}
_SAY = {"allow": "", "ask": "escalated", "block": "blocked"}


@dataclass(frozen=True, slots=True)
class CallResult:
    """What becomes of a call.

    Attributes:
        decision: it goes out, a person is asked first, or it does not go out.
        name: of the tool; empty unless the call goes out.
        rest: what of the arguments goes out now, after what went out already.
        verdict: of stage `tool`, the tools' own findings among its.
        say: the name of the text that people are told; empty where nothing is.
        tools: what the policies in force decide about the tool; None where none restricts tools.
        noted: each text that was looked at, with the verdict on it.
    """

    decision: Literal["allow", "ask", "block"]
    name: str
    rest: str
    verdict: Verdict
    say: str = ""
    tools: ToolDecision | None = None
    noted: tuple[tuple[str, Verdict], ...] = ()


def judge_call(call: ToolCall, guard: StageGuard | None, tools: Sequence[ToolsInForce], context: ToolContext, marks: Marks) -> CallResult:
    """Decide about a whole call: its name and arguments as texts, then by the tools' own rules.

    Args:
        guard: of stage `tool`; None where the policies do not look at it.
        tools: of each policy in force that restricts tools, the chosen one first.
    """
    enforced = [item.policy for item in tools if item.enforced]
    named = _inspect(guard, call.name, marks)
    text, is_json = _plain(call.arguments)
    if enforced and len(call.arguments) > ARGUMENTS_CHARACTERS_MAX:
        text, is_json = "", False  # refused unread, and so it must not be kept either
    verdict = _inspect(guard, text, marks)
    noted = ((call.name, named),) if named.decided or named.failed else ()
    if named.decision != "allow" or not verdict.passes:
        worst = named if named.decision != "allow" else verdict
        say = worst.say or "blocked"
        verdict = replace(verdict, text="", decision=_stricter(verdict.decision, worst.decision), would=_stricter(verdict.would, worst.would))
        return CallResult("block", "", "", verdict, say, None, (*noted, (text, verdict)))
    passes = tightened(verdict.text)
    goes_on = replace(call, arguments=passes if is_json else call.arguments)
    observed = _observed(goes_on, tools, context)
    if not enforced:
        verdict = _joined(verdict, len(text), None, observed)
        return CallResult("allow", call.name, passes, verdict, "", None, (*noted, (text, verdict)))
    decision = decide_by_all(goes_on, enforced, context)
    runs = "" if decision.arguments is None else call_of(call.name, decision.arguments).arguments
    if decision.decision != "block" and runs != passes:
        rewritten = loosened(runs)
        again = _inspect(guard, rewritten, marks)
        if again.text != rewritten:
            refused = ToolDecision("block", (Finding("tools", "tools.rewritten", 0, len(text), 1.0, "what would run is not allowed"),))
            decision, noted = refused, (*noted, (rewritten, again))
    verdict = _joined(verdict, len(text), decision, observed)
    is_let = decision.decision == "allow"
    verdict = replace(verdict, text=loosened(runs) if is_let else "")
    name, rest = (call.name, runs) if is_let else ("", "")
    return CallResult(decision.decision, name, rest, verdict, _SAY[decision.decision], decision, (*noted, (text, verdict)))


class Calling:
    """Lets one call out. Names come before arguments.

    Args:
        guard: of stage `tool`; None where the policies do not look at it.
        tools: of each policy in force that restricts tools, the chosen one first.
        context: for whom, from what and when the tool is called; asked for once the call is whole.
        note: told of each text that was looked at, with the verdict on it.

    Attributes:
        name: of the tool, once it may go out; empty before.
    """

    def __init__(
        self,
        guard: StageGuard | None,
        tools: Sequence[ToolsInForce],
        marks: Marks,
        context: Callable[[], ToolContext],
        note: Callable[[str, Verdict], None],
    ) -> None:
        self.name = ""
        self._guard = guard
        self._tools = tuple(tools)
        self._marks = marks
        self._context = context
        self._note = note
        self._holds = any(item.enforced for item in tools)
        self._stream = StreamGuard(guard, marks) if guard is not None else None
        # Escapes are characters and tokens are values before anything is decided: what runs is what was looked at.
        self._loosener = Loosener()
        self._restorer = StreamRestorer(Marks(marks.key, None, {token: loosened_value(value) for token, value in marks.tokens.items()}))
        self._name = ""
        self._named: Verdict | None = None
        self._refused = ""
        self._held: list[str] = []
        self._held_characters = 0
        self._finished: CallResult | None = None

    @property
    def stopped(self) -> bool:
        """Nothing more of the call is wanted."""
        return bool(self._refused) or (not self._holds and self._stream is not None and self._stream.stopped)

    def push(self, name_piece: str, arguments_piece: str) -> str:
        """Take the next pieces; what of the arguments may go out now. `name` says whether there is a name to send with it."""
        if self._refused:
            return ""
        if name_piece:
            if self._named is not None or len(self._name) + len(name_piece) > NAME_CHARACTERS_MAX:
                self._refused = "name"
                return ""
            self._name += name_piece
        if not arguments_piece:
            return ""
        self._settle_name()
        return "" if self._refused else tightened(self._take(self._restorer.push(self._loosener.push(arguments_piece))))

    def finish(self) -> CallResult:
        """The decision about the whole call, and what of it goes out."""
        if self._finished is None:
            self._settle_name()
            rest = "" if self._refused else self._take(self._restorer.push(self._loosener.finish()) + self._restorer.finish())
            self._finished = self._by_stream(rest) if self._refused or not self._holds else self._by_decision(())
            for text, verdict in self._finished.noted:
                self._note(text, verdict)
        return self._finished

    def approved(self, approval: Approval) -> CallResult:
        """Decide again about a call for which a person was to be asked, now that one said yes. That the approval is spent, its keeper sees to."""
        before = self.finish()
        if before.decision == "ask":
            self._finished = self._by_decision((approval,))
        return self._finished or before

    def _settle_name(self) -> None:
        """Look at the name, which is whole now."""
        if self._named is not None or self._refused:
            return
        self._named = _inspect(self._guard, self._name, self._marks)
        if self._holds:
            return
        if self._named.decision != "allow":
            self._refused = "name"
        else:
            self.name = self._name

    def _take(self, piece: str) -> str:
        if not self._holds:
            return self._stream.push(piece) if self._stream is not None else self._kept(piece)
        self._kept(piece)
        return ""

    def _kept(self, piece: str) -> str:
        """Keep a piece to decide about; of what is too long to be decided about only so much that this can be told."""
        fits = piece[: ARGUMENTS_CHARACTERS_MAX + 1 - self._held_characters]
        if fits:
            self._held.append(fits)
            self._held_characters += len(fits)
        return piece

    def _by_decision(self, approvals: Sequence[Approval]) -> CallResult:
        context = replace(self._context(), approvals=approvals)
        result = judge_call(ToolCall(self._name, tightened("".join(self._held))), self._guard, self._tools, context, self._marks)
        self.name = result.name
        return result

    def _by_stream(self, rest: str) -> CallResult:
        if self._refused:
            verdict = replace(self._named or Verdict("block", "block", ""), decision="block", would="block", text="")
            name = self._name if self._named is not None else ""
            return CallResult("block", "", "", verdict, verdict.say or "blocked", None, ((name, verdict),))
        verdict = Verdict("allow", "allow", "")
        text = "".join(self._held)
        if self._stream is not None:
            more, verdict = self._stream.finish()
            rest, text = rest + more, self._stream.text
        observed = _observed(ToolCall(self._name, tightened(text)), self._tools, self._context())
        verdict = _joined(verdict, len(text), None, observed)
        noted = ((self._name, self._named),) if self._named is not None and self._named.decided else ()
        decision: Literal["allow", "block"] = "allow" if verdict.passes else "block"
        say = "" if verdict.passes else verdict.say or "blocked"
        return CallResult(decision, self._name if verdict.passes else "", tightened(rest), verdict, say, None, (*noted, (text, verdict)))


def _inspect(guard: StageGuard | None, text: str, marks: Marks) -> Verdict:
    return Verdict("allow", "allow", text) if guard is None or not text else guard.inspect(text, marks)


def _plain(arguments: str) -> tuple[str, bool]:
    """The arguments as checks read them, without a second way to write anything, and whether they can be read at all."""
    try:
        return loosened(call_of("", parse_arguments(arguments)).arguments), True
    except BadArguments:
        return loosened(arguments), False


def _observed(call: ToolCall, tools: Sequence[ToolsInForce], context: ToolContext) -> ToolDecision | None:
    """What policies that only observe would decide; None where there are none."""
    policies = [item.policy for item in tools if not item.enforced]
    return decide_by_all(call, policies, context) if policies else None


def _joined(verdict: Verdict, length: int, decision: ToolDecision | None, observed: ToolDecision | None) -> Verdict:
    """A verdict with what the tools' rules found in a text of that length."""
    found: dict[Finding, Action] = {}
    for each, action in ((observed, "observe"), (decision, _ACTIONS[decision.decision] if decision else "observe")):
        for finding in each.findings if each is not None else ():
            found[replace(finding, start=0, end=length)] = action  # type: ignore[assignment]  # both are actions
    decided = sorted((*verdict.decided, *(Decided(finding, action, "") for finding, action in found.items())), key=_place)
    is_now = _DECISIONS[decision.decision] if decision is not None else "allow"
    would = _stricter(is_now, _DECISIONS[observed.decision] if observed is not None else "allow")
    say = _SAY[decision.decision] if decision is not None and decision.decision != "allow" else verdict.say
    return replace(verdict, decision=_stricter(verdict.decision, is_now), would=_stricter(verdict.would, would), decided=tuple(decided), say=say)


def _place(item: Decided) -> tuple[int, int, str]:
    return item.finding.start, item.finding.end, item.finding.rule


def _stricter(first: Decision, second: Decision) -> Decision:
    return max(first, second, key=_STRICTNESS.index)
