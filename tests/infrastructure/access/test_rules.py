from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.core.errors import RequestError
from ondol.infrastructure.access.rules import CLAUSES_MAX, VALUES_MAX, Clause, StatedRule, check_name, check_value, parse_rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (
            "department in (sales, support) and class <= internal",
            StatedRule((Clause("department", ("sales", "support")),), "internal"),
        ),
        ("class<=restricted AND department IN(영업,sales)", StatedRule((Clause("department", ("영업", "sales")),), "restricted")),
        ("region = kr and region = us", StatedRule((Clause("region", ("kr",)), Clause("region", ("us",))))),
        ('department in ("field sales", "and", " (a, b) ", x, x)', StatedRule((Clause("department", ("field sales", "and", "(a, b)", "x")),))),
        ('a = "b=c"', StatedRule((Clause("a", ("b=c",)),))),
        ("a\n in (1.5,\n ko-KR)\t", StatedRule((Clause("a", ("1.5", "ko-KR")),))),
        ("class <= public", StatedRule((), "public")),
    ],
)
def test_a_rule_is_read_as_it_is_meant(text: str, rule: StatedRule) -> None:
    assert parse_rule(text) == rule


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "ends where the name of an attribute"),
        ("department", "ends where `in` or `=` was expected"),
        ("department in", r"ends where `\(` was expected"),
        ("department in ()", r"`\)` stands where a value was expected"),
        ("department in (sales", "ends where `,` or `)` was expected".replace(")", r"\)")),
        ("department in (sales,)", r"`\)` stands where a value"),
        ("department in (field sales)", "`sales` stands where `,` or"),
        ("department = sales or department = support", "`or` stands where `and` was expected"),
        ("not department = sales", "cannot be called not"),
        ("department != sales", "`department` is followed by `!=`"),
        ("department <= sales", "`department` is followed by `<=`"),
        ("class = internal", "`=` stands where `<=` was expected"),
        ("class <= secret", "no security class secret"),
        ('class <= "internal"', "stands where a security class"),
        ("class <= internal and class <= public", "names a class twice"),
        ("group = support", "cannot be called group"),
        ("Department = sales", "'Department' cannot name an attribute"),
        ("department = sales and", "ends where the name"),
        ('department = "sales', 'cannot be read from `"sales`'),
        ('department = ""', "cannot be the value"),
        ("department = sal\x00es", "cannot be the value"),
        (" and ".join("a = b" for _ in range(CLAUSES_MAX + 1)), "more than 20 clauses"),
        (f"a in ({','.join(map(str, range(VALUES_MAX + 1)))})", "more than 50 values"),
        ("a = " + "b" * 4000, "more than 4,000 characters"),
    ],
)
def test_what_is_no_rule_is_refused_with_the_place(text: str, says: str) -> None:
    with pytest.raises(RequestError, match=says) as caught:
        parse_rule(text)
    assert caught.value.code in ("bad_rule", "bad_attribute")
    assert caught.value.hint


def _is_name(name: str) -> bool:
    try:
        return bool(check_name(name))
    except RequestError:
        return False


def _is_value(text: str) -> bool:
    try:
        return bool(check_value(text))
    except RequestError:
        return False


names = st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,4})?", fullmatch=True).filter(_is_name)
letters = st.characters(exclude_categories=["C", "Zl", "Zp"], exclude_characters='"')
values = st.text(letters, min_size=1, max_size=20).filter(_is_value)


@given(st.lists(st.tuples(names, st.lists(values, min_size=1, max_size=4, unique=True)), min_size=1, max_size=4))
def test_every_rule_that_is_written_down_comes_back(said: list[tuple[str, list[str]]]) -> None:
    clauses = tuple(Clause(name, tuple(dict.fromkeys(map(check_value, of_name)))) for name, of_name in said)
    quoted = [", ".join(f'"{value}"' for value in clause.values) for clause in clauses]
    text = " and ".join(f"{clause.name} in ({listed})" for clause, listed in zip(clauses, quoted, strict=True))
    assert parse_rule(text) == StatedRule(clauses)


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        parse_rule(text)
    except RequestError as error:
        assert error.message
