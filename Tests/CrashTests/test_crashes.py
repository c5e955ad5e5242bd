"""Kills and faults at the system calls that change the queue, and power cuts: nothing that was acknowledged is lost.

A bounded number of each; `make torture` (torture.py) does the same for as long as it is told. MARTLET_CRASH_KILLS, MARTLET_CRASH_FAULTS and
MARTLET_CRASH_CUTS set the numbers, MARTLET_CRASH_SEED the seed, which is printed. What is found more than once is counted by the windows of
ARCHITECTURE.md, and is a failure where none of them explains it.
"""

import os
import random
import shutil
import subprocess

import pytest

from breakage import faults, kills
from powercut import KINDS, PowerCuts, obstacle
from rain import Rain

SEED = int(os.environ.get("MARTLET_CRASH_SEED", random.randrange(1 << 32)))
KILLS = int(os.environ.get("MARTLET_CRASH_KILLS", 40))
FAULTS = int(os.environ.get("MARTLET_CRASH_FAULTS", 20))
CUTS = int(os.environ.get("MARTLET_CRASH_CUTS", 21))

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")


def spread(breakages, count, chance):
    """So many of them, every program in turn, in the order of chance."""
    chance.shuffle(breakages)
    by_program = {}
    for breakage in breakages:
        by_program.setdefault(breakage.program, []).append(breakage)
    chosen = []
    while len(chosen) < count and any(by_program.values()):
        for waiting in by_program.values():
            if waiting and len(chosen) < count:
                chosen.append(waiting.pop())
    return chosen


@needs_strace
def test_no_kill_loses_anything(directory):
    rain = Rain(directory, SEED, "kills")
    rain.start()
    try:
        for _ in range(2):
            rain.shower(spread(kills(), KILLS // 2, rain.chance), seconds=60)
        for _ in range(2):
            rain.kill_everything()
            rain.kill_master()
        for _ in range(6):
            rain.kill_within_stop()
        rain.check()
    finally:
        print(f"\nseed {SEED}: {rain.summary()}")
        rain.stop()
    assert KILLS < 10 or sum(rain.kills.values()) > KILLS // 4, "hardly a kill came about"
    assert rain.acknowledged > 0


@needs_strace
def test_no_fault_loses_anything(directory):
    rain = Rain(directory, SEED, "faults")
    rain.start()
    try:
        rain.shower(spread(faults(), FAULTS, rain.chance), seconds=60)
    finally:
        print(f"\nseed {SEED}: {rain.summary()}")
        rain.stop()
    assert FAULTS < 10 or sum(rain.faults.values()) > FAULTS // 4, "hardly a fault came about"
    assert rain.acknowledged > 0


@pytest.mark.skipif(obstacle() is not None, reason=str(obstacle()))
@pytest.mark.parametrize("kind", list(KINDS))
def test_no_power_cut_loses_anything(directory, kind):
    cuts = PowerCuts(directory, SEED, kind)
    try:
        cuts.run(max(1, CUTS // len(KINDS)))
        assert cuts.checks > 0
    finally:
        print(f"\nseed {SEED}: {cuts.summary()}")
        cuts.close()


@pytest.mark.skipif(obstacle() is not None, reason=str(obstacle()))
def test_no_power_cut_after_deaths_loses_anything(directory):
    """cleanup dies, its successor finds a log that nobody has; qmgr dies, and learns from the logs; then the power fails."""
    cuts = PowerCuts(directory, SEED, "ext4", kills=("cleanup", "qmgr"))
    try:
        cuts.run(max(1, CUTS // 4))
        assert cuts.checks > 0
    finally:
        print(f"\nseed {SEED}: {cuts.summary()}")
        cuts.close()


@pytest.mark.skipif(obstacle() is not None, reason=str(obstacle()))
def test_a_system_that_does_not_sync_is_found_out(directory):
    """These tests can fail: with a library that makes fsync and fdatasync do nothing, messages that were acknowledged are missing."""
    library = directory / "nosync.so"
    # Also without AIO, by which several files are synced at a time: those calls go to fdatasync then.
    code = """
        #define _GNU_SOURCE
        #include <dlfcn.h>
        #include <errno.h>
        #include <sys/syscall.h>
        int fsync(int d) { return 0; }
        int fdatasync(int d) { return 0; }
        int sync_file_range(int d, long o, long n, unsigned f) { return 0; }
        long syscall(long n, long a, long b, long c, long d, long e, long f) {
            if (n == SYS_io_setup) { errno = ENOSYS; return -1; }
            return ((long (*)(long, ...))dlsym(RTLD_NEXT, "syscall"))(n, a, b, c, d, e, f);
        }
    """
    subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(library)], input=code.encode(), check=True)
    cuts = PowerCuts(directory, SEED, "ext4", preload=library)
    try:
        with pytest.raises(AssertionError, match="LOST|torn by the power failure"):
            cuts.run(10)
    finally:
        cuts.close()
