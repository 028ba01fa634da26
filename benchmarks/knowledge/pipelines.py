"""What retrieval pipelines find in KorQuAD: run by the Python of `build/rag_peers`, which has them: nothing of ours is imported.

Reads one JSON object from the standard input: `paragraphs`; `questions`, each a text and the index of the paragraph that answers it; and how many
of them are `timed`. Prints a list: of each pipeline the recall, the milliseconds of a question and the seconds in which its index was built.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence

TOP = 10
WARM_UP = 20

Find = Callable[[str], Sequence[int]]


def main() -> None:
    """Measure all of them."""
    os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"
    asked = json.load(sys.stdin)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, make in _pipelines(folder):
            began = time.perf_counter()
            find = make(asked["paragraphs"])
            built_s = time.perf_counter() - began
            rows.append({"pipeline": name, "build_s": round(built_s, 2), **_measured(find, asked["questions"], asked["timed"])})
    json.dump(rows, sys.stdout)


def _pipelines(folder: str) -> Iterator[tuple[str, Callable[[list[str]], Find]]]:
    yield "LlamaIndex BM25Retriever", _llama_index
    yield "Haystack InMemoryBM25Retriever", _haystack
    yield "LanceDB full text, words", lambda paragraphs: _lance(paragraphs, folder, "simple")
    yield "LanceDB full text, n-grams", lambda paragraphs: _lance(paragraphs, folder, "ngram")
    yield "bm25s", _bm25s


def _llama_index(paragraphs: list[str]) -> Find:
    from llama_index.core.schema import TextNode
    from llama_index.retrievers.bm25 import BM25Retriever

    nodes = [TextNode(text=text, id_=str(place)) for place, text in enumerate(paragraphs)]
    retriever = BM25Retriever.from_defaults(nodes=nodes, similarity_top_k=TOP)
    return lambda question: [int(found.node.node_id) for found in retriever.retrieve(question)]


def _haystack(paragraphs: list[str]) -> Find:
    from haystack import Document
    from haystack.components.retrievers.in_memory import InMemoryBM25Retriever
    from haystack.document_stores.in_memory import InMemoryDocumentStore

    store = InMemoryDocumentStore()
    store.write_documents([Document(content=text, id=str(place)) for place, text in enumerate(paragraphs)])
    retriever = InMemoryBM25Retriever(store, top_k=TOP)
    return lambda question: [int(found.id) for found in retriever.run(query=question)["documents"]]


def _lance(paragraphs: list[str], folder: str, tokenizer: str) -> Find:
    import lancedb

    table = lancedb.connect(folder).create_table(tokenizer, [{"place": place, "text": text} for place, text in enumerate(paragraphs)])
    table.create_fts_index("text", use_tantivy=False, base_tokenizer=tokenizer, stem=False, remove_stop_words=False)
    return lambda question: [row["place"] for row in table.search(question, query_type="fts").select(["place", "_score"]).limit(TOP).to_list()]


def _bm25s(paragraphs: list[str]) -> Find:
    import bm25s

    retriever = bm25s.BM25()
    retriever.index(bm25s.tokenize(paragraphs, stopwords=None, show_progress=False), show_progress=False)

    def find(question: str) -> list[int]:
        words = bm25s.tokenize(question, stopwords=None, show_progress=False)
        return [int(place) for place in retriever.retrieve(words, k=TOP, show_progress=False)[0][0]]

    return find


def _measured(find: Find, questions: list[tuple[str, int]], timed: int) -> dict[str, float]:
    for question, _ in questions[:WARM_UP]:
        find(question)
    first = among = 0
    seconds = []
    for question, wanted in questions[:timed]:
        began = time.perf_counter()
        found = list(find(question))
        seconds.append(time.perf_counter() - began)
        first += found[:1] == [wanted]
        among += wanted in found
    return {
        "recall_at_1": round(first / len(seconds), 3),
        "recall_at_10": round(among / len(seconds), 3),
        "p50_ms": round(statistics.median(seconds) * 1000, 2),
        "p95_ms": round(statistics.quantiles(seconds, n=20)[18] * 1000, 2),
        "per_s": round(len(seconds) / sum(seconds), 1),
    }


if __name__ == "__main__":
    main()
