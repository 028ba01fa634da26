"""Check digits, by published examples and by what a wrong digit does to them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.infrastructure.guard.checks.personal import checksums


def test_published_examples() -> None:
    assert checksums.luhn("4111111111111111")
    assert checksums.business_number("1108141272")
    assert checksums.corporate_number("1301110006246")
    assert checksums.ean13("9780306406157")
    assert checksums.mod_97("GB33BUKB20201555555555")
    assert checksums.base58_address("1BoatSLRHtKNngkdXEeobR76b53LETtpyT")
    assert checksums.bech32_address("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4")
    assert checksums.bech32_address("bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0")


def test_what_never_fits() -> None:
    assert not checksums.luhn("0000000000000000")
    assert not checksums.base58_address("1BoatSLRHtKNngkdXEeobR76b53LETtpy0")
    assert not checksums.base58_address("z" * 60)
    assert not checksums.bech32_address("bc1")
    assert not checksums.social_security_number("666451234")
    assert not checksums.taxpayer_number("912001234")
    assert checksums.taxpayer_number("912701234")


@pytest.mark.parametrize(
    ("digits", "century", "right"), [("000229", 2000, True), ("000229", 1900, False), ("900431", 1900, False), ("901301", 1900, False)]
)
def test_birth_dates(digits: str, century: int, right: bool) -> None:
    assert checksums.birth_date(digits, century) is right


@given(st.text("0123456789", min_size=12, max_size=12))
def test_one_last_digit_of_a_resident_number_fits_or_two_share_it(head: str) -> None:
    assert sum(checksums.resident_number(head + last) for last in "0123456789") == 1
    assert sum(checksums.foreigner_number(head + last) for last in "0123456789") == 1
    assert sum(checksums.corporate_number(head + last) for last in "0123456789") == 1


@given(st.text("0123456789", min_size=15, max_size=15), st.integers(0, 15), st.integers(1, 9))
def test_a_wrong_digit_breaks_luhn(head: str, place: int, shift: int) -> None:
    whole = next((head + last for last in "0123456789" if checksums.luhn(head + last)), None)
    if whole is None:
        return
    wrong = whole[:place] + str((int(whole[place]) + shift) % 10) + whole[place + 1 :]
    assert not checksums.luhn(wrong)
