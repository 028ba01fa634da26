"""Asks a judge: instructions, what is to be judged between marks, a reply in JSON; one repair, and then a failure that is counted."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from ondol.application.evaluation.judges.data import PART_CHARACTERS_MAX, PARTS_MAX, Part, fenced, new_mark, plain
from ondol.application.evaluation.judges.reply import Unreadable, read_reply
from ondol.application.evaluation.judges.words import FRAMES, Language
from ondol.application.evaluation.scorers.base import Asked, AskModel, KeptReplies, Owner
from ondol.application.evaluation.types import Answer, Case, Score, Status, Turn
from ondol.core.canonical import Json, digest
from ondol.core.errors import OndolError
from ondol.core.language import detect_language

PROTOCOL = "1"
"""Changed whenever the same texts would be put to a judge otherwise."""

TOKENS_DEFAULT = 1_000
CACHED_MAX = 20_000
WITHHELD = "content_filter"
"""How an answer ends where the guard stepped in."""
REPAIRED_CHARACTERS_MAX = 2_000
REPLY_KEPT_CHARACTERS = 500
NOBODY = Owner()

Verdict = TypeVar("Verdict")
Read: TypeAlias = Callable[[Mapping[str, Any]], Verdict]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question(Generic[Verdict]):
    """What is put to a judge.

    Attributes:
        task: what it shall do, and the form of its reply.
        parts: what it judges; data, whatever stands there.
        schema: of the reply.
        read: makes a verdict of a reply's object; raises `Unreadable`.
    """

    language: Language
    task: str
    parts: tuple[Part, ...]
    schema: Mapping[str, Any]
    read: Read[Verdict]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged(Generic[Verdict]):
    """What a judge found.

    Attributes:
        asks: how often it was asked; 0 where the verdict was remembered.
        is_kept: whether it was said in an earlier run.
        is_repaired: whether the first reply could not be read.
        cost_nano: by the price list, in `currency`.
    """

    verdict: Verdict
    asks: int = 0
    is_repaired: bool = False
    is_kept: bool = False
    cost_nano: int = 0
    currency: str = "USD"

    def told(self) -> dict[str, Any]:
        """For a score's details."""
        told = {"asks": self.asks, "repaired": self.is_repaired, "cost_nano": self.cost_nano, "currency": self.currency}
        return {**told, **told_kept(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Unjudged:
    """That a judge found nothing, and why; it is counted.

    Attributes:
        reply: the beginning of what it said instead of a verdict.
    """

    status: Literal["judge_error", "parse_error", "timeout"]
    reason: str
    reply: str = ""
    asks: int = 0
    cost_nano: int = 0
    currency: str = "USD"

    def score(self) -> Score:
        """The score without a value."""
        told = {"asks": self.asks, "cost_nano": self.cost_nano, "currency": self.currency}
        return Score(value=None, status=self.status, reason=self.reason, details={**told, "reply": self.reply} if self.reply else told)


class Remembered:
    """Verdicts by what was asked and by the repeat: the same question in another repeat is asked again, or repeats would tell nothing.

    The oldest are forgotten beyond `CACHED_MAX`. Failures are not remembered.
    """

    def __init__(self, most: int = CACHED_MAX) -> None:
        self._most = most
        self._found: OrderedDict[tuple[bytes, int], Any] = OrderedDict()

    def get(self, key: tuple[bytes, int]) -> Any:
        """The verdict; None where there is none."""
        if key in self._found:
            self._found.move_to_end(key)
        return self._found.get(key)

    def put(self, key: tuple[bytes, int], verdict: Any) -> None:
        """Remember a verdict."""
        self._found[key] = verdict
        while len(self._found) > self._most:
            self._found.popitem(last=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judge:
    """A model that judges, and how it is asked.

    Attributes:
        ask: through the gateway.
        model: the tenant's alias.
        seed: told to the model; None for none.
        remembered: verdicts of this run; `replies` are those of runs before.
    """

    ask: AskModel
    model: str
    seed: int | None = 0
    tokens_max: int = TOKENS_DEFAULT
    remembered: Remembered = field(default_factory=Remembered)
    replies: KeptReplies | None = None

    def version(self, kind: str, texts: Json) -> str:
        """Of a scorer: the digest of who judges, how it is asked, and in which words.

        Args:
            kind: the scorer's type.
            texts: all instructions and settings by which its verdict may change.
        """
        frames: Json = {language: frame.text() for language, frame in FRAMES.items()}
        asked: Json = {"model": self.model, "temperature": "0", "seed": self.seed, "tokens_max": self.tokens_max}
        return digest({"protocol": PROTOCOL, "type": kind, "asked": asked, "frames": frames, "texts": texts}).hex()

    async def judge(self, question: Question[Verdict], *, repeat: int = 0, owner: Owner = NOBODY) -> Judged[Verdict] | Unjudged:
        """Put a question to the judge, unless it answered that before. A failure is told, not raised, and not remembered.

        Args:
            owner: of the answer: with whom what the judge says is erased.
        """
        if any(part.is_too_long for part in question.parts) or len(question.parts) > PARTS_MAX:
            most = f"A judge reads at most {PARTS_MAX} texts of {PART_CHARACTERS_MAX:,} characters."
            return Unjudged(status="judge_error", reason=f"What is to be judged is too long. {most}")
        key = (self._key(question), repeat)
        known = self.remembered.get(key)
        if known is not None:
            return Judged(verdict=known)
        address = digest([key[0], repeat])
        kept = await self._kept(question, address, owner)
        if kept is not None:
            self.remembered.put(key, kept.verdict)
            return kept
        judged, reply = await self._asked(question)
        if isinstance(judged, Judged):
            self.remembered.put(key, judged.verdict)
            if self.replies is not None:
                await self.replies.put(self.model, address, reply, owner)
        return judged

    async def _kept(self, question: Question[Verdict], address: bytes, owner: Owner) -> Judged[Verdict] | None:
        """The verdict of an earlier run; None where there is none, or its reply can be read no more."""
        reply = await self.replies.get(self.model, address, owner) if self.replies is not None else None
        if reply is None:
            return None
        try:
            return Judged(verdict=read_reply(reply, question.read), is_kept=True)
        except Unreadable:
            return None

    def _key(self, question: Question[Verdict]) -> bytes:
        parts: Json = [[part.title, part.text.encode("utf-8", "surrogatepass")] for part in question.parts]
        return digest([self.version("", question.task), question.language, parts])

    async def _asked(self, question: Question[Verdict]) -> tuple[Judged[Verdict] | Unjudged, str]:
        """The verdict, and the reply that it was read from."""
        turns = _turns(question)
        first = await self._said(turns, question.schema)
        if first.status != "ok":
            return _unanswered(first, asks=1, cost_nano=first.cost_nano), ""
        try:
            return Judged(verdict=read_reply(first.text, question.read), asks=1, cost_nano=first.cost_nano, currency=first.currency), first.text
        except Unreadable as error:
            again = _repair(question, first.text, str(error))
        second = await self._said((*turns, *again), question.schema)
        cost_nano = first.cost_nano + second.cost_nano
        if second.status != "ok":
            return _unanswered(second, asks=2, cost_nano=cost_nano), ""
        try:
            verdict = read_reply(second.text, question.read)
        except Unreadable as error:
            reason = f"The judge's reply could not be read, nor the one after it: {error}."
            reply = second.text[:REPLY_KEPT_CHARACTERS]
            return Unjudged(status="parse_error", reason=reason, reply=reply, asks=2, cost_nano=cost_nano, currency=second.currency), ""
        return Judged(verdict=verdict, asks=2, is_repaired=True, cost_nano=cost_nano, currency=second.currency), second.text

    async def _said(self, turns: tuple[Turn, ...], schema: Mapping[str, Any]) -> Answer:
        try:
            said = await self.ask(self.model, Asked(turns, schema=schema, temperature=0.0, seed=self.seed, tokens_max=self.tokens_max))
        except OndolError as error:
            return Answer(text="", status="target_error", error=error.message)
        if said.status == "ok" and said.details.get("finish") == WITHHELD:
            return replace(said, text="", status="target_error", error="the guard withheld what is to be judged, or the reply.")
        return said


def language_of(case: Case) -> Language:
    """In which language a case is judged: its own, by its label or else by its letters."""
    match case.language:
        case "ko" | "en" as told:
            return told
        case _:
            return detect_language(case.question)


def repeat_of(answer: Answer) -> int:
    """Which repeat of its case an answer is; 0 where nobody says."""
    told = answer.details.get("repeat", 0)
    return told if isinstance(told, int) and not isinstance(told, bool) else 0


def owner_of(answer: Answer) -> Owner:
    """Whose an answer is, as a run tells its scorers; nobody's where nobody says."""
    told = answer.details.get("owner")
    return told if isinstance(told, Owner) else NOBODY


def told_kept(*judged: Judged[Any] | Unjudged) -> dict[str, int]:
    """For a score's details: how many verdicts were known from earlier runs; nothing where none was."""
    count = sum(isinstance(each, Judged) and each.is_kept for each in judged)
    return {"kept": count} if count else {}


def _turns(question: Question[Verdict]) -> tuple[Turn, ...]:
    frame, mark = FRAMES[question.language], new_mark()
    system = f"{question.task}\n\n{frame.rules.format(mark=mark)}"
    # Nothing but data stands in this turn: a guard that reads what users say takes instructions behind a text for an injection.
    return Turn("system", system), Turn("user", fenced(question.parts, mark, frame.end))


def _repair(question: Question[Verdict], reply: str, why: str) -> tuple[Turn, ...]:
    said = plain(reply)[:REPAIRED_CHARACTERS_MAX] or "-"
    return Turn("assistant", said), Turn("user", FRAMES[question.language].repair.format(why=why))


def _unanswered(answer: Answer, *, asks: int, cost_nano: int) -> Unjudged:
    status: Status = answer.status
    reason = f"The judge did not answer: {answer.error or status}"
    kind: Literal["judge_error", "timeout"] = "timeout" if status == "timeout" else "judge_error"
    return Unjudged(status=kind, reason=reason, asks=asks, cost_nano=cost_nano, currency=answer.currency)
