"""The state machine: anything may happen to people, groups, attributes and documents, and after each step a reader asks in both worlds.

After Goguen and Meseguer, Security policies and security models, 1982: one group of users does not interfere with another if what it does has no
effect on what the other can see. Here that is tested as the equality of two worlds, to the last bit of a score.
"""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, ClassVar

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from benchmarks.knowledge.noninterference.rights import ATTRIBUTES, CLASSES, GROUPS, READERS, Rule
from benchmarks.knowledge.noninterference.stand import Stand, open_stand
from benchmarks.knowledge.noninterference.worlds import QUESTIONS, SENTENCES, WITH_VECTORS, Asked, Worlds, Written, begin
from ondol.infrastructure.storage.postgres import DatabaseAddresses

STEPS_OF_EXAMPLE = 40
HOUR_S = 3600

# Half of what is drawn is open, and readers may read much: a reader to whom nothing is open, or nothing closed, could not tell two worlds apart.
readers = st.integers(0, len(READERS) - 1)
groups = st.frozensets(st.integers(0, len(GROUPS) - 1), max_size=2)
values = st.frozensets(st.integers(0, len(ATTRIBUTES) - 1), max_size=3)
clauses = st.lists(st.frozensets(st.integers(0, len(ATTRIBUTES) - 1), min_size=1, max_size=2), min_size=1, max_size=2).map(tuple)
rights = st.tuples(st.sampled_from([1, 3, 2, 0]), groups, values)
no_groups: st.SearchStrategy[frozenset[int]] = st.just(frozenset())
no_clauses: st.SearchStrategy[tuple[frozenset[int], ...]] = st.just(())
rules = st.one_of(
    st.builds(Rule),
    st.builds(Rule, st.integers(0, len(CLASSES) - 1), st.one_of(no_groups, groups), st.one_of(no_clauses, clauses)),
)
documents = st.builds(
    Written,
    rules,
    st.lists(st.integers(0, len(SENTENCES) - 1), min_size=2, max_size=6).map(tuple),
    st.sampled_from([None, None, None, HOUR_S]),
    st.sampled_from([None, None, None, 5 * HOUR_S]),
)
sizes = st.sampled_from([0, 1, WITH_VECTORS, WITH_VECTORS])
chosen = st.integers(0, 50)
asked = st.builds(Asked, readers, st.integers(0, len(QUESTIONS) - 1), st.sampled_from([10, 3, 1]), st.sampled_from([0, 0, 20]), st.booleans())


@dataclass
class Tally:
    """What a run has come to.

    Attributes:
        steps_max: after so many steps nothing more is done; None for as many as Hypothesis likes.
        leaks_max: after so many leaks nothing more is done either; None for as many as there are.
        telling: steps after which the reader got something while something was closed to them.
        raises: whether the first leak ends the run, so that Hypothesis finds the shortest way to it.
    """

    steps_max: int | None = None
    raises: bool = True
    leaks_max: int | None = None
    steps: int = 0
    telling: int = 0
    leaks: int = 0
    told: list[str] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether all steps are done, or enough is known."""
        found_enough = self.leaks_max is not None and self.leaks >= self.leaks_max
        return found_enough or (self.steps_max is not None and self.steps >= self.steps_max)


class Noninterference(RuleBasedStateMachine):
    """Each example is a tenant of its own, each rule one step and one question.

    Attributes:
        stand: where the worlds stand.
        tally: what the run has come to.
    """

    stand: ClassVar[Stand]
    tally: ClassVar[Tally]

    def __init__(self) -> None:
        super().__init__()
        self.worlds: Worlds | None = None

    def _step(self, done: Any, asks: Asked) -> None:
        stand, tally = self.stand, self.tally
        if tally.is_over:
            return
        if self.worlds is None:
            self.worlds = stand.run(begin(stand))
        work = done(self.worlds)
        if isinstance(work, Coroutine):
            stand.run(work)
        seen = stand.run(self.worlds.ask(asks))
        tally.steps += 1
        tally.telling += seen.is_telling
        if seen.here != seen.there:
            tally.leaks += 1
            tally.told.append(f"step {tally.steps}: {asks}\nhere:  {seen.here}\nthere: {seen.there}")
            assert not tally.raises, tally.told[-1]

    @initialize(come=st.lists(documents, min_size=2, max_size=6), of=st.tuples(*[rights] * len(READERS)), sizes=sizes, asks=asked)
    def settle(self, come: list[Written], of: tuple[tuple[int, frozenset[int], frozenset[int]], ...], sizes: int, asks: Asked) -> None:
        self._step(lambda worlds: worlds.settle(come, of, sizes), asks)

    @rule(come=st.lists(documents, min_size=1, max_size=3), asks=asked)
    def write(self, come: list[Written], asks: Asked) -> None:
        self._step(lambda worlds: worlds.write(come), asks)

    @rule(which=chosen, document=documents, asks=asked)
    def revise(self, which: int, document: Written, asks: Asked) -> None:
        self._step(lambda worlds: worlds.revise(which, document), asks)

    @rule(which=chosen, document=documents, version=st.integers(1, 3), asks=asked)
    def add_version(self, which: int, document: Written, version: int, asks: Asked) -> None:
        self._step(lambda worlds: worlds.add_version(which, document, version), asks)

    @rule(which=chosen, instead=documents, asks=asked)
    def delete(self, which: int, instead: Written, asks: Asked) -> None:
        self._step(lambda worlds: worlds.delete(which, instead), asks)

    @rule(which=chosen, asks=asked)
    def erase(self, which: int, asks: Asked) -> None:
        self._step(lambda worlds: worlds.erase(which), asks)

    @rule(which=chosen, asks=asked)
    def take_out(self, which: int, asks: Asked) -> None:
        self._step(lambda worlds: worlds.take_out(which), asks)

    @rule(which=chosen, by_hand=rules, asks=asked)
    def restrict(self, which: int, by_hand: Rule, asks: Asked) -> None:
        self._step(lambda worlds: worlds.restrict(which, by_hand), asks)

    @rule(seconds=st.sampled_from([1, HOUR_S, 4 * HOUR_S]), asks=asked)
    def wait(self, seconds: int, asks: Asked) -> None:
        self._step(lambda worlds: worlds.wait(seconds), asks)

    @rule(who=readers, right=rights, asks=asked)
    def change_reader(self, who: int, right: tuple[int, frozenset[int], frozenset[int]], asks: Asked) -> None:
        self._step(lambda worlds: worlds.change_reader(who, *right), asks)

    @rule(who=readers, asks=asked)
    def revoke(self, who: int, asks: Asked) -> None:
        self._step(lambda worlds: worlds.revoke(who), asks)

    @rule(who=readers, disabled=st.sampled_from([False, False, True]), asks=asked)
    def shut_out(self, who: int, disabled: bool, asks: Asked) -> None:
        self._step(lambda worlds: worlds.shut_out(who, disabled=disabled), asks)

    @rule(outer=st.integers(0, len(GROUPS) - 1), members=groups, asks=asked)
    def nest(self, outer: int, members: frozenset[int], asks: Asked) -> None:
        self._step(lambda worlds: worlds.nest(outer, members), asks)

    @rule(
        sizes=sizes,
        activate=st.sampled_from([True, True, False]),
        reuse=st.booleans(),
        asks=asked,
    )
    def build_index(self, sizes: int, activate: bool, reuse: bool, asks: Asked) -> None:
        self._step(lambda worlds: worlds.build_index(sizes, activate=activate, reuse=reuse), asks)

    @rule(asks=asked)
    def roll_index_back(self, asks: Asked) -> None:
        self._step(lambda worlds: worlds.roll_index_back(), asks)

    @rule(asks=asked)
    def care(self, asks: Asked) -> None:
        self._step(lambda worlds: worlds.care(), asks)

    @rule(asks=st.lists(asked, min_size=1, max_size=3))
    def ask_again(self, asks: list[Asked]) -> None:
        for one in asks:
            self._step(lambda worlds: None, one)

    def teardown(self) -> None:
        if self.worlds is not None:
            self.stand.run(self.worlds.end())


def walk(stand: Stand, tally: Tally, *, derandomize: bool = True) -> Tally:
    """Let the machine run over a stand until its steps are done; the same ones each time, or others.

    Raises:
        AssertionError: at a leak, when the tally says so.
    """
    phases = (Phase.generate, Phase.shrink) if tally.raises else (Phase.generate,)
    assert tally.steps_max is not None
    examples = 2 * tally.steps_max // STEPS_OF_EXAMPLE + 10
    chosen_settings = settings(
        max_examples=examples, stateful_step_count=STEPS_OF_EXAMPLE, deadline=None, database=None, derandomize=derandomize, phases=phases,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    machine = type("Walk", (Noninterference,), {"stand": stand, "tally": tally})
    run_state_machine_as_test(machine, settings=chosen_settings)
    return tally


def noninterference(steps: int, addresses: DatabaseAddresses | None = None) -> tuple[int, int]:
    """Steps that were done, and those after which a reader could tell the two worlds apart."""
    with open_stand(addresses) as stand:
        tally = walk(stand, Tally(steps, raises=False))
    return tally.steps, tally.leaks
