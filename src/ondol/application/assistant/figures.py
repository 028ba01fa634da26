"""What kind of thing a question asks for, and where a text has things of that kind: amounts, periods, dates, sizes, addresses."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias, get_args

Kind: TypeAlias = Literal["money", "duration", "date", "time", "count", "size", "percent", "port", "host", "phone", "command",
    "tier", "person", "place", "procedure", "reason", "number", "verdict"]
"""`number` is any figure; `verdict` is a word that permits, forbids or denies."""

KINDS: tuple[Kind, ...] = get_args(Kind)

_ASKS: dict[Kind, str] = {
    "money": r"얼마(?!나\s?(?:걸|기다|오래|자주)|\s?(?:안|만|동안|뒤|후|전))|요금(?!제)|가격|비용|금액|이전비|\bcosts?\b|\bprices?\b|\bfees?\b|\bcharged?\b|\bowe\b|\bpay\b"
    r"|how much (?!ram|memory|space|disk|storage|traffic|warning|time|notice|data)|penalty|\bpaid\b",
    "duration": r"얼마나\s?(?:걸|기다|오래|자주)|얼마\s?(?:안|만|동안|뒤|후|전)|며칠|기간|언제까지|기한|유효|몇\s?(?:일|달|개월|시간|분|년|주|초)(?!\s?명)|까지\s?(?:살|남)|나중"
    r"|how (?:long|soon|fast|often|far back|quickly)|how many (?:\w+ )?(?:days|hours|minutes|weeks|months|years|seconds)|deadline|time limit|too late"
    r"|how much (?:warning|time|notice)|\bwhen (?:will|do|does|can|is|are)\b|다시 열|interval",
    "date": r"언제|며칠(?:까지|에)|몇\s?(?:년|월)|날짜|날은|연도|\bwhen\b|which date|what date|until which|what year|which year",
    "time": r"몇\s?시|시각|시간대|새벽|what time|which hours|what hours|between which|time of (?:day|night)|on the phone",
    "count": r"몇\s?(?:개|명|번|회|통|대|곳|자|글자|칸|점|인|편|권|위|차|세|살|마리)|개수|몇이|how many",
    "size": r"용량|몇\s?(?:기가|메가|바이트|gb|mb|테라)|크기|메모리|전송량|memory_limit|\bsize\b|how big|biggest|largest|\bram\b|how much (?:ram|memory|space|disk|storage|traffic|data)|\bquota\b",
    "percent": r"몇\s?(?:퍼센트|%|프로)|비율|얼마나\s?(?:떼|깎|할인)|what percent|percentage|discount",
    "port": r"포트|\bports?\b",
    "host": r"네임서버|호스트|서버\s?주소|도메인\s?주소|메일\s?주소|어디로\s?(?:보내|신고)|칸에|뭐라고 적|뭘로 바꿔|\bhost\b|\baddress\b|nameservers?|where (?:do|should|can) i (?:send|report)|selector|point\b",
    "phone": r"전화\s?번호|연락처|내선|phone number|extension\b|pager",
    "command": r"명령|스크립트|실행|\bcommand\b|what do i run|\brun\b",
    "tier": r"(?:어느|어떤|무슨|몇)\s?(?:상품|요금제|플랜|등급|버전|단계)|뭘\s?(?:골라|써야|사야|선택)|which (?:\w+ )?(?:plan|package|tier|product|version|edition|php)|(?:smallest|cheapest) (?:plan|package|tier|product)|요금제부터|상품부터",
    "person": r"누구|누가|누굴|인물|\bwho(?:m|se)?\b|책임자|결재",
    "place": r"어디|어느\s?(?:도시|나라|지역|곳)|장소|위치|\bwhere\b|which (?:city|country|place)",
    "procedure": r"어떻게|어떡|방법|뭐부터|무슨 순서|\bhow (?:do|can|should|would|to)\b|what (?:now|should|do i|can i)",
    "reason": r"(?<![가-힣])왜|이유|원인|때문|\bwhy\b|무슨 뜻|reason|to blame",
    "number": r"얼마|몇|며칠|번호|how (?:much|many|long|often|fast|soon|big|far)|number of|limit\b|\bversion|버전",
    "verdict": r"(?:나요|까요|가요|을까|ㄹ까|되죠|있죠|돼요|되요|어요|죠|지|돼|되나|괜찮은가)\s*\?|(?:있|되|하|가능|한|인)(?:나요|가요|ㄴ가요)\s*\Z|가능|(?:(?<=[.!?,] )|\A)(?:so )?(?:can|could|may|do|does|did|is|are|am|will|would|should|any way)\b|any chance",
}
_UNITS_KO = r"(?:여\s?)?"
_HAS: dict[Kind, str] = {
    "money": r"\d[\d,.]*\s?(?:만\s?|천\s?|억\s?)*원|(?:krw|usd|[$₩€£])\s?\d|\d\s?(?:won|dollars?|krw|usd|달러)\b|무료|수수료(?:는|가|도)?\s?(?:없|받지)|\bfree\b|\bno (?:\w+ )?(?:fee|charge)|costs? nothing",
    "duration": r"\d\s?(?:~\s?\d+\s?)?(?:여\s?)?(?:영업일|초|분|시간|일|주|주일|개월|달|년)(?!\s?\d*\s?(?:월|조|대\b))|영업일|하루|이틀|사흘|일주일|한\s?달|즉시|다음\s?(?:날|영업일|달)"
    r"|\d[- ]?(?:business |working |calendar )?(?:seconds?|minutes?|hours?|days?|weeks?|months?|years?)\b|\b(?:immediately|at once|the same day|renewal date)\b",
    "date": r"\d{4}\s?년|\d{1,2}\s?월\s?\d{1,2}\s?일|\d{4}-\d\d-\d\d|\b\d{1,2} (?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b|\b(?:january|february|march|april|june|july|august|september|october|november|december) \d"
    r"|\b[12]\d{3}\b|세기|\d\s?일|월요일|화요일|수요일|목요일|금요일|토요일|일요일|(?:mon|tues|wednes|thurs|fri|satur|sun)day",
    "time": r"\d{1,2}:\d\d|(?:오전|오후|새벽|밤)\s?\d|\d{1,2}\s?시(?!간)|\b\d{1,2}\s?[ap]\.?m\b|\b(?:kst|utc)\b",
    "count": r"\d\s?(?:여\s?)?(?:개|명|번|회|통|대|곳|자|글자|칸|점|인|편|권|위|차|세|살|마리|가지)(?!\d)|[하두세네]\s?(?:개|명|번|곳)|무제한|\bunlimited\b|(?:up to|at most|maximum|:)\s?\d|\b\d[\d,]*\s(?!day|hour|minute|month|year|second|week|gb|mb|kb|tb)[a-z]{3,}",
    "size": r"\d\s?(?:kb|mb|gb|tb|gbps|mbps|바이트|기가|메가|비트|vcpu|m\b|g\b)",
    "percent": r"\d\s?(?:%|퍼센트|프로\b)|\bpercent",
    "port": r"(?:포트|\bports?\b)\D{0,24}\d{2,5}|\d{2,5}\s?번(?:\s?포트)?|\b\d{2,5}\b",
    "host": r"[a-z0-9_-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}\b|\d{1,3}(?:\.\d{1,3}){3}|`[^`]+`",
    "phone": r"\d{2,4}-\d{3,4}|내선\s?\d|extension \d",
    "command": r"`[^`]+`",
    "tier": r"부터|이상|요금제|상품|등급|\bplans?\b|upwards|packages?\b|\bfrom the\b|버전|\bversion|기본",
    "person": r"팀장|부장|본부장|담당|책임|대표|이사|당직|위원|관리자|직원|고객이|[가-힣]{2,4}(?:은|는|이|가)\s|manager|\bleads?\b|\bhead\b|engineer|officer|\bteam\b|director|on duty|administrator|staff",
    "place": r"센터|[가-힣](?:시|도|군|구|동|국|주)(?:에|의|로|와|,|\s)|지역|에\s?(?:두|보관|저장|있|위치)|\bcent(?:er|re)\b|\bin [a-z]+|located|stored|kept",
    "procedure": r"하세요|하십시오|주세요|십시오|누릅니다|고릅니다|선택|클릭|요청|신청|\A\s?\d{1,2}\.|\A\s?(?:open|go to|click|choose|select|use|ask|contact|enter|change|set|remove|add|upload|turn)\b|\b(?:you can|please|click|select|choose|contact)\b",
    "reason": r"때문|이므로|므로|해서|라서|니까|뜻|원인|이유|\bbecause|\bsince\b|reason|\bmeans?\b|\bcauses?\b|\bso that\b|\bif\b",
    "number": r"\d",
    "verdict": r"수\s?(?:있|없|도)|가능|불가|않(?:습|는|아|고|으)|안\s?됩|아닙|됩니다|금지|허용|필요|없습니다|없이|만\s|\bcan(?:not)?\b|\bcan't\b|\bnot\b|\bno\b|\bmay\b|\bmust\b|\bonly\b|\bnever\b|\ballow|\bfree\b|\brefus",
}
_ASK_PATTERNS = {kind: re.compile(pattern) for kind, pattern in _ASKS.items()}
_HAS_PATTERNS = {kind: re.compile(pattern) for kind, pattern in _HAS.items()}


def kinds_asked(question: str) -> frozenset[Kind]:
    """The kinds of things that would answer a question; empty when its words do not tell."""
    lowered = question.lower()
    return frozenset(kind for kind, pattern in _ASK_PATTERNS.items() if pattern.search(lowered))


def has_kind(text: str, kind: Kind) -> bool:
    """Whether a text, in lower case, holds a thing of a kind."""
    return _HAS_PATTERNS[kind].search(text) is not None
