"""What the quality report says, in Korean and English: each metric in a sentence that needs no glossary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from ondol.application.evaluation.export.quality import Line, PartName, State

Language = Literal["ko", "en"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityWords:
    """The words of one language."""

    title: str
    runs: str
    all_reached: str
    some_reached: str
    no_goals: str
    likely_count: str
    missed_count: str
    open_count: str
    parts: Mapping[PartName, str]
    part_notes: Mapping[PartName, str]
    not_measured: str
    states: Mapping[State, str]
    groups: Mapping[str, str]
    groups_empty: Mapping[str, str]
    goal_least: str
    goal_most: str
    goal_none: str
    none_found: str
    interval: str
    cases: str
    metric: str
    all: str
    against: str
    by_language: str
    gaps_none: str
    gap: str
    by: str
    languages: Mapping[str, str]
    slices: Mapping[str, str]
    values: Mapping[str, str]
    cost_none: str
    cost_all: str
    cost_thousand: str
    answers: str
    median: str
    slow: str
    lost: str
    basis: str
    basis_note: str
    suite: str
    target: str
    when: str
    outcome: str
    outcomes: Mapping[str, str]
    failed: str
    made: str


QUALITY_WORDS: Final[Mapping[Language, QualityWords]] = {
    "en": QualityWords(
        title="Quality report",
        runs="{} runs",
        all_reached="All {goals} goals are reached.",
        some_reached="{reached} of {goals} goals are reached.",
        no_goals="No goals were set: the figures stand for themselves.",
        likely_count="Reached so narrowly that it may be chance: {}.",
        missed_count="Missed by more than chance could explain: {}.",
        open_count="Below the goal, though by no more than chance could explain: {}.",
        parts={"retrieval": "Search", "answers": "Answers", "guard": "Guard", "cost": "Cost and time"},
        part_notes={
            "retrieval": "Whether the document that answers a question is found, and nothing that its asker may not read.",
            "answers": "Whether answers are right, rest on documents, and are withheld where the documents do not hold them.",
            "guard": "Whether what must not pass is stopped, what names a person is hidden, and the rest is let through.",
            "cost": "What an answer costs, and how long its asker waits.",
        },
        not_measured="Not measured by these runs.",
        states={"reached": "reached", "likely": "reached, narrowly", "open": "just below", "missed": "missed", "plain": ""},
        groups={"good": "Good", "bad": "Not good enough", "open": "Not certain yet"},
        groups_empty={"good": "Nothing reaches its goal.", "bad": "Nothing misses its goal.", "open": "Every goal is clearly reached or missed."},
        goal_least="goal: at least {}",
        goal_most="goal: at most {}",
        goal_none="goal: not one",
        none_found="none in {} cases",
        interval="95 % interval {low} – {high}",
        cases="{} cases",
        metric="Measure",
        all="All",
        against="Against the goal",
        by_language="Korean and English",
        gaps_none="In no measure do the languages differ by more than chance could explain.",
        gap="{label}: {worse} ({low}) is behind {better} ({high}) by more than chance could explain.",
        by="By {}",
        languages={"ko": "Korean", "en": "English"},
        slices={"kind": "kind of question", "topic": "topic", "difficulty": "difficulty", "asker": "who asks", "language": "language"},
        values={
            "answerable": "has an answer", "newest": "was answered otherwise before", "unanswerable": "no document answers it",
            "forbidden": "closed to the asker", "national_number": "national number", "contact": "contact or card", "secret": "key or password",
            "attack": "attack on the rules", "crisis": "person in danger", "ordinary": "ordinary question", "(others)": "others",
        },
        cost_none="No model with a price was asked: these answers cost nothing but the machine.",
        cost_all="Cost of all answers",
        cost_thousand="A thousand answers",
        answers="Answers",
        median="Half are there within",
        slow="95 % are there within",
        lost="{found} of {relevant} documents that answer the questions were handed over.",
        basis="What this rests on",
        basis_note="Each run with the digest of its results. The report holds figures only: no question, no answer, nothing of anybody.",
        suite="Suite",
        target="Asked",
        when="When",
        outcome="By its own card",
        outcomes={"PASS": "Passed", "FAIL": "Failed", "INCONCLUSIVE": "Inconclusive"},
        failed="{} of {} without an answer",
        made="Made by Ondol",
    ),
    "ko": QualityWords(
        title="품질 보고서",
        runs="평가 {}회",
        all_reached="목표 {goals}개를 모두 이루었습니다.",
        some_reached="목표 {goals}개 가운데 {reached}개를 이루었습니다.",
        no_goals="정해 둔 목표가 없습니다. 수치만 보여 드립니다.",
        likely_count="이 가운데 {}개는 우연일 수 있을 만큼 가깝습니다.",
        missed_count="{}개는 우연으로 볼 수 없을 만큼 못 미쳤습니다.",
        open_count="{}개는 목표에 조금 못 미치지만 우연일 수 있습니다.",
        parts={"retrieval": "검색", "answers": "답변", "guard": "가드", "cost": "비용과 시간"},
        part_notes={
            "retrieval": "질문에 답하는 문서를 찾는지, 읽을 권한이 없는 문서는 보이지 않는지 봅니다.",
            "answers": "답이 맞는지, 문서에 근거하는지, 문서에 없는 것은 답하지 않는지 봅니다.",
            "guard": "막아야 할 것을 막고, 사람을 알아볼 수 있는 것을 가리고, 나머지는 통과시키는지 봅니다.",
            "cost": "답변 하나에 드는 비용과 기다리는 시간입니다.",
        },
        not_measured="이 평가들에서는 재지 않았습니다.",
        states={"reached": "달성", "likely": "가까스로 달성", "open": "조금 모자람", "missed": "미달", "plain": ""},
        groups={"good": "잘되고 있는 것", "bad": "아직 모자란 것", "open": "아직 확실하지 않은 것"},
        groups_empty={
            "good": "목표를 이룬 것이 없습니다.", "bad": "목표에 뚜렷이 못 미친 것이 없습니다.", "open": "모든 목표의 달성 여부가 분명합니다.",
        },
        goal_least="목표 {} 이상",
        goal_most="목표 {} 이하",
        goal_none="목표 0건",
        none_found="{}건에서 하나도 없음",
        interval="95% 구간 {low} – {high}",
        cases="{}문항",
        metric="지표",
        all="전체",
        against="목표 대비",
        by_language="한국어와 영어",
        gaps_none="두 언어가 우연으로 볼 수 없을 만큼 다른 지표는 없습니다.",
        gap="{label}: 우연으로 볼 수 없는 차이가 있습니다. 뒤진 쪽은 {worse}({low}), 앞선 쪽은 {better}({high})입니다.",
        by="{}별",
        languages={"ko": "한국어", "en": "영어"},
        slices={"kind": "질문 종류", "topic": "주제", "difficulty": "난이도", "asker": "질문한 사람", "language": "언어"},
        values={
            "answerable": "답이 있는 질문", "newest": "전에는 답이 달랐던 질문", "unanswerable": "문서에 답이 없는 질문",
            "forbidden": "권한이 없는 질문", "national_number": "고유식별번호", "contact": "연락처·카드번호", "secret": "키·비밀번호",
            "attack": "규칙을 깨려는 공격", "crisis": "위험에 처한 사람", "ordinary": "평범한 질문", "(others)": "그 밖",
        },
        cost_none="값이 매겨진 모델에 묻지 않았습니다. 서버 말고는 비용이 들지 않았습니다.",
        cost_all="답변 전체 비용",
        cost_thousand="답변 천 개당",
        answers="답변 수",
        median="절반은 이 안에",
        slow="95%는 이 안에",
        lost="질문에 답하는 문서 {relevant}건 가운데 {found}건을 모델에 건넸습니다.",
        basis="이 보고서의 근거",
        basis_note="평가마다 결과의 다이제스트를 적었습니다. 수치만 담겨 있고 질문이나 답변, 누군가의 정보는 없습니다.",
        suite="스위트",
        target="대상",
        when="때",
        outcome="스스로 정한 기준",
        outcomes={"PASS": "합격", "FAIL": "불합격", "INCONCLUSIVE": "판정 보류"},
        failed="{}개 답변 없음(전체 {}개)",
        made="온돌로 만듦",
    ),
}  # fmt: skip

METRICS: Final[Mapping[Language, Mapping[str, tuple[str, str]]]] = {
    "en": {
        "retrieval.recall": ("Right document found", "Search hands over {value} of the documents that answer the questions."),
        "retrieval.mrr": ("Right document near the top", "The right document stands near the top: {value}, where 100 % is always first."),
        "retrieval.ndcg": ("Order of the documents (nDCG)", "The order of what is found is {value} of the best that is possible (nDCG)."),
        "retrieval.map": ("Precision at each document (MAP)", "The mean precision at the right documents is {value} (MAP)."),
        "retrieval.precision": ("Places well used", "{value} of the places hold a document that answers."),
        "retrieval.diversity": ("Variety of passages", "Passages that are handed over differ from one another by {value}."),
        "permission_leaks": ("Closed documents shown", "Documents that their asker may not read: {value} for each question."),
        "retrieval.permission_leaks": ("Closed documents found", "Documents that their asker may not read: {value} for each search."),
        "contains_all": ("Right answers", "{value} of what answers must say is said."),
        "contains_any": ("Right answers", "{value} of the answers hold what was expected."),
        "not_contains": ("Nothing outdated or closed", "{value} of the answers say nothing that is outdated or closed."),
        "exact_match": ("Exactly right", "{value} of the answers are exactly what was expected."),
        "guard.exact_match": ("Decided rightly", "{value} of the texts are decided as they should be: stopped, hidden or let through."),
        "refusal_accuracy": ("Answers or refuses rightly", "{value} of the questions are answered or refused as they should be."),
        "over_refusal": ("Refused without need", "{value} of the questions that have an answer are refused."),
        "guard.over_refusal": ("False alarms", "{value} of what may pass is stopped."),
        "under_refusal": ("Answered against the rules", "{value} of what should be refused is answered."),
        "guard.under_refusal": ("Let through", "{value} of what must be stopped gets through."),
        "groundedness": ("Rests on documents", "{value} of the sentences rest on the document that they cite."),
        "hallucination_rate": ("Made up", "{value} of the sentences rest on no document."),
        "citation_recall": ("Cites the right document", "{value} of the documents that answer are cited."),
        "citation_precision": ("Citations that help", "{value} of the citations are of a document that answers."),
        "language_match": ("In the language of the question", "{value} of the answers are in the language of their question."),
        "pii_leak": ("Personal data in answers", "Personal data in answers: {value} for each."),
        "canary_leak": ("Secret marks in answers", "Marks that must never come out: {value} for each answer."),
        "tool_unauthorised": ("Tools without leave", "Calls of tools without leave: {value} for each answer."),
        "toxicity": ("Abuse in answers", "{value} of the answers hold abuse."),
        "banned_words": ("Free of banned words", "{value} of the answers hold no banned word."),
        "latency": ("Time to the whole answer", "A whole answer takes {value} on average."),
        "retrieval.latency": ("Time of a search", "A search takes {value} on average."),
        "guard.latency": ("Time of a decision", "A decision takes {value} on average."),
        "first_token": ("Time to the first word", "The first word comes after {value} on average."),
        "tokens": ("Tokens", "An answer takes {value} tokens on average."),
        "cost": ("Cost of an answer", "An answer costs {value} on average."),
    },
    "ko": {
        "retrieval.recall": ("찾아낸 문서", "질문에 답하는 문서의 {value}를 찾아 건넵니다."),
        "retrieval.mrr": ("문서의 순위", "맞는 문서의 순위는 {value}입니다. 늘 맨 앞이면 100%입니다."),
        "retrieval.ndcg": ("문서의 차례(nDCG)", "찾은 차례는 가장 좋은 차례의 {value}입니다(nDCG)."),
        "retrieval.map": ("평균 정밀도(MAP)", "맞는 문서 자리에서의 평균 정밀도는 {value}입니다(MAP)."),
        "retrieval.precision": ("쓸모 있는 자리", "결과의 {value}에 답이 되는 문서가 있습니다."),
        "retrieval.diversity": ("대목의 다양성", "건네는 대목은 서로 {value}만큼 다릅니다."),
        "permission_leaks": ("권한 없는 문서 노출", "읽을 권한이 없는 문서가 질문마다 {value}건 보였습니다."),
        "retrieval.permission_leaks": ("권한 없는 문서 검색", "읽을 권한이 없는 문서가 검색마다 {value}건 나왔습니다."),
        "contains_all": ("맞는 답", "답에 꼭 있어야 할 내용의 {value}가 담겼습니다."),
        "contains_any": ("맞는 답", "답변의 {value}가 기대한 내용을 담았습니다."),
        "not_contains": ("지난 내용 없음", "답변의 {value}에는 지난 내용이나 닫힌 내용이 없습니다."),
        "exact_match": ("정확히 일치", "답변의 {value}가 정답과 똑같습니다."),
        "guard.exact_match": ("올바른 판단", "글의 {value}를 막거나 가리거나 통과시켜야 할 대로 판단합니다."),
        "refusal_accuracy": ("답할지 말지", "질문의 {value}에 답하거나 거절해야 할 대로 합니다."),
        "over_refusal": ("지나친 거절", "답이 있는 질문의 {value}를 거절합니다."),
        "guard.over_refusal": ("잘못 막은 것", "통과해야 할 글의 {value}를 막습니다."),
        "under_refusal": ("거절했어야 할 답", "거절해야 할 질문의 {value}에 답합니다."),
        "guard.under_refusal": ("놓친 것", "막아야 할 글의 {value}를 놓칩니다."),
        "groundedness": ("근거가 있는 문장", "문장의 {value}가 인용한 문서에 근거합니다."),
        "hallucination_rate": ("지어낸 문장", "문장의 {value}는 근거가 없습니다."),
        "citation_recall": ("맞는 문서 인용", "답이 되는 문서의 {value}를 인용합니다."),
        "citation_precision": ("쓸모 있는 인용", "인용의 {value}가 답이 되는 문서입니다."),
        "language_match": ("질문한 언어로 답함", "답변의 {value}가 질문과 같은 언어입니다."),
        "pii_leak": ("답변 속 개인정보", "개인정보가 답변마다 {value}건 있었습니다."),
        "canary_leak": ("비밀 표지 노출", "나오면 안 되는 표지가 답변마다 {value}건 나왔습니다."),
        "tool_unauthorised": ("허락 없는 도구 호출", "허락 없는 도구 호출이 답변마다 {value}건 있었습니다."),
        "toxicity": ("욕설·비하", "답변의 {value}에 욕설이나 비하가 있습니다."),
        "banned_words": ("금지어 없음", "답변의 {value}에 금지어가 없습니다."),
        "latency": ("답변 시간", "답변 하나에 평균 {value} 걸립니다."),
        "retrieval.latency": ("검색 시간", "검색에 평균 {value} 걸립니다."),
        "guard.latency": ("판단 시간", "판단에 평균 {value} 걸립니다."),
        "first_token": ("첫 글자까지", "첫 글자는 평균 {value} 뒤에 나옵니다."),
        "tokens": ("토큰", "답변 하나에 평균 {value}토큰이 듭니다."),
        "cost": ("답변 비용", "답변 하나에 평균 {value}이 듭니다."),
    },
}  # fmt: skip
"""Label and sentence by type of scorer; behind the name of a part and a dot where the type means something else there."""


def told(line: Line, part: PartName, language: Language) -> tuple[str, str]:
    """The label of a metric, and the sentence that has a place for its value; of a type that has no words, its own name."""
    metric = line.figure.metric
    words = METRICS[language].get(f"{part}.{metric.type}") or METRICS[language].get(metric.type)
    return words or (metric.name, metric.name.replace("{", "{{").replace("}", "}}") + ": {value}")
