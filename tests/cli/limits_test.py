"""limits_test.py -- `redlock run`: -x, --min-hold, --max-hold, --grace, --on-lost, --lost-exit-code."""

import os
import signal
import sys
import time

sys.dont_write_bytecode = True  # the source tree stays clean

from support import PATIENCE, STUBBORN, TRIES, WAIT, await_true, expect, expect_equal, is_running, main, proc_read


def prepare(world):
    world.one = world.server("one")
    world.url = world.one.url


def run(world, *words, **how):
    return world.run("run", *words, **{"url": world.url, **how})


def steal(world, name):
    world.one.ask("SET", name, "somebody", "PX", "60000")


def busy_is_success(world):
    """-x makes a busy lock a success, and a quiet one"""
    steal(world, "busy")
    expect_equal(run(world, "-n", "-x", "busy", "echo", "ran"), (0, "", ""))
    expect_equal(run(world, "-x", "-w", "0.1", "busy", "echo", "ran"), (0, "", ""))
    expect_equal(run(world, "-x", "free", "-c", "exit 4")[0], 4, "the command's code is passed on")
    world.one.ask("DEL", "busy")


def min_hold_leaves(world):
    """--min-hold longer than the ttl: redlock ends with the command, the name stays held"""
    begin = time.monotonic()
    expect_equal(run(world, "-t", "6", *WAIT, "--min-hold", "50", "left", "-c", "exit 4")[0], 4)
    took = time.monotonic() - begin
    expect(took < 40, f"it did not stay: {took:.3f} s")
    expect_equal(run(world, "-n", "left", "true")[0], 75, "nobody else gets it")
    left = int(world.one.ask("PTTL", "left")[1:]) / 1000
    expect(50 - 0.1 < time.monotonic() - begin + left and left < 50 + 2, f"it ends by itself, in {left} s")
    world.one.ask("DEL", "left")


def min_hold_stays(world):
    """--min-hold shorter than the ttl: redlock stays until then and releases"""
    begin = time.monotonic()
    expect_equal(run(world, "--min-hold", "0.6", "stay", "-c", "exit 4")[0], 4)
    took = time.monotonic() - begin
    expect(0.6 <= took < 30, f"it took {took:.3f} s, and the ttl is 30")
    expect_equal(world.one.ask("EXISTS", "stay"), ":0", "it is released")


def min_hold_told(world):
    """A signal ends the stay, and the name stays held"""
    process = world.begin("run", "--min-hold", "90", "told", "-c", "echo on; exit 4", url=world.url)  # stays for 30 s
    await_true(lambda: not [pid for pid in proc_read(process.pid, f"task/{process.pid}/children").split()
                            if proc_read(int(pid), "comm") != b"redlock-guard\n"], "the command has ended")
    process.send_signal(signal.SIGTERM)
    expect_equal(process.wait(timeout=PATIENCE), 4)
    expect_equal(world.one.ask("EXISTS", "told"), ":1", "it is held")
    world.one.ask("DEL", "told")


def min_hold_is_over(world):
    """A command that takes longer than --min-hold changes nothing"""
    expect_equal(run(world, "--min-hold", "0.1", "over", "-c", "sleep 0.3; exit 4")[0], 4)
    expect_equal(world.one.ask("EXISTS", "over"), ":0", "it is released")


def max_hold(world):
    """--max-hold stops the command with its group: exit 124, and the lock is released"""
    process = world.start("run", *WAIT, "--max-hold", "1.5", "--grace", "0.3", "max", "-c",
                          STUBBORN.format(world.path("max")), url=world.url)
    pids = world.pids_of("max")
    _, err = process.communicate(timeout=PATIENCE)
    expect_equal(process.returncode, 124, err)
    expect("--max-hold" in err and "killed" in err, err)
    expect(not any(map(is_running, pids)), "the command is dead")
    expect_equal(world.one.ask("EXISTS", "max"), ":0", "it is released")
    code, out, _ = run(world, "--max-hold", "1.5", "max", "-c",
                       "trap 'echo asked; exit 0' TERM; while :; do sleep 0.01; done")
    expect_equal((code, out), (124, "asked\n"))
    expect_equal(run(world, "--max-hold", "50", "max", "-c", "exit 4")[0], 4)


def on_lost_term(world):
    """--on-lost=term asks the command to end, and waits for it"""
    process = world.begin("run", "-t", "3", *WAIT, "--on-lost=term", "term", "-c",
                          "trap 'echo asked; sleep 1; echo done; exit 0' TERM; echo on; "
                          "while :; do sleep 0.01; done", url=world.url)
    steal(world, "term")
    expect_equal(process.communicate(timeout=PATIENCE)[0], "asked\ndone\n")
    expect_equal(process.returncode, 79)
    world.one.ask("DEL", "term")


def on_lost_ignore(world):
    """--on-lost=ignore tells, lets it run, and passes its code on"""
    process = world.begin("run", "-t", "2", *WAIT, "--on-lost", "ignore", "ignore", "-c",
                          "echo on; read x; exit 4", url=world.url, stdin=-1)
    steal(world, "ignore")
    expect("runs on" in process.stderr.readline(), "it is told")
    process.communicate("\n", timeout=PATIENCE)
    expect_equal(process.returncode, 4)
    world.one.ask("DEL", "ignore")


def lost_exit_code(world):
    """--lost-exit-code replaces 79"""
    for options, text in ((("-t", "2", *WAIT), "sleep 600"), ((), "read x; exit 0")):
        process = world.begin("run", *options, "--lost-exit-code", "99", "code", "-c", "echo on; " + text,
                              url=world.url, stdin=-1)
        steal(world, "code")
        if not options:
            process.stdin.write("\n")
            process.stdin.flush()
        expect_equal(process.wait(timeout=PATIENCE), 99)
        world.one.ask("DEL", "code")


def asked_and_ended(world, ttl_s, grace_s):
    """When the command was asked and when redlock ended, in seconds after the last possible renewal."""
    script = "trap 'date +%s%N >&3; sleep 60' TERM; echo on; while :; do sleep 0.01; done"
    with open(world.path("asked"), "w", encoding="ascii") as asked:
        process = world.begin("run", "-t", str(ttl_s), *WAIT, "--grace", str(grace_s), "grace", "-c",
                              f"exec 3>{asked.name}; {script}", url=world.url)
        hung_s = time.time()
        world.one.signal(signal.SIGSTOP)
        try:
            process.wait(timeout=PATIENCE)
        finally:
            ended_s = time.time()
            world.one.signal(signal.SIGCONT)
    expect_equal(process.returncode, 79)
    return int(world.read("asked") or ended_s * 1e9) / 1e9 - hung_s, ended_s - hung_s


def grace(world):
    """--grace is the time from SIGTERM to the deadline"""
    for _ in range(TRIES):  # a busy machine may be late once; without --grace it had a fifth of the ttl
        asked_s, ended_s = asked_and_ended(world, 4, 1.9)
        if asked_s < 2.7 and ended_s - asked_s > 1.2:
            return
    expect(False, f"asked {asked_s:.3f} s and ended {ended_s:.3f} s after the last possible renewal")


def wrong_words(world):
    """Wrong limits are usage errors"""
    for words in (("--on-lost", "maybe"), ("--grace", "20"), ("--grace", "0"), ("--max-hold", "0"),
                  ("--min-hold", "x"), ("--lost-exit-code", "256"), ("--min-hold", "99999999999")):
        code, _, err = run(world, *words, "n", "true")
        expect_equal(code, 64, " ".join(words))
        expect(err.startswith("redlock: " + words[0]), err)


def resumed_late(world):
    """After SIGCONT the deadline is looked at before the command may go on"""
    process = world.begin("run", "-t", "2", *WAIT, "resume", "-c", "trap '' TERM; echo $$; read x; echo went on",
                          url=world.url, stdin=-1, preexec_fn=os.setpgrp)
    process.stdin.write("\n")
    process.send_signal(signal.SIGTSTP)
    os.waitpid(process.pid, os.WUNTRACED)
    process.stdin.flush()
    time.sleep(2.1)
    process.send_signal(signal.SIGCONT)
    expect_equal(process.communicate(timeout=PATIENCE)[0], "")
    expect_equal(process.returncode, 79)


main([busy_is_success, min_hold_leaves, min_hold_stays, min_hold_told, min_hold_is_over, max_hold,
      on_lost_term, on_lost_ignore, lost_exit_code, grace, wrong_words, resumed_late], prepare)
