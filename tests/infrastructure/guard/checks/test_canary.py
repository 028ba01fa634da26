from __future__ import annotations

import base64

import pytest

from ondol.infrastructure.guard.checks.canary import CanaryCheck
from ondol.infrastructure.guard.text import GuardText

VALUE = "canaryqwmzkfhtbvxyrpdsgnjw"


@pytest.mark.parametrize("form", [VALUE, VALUE.upper(), " ".join(VALUE), VALUE[::-1], base64.b64encode(VALUE.encode()).decode()])
def test_found_in_every_form(form: str) -> None:
    text = f"앞 {form} 뒤"
    found = CanaryCheck((VALUE,)).find(GuardText(text))
    assert [(text[item.start : item.end], item.confidence) for item in found] == [(form, 1.0)]


def test_nothing_else() -> None:
    assert CanaryCheck((VALUE,)).find(GuardText("A canary is a bird.")) == []
    with pytest.raises(ValueError):
        CanaryCheck(("short",))
