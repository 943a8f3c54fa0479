"""rights_test.py -- ./dev test --acl is about something: tests pass with the rights that doctor --acl prints, and break with less."""

import os
import subprocess
import sys

sys.dont_write_bytecode = True  # the source tree stays clean

import support
from support import PATIENCE, REDLOCK, expect, expect_equal, main

PROGRAM = os.path.join(os.path.dirname(REDLOCK), "../tests/live_one_node")


def prepare(world):
    code, printed, err = world.run("doctor", "--acl", "[^r]*", env={"REDLOCK_USER": "default"})
    expect_equal(code, 0, err)
    lines = [line.removeprefix("ACL SETUSER default ") for line in printed.splitlines() if line[0] != "#"]
    world.rights = " ".join(lines).removeprefix("reset on >SECRET ")
    world.saved = support.RIGHTS


def finish(world):
    support.RIGHTS = world.saved


def rights_file(world, name, without=None):
    with open(world.path(name), "w", encoding="utf-8") as file:
        file.write(" ".join(word for word in world.rights.split() if word != without) + "\n")
    return world.path(name)


def played(rights):
    done = subprocess.run([PROGRAM], env=dict(os.environ, REDLOCK_TEST_RIGHTS=rights), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=4 * PATIENCE, check=False)
    return done.returncode, done.stdout


def library(world):
    """The library's tests pass with these rights, and break without EVALSHA"""
    code, said = played(rights_file(world, "all"))
    expect_equal(code, 0, said)
    code, said = played(rights_file(world, "less", "+evalsha"))
    expect(code != 0, "it passes with less")
    expect("the rights do not suffice: command" in said and "evalsha" in said, said)


def command(world):
    """A server tells what it refused the command"""
    support.RIGHTS = rights_file(world, "no-scan", "+scan")
    server = world.server("limited")
    support.RIGHTS = None  # or the end of this test would count it
    expect_equal(world.run("acquire", "job", url=server.url)[0], 0)
    expect_equal(server.refused(), [])
    expect(world.run("ls", url=server.url)[0] != 0, "ls needs SCAN")
    expect_equal(server.refused(), ["scan"])


def password(world):
    """A wrong password is not a right that is missing"""
    support.RIGHTS = rights_file(world, "all")
    server = world.server("whole")
    expect_equal(world.run("ls", url=server.url.replace("unix://", "unix://nobody:wrong@"))[0], 77)
    expect_equal(server.refused(), [])


if __name__ == "__main__":
    main([library, command, password], prepare, finish)
