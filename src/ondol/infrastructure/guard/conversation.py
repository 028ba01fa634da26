"""One request and its answer under one policy: what is asked is read, and what is answered is let out, with the same marks."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, TypeAlias

from ondol.core.clock import Clock, utc_now
from ondol.core.errors import RequestError
from ondol.core.language import detect_language
from ondol.infrastructure.guard.actions import Edit, Marks, apply_edits
from ondol.infrastructure.guard.engine import Decision, Scans, StageGuard, Verdict
from ondol.infrastructure.guard.expects import NOTHING, Expects, expecting
from ondol.infrastructure.guard.policy import EDITS, Action, Policy
from ondol.infrastructure.guard.remembered import Remembered
from ondol.infrastructure.guard.replies import Language, text_of
from ondol.infrastructure.guard.stream import StreamGuard, StreamRestorer
from ondol.infrastructure.guard.tools.calling import Calling
from ondol.infrastructure.guard.tools.joint import ToolsInForce
from ondol.infrastructure.guard.tools.policy import tool_policy_of
from ondol.infrastructure.guard.tools.types import ToolContext
from ondol.infrastructure.guard.types import Check, Finding, Stage

WITHHELD = "[WITHHELD]"
"""Stands for an earlier turn that was refused: it must not reach a model later either."""
JUNCTION_CHARACTERS = 80
"""So much of the end of one turn and the beginning of the next is looked at together."""
TOOL_NAME_SHOWN = 128
"""Characters of a tool's name that an error repeats."""

KeepToken: TypeAlias = Callable[[str, str, str], None]
Watch: TypeAlias = Callable[[Stage, str, Verdict], None]
Role: TypeAlias = Literal["system", "developer", "user", "assistant", "tool", "field"]
"""Who speaks. A ``field`` is what stands in a request beside its messages: tools, schemas, metadata and the like."""

_INSTRUCTING = frozenset({"system", "developer"})
_STANDING = frozenset({"system", "developer", "field"})
"""Roles whose texts hold for the whole request, wherever they stand."""
_TO_PEOPLE: frozenset[Action] = frozenset({"restrict", "escalate", "answer"})
"""Actions that are an answer to somebody. A field is nobody: that a tool is there for people in distress does not mean that one is asking."""
_BY_MODEL = ".model"
"""How rules end that are a model's judgement of whole windows. Those were taught on what people write; tools are written as orders."""
_NEVER_SENT = frozenset({"personal", "secrets", "private_keys"})
_ORDER: tuple[Decision, ...] = ("allow", "mask", "restrict", "escalate", "answer", "block")


@dataclass(frozen=True, slots=True)
class Guards:
    """A policy, with its floors, ready for use.

    Attributes:
        tools: of each of the policies that restricts tools, the chosen one first.
    """

    policies: tuple[Policy, ...]
    stages: Mapping[Stage, StageGuard]
    tools: tuple[ToolsInForce, ...] = ()

    @property
    def digest(self) -> bytes:
        """Of the policy that was chosen, 32 bytes."""
        return self.policies[0].digest

    @property
    def digests(self) -> tuple[bytes, ...]:
        """Of all policies in force, 32 bytes each."""
        return tuple(policy.digest for policy in self.policies)

    def text(self, name: str, language: Language) -> str:
        """What people are told, by name."""
        own = next((policy.texts for policy in self.policies if name in policy.texts), {})
        return text_of(name, language, own)


def prepare_guards(policies: Sequence[Policy], checks: Mapping[str, Check], *, cache: Path | None = None) -> Guards:
    """Make policies ready: the chosen one first, then its floors.

    Args:
        cache: a folder in which compiled patterns are kept; compiling takes up to some hundred milliseconds, reading them back next to nothing.
    """
    scans = Scans(checks)
    guards = {stage: StageGuard(stage, policies, checks, scans) for stage in {stage for policy in policies for stage in policy.stages}}
    scans.compile(cache)
    for guard in guards.values():
        if guard.calm is not None:
            guard.calm.compile(cache)
    return Guards(tuple(policies), guards, tools_of(policies))


def tools_of(policies: Sequence[Policy]) -> tuple[ToolsInForce, ...]:
    """The tools of those policies that restrict them, ready for use.

    Raises:
        SettingsError: when a policy says something impossible of a tool.
    """
    return tuple(
        ToolsInForce(tool_policy_of(policy.declared_tools, policy.run_characters), policy.mode == "enforce", policy.approval_minutes)
        for policy in policies
        if policy.restricts_tools
    )


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class ReadTurns:
    """What came of reading a request.

    Attributes:
        decision: about the request as a whole.
        texts: what goes on, one for each turn.
        reply: what people are told instead of, or after, an answer; empty where nothing is.
    """

    decision: Decision
    texts: tuple[str, ...]
    reply: str = ""

    @property
    def passes(self) -> bool:
        """Whether the request goes on."""
        return self.decision in ("allow", "mask", "restrict")


@dataclass(frozen=True, slots=True)
class GuardTrace:
    """What is kept of a conversation's guarding: names and digests, no text.

    Attributes:
        decisions: by stage, the strictest.
        would: by stage, what enforcing would have done.
        rules: the rules that found something, each once.
        failed: the checks that failed.
    """

    policy: bytes
    decisions: Mapping[Stage, Decision]
    would: Mapping[Stage, Decision]
    rules: tuple[str, ...]
    failed: tuple[str, ...]

    @property
    def decision(self) -> Decision:
        """The strictest of all stages."""
        return max(self.decisions.values(), key=_ORDER.index, default="allow")


class Conversation:
    """Guards one request and its answer.

    Args:
        key: the tenant's key for hashes and tokens, 32 bytes.
        keep_token: told of each new token, its entity and its value.
        watch: told of each text that was looked at: the stage, the text and the verdict. Must not block.
        tokens: tokens of earlier requests that the caller may have back, and their values.
        tenant: the caller's tenant as it stands in the tables that a tool's SQL reads; with none such SQL finds nothing.
        clock: for approvals of tool calls.
        remembered: what was found in texts before; None looks at each anew.
    """

    def __init__(
        self,
        guards: Guards,
        key: bytes,
        keep_token: KeepToken | None = None,
        watch: Watch | None = None,
        tokens: Mapping[str, str] | None = None,
        *,
        tenant: str = "",
        clock: Clock = utc_now,
        remembered: Remembered | None = None,
    ) -> None:
        self.guards = guards
        self._remembered = remembered
        self.marks = Marks(key, keep_token, dict(tokens or {}))
        self.language: Language = "en"
        self._watch = watch
        self._verdicts: list[tuple[Stage, Verdict]] = []
        self._tenant = tenant
        self._clock = clock
        self._own: list[str] = []
        self._untrusted: list[str] = []

    def read(self, turns: Sequence[Turn]) -> ReadTurns:
        """Look at what is asked. Turns of people are input, those of tools are what goes on to a model; of earlier answers only the edits count,
        and of an application's instructions only what nobody may send. Fields are input too, but are not answered.
        """
        people = [place for place, turn in enumerate(turns) if turn.role == "user"]
        last = people[-1] if people else -1
        if last >= 0:
            self.language = detect_language(turns[last].text)
        self._own += [turns[place].text for place in people]
        self._untrusted += [turn.text for turn in turns if turn.role == "tool"]
        if len(people) > 1:
            turns = self._joined_edits(turns)
        texts: list[str] = []
        decision: Decision = "allow"
        say = ""
        for place, turn in enumerate(turns):
            verdict = self._read_turn(turn, is_new=place >= last)
            if verdict is None or turn.role == "assistant":
                texts.append(turn.text if verdict is None or not verdict.passes else verdict.text)
                continue
            if place < last and not verdict.passes and turn.role not in _STANDING:
                texts.append(turn.text if verdict.decision == "answer" else WITHHELD)
                continue
            texts.append(verdict.text)
            if verdict.decision != "allow" and _ORDER.index(verdict.decision) > _ORDER.index(decision):
                decision, say = verdict.decision, verdict.say
        return ReadTurns(decision, tuple(texts), self.guards.text(say, self.language) if say else "")

    def answering(self, expects: Expects = NOTHING) -> Answering:
        """What lets the answer out.

        Raises:
            RequestError: when a schema that the answer must hold to is none, or costs too much to look at.
        """
        guard = self.guards.stages.get("output")
        return Answering(self, expecting(guard, expects, self.marks.key) if guard else None)

    def documents(self, texts: Sequence[str]) -> tuple[str, ...]:
        """What of documents goes on to a model: each is looked at like a tool's answer, and what would instruct the model is taken out.

        Nothing of them goes into a privileged tool unseen by a person.

        Returns:
            One text for each, empty where it may not be shown at all.
        """
        self._untrusted += texts
        guard = self.guards.stages.get("model")
        if guard is None:
            return tuple(texts)
        passed = []
        for text in texts:
            verdict = guard.inspect(text, self.marks)
            self.note("model", text, verdict, watched=bool(verdict.decided))
            passed.append(verdict.text if verdict.passes else "")
        return tuple(passed)

    def recalled(self, texts: Sequence[str]) -> tuple[str, ...]:
        """What of earlier turns, kept here, goes on to a model under the policy of now: as what people say, and as what documents say.

        Returns:
            One text for each, empty where it may not be used again.
        """
        guard = self.guards.stages.get("input")
        own = [guard.inspect(text, self.marks) if guard is not None and text else None for text in texts]
        passed = [text if verdict is None else verdict.text if verdict.passes else "" for text, verdict in zip(texts, own, strict=True)]
        return self.documents(passed)

    def as_shown(self, text: str) -> str:
        """What of a whole answer people are shown, for those who keep it; nothing of it where it is withheld. Nobody is told of it again."""
        guard = self.guards.stages.get("output")
        if guard is None:
            return text
        verdict = guard.inspect(text, self.marks)
        return verdict.text if verdict.passes else ""

    def lets(self, text: str) -> bool:
        """Whether a text of an answer that nobody reads aloud, such as what stands beside a call, may go out as it is. It is looked at once, as a
        whole: nothing of it goes out before, so there is nothing to hold back step by step.
        """
        if self.marks.tokens and "[" in text:
            return False  # it may hold what would be turned back
        guard = self.guards.stages.get("output")
        if guard is None:
            return True
        verdict = guard.inspect(text, self.marks)
        self.note("output", text, verdict)
        return verdict.passes and verdict.text == text

    def offered(self, definitions: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """The tools that a model may be shown: all, or none.

        Args:
            definitions: as the OpenAI API has them: ``{"type": "function", "function": {"name": ..., "parameters": ...}}``.

        Raises:
            RequestError: when the policy in force does not allow one of them; better said at once than found out by a call that is withheld.
        """
        enforced = [item.policy for item in self.guards.tools if item.enforced]
        for definition in definitions if enforced else ():
            function = definition.get("function")
            name = function.get("name") if isinstance(function, Mapping) else None
            if not isinstance(name, str) or any(policy.rule_for(name) is None for policy in enforced):
                shown = repr(name[:TOOL_NAME_SHOWN]) if isinstance(name, str) else "without a name"
                raise RequestError(
                    f"The tool {shown} is not allowed by the guard policy {self.guards.policies[0].name}.",
                    "Leave it out, or have it named below `tools` of every policy in force.",
                    code="tool_not_allowed",
                    param="tools",
                )
        return list(definitions)

    def calling(self) -> Calling:
        """What lets one call of a tool out."""
        context = ToolContext(self._tenant, self._clock(), tuple(self._untrusted), tuple(self._own))
        return Calling(
            self.guards.stages.get("tool"),
            self.guards.tools,
            self.marks,
            lambda: replace(context, now=self._clock()),
            lambda text, verdict: self.note("tool", text, verdict),
        )

    def trace(self) -> GuardTrace:
        """What is kept of all that was looked at so far."""
        decisions: dict[Stage, Decision] = {}
        if all(verdict.would == "allow" and not (verdict.decided or verdict.failed) for _, verdict in self._verdicts):
            decisions = {stage: "allow" for stage, _ in self._verdicts}
            return GuardTrace(self.guards.digest, decisions, decisions, (), ())
        would: dict[Stage, Decision] = {}
        for stage, verdict in self._verdicts:
            decisions[stage] = max(decisions.get(stage, "allow"), verdict.decision, key=_ORDER.index)
            would[stage] = max(would.get(stage, "allow"), verdict.would, key=_ORDER.index)
        rules = tuple(dict.fromkeys(rule for _, verdict in self._verdicts for rule in verdict.rules))
        failed = tuple(dict.fromkeys(name for _, verdict in self._verdicts for name in verdict.failed))
        return GuardTrace(self.guards.digest, decisions, would, rules, failed)

    def note(self, stage: Stage, text: str, verdict: Verdict, *, watched: bool = True) -> None:
        """Keep a verdict for the trace, and tell it to whoever watches; what an earlier request told already is not told again."""
        self._verdicts.append((stage, verdict))
        if self._watch is not None and watched:
            self._watch(stage, text, verdict)

    def _read_turn(self, turn: Turn, *, is_new: bool) -> Verdict | None:
        if not turn.text:
            return None
        if turn.role in _INSTRUCTING:
            return self._read_instructions(turn)
        stage: Stage = "model" if turn.role == "tool" else "input"
        guard = self.guards.stages.get(stage)
        if guard is None:
            return None
        findings, failed = self._find(guard, turn)
        if turn.role == "assistant":
            findings = [item.finding for item in guard.decided_of(findings) if item.action in EDITS]
            return guard.decide(turn.text, findings, failed, self.marks)
        if turn.role == "field":
            decided = [item for item in guard.decided_of(findings) if item.action not in _TO_PEOPLE]
            findings = [item.finding for item in decided if not item.finding.rule.endswith(_BY_MODEL)]
        verdict = guard.decide(turn.text, findings, failed, self.marks)
        if is_new or verdict.passes:  # what was refused before is no part of what is decided now
            self.note(stage, turn.text, verdict, watched=is_new)
        return verdict

    def _find(self, guard: StageGuard, turn: Turn) -> tuple[list[Finding], tuple[str, ...]]:
        """All findings in a turn, and the checks that failed."""
        if self._remembered is None:
            return guard.find(turn.text)
        return self._remembered.find(guard, self.marks.key, turn.role, turn.text)

    def _read_instructions(self, turn: Turn) -> Verdict | None:
        """What an application tells a model is its own, orders and telephone numbers too. What nobody may send, it may not send here either."""
        guard = self.guards.stages.get("input")
        if guard is None:
            return None
        findings, failed = self._find(guard, turn)
        kept = [item.finding for item in guard.decided_of(findings) if item.action == "block" and item.finding.check in _NEVER_SENT]
        if not kept and not failed:
            return None
        verdict = guard.decide(turn.text, kept, failed, self.marks)
        self.note("input", turn.text, verdict)
        return verdict

    def _joined_edits(self, turns: Sequence[Turn]) -> list[Turn]:
        """Turns in which what was found across the border of two turns of a person is replaced on both sides."""
        result = list(turns)
        guard = self.guards.stages.get("input")
        places = [place for place, turn in enumerate(turns) if turn.role == "user"]
        if guard is None:
            return result
        for before, after in itertools.pairwise(places):
            tail = result[before].text[-JUNCTION_CHARACTERS:]
            head = result[after].text[:JUNCTION_CHARACTERS]
            if not _may_continue(tail, head):
                continue
            joined = f"{tail}\n{head}"
            findings, failed = guard.find(joined, is_part=True)
            across = [item for item in findings if item.start < len(tail) and item.end > len(tail) + 1]
            verdict = guard.judge(guard.decided_of(across), failed)
            if verdict.would == "allow" or verdict.decision == "allow":
                if across:
                    self.note("input", joined, verdict)
                continue
            self.note("input", joined, verdict)
            start = min(item.finding.start for item in verdict.decided)
            end = max(item.finding.end for item in verdict.decided) - len(tail) - 1
            first, second = result[before].text, result[after].text
            mark = self.marks.replacement("mask", verdict.decided[0].finding, f"{tail[start:]}{head[:end]}")
            result[before] = replace(result[before], text=apply_edits(first, [Edit(len(first) - len(tail) + start, len(first), mark)]))
            result[after] = replace(result[after], text=mark + second[end:])
        return result


class Answering:
    """Lets an answer out piece by piece.

    Attributes:
        verdict: on the whole answer, once it is finished.
        changed: what goes out is not what came in, but for what is added at its end.
    """

    def __init__(self, conversation: Conversation, guard: StageGuard | None) -> None:
        self.verdict: Verdict | None = None
        self.changed = False
        self._conversation = conversation
        self._stream = StreamGuard(guard, conversation.marks) if guard else None
        self._restorer = StreamRestorer(conversation.marks)

    @property
    def stopped(self) -> bool:
        """Nothing more of the answer is wanted."""
        return self._stream is not None and self._stream.stopped

    @property
    def characters(self) -> int:
        """How long the answer is so far."""
        return self._stream.length if self._stream is not None else 0

    def push(self, piece: str) -> str:
        """What of the answer may go out now."""
        return self._restored(self._stream.push(piece) if self._stream else piece)

    def whole(self, text: str) -> str:
        """A whole answer: the same as `push` with all of it and then `finish`."""
        if self._stream is None:
            return self.push(text) + self.finish()
        out, self.verdict = self._stream.whole(text)
        if self._conversation.marks.tokens:
            self.changed = "[" in out
            out = self._restorer.push(out) + self._restorer.finish()
        self._conversation.note("output", self._stream.text, self.verdict)
        if self.verdict.decided or not self.verdict.passes:
            self.changed = self.changed or not self.verdict.passes or any(item.action in EDITS for item in self.verdict.decided)
        return self._told(out)

    def finish(self) -> str:
        """The rest, with what people are told when the answer was cut short or needs a warning."""
        text = ""
        if self._stream is not None:
            rest, self.verdict = self._stream.finish()
            text = self._restored(rest)
            self._conversation.note("output", self._stream.text, self.verdict)
            self.changed = self.changed or not self.verdict.passes or any(item.action in EDITS for item in self.verdict.decided)
        return self._told(text + self._restorer.finish())

    def _told(self, text: str) -> str:
        """A text with what people are told after it."""
        if self.verdict is None or not self.verdict.say:
            return text
        name = "withheld" if self.verdict.say == "blocked" else self.verdict.say
        told = self._conversation.guards.text(name, self._conversation.language)
        return f"{text}\n\n{told}"

    def _restored(self, piece: str) -> str:
        restored = self._restorer.push(piece)
        self.changed = self.changed or (bool(self._conversation.marks.tokens) and "[" in piece)
        return restored


def _may_continue(tail: str, head: str) -> bool:
    """Whether a number could go on over the border of two turns."""
    return any(char.isdigit() for char in tail[-20:]) and any(char.isdigit() for char in head[:20])
