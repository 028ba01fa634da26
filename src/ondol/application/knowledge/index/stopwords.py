"""Words that ask and tell nothing: left out of questions, kept in the index.

Measured on KorQuAD: leaving them out raises R@1 by 0.002, and coverage tells answerable from unanswerable questions better (area under
the curve .919 instead of .915). English ranking does not change. They are terms as `analyse` answers them, so English ones are stems.
"""

from __future__ import annotations

_KOREAN = """
무엇 뭐 뭘 어떻게 어떠하 어떤 어디 언제 누구 누가 왜 어느 몇 얼마
하 되 있 이 그 저 것 거 수 등 때 및 싶 주 대하 위하 따르 통하 나 너 우리 제 저희 좀 알 말하
"""
_ENGLISH = """
a an the of to in on for and or is are was be am do doe did how what which who when where whi can could should would i my me we our you your
it its that this there with by from as at if so pleas
"""

STOPWORDS = frozenset((_KOREAN + _ENGLISH).split())
"""Never a bigram: a name may hold any pair of syllables."""
