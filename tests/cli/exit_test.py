"""exit_test.py -- every exit code of the man page and of --help, each brought about for real."""

import os
import pty
import re
import resource
import signal
import sys
import time

sys.dont_write_bytecode = True  # the source tree stays clean

from support import PATIENCE, REDLOCK, STUBBORN, WAIT, await_true, expect, expect_equal, is_running, main

MAN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/man/redlock.1")
# An assertion or a status that a command should never see: nothing that a user does brings it about.
UNPROVOKED = 70


def prepare(world):
    world.one = world.server("one")
    world.url = world.one.url
    world.closed = world.server("closed", "--requirepass", "geheim")
    world.evicting = world.server("evicting", "--maxmemory", "100mb", "--maxmemory-policy", "volatile-lru")
    world.one.ask("SET", "busy", "somebody", "PX", "600000")


def run(world, *words, **how):
    return world.run(*words, **{"url": world.url, **how})[0]


def answer_no(world):
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(REDLOCK, ["redlock", "break", "busy"], dict(world.env, REDLOCK_URL=world.url))
    text = ""
    deadline = time.monotonic() + PATIENCE
    while "[y/N]" not in text:
        expect(time.monotonic() < deadline, text)
        text += os.read(terminal, 4096).decode()
    os.write(terminal, b"n\n")
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(terminal)
    return code


def no_descriptors(world):
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (4, 4))

    return run(world, "run", "x", "true", preexec_fn=limit)


def lost(world):
    """The server hangs, and the command ignores SIGTERM: dead before the deadline, by the clock."""
    process = world.start("run", "-t", "3", *WAIT, "lost", "-c", STUBBORN.format(world.path("lost")), url=world.url)
    pids = world.pids_of("lost")
    world.one.await_renewal("lost")
    hung_s = time.time()
    world.one.signal(signal.SIGSTOP)
    try:
        await_true(lambda: not any(map(is_running, pids)), "the command is dead")
        late_s = world.last_beat_s("lost") - hung_s
        process.communicate(timeout=PATIENCE)
    finally:
        world.one.signal(signal.SIGCONT)
    expect(late_s < 3, f"it was alive {late_s:.3f} s after the last possible renewal")
    return process.returncode


def not_executable(world):
    path = world.path("broken")
    with open(path, "w", encoding="ascii") as file:
        file.write("not for running\n")
    os.chmod(path, 0o644)
    return run(world, "run", "x", path)


CASES = {
    0: [lambda w: run(w, "run", "x", "true"), lambda w: run(w, "run", "-nx", "busy", "true"),
        lambda w: run(w, "wait", "x"), lambda w: run(w, "break", "--yes", "x")],
    1: [answer_no],
    64: [lambda w: run(w, "run", "--no-such", "x", "true"), lambda w: run(w, "run", "n" * 513, "true"),
         lambda w: run(w, "acquire", "--url", "redis://h:x", "x"), lambda w: run(w, "break", "x")],
    69: [lambda w: run(w, verb, "x", *words, url="unix://" + w.path("nowhere"))
         for verb, words in (("run", ("true",)), ("acquire", ()), ("hold", ()), ("wait", ()))],
    71: [no_descriptors, lambda w: run(w, "acquire", "x", stdout=os.open("/dev/full", os.O_WRONLY))],
    75: [lambda w: run(w, "run", "-n", "busy", "true"), lambda w: run(w, "run", "-w", "0.2", "busy", "true"),
         lambda w: run(w, "acquire", "-n", "busy"), lambda w: run(w, "hold", "-n", "busy"),
         lambda w: run(w, "wait", "-n", "busy")],
    77: [lambda w: run(w, "run", "x", "true", url=w.closed.url),
         lambda w: run(w, "wait", "x", url=f"unix://:wrong@{w.closed.path}")],
    78: [lambda w: run(w, "run", "x", "true", url=w.evicting.url),
         lambda w: run(w, "acquire", "x", url=f"{w.url} {w.evicting.url}")],
    79: [lost, lambda w: run(w, "release", "--token", "t", "x"), lambda w: run(w, "extend", "--token", "t", "x"),
         lambda w: run(w, "watch", "--token", "t", "x")],
    124: [lambda w: run(w, "run", "--max-hold", "0.1", "x", "sleep", "60")],
    126: [not_executable, lambda w: run(w, "run", "x", "/")],
    127: [lambda w: run(w, "run", "x", "no-such-command-here")],
    128 + 9: [lambda w: run(w, "run", "x", "-c", "kill -KILL $$")],
    128 + 15: [lambda w: run(w, "run", "x", "-c", "kill -TERM $PPID; sleep 60")],
    42: [lambda w: run(w, "run", "x", "-c", "exit 42"), lambda w: run(w, "elect", "--once", "x", "-c", "exit 42")],
}


def every_code(world):
    """Each code comes when it should"""
    for wanted, cases in CASES.items():
        for number, case in enumerate(cases):
            expect_equal(case(world), wanted, f"case {number} of {wanted}")


def man_page(world):
    """The man page, --help and this test know the same codes"""
    with open(MAN, encoding="utf-8") as file:
        section = file.read().split(".Sh EXIT STATUS")[1].split(".Sh")[0]
    man = {int(code) for code in re.findall(r"^\.It (\d+)", section, re.M)}
    text = world.run("help", "run")[1].split("Exit codes")[1]
    helped = {int(code) for code in re.findall(r"^ +(\d+)  ", text, re.M)}
    expect_equal(sorted(helped - man), [], "in --help alone")
    expect_equal(sorted(man - helped - {0}), [], "in the man page alone")
    tested = {128 if code > 128 else code for code in CASES} - {42}
    expect_equal(sorted((man | {0}) - tested), [UNPROVOKED], "without a test")
    expect_equal(sorted(tested - man - {0}), [], "in the test alone")


def nothing_is_left(world):
    """No lock is left by any of them"""
    await_true(lambda: world.one.ask("EXISTS", "x") == ":0", "x is free")


main([every_code, man_page, nothing_is_left], prepare)
