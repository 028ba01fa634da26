"""Words that customers and documents use for the same thing, in Korean and English, and words that carry little.

People ask `비번`, documents say `비밀번호`; people ask "how big", documents say "limit". Each line of the table lists beginnings of Korean words
(`_` for a space that may be missing), then English words or phrases; one of them in a question is met, at a discount, by another in a
passage, and searched for beside it. They are general words of service, hosting and office: no names of companies or of their products.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from ondol.application.assistant.words import stem_word
from ondol.application.knowledge.index import analyse
from ondol.application.knowledge.index.stopwords import STOPWORDS

_GROUPS = """
요금 가격 비용 금액 이용료 수수료 사용료 값 단가 정가 | price, pricing, cost, fee, charge, pay, owe, bill, rate, tariff, how much
환불 환급 반환 돌려받 돌려주 돌려드 돌려_드 되돌려_받 | refund, money back, give back, get back, get everything back, come back, reimburse, returned
전액 전부 다_돌려 | full, in full, full amount, everything, whole amount
해지 탈퇴 그만두 그만쓰 그만_쓰 취소 중단 철회 닫 | cancel, cancellation, terminate, quit, leave, close, stop, not for me
남은 잔여 미사용 | unused, remaining, left, rest of
정지 차단 막히 막힌 막혔 막힘 끊기 끊긴 끊겨 중지 닫히 닫습 멈추 내려가 | suspend, suspension, block, cut off, freeze, frozen, shut down, taken down
미납 연체 못_낸 못_내 안_내 | unpaid, overdue, forgot to pay, late, not paid, missed payment
결제 납부 지불 입금 지급 내나 낼 냈 내려 내야 내면 돈 | pay, paid, payment, settle, bill, billing, money
청구 청구서 과금 | bill, billing, invoice, charge, statement
계좌이체 무통장 가상계좌 계좌 송금 이체 | bank transfer, virtual account, wire, transfer
가상자산 가상화폐 암호화폐 비트코인 코인 채굴 | bitcoin, cryptocurrency, crypto, mining
카드 신용카드 | card, credit card
삭제 지우 지워 지운 지웁 없애 사라 날아가 날아갔 없어지 없어졌 덮어쓰 덮어써 | delete, remove, removal, erase, gone, disappear, lost, wipe, overwrite
복원 복구 되돌리 되돌려 되돌릴 되찾 되살리 살리 | restore, recover, recovery, bring back, get back, put back, undo, roll back, revert
백업 사본 백업본 복사본 | backup, copy, copies, nightly copy
비밀번호 비번 패스워드 암호 | password, passphrase, passcode
데이터베이스 디비 DB MySQL | database, DB, MySQL
아이피 IP | IP
계정 아이디 | account, login, user name, username
명의 소유자 소유권 주인 | owner, ownership, holder, registrant
홈페이지 사이트 웹사이트 웹페이지 블로그 쇼핑몰 | site, website, web site, page, blog, shop, store
메일 이메일 전자우편 메일함 편지함 메일박스 | mail, e-mail, email, mailbox, inbox
아이폰 아웃룩 썬더버드 메일_앱 메일_프로그램 IMAP POP3 SMTP | Thunderbird, Outlook, iPhone, mail client, mail app, IMAP, POP3, SMTP
수신 받는 받기 들어오 | receive, incoming, inbound, arrive
발송 발신 보내 보낸 나가 전송 | send, sending, outgoing, sent
첨부 첨부파일 | attach, attachment
별칭 다른_주소 | alias, aliases, extra address
메일링 대량 한꺼번에 단체 | bulk, mass, newsletter, at once
스팸 정크 스팸함 | spam, junk
반송 튕기 거절 거부 | bounce, reject, rejected, refuse, refused, turned away
해킹 침해 털린 털렸 뚫린 뚫렸 악성코드 악성 감염 바이러스 | hacked, infected, infection, malware, virus, compromised, got hit, hit again
치료 청소 제거 클리닝 | clean, clean up, clean-up, cleaned, cleanup, cleaning, get rid of, removal
디도스 DDoS 공격 | DDoS, attack, flood
점검 유지보수 정비 작업 | maintenance, planned work, scheduled work, works
장애 다운 죽어 죽으면 죽었 죽은 멈췄 먹통 안_열 안_돼 | outage, downtime, down, crash, fault, failure, broken
보상 배상 크레딧 손해 책임 | compensation, compensate, credit, liability, damages, liable
가동률 가용성 SLA | uptime, availability, SLA, only up
올리 상향 업그레이드 높은 높이 상위 | upgrade, larger, bigger, move up, upwards
낮추 낮춰 내리 내릴 하향 다운그레이드 낮은 줄이 줄일 하위 | downgrade, smaller, lower, shrink, reduce
바꾸 바꿔 바뀌 바뀐 바꿀 변경 교체 전환 수정 고치 | change, switch, replace, swap, edit, modify
이전 옮기 옮겨 옮길 옮긴 이사 가져오 가져올 가져가 마이그레이션 | move, moving, migrate, migration, transfer, bring over, take elsewhere, copy over
떠나 나가 다른_곳 다른_회사 | leave, elsewhere, another provider, move away, letting it go
양도 넘기 넘겨 승계 물려 | hand over, transfer, take over, new owner, go to me
만료 끝나 유효 지난 지나 소멸 | expire, expired, expiry, ran out, runs out, run out, valid, last, lasts, no longer valid
기한 마감 언제까지 안에 이내 기간 | deadline, within, until, by when, no later than, period
갱신 연장 재계약 | renew, renewal, extend, extension
유예 여유 | grace, grace period, penalty
안내 알림 알려 통지 통보 경고 예고 공지 | notice, notify, warn, warning, remind, reminder, announce, announced, tell
고객센터 고객지원 고객_지원 상담 상담원 문의 | support, help line, helpline, customer service, hotline
전화 연락 통화 연락처 유선 | phone, call, ring, telephone
티켓 문의_글 | ticket
답변 답장 회신 답 응답 첫_답변 | reply, response, answer, respond
시작 켜 개시 개통 | start, begin, switch on, enable, activate
용량 크기 디스크 저장_공간 기가 GB | size, quota, space, storage, capacity, disk, how big
메가 MB | MB, megabyte
기가 GB | GB, gigabyte
최대 한도 제한 까지 상한 넘 초과 허용 | limit, cap, maximum, max, biggest, largest, up to, at most, allowance, exceed, over
최소 이상 이상이 | minimum, smallest, at least, shortest
무료 공짜 무상 그냥 | free, no charge, free of charge, nothing, for nothing
유료 돈_내 | paid, extra cost, cost extra
부가세 세금 VAT | VAT, tax
할인 깎 싸게 싼 프로모션 쿠폰 저렴 행사 이벤트 | discount, promotion, coupon, cheap, cheaper, cheapest, deal, offer
제일 가장 | most, best
접속 연결 들어가 들어갈 접근 로그인 | connect, connection, reach, log in, login, sign in, access
원격 외부_접속 | remote, remotely, from outside, from home, laptop
터미널 쉘 셸 SSH 커맨드 | SSH, shell, terminal, command line
파일질라 FTP SFTP | FTP, SFTP, FileZilla
암호화 TLS SSL | encryption, encrypt, encrypted, TLS, SSL
인증서 SSL https | certificate, cert, SSL, https
하위_도메인 서브도메인 와일드카드 | subdomain, wildcard
법인_인증 OV 회사_이름 | OV, organisation validated, company name, organisation
발급 발행 끊어 끊 | issue, issued
폐기 취소 | revoke, revocation
세금계산서 계산서 | tax invoice, invoice
영수증 매출전표 증빙 | receipt, paperwork, proof of payment
회사 법인 사업자 기업 업체 | company, business, firm, organisation, corporate
사장 대표 소유자 사업주 | owner, boss, president
사망 상속 돌아가셨 | passed away, death, died, heir, inherit, inheritance, deceased
신분증 서류 증명서 | document, paperwork, ID, proof, certificate, papers
2단계 이중 인증 OTP 인증_앱 복구_코드 | two-factor, 2FA, two-step, login code, authenticator, TOTP, security key, recovery code, second factor
문자 SMS | SMS, text message
저작권 베끼 베낀 도용 무단 | copyright, copied, stolen, infringe, infringement
피싱 가짜 사칭 | phishing, fake, bank login
신고 제보 | report, complain, complaint, notice
내리 내려 차단 조치 삭제 | take down, taken down, takedown, remove, gone
스테이징 테스트 시험 | staging, test, test copy
크론 예약 스크립트 주기 | cron, scheduled, schedule, scheduled job, job
시간대 한국_시각 KST | time zone, KST, Korean time, UTC
업로드 올리 올려 올릴 | upload, push, put up
다운로드 내려받 받아 | download, export
휴지통 | trash, bin, deleted
로그 기록 내역 접속_기록 | log, record, history, look up
보관 저장 보존 남아 남는 남습 남은 쌓 유지 | keep, kept, store, stored, retain, retention, hold, held, remain
만들 생성 개설 추가 새로 신규 | create, creation, add, make, set up, new, fresh, freshly
선택 고르 골라 | choose, select, pick
신청 요청 접수 주문 청구 | request, apply, claim, ask, asking, order, submit
설치 깔 깔아 원클릭 | install, set up, one-click, one click
운영체제 리눅스 배포판 | operating system, OS, Linux, distribution, distro
메모리 램 | memory, RAM
코어 CPU vCPU | core, CPU, vCPU
VPS 가상_서버 가상서버 | VPS, virtual server, virtual machine
전송량 트래픽 대역폭 | traffic, bandwidth, transfer
매달 매월 한_달 월 달 | monthly, month, per month, a month
매년 1년 연간 연 해마다 | yearly, annual, year, per year, a year
매일 밤 하루 | daily, nightly, every day, every night
업데이트 자동_업데이트 패치 버전_올 | update, upgrade, patch, patched
메이저 주_버전 큰_업데이트 | major
주말 토요일 일요일 휴일 공휴일 | weekend, Saturday, Sunday, holiday
평일 영업일 근무일 | weekday, business day, working day
운영_시간 상담_시간 근무_시간 | hours, opening hours, office hours
연체료 위약금 벌금 가산금 재개 | penalty, late fee, fine, reactivation, reactivate
승인 결재 허가 허락 재가 | approve, approval, sign off, signs off, permission, authorise
당직 담당 책임자 | on duty, on call, on-call, duty, in charge
교대 인수인계 | shift, handover, hand over
에스컬레이션 넘겨야 이관 호출 | escalate, escalation, hand over, pass on, page, pager
심각도 등급 P1 P2 P3 | severity, priority, P1, P2, P3
기본 기본값 | default, by default
버전 | version
종료 지원_종료 중단 단종 | end, ended, ends, retired, discontinued, end of life, keep, stay on
폴더 디렉터리 | folder, directory
파일_개수 파일_수 아이노드 inode | inode, number of files, how many files
방화벽 WAF | firewall, WAF
규칙 예외 | exception, rule, exclude
오류 에러 | error, fail, failing, failed, refuse
꽉 가득 찼 차면 | full, bounces, over quota
틀리 틀렸 틀린 잘못 실패 | wrong, failed, incorrect, mistake
잠기 잠겼 잠김 잠금 잠급 잠그 잠가 풀어 풀리 | lock, locked, unlock, unlocked
잃어버 분실 잊었 잊어 | lost, forgot, forgotten, lose
재설정 초기화 링크 | reset, reset link
기다리 대기 걸리 걸려 소요 | wait, take, takes, until, long
숨기 숨길 가리 가릴 가려 비공개 | hide, hidden, hiding, privacy, private, conceal
공개 조회 보이 WHOIS | public, visible, look up, look-up, lookup, shown, WHOIS
금지 허용 괜찮 되나요 | prohibited, forbidden, allow, allowed, permitted, accepted
이름 명칭 | name
나라 국가 해외 국외 외국 | country, abroad, overseas, foreign
도시 위치 어디 센터 | city, location, located, where, centre, center, physically, place
개인정보 생년월일 주민 | personal data, personal information, date of birth, birthday
위탁 외부 제3자 | third party, outside, processor, contractor, outside firm
차지백 분쟁 이의 | dispute, disputed, chargeback, contest, fight
부정 사기 위험 점수 | fraud, risk, score
보류 잡히 잡혀 | hold, on hold, held, pending
증거 보관소 | evidence, image
포함 들어_있 | include, included, come with
필요 해야 | need, require, required, must
따로 별도 추가로 | separate, separately, extra, additional, in addition
간격 마다 주기 자주 | interval, every, how often, often
느리 느려 | slow, slowly
동시 병렬 나란히 순차 순서대로 차례로 | simultaneous, concurrent, parallel, at once, at the same time, sequential, one at a time, one by one
개수 몇_개 | number of, how many, count, entries
글자 자리 | character, letter
직접 스스로 셀프 | yourself, myself, self, on my own, by hand
자동 저절로 알아서 | automatic, automatically, by itself
직원 상담원 대행 맡기 맡겨 대신 | staff, by staff, our people, your people, agent, someone, for me
휴대폰 핸드폰 휴대전화 스마트폰 | phone, mobile, Android
옛날 오래된 오래 예전 구형 | old, legacy, older, really old
장비 기기 | device, machine
브라우저 웹브라우저 | browser, web browser
끄기 끌 그만 꺼 해제 비활성 | turn off, switch off, switched off, disable, stop
켜기 켜짐 켜면 | turn on, switch on, enable, switched on
네임서버 NS | nameserver, name server, NS
레코드 DNS 영역 | record, entry, entries, DNS, zone
CNAME 대표_주소 루트_도메인 | CNAME, apex, root domain, bare domain
전파 반영 | propagate, propagation, spread, everyone, takes effect, show up, shows up
인증_코드 승인_코드 코드 | auth code, authorisation code, transfer code, EPP code
도메인 주소 이름 | domain, domain name, name
닷컴 .com | .com, dot com
닷넷 .net | .net
등록 구매 사려 산 샀 | register, registration, buy, bought, purchase, sign up, signed up
가입 회원가입 | sign up, signed up, signing up, join, open an account
첫 처음 최초 | first, initial
미리 사전 전날 하루_전 | before, in advance, beforehand, day before, ahead
이메일_인증 본인_확인 본인인증 | verify, verification, confirm, confirmation
쿼리 질의 | query, queries
덤프 SQL | dump, SQL
연결_수 동시_연결 커넥션 | connections
객체_캐시 redis 캐시 | object cache, Redis, cache
관리자 admin | administrator, admin
플러그인 테마 | plug-in, plugin, theme
워드프레스 wp WP | WordPress, wp, WP, wp-config
리디렉션 리다이렉트 | redirect, redirection
"""

_LIGHT = """
get want need put have go make keep give take say tell know use let like look try come see mean happen think show set work start one two three
some any all every each other another only just still also even ever really actually currently now today yesterday tomorrow lately soon already
before after long much many often big small good way thing someone somebody anyone people person guy folk lot bit anything something nothing i'd
i'm i've we're we'd we'll you're what's it's don't doesn't can't isn't there's where's how's let's s t re ll ve d us them they he she his her him
their mine yours ours will shall may might must has had having been being were got than then too very not no yes up down out off over about into
within without between through again once because while though although instead during until since per via both either four five six seven eight
nine ten eleven twelve hundred thousand dozen half first second third twice ago heard hear till whether far else everything anybody somehow
somewhere sometimes always usually maybe perhaps wonder wondering happens happened seem seems found find told asked asking supposed morning
evening night week monday tuesday wednesday thursday friday hi hello thanks thank sorry please help hey okay ok um
"""

LIGHT_WORDS = frozenset(_LIGHT.split())
"""English words that say little about the topic of a question, although they are no stop words of the search."""

LIGHT_NOUNS = frozenset(
    [
        "경우",
        "때",
        "사람",
        "방법",
        "정도",
        "지금",
        "오늘",
        "어제",
        "내일",
        "요즘",
        "우리",
        "저희",
        "제",
        "내",
        "것",
        "거",
        "게",
        "수",
        "점",
        "쪽",
        "안",
        "뒤",
        "전",
        "후",
        "중",
        "동안",
        "이번",
        "다음",
        "지난",
        "지난달",
        "이상",
        "이하",
        "그날",
        "처음",
        "나중",
        "가요",
        "데",
        "줄",
        "말",
        "일",
        "건",
        "분",
        "씨",
        "님",
        "뜻",
        "얼마",
        "며칠",
        "언제",
        "어디",
        "무엇",
        "누구",
        "질문",
        "문의",
        "궁금",
        "가능",
        "상태",
        "이유",
        "생각",
        "필요",
        "사용",
        "이용",
        "제공",
        "관련",
        "해당",
        "대상",
    ]
)
"""Korean nouns that say little about the topic of a question."""


BOUNDING_WORDS = frozenset({"mani", "long", "most", "maximum", "max", "largest", "biggest", "limit", "최대", "상한", "한도"})
"""Search terms that ask for a limit; a document may tell it in many other words."""


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Words for the same thing, in lower case.

    Attributes:
        korean: beginnings of words.
        words: English words as stems, and abbreviations.
        phrases: English phrases, each as stems.
    """

    korean: tuple[str, ...]
    words: frozenset[str]
    phrases: tuple[tuple[str, ...], ...]


@lru_cache(maxsize=1)
def synonym_groups() -> tuple[Group, ...]:
    """The table, read once."""
    return tuple(_group(line.lower()) for line in _GROUPS.strip().splitlines())


@lru_cache(maxsize=1)
def search_words() -> Mapping[Group, tuple[frozenset[str], frozenset[str]]]:
    """For each group the terms by which a search finds its Korean and its English words."""
    return {group: (_korean_terms(group), group.words - STOPWORDS) for group in synonym_groups()}


def _korean_terms(group: Group) -> frozenset[str]:
    terms = {term for form in group.korean if len(form) > 1 for term in analyse(form) if not term.startswith("~")}
    return frozenset(terms - STOPWORDS)


def _group(line: str) -> Group:
    left, _, right = line.partition("|")
    korean = [form for form in left.split() if not form.isascii()]
    single = [form for form in left.split() if form.isascii()]
    phrases = []
    for form in (piece.strip() for piece in right.split(",")):
        words = re.findall(r"[a-z0-9]+", form)
        stems = tuple(stem_word(word) for word in words)
        if len(stems) == 1:
            single.append(words[0])
        elif stems:
            phrases.append(stems)
    spaced = [form.replace("_", " ") for form in korean] + [form.replace("_", "") for form in korean if "_" in form]
    return Group(tuple(dict.fromkeys(spaced)), frozenset(stem_word(word) for word in single), tuple(phrases))
