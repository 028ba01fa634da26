"""What is found in KorQuAD, and how soon, beside retrieval pipelines that know neither permissions nor sealing."""

from __future__ import annotations

import json
import random
import subprocess
from typing import Any

from benchmarks.data import Korquad, read_korquad
from benchmarks.ground.korquad import Finding, ours_in
from benchmarks.knowledge.installation import on_a_platform
from ondol.wiring.platform import Platform
from scripts.apart import python_apart

SEED = 20261121
PEERS_S_MAX = 600
QUESTIONS, QUESTIONS_QUICK = 1_000, 120
RECALL_QUICK = 2_000
"""So many questions the index alone is asked in the quick form; in the whole one, all."""


def measure(*, quick: bool) -> dict[str, Any]:
    """All rows; the quick form asks the whole search and the pipelines fewer questions."""
    timed, recall = (QUESTIONS_QUICK, RECALL_QUICK) if quick else (QUESTIONS, None)
    return on_a_platform(lambda platform: figures(platform, timed, recall))


async def figures(platform: Platform, timed: int, recall: int | None) -> dict[str, Any]:
    """`korquad_recall_at_1`, `korquad_recall_at_10`, `throughput_vs_llamaindex`, and `pipelines`: all rows, ours first.

    Args:
        timed: questions that the whole search and each of the pipelines is asked, the same for all.
        recall: questions that the index alone is asked; all when None.
    """
    korquad = read_korquad()
    drawn = random.Random(SEED).sample(korquad.questions, len(korquad.questions))  # noqa: S311 - a sample, not a secret
    asked = drawn[:timed]
    korquad = Korquad(korquad.paragraphs, drawn[:recall])
    [index, whole], ingest_s = await ours_in(platform, korquad, asked)
    rows = [
        {"pipeline": "Ondol, index alone", **_row(index)},
        {"pipeline": "Ondol, whole search", "build_s": round(ingest_s, 2), **_row(whole)},
        *_peers({"paragraphs": korquad.paragraphs, "questions": asked, "timed": timed}),
    ]
    per_s = {row["pipeline"]: row["per_s"] for row in rows}
    return {
        "korquad_recall_at_1": round(index.recall_at_1, 4),
        "korquad_recall_at_10": round(index.recall_at_10, 4),
        "throughput_vs_llamaindex": round(per_s["Ondol, whole search"] / per_s["LlamaIndex BM25Retriever"], 3),
        "pipelines": rows,
    }


def show(figures: dict[str, Any]) -> None:
    """The table for people."""
    print(f"{'KorQuAD':32} {'in 1':>6} {'in 10':>6} {'p50 ms':>8} {'p95 ms':>8} {'per s':>8} {'built s':>8}")
    for row in figures["pipelines"]:
        found = f"{row['recall_at_1']:6.3f} {row['recall_at_10']:6.3f}"
        print(f"{row['pipeline']:32} {found} {row['p50_ms']:8.2f} {row['p95_ms']:8.2f} {row['per_s']:8.0f} {row.get('build_s', ''):>8}")
    print()


def _row(found: Finding) -> dict[str, float]:
    return {
        "recall_at_1": round(found.recall_at_1, 3),
        "recall_at_10": round(found.recall_at_10, 3),
        "p50_ms": round(found.p50_ms, 2),
        "p95_ms": round(found.p95_ms, 2),
        "per_s": round(1000 / found.mean_ms, 1),
    }


def _peers(asked: dict[str, Any]) -> list[dict[str, Any]]:
    """Each pipeline's row, measured in the environment that has them."""
    command = [python_apart("rag_peers").as_posix(), "-m", "benchmarks.knowledge.pipelines"]
    done = subprocess.run(command, input=json.dumps(asked), capture_output=True, text=True, check=True, timeout=PEERS_S_MAX)
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows
