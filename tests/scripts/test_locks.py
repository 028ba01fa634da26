from __future__ import annotations

from scripts.locks import pinned

LOCK = """# a comment
argon2-cffi==25.1.0 \\
    --hash=sha256:00
    # via ondol (pyproject.toml)
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:11
"""


def test_requirements_keep_their_markers() -> None:
    assert pinned(LOCK) == ["argon2-cffi==25.1.0", "numpy==2.4.6 ; python_full_version < '3.12'"]
