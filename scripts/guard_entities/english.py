"""English examples from ``english.yaml``, with names and addresses of many countries from Faker (MIT)."""

from __future__ import annotations

import random
from datetime import date

from faker import Faker

from scripts.guard_entities.examples import Example, Filler, Piece, Shared, fill, in_lower_case, joined, read_words, unlabelled, with_line_marks

TOP_DOMAINS = ("com", "net", "org", "de", "fr", "co.uk")
# The Italian provider is left out: its cities depend on the seed of hashes.
LOCALES = [
    "en_US",
    "en_US",
    "en_US",
    "en_GB",
    "en_GB",
    "en_AU",
    "en_CA",
    "en_IN",
    "en_IE",
    "en_NZ",
    "de_DE",
    "de_AT",
    "de_CH",
    "fr_FR",
    "fr_CA",
    "es_ES",
    "es_MX",
    "pt_BR",
    "pt_PT",
    "nl_NL",
    "nl_BE",
    "sv_SE",
    "no_NO",
    "da_DK",
    "fi_FI",
    "pl_PL",
    "cs_CZ",
    "sk_SK",
    "hu_HU",
    "sl_SI",
    "hr_HR",
    "ro_RO",
    "tr_TR",
    "et_EE",
    "lt_LT",
    "lv_LV",
    "fil_PH",
    "id_ID",
]


class English(Shared):
    """Fills the English templates. The same generator gives the same texts."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__(rng)
        words = read_words("english.yaml")
        self.sentences: list[str] = words.pop("sentences")
        self.negatives: list[str] = words.pop("negatives")
        self.fields: dict[str, list[str]] = {name: text.split("|") for name, text in words.pop("fields").items()}
        self.words: dict[str, list[str]] = {name: text.split("|") if "|" in text else text.split() for name, text in words.items()}
        self.fakers = {locale: Faker(locale) for locale in dict.fromkeys(LOCALES)}
        for faker in self.fakers.values():
            faker.seed_instance(rng.getrandbits(64))
        self.countries: list[str] = sorted({self.fakers["en_US"].country() for _ in range(2000)})

    def faker(self) -> Faker:
        """One of the name makers, any locale."""
        return self.fakers[self.rng.choice(LOCALES)]

    def pick(self, name: str) -> str:
        """One of the words or templates of a list."""
        return self.rng.choice(self.words[name])

    def cased(self, text: str, lower: float = 0.01, upper: float = 0.02) -> str:
        """The text, sometimes in small letters or capitals."""
        roll = self.rng.random()
        return text.lower() if roll < lower else text.upper() if roll > 1 - upper else text

    def given(self) -> str:
        """A given name."""
        return self.pick("given_common") if self.rng.random() < 0.35 else str(self.faker().first_name())

    def surname(self) -> str:
        """A surname."""
        return str(self.faker().last_name())

    def first(self) -> Piece:
        """A given name as a person."""
        return self.cased(self.given()), "PERSON"

    def last(self) -> Piece:
        """A surname as a person."""
        return self.cased(self.surname()), "PERSON"

    def name(self) -> Piece:
        """A whole name as a person, with initials, second names and double surnames."""
        faker, roll = self.faker(), self.rng.random()
        given = self.given() if self.rng.random() < 0.3 else str(faker.first_name())
        surname = str(faker.last_name())
        if roll < 0.14:
            given += f" {self.rng.choice('ABCDEFGHIJKLMNOPRSTVWÁÉ')}."
        elif roll < 0.18:
            given += f" {faker.first_name()}"
        elif roll < 0.22:
            surname = (
                f"{self.rng.choice(['de', 'van', 'von', 'da', 'Mc', 'O’'])} {surname}"
                if roll < 0.2
                else f"{self.rng.choice(('O', 'D', 'L'))}'{surname}"
            )
        elif roll < 0.25:
            surname += f"-{faker.last_name()}"
        return self.cased(f"{given} {surname}"), "PERSON"

    def org(self) -> Piece:
        """An organisation."""
        roll = self.rng.random()
        if roll < 0.25:
            return self.pick("companies"), "ORGANISATION"
        if roll < 0.4:
            return str(self.faker().company()), "ORGANISATION"
        if roll < 0.5:
            return self.coined(), "ORGANISATION"
        if roll < 0.58:
            made = self.pick("company_words") + self.pick("company_words").lower()
            return made + self.rng.choice(("", "", ".com", " Inc", ".io")), "ORGANISATION"
        if roll < 0.63:
            return self.rng.choice(("University of ", "Bank of ", "Ministry of ", "City of ")) + self.rng.choice(
                (self.pick("world_cities"), self.pick("states"))
            ), "ORGANISATION"
        words = [self.pick("company_words") for _ in range(self.rng.choice((1, 1, 2)))]
        if self.rng.random() < 0.2:
            words = self.rng.choice(
                (
                    [self.surname(), "&", self.surname()],
                    [f"{self.surname()},", self.surname(), "and", self.surname()],
                    [self.surname(), "and", "Sons"],
                )
            )
        return " ".join([*words, self.pick("company_tails")]), "ORGANISATION"

    def coined(self) -> str:
        """A name that nobody has heard of."""
        parts = [
            "al",
            "ar",
            "be",
            "bra",
            "ca",
            "clo",
            "co",
            "cu",
            "da",
            "del",
            "dex",
            "di",
            "du",
            "en",
            "fi",
            "flo",
            "ga",
            "gen",
            "gro",
            "in",
            "jo",
            "ka",
            "kin",
            "la",
            "li",
            "lo",
            "lum",
            "ma",
            "me",
            "min",
            "mo",
            "na",
            "nex",
            "no",
            "om",
            "or",
            "pa",
            "per",
            "plex",
            "po",
            "qui",
            "ra",
            "ri",
            "ro",
            "sa",
            "sen",
            "si",
            "so",
            "spo",
            "sta",
            "sy",
            "ta",
            "te",
            "tri",
            "tu",
            "ul",
            "va",
            "ver",
            "vi",
            "vo",
            "xo",
            "za",
            "zen",
        ]
        word = "".join(self.rng.choice(parts) for _ in range(self.rng.choice((2, 2, 3, 3, 4))))
        return word.capitalize() + self.rng.choice(("", "", "", "", "ly", "io", "soft", "tech", "data", "net", "com", "hub", "lab", "ware"))

    def form(self) -> Example:
        """A form: fields in any order, one way of writing them, some of them nothing."""
        fillers, parts = self.fillers(), []
        mark, separator = (
            self.rng.choice(("", "", "", "- ", "* ", "> ", "  ")),
            self.rng.choice((": ", ": ", ": ", " : ", ":", "\t", " | ", " - ", ":\n")),
        )
        for _ in range(self.rng.randrange(2, 8)):
            kind = self.rng.choice(list(self.fields))
            parts.append(fill(f"{mark}{self.rng.choice(self.fields[kind])}{separator}{{{kind}}}", fillers))
        return joined(parts, self.rng.choice(("\n", "\n", "\n\n", ", ", "; ")))

    def city(self) -> Piece:
        """A city."""
        text = self.pick("world_cities") if self.rng.random() < 0.3 else str(self.faker().city())
        return self.cased(text, 0.01, 0.06), "LOCATION"

    def country(self) -> Piece:
        """A country."""
        roll = self.rng.random()
        text = self.pick("countries_more") if roll < 0.2 else self.pick("states") if roll < 0.3 else self.rng.choice(self.countries)
        return text, "LOCATION"

    def street_text(self) -> str:
        """A house number and street, as they are written in many countries."""
        faker, roll = self.faker(), self.rng.random()
        if roll < 0.15:
            return f"{self.rng.randrange(1, 99999):0{self.rng.choice((1, 3, 5))}} {str(faker.street_address()).replace(chr(10), ' ')}"
        if roll < 0.7:
            return str(faker.street_address()).replace("\n", self.rng.choice((", ", "\n", " ")))
        street = str(faker.street_name())
        return f"{self.rng.randrange(1, 9999)} {street}" if self.rng.random() < 0.6 else f"{street} {self.rng.randrange(1, 300)}"

    def street(self) -> Piece:
        """A house number and street as an address."""
        return self.cased(self.street_text(), 0.01, 0.04), "ADDRESS"

    def road(self) -> Piece:
        """A street without a number."""
        names = [str(self.faker().street_name()) for _ in range(self.rng.choice((1, 1, 2)))]
        if self.rng.random() < 0.3:
            names[0] += f" {self.rng.randrange(1, 300)}"
        return " and ".join(names), "ADDRESS"

    def unit(self) -> Piece:
        """A flat, floor or suite."""
        return self.choice("Apt. ###", "Suite ###", "Unit ##", "Apartment #", "Flat ##", "Floor #", "Room ###"), "ADDRESS"

    def zip(self) -> Piece:
        """A postal code."""
        faker = self.faker()
        return str(faker.postcode()), "POSTAL_CODE"

    def address(self) -> Piece:
        """A whole address."""
        faker, roll = self.faker(), self.rng.random()
        if roll < 0.3:
            text = str(faker.address())
        elif roll < 0.36:
            text = self.choice(
                "PSC ####, Box ####\nAPO AA #####",
                "USNS Horizon\nFPO AE #####",
                "Unit #### Box ####\nDPO AP #####",
                "P.O. Box ####",
                "PO Box ###, Unit ##",
            )
        else:
            parts = [self.street_text()]
            if self.rng.random() < 0.45:
                parts[0] += self.rng.choice((" ", " ", ", ")) + self.choice("Apt. ###", "Suite ###", "Unit ##", "Apt ##", "#b")
            city, code = str(faker.city()), str(faker.postcode())
            state = self.rng.choice((self.pick("states"), "".join(self.rng.choice("ABCDEFGHIKLMNOPRSTUVWXYZ") for _ in range(2)), ""))
            tail = [city.upper() if self.rng.random() < 0.12 else city]
            tail += [state] if state else []
            tail += [code] if self.rng.random() < 0.75 else []
            tail += [self.rng.choice(self.countries)] if self.rng.random() < 0.35 else []
            if self.rng.random() < 0.3:
                self.rng.shuffle(tail)
            text = self.rng.choice(("\n", "\n ", ", ", " ", "\n\n")).join([*parts, "".join(self._joined(tail))])
        if self.rng.random() < 0.5:
            text = text.replace("\n", self.rng.choice((", ", " ", "\n ", "\n\n")))
        return self.cased(text, 0.01, 0.03), "ADDRESS"

    def _joined(self, parts: list[str]) -> list[str]:
        out = [parts[0]]
        for part in parts[1:]:
            out += [self.rng.choice((" ", ", ", "\n", " ", "\n, ", "\n ")), part]
        return out

    def age(self) -> Piece:
        """An age."""
        return str(self.rng.randrange(1, 99)), "AGE"

    def day(self) -> Piece:
        """A date, a weekday or a time."""
        day = date(self.rng.randrange(1930, 2027), self.rng.randrange(1, 13), self.rng.randrange(1, 29))
        return self.rng.choice(
            (
                f"{day.month}/{day.day}/{day.year}",
                f"{day:%Y-%m-%d}",
                f"{day:%B} {day.day}, {day.year}",
                f"{day.day} {day:%B} {day.year}",
                f"{day.day}.{day.month}.{day.year}",
                f"{day:%d-%m-%Y}",
                f"{day:%b} {day.day}",
                f"{day:%Y-%m-%d} {self.rng.randrange(24):02}:{self.rng.randrange(60):02}:{self.rng.randrange(60):02}",
            )
        ), "DATE_TIME"

    def fillers(self) -> dict[str, Filler]:
        """What each slot of the templates is filled by."""
        weekdays = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
        spans: dict[str, Filler] = {
            "name": self.name,
            "first": self.first,
            "last": self.last,
            "org": self.org,
            "city": self.city,
            "country": self.country,
            "street": self.street,
            "road": self.road,
            "unit": self.unit,
            "zip": self.zip,
            "address": self.address,
            "age": self.age,
            "date": self.day,
            "title": lambda: (self.pick("titles"), "TITLE"),
            "job": lambda: (self.job(), "POSITION"),
            "nrp": lambda: (self.cased(self.pick("nationalities"), 0.08), "NATIONALITY"),
            "people": lambda: (self.people(), "NATIONALITY"),
            "coined": lambda: (self.coined(), "ORGANISATION"),
            "year": lambda: (str(self.rng.randrange(1930, 2027)), "DATE_TIME"),
            "weekday": lambda: (self.rng.choice(weekdays), "DATE_TIME"),
        }
        rules = {
            "phone": lambda: self.choice(
                "###-###-####", "(###) ###-####", "+1-###-###-####x###", "0### ### ####", "+44 20 #### ####", "#### ## ## ##"
            ),
            "email": lambda: f"{self.given()}{self.surname()}@{self.choice('example.com', 'mail.net', 'corp.example.org')}".replace(" ", ""),
            "card": lambda: self.choice("4###############", "5### #### #### ####", "3#############"),
            "iban": lambda: self.choice("GB##ABCD##############", "DE####################"),
            "ssn": lambda: self.choice("###-##-####"),
            "domain": self.domain,
            "number": self.number,
            "money": lambda: f"${self.rng.randrange(1, 9999)}.{self.digits('##')}",
            "product": lambda: self.pick("products"),
        }
        return {**spans, **{name: unlabelled(make) for name, make in rules.items()}}

    def domain(self) -> str:
        """An address of a page."""
        start = self.rng.choice(("https://www.", "http://", "www."))
        return f"{start}{self.pick('company_words')}{self.pick('company_words')}.{self.rng.choice(TOP_DOMAINS)}"

    def people(self) -> str:
        """Members of a group or nation."""
        if self.rng.random() < 0.3:
            return self.pick("lowercase_people")
        word = self.pick("nationalities")
        word += "" if word.endswith(("ese", "ish", "ss", "ch")) else "s"
        return word.lower() if self.rng.random() < 0.7 else word

    def job(self) -> str:
        """A job title."""
        return self.pick("jobs") if self.rng.random() < 0.6 else str(self.fakers["en_US"].job()).split(",")[0].split("/")[0].strip()

    def examples(self, count: int) -> list[Example]:
        """Texts of one to four sentences, one in four without an entity."""
        fillers, texts = self.fillers(), []
        for _ in range(count):
            if self.rng.random() < 0.12:
                texts.append(self.marked(self.form()))
                continue
            lines = [
                fill(self.rng.choice(self.negatives if self.rng.random() < 0.22 else self.sentences), fillers)
                for _ in range(self.rng.choice((1, 1, 1, 2, 3)))
            ]
            texts.append(self.marked(joined(lines, self.rng.choice((" ", " ", "\n", "\n\n")))))
        return texts

    def marked(self, example: Example) -> Example:
        """The example, sometimes in lower case or with a mark before each line."""
        roll = self.rng.random()
        if roll < 0.08:
            example = in_lower_case(example)
        if roll > 0.97 or 0.07 < roll < 0.08:
            example = with_line_marks(example, self.rng.choice((">", "> ", "??? ", "# ", "| ", "* ", "// ", "    ")))
        return example

    def listed(self) -> dict[str, set[str]]:
        """Words for the lists that the tagger looks words up in, by list."""
        lists: dict[str, set[str]] = {
            name: set() for name in ("first_name", "last_name", "city", "country", "nationality", "company", "street", "title")
        }
        for faker in self.fakers.values():
            for _ in range(900):
                lists["first_name"].update(str(faker.first_name()).split())
                lists["last_name"].update(str(faker.last_name()).replace("-", " ").split())
            for _ in range(500):
                lists["city"].update(str(faker.city()).split())
                lists["street"].update(str(faker.street_name()).split()[-1:])
        lists["first_name"].update(self.words["given_common"])
        lists["city"].update(self.words["world_cities"] + self.words["states"])
        lists["country"].update(word for name in self.countries for word in name.split())
        lists["nationality"].update(self.words["nationalities"] + self.words["lowercase_people"])
        lists["company"].update(self.words["companies"] + self.words["company_tails"])
        lists["title"].update(word.strip(".") for word in self.words["titles"])
        return lists
