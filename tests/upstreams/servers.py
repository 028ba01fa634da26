"""Starts and stops the model servers, each as its own documentation says, with no way to anything but this machine."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.e2e.conftest import free_port

START_SECONDS_MAX = 120.0
STOP_SECONDS_MAX = 20.0
CONTEXT_TOKENS = 16_384
"""Of llama.cpp's: it needs a dozen seconds for so many, which is what an answer takes that nobody stopped."""


@dataclass(frozen=True)
class ModelServer:
    """A model server that runs.

    Attributes:
        name: ``transformers`` or ``llama_cpp``.
        base_url: of its OpenAI-compatible API.
        model: how it calls the tiny model.
        tells_usage: in its streams.
        log: what it printed.
    """

    name: str
    base_url: str
    model: str
    tells_usage: bool
    log: Path


@contextlib.contextmanager
def serving_transformers(python: Path, folder: Path) -> Iterator[ModelServer]:
    """`transformers serve` with the model in a folder."""
    port = free_port()
    home = folder.parent / "huggingface"
    (home / "hub").mkdir(parents=True)  # its list of models fails without
    offline = {"HF_HOME": home.as_posix(), "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [python.with_name("transformers").as_posix(), "serve", "--host", "127.0.0.1", "--port", str(port), "--device", "cpu", folder.name]
    with _running(command, folder.parent, offline, f"http://127.0.0.1:{port}/health") as log:
        yield ModelServer("transformers", f"http://127.0.0.1:{port}/v1", folder.name, True, log)


@contextlib.contextmanager
def serving_llama_cpp(python: Path, folder: Path) -> Iterator[ModelServer]:
    """llama.cpp's server, by its Python binding, with the model of a folder. One request waits for the other."""
    port = free_port()
    options = ["--model", (folder / "tiny.gguf").as_posix(), "--model_alias", "tiny", "--n_ctx", str(CONTEXT_TOKENS), "--n_threads", "1"]
    options += ["--interrupt_requests", "False"]
    command = [python.as_posix(), "-m", "llama_cpp.server", "--host", "127.0.0.1", "--port", str(port), *options]
    with _running(command, folder.parent, {}, f"http://127.0.0.1:{port}/v1/models") as log:
        yield ModelServer("llama_cpp", f"http://127.0.0.1:{port}/v1", "tiny", False, log)


@contextlib.contextmanager
def _running(command: Sequence[str], folder: Path, more: Mapping[str, str], health_url: str) -> Iterator[Path]:
    """A process from when it answers until it has ended; the file that it prints into."""
    log = folder / f"{Path(command[0]).name}-{time.monotonic_ns()}.log"
    environment = {**os.environ, **more}
    with log.open("wb") as printed, subprocess.Popen(command, cwd=folder, env=environment, stdout=printed, stderr=subprocess.STDOUT) as process:
        try:
            _wait(process, health_url, log)
            yield log
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(process: subprocess.Popen[bytes], health_url: str, log: Path) -> None:
    began = time.monotonic()
    with httpx.Client(trust_env=False, timeout=5) as client:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if client.get(health_url).status_code == 200:
                    return
            assert process.poll() is None, log.read_text("utf-8", "replace")[-5_000:]
            assert time.monotonic() - began < START_SECONDS_MAX, log.read_text("utf-8", "replace")[-5_000:]
            time.sleep(0.05)
