"""The built-in policy stops none of the demo's questions."""

from __future__ import annotations

from ondol.demo.golden import load_golden
from ondol.infrastructure.guard.conversation import Conversation, Turn, prepare_guards
from ondol.infrastructure.guard.defaults import default_policy
from ondol.infrastructure.guard.registry import Resources, checks_for


def test_no_golden_question_is_stopped() -> None:
    policy = default_policy()
    guards = prepare_guards([policy], checks_for([policy], Resources()))
    stopped = {item.id for item in load_golden() if not Conversation(guards, bytes(32)).read([Turn("user", item.question)]).passes}
    assert stopped == set()
