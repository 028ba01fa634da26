"""The measurement of an erasure, over a small base."""

from __future__ import annotations

import pytest

from benchmarks.data import DataAbsent, read_korquad
from benchmarks.knowledge.erasure import figures, show
from tests.application import conftest
from tests.application.conftest import House

pytestmark = pytest.mark.anyio
house = conftest.house


async def test_an_erasure_is_measured_while_people_search(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        read_korquad()
    except DataAbsent as absent:
        pytest.skip(str(absent))
    found = await figures(house.platform, 1_500)
    assert 400 < found["erasure_passages"] <= 600, "one of three documents is left"
    for stem in ("erasure", "erasure_vectors"):
        assert found[f"{stem}_search_errors"] == 0
        assert found[f"{stem}_searches"] > 0
        assert 0 < found[f"{stem}_hidden_s"] <= found[f"{stem}_s"] + 0.05
    show(found)
    assert "gone and proved" in capsys.readouterr().out
