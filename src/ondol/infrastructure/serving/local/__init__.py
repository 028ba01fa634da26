"""Models in folders of this installation, run in this process: embedders and cross-encoders as ONNX, with a tokenizer beside.

Needs the extra `local` (onnxruntime and tokenizers). A folder of sentence-transformers that holds an ONNX export is one too: its `modules.json` and
pooling are read, so PyTorch is not needed.
"""

from __future__ import annotations

from ondol.infrastructure.serving.local.embedder import LocalEmbedder
from ondol.infrastructure.serving.local.folder import ModelFolder, read_folder
from ondol.infrastructure.serving.local.reranker import LocalReranker
from ondol.infrastructure.serving.local.session import LocalModels

__all__ = ["LocalEmbedder", "LocalModels", "LocalReranker", "ModelFolder", "read_folder"]
