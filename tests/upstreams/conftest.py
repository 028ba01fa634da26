"""Real model servers on the loopback, each with the same tiny model that is built here, and a gateway before them."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from ondol.infrastructure.storage.postgres import DatabaseAddresses
from scripts.apart import PROJECT, installed_apart, python_apart
from tests.infrastructure.gateway.ground import Ground, open_ground
from tests.upstreams.servers import ModelServer, serving_llama_cpp, serving_transformers

BUILD_SECONDS_MAX = 120
TEXTS = ("README.md", "README.ko.md", "CHANGELOG.md", "CONTRIBUTING.md")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny Llama of random weights, for transformers and as ``tiny.gguf`` for llama.cpp."""
    folder = tmp_path_factory.mktemp("upstreams") / "tiny"
    folder.mkdir()
    program = Path(__file__).parent / "py" / "tiny_llama.py"
    command = [python_apart("upstreams").as_posix(), "-I", program.as_posix(), folder.as_posix(), *(str(PROJECT / name) for name in TEXTS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS_MAX, check=False)
    assert done.returncode == 0, done.stderr[-5_000:]
    return folder


@pytest.fixture(scope="session")
def transformers(tiny: Path) -> Iterator[ModelServer]:
    """`transformers serve`."""
    with serving_transformers(python_apart("upstreams"), tiny) as server:
        yield server


@pytest.fixture(scope="session")
def llama_cpp(tiny: Path) -> Iterator[ModelServer]:
    """llama.cpp's server, where it could be built."""
    python = installed_apart("llama_cpp")
    if python is None:
        pytest.skip("llama.cpp's server is not built: `make test-upstreams` tries to, and says what it lacks")
    with serving_llama_cpp(python, tiny) as server:
        yield server


@pytest.fixture(scope="module", params=["transformers", "llama_cpp"])
def server(request: pytest.FixtureRequest) -> ModelServer:
    """Each of them."""
    found = request.getfixturevalue(request.param)
    assert isinstance(found, ModelServer)
    return found


@pytest.fixture(scope="module")
async def ground(module_addresses: DatabaseAddresses, tmp_path_factory: pytest.TempPathFactory, anyio_backend: str) -> AsyncIterator[Ground]:
    """A running gateway."""
    async with open_ground(module_addresses, tmp_path_factory.mktemp("gateway")) as opened:
        yield opened
