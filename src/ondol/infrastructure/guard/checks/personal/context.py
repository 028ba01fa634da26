"""Words that say what the number beside them is, in Korean and English, and how near they stand."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from enum import IntEnum
from typing import Final

from ondol.infrastructure.guard.patterns import Pattern

BEFORE_CHARS = 40
"""How far before a number its word may end."""

AFTER_CHARS = 16
"""How far behind a number its word may end."""


class Word(IntEnum):
    """Families of words."""

    RESIDENT = 0
    FOREIGNER = 1
    CORPORATE = 2
    BUSINESS = 3
    LICENCE = 4
    PASSPORT = 5
    INSURANCE = 6
    ACCOUNT = 7
    CARD = 8
    PHONE = 9
    BIRTH = 10
    SOCIAL = 11
    POSTAL = 12
    VEHICLE = 13
    BODY = 14
    PRESCRIPTION = 15
    ORDER = 16
    IBAN = 17
    VERSION = 18
    CUSTOMS = 19


_KOREAN: Final[dict[Word, str]] = {
    Word.RESIDENT: "주민등록 주민번호 주_민_등_록 주민_등록 국가신분 주민등_",
    Word.FOREIGNER: "외국인등록 외국인번호 외국인_등록 거소신고",
    Word.CORPORATE: "법인등록 법인번호 법인_등록 법인_번호",
    Word.BUSINESS: "사업자 사_업_자 등록번호",
    Word.LICENCE: "면허",
    Word.PASSPORT: "여권 여_권",
    Word.INSURANCE: "보험증 증번호 건강보험 의료보험",
    Word.ACCOUNT: "계좌 계_좌 통장 예금주 입금 송금 이체 은행 농협 신협 수협 우체국 새마을 뱅크 토스 신한",
    Word.CARD: "카드 카_드",
    Word.PHONE: "전화 전_화 연락 연_락 휴대 핸드폰 발신번호 대표번호 폰번호 모바일 팩스 전송 직통 문의 고객센터 ☎ ☏",
    Word.BIRTH: "생년월일 생_년_월_일 생일 출생 생년",
    Word.SOCIAL: "사회보장",
    Word.POSTAL: "우편번호 우_편_번_호",
    Word.VEHICLE: "차량 차_량 번호판 자동차 승용차 화물차 차번호 주차 등록번호",
    Word.BODY: "신장 몸무게 체중 키_ 키: 키는 키가",
    Word.PRESCRIPTION: "처방",
    Word.ORDER: "주문 송장 운송장 접수번호 문서번호 품번 부품 모델명 바코드 상품 제품 관리번호 사건번호 일련번호 타임스탬프",
    Word.IBAN: "",
    Word.VERSION: "버전",
    Word.CUSTOMS: "통관",
}
"""By family, with _ for a space: forms write 생 년 월 일."""

_ENGLISH: Final[dict[Word, str]] = {
    Word.RESIDENT: "rrn resident_reg* resident_num* resident_id national_id",
    Word.FOREIGNER: "arc frn alien_reg* foreigner_reg* foreign_reg* foreign_resident foreigner_num*",
    Word.CORPORATE: "corporate_reg* corporation_reg* corporate_num* corporation_num*",
    Word.BUSINESS: "brn business_reg* business_num* business_lic*",
    Word.LICENCE: "driver_licen* driver's_licen* drivers_licen* drivers'_licen* driver’s_licen* driving_licen* dl",
    Word.PASSPORT: "passport*",
    Word.INSURANCE: "health_insurance",
    Word.ACCOUNT: "account* acct* bank* routing deposit*",
    Word.CARD: "card* cc credit visa amex mastercard",
    Word.PHONE: "phone* telephone* mobile tel call* fax cell office whatsapp answering messages_to message_to contact dial hotline",
    Word.BIRTH: "birth* dob born",
    Word.SOCIAL: "social_sec* ssn itin taxpayer_id*",
    Word.POSTAL: "zip* postcode* post_code postal_code*",
    Word.VEHICLE: "license_plate licence_plate number_plate plate",
    Word.BODY: "height weight weigh* tall bmi",
    Word.PRESCRIPTION: "prescription*",
    Word.ORDER: (
        "order* tracking isbn ean upc sku serial invoice* timestamp* ticket shipment barcode part_no part_num* model product parcel epoch "
        "ref reference"
    ),
    Word.IBAN: "iban transfer*",
    Word.VERSION: "version* release firmware oid",
    Word.CUSTOMS: "customs",
}
"""By family, with _ for a space; * lets letters follow. All are whole words to the left."""


def _words(listed: str) -> list[str]:
    return [word.replace("_", " ") for word in listed.split()]


_LITERALS: Final = {word: [*_words(_KOREAN[word]), *(entry.rstrip("*") for entry in _words(_ENGLISH[word]))] for word in Word}
_WHOLE: Final = {word: tuple(entry for entry in _words(_ENGLISH[word]) if not entry.endswith("*")) for word in Word}
_STEMS: Final = {word: tuple(entry[:-1] for entry in _words(_ENGLISH[word]) if entry.endswith("*")) for word in Word}

WORD_PATTERNS: Final[tuple[Pattern, ...]] = tuple(
    Pattern("|".join(re.escape(literal).replace("\\'", "'") for literal in _LITERALS[word]), ignore_case=True, finds_start=False) for word in Word
)
"""In the order of `Word`; a match ends behind the word. Plain words without classes: these cost least, and `stands` does the rest."""

_LONGEST: Final = max(len(literal) for literals in _LITERALS.values() for literal in literals)


def stands(text: str, end: int, word: Word) -> bool:
    """Whether the word of a family that a match found is a word of its own: English ones are not the middle of another (hotel, discard)."""
    if not text[end - 1].isascii() or text[end - 1] in " :":
        return True
    low = max(0, end - _LONGEST - 1)
    window = text[low:end].lower()
    alone = end == len(text) or not (text[end].isascii() and text[end].isalpha())
    for entries in (_STEMS[word], _WHOLE[word] if alone else ()):
        for entry in entries:
            if window.endswith(entry):
                before = len(window) - len(entry) - 1
                if before < 0 or not (window[before].isascii() and window[before].isalpha()):
                    return True
    return False


class Words:
    """Where words of each family end in a text. English ones are looked at (see `stands`) when a family is first asked for."""

    __slots__ = ("_ends", "_matched", "_text")

    def __init__(self, text: str, matched: Sequence[list[int]]) -> None:
        """`matched` holds the ends of each family's matches, ascending, in the order of `Word`."""
        self._text = text
        self._matched = matched
        self._ends: dict[Word, list[int]] = {}

    def ends(self, word: Word) -> list[int]:
        """Where the words of a family end, ascending."""
        ends = self._ends.get(word)
        if ends is None:
            ends = self._ends[word] = [end for end in self._matched[word] if stands(self._text, end, word)]
        return ends

    def distance(self, word: Word, start: int, end: int) -> int | None:
        """Characters between a span and the nearest word of a family: before it within `BEFORE_CHARS`, else behind it within `AFTER_CHARS`."""
        if not self._matched[word]:
            return None
        ends = self.ends(word)
        place = bisect_right(ends, start + 1)
        if place and start - ends[place - 1] <= BEFORE_CHARS:
            return max(0, start - ends[place - 1])
        if place < len(ends) and ends[place] > end and ends[place] - end <= AFTER_CHARS:
            return BEFORE_CHARS + ends[place] - end
        return None

    def near(self, start: int, end: int, *words: Word) -> bool:
        """Whether a word of one of these families stands near."""
        return any(self._matched[word] and self.distance(word, start, end) is not None for word in words)

    def closest(self, start: int, end: int, *words: Word) -> Word | None:
        """The family of these whose word stands nearest, a word before winning over one behind."""
        best: Word | None = None
        least = BEFORE_CHARS + AFTER_CHARS + 1
        for word in words:
            if not self._matched[word]:
                continue
            distance = self.distance(word, start, end)
            if distance is not None and distance < least:
                best, least = word, distance
        return best
