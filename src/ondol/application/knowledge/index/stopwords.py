"""Terms that ask and tell nothing: left out of questions, kept in the index.

Measured on KorQuAD: leaving them out raises R@1 from .923 to .926, and coverage tells answerable from unanswerable questions better (area
under the curve .921 instead of .915; the score itself has .832). English ranking does not change. They are terms as `analyse` answers
them, so English ones are stems and bigrams carry their mark.
"""

from __future__ import annotations

from ondol.application.knowledge.index.analyser import BIGRAM_MARK

_KOREAN = """
무엇 뭐 뭘 어떻게 어떠하 어떤 어디 언제 누구 누가 왜 어느 몇 얼마
하 되 있 이 그 저 것 거 수 등 때 및 싶 주 대하 위하 따르 통하 나 너 우리 제 저희 좀 알 말하
"""
_ENGLISH = """
a an the of to in on for and or is are was be am do doe did how what which who when where whi can could should would i my me we our you your
it its that this there with by from as at if so pleas
"""
_KOREAN_BIGRAMS = """
무엇 엇인 엇이 엇을 인가 는가 던가 은가 인지 는지 어떻 떻게 어떤 언제 어디 디서 누구 구인 누가 얼마 마인 나요 까요 세요 습니 니다 니까
되나 있나 였나 했나 었나 았나 하는 되는 있는 했던 이며 되었 하였 하기 하려 려면 어야 해야 대해 위해 위한 알려 려주 주세
"""

STOPWORDS = frozenset((*(_KOREAN + _ENGLISH).split(), *(BIGRAM_MARK + pair for pair in _KOREAN_BIGRAMS.split())))
"""Bigrams that begin well-known names (대한, 하나, 이란) are not among them."""
