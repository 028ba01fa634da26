"""Words that are known: what tells a decoding that says something from one that does not.

The lists are written for this project: the commonest words of both languages, and those that attacks and secrets are made of.
"""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


COMMON = frozenset(
    _words("""
    about above after again all also and any are ask because been before below between but can come could day did does down each even every
    find first for from get give good had has have her here him his how into its just know like look made make many may more most much must
    need never new not now off one only other our out over own people please put said same see she should show some such take tell than
    that the their them then there these they thing this those time two under until upon use very want was way well were what when where
    which while who why will with work would write year yes you your
    """)
)
"""The commonest English words of three letters and more."""

TELLING = frozenset(
    _words("""
    access account act action activate address admin administrator agent allow always answer anything apply assistant attack authorise
    authorize bank base behave behaviour behavior bomb break build bypass call card change character chat code command complete
    confidential configuration content context continue control conversation copy create credential credentials crime danger dangerous data
    database debug decode default delete describe detail developer dirty disable disclose disregard document drug drop dump during email
    enable encode end enter everything evil example except execute explain explosive export extract fake false file filter follow forget
    free fraud full function general generate guard guardrail guide guideline hack hacker harm harmful hate hidden hide human identity
    idiot ignore illegal image immediately important include information inject injection input inside instead instruct instruction
    instructions internal jailbreak keep kill key language last leak lie limit line link list load locate login loot lose machine malicious
    malware manual meaning memory message method mode model money murder name network next nobody nothing number obey open operate
    operation opposite option order original output override paragraph part pass passcode passphrase passport password paste path pay
    payment perform permission person phishing phone play point poison policy porn post pretend previous print prior privacy private
    privilege problem process program prompt prompts protect protocol public question quote racist ransom read real recipe refuse release
    remember remove repeat replace reply report request require reset respond response restrict restriction result return reveal role root
    rule run safe safety save say script search secret secrets secure security self send sentence server sex shell should sign simulate
    simulation source speak special specific start state steal step stop story string stupid submit suicide summary switch system target
    task terminal test text think token tool topic train translate true trust truth type unfiltered unlimited unlock unrestricted update
    upload user value verbatim violence virus warning weapon website within without word world fuck fucking shit bitch bastard asshole
    whore slut nigger faggot retard cunt dick pussy rape cocaine heroin meth viagra casino porno hello
    """)
)
"""English words that attacks, abuse and requests for secrets are made of."""

ENGLISH = COMMON | TELLING

KOREAN = _words("""
    안녕 감사 무시 지시 명령 이전 규칙 시스템 프롬프트 비밀 비밀번호 암호 출력 공개 알려 말해 보여 설명 번역 반복 역할 개발자 관리자 관리
    모드 제한 해제 우회 탈옥 대답 답변 질문 내용 문장 정보 개인정보 주민 번호 계좌 카드 전화 이름 주소 회사 은행 송금 결제 폭탄 마약 자살
    살인 해킹 공격 무기 도박 성인 섹스 바보 병신 시발 씨발 새끼 미친 죽여 죽어 사람 지금 모든 모두 전부 그대로 원래 처음 다음 이제 하지
    해줘 하세요 합니다 입니다 있는 없는 그리고 하지만 당신 너는 나는 우리 한국 한글 영어 사용 사용자 데이터 파일 코드 실행 삭제 접근 권한
    설정 정책 안전 보안 내부 숨겨 가르쳐 만들어 방법 제조 잊어 따르 따라 요청 문서 작성 테스트
    """)
"""Korean words and beginnings of words."""

_ENDINGS = ("s", "es", "ed", "d", "ing", "er", "r", "ly", "ion", "ions", "ment", "ive", "ful")


_INFLECTED = ENGLISH | {stem + ending for word in ENGLISH for stem in {word, word.removesuffix("e")} for ending in _ENDINGS}


def is_english(word: str) -> bool:
    """Whether a word in lower case is known, with a usual ending or without."""
    return word in _INFLECTED
