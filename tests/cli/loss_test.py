"""loss_test.py -- the command never outlives its lock, and redlock says so with 79."""

import os
import signal
import sys
import time

sys.dont_write_bytecode = True  # the source tree stays clean

from support import PATIENCE, STUBBORN, WAIT, await_true, expect, expect_equal, is_running, main

# A machine that stands still for a second loses no lock of this ttl, and the next renewal is a second away.
TTL_S = 3
# Ends in good order when asked to.
POLITE = "trap 'echo asked; exit 0' TERM; echo $$; while :; do sleep 0.01; done"


def prepare(world):
    world.nodes = [world.server(f"n{i}") for i in range(3)]
    world.single = world.server("single")
    world.three = " ".join(node.url for node in world.nodes)
    expect_equal(world.run("init", url=world.three)[0], 0, "the three are declared ready")


def start(world, *words, **how):
    return world.start("run", "-t", str(TTL_S), *WAIT, *words, **{"url": world.single.url, **how})


def begin(world, *words, **how):
    return world.begin("run", "-t", str(TTL_S), *WAIT, *words, **{"url": world.single.url, **how})


def hang_and_await(world, name, url, servers):
    """Hangs the servers under a stubborn command: code, errors, and the last beat in seconds after
    the lock was taken for sure for the last time."""
    process = start(world, "-v", name, "-c", STUBBORN.format(world.path(name)), url=url)
    pids = world.pids_of(name)
    servers[0].await_renewal(name)
    hung_s = time.time()
    for server in servers:
        server.signal(signal.SIGSTOP)
    try:
        await_true(lambda: not any(map(is_running, pids)), "the command is dead")
        beat_s = world.last_beat_s(name) - hung_s
        _, err = process.communicate(timeout=PATIENCE)
    finally:
        for server in servers:
            server.signal(signal.SIGCONT)
    return process.returncode, err, beat_s


def hung_server(world):
    """A hung server: a command that ignores SIGTERM is dead before the deadline, exit 79"""
    code, err, beat_s = hang_and_await(world, "hung", world.single.url, [world.single])
    expect_equal(code, 79, err)
    # The last renewal that was answered had begun before the hang, so the deadline is no later than a
    # ttl after it.
    expect(beat_s < TTL_S, f"it was alive {beat_s:.3f} s after the last possible renewal")
    expect("killed" in err, err)


def hung_majority(world):
    """A hung majority of three: the same"""
    code, err, beat_s = hang_and_await(world, "major", world.three, world.nodes[:2])
    expect_equal(code, 79, err)
    expect(beat_s < TTL_S, f"it was alive {beat_s:.3f} s after the last possible renewal")


def hung_minority(world):
    """A hung minority is no reason to stop"""
    process = begin(world, "minor", "-c", f"echo on; sleep {TTL_S + 1}; exit 6", url=world.three)
    world.nodes[2].signal(signal.SIGSTOP)
    try:
        process.communicate(timeout=PATIENCE)
    finally:
        world.nodes[2].signal(signal.SIGCONT)
    expect_equal(process.returncode, 6)


def asked_first(world):
    """A command that heeds SIGTERM has the time to end in good order"""
    process = begin(world, "-t", "5", "polite", "-c", POLITE)
    world.single.signal(signal.SIGSTOP)
    try:
        expect_equal(process.stdout.readline(), "asked\n")
        process.wait(timeout=PATIENCE)
    finally:
        world.single.signal(signal.SIGCONT)
    expect_equal(process.returncode, 79)


def passing_hang(world):
    """A hang that is over before the grace changes nothing"""
    process = begin(world, "-t", "6", "brief", "-c", "echo on; read x; exit 6", stdin=-1)
    world.single.signal(signal.SIGSTOP)
    time.sleep(2.2)  # the first renewal comes after 2 s
    world.single.signal(signal.SIGCONT)
    world.single.await_renewal("brief")
    process.communicate("\n", timeout=PATIENCE)
    expect_equal(process.returncode, 6)


def stolen(world):
    """A lock that somebody else has now: the whole group is killed at the next renewal, exit 79"""
    process = start(world, "-v", "stolen", "-c", STUBBORN.format(world.path("stolen")))
    pids = world.pids_of("stolen")
    world.single.ask("SET", "stolen", "somebody", "PX", "60000")
    await_true(lambda: not any(map(is_running, pids)), "the command is dead")
    _, err = process.communicate(timeout=PATIENCE)
    expect_equal(process.returncode, 79, err)
    expect("lost" in err, err)
    expect_equal(world.single.ask("GET", "stolen"), "somebody", "the thief's lock is untouched")
    world.single.ask("DEL", "stolen")


def ended_after_loss(world):
    """A command that ends by itself after the lock was stolen gives 79, not its own code"""
    process = begin(world, "-t", "30", "late", "-c", "echo on; read x; exit 0", stdin=-1)
    world.single.ask("SET", "late", "somebody", "PX", "60000")
    process.communicate("\n")
    expect_equal(process.returncode, 79)
    world.single.ask("DEL", "late")


def background_dies_on_loss(world):
    """On loss, what the command left in its group dies with it"""
    process = begin(world, "leave", "-c", "trap 'exit 0' TERM; (trap '' TERM; while :; do sleep 0.05; done) & "
                                          "echo $!; while :; do sleep 0.01; done")
    pid = int(process.first)
    world.single.ask("SET", "leave", "somebody", "PX", "60000")
    process.wait(timeout=PATIENCE)
    expect_equal(process.returncode, 79)
    await_true(lambda: not is_running(pid), "the background is dead")
    world.single.ask("DEL", "leave")


def frozen(world):
    """A redlock that was frozen past the deadline kills the command when it wakes"""
    process = start(world, "frozen", "-c", STUBBORN.format(world.path("frozen")))
    pids = world.pids_of("frozen")
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(TTL_S)
    os.kill(process.pid, signal.SIGCONT)
    process.wait(timeout=PATIENCE)
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
    process = start(world, "-v", "mute", "-c", STUBBORN.format(world.path("mute")), stderr=writing)
    os.close(writing)
    pids = world.pids_of("mute")
    world.single.ask("SET", "mute", "somebody", "PX", "60000")
    process.wait(timeout=PATIENCE)
    os.close(reading)
    expect_equal(process.returncode, 79)
    expect(not any(map(is_running, pids)), "the command is dead")
    world.single.ask("DEL", "mute")


main([hung_server, hung_majority, hung_minority, asked_first, passing_hang, stolen, ended_after_loss,
      background_dies_on_loss, frozen, blocked_errors], prepare)
