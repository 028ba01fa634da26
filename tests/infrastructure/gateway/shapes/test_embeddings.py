"""What an embedder is given: text alone, since a policy reads no tokens."""

from __future__ import annotations

from typing import Any

import pytest

from ondol.core.errors import RequestError
from ondol.infrastructure.gateway.shapes.embeddings import read_embeddings


@pytest.mark.parametrize(
    "told", [[1, 2], [[1, 2], [3]], ["text", [1]], ["text", 1]], ids=["one", "several", "a list beside text", "a number beside text"]
)
def test_tokens_are_refused_by_name(told: list[Any]) -> None:
    with pytest.raises(RequestError, match="tokens, and a policy reads text only") as caught:
        read_embeddings({"model": "m", "input": told})
    assert (caught.value.param, caught.value.code) == ("input", "tokens_not_readable")
    assert "check_embedding_ctx_length" in caught.value.hint
