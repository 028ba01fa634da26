"""Identifiers: what is found where, what is not, and how sure."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.guard.variants import ENTITIES, NEAR_MISSES, found_whole, near_misses, promised, variants
from ondol.infrastructure.guard.checks.identifiers import PERSONAL_PATTERNS, PERSONAL_REACH, PersonalCheck
from ondol.infrastructure.guard.checks.personal.found import ACTED_ON_MIN, CHECKSUM, CHECKSUM_AND_CONTEXT, FORMAT_AND_CONTEXT, WEAK_FORMAT
from ondol.infrastructure.guard.patterns import PatternSet, TooManyMatches
from ondol.infrastructure.guard.text import GuardText

CHECK = PersonalCheck()
PATTERNS = PatternSet(PERSONAL_PATTERNS)


def found(text: str, least: float = ACTED_ON_MIN) -> list[tuple[str, str]]:
    """Entity and span of each finding that is sure enough."""
    return [(item.entity, text[item.start : item.end]) for item in CHECK.find(GuardText(text)) if item.confidence >= least]


POSITIVES = [
    ("주민등록번호는 900101-1234568입니다", "KR_RESIDENT_NUMBER", "900101-1234568"),
    ("주민번호 9001011234567 조회", "KR_RESIDENT_NUMBER", "9001011234567"),
    ("번호는900101-1234567입니다", "KR_RESIDENT_NUMBER", "900101-1234567"),
    ("9 0 0 1 0 1 - 1 2 3 4 5 6 7", "KR_RESIDENT_NUMBER", "9 0 0 1 0 1 - 1 2 3 4 5 6 7"),
    ("구공공일공일 다시 일이삼사오육칠이에요", "KR_RESIDENT_NUMBER", "구공공일공일 다시 일이삼사오육칠"),
    ("RRN: 900101\n-1234567", "KR_RESIDENT_NUMBER", "900101\n-1234567"),
    ("환자 540308-1****** 님", "KR_RESIDENT_NUMBER", "540308-1******"),
    ("외국인등록번호 920715-6238941", "KR_FOREIGNER_NUMBER", "920715-6238941"),
    ("Alien registration no. 920715-6238941", "KR_FOREIGNER_NUMBER", "920715-6238941"),
    ("법인등록번호 130111-0006246", "KR_CORPORATE_NUMBER", "130111-0006246"),
    ("사업자등록번호: 110-81-41272", "KR_BUSINESS_NUMBER", "110-81-41272"),
    ("business registration number 1108141272", "KR_BUSINESS_NUMBER", "1108141272"),
    ("면허번호 12-19-384720-05", "KR_DRIVER_LICENCE", "12-19-384720-05"),
    ("운전면허 경기 22-114455-08 소지", "KR_DRIVER_LICENCE", "경기 22-114455-08"),
    ("her driver's license number is F162823540116", "DRIVER_LICENCE", "F162823540116"),
    ("여권번호는 M12345678이고", "KR_PASSPORT", "M12345678"),
    ("passport M123A4567", "KR_PASSPORT", "M123A4567"),
    ("My passport number is 552901447.", "PASSPORT", "552901447"),
    ("건강보험증번호 1-2034857261", "KR_HEALTH_INSURANCE_NUMBER", "1-2034857261"),
    ("처방전 번호: 2026-SE-0033817", "PRESCRIPTION_ID", "2026-SE-0033817"),
    ("통관부호 P123456789012", "KR_CUSTOMS_CODE", "P123456789012"),
    ("제 번호는 010-1234-5678이에요", "PHONE", "010-1234-5678"),
    ("공일공 일이삼사 오륙칠팔로 전화 주세요", "PHONE", "공일공 일이삼사 오륙칠팔"),
    ("01012345678", "PHONE", "01012345678"),
    ("전화 (02) 123-4567", "PHONE", "(02) 123-4567"),
    ("고객센터 1588-1234", "PHONE", "1588-1234"),
    ("안심번호 0507-1234-5678", "PHONE", "0507-1234-5678"),
    ("call +82 10-1234-5678 now", "PHONE", "+82 10-1234-5678"),
    ("Call me at 541-714-1388.", "PHONE", "541-714-1388"),
    ("Fax: (898)666-3621x0135", "PHONE", "(898)666-3621x0135"),
    ("Phone: 07700 900 966", "PHONE", "07700 900 966"),
    ("write to +44 20 7946 0958", "PHONE", "+44 20 7946 0958"),
    ("신한은행 110-482-739154로 보내", "BANK_ACCOUNT", "110-482-739154"),
    ("my account number is 351-0042-7781-93", "BANK_ACCOUNT", "351-0042-7781-93"),
    ("카드 4012-8888-8888-1881", "CARD", "4012-8888-8888-1881"),
    ("４１１１－１１１１－１１１１－１１１１ 입니다", "CARD", "４１１１－１１１１－１１１１－１１１１"),
    ("My card is 3759 449012 38004", "CARD", "3759 449012 38004"),
    ("사고차량 12가 3456입니다", "VEHICLE_PLATE", "12가 3456"),
    ("123허4567 렌터카", "VEHICLE_PLATE", "123허4567"),
    ("경기 81바3392의 후미", "VEHICLE_PLATE", "경기 81바3392"),
    ("우 30113 세종시", "POSTAL_CODE", "30113"),
    ("우편번호는 06236이에요", "POSTAL_CODE", "06236"),
    ("세종대로 209 3동 (03171)", "POSTAL_CODE", "03171"),
    ("my zip code is 35350", "POSTAL_CODE", "35350"),
    ("Springfield, IL 62704", "POSTAL_CODE", "62704"),
    ("London SW1A 1AA", "POSTAL_CODE", "SW1A 1AA"),
    ("생년월일: 1990년 1월 2일", "BIRTH_DATE", "1990년 1월 2일"),
    ("1953년생 김씨", "BIRTH_DATE", "1953년생"),
    ("date of birth 2/16/1942", "BIRTH_DATE", "2/16/1942"),
    ("She was born March 3, 1980", "BIRTH_DATE", "March 3, 1980"),
    ("환자는 만 47세 남성", "AGE", "만 47세"),
    ("a 35 year old man", "AGE", "35"),
    ("he just turned 63", "AGE", "63"),
    ("키 172cm이고", "HEIGHT", "172cm"),
    ("체중은 81.5kg", "WEIGHT", "81.5kg"),
    ("I weigh 180 lbs.", "WEIGHT", "180 lbs"),
    ("메일은hong.gd+x@example.co.kr입니다", "EMAIL", "hong.gd+x@example.co.kr"),
    ("hong (at) example.com 으로", "EMAIL", "hong (at) example.com"),
    ("사이트(https://www.gov.kr/a?b=1)에서", "URL", "https://www.gov.kr/a?b=1"),
    ("www.gov.kr에서 확인", "URL", "www.gov.kr"),
    ("see example.com, please", "URL", "example.com"),
    ("서버 10.20.14.7에 접속", "IP_ADDRESS", "10.20.14.7"),
    ("host fe80::1ff:fe23:4567:890a up", "IP_ADDRESS", "fe80::1ff:fe23:4567:890a"),
    ("MAC 00:1A:2b:3c:4d:5e.", "MAC_ADDRESS", "00:1A:2b:3c:4d:5e"),
    ("iban gb33bukb20201555555555", "IBAN", "gb33bukb20201555555555"),
    ("DE89 3704 0044 0532 0130 00", "IBAN", "DE89 3704 0044 0532 0130 00"),
    ("SSN 123-45-6789", "US_SSN", "123-45-6789"),
    ("my ITIN is 912-71-1234", "US_ITIN", "912-71-1234"),
    ("NI number AB 12 34 56 C", "UK_NINO", "AB 12 34 56 C"),
    ("send to 1BoatSLRHtKNngkdXEeobR76b53LETtpyT", "CRYPTO_ADDRESS", "1BoatSLRHtKNngkdXEeobR76b53LETtpyT"),
    ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "CRYPTO_ADDRESS", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
    ("0x52908400098527886E0F7030069857D2E4169EE7", "CRYPTO_ADDRESS", "0x52908400098527886E0F7030069857D2E4169EE7"),
]


@pytest.mark.parametrize(("text", "entity", "span"), POSITIVES, ids=[f"{entity}-{place}" for place, (_, entity, _s) in enumerate(POSITIVES)])
def test_found_with_exact_offsets(text: str, entity: str, span: str) -> None:
    assert found(text) == [(entity, span)]


NEGATIVES = [
    "주문번호 2024112212345678 조회",
    "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "버전 1.2.3.4 로 올렸다",
    "release 10.0.19.45 of the firmware",
    "ISBN 978-89-1234-567-8",
    "부품 PN-010-1234-5678",
    "2026-06-01 12:34:56.123456",
    "id 550e8400-e29b-41d4-a716-446655440000",
    "임진왜란(1592-1598)",
    "제12호 2024년 예산 30조 2000억",
    "65세 이상 어르신, 21세기, 18세 미만",
    "길이 120cm 책상과 20kg 쌀",
    "총 1,234,567,890원",
    "pi = 3.141592653589793",
    "std::vector<int>::iterator at 12:34:56",
    "hotel 1234567890123, discard 1234",
    "user@ localhost and @mention",
    "config.network(a) and node.kr_x",
    "이 일이 사실이 오이 구이 육회 일이 이사 오구 하는 일",
    "SSN 000-45-6789",
    "1BoatSLRHtKNngkdXEeobR76b53LETtpyX",
    "GB00BUKB20201555555555",
]


@pytest.mark.parametrize("text", NEGATIVES)
def test_near_misses_are_not_acted_on(text: str) -> None:
    entities = [entity for entity, _span in found(text)]
    assert entities in ([], ["US_SSN"] if text.startswith("SSN 000") else [])


def confidence(text: str) -> tuple[float, str]:
    (finding,) = CHECK.find(GuardText(text))
    return finding.confidence, finding.reason


def test_check_digits_and_words_raise_the_confidence_and_reject_nothing() -> None:
    assert confidence("주민번호 900101-1234568") == (CHECKSUM_AND_CONTEXT, "checksum+context")
    assert confidence("900101-1234568") == (CHECKSUM, "checksum")
    assert confidence("주민번호 900101-1234567") == (FORMAT_AND_CONTEXT, "format+context")
    assert confidence("카드 4111-1111-1111-1112") == (FORMAT_AND_CONTEXT, "format+context")
    assert confidence("값 9001011234567") == (WEAK_FORMAT, "format")


def test_the_nearest_word_decides_what_a_number_is() -> None:
    text = "법인등록번호 110111-1234567, 주민등록번호 900101-1234567 전화 010-1234-5678"
    assert found(text) == [("KR_CORPORATE_NUMBER", "110111-1234567"), ("KR_RESIDENT_NUMBER", "900101-1234567"), ("PHONE", "010-1234-5678")]


def test_rules_are_named_by_entity_and_offsets_lie_in_the_original() -> None:
    (finding,) = CHECK.find(GuardText("주민\u200b번호 ９００１０１\u200b－１２３４５６８"))
    assert (finding.check, finding.rule, finding.start, finding.end) == ("personal", "personal.kr_resident_number", 6, 21)


def test_a_sure_number_inside_an_address_of_a_page_is_found_beside_it() -> None:
    text = "https://a.kr/x?card=4111-1111-1111-1111&n=1588-1234"
    assert found(text) == [("URL", text), ("CARD", "4111-1111-1111-1111")]


def test_recall_on_generated_variants() -> None:
    promises = [variant for variant in variants(7, 12) if promised(variant)]
    missed = [variant for variant in promises if not found_whole(CHECK, variant)]
    assert len(promises) > 2_000
    assert {variant.kind for variant in promises} == set(ENTITIES)
    assert len(missed) <= len(promises) // 1_000


def test_false_alarms_on_generated_near_misses() -> None:
    alarms = [name for name, text in near_misses(7, 20) if found(text)]
    assert len(alarms) <= len(NEAR_MISSES) * 20 // 100
    assert set(alarms) <= {"timestamp, ms", "13 random digits", "16 random digits", "tracking number"}


ALPHABET = st.sampled_from("0123456789 -./()\n공일이삼사오육칠팔구다시가나@:a.bcXkr_+*세년월일생키cm여권M주민번호카드전화\u200b１９－")


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=200), st.text(ALPHABET, max_size=200)))
def test_any_text_gives_findings_within_it(text: str) -> None:
    findings = CHECK.find(GuardText(text))
    for finding in findings:
        assert 0 <= finding.start < finding.end <= len(text)
        assert 0 < finding.confidence < 1
    assert [item.start for item in findings] == sorted(item.start for item in findings)


@settings(max_examples=60, deadline=None)
@given(st.text(ALPHABET, max_size=120), st.sampled_from(POSITIVES), st.text(ALPHABET, max_size=120))
def test_far_text_changes_nothing(before: str, positive: tuple[str, str, str], after: str) -> None:
    text, entity, span = positive
    gap = "\n" + "가" * PERSONAL_REACH + "\n"
    assert (entity, span) in found(before + gap + text + gap + after)


@pytest.mark.parametrize("unit", ["1", "1 ", "a@", "@", "a.", "-", "1-", "1.1.", "::", "0:", "1234 ", "12-3456 ", "일", "공 ", "(1)", "AB12", "가1 "])
def test_work_on_hostile_text_is_linear(unit: str) -> None:
    """Matches of one pattern are bounded by the set (which refuses more), and what confirms them looks at bounded windows."""
    text = (unit * 30_000)[:30_000]
    try:
        matches = PATTERNS.scan(text)
    except TooManyMatches:
        return
    assert len(CHECK.confirm(GuardText(text), matches)) <= 15_000


def test_a_megabyte_of_digits_is_two_matches() -> None:
    for unit in ("1", "1 ", "-", "@", "가"):
        assert len(PATTERNS.scan((unit * 1_000_000)[:1_000_000])) <= 2
