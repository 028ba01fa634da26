"""What a suite can tell, told before the candidate is asked."""

from __future__ import annotations

from collections.abc import Sequence

from ondol.application.evaluation.gate.tell import figure
from ondol.application.evaluation.gate.types import Rules
from ondol.application.evaluation.statistics.clusters import clustered
from ondol.application.evaluation.statistics.guarded import difference_bounds
from ondol.application.evaluation.statistics.power import POWER, assumed_spread, minimum_detectable_effect, needed_clusters
from ondol.application.evaluation.types import Measured


def plan(baseline: Sequence[Measured], rules: Rules) -> list[str]:
    """The smallest margin that the suite can show for each primary metric, and how many cases its own margin needs; a line each.

    The spread of the differences is not known yet: it is taken from the baseline (`statistics.power.assumed_spread`).
    """
    return [_line(measured, rules) for measured in baseline if measured.name in rules.margins and measured.values]


def _line(measured: Measured, rules: Rules) -> str:
    names = [cluster or case for case, cluster in zip(measured.case_ids, measured.clusters, strict=True)]
    data, bounds, margin = clustered(measured.values, names), difference_bounds(measured.unit), rules.margins[measured.name]
    spread = assumed_spread(data, bounds[1] if bounds else None)
    detectable = minimum_detectable_effect(data.count, spread, rules.alpha)
    told = f"{measured.name}: {data.cases:,} cases in {data.count:,} clusters should show a margin of {figure(detectable, measured.unit)}"
    told += f" ({POWER:.0%} of the time)"
    needed = needed_clusters(margin, spread, rules.alpha)
    if needed is None or needed <= data.count:
        return f"{told}; the suite's is {figure(margin, measured.unit)}."
    return f"{told}; the suite's, {figure(margin, measured.unit)}, needs about {round(needed * data.cases / data.count):,} cases."
