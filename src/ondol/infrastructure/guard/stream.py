"""Guards a text while it is being written: nothing is let out that a check could still object to.

A text is looked at every `STEP_CHARACTERS` characters of the text itself, not whenever a piece of it happens to arrive. So what is let out, and the
verdict, are the same however the text was cut into pieces, one piece included: a text that is not streamed takes the same way.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from ondol.infrastructure.guard.actions import MARK_CHARACTERS_MAX, Marks, apply_edits
from ondol.infrastructure.guard.engine import Decided, StageGuard, Verdict, edits_of
from ondol.infrastructure.guard.policy import EDITS
from ondol.infrastructure.guard.types import Finding

STEP_CHARACTERS = 32
"""How often the text is looked at. A smaller step lets text out sooner and costs more. Before the first step each word that begins is a look."""

_WORD_BEGINS = re.compile(r"(?<=\s)\S")
_ENDING = ("escalate", "answer", "block")


class StreamGuard:
    """Takes a text in pieces and gives out what may go on.

    Attributes:
        stopped: a finding ended the text; what comes after it is not wanted any more.
    """

    def __init__(self, guard: StageGuard, marks: Marks) -> None:
        self.stopped = False
        self._guard = guard
        self._marks = marks
        self._enforces = guard.enforces
        self._holds_all = guard.changes_by_whole()
        self._reach = guard.reach if self._enforces else 0
        self._pieces: list[str] = []
        self._length = 0
        self._window = ""
        self._window_start = 0
        self._settled = 0
        self._next_look = STEP_CHARACTERS
        self._words_to = 0
        self._decided: list[Decided] = []
        self._out: list[str] = []
        self._failed: tuple[str, ...] = ()
        self._calm = guard.calm if self._enforces else None
        self._calm_from = 0
        self._calm_to = -1

    @property
    def delay_characters(self) -> int:
        """How far what goes out stays behind what came in, at most, unless a finding goes on for longer."""
        return self._reach + STEP_CHARACTERS

    @property
    def length(self) -> int:
        """Characters that came in."""
        return self._length

    @property
    def text(self) -> str:
        """What was looked at: all that came in, or up to where the text was ended."""
        return "".join(self._pieces)

    def push(self, piece: str) -> str:
        """Take the next piece; what of the text may go out now."""
        if self.stopped or not piece:
            return ""
        self._pieces.append(piece)
        self._window += piece
        self._length += len(piece)
        if not self._enforces:
            return piece
        if self._words_to < STEP_CHARACTERS and not self._holds_all:
            self._take_words()
        if self._length >= self._next_look:
            self._take_steps()
        return self._let_out()

    def finish(self) -> tuple[str, Verdict]:
        """The rest of what may go out, and the verdict on the whole."""
        if self._enforces and not self.stopped:
            if self._is_calm():
                self._pass_on(self._length)
            else:
                self._look(self._length, at_end=True)
        text = "".join(self._pieces)
        verdict = self._final(text)
        if self._holds_all:
            self._holds_all = False
            return (verdict.text if verdict.passes else ""), verdict
        return self._let_out(), verdict

    def whole(self, text: str) -> tuple[str, Verdict]:
        """The same as `push` with all of a text and then `finish`, without asking at each step what could go out if more were to come."""
        if self._calm is not None and not self._length and not self._holds_all and self._enforces and not self._calm.trouble(text):
            self._pieces.append(text)
            self._length = self._calm_to = self._settled = len(text)
            return text, self._final(text)
        begin = self.push(text)
        rest, verdict = self.finish()
        return begin + rest, verdict

    def _take_words(self) -> None:
        """Before the first step, settle at each word that begins if nothing is found so far: whoever waits for an answer waits for its first word."""
        window, offset = self._window, self._window_start
        ends = [word.end() for word in _WORD_BEGINS.finditer(window, self._words_to - offset, STEP_CHARACTERS - offset)]
        self._words_to = min(self._length, STEP_CHARACTERS)
        while ends and not self._finds_nothing(window[: ends[-1]]):
            ends.pop()
        if ends:
            self._pass_on(max(self._settled, *(offset + self._guard.settled(window[:end]) for end in ends)))

    def _finds_nothing(self, text: str) -> bool:
        return (self._calm is not None and not self._calm.trouble(text)) or self._guard.find(text, is_part=True) == ([], ())

    def _take_steps(self) -> None:
        """Look at the text at each step that is there by now."""
        is_calm = self._is_calm()
        while not self.stopped and self._length >= self._next_look:
            if is_calm:
                settled = self._window_start + self._guard.settled(self._window[: self._next_look - self._window_start])
                self._pass_on(max(settled, self._settled))
            else:
                self._look(self._next_look)
            self._next_look += STEP_CHARACTERS

    def _is_calm(self) -> bool:
        """Whether it is certain that a look at the window, or at any part of it, finds nothing: `_look` then does what `_pass_on` does."""
        if self._calm is None:
            return False
        if self._calm_to == self._length:
            return True
        if self._window_start < self._calm_from:
            return False
        trouble = self._calm.trouble(self._window)
        if trouble:
            self._calm_from = self._window_start + trouble
            return False
        if self._window_start == 0:
            self._calm_to = self._length
        return True

    def _pass_on(self, settle: int) -> None:
        """Settle a part of the window in which nothing is found."""
        offset = self._window_start
        self._out.append(self._window[self._settled - offset : settle - offset])
        self._settled = settle
        if settle > self._reach + offset:
            self._window = self._window[settle - self._reach - offset :]
            self._window_start = settle - self._reach

    def _look(self, end: int, *, at_end: bool = False) -> None:
        """Look at the text up to `end`, and settle what cannot change any more: at the text's end all of it."""
        window = self._window[: end - self._window_start]
        settle = end if at_end else self._window_start + self._guard.settled(window)
        findings, failed = self._guard.find(window, is_part=True)
        if failed:
            self._failed = tuple(dict.fromkeys((*self._failed, *failed)))
        offset = self._window_start
        acted = [item for item in self._guard.decided_of(findings) if item.finding.end + offset > self._settled]
        settle = self._whole_findings(max(settle, self._settled), acted, offset)
        ending = next((item for item in acted if item.action in _ENDING and item.finding.start + offset < settle), None)
        if self._guard.judge((), failed).would == "block":
            settle, ending = self._settled, None
            self._stop(end)
        elif ending is not None:
            settle = min(settle, max(self._settled, ending.finding.start + offset))
            self._stop(end)
        self._settle(acted, settle, ending)

    def _stop(self, end: int) -> None:
        """Forget what came in beyond what was looked at: how much that is depends on the pieces."""
        self.stopped = True
        self._pieces = ["".join(self._pieces)[:end]]

    def _whole_findings(self, settle: int, acted: Sequence[Decided], offset: int) -> int:
        """Where to settle so that no finding is cut in two: at the beginning of the first one that goes on beyond."""
        crossing = True
        while crossing:
            starts = [
                item.finding.start + offset
                for item in acted
                if item.action != "observe" and item.finding.start + offset < settle < item.finding.end + offset
            ]
            crossing = bool(starts) and settle > self._settled
            settle = max(self._settled, min(starts)) if crossing else settle
        return settle

    def _settle(self, acted: Sequence[Decided], settle: int, ending: Decided | None) -> None:
        offset = self._window_start
        edited = [
            replace(item, finding=replace(item.finding, start=max(item.finding.start, self._settled - offset)))
            for item in acted
            if item.action in EDITS and item.finding.start + offset < settle
        ]
        piece = self._window[: settle - offset]
        edits = [edit for edit in edits_of(piece, edited, self._marks) if edit.end + offset <= settle]
        begin = self._settled - offset
        self._out.append(apply_edits(piece[begin:], [replace(edit, start=edit.start - begin, end=edit.end - begin) for edit in edits]))
        kept = [item for item in acted if item.finding.start + offset < settle or item is ending]
        known = {(item.finding.rule, item.finding.start, item.finding.end) for item in self._decided}
        for item in kept:
            moved = replace(item.finding, start=item.finding.start + offset, end=item.finding.end + offset)
            if (moved.rule, moved.start, moved.end) not in known:
                self._decided.append(Decided(moved, item.action, item.say))
        self._settled = settle
        keep_from = max(0, settle - self._reach)
        self._window = self._window[keep_from - offset :]
        self._window_start = keep_from

    def _let_out(self) -> str:
        if self._holds_all:
            return ""
        text = "".join(self._out)
        self._out.clear()
        return text

    def _final(self, text: str) -> Verdict:
        """One pass over the whole: what judges texts as one, and what the steps might have missed."""
        if self._calm_to == self._length and not (self._guard.looks_at_whole or self._decided or self._failed):
            return Verdict("allow", "allow", "")
        findings, failed = self._guard.find(text)
        failed = tuple(dict.fromkeys((*self._failed, *failed)))
        whole_names = {check.name for check in self._guard.checks if check.reach is None}
        if self._holds_all:
            return self._guard.decide(text, findings, failed, self._marks)
        late = self._guard.decided_of([finding for finding in findings if finding.check in whole_names or not self._is_known(finding)])
        decided = sorted((*self._decided, *late), key=lambda item: (item.finding.start, item.finding.end, item.finding.rule))
        return self._guard.judge(decided, failed)

    def _is_known(self, finding: Finding) -> bool:
        return any(item.finding.start < finding.end and finding.start < item.finding.end for item in self._decided)


class StreamRestorer:
    """Turns the tokens of a conversation back into their values in a text that comes in pieces."""

    def __init__(self, marks: Marks) -> None:
        self._marks = marks
        self._held = ""

    def push(self, piece: str) -> str:
        """What is whole now; an open bracket is held back until it closes or grows too long for a token."""
        if not self._marks.tokens:
            return piece
        text = self._held + piece
        open_at = text.rfind("[")
        if open_at >= 0 and "]" not in text[open_at:] and len(text) - open_at <= MARK_CHARACTERS_MAX:
            self._held = text[open_at:]
            text = text[:open_at]
        else:
            self._held = ""
        return self._marks.restore(text)

    def finish(self) -> str:
        """The rest."""
        rest, self._held = self._held, ""
        return self._marks.restore(rest)
