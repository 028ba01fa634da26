"""Runs on the inner side of the walls: it builds them around itself, then runs a candidate's code, or the tests that call it from another process.

It stands alone: a fresh interpreter runs it with nothing but the standard library and `messages`, reads one order from its standard input, and
builds the walls before any of the order's code is compiled. After that no file of the machine can be reached, so the library's sources are read
before, and imported from memory.

Candidate and tests are two processes, each behind walls of its own. They exchange plain data alone: what the candidate returns is rebuilt in the
other process as exact built-in values, so an object that claims to equal everything, a changed checker, or an early exit proves nothing. What is
not plain data stays where it is and is called from there. Only the tests' process holds the pipe on which the verdict goes out.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import ctypes
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import random
import resource
import signal
import struct
import sys
import sysconfig
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from ondol.application.evaluation.sandbox.messages import Kept, built, no_value, plain, receive, send

LOADED = (
    "abc array base64 binascii bisect calendar cmath collections contextlib copy csv dataclasses datetime decimal enum fractions functools hashlib",
    "heapq hmac io itertools json keyword math numbers operator pprint queue random re statistics string struct textwrap time traceback typing",
    "unicodedata uuid warnings zlib _asyncio _blake2 _bz2 _contextvars _elementtree _lzma _md5 _opcode _pickle _posixsubprocess _sha1 _sha2 _sha3",
    "_sha256 _sha512 _socket _zoneinfo fcntl grp mmap pyexpat select",
)
"""Loaded while files can be read: what has a compiled part, and what nearly every program imports."""
LEFT_OUT = "curses dbm distutils ensurepip idlelib lib2to3 msilib pydoc_data site-packages sqlite3 test tkinter turtledemo venv wsgiref"
"""Parts of the library that no program here can use."""

NAMES_MAX = 2_000
REASON_CHARACTERS_MAX = 500

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REC, MS_PRIVATE = 2, 4, 8, 0x4000, 0x40000
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
SECCOMP_MODE_FILTER = 2
CAPABILITY_VERSION_3 = 0x20080522
INNER_ID = 65_534

libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Read the order, build the walls, do what it says."""
    order = json.loads(sys.stdin.buffer.read())
    os.close(0)
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    try:
        library = _read_library()
        for name in " ".join(LOADED).split():
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        _build_walls(order)
    except OSError as error:
        sys.stderr.write(f"WALLS {error.strerror or error}: {error.filename or ''}".strip())
        sys.stderr.flush()
        os._exit(70)
    sys.meta_path[:] = [importlib.machinery.BuiltinImporter, importlib.machinery.FrozenImporter, _Library(library)]
    sys.path[:], sys.argv[:] = [], [""]
    sys.path_importer_cache.clear()
    os.environ.clear()
    random.seed(order["seed"])
    os.write(2, b"UP\n")
    role = {"candidate": _candidate, "tests": _tests, "trial": _trial}[order["role"]]
    role(order)
    sys.stdout.flush()
    os._exit(0)


# The walls


def _build_walls(order: Mapping[str, Any]) -> None:
    """One after the other; the last one makes all of them final. Raises OSError where one cannot be built: nothing is run then.

    The ways: `namespaces` (with `user`, the user id to become, where the caller is root; otherwise in a user namespace) and `own_user` (root
    without the right to mount: another user, and an empty folder as root that cannot be written).
    """
    folder, user, limits = order["folder"], order["user"], order["limits"]
    if order["way"] == "namespaces":
        _enter_namespaces(folder, user, limits["disk_bytes"])
    os.chdir(folder)
    _call("chroot", libc.chroot(b"."))
    os.chdir("/")
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    os.umask(0o077)
    _limit(limits)
    _close_all_but({1, 2, *order["descriptors"]})
    _drop_capabilities()
    _prctl(PR_SET_DUMPABLE, 0)
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # becoming another user took it back
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    _install_filter(bytes.fromhex(order["filter"]))


def _enter_namespaces(folder: str, user: int | None, disk_bytes: int) -> None:
    """No network, no other processes, and as the whole file system one small empty one in memory."""
    outer, group = os.getuid(), os.getgid()
    flags = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET | (CLONE_NEWUSER if user is None else 0)
    _call("unshare", libc.unshare(flags))
    if user is None:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{INNER_ID} {outer} 1")
        Path("/proc/self/gid_map").write_text(f"{INNER_ID} {group} 1")
    child = os.fork()
    if child:
        _wait_outside(child)
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    _call("mount", libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None))
    owner = INNER_ID if user is None else user
    options = f"size={disk_bytes},nr_inodes=256,mode=0700,uid={owner},gid={owner}".encode()
    _call("mount", libc.mount(b"sandbox", folder.encode(), b"tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options))


def _wait_outside(child: int) -> None:
    """Hold nothing, and end as the inner process ends."""
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _limit(limits: Mapping[str, int]) -> None:
    for name, most in (
        ("RLIMIT_CPU", limits["cpu_s"]),
        ("RLIMIT_AS", limits["memory_bytes"]),
        ("RLIMIT_FSIZE", limits["disk_bytes"]),
        ("RLIMIT_NOFILE", 16),
        ("RLIMIT_NPROC", 0),
        ("RLIMIT_CORE", 0),
        ("RLIMIT_MEMLOCK", 0),
        ("RLIMIT_MSGQUEUE", 0),
        ("RLIMIT_SIGPENDING", 16),
    ):
        resource.setrlimit(getattr(resource, name), (most, most))


def _close_all_but(kept: set[int]) -> None:
    last = 2
    for descriptor in sorted(kept):
        os.closerange(last + 1, descriptor)
        last = max(last, descriptor)
    os.closerange(last + 1, os.sysconf("SC_OPEN_MAX"))


def _drop_capabilities() -> None:
    header = struct.pack("=Ii", CAPABILITY_VERSION_3, 0)
    _call("capset", libc.capset(header, struct.pack("=6I", *[0] * 6)))


class _Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def _install_filter(instructions: bytes) -> None:
    buffer = ctypes.create_string_buffer(instructions, len(instructions))
    program = _Program(len(instructions) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    _call("seccomp", libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0))


def _prctl(option: int, value: int) -> None:
    _call("prctl", libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0))


def _call(name: str, result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)


# The library, from memory


def _read_library() -> dict[str, tuple[bool, bytes]]:
    """The sources of the standard library by the module's name, and whether it is a package."""
    root = Path(sysconfig.get_path("stdlib"))
    found: dict[str, tuple[bool, bytes]] = {}
    left_out = LEFT_OUT.split()
    for place, folders, files in os.walk(root):
        inner = Path(place).relative_to(root)
        folders[:] = [name for name in folders if name not in left_out and name.isidentifier() and name != "__pycache__"]
        for file in files:
            if file.endswith(".py"):
                is_package = file == "__init__.py"
                parts = [*inner.parts, *([] if is_package else [file[:-3]])]
                if parts and all(part.isidentifier() for part in parts):
                    found[".".join(parts)] = (is_package, Path(place, file).read_bytes())
    return found


class _Library(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds and runs modules whose sources were read."""

    def __init__(self, sources: Mapping[str, tuple[bool, bytes]]) -> None:
        self._sources = sources

    def find_spec(self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None) -> importlib.machinery.ModuleSpec | None:
        if name not in self._sources:
            return None
        return importlib.util.spec_from_loader(name, self, is_package=self._sources[name][0])

    def exec_module(self, module: types.ModuleType) -> None:
        exec(compile(self._sources[module.__name__][1], f"<{module.__name__}>", "exec"), module.__dict__)  # noqa: S102


# The candidate's process


def _candidate(order: Mapping[str, Any]) -> None:
    """Run the candidate's code once, then answer what the tests ask of it, until they hang up."""
    calls, replies = os.fdopen(order["descriptors"][0], "rb"), os.fdopen(order["descriptors"][1], "wb")
    kept = Kept()
    module = types.ModuleType("candidate")
    sys.modules["candidate"] = module
    try:
        exec(compile(order["code"], "<candidate>", "exec"), module.__dict__)  # noqa: S102
    except BaseException as error:
        send(replies, {"raised": _told(error)})
        return
    names = [name for name in module.__dict__ if isinstance(name, str) and not name.startswith("__")][:NAMES_MAX]
    send(replies, {"names": {name: "callable" if callable(module.__dict__[name]) else "value" for name in names}})
    while True:
        try:
            asked = receive(calls)
        except EOFError:
            return
        try:
            reply = {"value": plain(_done(asked, module, kept), lambda value: {"kept": kept.keep(value)})}
        except BaseException as error:
            reply = {"raised": _told(error)}
        send(replies, reply)


def _builtin(name: str, held: Any) -> Any:
    return getattr(builtins, held) if name == "builtin" else no_value(name, held)


def _done(asked: Mapping[str, Any], module: types.ModuleType, kept: Kept) -> Any:
    def own(name: str, held: Any) -> Any:
        return kept.objects[held] if name == "kept" else module.__dict__[held] if name == "name" else _builtin(name, held)

    subject, rest = built(asked["of"], own), [built(one, own) for one in asked["with"]]
    operation = asked["do"]
    if operation == "call":
        return subject(*rest, **{name: built(value, own) for name, value in asked["named"].items()})
    if operation == "get":
        return getattr(subject, rest[0])
    if operation == "set":
        return setattr(subject, rest[0], rest[1])
    if operation == "itself":
        return subject
    return _OPERATIONS[operation](subject, *rest)


_OPERATIONS: Mapping[str, Callable[..., Any]] = {
    "has": lambda one, key: key in one,
    "item": lambda one, key: one[key],
    "iter": iter,
    "len": len,
    "next": next,
    "str": str,
}


def _told(error: BaseException) -> list[str]:
    try:
        return [type(error).__name__[:100], str(error)[:REASON_CHARACTERS_MAX]]
    except BaseException:
        return ["Exception", ""]


# The tests' process


class _Line:
    """The line to the candidate."""

    def __init__(self, calls: BinaryIO, replies: BinaryIO) -> None:
        self._calls, self._replies = calls, replies

    def hear(self) -> Any:
        try:
            return receive(self._replies)
        except EOFError:
            raise RuntimeError("the candidate ended early") from None
        except (ValueError, RecursionError):
            raise RuntimeError("the candidate sent what is no message") from None

    def ask(self, operation: str, of: Any, *rest: Any, **named: Any) -> Any:
        """What the candidate makes of it; an error of its own is raised here, if it is one of Python's."""
        asked = {name: plain(value, _handed) for name, value in named.items()}
        send(self._calls, {"do": operation, "of": plain(of, _handed), "with": [plain(one, _handed) for one in rest], "named": asked})
        reply = self.hear()
        if "raised" in reply:
            raise _raised(reply["raised"])
        try:
            return built(reply["value"], lambda name, held: Remote(self, name, int(held)) if name == "kept" else no_value(name, held))
        except (ValueError, TypeError, KeyError, IndexError, ArithmeticError, AttributeError, RecursionError):
            raise RuntimeError("the candidate sent what is no value") from None


class Remote:
    """Something of the candidate's that is no plain data. It is equal to nothing but itself, whatever it says of itself over there."""

    __slots__ = ("_key", "_kind", "_line")

    def __init__(self, line: _Line, kind: str, key: Any) -> None:
        for name, value in (("_line", line), ("_kind", kind), ("_key", key)):
            object.__setattr__(self, name, value)

    def __call__(self, *rest: Any, **named: Any) -> Any:
        return self._line.ask("call", self, *rest, **named)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._line.ask("get", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._line.ask("set", self, name, value)

    def __iter__(self) -> Iterator[Any]:
        walker = self._line.ask("iter", self)
        while True:
            try:
                one = self._line.ask("next", walker)
            except StopIteration:
                return
            yield one

    def __next__(self) -> Any:
        return self._line.ask("next", self)

    def __len__(self) -> int:
        return int(self._line.ask("len", self))

    def __getitem__(self, key: Any) -> Any:
        return self._line.ask("item", self, key)

    def __contains__(self, key: Any) -> bool:
        return self._line.ask("has", self, key) is True

    def __str__(self) -> str:
        return str(self._line.ask("str", self))


def _handed(value: Any) -> Any:
    if isinstance(value, Remote):
        return {value._kind: value._key}
    name = getattr(value, "__name__", "")
    if isinstance(value, type) and getattr(builtins, name, None) is value:
        return {"builtin": name}
    raise TypeError(f"a value of the type {type(value).__name__} cannot be handed to the candidate")


def _raised(told: Any) -> BaseException:
    name, text = str(told[0]), str(told[1])
    kind = getattr(builtins, name, None)
    is_error = isinstance(kind, type) and issubclass(kind, Exception)
    with contextlib.suppress(TypeError):
        if is_error:
            return kind(text)  # type: ignore[no-any-return, misc]
    return RuntimeError(f"{name}: {text}")


def _tests(order: Mapping[str, Any]) -> None:
    """Run the tests with the candidate's names in place, and say on the last pipe what came of them."""
    calls, replies, verdict = order["descriptors"]
    line = _Line(os.fdopen(calls, "wb"), os.fdopen(replies, "rb"))
    said: dict[str, Any]
    try:
        _run_tests(line, order)
        said = {"passed": True}
    except BaseException as error:
        said = {"passed": False, "raised": _told(error)}
    send(os.fdopen(verdict, "wb"), said)


def _run_tests(line: _Line, order: Mapping[str, Any]) -> None:
    first = line.hear()
    if "raised" in first:
        raise _raised(first["raised"])
    scope: dict[str, Any] = {"__name__": "tests"}
    entry, wanted = order["entry_point"], _names_in(order["setup"]) | _names_in(order["code"])
    for name, kind in first["names"].items():
        # A candidate gives what is asked for by name, and nothing that Python gives; the setup and the tests then define what is theirs.
        if name in wanted and not hasattr(builtins, name):
            remote = Remote(line, "name", name)
            is_library = name in sys.stdlib_module_names
            scope[name] = importlib.import_module(name) if is_library else remote if kind == "callable" else line.ask("itself", remote)
    exec(compile(order["setup"], "<setup>", "exec"), scope)  # noqa: S102
    if entry:
        scope[entry] = Remote(line, "name", entry)
    exec(compile(order["code"], "<tests>", "exec"), scope)  # noqa: S102
    if entry and isinstance(scope.get("check"), types.FunctionType):
        scope["check"](scope[entry])


def _names_in(code: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}


def _trial(order: Mapping[str, Any]) -> None:
    """Try to get out, and say what could be done: nothing is right."""
    done = []
    for name, attempt in (
        ("open a file of the machine", lambda: Path("/etc/passwd").read_bytes()),
        ("see the machine's processes", lambda: Path("/proc/1/status").read_bytes()),
        ("open a socket", lambda: _call("socket", min(libc.socket(2, 1, 0), 0))),
        ("start a process", os.fork),
        ("send a signal", lambda: os.kill(os.getppid(), 0)),
        ("change the root", lambda: os.chroot("/")),
    ):
        with contextlib.suppress(OSError, ImportError):
            attempt()
            done.append(name)
    send(os.fdopen(order["descriptors"][0], "wb"), {"done": done})
