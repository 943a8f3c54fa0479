"""crowd_test.py -- 16 shells run many commands under one lock: one at a time, none lost, nothing left.

REDLOCK_CROWD=1000 makes it a thousand commands instead of 200."""

import os
import subprocess
import sys
import time

sys.dont_write_bytecode = True  # the source tree stays clean

from support import REDLOCK, await_true, expect, expect_equal, main

SHELLS = 16
RUNS = -(-int(os.environ.get("REDLOCK_CROWD", "200")) // SHELLS) * SHELLS
# Whoever finds the folder there is not alone.
ALONE = "mkdir {0}/in || echo overlap >>{0}/overlaps; echo $REDLOCK_FENCE >>{0}/ran; rmdir {0}/in"


def prepare(world):
    world.one = world.server("one")
    world.url = world.one.url


def crowd(world):
    """Every command runs exactly once, one at a time, with growing fences"""
    with open(world.path("alone"), "w", encoding="ascii") as file:
        file.write("#!/bin/sh\n" + ALONE.format(world.folder) + "\n")
    os.chmod(file.name, 0o755)
    loop = (f"i=0; while [ $i -lt {RUNS // SHELLS} ]; do i=$((i+1)); "
            f"{REDLOCK} run -w 100 crowd -- {file.name} || echo $? >>{world.folder}/failed; done")
    began = time.monotonic()
    shells = [subprocess.Popen(["sh", "-c", loop], env=dict(world.env, REDLOCK_URL=world.url),
                               stdin=subprocess.DEVNULL) for _ in range(SHELLS)]
    world.started += shells
    for shell in shells:
        expect_equal(shell.wait(timeout=RUNS), 0)
    print(f"# {RUNS} runs by {SHELLS} shells in {time.monotonic() - began:.1f} s")
    expect_equal(world.read("failed"), "", "codes of those that failed")
    expect_equal(world.read("overlaps"), "", "two at a time")
    fences = [int(word) for word in world.read("ran").split()]
    expect_equal(len(fences), RUNS, "commands that ran")
    expect(fences == sorted(set(fences)), "fences grow from one to the next")


def nothing_is_left(world):
    """No key, no process, no connection is left"""
    expect_equal(world.one.ask("EXISTS", "crowd"), ":0", "the lock")
    keys = int(world.one.ask("DBSIZE")[1:])
    expect(keys <= 3, f"{keys} keys: the companions of one name are at most three")
    await_true(lambda: not world.processes(), "all processes have ended")

    def connections():
        info = world.one.ask("INFO", "clients")
        return int(info.split("connected_clients:")[1].split()[0])

    await_true(lambda: connections() == 1, "nobody but this test is connected")


main([crowd, nothing_is_left], prepare)
