"""What the prompt firewall's rules look for: expressions over letters and digits alone, in lower case (see `injection.py` for how they are read)."""

from __future__ import annotations

from dataclasses import dataclass

_SOURCE = (
    r"(?:previous|prior|above|earlier|preceding|former|existing|original|initial|system|developer|given|current|past"
    r"|foregoing|your|youwere|youhave|youve"
    r"|before|openai|safety|ethical|content|이전|위에|위의|위지시|위명령|위규칙|앞의|앞에|앞서|앞선|지금까지|기존"
    r"|원래|상위|시스템|개발자|개발사|관리자|여태|그전|아까"
    r"|너에게|너한테|네가|니가|당신의|당신에게|주어진|받은|학습된|정해준|걸린|걸어둔|모든|안전)"
)
_ORDERS = (
    r"(?:instruction|direction|prompt|rules|guideline|command|orders|directive|constraint|polic(?:y|ies)|restriction"
    r"|programming|guidance|training|safeguard"
    r"|지시|지침|명령|프롬프트|규칙|가이드라인|원칙|안내문|윤리|제약|규정|제한|정책|설정)"
)
_ORDERS_STRONG = r"(?:지시|지침|명령(?!어)|프롬프트|규칙|가이드라인|원칙|안내문|윤리|안전규정|제약조건|instruction|prompt|rules|guideline|command)"
_FREE = (
    r"(?:actas|pretend(?:tobe|youare|that)|youarenow|youwill|youmust|youhaveno|youshall|youare(?:going|about|free"
    r"|not|an?|the)|yourea?n?|fromnowon|respondas|answeras|incharacter|simulat|yournameis|immerse"
    r"|너는|넌|당신은|네가|너에게|이제부터|지금부터|앞으로|역할|연기|인척|처럼|답해|대답|말해|행동)"
)
_SHOW = (
    r"(?:reveal|print|show|output|repeat|display|tellme|writeout|writedown|leak|dump|giveme|expose|disclose|paste"
    r"|recite|return|summari|translat|spellout"
    r"|whatisyour|whatsyour|whatareyour|whatwereyour|whatdoesyour|encode|list|share|copy|verbatim|wordforword|codeblock)"
)
_SHOW_KO = (
    r"(?:보여|출력|알려|공개|적어|복사|붙여|읊|반복|번역|요약|덤프|나열|노출|말해|읽어|써줘|써봐|뭐야|뭐니|뭔데|내놔|인코딩|불러|그대로|까봐|바꿔)"
)
_INSERT = (
    r"(?:add|includ|insert|integrat|incorporat|append|embed|mention|put|introduc|weave|blend|place|featur|highlight"
    r"|slip|work|promot|provid|contain|attach|inject|merge|utili[sz]"
    r"|넣|추가|포함|삽입|덧붙|끼워|써)"
)
_TRANSFORM = (
    r"(?:encod|encrypt|translat|revers|emoji|cipher|base\d\d|scrambl|backward|flip|mirror|convert|substitut|replac"
    r"|shift|rearrang|swap|misspell|typo|anagram|rot13|caesar|morse"
    r"|binary|hexadecimal|removespaces|withoutspaces|거꾸로|뒤집|이모지|번역|뒤섞|암호|띄어쓰기|인코딩|모스부호|16진수|숫자로)"
)
_MODIFY = (
    r"(?:modif|augment|enhanc|enrich|alter(?!nativ)|revis|render|suggest(?:ing)?(?:that)?(?:user|read|people|a|an)"
    r"|teas(?:e|ing)|jumbl|group|invit|hint|encourag|advertis|recommend|claim|fabricat|false|persuad"
    r"|everyword|eachword|vowel|letters|symbols|uppercase|lowercase|withoutany|represent|express|conclud|finish|start(?!ed)|begin)"
)
_BAD_CODE = (
    r"(?:ossystem|subprocess|requestspost|requestsget|rmtree|socketsocket|urllib|import(?:os|socket|requests|shutil"
    r"|pyautogui|psutil|smtplib|ctypes|winreg|pynput|pyperclip)|evalexec|curl|wget)"
)


@dataclass(frozen=True, slots=True)
class InjectionRule:
    """An anchor and its surroundings.

    Attributes:
        name: below ``injection``.
        anchor: an expression for the automaton, over letters and digits alone.
        needs: what has to be found in the window, each of them.
        before, after: how far the window reaches from the anchor.
        never: what must not follow the anchor at once.
    """

    name: str
    anchor: str
    needs: tuple[str, ...] = ()
    before: int = 0
    after: int = 0
    never: str = ""
    confidence: float = 0.9
    entity: str = "PROMPT_INJECTION"


_HONEST_AFTER_KO = (
    r"고(?:하|나와|해|했|한|들)|해?도(?:되|될|괜찮|돼)|하는(?:방법|법|옵션|게|데|것|사람)|하려(?:면|고)|하면|했|당"
    r"|할수|하나요|하는지|하라고(?:하|나와|해|했|한|들|하면)|하래|않으면|않고|않는|않아|말라|말아야|할권리"
)

RULES: tuple[InjectionRule, ...] = (
    InjectionRule(
        "direct.override",
        r"ignore|ignoring|disregard|forget|overrid|overrule|bypass|circumvent|discard|neglect|payno(attention|heed)"
        r"|(donot|dont|stop|nolonger)(follow|obey|listen|adhere|comply)"
        r"|setaside|throwaway|erase|dismiss|leavebehind",
        (
            r"(?:ignore|ignoring|disregard|forget|overrid(?:e|ing)|overrule|bypass|circumvent|discard|neglect|(?:attention|heed)(?:to)?|follow(?:ing)?"
            r"|obey(?:ing)?|listen(?:to)?|adhere(?:to)?|comply(?:with)?|aside|away|erase|dismiss|behind)"
            r"(?:all|any|every|each|oneof|of|the(?!se)|these|those|this|that|my|whatever|single|and|or|everything|completely|immediately){0,6}+"
            r"" + _SOURCE + r"[a-z]{0,26}?" + _ORDERS,
        ),
        after=80,
    ),
    InjectionRule(
        "direct.override_all",
        r"(ignore|disregard|forget)(all|everything|anything|whatever)",
        (
            r"(?:everything|anything|all|whatever)(?:that)?(?:youwere|youhave|youve|above|before|i(?:have)?said|previously"
            r"|wastold|toldyou|written|you(?:were)?told|yourtold|prior|of)",
            r"(?:told|above|before|previous|instruct|train|prior|tell)",
        ),
        after=60,
        confidence=0.8,
    ),
    InjectionRule(
        "direct.override",
        r"무시|잊어|잊고|잊은|(따르|지키)지(마|말|않)|안(지켜|따라)|신경(쓰|쓸)|폐기|무효|집어치|덮어쓰|버려|버리|어기고"
        r"|없던(걸|것)|거부하고|건너뛰|듣지(마|말)|벗어나",
        (
            _SOURCE
            + r".{0,24}"
            + _ORDERS_STRONG
            + r".{0,14}(?:무시|잊|따르지|지키지|지켜|안따라|신경|폐기|무효|집어치|덮어쓰|버려|버리|어기고|없던|거부하고|건너뛰|듣지|벗어나)",
        ),
        before=48,
        after=12,
        never=_HONEST_AFTER_KO,
    ),
    InjectionRule(
        "direct.override",
        r"(지시|지침|명령|프롬프트|규칙|규정|제한|제약|제약조건|가이드라인|원칙|정책)[사항들은는을를도이가]{0,4}(모두"
        r"|전부|다|싹다|싹|완전히)?(무시하고|무시해라|무시하라|무시하십시오|무시한다음|따르지말고|잊어버려|잊고|취소하고"
        r"|취소합니다|취소한다|해제한다|해제하고|초기화하고|폐기)",
        (r"(?:이제|지금부터|대신|내말|답|말해|출력|알려|보여|실행|제한|거절|하라|해줘|행동|환불|승인|공개|써)",),
        before=24,
        after=48,
        never=_HONEST_AFTER_KO,
        confidence=0.75,
    ),
    InjectionRule(
        "direct.override",
        r"ignore|disregard|forget|무시|잊어",
        (
            r"(?:ignore|disregard|forget)(?:all|the|your)?(?:이전|위의|모든|기존|앞의|시스템).{0,8}(?:지시|지침|명령|프롬프트"
            r"|규칙)|(?:previous|prior|above|이전|모든|system).{0,8}(?:instructions?|prompts?|rules)(?:을|를|은|는|전부|모두"
            r"|다){0,3}(?:무시|잊어)",
        ),
        before=40,
        after=40,
    ),
    InjectionRule(
        "direct.override",
        r"지워|삭제해|삭제하|취소하|해제하|해제해|초기화하|초기화해|풀고",
        (
            r"(?:네|너|너의|너에게|너한테|당신|시스템|개발자|상위|이전|기존|모든|윤리|안전|걸린|회사가준|받은).{0,16}(?:지시"
            r"|지침|명령(?!어)|프롬프트|규칙|가이드라인|원칙|윤리|제한|제약)[^0-9]{0,8}(?:지워|삭제|취소|해제|초기화|풀고)",
        ),
        before=40,
        after=10,
        never=_HONEST_AFTER_KO,
        confidence=0.42,
    ),
    InjectionRule(
        "direct.override_all",
        r"잊어|잊고|무시(하고|해)|없던(걸|것)|리셋",
        (
            r"(?:지금까지|여태|위에서|앞에서|방금까지|이전에).{0,12}(?:말|들은|얘기|이야기|내용|대화|것|건"
            r"|프롬프트)[은는을를도]?(?:모두|전부|다|싹|싹다)?(?:잊|무시|없던|테스트용이었으니리셋)",
        ),
        before=36,
        after=4,
        never=_HONEST_AFTER_KO,
        confidence=0.55,
    ),
    InjectionRule(
        "direct.suppress_refusal",
        r"(죄송|할수없|못한다|거절|미안)[가-힣]{0,8}(쓰지마|쓰지말|금지|하지마|하지말|빼고|없이답)|물론이죠로시작|네물론으로시작"
        r"|(donotuse|mustnotuse|neveruse|neversay|donotsay|mustnotsay|cannotsay|withoutsaying)(the)?(word|words"
        r"|phrase)?s?(icannot|icant|sorry|imsorry|iamsorry|imunable|asanai)"
        r"|(start|begin)(your|the)?(reply|answer|response|reply)?with(sure|ofcourse)",
        (r"(?:답|말|대답|시작|역할|ai|answer|reply|respond|start|begin|tell|explain|give|write|describe)",),
        before=60,
        after=60,
        confidence=0.4,
        entity="JAILBREAK",
    ),
    InjectionRule(
        "direct.extract",
        r"(너는|당신은|넌|youare)(으)?로시작하는",
        (_SHOW_KO,),
        after=40,
        confidence=0.65,
        entity="PROMPT_EXTRACTION",
    ),
    InjectionRule(
        "direct.new_orders",
        r"new(instruction|task|directive|rule|polic|systemprompt)|instructionsupdated|(지시|명령|프롬프트"
        r"|정책)[은는이가을를]?(더이상유효하지|바뀌었|변경되었|갱신|폐기)|새(로운)?(지시|지침|명령|임무)",
        (
            r"(?:ignore|disregard|override|unrestrict|nolonger|noethic|norestric|norule|neverrefus|pwned|hacked"
            r"|administrator|무시|제한없|거절하지|최우선|내말만|답하|답해|물어보는것|수행해|따르도록)",
        ),
        before=60,
        after=80,
        confidence=0.6,
    ),
    InjectionRule(
        "direct.extract",
        r"(your|the|this|full|entire|complete|above)[a-z]{0,16}(systemprompt|systemmessage|systeminstruction"
        r"|hiddenprompt|hiddeninstruction|secretinstruction|initialinstruction|initialprompt"
        r"|startinginstruction|originalinstruction|originalprompt|developermessage|developerprompt|preprompt"
        r"|configurationprompt|confidentialrules|confidentialinstruction|internalguidelines|hiddenrules)",
        (_SHOW,),
        before=60,
        after=40,
        confidence=0.85,
        entity="PROMPT_EXTRACTION",
    ),
    InjectionRule(
        "direct.extract",
        r"(print|reveal|show(me)?|output|repeat|display|leak|dump|disclose|recite)(your|the|its|all|of|full|entire"
        r"|exact){0,3}(systemprompt|prompt|systemmessage|instructions)"
        r"|instructionsyou(were|have|got|received)|whatwereyoutold|(repeat|print|output|copy|paste|put)[a-z]{0,30}(above"
        r"|startingwith|beginningwith|beforethis)"
        r"|(repeat|print)(this)?(entire|whole|full)?conversation|notsupposedtotell|iwasinstructedto|thesystempromptis",
        (
            r"(?:your(?:system|initial|full|exact|hidden|own|starting)?(?:prompt|instruction|rule)|systemprompt"
            r"|systemmessage|youwere(?:given|told|instructed)|(?:words|text|everything|messages?|conversation"
            r"|instructions)above"
            r"|(?:starting|beginning)with(?:thewords|thephrase)?youare|wholeconversation|entireconversation"
            r"|notsupposedtotell|instructionsyou|iwasinstructedto|thesystempromptis)",
        ),
        before=50,
        after=60,
        confidence=0.65,
        entity="PROMPT_EXTRACTION",
    ),
    InjectionRule(
        "direct.extract",
        r"(네|너의|너한테|니|당신의|너에게|네가|니가|당신이|너가|지금|설정된|숨겨진|비밀|초기|내부|원래|사전|시작전|맨위"
        r"|맨처음|처음에)[가-힣]{0,12}(프롬프트|지시|지침|시스템메시지|규칙|설정문구|설정된문장|설정(프롬프트"
        r"|파일))"
        r"|(네|너의|너한테|당신의|너에게|숨겨진|비밀|초기|설정된)[가-힣]{0,6}명령(을|이)",
        (_SHOW_KO,),
        before=4,
        after=36,
        never=r"[가-힣]{0,4}(?:무시|어기|작성|만들|방법|이란|라는|이뭔|쓰는법|예시|초안|업데이트|바꾸)",
        confidence=0.7,
        entity="PROMPT_EXTRACTION",
    ),
    InjectionRule(
        "direct.extract",
        r"(시스템|사전|초기)(프롬프트|메시지|지시|설정문구)",
        (
            r"(?:프롬프트|메시지|지시|설정문구)(?:문|사항)?[을를은는의이가]?(?:전문|전체|원문|내용|좀|모두|전부|그대로"
            r"|한글자도|토씨하나|처음부터|한글자씩|base64로|영어로|시로|json으로|코드블록으로){0,3}"
            r"(?:빠짐없이|안틀리고|끝까지)?(?:띄어서|바꿔서|번역해서|요약해서)?(?:보여|출력|공개|말해|알려|읊|복사|덤프|노출"
            r"|내놔|적어|써[줘봐]|반복|번역|요약|다써|까봐|불러)",
        ),
        after=48,
        never=r"[가-힣]{0,3}(?:방법|법|예시)",
        confidence=0.75,
        entity="PROMPT_EXTRACTION",
    ),
    InjectionRule(
        "direct.extract",
        r"이문장(보다|의)?위|위에(있는|적힌|나온)(텍스트|내용|문장|글|모든)|대화(시작|가시작|맨|의맨)|말하면안된다고|뭐라고써(놨|뒀|있)|라고들은내용",
        (r"(?:그대로|전부|출력|써봐|복사|붙여|원문|한글자|말해|읽어|반복)",),
        before=40,
        after=40,
        confidence=0.65,
        entity="PROMPT_EXTRACTION",
    ),
    InjectionRule(
        "direct.persona",
        r"doanythingnow|dananything|(have|with|are)no(restrictions|limits|limitations|filters?|rules|guidelines"
        r"|boundaries)|without(any)?(restrictions|limitations|filters?|censorship|rules)"
        r"|(never|cannot|cant|mustnot|willnot|wont)refuse|no(ethical|moral)(guideline|rule|restriction|boundar"
        r"|constraint|consideration|limit)|without(any)?(ethical|moral)|notbound(by)?"
        r"|(free|freed)from(all|any|the)?(restriction|rule|limit|polic|constraint|confine)|brokenfree|jailbroken"
        r"|regardlessof(legal|ethic|moral|the(legal|ethic))|openai(s)?(content)?polic"
        r"|(neversay|dontsay|cannotsay|donotsay)[a-z]{0,12}(cant|cannot|sorry)|bypass(ing)?(your|all|the)?(filter|safety"
        r"|restriction)|perform(anything|everything)|answer(s)?(any|every)(thing|question)without",
        (_FREE,),
        before=240,
        after=160,
        confidence=0.7,
        entity="JAILBREAK",
    ),
    InjectionRule(
        "direct.persona",
        r"unfiltered|uncensored|unrestricted|amoral|immoral|breakcharacter|contentpolicy|illegalor|norules|nofilters?|nolimits",
        (_FREE, r"(?:actas|pretend|fromnowon|youarenow|respondas|answeras|incharacter|simulat|youhaveno|twoanswers|tworesponses)"),
        before=240,
        after=160,
        confidence=0.4,
        entity="JAILBREAK",
    ),
    InjectionRule(
        "direct.persona",
        r"(제한|규칙|윤리|필터|검열|거절|거부|도덕|경고문구|법|정책"
        r"|규정)[이가은는을를도에서란따위로부터]{0,4}(없[는이어다]|모르는|풀린|꺼졌|금지|적용되지않|신경쓰지|하지않"
        r"|하지마|따르지않|하면안|벗어난|자유)|무엇이든(할수|답|대답)|뭐든지(할수|답|대답|다답)|탈옥한|무법|불법이(어도"
        r"|라도)괜찮",
        (
            r"(?:너는|넌|당신은|너에게|네안|네게|이제부터|지금부터|앞으로|연기|인척|처럼|역할|되어줘|캐릭터|행동|로서)",
            r"(?:ai|인공지능|챗봇|모델|gpt|dan|너는|넌|당신은|역할|연기|캐릭터|모드|되어줘|답)",
        ),
        before=60,
        after=40,
        confidence=0.7,
        entity="JAILBREAK",
    ),
    InjectionRule(
        "direct.persona",
        r"doanythingnow|danmode|stayasdan|stayadan|dan모드|dan으로(행동|답|변신)|dan인척|dan처럼|chatgptwithdevelopermode|developermodeoutput",
        confidence=0.8,
        entity="JAILBREAK",
    ),
    InjectionRule(
        "direct.mode",
        r"(enable|activate|enter|switchto|turnon|youarenowin|bootinto|simulate|engage)(the|a|your|in|full)?(developer"
        r"|debug|god|admin|jailbreak|unrestricted|unfiltered|sudo|root|maintenance|opposite|override)mode"
        r"|(developer|god|jailbreak|unrestricted|unfiltered|opposite)mode(enabled|activated|on|isnow)",
        (
            r"(?:filter|polic|restrict|anyquestion|answerevery|respond|youwill|youmust|chatgpt|confirm|safety|youarenow"
            r"|systemconfig|initialprompt|censor|moderation|ignore|anything)",
        ),
        before=80,
        after=120,
        confidence=0.7,
        entity="JAILBREAK",
    ),
    InjectionRule(
        "direct.mode",
        r"(개발자|디버그|관리자|탈옥|무제한|무검열|루트|신|테스트|유지보수|sudo|필터없는|검열없이응답하는|dan)모드",
        (
            r"모드(?:로|를|을|에서는|는|에)?(?:켜고|켜줘|활성화|전환|진입|들어가|on|바꿔|답|필터|on|시작|설정하고)",
            r"(?:필터|검열|안전장치|보호기능|제한|욕|허용|답해|답변|응답|대답|거절|무시|출력|확인이라고|권한으로|무제한모드"
            r"|탈옥모드|dan모드|말해|해킹|폭탄)",
        ),
        before=40,
        after=50,
        never=r"모드(?:로|를)?(?:켜는|켜니|끄는|전환하면|바꾸는)",
        confidence=0.7,
        entity="JAILBREAK",
    ),
    InjectionRule(
        "direct.mode",
        r"(안전장치|안전모드|콘텐츠필터|안전필터|보호기능|검열)[을를은는]?(모두|전부|다)?(꺼|끄고|해제|내려|내리고|무시)",
        (r"(?:답해|답변|대답|너|모드|ai|챗봇|모든|활성|진입|전환|말해)",),
        before=50,
        after=40,
        confidence=0.6,
        entity="JAILBREAK",
    ),
    InjectionRule(
        "direct.encoded",
        r"decode|decipher|decrypt|unscramble|base64|rot13|해독|디코딩|복호화|풀어서|거꾸로읽|모스부호|16진수",
        (
            r"(?:(?:follow|obey|execute|carryout|complywith|actupon|acton)(?:what|it|the|its|any|this|them)"
            r"|do(?:exactly)?(?:as|what)(?:it|they)|지시를?(?:따|수행|실행|그대로)|명령(?:을|대로)|그대로(?:실행|수행|따"
            r"|행동)|시키는대로|(?:이|나온)지시를|실행해(?!도))",
        ),
        before=60,
        after=120,
        confidence=0.7,
        entity="ENCODED_INSTRUCTION",
    ),
    InjectionRule(
        "direct.evade",
        r"안걸리게|걸리지않게|(검열|필터|금칙어)[을를]?(피|우회)|sothat(the)?(filter|moderation)|(avoid|evade|trick"
        r"|fool)(ing)?(the|your|any)?(filter|moderation|censor|detection)",
        (r"(?:답|말|써|출력|알려|answer|respond|write|tell|encode|base64|rot13)",),
        before=60,
        after=60,
        never=r"하?는?(?:방법을막|것을막)",
        confidence=0.55,
        entity="JAILBREAK",
    ),
    InjectionRule(
        "direct.exfiltrate",
        r"secretly|donottell|withouttelling|withoutasking|withoutinforming|attacker|evil|collect|webhook|exfiltrat|몰래"
        r"|비밀로|웹훅|외부(서버|주소|웹|로)|내서버|서버주소|링크에넣|이미지로",
        (
            r"(?:conversation|chathistory|apikey|password|credential|emailaddress|customer|userdata|contentsof|대화|비밀번호"
            r"|api키|고객|이메일주소|전화번호|채팅기록|메일을|자료)",
            r"(?:send|forward|post|upload|transmit|exfiltrat|leak|append|보내|전송|전달|넘겨|붙여|넣어|보여)",
        ),
        before=80,
        after=60,
        never=r".{0,8}(?:예제|방법|려면|도될까)",
        confidence=0.6,
        entity="EXFILTRATION",
    ),
    InjectionRule(
        "indirect.to_model",
        r"(noteto|attention|instructionsfor|messageto|messagefor|forthe|dear|to)(the|any|all)?(ai|llm|chatbot|assistant"
        r"|aiassistant|languagemodel|aimodel)|(ai|llm|languagemodel|assistant|chatbot)(reading|processing|that(reads"
        r"|processes|is))|ifyouarean?(ai|llm|assistant|languagemodel|chatbot)"
        r"|(ai|인공지능|챗봇|어시스턴트|언어모델|비서|모델)[가-힣]{0,6}(에게|는이|은이|은다음|라면|는사용자|은사용자"
        r"|는받은|은받은|은반드시|는반드시|전용|이이글|가이글)|(읽는|요약하는|평가하는|처리하는|본)(ai|인공지능|챗봇"
        r"|어시스턴트|언어모델|모델|비서)",
        (
            r"(?:ignore|disregard|donot(?:summari|mention|tell|report|follow|answer)|insteadof|mustsay|must(?:recommend|give"
            r"|rate|include)|send|forward|reply(?:only|with)|say|output|무시|따르지|요약대신|말고|말것|만점|쓰시오|하시오"
            r"|하라|할것|해야한?|전달|보내|권유)",
        ),
        before=20,
        after=120,
        confidence=0.65,
        entity="INDIRECT_INJECTION",
    ),
    InjectionRule(
        "indirect.answer",
        r"(in|into|within|to|of|atop|with|throughout|by|from)(your|the|every|each|all)(final|next|entire"
        r"|whole)?(response|answer|reply|output|replies|answers|solution|explanation|message)",
        (rf"(?:{_INSERT}|{_MODIFY})",),
        before=70,
        after=40,
        confidence=0.6,
        entity="INDIRECT_INJECTION",
    ),
    InjectionRule(
        "indirect.answer",
        r"(답변|요약|응답|대답|결과)[을를의]?(마지막줄|마지막|끝|맨위|맨끝|첫줄|본문|안)?에",
        (r"에.{0,40}(?:넣어(?!지)|추가해(?!야)|포함해(?!야)|포함시켜|삽입해|덧붙여|끼워넣|써줘|적어줘)",),
        before=0,
        after=48,
        confidence=0.55,
        entity="INDIRECT_INJECTION",
    ),
    InjectionRule(
        "indirect.transform",
        r"your(entire|whole|full|final|next)?(response|answer|reply|output|message|text)s?",
        (rf"(?:{_TRANSFORM}|{_MODIFY})",),
        before=56,
        after=60,
        confidence=0.6,
        entity="INDIRECT_INJECTION",
    ),
    InjectionRule(
        "indirect.transform",
        r"(답변|응답|대답)[을를은]",
        (rf"(?:답변|응답|대답)[을를은](?:전부|모두|다)?{_TRANSFORM}",),
        after=24,
        confidence=0.55,
        entity="INDIRECT_INJECTION",
    ),
    InjectionRule(
        "indirect.code",
        r"(following|below|subsequent|next|ensuing|this|code)(code|python)?(snippet|block|excerpt|section|fragment"
        r"|segment|sample|piece)|(다음|아래)코드를",
        (rf"(?:{_INSERT}|employ|leverag|appl|execut|implement|use)", _BAD_CODE),
        before=120,
        after=300,
        confidence=0.6,
        entity="INDIRECT_INJECTION",
    ),
    InjectionRule(
        "indirect.task",
        r"(donot|dont|insteadof|ratherthan)(answer|summari)|(taskhaschanged|ignorethequestion|ignoretheuser"
        r"|withouttellingtheuser|donottelltheuser|dontmentionthis)|사용자(에게는|에겐|에게)(말하지|알리지|비밀)"
        r"|(작업이바뀌|질문대신|요약대신|요약하지말고|사용자의?질문(은|에)(무시|답하지말))|도구.{1,20}(호출)",
        (r"(?:instead|send|reply|respond|say|include|write|output|대신|하라|해|말것|쓰시오|권유|보내|호출)",),
        before=60,
        after=100,
        confidence=0.6,
        entity="INDIRECT_INJECTION",
    ),
)
