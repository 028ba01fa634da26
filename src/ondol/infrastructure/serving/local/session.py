"""Running a model's folder.

Each text is run alone, by one thread: the sums of a batch would depend on what else is in it, and so what is closed to somebody could change the last
bits of a vector that is open to them.
"""

from __future__ import annotations

import importlib
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

from ondol.core.errors import RequestError
from ondol.infrastructure.serving.local.folder import ModelFolder, read_folder

OPEN_MODELS_MAX = 4
FIRST_TEXT_BYTES_PER_TOKEN = 64
"""A token is rarely longer: what of a text lies beyond need not be cut into tokens."""


class LocalSession:
    """An opened model. Safe to use from several threads.

    Attributes:
        digest: of its files.

    Raises:
        RequestError: when the extra `local` is not installed, or the files are no model that can be run.
    """

    def __init__(self, folder: ModelFolder) -> None:
        runtime, tokenizers = _module("onnxruntime"), _module("tokenizers")
        self.folder = folder
        self.digest = folder.digest()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = runtime.InferenceSession(str(folder.weights), options, providers=["CPUExecutionProvider"])
            self._tokenizer = tokenizers.Tokenizer.from_file(str(folder.tokenizer))
        except Exception as error:  # each library raises kinds of its own
            raise RequestError(
                f"The local model {folder.name} cannot be opened.",
                "Look at its model.onnx and tokenizer.json.",
                code="bad_local_model",
                param="model",
            ) from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(folder.tokens_max)
        self._inputs = [one.name for one in self._session.get_inputs()]
        known = {"input_ids", "attention_mask", "token_type_ids"}
        if "input_ids" not in self._inputs or not known.issuperset(self._inputs):
            raise RequestError(
                f"The local model {folder.name} cannot be used: it does not read the ids of tokens.", code="bad_local_model", param="model"
            )

    def run(self, text: str, beside: str | None = None) -> NDArray[numpy.float32]:
        """The first output for a text, or for two as a pair, without its batch of one.

        Raises:
            RequestError: when the model cannot be run.
        """
        return self._first_output(self._encoded(text, beside))

    def run_tokens(self, text: str) -> tuple[list[int], NDArray[numpy.float32]]:
        """The ids of a text's own tokens and their vectors, (tokens, dimensions): what the tokenizer adds at the ends is left out.

        Raises:
            RequestError: when the model cannot be run, or gives no vector for each token.
        """
        encoded = self._encoded(text, None)
        output = self._first_output(encoded)
        if output.ndim != 2 or len(output) != len(encoded.ids):
            raise RequestError(f"The local model {self.folder.name} gives no vectors of tokens.", code="bad_local_model", param="model")
        own = [place for place, is_added in enumerate(encoded.special_tokens_mask) if not is_added]
        return [encoded.ids[place] for place in own], output[own]

    def _encoded(self, text: str, beside: str | None) -> Any:
        most = self.folder.tokens_max * FIRST_TEXT_BYTES_PER_TOKEN
        return self._tokenizer.encode(text[:most], None if beside is None else beside[:most])

    def _first_output(self, encoded: Any) -> NDArray[numpy.float32]:
        told = {"input_ids": encoded.ids, "attention_mask": encoded.attention_mask, "token_type_ids": encoded.type_ids}
        try:
            outputs = self._session.run(None, {name: numpy.array([told[name]], numpy.int64) for name in self._inputs})
            first: NDArray[numpy.float32] = numpy.asarray(outputs[0], numpy.float32)[0]
        except Exception as error:  # the runtime raises kinds of its own
            raise RequestError(f"The local model {self.folder.name} cannot be run.", code="bad_local_model", param="model") from error
        return first


class LocalModels:
    """The models of an installation, opened when they are first asked and again when their files change.

    Args:
        root: where their folders are; it need not exist.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._open: OrderedDict[str, LocalSession] = OrderedDict()
        self._opening = threading.Lock()

    def get(self, name: str) -> LocalSession:
        """A model. The first time takes as long as reading its files does.

        Raises:
            NotFound: when there is no such folder.
            RequestError: when it cannot be used.
        """
        folder = read_folder(self._root, name)
        with self._opening:
            known = self._open.get(name)
            if known is None or known.folder.stamp != folder.stamp:
                known = self._open[name] = LocalSession(folder)
            self._open.move_to_end(name)
            while len(self._open) > OPEN_MODELS_MAX:
                self._open.popitem(last=False)
            return known


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise RequestError(
            f"Local models need {name}, which is not installed.", "Install the extra `local`: pip install 'ondol[local]'.", code="extra_not_installed"
        ) from error
