"""Korean or English."""

from __future__ import annotations

import pytest

from ondol.core.language import detect_language


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("환불은 영업일 기준 5일 안에 처리됩니다.", "ko"),
        ("`kubectl get pods --namespace kube-system` 명령으로 Kubernetes Pod를 확인한다.", "ko"),
        ("Refunds are processed in five business days.", "en"),
        ("The word 온돌 names the heated floor of a Korean house, which gave this product its name.", "en"),
        ("123 + 456", "en"),
        ("", "en"),
    ],
)
def test_by_the_share_of_hangul(text: str, language: str) -> None:
    assert detect_language(text) == language
