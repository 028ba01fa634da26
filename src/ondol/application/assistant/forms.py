"""The form of a question beyond its words, and of the sentences that answer it.

What happens when something fails is told by a sentence with "when" or "if" and those words behind it; how much at most, by one with "at most"
or "cannot exceed"; how two things differ, by one that sets them against each other, or by one about each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ondol.application.assistant.definition import is_thing, subject_of
from ondol.application.assistant.doing import counted_by, verb_of
from ondol.application.assistant.listing import Listed, listed_by

CONSEQUENCE_CHARACTERS_MIN = 8
"""A sentence that is nothing but a condition says nothing."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a question asks for by its form.

    Attributes:
        subjects: the thing, or the two things, that it asks about.
        compares: whether it asks how those differ.
        conditional: whether it asks what happens under a condition.
        shapes: what answering sentences hold, each a pattern for text in lower case.
        heading: what the heading above an answer says, in lower case.
        defines: whether it asks what the subject is or does.
        verb: what it asks that the subject does, a pattern for text in lower case.
        listed: the things that it wants listed.
        counted: of what it asks how many there may be, see `doing.counted_by`.
        instructs: whether it asks how something is done.
    """

    subjects: tuple[str, ...] = ()
    defines: bool = False
    heading: re.Pattern[str] | None = None
    compares: bool = False
    conditional: bool = False
    shapes: tuple[re.Pattern[str], ...] = ()
    verb: re.Pattern[str] | None = None
    listed: Listed | None = None
    counted: str | None = None
    instructs: bool = False


_THING = r"(?:an?\s+|the\s+)?"
_DIFFERENCE = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\bdifferences?\s+between\s+{_THING}(?P<one>[^?,]+?)\s+and\s+{_THING}(?P<other>[^?,]+?)(?:\s+in\s+[\w-]+)?\s*[?.]*$",
        rf"^how\s+(?:does|do|is|are)\s+{_THING}(?P<one>[^?,]+?)\s+(?:differ(?:ent)?|distinct)\s+from\s+{_THING}(?P<other>[^?,]+?)\s*[?.]*$",
        r"^(?P<one>\S+(?:\s\S+)?)(?:와|과|이랑|랑|하고)\s+(?P<other>\S+?(?:\s\S+?)?)(?:의|은|는|이|가)?\s*"
        r"(?:차이(?:점)?|다른\s?점|어떻게\s(?:다르|다른)|뭐가\s(?:다르|다른)|무엇이\s(?:다르|다른)|다른가)",
    )
)
_CONDITIONAL = re.compile(
    r"\bwhat\s+(?:happens|happened|will\s+happen|would\s+happen|becomes)\b|\bwhat\s+if\b"
    r"|(?:면|을\s?때|할\s?때|경우(?:에)?(?:는)?)\s+(?:\S+\s+){0,3}?(?:어떻게\s(?:되|돼|될)|무슨\s일|무엇이\s(?:일어|발생)|어떤\s일|어찌\s되)",
    re.IGNORECASE,
)
_USE = re.compile(
    rf"^when\s+(?:should|do|would|can|must)\s+(?:i|we|you|one)\s+(?:use|choose|need|create|prefer)\s+{_THING}(?P<subject>[^?,]+?)\s*[?.]*$"
    rf"|^when\s+(?:is|are)\s+{_THING}(?P<needed>[^?,]+?)\s+(?:used|needed|useful|appropriate|recommended)\s*[?.]*$"
    r"|^(?P<thing>\S+?(?:\s\S+?)?)(?:은|는|을|를)\s+(?:언제|어떤\s(?:경우|때|상황)에?|어느\s때)\s*(?:사용|쓰|써|이용|필요)"
    r"|^(?:언제|어떤\s(?:경우|때|상황)에)\s+(?P<object>\S+?(?:\s\S+?)?)(?:을|를)\s+(?:사용|쓰|써|이용)",
    re.IGNORECASE,
)
_USED = (
    r"\b(?:use(?:d|ful)?|valuable|suit(?:ed|able)|intended|helpful|appropriate|recommended|need(?:ed)?|designed|consider)\b[^.]{0,60}\b(?:for|when|if|in|where|with|to|that)\b"
    r"|\b(?:if|when)\s+(?:you|your|an?)\b|유용|필요(?:한|할|하)|사용하도록|사용해야|사용하는\s?것이\s?좋|적합|적절|의도|위해\s|만들어졌|경우"
)
_USE_HEADING = r"\bwhen\b|\buse cases?\b|\busing\b|\bmotivation\b|\bwhy\b|\buses\b|언제|경우|사용 사례|용도|사용하기|필요한 이유|왜"
_CONTRAST = (
    r"\b(?:unlike|whereas|while|in contrast|by contrast|contrary|differs?|differen(?:t|ce|ces)|instead|but|rather than|as opposed to|compared)\b"
    r"|달리|반면|차이|다르|다른|비해|대신|하지만|그러나"
)
_HOW_TO = (
    r"^(?:how (?:do|can|should|would) (?:i|we|you|one)|how to)\b|어떻게\s*(?:하|해|설정|만들|바꾸|변경|사용|쓰|되돌|추가|생성|삭제|적용|지정|확인)"
    r"|(?:하려면|려면)|방법"
)
_INSTRUCTS = re.compile(_HOW_TO, re.IGNORECASE)
_SHAPES: tuple[tuple[re.Pattern[str], re.Pattern[str]], ...] = tuple(
    (re.compile(asks, re.IGNORECASE), re.compile(says))
    for asks, says in (
        (
            r"\bby default\b|\bdefaults?\b|기본(?!\s?요금|료)",
            r"\bdefaults?\s+(?:is|are|to|value|of|for)\b|\bby default\b|\(default\b|\bdefault\)|\bis the default\b|\bas (?:the )?default\b|\bdefault:"
            r"|\bdefaults?\b[^.]{0,40}\b\d|if (?:this |the )?[^.]{0,40}(?:not set|not specified|omitted|unset)"
            r"|기본값|기본적으로|기본으로|기본은|디폴트",
        ),
        (
            r"\b(?:maximum|max|most|largest|biggest|upper limit|how (?:large|big))\b|최대|상한|한도|까지",
            r"\b(?:at most|maximum|max|no more than|(?:can)?not exceed|no more|not (?:be )?(?:larger|longer|more|greater)|up to"
            r"|limit(?:ed|s)? (?:to|of)"
            r"|less than or equal)\b"
            r"|최대|넘을 수 없|넘지|초과할 수 없|초과하지|초과해서|이하|한도|까지|제한",
        ),
        (
            r"\b(?:minimum|min|least|smallest)\b|최소|적어도",
            r"\b(?:at least|minimum|min|or more|no less than|greater than or equal)\b|최소|이상|적어도",
        ),
        (
            r"\bhow (?:often|frequently)\b|얼마나 자주|주기|간격",
            r"\bevery\b|\beach\b|\bonce (?:an?|per|every)\b|\bper (?:second|minute|hour|day|week|month)\b|\binterval\b|\bhow often\b"
            r"|마다|주기|간격|\b매",
        ),
        (
            _HOW_TO,
            r"\byou can\b|\bto [a-z]+[^.]{0,80},|\bby [a-z]+ing\b|\bset(?:ting)?\b|\brun\b|\buse\b|`[^`]+`"
            r"|하려면|려면|수 있다|수 있습니다|하면 된다|면 됩니다|하세요|한다",
        ),
        (
            _HOW_TO,
            r"\bby\s+(?:[a-z]+ly\s+)?[a-z]+ing\b|\bset(?:ting|s)?\b[^.]{0,80}\bto\b|\b(?:us(?:e|ing)|run(?:ning)?)\b[^.]{0,40}(?:`|\bcommands?\b)"
            r"|^(?:[-*]\s+|\d+[.)]\s+)?to\s+[a-z]+[^.]{3,80},\s+(?:use|run|set|add|specify|create|edit|you)\b"
            r"|설정(?:하여|해|하면|하고|할 수)|(?:사용|이용|활용|실행|지정|추가|수정|편집)(?:하여|해서|하면|해|한다|하세요|합니다)|통해"
            r"|(?:하려면|려면)[^.]*(?:한다|하세요|합니다|된다)|명령(?:을|어)",
        ),
        (
            r"\b(?:used|useful|good|meant|intended|needed)\s+(?:for|to)\b|\bpurpose\b|\bwhat\s+for\b|(?:어디|무엇)에\s?(?:쓰|사용|이용|필요)|용도|목적",
            r"\bused\s+(?:for|to|by|as)\b|\buse[sd]?\b[^.]{0,60}\b(?:to|for|as)\b|\bin\s+order\s+to\b|\bpurpose\b|\bso\s+that\b"
            r"|\b(?:lets?|allows?|enables?|helps?)\b|위해|위한|용도|목적|(?:사용|이용)(?:하여|해|된|되|될|한|할)|쓰인|쓰이|도록",
        ),
        (
            r"\bwhy\b|(?<![가-힣])왜(?![가-힣])|이유",
            r"\bbecause\b|\bsince\b|\bas (?:it|this|they)\b|\bso that\b|\bdue to\b|\breason\b|때문|이므로|므로|위해|이유|도록",
        ),
    )
)  # fmt: skip
_CLAUSE = re.compile(
    r"\b(?:if|when|whenever|once|after|as soon as|in case|should)\b[^,;:]*"
    r"|[^,;]*?[가-힣](?:면|때|때는|때에는|경우|경우에|경우에는|시에|시에는)(?=[\s,])"
)


def form_of(question: str) -> Form:
    """The form of a question."""
    asked = " ".join(question.split())
    shapes = tuple(says for asks, says in _SHAPES if asks.search(asked))
    for pattern in _DIFFERENCE:
        match = pattern.search(asked)
        if match is not None and is_thing(match["one"]) and is_thing(match["other"]):
            return Form((match["one"], match["other"]), compares=True, defines=True, shapes=(re.compile(_CONTRAST),))
    use = _USE.search(asked)
    if use is not None:
        subject = next(group for group in use.groupdict().values() if group)
        return Form((subject,) if is_thing(subject) else (), shapes=(re.compile(_USED),), heading=re.compile(_USE_HEADING))
    if _CONDITIONAL.search(asked) is not None:
        return Form(conditional=True)
    listed = listed_by(asked)
    if listed is not None:
        return Form(listed=listed)
    subject_or_none = subject_of(asked)
    if subject_or_none is not None:
        return Form((subject_or_none,), defines=True, shapes=shapes, verb=verb_of(asked))
    return Form(shapes=shapes, counted=counted_by(asked), instructs=_INSTRUCTS.search(asked) is not None)


def conditions(text: str) -> Iterator[tuple[int, int]]:
    """The conditional clauses of a sentence in lower case, beside which enough is left to tell what follows from them."""
    for match in _CLAUSE.finditer(text):
        if len(text) - len(match[0]) >= CONSEQUENCE_CHARACTERS_MIN:
            yield match.span()
