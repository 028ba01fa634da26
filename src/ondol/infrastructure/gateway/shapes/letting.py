"""How the texts and calls of one answer go out through the guard: each place in it is a stream of its own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ondol.core.errors import UpstreamError
from ondol.infrastructure.guard.conversation import Answering, Conversation
from ondol.infrastructure.guard.expects import NOTHING, Expects
from ondol.infrastructure.guard.tools.calling import Calling
from ondol.infrastructure.serving.tokens import TokenEstimate

ANSWER_CHARACTERS_MAX = 2_000_000
"""Of one whole answer with all its choices. What is longer ends as an error: nobody could look at it in time, so it does not go out."""
CONTENT = "content"
"""The place of an answer that people read: what is expected of it, and what the guard has to say, stand there."""


class Out:
    """A text as it goes out.

    Attributes:
        changed: it is not what the model wrote.
        withheld: all or the end of it does not go out.
    """

    __slots__ = ("changed", "text", "withheld")

    def __init__(self, text: str, *, changed: bool, withheld: bool) -> None:
        self.text = text
        self.changed = changed
        self.withheld = withheld


class TextOut:
    """The texts and calls of one choice of an answer.

    Attributes:
        stopped: a text was ended: nothing more of this choice is wanted.
        changed: something went out that the model did not write so.
        withheld: something did not go out.
        refused: what people are told of calls that did not go out.
    """

    def __init__(self, conversation: Conversation, expects: Expects, afterword: str, letting: Letting) -> None:
        self.stopped = False
        self.changed = False
        self.withheld = False
        self.refused: list[str] = []
        self._conversation = conversation
        self._expects = expects
        self._afterword = afterword
        self._answers: dict[str, Answering] = {}
        self._letting = letting

    def push(self, name: str, piece: str) -> str:
        """The next piece of a text; what of it goes out now."""
        answering = self._answers.get(name)
        if answering is None:
            answering = self._answers[name] = self._answering(name)
        self._letting.estimate.add(piece)
        out = answering.push(piece)
        if name == CONTENT and out and self._letting.pieces is not None:
            self._letting.pieces.append(out)
        if answering.changed:
            self.changed = True
        if answering.stopped:
            self.stopped = True
        return out

    def finish(self, name: str) -> str:
        """The rest of a text, with what the guard has to say."""
        answering = self._answers.get(name)
        if answering is None:
            return self._afterword if name == CONTENT and self._afterword else ""
        rest = answering.finish()
        if answering.changed:
            self.changed = True
        if answering.verdict is not None and not answering.verdict.passes:
            self.withheld = True
        if name == CONTENT and self._afterword:
            rest = f"{rest}\n\n{self._afterword}"
        if name == CONTENT and rest and self._letting.pieces is not None:
            self._letting.pieces.append(rest)
        return rest

    def restart(self, name: str) -> str:
        """The rest of a text, after which another may begin in the same place. Nothing where none has begun."""
        if name not in self._answers:
            return ""
        rest = self.finish(name)
        del self._answers[name]
        return rest

    def whole(self, name: str, text: str) -> Out:
        """A whole text."""
        answering = self._answering(name)
        self._letting.count_whole(text)
        out = answering.whole(text)
        withheld = answering.verdict is not None and not answering.verdict.passes
        self.changed = self.changed or answering.changed
        self.withheld = self.withheld or withheld
        if name == CONTENT and self._afterword:
            out = f"{out}\n\n{self._afterword}"
        return Out(out, changed=answering.changed, withheld=withheld)

    def annotations(self, told: Any) -> list[Any]:
        """Of what an answer says of its sources, that which the guard has nothing against: they quote, and name titles and addresses."""
        if not isinstance(told, list):
            return []
        return [each for each in told if self._conversation.lets(json.dumps(each, ensure_ascii=False))]

    def lets(self, text: str) -> bool:
        """Whether a text beside the answer may go out as it is."""
        return self._conversation.lets(text)

    def count(self, *texts: str) -> None:
        """Count what a model wrote that is let out elsewhere: the pieces of a call."""
        for text in texts:
            self._letting.estimate.add(text)

    def calling(self, _index: int) -> Calling:
        """What lets one call out piece by piece."""
        return self._conversation.calling()

    def call(self, index: int, name: str, arguments: str) -> tuple[str, str] | None:
        """A whole call: its name and arguments as they go out; None when it does not."""
        calling = self.calling(index)
        self._letting.count_whole(name)
        self._letting.count_whole(arguments)
        begin = calling.push(name, arguments)
        result = calling.finish()
        if result.decision == "allow":
            return result.name or name, begin + result.rest
        self._refuse(result.say)
        return None

    def told_of_calls(self, callings: Sequence[Calling]) -> str:
        """What people are told of the calls that did not go out; each was finished before."""
        for calling in callings:
            result = calling.finish()
            if result.decision != "allow":
                self._refuse(result.say)
        return "\n\n".join(self.refused)

    def _refuse(self, say: str) -> None:
        self.withheld = True
        name = "withheld" if say in ("", "blocked") else say
        told = self._conversation.guards.text(name, self._conversation.language)
        if told not in self.refused:
            self.refused.append(told)

    def _answering(self, name: str) -> Answering:
        return self._conversation.answering(self._expects if name == CONTENT else NOTHING)


class Letting:
    """The guard of one answer with all its choices.

    Args:
        expects: what the request demands of the answer.
        afterword: what is added at its end; empty for nothing.

    Attributes:
        estimate: the tokens of all that the model wrote, counted here.
        pieces: what went out to people, kept for those who keep content; None keeps nothing.
    """

    def __init__(self, conversation: Conversation, expects: Expects = NOTHING, afterword: str = "") -> None:
        self.conversation = conversation
        self.estimate = TokenEstimate()
        self.pieces: list[str] | None = None
        self._expects = expects
        self._afterword = afterword
        self._choices: dict[int, TextOut] = {}

    def choice(self, index: int) -> TextOut:
        """The texts of one choice."""
        known = self._choices.get(index)
        if known is None:
            known = self._choices[index] = TextOut(self.conversation, self._expects, self._afterword, self)
        return known

    def count_whole(self, text: str) -> None:
        """Count a whole text before it is looked at. What streams is looked at piece by piece, and ends where it passes what was reserved.

        Raises:
            UpstreamError: when the answer is longer than anybody looks at.
        """
        self.estimate.add(text)
        if self.estimate.narrow + self.estimate.wide > ANSWER_CHARACTERS_MAX:
            raise UpstreamError("The model's answer is too long to be looked at.", "Ask for a shorter one.", code="upstream_too_long")

    @property
    def text(self) -> str:
        """What went out to people, where it is kept."""
        return "".join(self.pieces or ())

    @property
    def withheld(self) -> bool:
        """Whether something of the answer did not go out."""
        return any(choice.withheld for choice in self._choices.values())
