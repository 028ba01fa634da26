from __future__ import annotations

import re

import argon2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ondol.core.errors import RequestError, Unauthenticated
from ondol.infrastructure.access import secrets


def test_a_minted_key_has_its_documented_form_and_does_not_show_itself() -> None:
    made = [secrets.mint_key() for _ in range(50)]
    assert all(re.fullmatch(r"sk-ondol-[a-z0-9]{16}-[A-Za-z0-9]{43}", key.text) for key in made)
    assert len({key.public_id for key in made}) == len({key.text[-43:] for key in made}) == 50
    public_id, secret = secrets.split_key(made[0].text)
    assert (public_id, secrets.token_hash(secret)) == (made[0].public_id, made[0].secret_hash)
    assert secret not in repr(made[0])


@given(st.text(max_size=80) | st.from_regex(r"sk-ondol-[a-z0-9]{15,17}-[A-Za-z0-9]{42,44}\s?", fullmatch=True))
def test_other_text_is_refused_and_not_repeated(text: str) -> None:
    if re.fullmatch(r"sk-ondol-[a-z0-9]{16}-[A-Za-z0-9]{43}", text, re.ASCII):
        return
    with pytest.raises(Unauthenticated) as caught:
        secrets.split_key(text)
    assert (caught.value.message, caught.value.status) == ("The API key is not of the form sk-ondol-<id>-<secret>.", 401)


def test_tokens_carry_256_bits() -> None:
    assert len({secrets.new_token() for _ in range(50)}) == 50
    assert len(secrets.new_token()) == 43
    assert len(secrets.token_hash("x")) == 32


def test_passwords_go_through_argon2id_with_the_parameters_of_rfc_9106() -> None:
    hashed = secrets.hash_password("열 글자가 넘는 비밀번호")
    assert argon2.extract_parameters(hashed) == argon2.Parameters(argon2.Type.ID, 19, 16, 32, 3, 64 * 1024, 4)
    assert secrets.password_matches(hashed, "열 글자가 넘는 비밀번호")
    assert not secrets.password_matches(hashed, "열 글자가 넘는 비밀번호 ")
    assert not secrets.password_matches(None, "anything at all")
    assert not secrets.password_matches("no argon2 hash", "anything at all")
    assert secrets.hash_password("열 글자가 넘는 비밀번호") != hashed


@pytest.mark.parametrize("length", [0, 9, 257])
def test_the_length_of_a_password_has_limits(length: int) -> None:
    with pytest.raises(RequestError) as caught:
        secrets.hash_password("x" * length)
    assert caught.value.code == "password_length"


def test_the_longest_password_is_compared_whole() -> None:
    hashed = secrets.hash_password("x" * 256)
    assert secrets.password_matches(hashed, "x" * 256)
    assert not secrets.password_matches(hashed, "x" * 257)
