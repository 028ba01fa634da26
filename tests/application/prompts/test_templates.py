from __future__ import annotations

import hashlib

import pytest

from ondol.application.prompts import load_prompt, render_prompt
from ondol.application.prompts.templates_store import Language


@pytest.mark.parametrize("language", ["ko", "en"])
def test_the_assistants_prompt_is_whole_in_both_languages(language: Language) -> None:
    prompt = load_prompt("assistant", language)
    filled = render_prompt(prompt, organisation="ACME", refusal="No answer.", fence="<<1>>")
    assert all(words in filled for words in ("ACME", "No answer.", "<<1>>", "`search_documents`"))
    assert "$" not in filled
    assert prompt.digest == hashlib.sha256(prompt.text.encode()).digest()


def test_a_value_is_never_looked_at_for_names() -> None:
    prompt = load_prompt("assistant", "en")
    filled = render_prompt(prompt, organisation="$refusal ${fence}", refusal="No answer.", fence="<<1>>")
    assert "$refusal ${fence}" in filled


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(KeyError):
        render_prompt(load_prompt("assistant", "en"), organisation="ACME")
