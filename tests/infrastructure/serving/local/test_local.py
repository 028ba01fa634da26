"""Models in folders, run by the real runtime."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from ondol.core.errors import NotFound, RequestError, UpstreamError
from ondol.infrastructure.serving.local import LocalEmbedder, LocalModels, read_folder
from ondol.infrastructure.serving.local.folder import TOKENS_DEFAULT
from tests.infrastructure.serving.local.onnx_file import UNKNOWN, write_model

pytestmark = pytest.mark.anyio

WORDS = {UNKNOWN: (0.0, 0.0, 1.0), "lighthouse": (4.0, 0.0, 0.0), "beacon": (2.0, 0.0, 0.0), "money": (0.0, 2.0, 0.0)}


@pytest.fixture
def runtime() -> None:
    """The extra `local`."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("tokenizers")


def sentence_transformers(folder: Path, pooling: str, *, tokens_max: int = 128, more: tuple[str, ...] = ()) -> Path:
    """The files that sentence-transformers puts beside a model."""
    modules = [("", "sentence_transformers.models.Transformer"), ("1_Pooling", "sentence_transformers.models.Pooling")]
    modules += [("", f"sentence_transformers.models.{name}") for name in ("Normalize", *more)]
    (folder / "modules.json").write_text(json.dumps([{"idx": place, "path": path, "type": kind} for place, (path, kind) in enumerate(modules)]))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 3, pooling: True}))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": tokens_max}))
    return folder


async def embed(root: Path, name: str, *texts: str) -> list[list[float]]:
    vectors: list[list[float]] = (await LocalEmbedder(LocalModels(root).get(name)).embed(texts, deadline_s=60)).tolist()
    return vectors


@pytest.mark.parametrize(
    ("pooling", "expected"),
    [
        ("", [1.5, 0.5, 0.25]),
        ("pooling_mode_mean_tokens", [1.5, 0.5, 0.25]),
        ("pooling_mode_cls_token", [4.0, 0.0, 0.0]),
        ("pooling_mode_max_tokens", [4.0, 2.0, 1.0]),
    ],
)
async def test_the_vectors_of_words_are_pooled_as_the_folder_says(runtime: None, tmp_path: Path, pooling: str, expected: list[float]) -> None:
    folder = write_model(tmp_path / "tiny", WORDS, inputs=("input_ids", "attention_mask", "token_type_ids"))
    if pooling:
        sentence_transformers(folder, pooling)
    assert await embed(tmp_path, "tiny", "Lighthouse unheard beacon money", "beacon") == [expected, [2.0, 0.0, 0.0]]


async def test_a_model_that_pools_itself_is_taken_at_its_word(runtime: None, tmp_path: Path) -> None:
    write_model(tmp_path / "tiny", WORDS, pools=True)
    assert await embed(tmp_path, "tiny", "lighthouse money") == [[2.0, 1.0, 0.0]]


async def test_no_more_tokens_are_read_than_the_folder_says(runtime: None, tmp_path: Path) -> None:
    sentence_transformers(write_model(tmp_path / "tiny", WORDS), "pooling_mode_mean_tokens", tokens_max=2)
    assert await embed(tmp_path, "tiny", "lighthouse beacon " + "money " * 5_000) == [[3.0, 0.0, 0.0]]


async def test_the_identity_is_that_of_the_files_and_another_file_is_another_embedder(runtime: None, tmp_path: Path) -> None:
    models = LocalModels(tmp_path)
    write_model(tmp_path / "one", WORDS)
    write_model(tmp_path / "two", WORDS)
    first = LocalEmbedder(models.get("one"))
    assert first.identity == LocalEmbedder(models.get("two")).identity
    assert models.get("one") is models.get("one")
    write_model(tmp_path / "one", {**WORDS, "money": (9.0, 9.0, 9.0)})
    changed = LocalEmbedder(models.get("one"))
    assert changed.identity != first.identity
    assert (await changed.embed(["money"], deadline_s=60)).tolist() == [[9.0, 9.0, 9.0]]


async def test_a_deadline_that_is_over_ends_the_work(runtime: None, tmp_path: Path) -> None:
    write_model(tmp_path / "tiny", WORDS)
    with pytest.raises(UpstreamError) as told:
        await LocalEmbedder(LocalModels(tmp_path).get("tiny"), monotonic=lambda: 5.0).embed(["beacon"], deadline_s=0)
    assert told.value.code == "upstream_timeout"


@pytest.mark.parametrize("file", ["model.onnx", "tokenizer.json"])
async def test_files_that_are_no_model_are_said_to_be_none(runtime: None, tmp_path: Path, file: str) -> None:
    (write_model(tmp_path / "tiny", WORDS) / file).write_bytes(b"{")
    with pytest.raises(RequestError) as told:
        LocalModels(tmp_path).get("tiny")
    assert (told.value.code, str(tmp_path) in told.value.message) == ("bad_local_model", False)


@pytest.mark.parametrize("name", ["absent", "", ".", "..", "../elsewhere", "/etc", "a/b", "link", "tiny\x00"])
def test_no_name_leads_out_of_the_models_folder(tmp_path: Path, name: str) -> None:
    write_model(tmp_path / "elsewhere", WORDS)
    root = tmp_path / "models"
    write_model(root / "tiny", WORDS)
    (root / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NotFound):
        read_folder(root, name)
    assert read_folder(root, "tiny").tokens_max == TOKENS_DEFAULT


def test_folders_that_cannot_be_run_say_why(tmp_path: Path) -> None:
    def why(name: str) -> str:
        with pytest.raises(RequestError) as told:
            read_folder(tmp_path, name)
        assert told.value.code == "bad_local_model"
        return told.value.message

    (tmp_path / "empty").mkdir()
    assert "no model.onnx" in why("empty")
    (write_model(tmp_path / "mute", WORDS) / "tokenizer.json").unlink()
    assert "no tokenizer.json" in why("mute")
    sentence_transformers(write_model(tmp_path / "dense", WORDS), "pooling_mode_mean_tokens", more=("Dense",))
    assert "another" not in why("dense")
    sentence_transformers(write_model(tmp_path / "odd", WORDS), "pooling_mode_mean_sqrt_len_tokens")
    assert "pooling" in why("odd")
    (sentence_transformers(write_model(tmp_path / "torn", WORDS), "pooling_mode_mean_tokens") / "modules.json").write_text("{")
    assert "modules.json" in why("torn")


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    write_model(tmp_path / "tiny", WORDS)
    with pytest.raises(RequestError) as told:
        LocalModels(tmp_path).get("tiny")
    assert (told.value.code, "ondol[local]" in told.value.hint) == ("extra_not_installed", True)
