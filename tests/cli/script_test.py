"""script_test.py -- acquire, extend, release, hold, watch, wait and break, as scripts use them."""

import os
import pty
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True  # the source tree stays clean

from support import PATIENCE, REDLOCK, WAIT, await_true, expect, expect_equal, main, proc_read


def prepare(world):
    world.one = world.server("one")
    world.url = world.one.url


def run(world, *words, **how):
    return world.run(*words, **{"url": world.url, **how})


def start(world, *words, **how):
    return world.start(*words, **{"url": world.url, **how})


def begin(world, *words, **how):
    return world.begin(*words, **{"url": world.url, **how})


def acquire(world, name, *options):
    code, out, err = run(world, "acquire", *WAIT, *options, name)
    expect_equal(code, 0, err)
    token, fence = out.split()
    return {"REDLOCK_NAME": name, "REDLOCK_TOKEN": token, "REDLOCK_FENCE": fence}


def left_ms(world, name):
    return int(world.one.ask("PTTL", name)[1:])


def held(world, name):
    return world.one.ask("EXISTS", name) == ":1"


def whole_life(world):
    """acquire prints token and fence, extend and release take them from the environment"""
    env = acquire(world, "life", "-t", "20")
    expect_equal(world.one.ask("GET", "life"), env["REDLOCK_TOKEN"])
    expect(int(env["REDLOCK_FENCE"]) > 0, env["REDLOCK_FENCE"])
    expect_equal(run(world, "acquire", "-n", "life")[0], 75)
    expect_equal(run(world, "extend", "-t", "50", "life", env=env)[:2], (0, ""))
    expect(left_ms(world, "life") > 21000, "it is extended")
    expect_equal(run(world, "release", "life", env=env)[:2], (0, ""))
    expect(not held(world, "life"), "it is released")
    code, _, err = run(world, "release", "life", env=env)
    expect_equal(code, 79)
    expect("does not hold" in err, err)
    expect_equal(run(world, "extend", "--lost-exit-code", "7", "life", env=env)[0], 7)


def eval_export(world):
    """--export is for eval, whatever bytes the name has"""
    name = "it's $(a) \"name\"\nof two lines"
    script = ("line=$({0} acquire --export \"$1\") && eval \"$line\" && {0} extend && "
              "printf %s \"$REDLOCK_NAME\" && {0} release")
    done = subprocess.run(["sh", "-c", script.format(REDLOCK), "sh", name], text=True, check=False,
                          env=dict(world.env, REDLOCK_URL=world.url), capture_output=True)
    expect_equal((done.returncode, done.stdout), (0, name), done.stderr)
    expect(not held(world, name), "it is released")


def options_beat_environment(world):
    """--token and --fence come before the environment, and ps does not show the token"""
    env = acquire(world, "opts", "-t", "60")
    expect_equal(run(world, "extend", "--token", env["REDLOCK_TOKEN"], "--fence", env["REDLOCK_FENCE"], "opts",
                     env={"REDLOCK_TOKEN": "wrong", "REDLOCK_FENCE": "1"})[0], 0)
    process = start(world, "watch", "-v", "--token", env["REDLOCK_TOKEN"], "opts")
    process.stderr.readline()
    expect(env["REDLOCK_TOKEN"].encode() not in proc_read(process.pid, "cmdline"), "argv is blanked")
    process.terminate()
    expect_equal(process.wait(timeout=PATIENCE), 0)
    expect_equal(run(world, "release", "opts", env=env)[0], 0)


def acquire_does_not_renew(world):
    """acquire takes the lock for its ttl, says with -v that nobody renews it, and names the caller"""
    code, out, err = run(world, "acquire", *WAIT, "-v", "-t", "1", "short")
    expect_equal(code, 0)
    expect("nobody renews" in err, err)
    expect(out.split()[0].endswith(f"/{os.getpid()}"), out)
    await_true(lambda: not held(world, "short"), "it ends by itself")


def acquire_to_nobody(world):
    """A token that cannot be written is given back: exit 71"""
    with open("/dev/full", "w", encoding="ascii") as full:
        process = start(world, "acquire", "full", stdout=full)
        _, err = process.communicate(timeout=PATIENCE)
    expect_equal(process.returncode, 71)
    expect("released" in err and not held(world, "full"), err)


def wrong_words(world):
    """Usage errors of the script commands"""
    for words in (("acquire",), ("acquire", "a", "b"), ("acquire", "--min-hold", "1", "a"), ("extend", "a"),
                  ("release",), ("release", "--token", "t"), ("extend", "--token", "t", "--fence", "x", "a"),
                  ("extend", "--token", "t", "--fence", "9007199254740992", "a"), ("extend", "-n", "a"),
                  ("watch", "a"), ("wait",), ("wait", "-t", "1", "a"), ("break",), ("break", "a"), ("hold",),
                  ("elect", "a"), ("elect", "-n", "a", "true")):
        code, _, err = run(world, *words)
        expect_equal(code, 64, " ".join(words))
        expect(err.startswith("redlock: "), err)


def hold_until_input_ends(world):
    """hold prints the token, keeps the lock beyond its ttl, and ends with its input"""
    process = begin(world, "hold", "-t", "3", *WAIT, "hold", stdin=-1)
    token = process.first.split()[0]
    for _ in range(3):  # each a third of the ttl after the last
        world.one.await_renewal("hold")
    expect_equal(world.one.ask("GET", "hold"), token)
    process.stdin.close()
    expect_equal(process.wait(timeout=PATIENCE), 0)
    expect(not held(world, "hold"), "it is released")


def hold_until_signal(world):
    """hold with nothing to read ends by a signal, 0, and by loss, 79"""
    process = begin(world, "hold", "--export", "hold")
    expect(process.first.startswith("export REDLOCK_NAME='hold' REDLOCK_TOKEN='"), "for eval")
    time.sleep(0.1)
    expect(process.poll() is None, "/dev/null is no input that ends")
    process.send_signal(signal.SIGINT)
    expect_equal(process.wait(timeout=PATIENCE), 0)
    expect(not held(world, "hold"), "it is released")
    process = begin(world, "hold", "-t", "3", *WAIT, "hold")
    world.one.ask("SET", "hold", "somebody", "PX", "60000")
    _, err = process.communicate(timeout=PATIENCE)
    expect_equal(process.returncode, 79)
    expect("lost" in err, err)
    world.one.ask("DEL", "hold")


def watch_keeps(world):
    """watch keeps a lock alive that acquire took, and leaves it on a signal"""
    env = acquire(world, "kept", "-t", "20")
    process = start(world, "watch", "-v", "-t", "8", "--on-end", f"echo $REDLOCK_STATUS $REDLOCK_NAME",
                    env=env)
    expect("is kept" in process.stderr.readline(), "it says so")
    world.one.ask("PEXPIRE", "kept", "8000")
    world.one.await_renewal("kept")
    expect_equal(world.one.ask("GET", "kept"), env["REDLOCK_TOKEN"])
    process.terminate()
    expect_equal(process.communicate(timeout=PATIENCE)[0], "CANCELED kept\n")
    expect_equal(process.returncode, 0)
    expect(held(world, "kept"), "it is left to its ttl")
    env = acquire(world, "given", "-t", "60")
    process = start(world, "watch", "-v", "--release", env=env)
    process.stderr.readline()
    process.terminate()
    expect_equal(process.wait(timeout=PATIENCE), 0)
    expect(not held(world, "given"), "--release gives it back")


def watch_tells(world):
    """watch runs --on-error for renewals that fail, and --on-end when the lock is lost: 79"""
    env = acquire(world, "told", "-t", "20")
    process = start(world, "watch", "-v", "-t", "5", "--on-error", "echo error $REDLOCK_STATUS",
                    "--on-end", "echo end $REDLOCK_STATUS", env=env)
    process.stderr.readline()
    world.one.signal(signal.SIGSTOP)
    try:
        expect(process.stdout.readline().startswith("error "), "a renewal failed")
    finally:
        world.one.signal(signal.SIGCONT)
    world.one.ask("SET", "told", "somebody", "PX", "60000")
    out, _ = process.communicate(timeout=PATIENCE)
    expect(out.endswith("end LOST\n"), out)
    expect_equal(process.returncode, 79)
    world.one.ask("DEL", "told")
    expect_equal(run(world, "watch", env=env)[0], 79, "a lock that is not held")


def wait_for_free(world):
    """wait ends when the lock is free, with 75 when it is not in time"""
    expect_equal(run(world, "wait", "nobody")[0], 0)
    env = acquire(world, "taken", "-t", "60")
    expect_equal(run(world, "wait", "-n", "taken")[0], 75)
    expect_equal(run(world, "wait", "-w", "0.3", "-E", "4", "taken")[0], 4)
    process = start(world, "wait", "taken")
    time.sleep(0.3)
    expect(process.poll() is None, "it waits")
    expect_equal(run(world, "release", env=env)[0], 0)
    expect_equal(process.wait(timeout=PATIENCE), 0)
    acquire(world, "taken", "-t", "1")
    expect_equal(run(world, "wait", *WAIT, "taken")[0], 0, "an end by ttl")


def wait_without_servers(world):
    """wait gives up at once without servers, and with -w when the time is over"""
    nowhere = "unix://" + world.path("nowhere.sock")
    expect_equal(run(world, "wait", "x", url=nowhere)[0], 69)
    begin = time.monotonic()
    expect_equal(run(world, "wait", "-w", "0.4", "x", url=nowhere)[0], 69)
    expect(time.monotonic() - begin >= 0.4, "it waited")


def break_asks(world):
    """break asks on a terminal and says whom it throws out; no is 1"""
    acquire(world, "broken", "-t", "60", "--label", "the-holder")
    for answer, wanted in (("n\n", 1), ("\n", 1), ("y\n", 0)):
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(REDLOCK, ["redlock", "break", "broken"], dict(world.env, REDLOCK_URL=world.url))
        text = ""
        deadline = time.monotonic() + PATIENCE
        while "[y/N]" not in text:
            expect(time.monotonic() < deadline, text)
            text += os.read(terminal, 4096).decode()
        expect("the-holder" in text, text)
        os.write(terminal, answer.encode())
        expect_equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), wanted, answer)
        os.close(terminal)
        expect_equal(held(world, "broken"), wanted == 1)


def break_by_script(world):
    """break --yes throws out without asking, and its holder is told by its next renewal"""
    process = begin(world, "run", "-t", "3", *WAIT, "--label", "worker", "thrown", "-c", "echo on; sleep 600")
    code, _, err = run(world, "break", "--yes", "thrown")
    expect_equal(code, 0)
    expect("worker was thrown out" in err, err)
    expect_equal(process.wait(timeout=PATIENCE), 79)
    code, _, err = run(world, "break", "-y", "thrown")
    expect_equal(code, 0)
    expect("free" in err, err)


main([whole_life, eval_export, options_beat_environment, acquire_does_not_renew, acquire_to_nobody,
      wrong_words, hold_until_input_ends, hold_until_signal, watch_keeps, watch_tells, wait_for_free,
      wait_without_servers, break_asks, break_by_script], prepare)
