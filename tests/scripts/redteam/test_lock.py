"""What `make redteam` installs: small, by digest, from no named place."""

from __future__ import annotations

import re
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parents[3] / "requirements"
LOCK = (REQUIREMENTS / "redteam.lock").read_text("utf-8")
PACKAGES = set(re.findall(r"^([a-z0-9][a-z0-9._-]*)==", LOCK, re.MULTILINE))


def test_each_version_has_digests_and_no_place_is_named() -> None:
    blocks = [block for block in re.split(r"\n(?=[a-z0-9])", LOCK) if re.match(r"[a-z0-9]", block)]
    assert len(blocks) == len(PACKAGES) + len(re.findall(r"^numpy==", LOCK, re.MULTILINE)) - 1
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []
    assert "://" not in LOCK


def test_what_is_left_out_is_not_there() -> None:
    left_out = {line for line in (REQUIREMENTS / "redteam.excludes").read_text("utf-8").splitlines() if line and not line.startswith("#")}
    assert "garak" in PACKAGES
    assert sorted(PACKAGES & left_out) == []
    assert not [name for name in PACKAGES if name.startswith(("nvidia", "cuda", "triton"))]
