"""Abuse in Korean and English: profanity, hate, harassment, threats, sexual content, words that a tenant bans; and self-harm, which asks for help.

Expressions are looked for in the squeezed view, so that signs and spaces between letters do not hide them; `_stands_alone` then looks at the text
as it was given, so that words are not found across or inside other words. Idioms that only sound like violence or self-harm are left
alone. Linear models
for either language judge what no list holds.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal, TypeAlias

from ondol.infrastructure.guard.checks.base import PatternCheck, ViewName
from ondol.infrastructure.guard.linear import LinearModels
from ondol.infrastructure.guard.patterns import Match, Pattern
from ondol.infrastructure.guard.text import GuardText
from ondol.infrastructure.guard.types import WHOLE_TEXT, Finding

BANNED_WORDS_MAX = 2_000
BANNED_CHARACTERS_MAX = 64
AROUND_CHARACTERS = 48
"""How far around a match idioms and denials are looked for, in characters of the squeezed view."""
REACH_WITHOUT_MODELS = 256
"""Characters; lists alone look no further than this."""
DENIED = 0.5
"""What is left of the confidence of hate that is quoted to be contradicted."""

Edge: TypeAlias = Literal["word", "start", "free"]


@dataclass(frozen=True, slots=True)
class Expression:
    """Something that abuse says.

    Attributes:
        rule: below ``abuse``.
        letters: an expression over letters and digits alone, in lower case.
        edge: whether it must be words of its own, only begin one (Korean, where endings follow), or may stand anywhere.
        unless: what around it, in the squeezed view, makes it harmless; the match stands in it as ``@``.
        needs: what must be around it.
    """

    rule: str
    entity: str
    letters: str
    confidence: float
    edge: Edge
    unless: str = ""
    needs: str = ""


_GROUPS = (
    r"(?:women|woman|girls|gays?|gaypeople|lesbians?|trans(?:people|women|men)?|muslims?|jews?|jewish(?:people)?"
    r"|christians|blacks?|blackpeople|asians|mexicans|arabs|immigrants|refugees|foreigners|disabled(?:people)?"
    r"|gypsies)"
)
_GROUPS_KO = (
    r"(?:여자|여성|남자|동성애자|게이|트랜스젠더|조선족|중국인|일본인|외국인|흑인|장애인|난민|이민자|무슬림|유대인|전라도|경상도|노인|외노자)"
)
_FIRST_PERSON_KO = r"(?:나|난|내|저|제|싶|할래|할거|하려|할까|생각|방법|고민|힘들|그냥|차라리|오늘|이제)"
_LAUGHING = r"웃|배고|배불|졸려|귀여|더워|추워|부끄|쪽팔|맛있|좋아서|심심|힘들어죽겠"

EXPRESSIONS: tuple[Expression, ...] = (
    # Self-harm
    Expression(
        "self_harm",
        "SELF_HARM",
        r"(죽고싶|죽어버리고싶|죽어버릴까|죽는게낫|죽는게나을)",
        0.85,
        "free",
        unless=rf"(?:{_LAUGHING}).{{0,6}}@|@.{{0,6}}(?:을만큼|정도로(?:웃|좋|맛))",
    ),
    Expression(
        "self_harm",
        "SELF_HARM",
        r"(자살|자해)",
        0.7,
        "free",
        unless=r"@(?:골|예방|률|방지|테러|폭탄|공격|특공|소식|보도|통계|사건|상담교육|행위라는)|논문.{0,20}@|소설.{0,20}@",
        needs=_FIRST_PERSON_KO,
    ),
    Expression(
        "self_harm",
        "SELF_HARM",
        r"(목숨을끊|목을매고싶|목매달|손목을그|손목그었|살기싫|살고싶지않|사라지고싶|사라져버리고싶|없어지고싶"
        r"|뛰어내리고싶|뛰어내릴까|극단적(인)?선택을?(하고|할|생각)|세상을떠나고싶|더이상살(고싶지|이유)|살이유가없"
        r"|번개탄피|유서를?(쓰|썼|남기)|수면제를?(많이|다|잔뜩|한꺼번에)먹)",
        0.8,
        "free",
        unless=r"@.{0,12}(?:화장실|집에서만)",
    ),
    Expression(
        "self_harm",
        "SELF_HARM",
        r"(killmyself|endmylife|endmyownlife|takemyownlife|endingmylife|hangmyself|cutmyself|cuttingmyself|hurtmyself"
        r"|hurtingmyself|harmmyself|harmingmyself|shootmyself|drownmyself)",
        0.85,
        "word",
        unless=r"@(?:laughing|shaving|cooking|whilecooking|chopping|atthegym|withwork|onthepaper|byaccident|accidentally"
        r"|slicing)|accidentally@|almost@laughing|(?:avoid|not|without)(?:to)?@",
    ),
    Expression(
        "self_harm",
        "SELF_HARM",
        r"(iwanttodie|iwannadie|wishiweredead|wishiwasdead|betteroffdead|dontwanttolive|donotwanttolive|noreasontolive"
        r"|nothingtolivefor|dontwanttobealive|dontwanttobehereanymore|donotwanttobealive|suicidalthoughts"
        r"|feelingsuicidal|iamsuicidal|imsuicidal|committingsuicide|commitsuicide|thinkingaboutsuicide|planmysuicide"
        r"|wanttodisappearforever)",
        0.8,
        "word",
        unless=r"@(?:laughing|oflaughter|ofembarrassment|inthisgame|insuburb|in(?:acity|thecity|the))|prevent.{0,20}@"
        r"|characters?.{0,20}@|(?:who|they|people|him|her)@",
    ),
    Expression("self_harm", "SELF_HARM", r"(ㅈㄱㅅㄷ|ㅈㄱㅅㅇ)", 0.55, "word"),
    # Threats
    Expression(
        "violence",
        "VIOLENCE",
        r"(i|we)(will|wanna|wantto|amgoingto|mgoingto|mgonna|ll|shall|should)(kill|murder|stab|shoot|strangle|behead"
        r"|hurt|beatup|rape)(you|him|her|them|myboss|myex|mywife|myhusband|mysister|mybrother|myneighbou?r|yourfamily"
        r"|everyone|those)",
        0.75,
        "word",
        unless=r"@(?:self|inchess|inthegame|ingame|withkindness|atchess)",
    ),
    Expression(
        "violence",
        "VIOLENCE",
        r"(shootupthe(school|office|mall|church)|bombthe(school|office|building|station)|deservetodie|shouldbe(killed"
        r"|shot|hanged|exterminated|gassed|wipedout)|burnthemalive|kickyourhead)",
        0.75,
        "word",
        unless=r"process@|cells?@",
    ),
    Expression(
        "violence",
        "VIOLENCE",
        r"(죽여버(리|릴|려|린)|죽여줄게|죽일거|죽일꺼|죽이겠|찔러죽|때려죽|패죽|찢어죽|쏴죽|칼로찌|칼로찔|칼부림|불질러버"
        r"|폭파하겠|폭파시키겠|가만안둔다|담가버)",
        0.7,
        "free",
        unless=r"(?:프로세스|포트|서버|작업|바퀴|모기|벌레|잡초|세균|게임|좀비|보스|캐릭터|박테리아).{0,8}@|@.{0,4}(?:는맛|주는맛)",
    ),
    Expression(
        "violence",
        "VIOLENCE",
        r"(죽어야(한다|해|돼|됨)|뒤져라|뒤져야|죽어라|총살|몰살)",
        0.6,
        "free",
        unless=r"(?:세균|바이러스|세포|벌레|모기).{0,8}@|@(?:공부|하고|열심|일하|노력|뛰|연습|달)",
    ),
    # Hate
    Expression(
        "hate",
        "HATE",
        r"(한남충|맘충|틀딱|급식충|김치녀|된장녀|짱깨|쪽바리|쪽발이|깜둥이|똥꼬충|홍어새끼|페미(년|충)|메갈년|외퀴|똥남아"
        r"|조센징|병신장애|애자새끼|개독|이슬람충|난민충|설거지론|퐁퐁남|보슬아치|씹선비)",
        0.75,
        "free",
        unless=r"(?:이라는|라는)?@(?:이라는|라는)(?:말|표현|단어|욕)",
    ),
    Expression(
        "hate",
        "HATE",
        rf"{_GROUPS_KO}(들)?(은|는|이|가)?(다|모두|전부|죄다|그냥)?(벌레|쓰레기|기생충|역겹|역겨|더럽|더러워|추방|사라져야"
        rf"|사라져|없어져야|없애|혐오스럽|미개|열등|짐승|꺼져|죽어|싫어죽|믿을수없|냄새)",
        0.65,
        "free",
        unless=r"@.{0,14}(?:라고하면안|라는말은|차별|편견|말하지마|라는편견|고정관념)|(?:차별|편견|혐오표현).{0,20}@",
    ),
    Expression(
        "hate",
        "HATE",
        rf"((i|we)(really|fucking|absolutely|do|just)?(hate|despise|loathe|cantstand|detest)(all|these|those|the)?{_GROUPS})",
        0.7,
        "word",
        unless=r"(?:wrong|never|dont|not).{0,6}say.{0,16}@|@(?:is|are)(?:not|wrong)|why.{0,10}say.{0,8}@",
    ),
    Expression(
        "hate",
        "HATE",
        rf"({_GROUPS}(are|is)(all|just|nothingbut|only|literally|basically|like|such|so|the|worthless|a){{0,3}}(vermin"
        rf"|scum|parasites?|subhuman|animals|trash|garbage|filth|filthy|disgusting|worthless|inferior|pigs?|rats?"
        rf"|cockroach(es)?|cancer|disease|plague|stupid|evil|savages?|primitive|criminals|terrorists|repulsive|dumb"
        rf"|ugly))",
        0.7,
        "word",
        unless=r"(?:wrong|never|nobody|noone|false|not|dont|youcant).{0,12}(?:say|said|saying|claim|that|call).{0,16}@"
        r"|@.{0,4}(?:isfalse|isnottrue|iswrong)",
    ),
    Expression(
        "hate",
        "HATE",
        r"(faggots?|niggers?|niggas?|kikes?|spics?|chinks?|wetbacks?|trannies|tranny|gooks?|ragheads?|sandniggers?"
        r"|dykes?|retards?|retarded|cunts?|bitches|whores?|sluts?)",
        0.6,
        "word",
        unless=r"(?:the)?word.{0,4}@|@(?:intime|inthearmou?r|inthearmor|inhisarmou?r|anda?span)|spic@|firere@|flame@|@(?:growth|effect)",
    ),
    # Harassment
    Expression(
        "harassment",
        "HARASSMENT",
        r"(youare|youre|ur|yousuch)(a|an|such|suchan|sucha|the|all|just|so|nothingbuta?|fucking|afucking|acomplete"
        r"|atotal){0,2}(idiot|moron|loser|imbecile|pig|scum|bitch|worthless|pathetic|disgusting|stupid|dumbass|asshole"
        r"|pieceofshit|trash|garbage|cunt|bastard|wasteofspace|useless)",
        0.6,
        "word",
        unless=r"(?:not|say|said|saying)@",
    ),
    Expression(
        "harassment",
        "HARASSMENT",
        r"(killyourself|kys|goandie|godie|gotohell|shutthefuckup|stfu|dropdead|nobodylikesyou|noonelovesyou|everyonehatesyou)",
        0.7,
        "word",
        unless=r"dont@",
    ),
    Expression(
        "harassment",
        "HARASSMENT",
        r"(닥쳐|닥치고|꺼져라|꺼져버려|나가죽|나가뒤|뒈져|뒤질래|죽을래|죽고싶냐|한심한(새끼|놈|년)|찌질(이|한놈|한새끼)"
        r"|쓰레기같은(놈|년|새끼|인간)|인간쓰레기|너같은(놈|년|새끼|게|건)|네까짓|느금마|니애미|니애비|니미|에미없|엠창"
        r"|관종|못생긴(놈|년|게)|기생충같은)",
        0.6,
        "free",
        unless=r"(?:불|전원|화면|조명).{0,3}@|문(?:을)?@",
    ),
    # Sexual
    Expression(
        "sexual",
        "SEXUAL",
        r"(야동|야설|섹스하자|섹파|따먹(고|었|을|자)|몸캠|벗은사진|노출사진보내|가슴사진|음란(물|사진|채팅)을?(보내|만들"
        r"|써|줘)|조건만남|자위(하는|영상|행위를)|야한(소설|사진|얘기|이야기|영상))",
        0.6,
        "free",
        unless=r"@.{0,10}(?:예방|차단|신고|피해|삭제요청|중독|처벌)",
    ),
    Expression(
        "sexual",
        "SEXUAL",
        r"(sendnudes|sendmenudes|pornhub|hardcoreporn|blowjobs?|handjobs?|gangbang|deepthroat|cumshot|eroticstory"
        r"|explicitsexscene|sexwithaminor|childporn|nakedpictures?of|nudesof|sextwithme)",
        0.65,
        "word",
        unless=r"(?:report|block|victim|against|prevent).{0,20}@",
    ),
    Expression("sexual", "SEXUAL", r"(강간(하고|해|할|하자)|성폭행(하고|할))", 0.7, "free", unless=r"@.{0,10}(?:처벌|형량|신고|피해)"),
    # Profanity
    Expression(
        "profanity",
        "PROFANITY",
        r"(씨발|씨팔|씨빨|씨바알|쓰발|씹새|씹할|씹년|개씨|좆|좇같|존나|졸라짱나|병신|븅신|빙신같|지랄|염병|육갑|개새끼"
        r"|개색기|개색끼|개쉐|개년|썅|호로새끼|후레자식|엿먹어|엿이나먹|좆까|미친놈|미친년|미친새끼|또라이새끼|새끼야"
        r"|새끼들|이새끼|저새끼|그새끼|개소리|개같은|개저씨|십새끼|씌발|ㅆㅂ|ㅅㅂ|ㅂㅅ|ㅄ|ㅈㄹ|ㅈㄴ|ㄱㅅㄲ|ㅆㄲ|ㄷㅊㄹ)",
        0.6,
        "free",
        unless=r"손@|@(?:손가락|발가락|강아지|고양이|돼지|양|사자|곰)|(?:강아지|고양이|돼지|호랑이|사자|소|말|곰|토끼|오리|여우|물개).{0,2}@",
    ),
    Expression("profanity", "PROFANITY", r"시발", 0.55, "start", unless=r"@(?:점|역|택시|자동차|탄|이되|표)"),
    Expression(
        "profanity",
        "PROFANITY",
        r"(fuck|fucks|fucked|fucker|fuckers|fucking|fuckin|motherfuckers?|motherfucking|shit|shits|shitty|bullshit|bitch"
        r"|bastards?|assholes?|dickheads?|wankers?|twats?|douchebags?|pricks?|jackass|dumbfuck|wtf|stupidass)",
        0.55,
        "word",
        unless=r"@(?:mushroom)|shih@",
    ),
)

LANGUAGE_CHARACTERS = 400
"""The beginning of a text, by which the model of its language is chosen."""


class AbuseCheck(PatternCheck):
    """Finds abuse and self-harm.

    Confidence is the expression's; a model's is one half at five per cent of false alarms on its calibration texts.

    Args:
        banned: words or phrases that a tenant does not want, found through spacing and look-alikes.
        models: by default those that come with the guard; None together with `uses_models` False leaves lists alone, which streams sooner.

    Raises:
        ValueError: when there are too many banned words, or one has fewer than two letters or digits or too many.
    """

    name = "abuse"
    is_pure = True
    view: ViewName = "squeezed"

    def __init__(self, banned: Sequence[str] = (), models: LinearModels | None = None, *, uses_models: bool = True) -> None:
        if len(banned) > BANNED_WORDS_MAX:
            raise ValueError(f"there are more than {BANNED_WORDS_MAX:,} banned words")
        words = [GuardText(word).squeezed.text for word in banned]
        if any(not 2 <= len(word) <= BANNED_CHARACTERS_MAX for word in words):
            raise ValueError(f"a banned word has fewer than 2 or more than {BANNED_CHARACTERS_MAX} letters and digits")
        self._banned = tuple(
            Expression("banned", "BANNED_WORD", re.escape(word), 0.95, "word" if word.isascii() else "free") for word in dict.fromkeys(words)
        )
        self._expressions = EXPRESSIONS + self._banned
        self.patterns: Sequence[Pattern] = tuple(Pattern(item.letters) for item in self._expressions)
        self.models = (models if models is not None else LinearModels.packaged()) if uses_models else None
        self.reach: int | None = WHOLE_TEXT if uses_models else REACH_WITHOUT_MODELS

    @cached_property
    def false_alarm_rates(self) -> tuple[tuple[float, float], ...]:
        """Rates of false alarms of the Korean model on calibration texts, each with the confidence that gives it."""
        return self.models.false_alarm_rates("abuse_ko") if self.models is not None else ()

    def confirm(self, text: GuardText, matches: Sequence[Match]) -> Sequence[Finding]:
        """Findings of lists and models."""
        squeezed = text.squeezed
        findings = []
        for match in matches:
            expression = self._expressions[match.pattern]
            start, end = squeezed.span(match.start, match.end)
            if not _stands_alone(text.original, start, end, expression.edge, match.end - match.start):
                continue
            around = _around(squeezed.text, match)
            if expression.needs and not _compiled(expression.needs).search(around):
                continue
            confidence = expression.confidence
            if expression.unless and _compiled(expression.unless).search(around):
                if expression.rule != "hate":
                    continue
                confidence *= DENIED
            findings.append(Finding(self.name, f"abuse.{expression.rule}", start, end, confidence, "expression", expression.entity))
        if self.models is not None:
            findings += self._by_model(text, self.models)
        return sorted(findings, key=lambda item: (item.start, item.end, item.rule)) if len(findings) > 1 else findings

    def _by_model(self, text: GuardText, models: LinearModels) -> list[Finding]:
        folded = text.folded
        is_korean = not folded.text.isascii() and _HANGUL.search(folded.text, 0, LANGUAGE_CHARACTERS) is not None
        name = "abuse_ko" if is_korean else "abuse_en"
        if models.is_silent(text, name):
            return []
        score = models.scores_of(text)[name]
        if score.confidence < 0.5:
            return []
        start, end = folded.span(score.start, score.end)
        return [Finding(self.name, "abuse.model", start, end, score.confidence, "model", "ABUSE")]


_HANGUL = re.compile("[가-힣ㄱ-ㅣ]")


@lru_cache(maxsize=256)
def _compiled(expression: str) -> re.Pattern[str]:
    return re.compile(expression)


def _around(squeezed: str, match: Match) -> str:
    return f"{squeezed[max(match.start - AROUND_CHARACTERS, 0) : match.start]}@{squeezed[match.end : match.end + AROUND_CHARACTERS]}"


def _stands_alone(original: str, start: int, end: int, edge: Edge, letters: int) -> bool:
    """Whether a match is its own word or words, rather than the end of one and the beginning of the next.

    Letters that are all set apart (``s t u p i d``) count as one word.
    """
    before = original[start - 1 : start]
    after = original[end : end + 1]
    inside = original[start:end]
    gaps = len(inside.split()) - 1
    if edge == "word":
        if _is_letter(before) or _is_letter(after):
            return False
        return gaps == 0 or gaps >= letters - 1 or letters > 6
    if gaps and letters <= 6 and gaps >= letters - 1:
        return not _is_letter(before)
    if edge == "start":
        return gaps == 0 and (not _is_letter(before) or before in "아이개야와하에진")
    return gaps == 0 or letters > 3 or not _is_letter(before)


def _is_letter(char: str) -> bool:
    return char.isalpha()
