from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.application.assistant.definition import opening_of, subject_of


@pytest.mark.parametrize(
    ("question", "subject"),
    [
        ("What is an Ingress?", "Ingress"),
        ("What is a Pod in Kubernetes?", "Pod"),
        ("What does the kube-scheduler do?", "kube-scheduler"),
        ("What is the purpose of a ReplicaSet?", "ReplicaSet"),
        ("데몬셋은 무엇을 보장하나요?", "데몬셋"),
        ("쿠버네티스에서 서비스란 무엇인가요?", "서비스"),
        ("레플리카셋의 목적은 무엇인가요?", "레플리카셋"),
        ("What is the maximum size of a ConfigMap?", None),
        ("How long does a refund take?", None),
        ("환불은 며칠 안에 처리되나요?", None),
        ("What is your phone number?", None),
    ],
)
def test_which_thing_is_asked_for(question: str, subject: str | None) -> None:
    assert subject_of(question) == subject


@pytest.mark.parametrize(
    ("subject", "text", "says"),
    [
        ("Ingress", "Ingress exposes HTTP routes from outside the cluster.", True),
        ("Pod", "A Pod (as in a pod of whales) is a group of containers.", True),
        ("ReplicaSet", "A ReplicaSet's purpose is to maintain a stable set.", True),
        ("서비스", "쿠버네티스에서 서비스는 추상적인 방법이다.", True),
        ("데몬셋", "데몬셋 은 모든 노드가 사본을 실행하도록 보장한다.", True),
        ("Ingress", "- HAProxy Ingress is an ingress controller.", False),
        ("서비스", "쿠버네티스 DNS 서버는 서비스에 접근하는 방법이다.", False),
    ],
)
def test_which_sentence_says_what_it_is(subject: str, text: str, says: bool) -> None:
    assert bool(opening_of(subject).match(text)) is says


@given(st.text(max_size=200), st.text(max_size=200))
def test_no_text_breaks_it(question: str, text: str) -> None:
    subject = subject_of(question)
    if subject:
        opening_of(subject).match(text)
