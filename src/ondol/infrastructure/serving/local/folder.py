"""What a folder with a model holds, and its digest."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from ondol.core.errors import NotFound, RequestError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")
CONFIG_BYTES_MAX = 1 << 20
TOKENIZER_BYTES_MAX = 256 << 20
TOKENS_MAX = 8_192
TOKENS_DEFAULT = 512

Pooling: TypeAlias = Literal["mean", "first", "max"]

_MODELS = ("model.onnx", "onnx/model.onnx")
_POOLINGS: dict[str, Pooling] = {
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "first",
    "pooling_mode_max_tokens": "max",
}


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model's files.

    Attributes:
        weights: the ONNX file.
        tokens_max: what it reads of a text.
        pooling: how the vectors of tokens become one.
        stamp: changes when a file does, told without reading any.
    """

    name: str
    weights: Path
    tokenizer: Path
    tokens_max: int
    pooling: Pooling
    files: tuple[Path, ...]
    stamp: tuple[tuple[str, int, int], ...]

    def digest(self) -> str:
        """SHA-256 over the files' names and contents, in hexadecimal. Reads all of them."""
        whole = hashlib.sha256()
        for file in self.files:
            with file.open("rb") as opened:
                whole.update(f"{file.name}\n{hashlib.file_digest(opened, 'sha256').hexdigest()}\n".encode())
        return whole.hexdigest()


def read_folder(root: Path, name: str) -> ModelFolder:
    """Look at a model's folder.

    Args:
        root: where the installation's models are.
        name: of a folder in it.

    Raises:
        NotFound: when there is no such folder.
        RequestError: when it is no model that can be run here.
    """
    folder = root / name
    if not NAME.fullmatch(name) or not folder.is_dir() or folder.resolve().parent != root.resolve():
        raise NotFound(f"There is no local model called {name[:100]}.", f"Put its folder into {root}.", code="model_not_found", param="model")
    weights = next((folder / file for file in _MODELS if (folder / file).is_file()), None)
    if weights is None:
        raise _unusable(name, "it holds no model.onnx", "Export it to ONNX first.")
    if not (folder / "tokenizer.json").is_file():
        raise _unusable(name, "it holds no tokenizer.json", "Save its tokenizer in the form of the `tokenizers` library.")
    if (folder / "tokenizer.json").stat().st_size > TOKENIZER_BYTES_MAX:
        raise _unusable(name, "its tokenizer.json is too large", "")
    files = {weights, folder / "tokenizer.json", *weights.parent.glob("*.onnx_data"), *weights.parent.glob("*.onnx.data"), *folder.glob("*.json")}
    files |= set(folder.glob("*_Pooling/config.json"))
    ordered = tuple(sorted(files))
    stats = [(file.relative_to(folder).as_posix(), file.stat()) for file in ordered]
    stamp = tuple((path, found.st_size, found.st_mtime_ns) for path, found in stats)
    return ModelFolder(name, weights, folder / "tokenizer.json", _tokens_max(folder, name), _pooling(folder, name), ordered, stamp)


def _tokens_max(folder: Path, name: str) -> int:
    for file, field in (("sentence_bert_config.json", "max_seq_length"), ("tokenizer_config.json", "model_max_length")):
        told = _json(folder / file, name)
        found = told.get(field) if isinstance(told, dict) else None
        if isinstance(found, int) and 0 < found <= TOKENS_MAX:
            return found
    return TOKENS_DEFAULT


def _pooling(folder: Path, name: str) -> Pooling:
    """As `modules.json` says; the mean where there is none."""
    modules = _json(folder / "modules.json", name)
    if modules is None:
        return "mean"
    pooling: Pooling = "mean"
    for module in modules if isinstance(modules, list) else ():
        kind = str(module.get("type", "")).rpartition(".")[2] if isinstance(module, dict) else ""
        match kind:
            case "Transformer" | "Normalize":
                pass
            case "Pooling":
                told = _json(folder / Path(str(module.get("path", ""))).name / "config.json", name)
                chosen = [way for field, way in _POOLINGS.items() if isinstance(told, dict) and told.get(field)]
                if len(chosen) != 1:
                    raise _unusable(name, "its pooling is not by mean, first token or maximum", "Use another model.")
                pooling = chosen[0]
            case _:
                raise _unusable(name, "its modules.json names a module other than Transformer, Pooling and Normalize", "Use another model.")
    return pooling


def _json(file: Path, name: str) -> Any:
    """A small file's content; None when it is not there."""
    try:
        if not file.is_file():
            return None
        if file.stat().st_size > CONFIG_BYTES_MAX:
            raise _unusable(name, f"its {file.name} is too large", "")
        return msgspec.json.decode(file.read_bytes())
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _unusable(name, f"its {file.name} cannot be read", "Copy the folder again.") from None


def _unusable(name: str, why: str, hint: str) -> RequestError:
    return RequestError(f"The local model {name} cannot be used: {why}.", hint, code="bad_local_model", param="model")
