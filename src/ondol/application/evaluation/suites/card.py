"""The use-case card at the head of a suite."""

from __future__ import annotations

from typing import get_args

from ondol.application.evaluation.suites.fields import Fields, SuiteError
from ondol.application.evaluation.suites.types import Card, Milestone, Risk

MILESTONES_MAX = 50
_PARAGRAPH_CHARACTERS = 2_000


def read_card(fields: Fields, name: str) -> Card:
    """A card from its fields.

    Args:
        name: what it is called where it does not say itself.

    Raises:
        SuiteError: when something is missing, unknown or of another type.
    """
    card = Card(
        name=fields.name("name", name),
        owner=fields.name("owner"),
        purpose=fields.text("purpose", characters_max=_PARAGRAPH_CHARACTERS),
        risk=fields.choice("risk", get_args(Risk)),
        users=fields.text("users", characters_max=_PARAGRAPH_CHARACTERS),
        success=fields.section("success").numbers_by_name(),
        milestones=fields.each("milestones", _milestone, most=MILESTONES_MAX),
    )
    fields.close()
    return card


def check_card(card: Card, metrics: tuple[str, ...]) -> None:
    """Every metric that a card speaks of is measured.

    Raises:
        SuiteError: when one is not.
    """
    spoken = [("card.success", card.success)] + [(f"card.milestones[{number}]", item.success) for number, item in enumerate(card.milestones)]
    for place, success in spoken:
        for metric in success:
            if metric not in metrics:
                raise SuiteError(f"{place} names {metric[:60]!r}, which no scorer measures.", f"Scorers are: {', '.join(metrics)}.", param=place)


def _milestone(fields: Fields) -> Milestone:
    return Milestone(by=fields.day("by"), success=fields.numbers_by_name())
