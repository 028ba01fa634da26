"""Programs that want out, or to be taken for right: each is tried behind every kind of walls that this machine can build."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from ondol.application.evaluation.sandbox import WAYS, Limits, Ran, Trial, Walls, Way, build_walls, run_trial_now
from ondol.core.errors import UserError

TESTS = "assert f(20) == 41\nassert f(1) == 3"
RIGHT = "def f(x): return 2 * x + 1"
QUICK = Limits(seconds=3.0, memory_bytes=384 * 1024 * 1024, disk_bytes=1024 * 1024, output_bytes=64 * 1024)


@pytest.fixture(scope="module", params=WAYS)
def walls(request: pytest.FixtureRequest) -> Walls:
    way: Way = request.param
    if way == "own_user" and os.geteuid() != 0:
        pytest.skip("only root becomes another user")
    try:
        return build_walls(ways=[way])
    except UserError as error:
        if way == "namespaces" and any(f"{step}: " in f"{error}" or f": {step}" in f"{error}" for step in ("unshare", "mount")):
            pytest.skip(f"this machine lets nobody here have namespaces: {error}")
        raise


def ran(walls: Walls, code: str, tests: str = TESTS, limits: Limits = QUICK) -> Ran:
    return run_trial_now(walls, Trial(code, tests), limits)


def told(walls: Walls, *attempts: str) -> list[str]:
    """What attempts inside come to, in one process: the name of what each raised, or what it returned."""
    code = "import os, sys, ctypes, signal, socket, io\ndef f(attempt):\n"
    code += "    scope = {**globals()}\n    try:\n        exec(attempt, scope)\n        return f'did: {scope.get(\"out\")!r}'\n"
    code += "    except BaseException as error: return type(error).__name__"
    return ran(walls, code, f"raise ValueError('|'.join(map(f, {attempts!r})))").reason.removeprefix("ValueError: ").split("|")


def test_a_right_program_passes_and_a_wrong_one_fails(walls: Walls) -> None:
    assert ran(walls, RIGHT) == Ran("passed")
    assert ran(walls, "def f(x): return 2 * x").outcome == "failed"
    assert ran(walls, "def f(x): return None").outcome == "failed"
    assert "SyntaxError" in ran(walls, "def f(x) return").reason
    assert "NameError" in ran(walls, "def g(x): return x").reason


def test_no_file_of_the_machine_can_be_read(walls: Walls) -> None:
    paths = ["/etc/passwd", "/proc/self/environ", "/proc/1/cmdline", "/dev/mem", __file__, sys.executable, str(Path.home())]
    attempts = [f"out = open({path!r}, 'rb').read(10)" for path in paths]
    attempts += [f"out = os.stat({path!r})" for path in paths]
    attempts += [f"out = open('/../../..' + {path!r}, 'rb').read(10)" for path in paths]
    assert set(told(walls, *attempts)) <= {"FileNotFoundError", "PermissionError"}


NOT_ALLOWED = (
    "out = socket.socket()",
    "out = socket.socket(socket.AF_UNIX)",
    "out = socket.socketpair()",
    "out = ctypes.CDLL(None).socket(2, 1, 0)",
    "out = os.fork()",
    "out = os.execv('/bin/sh', ['sh'])",
    "out = os.posix_spawn('/bin/sh', ['sh'], {})",
    "import threading; out = threading.Thread(target=int).start()",
    "out = os.kill(os.getppid(), 9)",
    "out = os.kill(-1, 9)",
    "out = os.killpg(0, 9)",
    "out = ctypes.CDLL(None).ptrace(0, 0, 0, 0)",
    "out = ctypes.CDLL(None).ptrace(16, 1, 0, 0)",
    "out = ctypes.CDLL(None).unshare(0x10000000)",
    "out = os.chroot('.')",
    "out = os.setuid(0)",
    "out = ctypes.CDLL(None).mount(b'x', b'/', b'tmpfs', 0, None)",
    "import resource; out = resource.setrlimit(resource.RLIMIT_CPU, (-1, -1))",
    "import fcntl; out = fcntl.fcntl(1, 8, os.getppid())",
    "out = os.mkfifo('pipe')",
    "out = os.link('/etc/passwd', 'passwd')",
    "out = os.symlink('/etc/passwd', 'passwd')",
    "out = os.memfd_create('x')",
    "out = os.nice(-5)",
)


def test_what_programs_may_not_do(walls: Walls) -> None:
    found = dict(zip(NOT_ALLOWED, told(walls, *NOT_ALLOWED), strict=True))
    refused = {"PermissionError", "did: -1", "BlockingIOError", "ModuleNotFoundError", "RuntimeError", "OSError", "ValueError"}
    assert {attempt: came for attempt, came in found.items() if came not in refused} == {}


def test_nothing_of_the_machine_is_known_inside(walls: Walls) -> None:
    attempts = (
        "out = (dict(os.environ), sys.path, sys.argv)",
        f"out = os.getuid() not in (0, {os.getuid()}) and os.getgid() != 0",
    )
    assert told(walls, *attempts) == ["did: ({}, [], [''])", "did: True"]
    count = "out = 0\nfor n in range(64):\n    try: os.close(os.dup(n)); out += 1\n    except OSError: pass"
    [root, descriptors] = told(walls, "out = os.listdir('/')", count)
    assert root in ("did: []", "PermissionError")
    assert descriptors == "did: 4"  # what it prints to, and the line to the tests


def test_descriptors_that_were_left_open_are_closed(walls: Walls, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec 9</etc/passwd\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    leaking = Walls(walls.way, python)
    assert told(leaking, "out = os.read(9, 10)") == ["OSError"]


def test_a_temporary_folder_is_small_and_gone_afterwards(walls: Walls, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    fill = "for n in range(10_000):\n    open(f'file{n}', 'wb').write(bytes(100_000))"
    mine = "open('mine', 'w').write('kept'); out = open('/mine').read()"
    filled, outside, kept = told(walls, fill, "open('/tmp/out', 'w')", f"for name in os.listdir('/'): os.remove(name)\n{mine}")
    assert filled in ("OSError", "PermissionError")
    assert outside in ("FileNotFoundError", "PermissionError")
    if walls.way == "namespaces":
        assert kept == "did: 'kept'"
        assert told(walls, "out = os.path.exists('mine')") == ["did: False"]
    assert list(tmp_path.iterdir()) == []


def test_memory_has_an_end(walls: Walls) -> None:
    assert told(walls, "out = len(bytearray(10**10))") == ["MemoryError"]
    assert ran(walls, "kept = []\nwhile True: kept.append(bytes(10**7))").outcome == "failed"


@pytest.mark.parametrize(
    "code",
    ["while True: pass", "import time\ntime.sleep(1_000)", "def f(x):\n    while True: pass", "import re\nre.match(r'(a+)+$', 'a' * 60 + 'b')"],
)
def test_loops_have_an_end(walls: Walls, code: str) -> None:
    quick = Limits(seconds=0.5, memory_bytes=QUICK.memory_bytes)
    assert ran(walls, code, limits=quick).outcome == "timeout"


def test_signals_are_not_caught_to_go_on(walls: Walls) -> None:
    ignore = "for n in range(1, 65):\n    try: signal.signal(n, signal.SIG_IGN)\n    except Exception: pass"
    code = f"import signal, time\n{ignore}\nwhile True: time.sleep(1)"
    assert ran(walls, code, limits=Limits(seconds=0.5)).outcome == "timeout"
    assert _left_over() == []


def test_printing_has_an_end(walls: Walls) -> None:
    assert ran(walls, "while True: print('x' * 1000)").outcome == "too_much_output"
    assert ran(walls, "import sys\nwhile True: sys.stderr.write('x' * 1000)").outcome == "too_much_output"
    assert ran(walls, f"print('x' * 1000)\n{RIGHT}").outcome == "passed"


LIES = {
    "exit at once": "import os\nos._exit(0)",
    "exit by name": "import sys\nsys.exit(0)",
    "exit when called": "def f(x):\n    import os\n    os._exit(0)",
    "raise an exit": "def f(x): raise SystemExit(0)",
    "raise what tests raise": "def f(x): raise AssertionError",
    "write verdicts": """
import os
for n in range(3, 16):
    try: os.write(n, b'{"passed": true}\\n')
    except OSError: pass
os._exit(0)
""",
    "write verdicts when called": """
def f(x):
    import os
    for n in range(16):
        try: os.write(n, b'{"passed": true}\\n' * 3)
        except OSError: pass
""",
    "write what is too deep": """
def f(x):
    import os
    for n in range(3, 16):
        try: os.write(n, b'{"value": ' + b'[' * 50_000 + b'\\n')
        except OSError: pass
""",
    "say that the walls fell": "import os\nos.write(2, b'WALLS no\\n')\nos._exit(70)",
    "equal to everything": """
class Lie:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
def f(x): return Lie()
""",
    "a number equal to everything": """
class Lie(int):
    def __eq__(self, other): return True
    __hash__ = int.__hash__
def f(x): return Lie(7)
""",
    "a text with another text": """
class Lie(str):
    def __str__(self): return "41"
def f(x): return Lie("41")
""",
    "change what is raised": "import builtins\nbuiltins.AssertionError = int\ndef f(x): return 0",
    "take modules away": "import sys\nfor name in list(sys.modules): sys.modules[name] = None\ndef f(x): return 0",
    "change the program around": """
import sys
for name in [name for name in sys.modules if name.startswith("ondol")]:
    for one in ("plain", "send", "built", "receive"): setattr(sys.modules[name], one, lambda *rest: {"passed": True})
def f(x): return 0
""",
    "change how messages are made": "import json\njson.dumps = lambda *rest, **named: '{\"passed\": true}'\ndef f(x): return 0",
    "change the order": """
import gc
for one in gc.get_objects():
    if isinstance(one, dict) and "code" in one: one["code"] = ""
def f(x): return 0
""",
    "bring a check": "check = candidate = print\ndef f(x): return 0",
}


@pytest.mark.parametrize("code", LIES.values(), ids=LIES)
def test_nothing_but_right_answers_passes(walls: Walls, code: str) -> None:
    assert ran(walls, code).outcome in ("failed", "timeout")


def test_a_candidate_replaces_nothing_that_tests_rely_on(walls: Walls) -> None:
    code = "def same(a, b): return True\ndef f(x): return {1}\nset = sorted = abs = len = lambda *rest: 0\nclass isclose: pass"
    tests = "assert set(f(1)) == set([2])"
    assert run_trial_now(walls, Trial(code, tests), QUICK).outcome == "failed"
    assert run_trial_now(walls, Trial("math = print\ndef f(x): return 0", "assert math.isclose(f(1), 3)"), QUICK).outcome == "failed"
    tests = "assert same(f(1), {2})"
    assert run_trial_now(walls, Trial(code, tests, setup="def same(a, b): return a == b"), QUICK).outcome == "failed"
    assert run_trial_now(walls, Trial("def sum(a, b): return a - b", "assert sum(3, 1) == 2", entry_point="sum"), QUICK).outcome == "passed"


def test_hostile_tests_do_not_come_out_either(walls: Walls) -> None:
    tests = "import os\nopen('/etc/passwd')"
    assert ran(walls, RIGHT, tests).outcome == "failed"
    assert ran(walls, RIGHT, "while True: pass", Limits(seconds=0.5)).outcome == "timeout"


def test_objects_that_are_no_data_are_used_where_they_are(walls: Walls) -> None:
    code = (
        "class Pair:\n    def __init__(self, a, b): self.a, self.b = a, b\n"
        "def total(pairs): return sum(one.a * one.b for one in pairs)\n"
        "def count(n):\n    for i in range(n): yield i\n"
        "def same(x): return x"
    )
    tests = (
        "pair = Pair(2, 3)\nassert total([pair, Pair(1, b=1)]) == 7\npair.a = 5\nassert pair.a == 5 and total([pair]) == 15\n"
        "assert list(count(3)) == [0, 1, 2] and next(count(1)) == 0\n"
        "from decimal import Decimal\nfrom datetime import date, timedelta\nfrom collections import deque\nimport math\n"
        "for one in (None, True, -(10**30), 0.1, 'ㄱ\\n', b'x', (1, [2, {3: {4}}]), frozenset([1]), 1j, range(3), Decimal('1.10'),\n"
        "            date(2026, 1, 2), timedelta(1, 2, 3), deque([1]), float('inf'), ''):\n"
        "    assert same(one) == one and type(same(one)) is type(one)\n"
        "assert math.isnan(same(float('nan')))"
    )
    assert ran(walls, code, tests) == Ran("passed")


def test_the_library_can_be_imported(walls: Walls) -> None:
    code = "import xml.etree.ElementTree, logging, bisect, urllib.parse, email.message, zoneinfo, asyncio, string\ndef f(x): return 2 * x + 1"
    assert ran(walls, code, limits=Limits(seconds=20)) == Ran("passed")


def test_programs_do_not_depend_on_chance(walls: Walls) -> None:
    code = "import random\ndef f(): return [random.random(), list({'a', 'b', 'c', 'd'})]"
    first, second = (ran(walls, code, "raise ValueError(repr(f()))") for _ in range(2))
    assert first == second


def test_where_nothing_isolates_nothing_is_run(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nexec {sys.executable} -c 'import os, sys; sys.stdin.read(); os.write(2, b\"WALLS unshare: refused\\n\")'\n")
    python.chmod(0o755)
    with pytest.raises(UserError) as caught:
        build_walls(python)
    assert "namespaces: unshare: refused" in str(caught.value)


def test_walls_that_do_not_hold_are_not_used(tmp_path: Path) -> None:
    """A trial that gets out is told, and nothing is run there."""
    python = tmp_path / "python"
    script = tmp_path / "loose.py"
    script.write_text(
        "import json, os, sys\norder = json.loads(sys.stdin.read())\nos.write(2, b'UP\\n')\n"
        "os.write(order['descriptors'][0], b'{\"done\": [\"open a socket\"]}\\n')\n"
    )
    python.write_text(f"#!/bin/sh\nexec {sys.executable} {script}\n")
    python.chmod(0o755)
    with pytest.raises(UserError) as caught:
        build_walls(python)
    assert "from within one can open a socket" in str(caught.value)


def _left_over() -> list[str]:
    """Processes of the sandbox that still run, of this test process."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and b"sandbox.inside" in (folder / "cmdline").read_bytes() and _parent(folder) == os.getpid():
                found.append(folder.name)
        except OSError:
            continue
    return found


def _parent(folder: Path) -> int:
    return int((folder / "stat").read_text().rpartition(")")[2].split()[1])


ORDINARY = """
import os, sys
from pathlib import Path
from ondol.application.evaluation.sandbox import Limits, Trial, build_walls, run_trial_now
os.setgroups([]); os.setgid(65534); os.setuid(65534)
walls = build_walls(Path(sys.argv[1]))
print(walls.way, walls.user(), run_trial_now(walls, Trial("def f(x): return x", "assert f(1) == 1"), Limits()).outcome)
print(run_trial_now(walls, Trial("def f(x): return open('/etc/passwd').read()", "assert f(1)"), Limits()).outcome)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="an ordinary user runs all of these tests as one")
def test_an_ordinary_user_can_build_walls_too() -> None:
    python = next((path for path in (sys.executable, "/usr/bin/python3") if _can_run(path)), None)
    if python is None:
        pytest.skip("another user can run no interpreter on this machine")
    ended = subprocess.run([sys.executable, "-c", ORDINARY, python], capture_output=True, text=True, timeout=120, check=False)
    if "user namespaces are allowed" in ended.stderr:
        pytest.skip("this machine cannot build these walls: no user namespaces")
    assert ended.stdout.split() == ["namespaces", "None", "passed", "failed"], ended.stderr


def _can_run(python: str) -> bool:
    try:
        ended = subprocess.run([python, "-P", "-c", ""], user=65534, group=65534, extra_groups=[], check=False, capture_output=True)
    except OSError:
        return False
    return ended.returncode == 0
