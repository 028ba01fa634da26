"""The automata of all checks take any text: in a process of its own, since a fault in native code would end ours."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import random, sys
from ondol.infrastructure.guard.engine import Scans
from ondol.infrastructure.guard.registry import KNOWN, Resources, build_checks
from ondol.infrastructure.guard.text import GuardText

checks = build_checks({}, Resources(), list(KNOWN))
together = Scans(checks)
alone = [Scans({name: check}) for name, check in checks.items()]
pieces = [piece for check in checks.values() for pattern in getattr(check, "patterns", ()) for piece in [pattern.expression.strip("(?:)|^$")[:30]]]
pieces += ["](", "//", "src=", "href=", "http://", " ", "\\t", '"', "가", "무시", "1", "@", ".", "-", "<", ">", "\\n", "0" * 9, "://", "ignore "]
draw = random.Random(int(sys.argv[1]))
for number in range(1500):
    text = "".join(draw.choice(pieces) + draw.choice(["", " ", "\\n"]) for _ in range(draw.randrange(1, 220)))
    failed = []
    for scans in (together, draw.choice(alone)):
        scans.matches(GuardText(text), frozenset(scans._views), failed)
    assert not failed, failed
print("all taken")
"""


def test_the_automata_survive_any_text() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT, "5"], capture_output=True, text=True, check=False, timeout=110)
    assert (done.returncode, done.stdout.strip()) == (0, "all taken"), done.stderr[-2000:]
