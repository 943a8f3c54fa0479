"""examples_test.py -- the programs in examples/ do what they say, on a server."""

import os
import subprocess
import sys

sys.dont_write_bytecode = True  # the source tree stays clean

from support import PATIENCE, REDLOCK, await_true, expect, expect_equal, main

EXAMPLES = os.path.join(os.path.dirname(os.path.dirname(REDLOCK)), "examples")


def prepare(world):
    world.one = world.server("one")


def program(name):
    return os.path.join(EXAMPLES, name)


def hello_takes_and_gives_back(world):
    """hello holds the lock, tells its fence, and leaves nothing"""
    done = subprocess.run([program("hello"), world.one.url], capture_output=True, text=True, timeout=PATIENCE, check=False)
    expect_equal((done.returncode, done.stderr), (0, ""))
    expect(done.stdout.startswith("held, fence "), f"it said {done.stdout!r}")
    expect_equal(world.one.ask("EXISTS", "hello"), ":0")


def hello_says_what_is_wrong(world):
    """hello without a server ends with 1 and a sentence"""
    done = subprocess.run([program("hello"), "unix:///nowhere/at/all"], capture_output=True, text=True, timeout=PATIENCE,
                          check=False)
    expect_equal(done.returncode, 1)
    expect(done.stderr.startswith("hello: NO_QUORUM: "), f"it said {done.stderr!r}")


def loop_holds_with_one_thread(world):
    """loop keeps the lock in a loop of its own, repeats its input, and gives the lock back at its end"""
    with subprocess.Popen([program("loop"), "looped", world.one.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as running:
        running.stdin.write(b"one\n")
        running.stdin.flush()
        expect_equal(running.stdout.readline(), b"one\n")
        expect_equal(world.one.ask("EXISTS", "looped"), ":1")
        expect_equal(len(os.listdir(f"/proc/{running.pid}/task")), 1, "its threads")
        out, err = running.communicate(b"two\n", timeout=PATIENCE)
        expect_equal((running.returncode, out, err), (0, b"two\n", b""))
    await_true(lambda: world.one.ask("EXISTS", "looped") == ":0", "the lock is given back")


main([hello_takes_and_gives_back, hello_says_what_is_wrong, loop_holds_with_one_thread], prepare)
