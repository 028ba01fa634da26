"""Korean examples from ``korean.yaml``."""

from __future__ import annotations

import random

from scripts.guard_entities.examples import Example, Filler, Piece, Shared, fill, joined, read_words, unlabelled


class Korean(Shared):
    """Fills the Korean templates. The same generator gives the same texts."""

    def __init__(self, rng: random.Random, nouns: list[str]) -> None:
        super().__init__(rng)
        words = read_words("korean.yaml")
        self.nouns = nouns
        self.fields: dict[str, list[str]] = {name: text.split("|") for name, text in words.pop("fields").items()}
        self.lines: list[str] = words.pop("lines")
        self.negatives: list[str] = words.pop("negatives")
        self.regions: dict[str, list[str]] = {name: text.split() for name, text in words.pop("regions").items()}
        self.short: dict[str, list[str]] = {name: text.split() for name, text in words.pop("short_regions").items()}
        self.words: dict[str, list[str]] = {name: text.split() for name, text in words.items()}

    def pick(self, name: str) -> str:
        """One of the words of a list."""
        return self.rng.choice(self.words[name])

    def noun(self) -> str:
        """A common noun, or a compound of them."""
        roll = self.rng.random()
        first = self.pick("plain_words") if roll < 0.15 else self.rng.choice(self.nouns)
        if roll > 0.55:
            first += (
                self.rng.choice(self.nouns)
                if roll < 0.9
                else self.rng.choice(
                    [
                        "일",
                        "자",
                        "인",
                        "명",
                        "서",
                        "증",
                        "처",
                        "비",
                        "료",
                        "액",
                        "금",
                        "란",
                        "율",
                        "수",
                        "원",
                        "실",
                        "과",
                        "부",
                        "팀",
                        "제",
                        "률",
                        "권",
                        "품",
                        "점",
                        "장",
                        "지",
                    ]
                )
            )
        return first

    def position(self) -> Piece:
        """A rank at work."""
        roll = self.rng.random()
        if roll < 0.7:
            return self.pick("positions"), "POSITION"
        tail = self.rng.choice(
            [
                "과장",
                "팀장",
                "실장",
                "국장",
                "부장",
                "본부장",
                "센터장",
                "담당관",
                "담당",
                "전문의",
                "연구원",
                "기사",
                "보조",
                "매니저",
                "사원",
                "관리자",
                "상담사",
                "교사",
                "교수",
                "위원장",
                "소장",
                "직원",
            ]
        )
        return self.rng.choice((self.rng.choice(self.nouns), self.pick("majors"), self.pick("departments"))) + self.rng.choice(
            ("", " ")
        ) + tail, "POSITION"

    def measure(self) -> str:
        """A measurement, such as of blood pressure."""
        return self.choice(
            "##/## mmHg",
            "AST ##, ALT ##",
            "HbA#c #.#%",
            "###mg/dL",
            "#,###,###원",
            "##.#%",
            "제###호",
            "##개월",
            "#급",
            "##개",
            "E-#",
            "F-#-#",
            "A##.#",
            "####-##-##",
            "##:##",
            "K#-####",
            "########",
        )

    def noise(self) -> Piece:
        """What stands in a form and is nothing."""
        roll = self.rng.random()
        if roll < 0.45:
            return self.noun(), None
        if roll < 0.6:
            return f"{self.noun()} {self.noun()}", None
        if roll < 0.8:
            return self.measure(), None
        return self.rng.choice(
            (f"{self.noun()} ({self.noun()})", f"{self.noun()}, {self.noun()}", f"{self.measure()} ({self.noun()})", f"{self.noun()}·{self.noun()}")
        ), None

    def form(self) -> Example:
        """A form: fields in any order, one way of writing them, some of them nothing."""
        fillers, parts = self.fillers(), []
        mark = self.rng.choice(("", "", "", "- ", "■ ", "○ ", "· ", "* ", "1. ", "  ", "□ "))
        separator = self.rng.choice((": ", ": ", ": ", " : ", ":", " ", "\t", " | ", "  "))
        for _ in range(self.rng.randrange(2, 9)):
            if self.rng.random() < 0.5:
                kind = self.rng.choice(list(self.fields))
                label, slot = self.rng.choice(self.fields[kind]), f"{{{kind}}}"
            else:
                label, slot = self.noun(), "{noise}"
            tail = self.rng.choice(("",) * 8 + (" (서명)", " (인)", "({noise})", " / {noise}", " 외"))
            parts.append(fill(f"{mark}{label}{separator}{slot}{tail}", fillers))
        if self.rng.random() < 0.4:
            parts.insert(
                0, Example(self.rng.choice(("{0}", "[{0}]", "<{0}>", "{0} 신청서", "제목  {0} 안내")).format(f"{self.noun()} {self.noun()}"), ())
            )
        return joined(parts, self.rng.choice(("\n", "\n", "\n", ", ", " / ", "  ")))

    def name(self) -> Piece:
        """A Korean name."""
        roll = self.rng.random()
        if roll < 0.03:
            return self.foreign()
        surname = self.pick("surnames_long") if roll < 0.05 else self.pick("surnames")
        if roll < 0.62:
            given = self.pick("given")
        elif roll < 0.95:
            given = self.pick("syllables") + self.pick("syllables")
        elif roll < 0.985:
            given = self.pick("syllables")
        else:
            given = self.rng.choice(["OO", "○○", "모", "모", "XX", "**"])
        return surname + given, "PERSON"

    def foreign(self) -> Piece:
        """A foreign name in Hangul."""
        parts = [self.pick("foreign") for _ in range(self.rng.choice((2, 2, 3)))]
        if self.rng.random() < 0.2:
            return self.latin()
        return self.rng.choice((" ", " ", "·")).join(parts), "PERSON"

    def latin(self) -> Piece:
        """A name in Latin letters."""
        roll = self.rng.random()
        words = [self.pick("latin_first")] + [self.pick("latin_more") for _ in range(self.rng.choice((1, 2)))]
        text = " ".join(words)
        return (text.upper() if roll < 0.5 else text), "PERSON"

    def place(self) -> Piece:
        """A region, city or district."""
        region = self.rng.choice(list(self.regions))
        inner = self.rng.choice(self.regions[region] or [region]).replace("+", " ")
        options = [
            region,
            self.rng.choice(self.short[region]),
            inner,
            f"{self.rng.choice(self.short[region])} {inner}",
            inner[:-1] if len(inner) > 2 else inner,
        ]
        return self.rng.choice(options), "LOCATION"

    def road(self) -> str:
        """A road name and number."""
        roll, stem = self.rng.random(), self.pick("road_stems")
        if roll > 0.65:
            stem = self.rng.choice(
                (self.pick("road_more"), self.pick("syllables") + self.pick("syllables"), self.pick("dongs") + self.rng.choice(("", "동", "중앙")))
            )
        tail = self.rng.choice(
            ("로", "로", "로", "길", f"{self.rng.randrange(1, 90)}길", f"로{self.rng.randrange(1, 90)}길", f"{self.rng.randrange(1, 12)}로")
        )
        number = str(self.rng.randrange(1, 700)) + (f"-{self.rng.randrange(1, 40)}" if self.rng.random() < 0.25 else "")
        return f"{stem}{tail}{self.rng.choice(' ' * 9 + '  ').strip() or ' '}{number}"

    def lot(self) -> str:
        """A lot number."""
        village = self.pick("dongs") + self.rng.choice(("동", "동", "동", "1동", "2동", "3동"))
        if self.rng.random() < 0.25:
            village = f"{self.pick('towns')} {self.pick('villages')}"
        number = str(self.rng.randrange(1, 1300)) + (f"-{self.rng.randrange(1, 60)}" if self.rng.random() < 0.6 else "")
        return f"{village} {number}{self.rng.choice(('', '', '번지'))}"

    def unit(self) -> str:
        """A building, floor and room."""
        building = self.pick("buildings")
        if self.rng.random() < 0.45:
            building = (
                self.pick("syllables")
                + self.pick("syllables")
                + self.rng.choice(
                    (
                        "아파트",
                        "빌라",
                        "빌딩",
                        "타워",
                        "맨션",
                        "하이츠",
                        "오피스텔",
                        "마을",
                        "프라자",
                        "센터",
                        "빌",
                        "하우스",
                        "파크",
                        "팰리스",
                        "상가",
                    )
                )
            )
        inner = self.rng.choice(
            (
                "{a}동 {b}호",
                "{a}동 {b}호",
                "{a}동 {b}호",
                "{b}호",
                "{c}층",
                "{c}층 {b}호",
                "{d}단지 {a}동 {b}호",
                "",
                "{a}-{b}",
                "B{d}층",
                "지하 {d}층",
            )
        )
        inner = inner.format(
            a=self.rng.randrange(101, 130) if self.rng.random() < 0.8 else self.rng.randrange(1, 12),
            b=self.rng.randrange(101, 3500),
            c=self.rng.randrange(1, 40),
            d=self.rng.randrange(1, 9),
        )
        return f"{building} {inner}".strip() if self.rng.random() < 0.7 or not inner else inner

    def address(self) -> Piece:
        """A whole address."""
        region = self.rng.choice(list(self.regions))
        name = region if self.rng.random() < 0.6 else self.rng.choice(self.short[region])
        inner = self.rng.choice(self.regions[region] or [""]).replace("+", " ")
        roll = self.rng.random()
        start = f"{name} {inner}".strip() if roll < 0.86 else inner or name if roll < 0.96 else ""
        town = f" {self.pick('towns')}" if self.rng.random() < 0.08 else ""
        detail = self.road() if self.rng.random() < 0.72 else self.lot()
        text = f"{start}{town} {detail}".strip()
        roll = self.rng.random()
        if roll < 0.62:
            text += self.rng.choice((", ", ", ", " ")) + self.unit()
        if self.rng.random() < 0.18:
            text += f"{self.rng.choice((' ', ' ', ''))}({self.pick('dongs')}동{self.rng.choice(('', '', ', ' + self.pick('buildings')))})"
        if roll > 0.97:
            text = f"{start} {self.pick('dongs')}동"
        return text, "ADDRESS"

    def org(self) -> Piece:
        """An organisation."""
        roll = self.rng.random()
        if roll < 0.25:
            return self.pick("agencies"), "ORGANISATION"
        if roll < 0.32:
            return self.pick("universities"), "ORGANISATION"
        stem = self.pick("org_stems") + (self.pick("org_stems") if self.rng.random() < 0.15 else "")
        tail = self.pick("org_tails")
        body = self.rng.choice((f"{stem}{tail}", f"{stem}{tail}", f"{stem} {tail}", stem))
        form = self.rng.choice(("", "", "", "(주)", "주식회사 ", "㈜"))
        if body == stem and not form:
            body += tail
        return (body + form.strip() if self.rng.random() < 0.25 and form else form + body), "ORGANISATION"

    def school(self) -> str:
        """A school."""
        if self.rng.random() < 0.4:
            return self.pick("universities")
        return self.pick("school_stems") + self.rng.choice(("고등학교", "중학교", "초등학교", "여자고등학교", "고", "여고", "공업고등학교"))

    def major(self, department: bool) -> str:
        """A subject of study."""
        stem = self.pick("majors")
        if not department:
            return stem + ("과" if self.rng.random() < 0.4 and stem[-1] in "학" else "")
        return stem + ("과" if stem.endswith("학") else "학과" if self.rng.random() < 0.8 else "전공")

    def age(self) -> Piece:
        """An age."""
        number = self.rng.randrange(1, 99)
        return self.rng.choice((f"{number}세", f"만 {number}세", f"만{number}세", f"{number}살", f"{number // 10 * 10 or 10}대")), "AGE"

    def date(self) -> str:
        """A date."""
        year, month, day = self.rng.randrange(1940, 2027), self.rng.randrange(1, 13), self.rng.randrange(1, 29)
        return self.rng.choice(
            (
                f"{year}년 {month}월 {day}일",
                f"{year}. {month}. {day}.",
                f"{year}-{month:02}-{day:02}",
                f"{year}.{month:02}.{day:02}",
                f"{month}월 {day}일",
            )
        )

    def education_long(self) -> Piece:
        """A school with its subject and degree."""
        return (
            f"{self.pick('universities')} {self.major(True)} {self.rng.choice(('졸업', '학사 졸업', '석사과정', '재학', '박사 수료'))}",
            "EDUCATION",
        )

    def rrn(self) -> str:
        """A number in the form of a resident registration number."""
        return f"{self.rng.randrange(40, 100)}{self.rng.randrange(1, 13):02}{self.rng.randrange(1, 29):02}-{self.digits('#######')}"

    def fillers(self) -> dict[str, Filler]:
        """What each slot of the templates is filled by."""
        plain = {
            "agency": lambda: (self.pick("agencies"), "ORGANISATION"),
            "bank": lambda: (
                self.rng.choice(
                    [
                        "국민은행",
                        "신한은행",
                        "우리은행",
                        "하나은행",
                        "농협은행",
                        "농협",
                        "카카오뱅크",
                        "케이뱅크",
                        "기업은행",
                        "토스뱅크",
                        "새마을금고",
                    ]
                ),
                "ORGANISATION",
            ),
            "position": self.position,
            "noise": self.noise,
            "noun": lambda: (self.noun(), None),
            "titles_after": lambda: (self.pick("titles_after"), None),
            "department": lambda: (self.pick("departments"), None),
            "university": lambda: (self.pick("universities"), "EDUCATION"),
            "school": lambda: (self.school(), "EDUCATION"),
            "education": lambda: (
                self.pick("degrees") if self.rng.random() < 0.55 else f"{self.school()}{self.rng.choice((' 졸업', ' 졸', '', ' 재학'))}",
                "EDUCATION",
            ),
            "degree": lambda: (self.pick("degrees"), "EDUCATION"),
            "major": lambda: (self.major(False), "MAJOR"),
            "major_dept": lambda: (self.major(True), "MAJOR"),
            "nationality": lambda: (self.pick("countries"), "NATIONALITY"),
        }
        rules = {
            "phone": lambda: self.choice("010-####-####", "02-####-####", "031-###-####", "010########", "1588-####"),
            "email": lambda: f"{self.choice('kim', 'minsu', 'user##', 'hong.gd', 'contact')}@{self.choice('example.com', 'korea.kr', 'mail.co.kr')}",
            "rrn": self.rrn,
            "frn": self.rrn,
            "brn": lambda: self.choice("###-##-#####"),
            "corp": lambda: self.choice("######-#######"),
            "account": lambda: self.choice("###-##-######", "###-####-####-##", "############"),
            "passport": lambda: self.choice("M########", "M###A####"),
            "license": lambda: self.choice("##-##-######-##"),
            "plate": lambda: self.choice("12가 ####", "###나 ####", "서울 ##바 ####"),
            "url": lambda: self.choice("https://www.example.go.kr", "www.example.co.kr"),
            "ip": self.ip,
            "date": self.date,
            "birth": self.date,
            "number": self.number,
            "money": lambda: f"{self.rng.randrange(1, 999)},{self.digits('###')},000",
            "year": lambda: str(self.rng.randrange(1950, 2027)),
            "height": lambda: str(self.rng.randrange(140, 200)),
            "weight": lambda: str(self.rng.randrange(40, 110)),
            "zip": lambda: self.choice("#####"),
            "sex": lambda: self.rng.choice("남여"),
            "plain": self.noun,
        }
        spans: dict[str, Filler] = {
            "name": self.name,
            "foreign": self.foreign,
            "latin": self.latin,
            "place": self.place,
            "address": self.address,
            "org": self.org,
            "age": self.age,
            "education_long": self.education_long,
        }
        return {**plain, **spans, **{name: unlabelled(make) for name, make in rules.items()}}

    def examples(self, count: int) -> list[Example]:
        """Texts of one to six lines, one line in five without an entity."""
        fillers, texts = self.fillers(), []
        for _ in range(count):
            lines = [
                self.form() if self.rng.random() < 0.3 else fill(self.rng.choice(self.negatives if self.rng.random() < 0.25 else self.lines), fillers)
                for _ in range(self.rng.choice((1, 1, 2, 3, 5)))
            ]
            texts.append(joined(lines, self.rng.choice(("\n", "\n", " ", "\n\n", "\n- "))))
        return texts
