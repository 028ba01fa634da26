"""`ondol eval judge`: how far a judge can be believed."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ondol.cli.guard_policies import json_option, tenant_option
from ondol.cli.main import settings_of
from ondol.cli.output import Progress, print_json, print_table, say
from ondol.cli.running import with_platform
from ondol.core.errors import UserError

if TYPE_CHECKING:
    from ondol.application.evaluation.judges.bias import BiasReport, Shift
    from ondol.application.evaluation.judges.calibration import Calibration, Labelled
    from ondol.application.evaluation.judges.labels import Rated
    from ondol.application.evaluation.scorers.base import Scorer
    from ondol.application.evaluation.statistics.intervals import Interval
    from ondol.infrastructure.access.types import Tenant
    from ondol.wiring.platform import Platform


@click.group("judge")
def judge() -> None:
    """Measure models that judge."""


@judge.command("bias")
@click.argument("model")
@click.option("--pairs", required=True, type=click.Path(path_type=Path, exists=True), help="A file of pairs, or a folder of them, in LLMBar's form.")
@click.option("--limit", type=click.IntRange(10, 20_000), default=200, show_default=True, help="Draw so many of them.")
@click.option("--other", help="A second model: both say texts in their own words, and MODEL judges whose it prefers.")
@click.option("--as", "login", default="website", show_default=True, help="In whose name it is asked.")
@click.option("--concurrency", type=click.IntRange(1, 64), default=8, show_default=True, help="Pairs at the same time.")
@click.option("--seed", type=click.IntRange(0, 2**31 - 1), default=0, show_default=True, help="Of the draw, and told to the model.")
@tenant_option
@json_option
@click.pass_context
def bias(context: click.Context, /, model: str, pairs: Path, limit: int, tenant: str, as_json: bool, **chosen: Any) -> None:
    """Measure what MODEL prefers besides the better answer: a place, length, itself. Each pair is asked in both orders, through the gateway."""
    import random
    from dataclasses import asdict

    from ondol.application.evaluation.judges.asking import Judge
    from ondol.application.evaluation.judges.bias import in_own_words, measure_bias
    from ondol.application.evaluation.judges.pairs import read_pairs

    read = read_pairs(pairs)
    drawn = random.Random(chosen["seed"]).sample(read, min(limit, len(read)))  # noqa: S311 - a sample, not a secret
    progress = Progress("pairs", quiet=as_json)

    async def work(platform: Platform) -> tuple[BiasReport, BiasReport | None]:
        from ondol.infrastructure.access.people import find_tenant
        from ondol.wiring.evaluating import EvaluationRoom
        from ondol.wiring.inside import open_inside

        where = await find_tenant(platform.database, tenant)
        async with open_inside(platform) as inside:
            ask = EvaluationRoom(platform, inside, where, chosen["login"]).ask_model
            asked = Judge(ask=ask, model=model, seed=chosen["seed"])
            own = await in_own_words(ask, (model, chosen["other"]), drawn, concurrency=chosen["concurrency"]) if chosen["other"] else []
            told = await measure_bias(asked, drawn, concurrency=chosen["concurrency"], seed=chosen["seed"], progress=progress)
            other = await measure_bias(asked, own, concurrency=chosen["concurrency"], seed=chosen["seed"]) if own else None
            return told, other

    found, rephrased = with_platform(settings_of(context), work)
    progress.done()
    itself = rephrased.itself if rephrased is not None else found.itself
    if as_json:
        print_json({**asdict(found), "itself": asdict(itself) if itself else None})
        return
    print_table([_shift("position", found.position), _shift("length", found.length), _shift("itself", itself)], "")
    say()
    print_table([_share("orders agree", found.consistent), _share("no difference", found.ties), _share("agrees with people", found.agreement)], "")
    failed = ", ".join(f"{status} {count:,}" for status, count in sorted(found.failures.items()))
    say(f"\n{found.pairs:,} pairs judged{f'; without a verdict: {failed}' if failed else ''}.")
    if itself is None:
        say("Of itself nothing can be told: give --other MODEL, or pairs that name their authors.")


@judge.command("calibrate")
@click.argument("suite", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("scorer")
@click.option("--labels", required=True, type=click.Path(path_type=Path, dir_okay=False), help="JSONL with `question`, `answer` and `human`.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Keep the calibration here; the suite names it as `calibration`.")
@click.option("--run", "run_id", type=click.UUID, metavar="RUN", help="Tell the mean that people would have given all answers of this run.")
@click.option("--as", "login", default="website", show_default=True, help="In whose name it is asked.")
@click.option("--concurrency", type=click.IntRange(1, 64), default=8, show_default=True, help="Answers at the same time.")
@tenant_option
@json_option
@click.pass_context
def calibrate(context: click.Context, /, suite: Path, scorer: str, labels: Path, tenant: str, as_json: bool, **chosen: Any) -> None:
    """Compare the judge SCORER of SUITE with people on answers that they have rated: kappa, agreement, and how much higher it rates.

    With --run, its verdicts on the answers of a run that nobody rated are mended by what people said of the others (prediction-powered inference).
    """
    from dataclasses import asdict

    from ondol.application.evaluation.judges.calibration import calibrate as compare_with_people
    from ondol.application.evaluation.judges.fitness import TYPES, write_calibration
    from ondol.application.evaluation.judges.labels import rate_all, read_rated
    from ondol.application.evaluation.loaders import LOADERS
    from ondol.application.evaluation.suites import read_suite

    specs = [spec for spec in read_suite(suite).scorers if spec.name == scorer and spec.type.startswith(TYPES) and spec.type in LOADERS]
    if not specs:
        raise UserError(f"{suite} has no judge called {scorer}.", "Judges are scorers whose type begins with `judge.`.")
    rated = read_rated(labels)
    progress = Progress("answers", quiet=as_json)

    async def work(platform: Platform) -> tuple[Calibration, Interval | None]:
        from ondol.infrastructure.access.people import find_tenant
        from ondol.wiring.evaluating import EvaluationRoom
        from ondol.wiring.inside import open_inside

        where = await find_tenant(platform.database, tenant)
        async with open_inside(platform) as inside:
            tools = await EvaluationRoom(platform, inside, where, chosen["login"]).tools()
            loaded = LOADERS[specs[0].type](specs[0].name, specs[0].settings, tools)
            labelled, failed = await rate_all(loaded, rated, concurrency=chosen["concurrency"], progress=progress)
        if not labelled:
            raise UserError("The judge had no verdict on any of the answers.", "Look at the log of requests: ondol requests list")
        mended = await _mended(platform, where, chosen["run_id"], loaded, rated, labelled) if chosen["run_id"] else None
        return compare_with_people(labelled, loaded.version, failed=failed), mended

    found, mended = with_platform(settings_of(context), work)
    progress.done()
    if chosen["out"] is not None:
        write_calibration(found, chosen["out"])
    if as_json:
        print_json({**asdict(found), **({"mean": mended.as_dict()} if mended is not None else {})})
        return
    agreement, lean = found.agreement, found.lean
    rows = [
        ("kappa", found.kappa, found.kappa_low, found.kappa_high),
        ("agreement", agreement.value, agreement.low, agreement.high),
        ("lean", lean.value, lean.low, lean.high),
        *([("mean by people", mended.value, mended.low, mended.high)] if mended is not None else []),
    ]
    print_table([{"figure": name, "value": f"{value:.3f}", "95 % interval": f"{low:.3f} to {high:.3f}"} for name, value, low, high in rows], "")
    say(f"\n{found.labelled:,} answers rated by both; on {found.failed:,} the judge had no verdict.")


async def _mended(
    platform: Platform, where: Tenant, run_id: uuid.UUID, judge: Scorer, rated: Sequence[Rated], labelled: Sequence[Labelled]
) -> Interval:
    """The mean that people would have given the answers of a run; answers that they rated count by what they said, and not a second time."""
    from ondol.application.evaluation.judges.calibration import corrected_mean
    from ondol.application.evaluation.runs import get_run, results_of

    async with platform.database.tenant_tx(where.id) as connection:
        run = await get_run(connection, run_id)
    if not any((metric.name, metric.version) == (judge.name, judge.version) for metric in run.metrics):
        raise UserError(f"Run {run_id} was not judged by {judge.name} as it is now.", "Run the suite anew: ondol eval run SUITE")
    known = {(row.case.question, row.answer.text) for row in rated}
    values, clusters = [], []
    async for kept in results_of(platform.database, platform.keyring, where.id, run_id):
        score = kept.result.scores.get(judge.name)
        asked = kept.turns[-1].text if kept.turns else ""
        if score is not None and score.value is not None and (asked, kept.result.answer.text) not in known:
            values.append(score.value)
            clusters.append(kept.result.cluster)
    if len(values) < 2 or len(labelled) < 2:
        raise UserError("There is nothing to mend.", "It takes two answers that people rated, and two of the run that only the judge did.")
    return corrected_mean(values, labelled, clusters)


def _shift(name: str, told: Shift | None) -> dict[str, str]:
    value = "-" if told is None else f"{told.value:+.3f}"
    return {"bias": name, "shift": value, "95 % interval": "-" if told is None else f"{told.low:+.3f} to {told.high:+.3f}"}


def _share(name: str, told: Interval | None) -> dict[str, str]:
    value = "-" if told is None else f"{told.value:.1%}"
    return {"share": name, "value": value, "95 % interval": "-" if told is None else f"{told.low:.1%} to {told.high:.1%}"}
