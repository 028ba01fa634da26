"""The system calls that sandboxed code may make, as a program for the kernel's filter (seccomp, `Documentation/userspace-api/seccomp_filter.rst`).

What is not named here fails with EPERM: sockets, new processes and threads, other programs, signals, tracing, mounts, namespaces, io_uring, memory of
other processes, limits, devices. A call made for another processor's table ends the process. Numbers are from Linux' `unistd.h`.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

_LOAD, _JUMP_EQUAL, _RETURN = 0x20, 0x15, 0x06
_KILL, _ERROR, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_EPERM = 1
_NUMBER, _ARCHITECTURE, _SECOND_ARGUMENT = 0, 4, 24
"""Offsets in `struct seccomp_data`; of an argument its lower half."""
_FCNTL_COMMANDS = (0, 1, 2, 3, 1030)
"""F_DUPFD, F_GETFD, F_SETFD, F_GETFL and F_DUPFD_CLOEXEC; none that names who is to get a signal."""


def _table(text: str) -> dict[str, int]:
    return {name: int(number) for name, number in (one.split("=") for one in text.split())}


ALWAYS: Final[Mapping[str, Mapping[str, int]]] = {
    "x86_64": _table("""
        read=0 write=1 close=3 fstat=5 lseek=8 mmap=9 mprotect=10 munmap=11 mremap=25 madvise=28 brk=12 rt_sigaction=13 rt_sigprocmask=14
        rt_sigreturn=15 sigaltstack=131 getpid=39 getppid=110 gettid=186 getuid=102 geteuid=107 getgid=104 getegid=108 clock_gettime=228
        clock_getres=229 clock_nanosleep=230 nanosleep=35 gettimeofday=96 time=201 times=100 getrusage=98 getrandom=318 futex=202 exit=60
        exit_group=231 restart_syscall=219 readv=19 writev=20 poll=7 ppoll=271 select=23 pselect6=270 dup=32 set_robust_list=273 rseq=334
        sched_yield=24 sched_getaffinity=204 alarm=37 getitimer=36 setitimer=38
    """),
    "aarch64": _table("""
        read=63 write=64 close=57 fstat=80 lseek=62 mmap=222 mprotect=226 munmap=215 mremap=216 madvise=233 brk=214 rt_sigaction=134
        rt_sigprocmask=135 rt_sigreturn=139 sigaltstack=132 getpid=172 getppid=173 gettid=178 getuid=174 geteuid=175 getgid=176 getegid=177
        clock_gettime=113 clock_getres=114 clock_nanosleep=115 nanosleep=101 gettimeofday=169 times=153 getrusage=165 getrandom=278 futex=98
        exit=93 exit_group=94 restart_syscall=128 readv=65 writev=66 ppoll=73 pselect6=72 dup=23 set_robust_list=99 rseq=293 sched_yield=124
        sched_getaffinity=123 getitimer=102 setitimer=103
    """),
}
"""By the machine's name."""

WITH_FILES: Final[Mapping[str, Mapping[str, int]]] = {
    "x86_64": _table("""
        open=2 openat=257 stat=4 lstat=6 newfstatat=262 statx=332 access=21 faccessat=269 faccessat2=439 getcwd=79 chdir=80 mkdir=83 mkdirat=258
        rmdir=84 unlink=87 unlinkat=263 rename=82 renameat=264 renameat2=316 readlink=89 readlinkat=267 getdents64=217 ftruncate=77 truncate=76
        pread64=17 pwrite64=18 fsync=74 fdatasync=75 umask=95
    """),
    "aarch64": _table("""
        openat=56 newfstatat=79 statx=291 faccessat=48 faccessat2=439 getcwd=17 chdir=49 mkdirat=34 unlinkat=35 renameat=38 renameat2=276
        readlinkat=78 getdents64=61 ftruncate=46 truncate=45 pread64=67 pwrite64=68 fsync=82 fdatasync=83 umask=166
    """),
}
"""What is allowed besides, where the whole file system is one of its own."""

_FCNTL: Final[Mapping[str, int]] = {"x86_64": 72, "aarch64": 25}
_ARCHITECTURES: Final[Mapping[str, int]] = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
MACHINES: Final = frozenset(_ARCHITECTURES)


def filter_program(machine: str, *, with_files: bool) -> bytes:
    """The filter as an array of `struct sock_filter`.

    Args:
        machine: one of `MACHINES`.
    """
    allowed = {**ALWAYS[machine], **(WITH_FILES[machine] if with_files else {})}
    program = [_statement(_LOAD, _ARCHITECTURE), _jump(_ARCHITECTURES[machine], 1, 0), _statement(_RETURN, _KILL), _statement(_LOAD, _NUMBER)]
    for number in sorted(allowed.values()):
        program += [_jump(number, 0, 1), _statement(_RETURN, _ALLOW)]
    commands = [part for command in _FCNTL_COMMANDS for part in (_jump(command, 0, 1), _statement(_RETURN, _ALLOW))]
    program += [_jump(_FCNTL[machine], 0, len(commands) + 1), _statement(_LOAD, _SECOND_ARGUMENT), *commands]
    return b"".join([*program, _statement(_RETURN, _ERROR | _EPERM)])


def _statement(code: int, value: int) -> bytes:
    return struct.pack("=HBBI", code, 0, 0, value)


def _jump(value: int, if_equal: int, if_not: int) -> bytes:
    return struct.pack("=HBBI", _JUMP_EQUAL, if_equal, if_not, value)
