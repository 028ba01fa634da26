"""Drives shapes with the real guard under the policy that holds where nobody chose: whole answers and streams of the same content, cut anywhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from hypothesis import strategies as st

from ondol.infrastructure.gateway.shapes.base import StreamWriter, Told
from ondol.infrastructure.gateway.shapes.letting import Letting
from ondol.infrastructure.guard.conversation import Conversation, Guards, Turn, prepare_guards
from ondol.infrastructure.guard.defaults import default_policy
from ondol.infrastructure.guard.registry import Resources, checks_for
from ondol.infrastructure.serving.types import Frame, Usage

RESIDENT = "900101-1234568"
CARD = "4111 1111 1111 1111"
KEY = "AKIA" + "Q3EGFT5RJ2XN7WPD"
IMAGE = "![x](https://evil.example/a.png?q=1)"
FORBIDDEN = (RESIDENT, CARD, KEY, "evil.example/a.png")
"""What must be in no byte that goes out."""

_PLAIN = (
    "Hello, ", "it was nice to talk. ", "주문하신 상품은 ", "내일 옵니다. ", "카드 번호는 ", "참고로 ", "[a](b) ", "the key is ", "\u2028", "\n\n",
    "12-34, ", "a@b.example ", "!", "[", "![", "4, ", "😀",
    "This is an ordinary sentence that goes on for long enough to be let out before the end of the answer is known. " * 3,
)  # fmt: skip
_NAMED = (f" {RESIDENT}, ", f" {KEY}, ")
_SECRET = (*_NAMED, f" {CARD}, ", f" {IMAGE} ")


@cache
def guards() -> Guards:
    """Compiled once."""
    policy = default_policy()
    return prepare_guards([policy], checks_for([policy], Resources()))


def conversation(said: str = "hi there") -> Conversation:
    talk = Conversation(guards(), b"k" * 32)
    talk.read([Turn("user", said)])
    return talk


def told(answer_id: str = "an-id") -> Told:
    return Told(answer_id, "our-model", 1_700_000_000)


@dataclass
class Seen:
    """What somebody who reads an answer gets of one choice."""

    text: str = ""
    calls: list[tuple[str, str]] = field(default_factory=list)
    reason: Any = None


texts = st.lists(st.sampled_from(_PLAIN * 2 + _SECRET), max_size=8).map("".join)
"""Texts in which secrets stand among what is none, some of it half a beginning of one."""

_values = st.lists(st.sampled_from(_PLAIN * 2 + _NAMED), max_size=6).map("".join)
arguments = st.one_of(
    st.builds(lambda a, b: json.dumps({"a": a, "b": b}), _values, _values),
    st.builds(lambda a: json.dumps({"a": a}, ensure_ascii=False), _values),
)
"""Of calls; what the policy only counts there is not among them."""


def cut(text: str, places: Sequence[float]) -> list[str]:
    """A text in pieces, cut at these shares of its length."""
    cuts = sorted({round(place * len(text)) for place in places} - {0, len(text)})
    return [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True) if begin < end]


cuts = st.lists(st.floats(0, 1), max_size=12)


def run(writer: StreamWriter, frames: Sequence[Any], batch: int = 1) -> bytes:
    """All bytes of a stream. Frames are decoded anew: writers change them in place."""
    out = b""
    for place in range(0, len(frames), batch):
        out += writer.take([frame if isinstance(frame, Frame) else Frame(json.loads(json.dumps(frame))) for frame in frames[place : place + batch]])
        if writer.stopped:
            break
    assert writer.stopped or writer.finished
    return out + writer.finish(writer.usage or Usage(1, 1), {})


def events(out: bytes) -> list[Any]:
    """The data of all events, as a strict reader takes them; none of them is split by what some readers take for the end of a line."""
    found = []
    for block in out.decode().split("\n\n"):
        lines = block.splitlines()
        assert all(line.startswith((":", "event: ", "data: ")) for line in lines), block
        found += [json.loads(line[6:]) for line in lines if line.startswith("data: ") and line != "data: [DONE]"]
    return found


def is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def clean(out: bytes | str) -> None:
    """Nothing forbidden is in it, nor in what its escapes stand for."""
    text = out.decode() if isinstance(out, bytes) else out
    for form in (text, text.encode().decode("unicode_escape", "replace")):
        for secret in FORBIDDEN:
            assert secret not in form


def letting(talk: Conversation | None = None) -> Letting:
    return Letting(talk or conversation())
