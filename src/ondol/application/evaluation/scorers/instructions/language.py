"""The language of an answer, among those that instructions ask for: by its letters, and by its commonest words where several languages share them."""

from __future__ import annotations

import re
from collections.abc import Mapping

SHARE_MIN = 0.5
"""Of the letters, those in the language's script must be more than this."""
SAMPLE_CHARACTERS_MAX = 20_000

_SCRIPTS: Mapping[str, str] = {
    "latin": "A-Za-z\u00c0-\u024f\u1e00-\u1eff",
    "cyrillic": "\u0400-\u052f",
    "greek": "\u0370-\u03ff",
    "hebrew": "\u0590-\u05ff",
    "arabic": "\u0600-\u06ff\u0750-\u077f",
    "devanagari": "\u0900-\u097f",
    "bengali": "\u0980-\u09ff",
    "gurmukhi": "\u0a00-\u0a7f",
    "gujarati": "\u0a80-\u0aff",
    "tamil": "\u0b80-\u0bff",
    "telugu": "\u0c00-\u0c7f",
    "kannada": "\u0c80-\u0cff",
    "malayalam": "\u0d00-\u0d7f",
    "thai": "\u0e00-\u0e7f",
    "hangul": "가-힣\u1100-\u11ff\u3130-\u318f",
    "japanese": "\u3040-\u30ff\u4e00-\u9fff",
    "chinese": "\u4e00-\u9fff",
}
_WORDS: Mapping[str, tuple[str, str]] = {
    "ar": ("arabic", "في من على إلى أن هذا هذه التي الذي ما لا كان عن مع هو هي كل"),
    "bg": ("cyrillic", "и на да се за от не че е са по това към като ще който при или ние го ми съм"),
    "de": ("latin", "der die das und ist nicht ein eine zu den mit von auf für im dem sich es ich sie wir auch als sind"),
    "en": ("latin", "the of and to in is that it you for was on are with as be this have i not but they or an my your"),
    "es": ("latin", "de la que el en y los las un una por con para es se del lo como más pero sus su"),
    "fa": ("arabic", "و در به از که این را با است برای آن یک می های شما خود بر تا هم کرد"),
    "fi": ("latin", "ja on ei se että hän oli joka ovat mutta kun niin olen mitä voi sen tai ole myös kuin"),
    "fr": ("latin", "de la le et les des en un une est que du dans qui pour pas au sur ne se ce vous il"),
    "hi": ("devanagari", "के का की में है और से को पर यह कि हैं एक नहीं ने लिए भी हो था अपने"),
    "it": ("latin", "di e il la che in un per è non una sono con del si da come le dei gli della ma più anche"),
    "mr": ("devanagari", "आहे आणि या मध्ये ते च हे एक आहेत होते त्या केला नाही करण्यात साठी व मी आपण तर किंवा"),
    "ne": ("devanagari", "छ र को मा यो हो लागि गर्न छन् पनि भएको तथा हुन्छ गरेको एक थियो गर्ने भने तपाईं वा"),
    "pl": ("latin", "i w na z do nie że się to jest o jak za od po co ale przez są dla być lub"),
    "pt": ("latin", "de que e o a do da em um para com não uma os no se na por mais as dos como mas foi ao você"),
    "ru": ("cyrillic", "и в не на что с по это как для к из у он мы так но все вы или их если также"),
    "sw": ("latin", "na ya wa kwa ni za katika la kuwa cha hii au kama si yake yangu wako mimi sana pia hiyo"),
    "uk": ("cyrillic", "і в на що не з та до як це у за є але для ми від або ви також"),
    "ur": ("arabic", "کے کی میں ہے اور سے کا کو پر یہ کہ ہیں ایک نہیں نے لیے بھی ہو تھا آپ"),
    "vi": ("latin", "và của là có không một cho được với các trong những người này đã để tôi bạn khi ở"),
}
_ALONE: Mapping[str, str] = {
    "bn": "bengali", "el": "greek", "gu": "gujarati", "he": "hebrew", "ja": "japanese", "kn": "kannada", "ko": "hangul", "ml": "malayalam",
    "pa": "gurmukhi", "ta": "tamil", "te": "telugu", "th": "thai", "zh": "chinese",
}  # fmt: skip
"""Languages that are the only one here with their script."""

LANGUAGES = frozenset({*_WORDS, *_ALONE})
"""What can be asked for, as ISO 639-1 has it."""

_ANY_LETTER = re.compile(r"[^\W\d_]")
_LETTERS = {script: re.compile(f"[{letters}]") for script, letters in _SCRIPTS.items()}
_KANA = re.compile("[\u3040-\u30ff]")
_WORD = re.compile(r"[^\s\d.,!?;:()\"'«»“”।،؟*#-]+")


def is_in(language: str, text: str) -> bool:
    """Whether most letters of a text are those of a language, and no other language of `LANGUAGES` with these letters has more of its commonest words
    there. A text without letters is in every language.

    Raises:
        KeyError: for a language that is not among `LANGUAGES`.
    """
    sample = text[:SAMPLE_CHARACTERS_MAX]
    script = _ALONE.get(language) or _WORDS[language][0]
    letters = len(_ANY_LETTER.findall(sample))
    if not letters:
        return True
    if len(_LETTERS[script].findall(sample)) <= SHARE_MIN * letters:
        return False
    if language in ("ja", "zh"):
        return (_KANA.search(sample) is not None) == (language == "ja")
    if language in _ALONE:
        return True
    words = _WORD.findall(sample.lower())
    counts = {other: sum(word in known for word in words) for other, known in _KNOWN[script].items()}
    return counts[language] == max(counts.values())


_KNOWN: Mapping[str, Mapping[str, frozenset[str]]] = {
    script: {language: frozenset(words.split()) for language, (its_script, words) in _WORDS.items() if its_script == script}
    for script in {script for script, _ in _WORDS.values()}
}
