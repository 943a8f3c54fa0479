"""loss_test.py -- the command never outlives its lock, and redlock says so with 79."""

import os
import signal
import sys
import time

sys.dont_write_bytecode = True  # the source tree stays clean

from support import STUBBORN, await_true, expect, expect_equal, is_running, main

# Ends in good order when asked to.
POLITE = "trap 'echo asked; exit 0' TERM; echo $$; while :; do sleep 0.01; done"


def prepare(world):
    world.nodes = [world.server(f"n{i}") for i in range(3)]
    world.single = world.server("single")
    world.three = " ".join(node.url for node in world.nodes)
    expect_equal(world.run("init", url=world.three)[0], 0, "the three are declared ready")


def hang_and_await(world, name, url, servers, ttl_s):
    """Hangs the servers under a stubborn command: code, errors, and the last beat in seconds after
    the lock was taken for sure for the last time."""
    process = world.start("run", "-v", "-t", str(ttl_s), name, "-c",
                          STUBBORN.format(world.path(name)), url=url)
    pids = world.pids_of(name)
    time.sleep(ttl_s * 0.6)  # at least one renewal is over
    hung_s = time.time()
    for server in servers:
        server.signal(signal.SIGSTOP)
    try:
        await_true(lambda: not any(map(is_running, pids)), "the command is dead")
        beat_s = world.last_beat_s(name) - hung_s
        _, err = process.communicate(timeout=20)
    finally:
        for server in servers:
            server.signal(signal.SIGCONT)
    return process.returncode, err, beat_s


def hung_server(world):
    """A hung server: a command that ignores SIGTERM is dead before the deadline, exit 79"""
    code, err, beat_s = hang_and_await(world, "hung", world.single.url, [world.single], 1.5)
    expect_equal(code, 79, err)
    # The last renewal that was answered had begun before the hang, so the deadline is no later than a
    # ttl after it.
    expect(beat_s < 1.5, f"it was alive {beat_s:.3f} s after the last possible renewal")
    expect("killed" in err, err)


def hung_majority(world):
    """A hung majority of three: the same"""
    code, err, beat_s = hang_and_await(world, "major", world.three, world.nodes[:2], 1.5)
    expect_equal(code, 79, err)
    expect(beat_s < 1.5, f"it was alive {beat_s:.3f} s after the last possible renewal")


def hung_minority(world):
    """A hung minority is no reason to stop"""
    process = world.start("run", "-t", "1", "minor", "-c", "echo on; sleep 2.5; exit 6",
                          url=world.three)
    process.stdout.readline()
    world.nodes[2].signal(signal.SIGSTOP)
    try:
        process.communicate(timeout=20)
    finally:
        world.nodes[2].signal(signal.SIGCONT)
    expect_equal(process.returncode, 6)


def asked_first(world):
    """A command that heeds SIGTERM has the time to end in good order"""
    process = world.start("run", "-t", "1.5", "polite", "-c", POLITE, url=world.single.url)
    process.stdout.readline()
    world.single.signal(signal.SIGSTOP)
    try:
        expect_equal(process.stdout.readline(), "asked\n")
        process.wait(timeout=20)
    finally:
        world.single.signal(signal.SIGCONT)
    expect_equal(process.returncode, 79)


def passing_hang(world):
    """A hang that is over before the grace changes nothing"""
    process = world.start("run", "-t", "3", "brief", "-c", "echo on; sleep 2.5; exit 6",
                          url=world.single.url)
    process.stdout.readline()
    world.single.signal(signal.SIGSTOP)
    time.sleep(1.2)
    world.single.signal(signal.SIGCONT)
    process.communicate(timeout=20)
    expect_equal(process.returncode, 6)


def stolen(world):
    """A lock that somebody else has now: the whole group is killed at the next renewal, exit 79"""
    process = world.start("run", "-v", "-t", "1.5", "stolen", "-c",
                          STUBBORN.format(world.path("stolen")), url=world.single.url)
    pids = world.pids_of("stolen")
    world.single.ask("SET", "stolen", "somebody", "PX", "60000")
    await_true(lambda: not any(map(is_running, pids)), "the command is dead")
    _, err = process.communicate(timeout=20)
    expect_equal(process.returncode, 79, err)
    expect("lost" in err, err)
    expect_equal(world.single.ask("GET", "stolen"), "somebody", "the thief's lock is untouched")
    world.single.ask("DEL", "stolen")


def ended_after_loss(world):
    """A command that ends by itself after the lock was stolen gives 79, not its own code"""
    process = world.start("run", "-t", "30", "late", "-c", "echo on; read x; exit 0",
                          url=world.single.url, stdin=-1)
    process.stdout.readline()
    world.single.ask("SET", "late", "somebody", "PX", "60000")
    process.communicate("\n")
    expect_equal(process.returncode, 79)
    world.single.ask("DEL", "late")


def background_dies_on_loss(world):
    """On loss, what the command left in its group dies with it"""
    process = world.start("run", "-t", "1.5", "leave", "-c",
                          "trap 'exit 0' TERM; (trap '' TERM; while :; do sleep 0.05; done) & "
                          "echo $!; while :; do sleep 0.01; done", url=world.single.url)
    pid = int(process.stdout.readline())
    world.single.ask("SET", "leave", "somebody", "PX", "60000")
    process.wait(timeout=20)
    expect_equal(process.returncode, 79)
    await_true(lambda: not is_running(pid), "the background is dead")
    world.single.ask("DEL", "leave")


def frozen(world):
    """A redlock that was frozen past the deadline kills the command when it wakes"""
    process = world.start("run", "-t", "0.6", "frozen", "-c",
                          STUBBORN.format(world.path("frozen")), url=world.single.url)
    pids = world.pids_of("frozen")
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(1.5)
    os.kill(process.pid, signal.SIGCONT)
    process.wait(timeout=20)
    expect_equal(process.returncode, 79)
    expect(not any(map(is_running, pids)), "the command is dead")


def blocked_errors(world):
    """An error output that nobody reads does not hold up the kill"""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(writing, True)
    process = world.start("run", "-v", "-t", "1.5", "mute", "-c", STUBBORN.format(world.path("mute")),
                          url=world.single.url, stderr=writing)
    os.close(writing)
    pids = world.pids_of("mute")
    world.single.ask("SET", "mute", "somebody", "PX", "60000")
    process.wait(timeout=20)
    os.close(reading)
    expect_equal(process.returncode, 79)
    expect(not any(map(is_running, pids)), "the command is dead")
    world.single.ask("DEL", "mute")


main([hung_server, hung_majority, hung_minority, asked_first, passing_hang, stolen, ended_after_loss,
      background_dies_on_loss, frozen, blocked_errors], prepare)
