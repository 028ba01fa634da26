"""The runs' part in erasing: what was asked and answered goes; that it was, and the figures, stay."""

from __future__ import annotations

from ondol.application.evaluation.runs.store import QUERIES
from ondol.infrastructure.ledger.erasure import Eraser, Erasure, ErasureKind, row_eraser
from ondol.infrastructure.ledger.erasure.rows import values_of
from ondol.infrastructure.storage.postgres import Connection, Database


def run_erasers(database: Database) -> list[Eraser]:
    """Empty the results that were asked in a person's name, or that may hold words of a document, and the suites that the person gave in."""

    async def erase_results(connection: Connection, erasure: Erasure) -> None:
        await connection.execute(QUERIES["results_erase"], values_of(erasure))

    async def erase_suites(connection: Connection, erasure: Erasure) -> None:
        await connection.execute(QUERIES["suites_erase"], values_of(erasure))

    subjects: frozenset[ErasureKind] = frozenset({"subject"})
    results, suites = QUERIES["results_erase_count"], QUERIES["suites_erase_count"]
    return [
        row_eraser(database, "evaluation_results", method="emptied", tables=["evaluation_results"], count=results, erase=erase_results),
        row_eraser(database, "evaluation_suites", method="emptied", tables=["evaluation_runs"], count=suites, erase=erase_suites, kinds=subjects),
    ]
