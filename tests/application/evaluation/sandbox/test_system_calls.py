from __future__ import annotations

import struct

import pytest

from ondol.application.evaluation.sandbox.system_calls import ALWAYS, MACHINES, WITH_FILES, filter_program

ALLOW, DENY, KILL = 0x7FFF0000, 0x00050001, 0x80000000
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# From Linux' unistd.h: socket, fork, vfork, clone, clone3, execve, execveat, kill, tgkill, ptrace, mount, unshare, setns, chroot, prctl, prlimit64,
# ioctl,
# io_uring_setup, process_vm_readv, memfd_create, keyctl, bpf, open_by_handle_at.
FORBIDDEN = {
    "x86_64": (41, 57, 58, 56, 435, 59, 322, 62, 234, 101, 165, 272, 308, 161, 157, 302, 16, 425, 310, 319, 250, 321, 304),
    "aarch64": (198, 220, 435, 221, 281, 129, 131, 117, 40, 97, 268, 51, 167, 261, 29, 425, 270, 279, 219, 280, 265),
}


def judged(machine: str, number: int, *, with_files: bool, architecture: int | None = None, second: int = 0) -> int:
    """What the kernel makes of a call: the program, step by step."""
    data = {0: number, 4: ARCHITECTURES[machine] if architecture is None else architecture, 24: second}
    program = list(struct.iter_unpack("=HBBI", filter_program(machine, with_files=with_files)))
    place, held = 0, 0
    while True:
        code, if_equal, if_not, value = program[place]
        place += 1
        if code == 0x06:
            return int(value)
        if code == 0x20:
            held = data[value]
        else:
            assert code == 0x15
            place += if_equal if held == value else if_not


@pytest.mark.parametrize("machine", sorted(MACHINES))
def test_only_what_is_named_is_allowed(machine: str) -> None:
    for with_files in (False, True):
        allowed = {*ALWAYS[machine].values(), *(WITH_FILES[machine].values() if with_files else ())}
        found = {number for number in range(1_024) if judged(machine, number, with_files=with_files) == ALLOW}
        assert found == allowed | {25 if machine == "aarch64" else 72}
        assert found.isdisjoint(FORBIDDEN[machine])


@pytest.mark.parametrize("machine", sorted(MACHINES))
def test_the_tables_of_other_processors_end_the_process(machine: str) -> None:
    assert judged(machine, ALWAYS[machine]["read"], with_files=True, architecture=0x40000003) == KILL
    assert judged("x86_64", 0x40000000 | 0, with_files=True) == DENY


def test_no_descriptor_sends_signals() -> None:
    assert [judged("x86_64", 72, with_files=True, second=command) for command in (0, 1, 2, 3, 1030)] == [ALLOW] * 5
    assert [judged("x86_64", 72, with_files=True, second=command) for command in (4, 8, 10, 15, 1024)] == [DENY] * 5
