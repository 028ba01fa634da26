"""What the HTML report says, in Korean and English."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The words of one language."""

    title: str
    outcomes: Mapping[str, str]
    states: Mapping[str, str]
    statuses: Mapping[str, str]
    risks: Mapping[str, str]
    target: str
    asked: str
    cases: str
    repeats: str
    cost: str
    time: str
    owner: str
    purpose: str
    risk: str
    users: str
    milestones: str
    figures: str
    metric: str
    mean: str
    interval: str
    corpus: str
    wanted_least: str
    wanted_most: str
    values: str
    failed: str
    by: str
    lost: str
    lost_note: str
    stages: Mapping[str, str]
    answers: str
    answers_note: str
    question: str
    expected: str
    answer: str
    scores: str
    reasons: str
    erased: str
    missed: str
    basis: str
    made: str


WORDS: Mapping[Literal["ko", "en"], Words] = {
    "en": Words(
        title="Evaluation",
        outcomes={"PASS": "Passed", "FAIL": "Failed", "INCONCLUSIVE": "Inconclusive"},
        states={"waiting": "Waiting", "running": "Running", "stopped": "Stopped", "finished": "Finished", "failed": "Broken off"},
        statuses={
            "target_error": "no answer", "scorer_error": "scorer failed", "judge_error": "judge failed", "parse_error": "judge not understood",
            "timeout": "too late", "skipped": "not asked",
        },
        risks={"minimal": "minimal", "limited": "limited", "high": "high"},
        target="Asked",
        asked="answers",
        cases="Cases",
        repeats="Repeats",
        cost="Cost of answers",
        time="Mean time",
        owner="Owner",
        purpose="Purpose",
        risk="Risk",
        users="Users",
        milestones="Milestones",
        figures="Results",
        metric="Metric",
        mean="Mean",
        interval="95 % interval",
        corpus="All answers together",
        wanted_least="at least {}",
        wanted_most="at most {}",
        values="Cases with a value",
        failed="Without a value",
        by="By",
        lost="Where documents are lost",
        lost_note="{found} of {relevant} documents that answer the questions were handed over.",
        stages={
            "candidates": "found by neither words nor vectors", "fused": "lost when results were put together",
            "reranked": "pushed back by the reranker", "diverse": "pushed back for diversity", "final": "ranked too low to be handed over",
        },
        answers="Answers",
        answers_note="{shown} of {total}; those that failed or missed first.",
        question="Question",
        expected="Expected",
        answer="Answer",
        scores="Scores",
        reasons="Why",
        erased="The content was erased; the figures stand.",
        missed="missed",
        basis="What this rests on",
        made="Made by Ondol",
    ),
    "ko": Words(
        title="평가",
        outcomes={"PASS": "합격", "FAIL": "불합격", "INCONCLUSIVE": "판정 보류"},
        states={"waiting": "대기 중", "running": "진행 중", "stopped": "멈춤", "finished": "끝남", "failed": "중단됨"},
        statuses={
            "target_error": "답 없음", "scorer_error": "채점 실패", "judge_error": "심사 실패", "parse_error": "심사 결과 해석 불가",
            "timeout": "시간 초과", "skipped": "묻지 않음",
        },
        risks={"minimal": "최소", "limited": "제한적", "high": "높음"},
        target="대상",
        asked="답변",
        cases="문항",
        repeats="반복",
        cost="답변 비용",
        time="평균 시간",
        owner="책임자",
        purpose="목적",
        risk="위험",
        users="이용자",
        milestones="단계별 목표",
        figures="결과",
        metric="지표",
        mean="평균",
        interval="95% 구간",
        corpus="답변 전체로",
        wanted_least="{} 이상",
        wanted_most="{} 이하",
        values="값이 있는 문항",
        failed="값이 없는 문항",
        by="기준:",
        lost="문서를 놓친 단계",
        lost_note="질문에 답하는 문서 {relevant}건 가운데 {found}건을 모델에 건넸습니다.",
        stages={
            "candidates": "단어로도 벡터로도 찾지 못함", "fused": "결과를 합치면서 빠짐",
            "reranked": "재순위에서 밀림", "diverse": "다양성 때문에 밀림", "final": "순위가 낮아 건네지 못함",
        },
        answers="답변",
        answers_note="{total}개 중 {shown}개. 실패하거나 기준에 못 미친 것부터 보입니다.",
        question="질문",
        expected="정답",
        answer="답변",
        scores="점수",
        reasons="이유",
        erased="내용은 삭제되었고 수치만 남아 있습니다.",
        missed="미달",
        basis="이 결과의 근거",
        made="온돌로 만듦",
    ),
}  # fmt: skip
