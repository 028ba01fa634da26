"""From a question to a cited answer, in a straight line.

Recall of the thread -> wordings of the question -> search -> prompt within a budget -> model, or a choice of sentences -> verify -> answer or refuse
-> record.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ondol.application.assistant.attached import find_with_files
from ondol.application.assistant.cache import AnswerCache, Kept, keep_for_others, place_for
from ondol.application.assistant.contradictions import contradiction_extension, find_contradiction, told_contradiction
from ondol.application.assistant.extractive import answered_min_of
from ondol.application.assistant.generative import HISTORY_TURNS_MAX, EvidenceTurn, Prepared, build_request
from ondol.application.assistant.quoting import Inspect, answer_by_quoting, usage_of
from ondol.application.assistant.record import Answered, Asking, Given, Keep, grounds_of, keep_answer
from ondol.application.assistant.refusal import Refusal, refusal_extension, refuse
from ondol.application.assistant.rewriting import Queries, retrieval_settings, rewrite_question
from ondol.application.assistant.serving import Serving
from ondol.application.assistant.snippet import find_snippet
from ondol.application.assistant.sources import annotations_of, extension_of, files_searched
from ondol.application.assistant.threads import (
    Exchange,
    Memory,
    Said,
    Screen,
    Summing,
    complete_question,
    exchanges_of,
    memory_settings,
    recall,
    remember,
)
from ondol.application.assistant.types import PASSAGES_SHOWN_MAX, Assistant, Cited, Outcome, Source, is_on
from ondol.application.assistant.verify import (
    VERIFIER_ID,
    AnswerVerifier,
    Checked,
    Passage,
    VerificationPolicy,
    read_passage,
    summary_of,
    verification_policy,
)
from ondol.application.knowledge.rooms import Knowledge
from ondol.application.knowledge.search import Evidence, Found, IndexStates
from ondol.application.knowledge.store import ReadableVersion
from ondol.application.prompts import Language, Prompt
from ondol.core.errors import RequestError
from ondol.core.language import detect_language
from ondol.infrastructure.guard.actions import MARK
from ondol.infrastructure.serving.types import ChatEvent, ChatRequest, ChatUpstream, Finish, Message, Progress, Snippet, TextDelta, Usage

QUESTION_CHARACTERS_MAX = 4000
_LOG = logging.getLogger("ondol.assistant")


@dataclass(frozen=True, slots=True)
class Generator:
    """A generative model: its name, and the upstream that serves it.

    Attributes:
        context_tokens: what prompt and answer may take together.
        evidence_turn: whose turn the passages are in.
        provider: who serves it, such as ``api.openai.com``.
    """

    model: str
    stream: ChatUpstream
    context_tokens: int
    evidence_turn: EvidenceTurn = "tool"
    provider: str = ""


@dataclass(frozen=True, slots=True)
class AssistantRoom:
    """What answering needs. Without a generator the extractive model answers.

    Attributes:
        canary_of: the word that stands in a tenant's system prompts and must not come out; none is put there when absent.
        cache: answers given lately; each is made anew when absent.
    """

    knowledge: Knowledge
    states: IndexStates
    generator: Generator | None
    organisation_of: Callable[[uuid.UUID], str]
    canary_of: Callable[[uuid.UUID], Awaitable[str]] | None = None
    cache: AnswerCache | None = None


async def answer(
    room: AssistantRoom,
    tenant_id: uuid.UUID,
    person_id: uuid.UUID,
    assistant: Assistant,
    request: ChatRequest,
    inspect: Inspect = tuple,
    keep: Keep | None = None,
    *,
    screen: Screen = tuple,
    shown_of: Callable[[str], str] = str,
    serving: Serving | None = None,
    policies: Sequence[bytes] | None = None,
) -> AsyncIterator[ChatEvent]:
    """Answer a request as one person of one tenant.

    Args:
        inspect: the guard's look at texts of documents, before a model or the asker sees them.
        keep: takes the answer when it was written, also one that broke off; kept as written when absent.
        screen: its look at what a thread remembers, before it is used again.
        shown_of: what it lets out of an answer: only that is remembered.
        serving: what the assistant's release says; the platform's defaults when absent.
        policies: digests of its policies in force; an answer that was given under the same ones may be given again, none when absent.

    Yields:
        Progress and pieces of text as they come, then one `Finish` with the sources.

    Raises:
        RequestError: when there is no question or it is too long.
        NotFound: when the thread is not the person's, or there is no such turn in it.
        UpstreamError: when the generative model fails.
    """
    began_ns = time.perf_counter_ns()
    question = _question_of(request)
    language = detect_language(question)
    policy = serving.policy if serving is not None else verification_policy(assistant.settings.get("verification"))
    remembering = serving.memory if serving is not None else memory_settings(assistant.settings.get("memory"))
    keep = keep or partial(keep_answer, room.knowledge)
    memory = await recall(room.knowledge, tenant_id, person_id, assistant.id, request.thread, remembering, screen)
    place = await place_for(room.cache, room.knowledge, tenant_id, person_id, assistant, request, question, _under(room, tenant_id, policies))
    yield Progress("searching", is_kept=place is not None and place.kept is not None)
    if place is not None and place.kept is not None:
        asking = Asking(request.id, tenant_id, person_id, assistant, question, language, place.kept.found, _since_us(began_ns))
        async for event in _said_again(place.kept, asking, keep):
            yield event
        return
    queries = await _worded(room, assistant, serving, *await _understood(room, request, memory, question))
    asked = queries.question
    found = await _found(room, tenant_id, person_id, assistant, queries, memory, serving)
    asking = Asking(
        request.id, tenant_id, person_id, assistant, question, language, found, _since_us(began_ns), memory.thread_id, memory.files, memory.alone
    )
    keeping = partial(_keep, keep, asking, time.perf_counter_ns(), queries.usage)
    yield Progress("reading")
    told: dict[str, Any] = {}
    summing = Summing()
    if room.generator is None or not found.evidence:
        answered = answer_by_quoting(asked, language, found, inspect, _answered_min(assistant, serving))
        yield Progress("writing")
        yield Progress("checking")
        yield TextDelta(answered.text)
    else:
        shown_max = serving.manifest.retrieval.passages_max if serving is not None else PASSAGES_SHOWN_MAX
        shown = await _guarded(found.evidence[:shown_max], inspect)
        snippet = await asyncio.to_thread(find_snippet, asked, found, shown, shown_of) if is_on(assistant, "snippet") else None
        if snippet is not None:
            told["snippet"] = snippet.told()
            yield snippet
        writing = _Writing(room.generator, found, shown, policy, language, partial(refuse, language, found.evidence, inspect), snippet)
        asked_of_it = request if request.thread is None else replace(request, messages=(*memory.messages(language), Message("user", question)))
        summing = Summing.begin(room.knowledge, tenant_id, person_id, memory, remembering, room.generator.stream, room.generator.model, language)
        try:
            async for event in writing.events(await _prepared(room, room.generator, tenant_id, asked_of_it, question, language, shown, serving)):
                yield event
        except BaseException as error:
            summing.cancel()
            await _keep_broken(keeping, writing, error)
            raise
        answered = writing.answered()
        if answered.outcome == "refused":
            yield TextDelta(answered.text)
    await keeping(answered)
    told |= await _remembered(room, asking, memory, asked, answered, shown_of)
    if place is not None and room.cache is not None:
        keep_for_others(room.cache, place, request.id, person_id, found, answered)
    yield _finish(asking, replace(answered, usage=await summing.added_to(answered.usage.plus(queries.usage))), told)


async def _remembered(
    room: AssistantRoom, asking: Asking, memory: Memory, asked: str, answered: Answered, shown_of: Callable[[str], str]
) -> Mapping[str, Any]:
    """Keep the answer as a turn of its thread, as far as the guard lets it be seen; nothing where no thread is kept."""
    if memory.thread_id is None:
        return {}
    let = await asyncio.to_thread(shown_of, answered.text)
    said = Said(asking.id, asking.question, asked, let, answered.outcome == "refused", grounds_of(asking.found, answered))
    return await remember(room.knowledge, asking.tenant_id, asking.person_id, asking.assistant.id, memory, said)


def _finish(asking: Asking, answered: Answered, more: Mapping[str, Any]) -> Finish:
    """The end of an answer, with all that is told of it."""
    refused = answered.outcome == "refused"
    known = extension_of(asking.id, asking.assistant, asking.found, answered.sources, language=asking.language, refused=refused, model=answered.model)
    known["searched"] |= files_searched(len(asking.files), alone=asking.alone)
    refusal = {"refusal": refusal_extension(asking.id, answered.nearest)} if refused else {}
    differing = {"contradictions": answered.contradictions} if answered.contradictions else {}
    return Finish(
        reason="stop",
        usage=answered.usage,
        annotations=annotations_of(answered.text, answered.sources),
        extension={**known, **refusal, **differing, "verification": summary_of(answered.checked), **more},
    )


def _under(room: AssistantRoom, tenant_id: uuid.UUID, policies: Sequence[bytes] | None) -> Sequence[str | bytes] | None:
    """What an answer depends on beside its assistant, its question and its documents; None where that is not known."""
    one = room.generator
    model = (one.model, one.provider, one.evidence_turn, str(one.context_tokens)) if one else ("extractive",)
    return None if policies is None else (room.organisation_of(tenant_id), *model, *policies)


async def _said_again(kept: Kept, asking: Asking, keep: Keep) -> AsyncIterator[ChatEvent]:
    """An answer that was given before, as one of its own: it has its own record."""
    answered = replace(kept.answered, usage=usage_of(asking.question, kept.answered.text), repeats=kept.answer_id, snippet=None)
    yield TextDelta(answered.text)
    await keep(Given(asking, answered, 0))
    yield _finish(asking, answered, {"cached": {"answer_id": str(kept.answer_id)}})


def _question_of(request: ChatRequest) -> str:
    question = next((message.content for message in reversed(request.messages) if message.role == "user"), "").strip()
    if not question:
        raise RequestError("The request holds no question.", "Add a message with role `user`.", code="missing_question", param="messages")
    if len(question) > QUESTION_CHARACTERS_MAX:
        raise RequestError(
            f"The question is longer than {QUESTION_CHARACTERS_MAX:,} characters.", "Ask a shorter one.", code="question_too_long", param="messages"
        )
    return question


async def _understood(room: AssistantRoom, request: ChatRequest, memory: Memory, question: str) -> tuple[str, Usage]:
    """The question as it is searched for: with what it leans on of the thread, or of the turns that the caller sent; and what a model used for it."""
    said = [Exchange(turn.asked, turn.answer) for turn in memory.turns] if request.thread is not None else exchanges_of(request.messages[:-1])
    generator = room.generator
    completed, used = await complete_question(question, said, generator.stream if generator else None, generator.model if generator else "")
    return MARK.sub(" ", completed), used  # what the guard put in the place of a value is no word of the question


async def _worded(room: AssistantRoom, assistant: Assistant, serving: Serving | None, asked: str, used: Usage) -> Queries:
    """What is searched for: the question, and as many other wordings of it as the assistant asks its model for; with what was used before for it."""
    settings = serving.retrieval if serving is not None else retrieval_settings(assistant.settings.get("retrieval"))
    queries = await rewrite_question(asked, settings, room.generator.stream, room.generator.model) if room.generator else Queries(asked)
    return replace(queries, usage=queries.usage.plus(used))


async def _found(
    room: AssistantRoom, tenant_id: uuid.UUID, person_id: uuid.UUID, assistant: Assistant, queries: Queries, memory: Memory, serving: Serving | None
) -> Found:
    """What the base and the files of the thread hold; the release says which index is asked and how, else the base."""
    index_id, retrieval = (serving.index_id, serving.search) if serving is not None else (None, None)
    place = room.knowledge, room.states, tenant_id, person_id, assistant.base_id
    return await find_with_files(*place, queries, memory.files, alone=memory.alone, index_id=index_id, retrieval=retrieval)


def _answered_min(assistant: Assistant, serving: Serving | None) -> float:
    return serving.answered_min if serving is not None else answered_min_of(assistant.settings.get("refuse_below"))


async def _guarded(evidence: Sequence[Evidence], inspect: Inspect) -> list[Evidence]:
    """The passages as they may be shown to a model: the guard has taken out what would instruct it. It looks in a thread, for they are long."""
    texts = await asyncio.to_thread(inspect, [item.text for item in evidence])
    return [item if text == item.text else replace(item, text=text) for item, text in zip(evidence, texts, strict=True)]


async def _prepared(
    room: AssistantRoom,
    generator: Generator,
    tenant_id: uuid.UUID,
    request: ChatRequest,
    asked: str,
    language: Language,
    shown: Sequence[Evidence],
    serving: Serving | None,
) -> Prepared:
    """What the model is asked. By a release its prompt, its part of the conversation and its tokens hold, never more tokens than the model takes."""
    manifest = serving.manifest if serving is not None else None
    tokens = manifest.retrieval.context_tokens_max if manifest is not None else None
    turns_max = manifest.memory.turns_max if manifest is not None else HISTORY_TURNS_MAX
    return build_request(
        request,
        asked,
        shown,
        language=language,
        organisation=room.organisation_of(tenant_id),
        model=generator.model,
        context_tokens=min(tokens or generator.context_tokens, generator.context_tokens),
        evidence_turn=generator.evidence_turn,
        canary=await room.canary_of(tenant_id) if room.canary_of else "",
        prompt=serving.prompt if serving is not None else None,
        values=manifest.prompt.values if manifest is not None else {},
        turns_max=len(request.messages) if request.thread is not None else turns_max,
    )


class _Writing:
    """An answer while a model writes it: what is cited and checked goes out, sentence by sentence."""

    def __init__(
        self,
        generator: Generator,
        found: Found,
        shown: Sequence[Evidence],
        policy: VerificationPolicy,
        language: Language,
        refuse: Callable[[], Refusal],
        snippet: Snippet | None,
    ) -> None:
        self._generator = generator
        self._found = found
        self._shown = shown
        self._policy = policy
        self._language = language
        self._refuse = refuse
        self._snippet = snippet
        self._contradictions: Sequence[Mapping[str, Any]] = ()
        self._verifier: AnswerVerifier | None = None
        self._prompt: Prompt | None = None
        self._usage = Usage(0, 0, estimated=True)
        self._provider = generator.provider

    async def events(self, prepared: Prepared) -> AsyncIterator[ChatEvent]:
        """Ask the model and give what may be shown."""
        self._prompt = prepared.prompt
        yield Progress("writing")
        given = self._shown[: prepared.given]
        # Passages are read for the check while the model thinks of its first word.
        reading = asyncio.ensure_future(asyncio.to_thread(_read_all, given))
        try:
            async for event in self._generator.stream(prepared.request):
                if isinstance(event, Finish):
                    self._usage = event.usage
                    self._provider = event.provider or self._provider
                elif isinstance(event, TextDelta):
                    if self._verifier is None:
                        self._verifier = AnswerVerifier(await reading, self._policy)
                    for piece in self._verifier.push(event.text):
                        yield TextDelta(piece)
        finally:
            reading.cancel()
        yield Progress("checking")
        if self._verifier is not None:
            for piece in self._verifier.finish():
                yield TextDelta(piece)
            disagreement = await asyncio.to_thread(self._disagreement, self._verifier, given)
            if disagreement:
                yield TextDelta(disagreement)

    def _disagreement(self, verifier: AnswerVerifier, given: Sequence[Evidence]) -> str:
        """What is added where another passage contradicts what the answer rests on; empty otherwise."""
        rests_on = [(span.source - 1, span.start, span.end) for one in verifier.checked if not one.is_left_out for span in one.spans[:1]]
        said = [Cited(given[place].text[start:end], place, start, end) for place, start, end in dict.fromkeys(rests_on)]
        found = find_contradiction(said, given)
        if found is None:
            return ""
        numbers = {place: place + 1 for place in range(len(given))}
        self._contradictions = contradiction_extension(found, given, numbers)
        quotes = [(each.text, numbers[each.source]) for each in (found.newer, found.older)]
        return verifier.add("\n\n" + told_contradiction(found, given, numbers, self._language), quotes)

    def answered(self, outcome: Outcome = "answered") -> Answered:
        """What went out; a refusal when nothing of an answer did."""
        verifier = self._verifier
        text = verifier.text if verifier is not None else ""
        checked = verifier.checked if verifier is not None else ()
        sources: tuple[Source, ...] = ()
        nearest: Sequence[ReadableVersion] = ()
        if outcome == "answered" and not text.strip():
            refusal, outcome = self._refuse(), "refused"
            text, nearest = refusal.text, refusal.nearest
        else:
            sources = _cited_sources(self._found.evidence, self._shown, checked)
        own = self._found.evidence
        edited = frozenset(place for place, item in enumerate(self._shown) if item.text != own[place].text)
        model, provider = self._generator.model, self._provider
        made = (text, sources, outcome, self._usage, checked, model, provider, self._prompt, VERIFIER_ID, edited, nearest, self._contradictions)
        return Answered(*made, snippet=self._snippet)


def _read_all(given: Sequence[Evidence]) -> list[Passage]:
    return [read_passage(item.text, (item.version.details.title, *item.headings)) for item in given]


def _cited_sources(evidence: Sequence[Evidence], shown: Sequence[Evidence], checked: Sequence[Checked]) -> tuple[Source, ...]:
    """The sources of what was shown, with the sentences that bear it out, where they stand in the document's own text."""
    quotes: dict[int, list[tuple[int, int]]] = {}
    for one in checked:
        if one.is_left_out:
            continue
        for number in one.numbers:
            quotes.setdefault(number, [])
        for span in one.spans:
            text, own = shown[span.source - 1].text, evidence[span.source - 1].text
            start = span.start if text == own else own.find(text[span.start : span.end])
            quote = (start, start + span.end - span.start)
            if start >= 0 and quote not in quotes[span.source]:
                quotes[span.source].append(quote)
    return tuple(Source(number, evidence[number - 1], tuple(sorted(spans))) for number, spans in sorted(quotes.items()))


def _since_us(began_ns: int) -> int:
    return (time.perf_counter_ns() - began_ns) // 1_000


async def _keep(keep: Keep, asking: Asking, found_ns: int, searching: Usage, answered: Answered) -> None:
    """Hand an answer to whoever keeps it, with what a model used to understand the question and for the search."""
    await keep(Given(asking, replace(answered, usage=answered.usage.plus(searching)), _since_us(found_ns)))


async def _keep_broken(keeping: Callable[[Answered], Awaitable[None]], writing: _Writing, error: BaseException) -> None:
    """Keep what went out of an answer that was not finished: somebody may have read it."""
    outcome: Outcome = "failed" if isinstance(error, Exception) else "cancelled"
    kept = asyncio.ensure_future(keeping(writing.answered(outcome)))
    try:
        await asyncio.shield(kept)
    except Exception:
        _LOG.exception("broken answer not recorded")
