"""Options that say how a base is searched: of the base itself, and of a release."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

_OPTIONS = (
    click.option("--fusion", type=click.Choice(["ranks", "scores"]), help="Put rankings together by reciprocal ranks, or by weighted scores."),
    click.option("--rank-constant", type=click.IntRange(1, 1000), help="Of reciprocal ranks: the greater, the less the first places stand out."),
    click.option("--vector-weight", type=click.FloatRange(0, 1), help="The vectors' share; the full text has the rest."),
    click.option("--depth", type=click.IntRange(10, 1000), help="So many passages of each ranking are put together."),
    click.option("--diversity", type=click.FloatRange(0, 1), help="How much saying something new counts beside relevance."),
    click.option("--reranker", help="Model of the tenant, or local/FOLDER, that scores the best passages anew; '' for none."),
    click.option("--rerank-depth", type=click.IntRange(1, 100), help="So many of them."),
)
_NAMES = ("fusion", "rank_constant", "vector_weight", "depth", "diversity", "reranker", "rerank_depth")

F = TypeVar("F", bound=Callable[..., Any])


def search_options(function: F) -> F:
    """Give a command the options. `given_search` reads them."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def given_search(chosen: dict[str, Any]) -> dict[str, Any]:
    """Take the options out of all that was chosen: those that were given, by the name of the setting."""
    taken = {name: chosen.pop(name) for name in _NAMES}
    return {name: value for name, value in taken.items() if value is not None}
