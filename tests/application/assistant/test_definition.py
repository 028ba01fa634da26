from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.application.assistant.definition import mentions, names, opens_with, subject_of


@pytest.mark.parametrize(
    ("question", "subject"),
    [
        ("What is an Ingress?", "Ingress"),
        ("What is a Pod in Kubernetes?", "Pod"),
        ("What does the kube-scheduler do?", "kube-scheduler"),
        ("What is the purpose of a ReplicaSet?", "ReplicaSet"),
        ("What is a gate valve used for?", "gate valve"),
        ("What does a heat pump do in winter?", "heat pump"),
        ("데몬셋은 무엇을 보장하나요?", "데몬셋"),
        ("쿠버네티스에서 서비스란 무엇인가요?", "서비스"),
        ("레플리카셋의 목적은 무엇인가요?", "레플리카셋"),
        ("열펌프는 무슨 일을 하나요?", "열펌프"),
        ("열펌프는 어디에 쓰이나요?", "열펌프"),
        ("What is the maximum size of a ConfigMap?", None),
        ("How long does a refund take?", None),
        ("환불은 며칠 안에 처리되나요?", None),
        ("What is your phone number?", None),
        ("열펌프의 최대 크기는 무엇인가요?", None),
        ("그 장군은 무엇이라 불렸는가?", None),
        ("1997년 형법은 무엇을 금지하고 죄형법정주의를 채택하였는가?", None),
    ],
)
def test_which_thing_is_asked_for(question: str, subject: str | None) -> None:
    assert subject_of(question) == subject


@pytest.mark.parametrize(
    ("subject", "text", "least", "most"),
    [
        ("Ingress", "Ingress exposes HTTP routes from outside the cluster.", 0.7, 0.7),
        ("Pod", "A Pod (as in a pod of whales) is a group of containers.", 1.0, 1.0),
        ("ReplicaSet", "A ReplicaSet's purpose is to maintain a stable set.", 0.4, 1.0),
        ("valve", "Valves are the opposite of pipes: they let nothing through.", 1.0, 1.0),
        ("valve", "Valve: what opens and closes a pipe.", 0.8, 0.8),
        ("heat pump", "You can use a heat pump to warm a house.", 0.7, 0.7),
        ("서비스", "쿠버네티스에서 서비스는 추상적인 방법이다.", 1.0, 1.0),
        ("데몬셋", "데몬셋 은 모든 노드가 사본을 실행하도록 보장한다.", 0.7, 0.7),
        ("열펌프", "열펌프란 열을 옮기는 기계를 말한다.", 1.0, 1.0),
        ("valve", "A valve is not part of the delivery.", 0.0, 0.1),
        ("Ingress", "- HAProxy Ingress is an ingress controller.", 0.0, 0.0),
        ("서비스", "쿠버네티스 DNS 서버는 서비스에 접근하는 방법이다.", 0.0, 0.0),
        ("서비스", "고객서비스는 친절한 부서이다.", 0.0, 0.0),
    ],
)
def test_how_well_a_sentence_says_what_a_thing_is(subject: str, text: str, least: float, most: float) -> None:
    assert least <= opens_with(subject, text) <= most


@pytest.mark.parametrize(
    ("heading", "subject", "how_far"),
    [
        ("Taints", "taint", 1.0),
        ("Storage Classes", "StorageClass", 1.0),
        ("Network Policies", "NetworkPolicy", 1.0),
        ("What is a valve?", "valve", 1.0),
        ("Valve overview", "valve", 1.0),
        ("열펌프란?", "열펌프", 1.0),
        ("열펌프(heat pump)", "열펌프", 1.0),
        ("Taints and Tolerations", "taint", 0.3),
        ("Choosing a valve", "valve", 0.15),
        ("Prices", "valve", 0.0),
    ],
)
def test_how_far_a_heading_is_the_name_of_a_thing(heading: str, subject: str, how_far: float) -> None:
    assert names(heading, subject) == how_far


@pytest.mark.parametrize(
    ("subject", "text"),
    [
        ("열펌프밸브", "이 열펌프 밸브는 낡았다"),
        ("열펌프 밸브", "열펌프밸브는 낡았다"),
        ("valve", "two Valve objects"),
        ("valve box", "the valve-box"),
    ],
)
def test_a_thing_is_found_in_whatever_spaces(subject: str, text: str) -> None:
    assert mentions(subject).search(text)


@pytest.mark.parametrize(
    ("subject", "text", "least"),
    [
        ("pump start", "`pump start --slow` opens the valve first.", 0.5),
        ("pump start", "- `pump start` to fill the tank", 0.6),
        ("pump start", "Name: start; Form: `pump start NAME`; Effect: fills the tank", 0.7),
        ("valve", "Rooms have valve objects, which are used for closing pipes.", 0.6),
        ("pump start", "밸브 이름: 시작; 형식: `pump start 이름`; 효과: 탱크를 채운다", 0.7),
    ],
)
def test_other_ways_of_saying_what_it_does(subject: str, text: str, least: float) -> None:
    assert opens_with(subject, text) >= least


@given(st.text(max_size=200), st.text(max_size=200))
def test_no_text_breaks_it(question: str, text: str) -> None:
    subject = subject_of(question)
    if subject:
        assert 0.0 <= opens_with(subject, text) <= 1.0
        assert 0.0 <= names(text, subject) <= 1.0
