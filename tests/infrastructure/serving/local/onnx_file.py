"""Tiny models in folders: a table of vectors for a handful of words, written as ONNX byte by byte, and a tokenizer that knows these words."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

UNKNOWN = "[UNK]"
FLOAT, INT64 = 1, 7


def write_model(folder: Path, words: Mapping[str, Sequence[float]], *, pools: bool = False, inputs: Sequence[str] = ("input_ids",)) -> Path:
    """A model that gives each word its vector, and all others the vector of `UNKNOWN`.

    Args:
        pools: it gives the mean of the vectors instead, (1, dimensions).
    """
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {word: number for number, word in enumerate(words)}
    (folder / "model.onnx").write_bytes(_model(list(words.values()), pools, inputs))
    tokenizer: dict[str, object] = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "Whitespace"}, "post_processor": None, "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": UNKNOWN},
    }  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder


def _model(table: Sequence[Sequence[float]], pools: bool, inputs: Sequence[str]) -> bytes:
    """`table` gathered by the ids, and averaged over the words where that is wanted. See onnx.proto for the numbers of the fields."""
    gathered = "gathered" if pools else "output"
    nodes = [_text(1, "table") + _text(1, "input_ids") + _text(2, gathered) + _text(4, "Gather")]
    if pools:
        axes = _field(5, _text(1, "axes") + _number(8, 1) + _number(20, 7))
        keeps = _field(5, _text(1, "keepdims") + _number(3, 0) + _number(20, 2))
        nodes.append(_text(1, gathered) + _text(2, "output") + _text(4, "ReduceMean") + axes + keeps)
    content = b"".join(struct.pack(f"<{len(row)}f", *row) for row in table)
    initializer = _number(1, len(table)) + _number(1, len(table[0])) + _number(2, FLOAT) + _text(8, "table") + _field(9, content)
    graph = b"".join(_field(1, node) for node in nodes) + _text(2, "graph") + _field(5, initializer)
    graph += b"".join(_field(11, _value(name, INT64, [1, "tokens"])) for name in inputs)
    graph += _field(12, _value("output", FLOAT, [1, len(table[0])] if pools else [1, "tokens", len(table[0])]))
    return _number(1, 8) + _field(7, graph) + _field(8, _number(2, 13))


def _value(name: str, kind: int, shape: Sequence[int | str]) -> bytes:
    dimensions = b"".join(_field(1, _number(1, one) if isinstance(one, int) else _text(2, one)) for one in shape)
    return _text(1, name) + _field(2, _field(1, _number(1, kind) + _field(2, dimensions)))


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _text(field: int, value: str) -> bytes:
    return _field(field, value.encode())


def _field(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    made = b""
    while value > 127:
        made += bytes([value & 127 | 128])
        value >>= 7
    return made + bytes([value])
