"""elect_test.py -- `redlock elect`: one leader at a time, and another when it falls."""

import signal
import sys
import time

sys.dont_write_bytecode = True  # the source tree stays clean

from support import PATIENCE, await_true, expect, expect_equal, main

# Says when it leads and when it ends, and stays until it is told to go.
LEAD = "echo lead >> {0}; trap 'echo end >> {0}; exit 0' TERM; while :; do sleep 0.01; done"


def prepare(world):
    world.one = world.server("one")
    world.url = world.one.url


def elect(world, *words, **how):
    return world.start("elect", *words, **{"url": world.url, **how})


def lines(world, name):
    return world.read(name).split()


def once(world):
    """--once runs hooks and command in order and passes the code on"""
    code, out, err = world.run("elect", "--once", "--on-elected", "echo elected $REDLOCK_NAME", "--on-deposed",
                               "echo deposed $REDLOCK_FENCE", "once", "-c", "echo fence $REDLOCK_FENCE; exit 4",
                               url=world.url)
    out = out.split()
    expect_equal(code, 4, err)
    expect_equal(out[:3] + out[4:5], ["elected", "once", "fence", "deposed"])
    expect_equal(out[3], out[5], "under one and the same lock")
    expect_equal(world.one.ask("EXISTS", "once"), ":0", "it is released")


def hook_says_no(world):
    """When --on-elected fails, the command is not started"""
    code, out, err = world.run("elect", "--once", "--on-elected", "exit 6", "--on-deposed", "echo deposed", "no",
                               "echo", "ran", url=world.url)
    expect_equal((code, out), (6, "deposed\n"), err)
    expect("not started" in err, err)


def stands_again(world):
    """When the command ends it steps down, pauses, and stands again with a larger fence"""
    process = elect(world, "again", "-c", "echo $REDLOCK_FENCE; exit 3")
    begin = time.monotonic()
    fences = [int(process.stdout.readline()) for _ in range(3)]
    took = time.monotonic() - begin
    expect(fences[0] < fences[1] < fences[2], fences)
    expect(0.5 <= took < PATIENCE, f"three terms took {took:.3f} s")
    process.terminate()
    expect(process.wait(timeout=PATIENCE) in (3, 143), "told to end in the term or in the pause")


def another_takes_over(world):
    """When the leader is killed, another leads; never two at once"""
    path = world.path("over")
    first = elect(world, "-t", "3", "over", "-c", LEAD.format(path))
    await_true(lambda: lines(world, "over") == ["lead"], "the first leads")
    second = elect(world, "-t", "3", "over", "-c", LEAD.format(path))
    await_true(lambda: world.one.ask("ZCARD", "redlock:{over}:queue") == ":1", "the second waits")
    world.one.await_renewal("over")
    expect_equal(lines(world, "over"), ["lead"], "the second waits on")
    first.kill()
    await_true(lambda: lines(world, "over") == ["lead", "lead"], "the second leads")
    second.terminate()
    expect_equal(second.wait(timeout=PATIENCE), 0, "the command's code")
    expect_equal(lines(world, "over"), ["lead", "lead", "end"])


def deposed_by_loss(world):
    """A leader whose lock is lost is stopped, runs --on-deposed without it, and stands again"""
    path = world.path("loss")
    process = elect(world, "-t", "3", "--on-deposed", f"echo deposed >> {path}", "loss", "-c",
                    LEAD.format(path))
    await_true(lambda: lines(world, "loss") == ["lead"], "it leads")
    world.one.ask("SET", "loss", "somebody", "PX", "60000")
    await_true(lambda: lines(world, "loss") == ["lead", "end", "deposed"], "it is deposed")
    world.one.ask("DEL", "loss")
    await_true(lambda: lines(world, "loss")[3:] == ["lead"], "it leads again")
    process.terminate()
    expect_equal(process.wait(timeout=PATIENCE), 0)


def waits_for_servers(world):
    """Without servers it stands until they are there; with --once it gives up, as run does"""
    nowhere = "unix://" + world.path("later.sock")
    process = elect(world, "later", "echo", "led", url=nowhere)
    time.sleep(0.3)
    expect(process.poll() is None, "it stands")
    world.server("later")
    expect_equal(process.stdout.readline(), "led\n")
    process.terminate()
    expect(process.wait(timeout=PATIENCE) in (0, 143), "told to end in the term or in the pause")
    once_process = elect(world, "--once", "x", "true", url="unix://" + world.path("never.sock"))
    expect_equal(once_process.wait(timeout=PATIENCE), 69)


def told_while_standing(world):
    """A signal ends a candidate with 128 and its number"""
    world.one.ask("SET", "told", "somebody", "PX", "60000")
    process = elect(world, "-v", "told", "true")
    process.stderr.readline()
    process.send_signal(signal.SIGINT)
    expect_equal(process.wait(timeout=PATIENCE), 130)
    world.one.ask("DEL", "told")


def rotates(world):
    """--max-hold ends a term, not the candidacy"""
    process = elect(world, "--max-hold", "0.2", "turn", "-c", "echo led; sleep 60")
    expect_equal([process.stdout.readline() for _ in range(2)], ["led\n", "led\n"])
    process.terminate()
    process.wait(timeout=PATIENCE)


main([once, hook_says_no, stands_again, another_takes_over, deposed_by_loss, waits_for_servers,
      told_while_standing, rotates], prepare)
