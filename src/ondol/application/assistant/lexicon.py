"""Words that customers and documents use for the same thing, in Korean and English, and words that carry little.

People ask `비번`, documents say `비밀번호`; people ask "how big", documents say "limit". Each group lists beginnings of Korean words and whole
English words or phrases; one of them in a question is met, at a discount, by another in a passage. General words of service and office: no
names of products or companies, and none that mean their opposite elsewhere.
"""

from __future__ import annotations

import re
from functools import lru_cache

_GROUPS = """
요금 가격 비용 금액 이용료 수수료 값 | price, pricing, cost, fee, charge, pay, owe, bill, how much
환불 환급 반환 돌려받 돌려주 돌려드 돌려_드 | refund, money back, give back, gets back, get back, comes back, reimburse
해지 탈퇴 그만두 그만쓰 취소 중단 닫 | cancel, cancelled, cancelling, terminate, quit, leave, close, closing, stop
정지 차단 막히 막힌 막혔 끊기 끊긴 끊겨 중지 | suspend, block, cut off, freeze
미납 연체 못_낸 | unpaid, overdue, forgot to pay, late, not paid
결제 납부 지불 입금 내나 낼 냈 내려 내야 | pay, paid, payment, settle, bill, billing
계좌이체 무통장 가상계좌 계좌 송금 | bank transfer, virtual account, wire
가상자산 가상화폐 암호화폐 비트코인 코인 채굴 | bitcoin, cryptocurrency, crypto, mining
삭제 지우 지워 지운 없애 사라 날아가 없어지 | delete, remove, removal, erase, gone, disappear, lost
복원 복구 되돌리 되돌려 되돌릴 되찾 살리 | restore, recover, recovery, bring back, get back, undo
백업 사본 백업본 | backup, copy, copies
비밀번호 비번 패스워드 | password
데이터베이스 디비 DB | database, DB
아이피 IP | IP
계정 아이디 | account, login, user name, username
홈페이지 사이트 웹사이트 | site, website, web site, page
메일 이메일 전자우편 메일함 편지함 | mail, e-mail, email, mailbox, inbox
수신 받는 받기 | receive, incoming, inbound, get
발송 발신 보내 보낸 나가 | send, sending, outgoing, sent
스팸 정크 | spam, junk
해킹 침해 털린 털렸 뚫린 악성코드 악성 감염 | hacked, infected, infection, malware, virus, compromised
치료 청소 제거 | clean, clean up, cleanup, cleaning, get rid of, removal
점검 유지보수 | maintenance, planned work, scheduled work
장애 다운 죽어 죽으면 죽었 안_열 안_되 | outage, downtime, down, crash, fault, failure
보상 배상 크레딧 손해 | compensation, compensate, credit, liability, damages
가동률 | uptime, up, availability
올리 상향 업그레이드 높은 | upgrade, larger, bigger, move up
낮추 낮춰 내리 내릴 하향 다운그레이드 낮은 줄이 줄일 | downgrade, smaller, lower, shrink, reduce
바꾸 바꿔 바뀌 바뀐 변경 교체 전환 | change, switch, replace, swap
이전 옮기 옮겨 옮길 옮긴 이사 가져오 가져올 가져가 | move, migrate, migration, transfer, bring over, take elsewhere, leave
양도 넘기 넘겨 명의 승계 이전 | hand over, transfer, take over, new owner
만료 끝나 유효 지난 지나 | expire, expired, expiry, ran out, runs out, run out, valid, last, lasts
기한 마감 언제까지 안에 이내 | deadline, within, until, by when, no later than
갱신 연장 | renew, renewal, extend, extension
안내 알림 알려 통지 통보 경고 예고 공지 | notice, notify, warn, warning, remind, reminder, announce, announced
고객센터 고객지원 고객_지원 상담 | support, help line, helpline, customer service, phone
전화 연락 통화 연락처 | phone, call, ring, telephone
답변 답장 회신 답 응답 | reply, response, answer, respond
시작 켜 개시 | start, begin, switch on, enable
용량 크기 디스크 | size, quota, space, storage, capacity, how big
최대 한도 제한 까지 상한 넘 초과 | limit, cap, maximum, max, biggest, largest, up to, at most, allowance, exceed
최소 이상 | minimum, smallest, at least, shortest
무료 공짜 무상 | free, no charge, extra, included
할인 깎 싸게 프로모션 쿠폰 저렴 행사 | discount, promotion, coupon, cheap, cheaper, off
제일 가장 | most, best
접속 연결 들어가 들어갈 접근 | connect, connection, reach, log in, login, sign in, access
암호화 TLS SSL | encryption, encrypt, encrypted, TLS, SSL
인증서 | certificate, cert
발급 발행 끊어 | issue, issued, get
세금계산서 계산서 | tax invoice, invoice, bill
영수증 매출전표 증빙 | receipt, paperwork
회사 법인 사업자 기업 | company, business, firm, organisation
사망 상속 돌아가셨 | passed away, death, died, heir, inherit, deceased
신분증 서류 증명서 | document, paperwork, ID, proof, certificate
2단계 이중 인증 OTP 인증_앱 | two-factor, 2FA, two-step, login code, authenticator, TOTP
저작권 베끼 베낀 도용 무단 | copyright, copied, stolen
피싱 가짜 사칭 | phishing, fake
신고 제보 | report, complain, complaint, notice
스테이징 테스트 시험 | staging, test
크론 예약 작업 스크립트 | cron, scheduled, schedule, job
업로드 올리 올려 | upload, push
다운로드 내려받 | download, export
로그 기록 내역 | log, record, history, look up
보관 저장 보존 남아 남는 남습 쌓 | keep, kept, store, stored, retain, retention, hold
만들 생성 개설 추가 새로 신규 | create, add, make, set up, new, fresh, freshly
선택 고르 골라 | choose, select, pick
신청 요청 접수 주문 | request, apply, claim, ask, order, submit
운영체제 리눅스 배포판 | operating system, OS, Linux, distribution, distro
메모리 램 | memory, RAM
코어 CPU vCPU | core, CPU, vCPU
전송량 트래픽 대역폭 | traffic, bandwidth, transfer
매달 매월 한_달 월 | monthly, month, per month, a month
매년 1년 연간 연 해마다 | yearly, annual, year, per year, a year
매일_밤 매일 하루 | daily, nightly, every day, every night
주말 토요일 일요일 휴일 | weekend, Saturday, Sunday, holiday
평일 영업일 근무일 | weekday, business day, working day
연체료 위약금 벌금 가산금 재개 | penalty, late fee, fine, reactivation
결재 승인 허가 허락 | approve, approval, sign off, signs off, permission
당직 담당 책임자 | on duty, on call, on-call, duty, in charge
에스컬레이션 넘겨야 넘기 이관 | escalate, hand over, pass on
기본 기본값 | default
버전 | version
폴더 디렉터리 | folder, directory
방화벽 WAF | firewall, WAF
예외 | exception
오류 에러 | error, refuse, fail, failing, failed
꽉 가득 | full
틀리 틀렸 틀린 잘못 실패 | wrong, failed, incorrect, mistake
잠기 잠겼 잠김 잠금 잠급 잠그 잠가 | lock, locked
숨기 숨길 가리 가릴 가려 비공개 | hide, hidden, hiding, privacy, private
공개 조회 보이 | public, visible, look up, lookup, shown
금지 허용 괜찮 | prohibited, forbidden, allow, allowed, permitted, accepted
나라 국가 해외 국외 | country, abroad, overseas
도시 위치 어디 센터 | city, location, located, where, centre, center, physically
개인정보 생년월일 | personal data, personal information, date of birth
위탁 외부 업체 제3자 | third party, outside, processor, contractor
차지백 분쟁 이의 | dispute, disputed, chargeback, contest, fight
증거 사본 | evidence, image
포함 | include, included
필요 | need, require, required
따로 별도 | separate, separately, extra, additional, in addition
간격 마다 주기 | interval, every, how often, often
부재 안_받 | unanswered, not picked up, no answer
느리 느려 | slow
동시 | simultaneous, concurrent, at once
개수 몇_개 | number of, how many, count
글자 자리 | character, letter, long
직접 스스로 | yourself, myself, self, on my own, by hand
자동 자동으로 저절로 | automatic, automatically
직원 상담원 대행 맡기 | staff, by staff, our people, your people, agent, someone
휴대폰 핸드폰 휴대전화 | phone, mobile
옛날 오래된 예전 | old, legacy, older
켜기 켜짐 | turn on, switch on, enable
끄기 끌 그만 | turn off, switch off, switched off, disable, stop
"""

_PARTICLES = "(?:은|는|이|가|을|를|에|의|도|로|만|과|와|까지|부터|마다|당|씩|보다)"

_LIGHT = """
get want need put have go make keep give take say tell know use let like look try come see mean happen see think show set work start
one two three some any all every each other another only just still also even ever really actually currently now today yesterday tomorrow lately soon already
before after long much many often big small good way thing someone somebody anyone people person guy folk lot bit anything something nothing
i'd i'm i've we're we'd we'll you're what's it's don't doesn't can't isn't there's where's how's let's s t re ll ve d
us them they he she his her him their mine yours ours will shall may might must has had having been being were got than then too very not no yes up down out off over
about into within without between through again once because while though although like instead during until since per via both either
hi hello thanks thank sorry please help hey okay ok um
"""

LIGHT_WORDS = frozenset(_LIGHT.split())
"""English words that say little about the topic of a question, although they are no stop words of the search."""

LIGHT_NOUNS = frozenset(
    """경우 때 사람 방법 정도 지금 오늘 어제 내일 요즘 우리 저희 제 내 것 거 게 수 점 쪽 안 뒤 전 후 중 동안 이번 다음 지난 지난달 이상 이하 그날 처음 나중
    가요 데 줄 말 일 건 분 씨 님 뜻 얼마 며칠 언제 어디 무엇 누구 질문 문의 궁금 가능 상태 이유 생각 필요 사용 이용 제공 관련 해당 대상""".split()
)
"""Korean nouns that say little about the topic of a question."""


@lru_cache(maxsize=1)
def synonym_groups() -> tuple[re.Pattern[str], ...]:
    """A pattern for each group, over text in lower case."""
    return tuple(_compiled(line) for line in _GROUPS.strip().splitlines())


def _compiled(line: str) -> re.Pattern[str]:
    korean, _, english = line.partition("|")
    alternatives = []
    alternatives = [_korean(form.lower()) for form in korean.split()]
    alternatives += [_english(form.strip().lower()) for form in english.split(",") if form.strip()]
    return re.compile("|".join(alternatives))


def korean_noun(form: str) -> str:
    """A pattern for a Korean noun: a single syllable must stand alone or before a particle, else it is part of another word."""
    return rf"(?<![가-힣]){form}(?=[^가-힣]|\Z|{_PARTICLES})" if len(form) == 1 else re.escape(form)


def _korean(form: str) -> str:
    if form.isascii():
        return rf"(?<![a-z0-9]){form}(?![a-z0-9])"
    return r"\s?".join(korean_noun(part) if "_" not in form else part for part in form.split("_"))


def _english(form: str) -> str:
    words = r"[\s-]+".join(re.escape(word) for word in re.split(r"[\s-]+", form))
    return rf"(?<![a-z0-9]){words}(?:s|es|ed|d|ing)?(?![a-z0-9])"
