"""run_test.py -- `redlock run` end to end: options, exit codes, environment, signals, waiting."""

import ctypes
import os
import platform
import signal
import struct
import sys
import time

sys.dont_write_bytecode = True  # the source tree stays clean

from support import PATIENCE, TRIES, WAIT, await_true, expect, expect_equal, is_running, main

ONE = {}


def prepare(world):
    ONE["server"] = world.server("one")
    world.url = ONE["server"].url


def one():
    return ONE["server"]


def run(world, *words, **how):
    return world.run("run", *words, **{"url": world.url, **how})


def start(world, *words, **how):
    return world.start("run", *WAIT, *words, **{"url": world.url, **how})


def begin(world, *words, **how):
    return world.begin("run", *words, **{"url": world.url, **how})


def expect_free(name):
    expect_equal(one().ask("EXISTS", name), ":0", f"the key {name} is gone")


def code_is_passed(world):
    """The command's exit code is redlock's"""
    for code in (0, 1, 42, 255):
        expect_equal(run(world, "code", "sh", "-c", f"exit {code}")[0], code)
    expect_free("code")


def signal_is_128_more(world):
    """A command ended by a signal gives 128 and its number"""
    expect_equal(run(world, "sig", "sh", "-c", "kill -KILL $$")[0], 137)
    expect_equal(run(world, "sig", "sh", "-c", "kill -TERM $$")[0], 143)


def options_stop_at_first_word(world):
    """Options stop at the first word that is none"""
    code, out, _ = run(world, "opt", "echo", "-n", "--ttl", "5", "-q")
    expect_equal((code, out), (0, "--ttl 5 -q"))
    code, out, _ = run(world, "opt", "--", "echo", "--", "x")
    expect_equal((code, out), (0, "-- x\n"))
    code, _, err = run(world, "opt", "-n", "true")
    expect_equal(code, 64)
    expect("before" in err, err)


def script_option(world):
    """-c runs a string by sh, after NAME and before it"""
    expect_equal(run(world, "sh", "-c", "echo $((6*7))")[:2], (0, "42\n"))
    expect_equal(run(world, "-c", "echo $((6*7)); exit 3", "sh")[:2], (3, "42\n"))
    expect_equal(run(world, "sh", "-c", "true", "more")[0], 64)
    expect_equal(run(world, "-c", "true", "sh", "more")[0], 64)
    expect_equal(run(world, "sh", "-c")[0], 64)


def environment(world):
    """The command gets name, fence and token, and no server's URL"""
    code, out, _ = run(world, "env", "env", env={"REDLOCK_ANYTHING": "geheim", "KEPT": "yes"})
    expect_equal(code, 0)
    got = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
    own = sorted(key for key in got if key.startswith("REDLOCK_"))
    expect_equal(own, ["REDLOCK_FENCE", "REDLOCK_NAME", "REDLOCK_TOKEN"])
    expect_equal((got["REDLOCK_NAME"], got["KEPT"]), ("env", "yes"))
    expect(int(got["REDLOCK_FENCE"]) > 0, got["REDLOCK_FENCE"])
    expect(world.url not in out and "geheim" not in out, out)


def token_is_the_key(world):
    """The token is what the key holds, and the fence grows"""
    fences = []
    for _ in range(3):
        process = begin(world, "tok", "-c", "echo $REDLOCK_TOKEN; echo $REDLOCK_FENCE; read x",
                        stdin=-1)
        expect_equal(process.first, one().ask("GET", "tok"))
        fences.append(int(process.stdout.readline()))
        process.communicate("\n")
    expect(fences[0] < fences[1] < fences[2], fences)


def argv_shows_no_password(world):
    """ps shows no password of --url"""
    code, out, err = world.run("run", "--url", "unix://:s3cret@" + one().path, "ps", "-c",
                               "tr '\\0' ' ' </proc/$PPID/cmdline")
    expect("s3cret" not in out + err, out + err)
    expect("xxx@" in out or code != 0, out)


def descriptors(world):
    """The command inherits none of redlock's descriptors"""
    expect_equal(run(world, "fds", "-c", "ls /proc/self/fd | tr '\\n' ' '")[1], "0 1 2 3 ")


def signals_as_found(world):
    """The command finds the signal mask as redlock found it, and ignored signals too"""
    def ignore():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)

    _, out, _ = run(world, "mask", "grep", "Sig[BI]", "/proc/self/status", preexec_fn=ignore)
    got = {line.split(":")[0]: int(line.split()[1], 16) for line in out.splitlines()}
    expect_equal(got["SigBlk"], 0, "blocked")
    expect_equal(got["SigIgn"], 1 << (signal.SIGHUP - 1), "ignored")


def child_ignored_by_parent(world):
    """The exit code is known also when our parent ignores SIGCHLD"""
    def ignore():
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    expect_equal(run(world, "chld", "sh", "-c", "exit 5", preexec_fn=ignore)[0], 5)


def exec_failures(world):
    """126 and 127 when the command cannot be run, and nothing is left locked"""
    code, _, err = run(world, "exec", "no-such-command-here")
    expect_equal(code, 127)
    expect("no such command" in err, err)
    expect_equal(run(world, "exec", "/etc/passwd")[0], 126)
    expect_equal(run(world, "exec", "/")[0], 126)
    broken = world.path("broken")
    with open(broken, "w", encoding="ascii") as file:
        file.write("#!/no/such/interpreter\n")
    os.chmod(broken, 0o755)
    code, _, err = run(world, "exec", broken)
    expect_equal(code, 127)
    expect("cannot run" in err, err)
    expect_free("exec")


# Of each machine: how seccomp(2) calls it, and its number of clone(2).
CLONE = {"x86_64": (0xC000003E, 56), "aarch64": (0xC00000B7, 220)}


def refuse_loans():
    """As some emulators do: clone(2) lends memory (CLONE_VM) only as vfork does, else it is EINVAL."""
    load, equal, has, end = 0x20, 0x15, 0x45, 0x06
    machine, number = CLONE[platform.machine()]
    code = [(load, 0, 0, 4), (equal, 0, 5, machine), (load, 0, 0, 0), (equal, 0, 3, number),
            (load, 0, 0, 16), (has, 1, 0, 0x4000), (has, 1, 0, 0x100), (end, 0, 0, 0x7FFF0000),
            (end, 0, 0, 0x00050016)]

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]

    program = Program(len(code), b"".join(struct.pack("HBBI", *one) for one in code))
    libc = ctypes.CDLL(None)
    if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, ctypes.byref(program), 0, 0) != 0:
        os._exit(99)


def vfork_is_good_enough(world):
    """Where no process may borrow memory but by vfork, commands start as well, and fail to as well"""
    if platform.machine() not in CLONE:
        print("# this machine's numbers are not known: not tried")
        return
    how = {"preexec_fn": refuse_loans, "env": {"ASAN_OPTIONS": "detect_leaks=0"}}  # which borrows memory itself
    code, out, err = run(world, "vfork", "-c", "echo on; exit 5", **how)
    expect_equal((code, out), (5, "on\n"), err)
    code, _, err = run(world, "vfork", "/proc/self/mem", **how)
    expect_equal(code, 126, err)
    expect_free("vfork")


def script_without_interpreter(world):
    """A script without a #! line is run by sh"""
    plain = world.path("plain")
    with open(plain, "w", encoding="ascii") as file:
        file.write("echo got $1\n")
    os.chmod(plain, 0o755)
    expect_equal(run(world, "plain", plain, "it")[:2], (0, "got it\n"))


def busy_codes(world):
    """A held lock gives 75 with -n, or what -E says"""
    one().ask("SET", "busy", "somebody", "PX", "600000")
    code, out, err = run(world, "-n", "busy", "echo", "ran")
    expect_equal((code, out), (75, ""))
    expect("busy" in err, err)
    expect_equal(run(world, "-n", "-E", "9", "busy", "true")[0], 9)
    expect_equal(run(world, "-n", "-E", "0", "busy", "true")[0], 0)
    expect_equal(run(world, "-w", "0", "busy", "true")[0], 75)
    expect_equal(run(world, "-nq", "busy", "true")[1:], ("", ""))
    one().ask("DEL", "busy")


def fractional_wait(world):
    """A wait of a fraction of a second lasts that long"""
    one().ask("SET", "frac", "somebody", "PX", "600000")
    took = []
    while len(took) < TRIES and min(took, default=2.5) >= 2.5:  # a busy machine is slow at times
        began = time.monotonic()
        expect_equal(run(world, "-w", "0.4", "frac", "true")[0], 75)
        took.append(time.monotonic() - began)
    expect(0.4 <= min(took) < 2.5, f"it took {took}")
    one().ask("DEL", "frac")


def wait_ends_with_holder(world):
    """A waiter gets the lock when the holder ends"""
    first = begin(world, "wait", "-c", "echo held; read x", stdin=-1)
    second = start(world, "-v", "wait", "echo", "mine")
    expect("waiting" in second.stderr.readline(), "the waiter says so")
    first.communicate("\n")
    expect_equal(second.communicate()[0], "mine\n")
    expect_equal(second.returncode, 0)
    expect_free("wait")


def told_to_stop_while_waiting(world):
    """A signal ends the wait with 128 and its number"""
    one().ask("SET", "stopwait", "somebody", "PX", "600000")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        waiter = start(world, "-v", "stopwait", "true")
        waiter.stderr.readline()
        waiter.send_signal(number)
        waiter.communicate(timeout=PATIENCE)
        expect_equal(waiter.returncode, 128 + number)
    expect_equal(one().ask("GET", "stopwait"), "somebody", "the holder is untouched")
    one().ask("DEL", "stopwait")


def signals_are_forwarded(world):
    """Signals reach the command and those that it started"""
    script = ("sh -c 'trap \"echo inner; exit\" {0}; echo ready; while :; do sleep 0.02; done' & "
              "trap 'wait; echo outer; exit 7' {0}; echo ready; while :; do sleep 0.02; done")
    for name in ("TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "ALRM"):
        # A shell's background job ignores INT and QUIT: there the outer one is asked only.
        text = script if name not in ("INT", "QUIT") else (
            "trap 'echo inner; echo outer; exit 7' {0}; echo ready; echo ready; while :; do sleep 0.02; done")
        process = begin(world, "fwd", "-c", text.format(name))
        expect_equal((process.first, process.stdout.readline()), ("ready", "ready\n"))
        process.send_signal(getattr(signal, "SIG" + name))
        out, _ = process.communicate(timeout=PATIENCE)
        expect_equal((process.returncode, out), (7, "inner\nouter\n"), name)
    expect_free("fwd")


def winch_is_forwarded(world):
    """WINCH is forwarded and harmless"""
    process = begin(world, "winch", "-c", "trap 'echo resized; exit 0' WINCH; echo ready; "
                                          "while :; do sleep 0.02; done")
    process.send_signal(signal.SIGWINCH)
    expect_equal(process.communicate(timeout=PATIENCE)[0], "resized\n")


def dies_with_redlock(world):
    """The command dies when redlock is killed"""
    process = begin(world, *WAIT, "-t", "2", "orphan", "-c", "echo $$; exec sleep 600")
    pid = int(process.first)
    process.kill()
    await_true(lambda: not is_running(pid), "the command is gone")
    await_true(lambda: one().ask("EXISTS", "orphan") == ":0", "the lock runs out")


def stops_and_goes_on(world):
    """SIGTSTP stops the command and redlock, SIGCONT continues them"""
    process = begin(world, "stop", "-c", "trap '' TSTP; while :; do echo $$; sleep 0.02; done",
                    preexec_fn=os.setpgrp)
    pid = int(process.first)
    process.send_signal(signal.SIGTSTP)
    expect(os.WIFSTOPPED(os.waitpid(process.pid, os.WUNTRACED)[1]), "redlock stops")
    await_true(lambda: open(f"/proc/{pid}/stat", encoding="ascii").read()
               .rsplit(")", 1)[1].split()[0] == "T", "the command is stopped")
    process.send_signal(signal.SIGCONT)
    await_true(lambda: open(f"/proc/{pid}/stat", encoding="ascii").read()
               .rsplit(")", 1)[1].split()[0] != "T", "it goes on")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=PATIENCE)
    expect_equal(process.returncode, 143)


def stopped_too_long(world):
    """A command that was stopped until the lock had ended never goes on: exit 79"""
    process = begin(world, *WAIT, "-t", "2", "long", "-c", "while :; do echo $$; sleep 0.02; done",
                    preexec_fn=os.setpgrp)
    pid = int(process.first)
    process.send_signal(signal.SIGTSTP)
    os.waitpid(process.pid, os.WUNTRACED)
    time.sleep(2.1)
    process.send_signal(signal.SIGCONT)
    process.communicate(timeout=PATIENCE)
    expect_equal(process.returncode, 79)
    expect(not is_running(pid), "the command is gone")


def background_is_left_alone(world):
    """What the command leaves in the background goes on after a normal end"""
    code, out, _ = run(world, "bg", "-c", "sleep 60 >/dev/null 2>&1 & echo $!")
    expect_equal(code, 0)
    pid = int(out)
    expect(is_running(pid), "it runs")
    os.kill(pid, signal.SIGKILL)


def closed_standard_descriptors(world):
    """Closed standard descriptors do no harm"""
    def close():
        os.close(0)
        os.close(2)

    expect_equal(run(world, "-v", "closed", "sh", "-c", "exit 4", preexec_fn=close)[0], 4)
    expect_free("closed")


def usage_errors(world):
    """Usage errors give 64 and a sentence, also with -q"""
    for words in ((), ("name",), ("-t", "x", "n", "true"), ("-t", "0.05", "n", "true"),
                  ("-w", "-1", "n", "true"), ("-E", "256", "n", "true"), ("--no-such", "n", "true"),
                  ("-X", "n", "true"), ("-t",), ("--url",), ("-nX", "n", "true")):
        code, _, err = run(world, "-q", *words)
        expect_equal(code, 64, " ".join(words)[:60])
        expect(err.startswith("redlock: "), err)
    for words in (("--url", "nonsense://x", "n", "true"), ("--url", "redis://h:x", "n", "true"),
                  ("n" * 513, "true"), ("-t", "90000000", "n", "true")):
        code, _, err = world.run("run", *words, url=None if "--url" in words else world.url)
        expect_equal(code, 64, " ".join(words)[:60])
        expect(err.startswith("redlock: "), err)
    code, _, err = world.run("run", "n", "true")
    expect_equal(code, 64)
    expect("REDLOCK_URL" in err and "local:" in err, err)
    for words in ((), ("frob",), ("local",), ("local", "frob"), ("local", "start", "4"),
                  ("init", "word"), ("help", "frob"), ("run", "--url", "local:2", "n", "true"),
                  ("run", "--url", "local:", "--url", "redis://h", "n", "true"),
                  ("run", "--url", "redis://h", "--url", "local:", "n", "true")):
        expect_equal(world.run(*words)[0], 64, " ".join(words))


def help_and_version(world):
    """Help and version go to standard output and give 0"""
    for words in (("--help",), ("help",), ("-h",), ("run", "--help"), ("help", "run"),
                  ("init", "--help"), ("local", "--help"), ("help", "local")):
        code, out, err = world.run(*words)
        expect_equal((code, err), (0, ""), " ".join(words))
        expect("redlock run" in out or "redlock init" in out or "redlock local" in out, out)
    out = world.run("help", "run")[1]
    for number in (64, 69, 70, 71, 75, 77, 78, 79, 126, 127, 128):
        expect(f"\n  {number:3}  " in out, f"{number} is explained")
    expect(world.run("--version")[1].startswith("redlock "), "the version")
    with open("/dev/full", "w", encoding="ascii") as full:
        expect(world.run("--help", stdout=full)[0] != 0, "a full disk is a failure")


def verbose(world):
    """-v tells how long and with which fence, without it nothing is said"""
    expect_equal(run(world, "verb", "true")[2], "")
    err = run(world, "-v", "verb", "true")[2]
    expect("fence" in err and "released" in err, err)


def many_at_once(world):
    """Ten at once never overlap"""
    script = f"cd {world.folder}; mkdir cs || echo overlap; sleep 0.01; rmdir cs; echo done"
    runs = [start(world, "many", "-c", script) for _ in range(10)]
    for process in runs:
        expect_equal(process.communicate(timeout=PATIENCE)[0], "done\n")
    expect_free("many")


TESTS = [
    code_is_passed, signal_is_128_more, options_stop_at_first_word, script_option, environment,
    token_is_the_key, argv_shows_no_password, descriptors, signals_as_found,
    child_ignored_by_parent, exec_failures, vfork_is_good_enough, script_without_interpreter, busy_codes,
    fractional_wait,
    wait_ends_with_holder, told_to_stop_while_waiting, signals_are_forwarded, winch_is_forwarded,
    dies_with_redlock, stops_and_goes_on, stopped_too_long, background_is_left_alone,
    closed_standard_descriptors, usage_errors, help_and_version, verbose, many_at_once,
]

main(TESTS, prepare)
