"""readme_test.py -- the screens in README.md are what the command prints today.

The scene that each was taken from is made again, and what the command prints then is compared with the
screen: numbers, addresses and the width of columns aside."""

import os
import re
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True  # the source tree stays clean

from doctor_test import GOOD, folder_for, forget_folders
from support import PATIENCE, Failed, await_true, expect, expect_equal, main
from top_test import Screen

README = Path(__file__).resolve().parent.parent.parent / "README.md"
# name, holder, who waits for it; as in README.md
LOCKS = (("cron:invoices", "web1/4711", ()), ("cron:mail", "web3/512", ()),
         ("deploy:shop", "ci7/30114", ("ci2/1019", "ci3/4")), ("migrate", "ci7/30188", ("ci2/1020", "ci5/77", "ci1/4015")),
         ("nightly-backup", "db1/2203", ()), ("report:2026-11", "web2/871", ()))


def screen_of_readme(first):
    """The lines of the fenced block that begins with `first`, without it."""
    for block in re.findall(r"^```\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S):
        lines = block.splitlines()
        if lines[0].startswith(first):
            return lines[1:] if lines[0].startswith("$ ") else lines
    raise Failed(f"README.md has no screen that begins with {first!r}")


def shape(line):
    """What has to be the same: words and their order."""
    line = re.sub(r"(unix|redis)://\S+?(?=[:,]?(\s|$))", "URL", line)
    line = re.sub(r"\b[0-9]+(\.[0-9]+)?(us|ms|s)\b", "TIME", line)
    line = re.sub(r"\b(Redis|Valkey) [0-9.]+", "SERVER", line)
    return re.sub(r"\s+", " ", re.sub(r"(?<![\w/:.-])[0-9]{9,}", "FENCE", line)).strip()


def shapes(lines):
    """Sentences are folded where the width of an address makes them; so lines are no matter."""
    return " ".join(shape(line) for line in lines if line.strip())


def expect_shape(first, look):
    """`look` gives the lines as they are now.  Servers that are slow once are no fault of README.md."""
    wanted = shapes(screen_of_readme(first))
    deadline = time.monotonic() + PATIENCE
    got = shapes(look())
    while got != wanted and time.monotonic() < deadline:
        time.sleep(0.2)
        got = shapes(look())
    if got != wanted:
        raise Failed(f"README.md shows\n{wanted}\nand the command prints\n{got}")


def hold(world, name, label):
    world.start("run", "-t", "60", "--label", label, name, "sleep", "120", url=world.url)
    await_true(lambda: all(node.ask("EXISTS", name) == ":1" for node in world.nodes), f"{label} holds {name}")


def wait_for(world, name, label, place):
    world.start("run", "-t", "60", "--label", label, name, "true", url=world.url)
    await_true(lambda: [node.ask("ZCARD", f"redlock:{{{name}}}:queue") for node in world.nodes] == [f":{place}"] * 3,
               f"{label} waits for {name}")


def prepare(world):
    world.nodes = [world.server(f"s{i}", "--dir", folder_for(world, f"s{i}"), *GOOD) for i in range(3)]
    world.url = " ".join(node.url for node in world.nodes)
    expect_equal(world.run("init", url=world.url)[0], 0)


def doctor(world):
    """redlock doctor, with one server that may evict and one whose user may not publish"""
    world.nodes[1].ask("CONFIG", "SET", "maxmemory-policy", "volatile-lru")
    world.nodes[2].ask("ACL", "SETUSER", "default", "-publish")
    try:
        expect_shape("$ redlock doctor", lambda: world.run("doctor", "--timeout", "5", url=world.url)[1].splitlines())
    finally:
        world.nodes[1].ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        world.nodes[2].ask("ACL", "SETUSER", "default", "+publish")


def status(world):
    """redlock status, with a key that somebody has deleted, and three who wait"""
    for name, holder, waiters in LOCKS:
        hold(world, name, holder)
        for index, waiter in enumerate(waiters):
            wait_for(world, name, waiter, index + 1)

    def look():
        world.nodes[1].ask("DEL", "migrate")
        return world.run("status", "migrate", url=world.url)[1].splitlines()
    expect_shape("$ redlock status migrate", look)


def top(world):
    """redlock top, with a server that hangs"""
    world.nodes[2].signal(19)  # SIGSTOP
    screen = Screen(world)
    try:
        screen.start()

        def look():
            world.nodes[1].ask("DEL", "migrate")
            return screen.text().splitlines()
        expect_shape("redlock top ", look)
    finally:
        screen.end()
        world.nodes[2].signal(18)  # SIGCONT


if __name__ == "__main__":
    main([doctor, status, top], prepare, forget_folders)
