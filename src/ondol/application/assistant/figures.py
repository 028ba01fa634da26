"""What kind of thing a question asks for, and whether a text holds a thing of that kind: amounts, periods, dates, sizes, addresses."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal[
    "money", "duration", "date", "time", "count", "size", "percent", "port", "host", "phone", "command", "tier", "meaning", "person", "place",
    "reason", "number", "verdict",
]  # fmt: skip
"""`tier` is a plan, product or version from which something holds, `number` any figure, `verdict` a word that permits, forbids or denies."""

Wanted: TypeAlias = tuple[frozenset[Kind], ...]
"""What a question asks for: of each set, one kind is enough."""

_AMOUNT = frozenset[Kind]({"money", "size", "percent"})
_WHEN = frozenset[Kind]({"date", "duration", "time"})

# In the order in which they are tried; a question may ask for several things.
_ASKS: tuple[tuple[frozenset[Kind], str], ...] = (
    (
        frozenset({"money"}),
        r"요금(?!제)|가격|비용|금액|이전비|수수료|연체료|돈[이을은]?\s?(?:얼마|내)|얼마[를나]?\s?(?:내|드[나는]|들|나와|물|보상|받)|얼마로 잡"
        r"|\bcosts?\b|\bprices?\b|\bfees?\b|\bcharged? (?!card)|\bowe\b|\bpay\b|\bpenalty\b|\bpaid (?!for)|how much (?:is|does|do you|would it)"
        r"|in won\b",
    ),
    (_AMOUNT, r"얼마\s?(?:예요|에요|인가|죠|입니까|지|야|일까|고|를|로|\?|\Z)"),
    (
        frozenset({"duration"}),
        r"얼마나\s?(?:걸|기다|오래|자주)|얼마\s?(?:안|만|동안|뒤|후|전)|며칠|기간|유효\s?(?:시간|기간)|몇\s?(?:일|달|개월|시간|분|년|주|초)(?![가-힣]*\s?명)|나중에|간격"
        r"|how (?:long|soon|fast|often|far back|quickly|late)|how many (?:\w+ )?(?:days|hours|minutes|weeks|months|years|seconds)|time limit"
        r"|how much (?:warning|time|notice)|\binterval\b|\bare .{1,20} kept\b",
    ),
    (_WHEN, r"언제|기한|deadline|too late|by when|until when|\bwhen (?:will|do|does|can|is|are|was|were|did|must|should)\b|(?:,|and) when\b"),
    (
        frozenset({"date"}),
        r"며칠(?:까지|에)|몇\s?(?:년|월)(?!\s?(?:동안|간|쓰))|날짜|날은|연도|which date|what date|until which|what year|which year|\bwhat day\b",
    ),
    (frozenset({"time"}), r"몇\s?시(?!간)|시각|시간대|what time|which hours|what hours|between which|time of (?:day|night)|on the phone"),
    (
        frozenset({"count"}),
        r"몇\s?(?:개(?!월)|명|번|회|통|대|곳|자|글자|칸|점|인|편|권|위|차|세|살|마리)"
        r"|개수|몇이|how many (?!(?:\w+ )?(?:days|hours|minutes|weeks|months|years|seconds))",
    ),
    (
        frozenset({"size"}),
        r"용량(?!은? 남)|몇\s?(?:기가|메가|바이트|gb|mb|테라)|크기|메모리|(?<![가-힣])램|전송량|memory_limit"
        r"|\bsize\b|how (?:big|large)|biggest|largest|\bram\b|how much (?:ram|memory|space|disk|storage|traffic|data)|\bquota\b",
    ),
    (frozenset({"percent"}), r"몇\s?(?:퍼센트|%|프로)|비율|얼마나\s?(?:떼|깎|할인)|what percent|percentage"),
    (frozenset({"port"}), r"포트|\bports?\b"),
    (
        frozenset({"host"}),
        r"네임서버|호스트|서버\s?주소|어디로\s?(?:보내|신고)|칸에|뭐라고 적|뭘로 바꿔"
        r"|(?:database|mail|server|which|what) host\b|host name|nameservers?|what (?:\w+ )?address|which (?:\w+ )?address"
        r"|where (?:do|should|can) i (?:send|report)|\bpoint\b",
    ),
    (frozenset({"phone"}), r"전화\s?번호|연락처|내선|phone number|extension\b|pager"),
    (frozenset({"command"}), r"명령|무슨 스크립트|\bcommand\b|what do i run|which script"),
    (
        frozenset({"tier"}),
        r"(?:어느|어떤|무슨|몇)\s?(?:상품|요금제|플랜|등급|버전|단계)|뭘\s?(?:골라|써야|사야|선택)|요금제부터|상품부터"
        r"|which (?:\w+ )?(?:plan|package|tier|product|version|edition|php)|(?:smallest|cheapest|lowest) (?:plan|package|tier|product)",
    ),
    (frozenset({"person"}), r"누구(?!나)|누가|누굴|\bwho (?:signs?|do|must|has|is|can|should|decides|approves|may)\b|\bwhom\b"),
    (frozenset({"place"}), r"어디|어느\s?(?:도시|나라|지역|곳)|장소|위치|\A(?:so )?where\b|[.,] where\b|which (?:city|country|place)|\bfrom where\b"),
    (
        frozenset({"meaning"}),
        r"what (?:is|are) an? |what's an? |what does .{1,40} (?:do|mean)\b|what do .{1,40} (?:do|mean)\b"
        r"|(?:이|가|란|이란)\s?(?:뭐|무엇)|무슨 뜻|뜻이\s?(?:뭐|무엇)",
    ),
    (frozenset({"reason"}), r"(?<![가-힣])왜(?![가-힣])|이유|원인|\bwhy\b|reason for|to blame"),
)
_ANY_NUMBER = re.compile(r"얼마|몇|며칠|번호|how (?:much|many|long|often|fast|soon|big|far)|number of|\blimit\b|\bversion|버전|which php")
_KOREAN_VERDICT = re.compile(r"(?:나요|까요|가요|을까|되죠|있죠|돼요|되요|어요|아요|예요|죠|지|돼|되나|하나|니|ㅂ니까|습니까|는데)\s*\??\s*\Z")
_OPEN = re.compile(r"얼마|며칠|몇|언제|어디|누구|누가|누굴|무엇|뭐|뭘|뭔|무슨|어느|어떤|어떻게|어떡|왜")
_ENGLISH_VERDICT = re.compile(
    r"\A(?:and |but |so |or |then )?(?:can|could|may|must|do|does|did|is|are|am|will|would|should|has|have|any)\b"
    r"|, (?:and )?(?:can|could|may|do|does|will|is|are) "
)

_HAS: dict[Kind, str] = {
    "money": r"\d[\d,.]*\s?(?:만\s?|천\s?|억\s?)*원|(?:krw|usd|[$₩€£])\s?\d|\d\s?(?:won|dollars?|krw|usd|달러)\b|무료"
    r"|수수료(?:는|가|도)?\s?(?:없|받지)"
    r"|\bfree\b|\bno (?:\w+ ){0,2}(?:fee|charge)|costs? nothing",
    "duration": r"\d\s?(?:~\s?\d+\s?)?(?:여\s?)?(?:영업일|초|분|시간|일|주|주일|개월|달|년)(?!\s?\d*\s?(?:월|조|대\b))"
    r"|영업일|하루|이틀|사흘|일주일|한\s?달|즉시|다음\s?(?:날|영업일|달)|갱신일"
    r"|\d[- ]?(?:business |working |calendar )?(?:seconds?|minutes?|hours?|days?|weeks?|months?|years?)\b"
    r"|\b(?:immediately|at once|the same day|renewal date)\b",
    "date": r"\d{4}\s?년|\d{1,2}\s?월\s?\d{1,2}\s?일|\d{4}-\d\d-\d\d|\b\d{1,2} (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b"
    r"|\b(?:january|february|march|april|june|july|august|september|october|november|december) \d|\b[12]\d{3}\b|세기|\d\s?일|\d월"
    r"|[월화수목금토일]요일|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day",
    "time": r"\d{1,2}:\d\d|(?:오전|오후|새벽|밤)\s?\d|\d{1,2}\s?시(?!간)|\b\d{1,2}\s?[ap]\.?m\b|\b(?:kst|utc)\b",
    "count": r"\d\s?(?:여\s?)?(?:개|명|번|회|통|대|곳|자|글자|칸|점|인|편|권|위|차|세|살|마리|가지)(?!\d)|[하두세네]\s?(?:개|명|번|곳)"
    r"|무제한|\bunlimited\b"
    r"|(?:up to|at most|maximum|:)\s?\d|\b\d[\d,]*\s(?!day|hour|minute|month|year|second|week|gb|mb|kb|tb)[a-z]{3,}",
    "size": r"\d\s?(?:[kmgt]i?b|[kmgt]i\b|bytes?\b|gbps|mbps|바이트|기가|메가|비트|vcpu|m\b|g\b)",
    "percent": r"\d\s?(?:%|퍼센트|프로\b)|\bpercent",
    "port": r"(?:포트|\bports?\b)\D{0,24}\d{2,5}|\d{2,5}\s?번|\b\d{2,5}\b",
    "host": r"[a-z0-9_-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}\b|\d{1,3}(?:\.\d{1,3}){3}|`[^`]+`",
    "phone": r"\d{2,4}-\d{3,4}|내선\s?\d|extension \d",
    "command": r"`[^`]+`",
    "tier": r"부터|(?:요금제|상품|등급|버전|plan|product|package|version): |(?:새|기본) (?:버전|값)|\b(?:the|every|all) (?:\w+ )?plans?\b"
    r"|upwards|기본|default",
    "person": r"팀장|부장|담당자|책임자|대표|이사|당직|위원|관리자|조장|manager|\bleads?\b|\bhead\b|engineer|officer|director|on duty|administrator",
    "place": r"센터|[가-힣](?:시|도|군|구|동|국|주)(?:에|의|로|와|,|\s)|지역|에\s?(?:두|둡|보관|저장|있|위치|넣)|보관소|로 (?:돌|옮|보)|어디"
    r"|\bcent(?:er|re)\b|\bin [a-z]+|located|stored|kept",
    "meaning": r"\b(?:is|are) (?:an?|the|used|one)\b|\ballows?\b|\bmeans?\b|\blets you\b|\bread as\b"
    r"|이란|란\s|뜻|의미|말합니다|(?:입니다|이다)\.?\Z|기능|방식",
    "reason": r"\bas (?:it|they|this|that|there|you)\b|때문|이므로|므로|해서|라서|니까|뜻|원인|이유"
    r"|\bbecause|\bsince\b|reason|\bmeans?\b|\bcauses?\b|\bso that\b|\bif\b",
    "number": r"\d",
    "verdict": r"수\s?(?:있|없|도)|가능|불가|않(?:습|는|아|고|으)|안\s?됩|아닙|됩니다|금지|허용|필요|없습니다|없이|만\s"
    r"|\bcan(?:not)?\b|\bcan't\b|\bnot\b|\bno\b|\bmay\b|\bmust\b|\bonly\b|\bnever\b|\ballow|\bfree\b|\brefus|\bincluded\b|\bavailable\b",
}
_ASK_PATTERNS = tuple((kinds, re.compile(pattern)) for kinds, pattern in _ASKS)
_HAS_PATTERNS = {kind: re.compile(pattern) for kind, pattern in _HAS.items()}
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def kinds_wanted(question: str) -> Wanted:
    """What would answer a question; empty when its words do not tell."""
    lowered = question.lower().strip()
    wanted = [kinds for kinds, pattern in _ASK_PATTERNS if pattern.search(lowered)]
    narrow = {kind for kinds in wanted if len(kinds) == 1 for kind in kinds}
    wanted = [kinds for kinds in wanted if len(kinds) == 1 or not kinds & narrow]
    if not wanted and _ANY_NUMBER.search(lowered):
        wanted = [frozenset({"number"})]
    return tuple(dict.fromkeys(wanted))


def wants_verdict(question: str) -> bool:
    """Whether a sentence of the question can be answered by yes or no."""
    return any(
        _ENGLISH_VERDICT.search(part) is not None or (_OPEN.search(part) is None and _KOREAN_VERDICT.search(part) is not None)
        for part in _SENTENCE_END.split(question.lower().strip())
    )


def has_kind(text: str, kind: Kind) -> bool:
    """Whether a text, in lower case, holds a thing of a kind."""
    return _HAS_PATTERNS[kind].search(text) is not None
