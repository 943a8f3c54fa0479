"""guard_test.py -- no command outlives its lock, even when redlock itself is frozen or killed.

REDLOCK_KILLS=200 kills that often at random moments, instead of 20 times."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True  # the source tree stays clean

from support import PATIENCE, REDLOCK, STUBBORN, WAIT, await_true, expect, expect_equal, is_running, main, proc_read

KILLS = int(os.environ.get("REDLOCK_KILLS", "20"))
# Long enough for a machine that stands still for a second: then the lock is still there.
TTL_S = 3


def prepare(world):
    world.one = world.server("one")
    world.url = world.one.url


def start(world, name, *options, **how):
    return world.start("run", "-t", str(TTL_S), *WAIT, *options, name, "-c", STUBBORN.format(world.path(name)),
                       **{"url": world.url, **how})


def guard_of(process):
    """The guard's process number."""
    found = []

    def look():
        children = proc_read(process.pid, f"task/{process.pid}/children").split()
        found[:] = [int(pid) for pid in children if proc_read(int(pid), "comm") == b"redlock-guard\n"]
        return found

    await_true(look, "there is a guard")
    return found[0]


def frozen(world):
    """While redlock is frozen, a command that ignores SIGTERM is dead before the deadline"""
    process = start(world, "frozen")
    pids = world.pids_of("frozen")
    world.one.await_renewal("frozen")
    process.send_signal(signal.SIGSTOP)
    frozen_s = time.time()
    await_true(lambda: not any(map(is_running, pids)), "the command is dead")
    beat_s = world.last_beat_s("frozen") - frozen_s
    process.send_signal(signal.SIGCONT)
    _, err = process.communicate(timeout=PATIENCE)
    # What was renewed before the freeze ends no later than a ttl after it.
    expect(beat_s < TTL_S, f"it was alive {beat_s:.3f} s after the last possible renewal")
    expect_equal(process.returncode, 79, err)
    expect("frozen" in err, err)


def frozen_politely(world):
    """With --on-lost=term the guard sends SIGTERM, with ignore nothing"""
    script = "trap 'echo asked; exit 3' TERM; echo on; while :; do sleep 0.01; done"
    process = world.begin("run", "-t", "2", *WAIT, "--on-lost", "term", "polite", "-c", script, url=world.url)
    process.send_signal(signal.SIGSTOP)
    expect_equal(process.stdout.readline(), "asked\n")
    process.send_signal(signal.SIGCONT)
    expect_equal(process.wait(timeout=PATIENCE), 79)
    process = world.begin("run", "-t", "0.5", *WAIT, "--on-lost", "ignore", "ignore", "-c",
                          "echo on; read x; exit 3", url=world.url, stdin=-1)
    process.send_signal(signal.SIGSTOP)
    time.sleep(0.8)
    process.send_signal(signal.SIGCONT)
    process.communicate("\n", timeout=PATIENCE)
    expect_equal(process.returncode, 3)


def stopped_by_hand(world):
    """A command that is stopped for good is dead after the deadline, too"""
    process = start(world, "still", preexec_fn=os.setpgrp)
    pids = world.pids_of("still")
    process.send_signal(signal.SIGTSTP)
    os.waitpid(process.pid, os.WUNTRACED)
    await_true(lambda: not any(map(is_running, pids)), "the command is dead")
    process.send_signal(signal.SIGCONT)
    expect_equal(process.wait(timeout=PATIENCE), 79)


def killed_group(world):
    """A redlock that is killed takes the command's whole group with it at once, and its guard goes"""
    process = world.begin("run", "-t", "60", *WAIT, "killed", "-c", "sleep 600 & echo $!; exec sleep 600", url=world.url)
    pids = [int(process.first), guard_of(process)]
    process.kill()
    killed_s = time.time()
    process.wait()
    await_true(lambda: not any(map(is_running, pids)), "all are dead")
    expect(time.time() - killed_s < 30, "and not only when the lock would have ended")


def killed_at_random(world):
    """SIGKILL at random moments: no command outlives its deadline"""
    chance = random.Random(1)
    for i in range(KILLS):
        process = start(world, f"random{i}", stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        time.sleep(chance.uniform(0, 0.25))
        process.kill()
        killed_s = time.time()
        process.wait()
        await_true(lambda n=i: not world.processes(world.path(f"random{n}")), f"kill {i}: all are dead")
        late_s = world.last_beat_s(f"random{i}") - killed_s
        expect(late_s < TTL_S, f"kill {i}: it was alive {late_s:.3f} s after it")


def frozen_at_random(world):
    """SIGSTOP at random moments: the same"""
    chance = random.Random(2)
    frozen_s = []
    processes = []
    for i in range(max(1, KILLS // 4)):
        process = start(world, f"freeze{i}", stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        processes.append(process)
        time.sleep(chance.uniform(0, 0.2))
        process.send_signal(signal.SIGSTOP)
        frozen_s.append(time.time())
    time.sleep(TTL_S)
    for i, process in enumerate(processes):
        await_true(lambda n=i, of=process: not [pid for pid in world.processes(world.path(f"freeze{n}.outer"))
                                                if pid != of.pid and pid not in guards_of(of)],
                   f"freeze {i}: the command is dead")
        late_s = world.last_beat_s(f"freeze{i}") - frozen_s[i]
        expect(late_s < TTL_S, f"freeze {i}: it was alive {late_s:.3f} s after it")
        process.kill()
        process.wait()


def guards_of(process):
    return [int(pid) for pid in proc_read(process.pid, f"task/{process.pid}/children").split()
            if proc_read(int(pid), "comm") == b"redlock-guard\n"]


def guard_is_killed(world):
    """A guard that is killed is replaced, and the new one guards"""
    process = start(world, "alone")
    pids = world.pids_of("alone")
    old = guard_of(process)
    os.kill(old, signal.SIGKILL)
    await_true(lambda: guards_of(process) not in ([], [old]), "there is another guard")
    process.send_signal(signal.SIGSTOP)
    await_true(lambda: not any(map(is_running, pids)), "the command is dead")
    process.send_signal(signal.SIGCONT)
    expect_equal(process.wait(timeout=PATIENCE), 79)


def guard_holds_nothing_open(world):
    """The guard keeps no descriptor of ours open, and no signal but SIGKILL ends it"""
    process = world.begin("run", "fds", "-c", "echo on; read x", url=world.url, stdin=-1)
    guard = guard_of(process)
    await_true(lambda: os.listdir(f"/proc/{guard}/fd") == ["2"], "it has one, for its own words")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM):
        os.kill(guard, number)
    expect(os.getsid(guard) == guard, "it is in a session of its own")
    time.sleep(0.05)
    expect(is_running(guard), "it is still there")
    process.communicate("\n", timeout=PATIENCE)
    expect_equal(process.returncode, 0)
    expect(not is_running(guard), "it ends with the command")


def strays(world):
    """On loss, what has left the command's group is killed, too; after a good end it lives on"""
    script = ("setsid sh -c 'echo $$ > {0}.new; mv {0}.new {0}; exec sleep 60' >/dev/null 2>&1 & "
              "echo on; read x")
    process = world.begin("run", "-t", str(TTL_S), *WAIT, "strays", "-c", script.format(world.path("lost")),
                          url=world.url, stdin=-1)
    pid = int(world.await_file("lost"))
    world.servers[0].ask("SET", "strays", "somebody", "PX", "60000")
    expect_equal(process.wait(timeout=PATIENCE), 79)
    await_true(lambda: not is_running(pid), "the stray is dead")

    process = world.begin("run", "good", "-c", script.format(world.path("good")), url=world.url, stdin=-1)
    pid = int(world.await_file("good"))
    process.communicate("\n", timeout=PATIENCE)
    expect_equal(process.returncode, 0)
    expect(is_running(pid), "the stray lives")
    os.kill(pid, signal.SIGKILL)


def process_one(world):
    """As process 1 of a container it reaps what others leave, and passes signals on"""
    unshare = [shutil.which("unshare") or "", "-Urpf", "--mount-proc"]
    if subprocess.run([*unshare, "true"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
        print("# this machine allows no process namespaces: not tried")
        return
    zombies = "grep -l '^State:.Z' /proc/[0-9]*/status"
    script = (f"trap 'exit 9' TERM; (sleep 0.05 &); sleep 0.4; for i in $(seq 100); do {zombies} >/dev/null || break; "
              f"sleep 0.1; done; {zombies}; echo $PPID; while :; do sleep 0.01; done")
    process = subprocess.Popen([*unshare, REDLOCK, "run", *WAIT, "one", "-c", script], text=True,
                               env=dict(world.env, REDLOCK_URL=world.url), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE)
    world.started.append(process)
    expect_equal(process.stdout.readline(), "1\n", "no zombie, and redlock is process 1")
    inner = int(proc_read(process.pid, f"task/{process.pid}/children").split()[0])
    os.kill(inner, signal.SIGTERM)
    expect_equal(process.wait(timeout=PATIENCE), 9)


def under_others(world):
    """Under timeout and nohup, and in a pipe whose reader is gone, it ends in good order"""
    env = dict(world.env, REDLOCK_URL=world.url)
    code = subprocess.run(["timeout", "0.5", REDLOCK, "run", "other", "sleep", "60"], env=env,
                          check=False).returncode
    expect_equal(code, 124, "timeout")
    expect_equal(world.servers[0].ask("EXISTS", "other"), ":0", "released under timeout")
    process = subprocess.Popen(["nohup", REDLOCK, "run", *WAIT, "other", "-c", "echo on; read x; exit 6"], env=env,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                               text=True)
    world.started.append(process)
    process.stdout.readline()
    process.send_signal(signal.SIGHUP)
    process.communicate("\n", timeout=PATIENCE)
    expect_equal(process.returncode, 6, "nohup")
    line = f"{REDLOCK} run -w 60 other -c 'while :; do echo y || exit 7; done' 2>/dev/null | head -n 1; true"
    expect_equal(subprocess.run(["sh", "-c", line], env=env, check=False,
                                stdout=subprocess.DEVNULL).returncode, 0)
    await_true(lambda: world.servers[0].ask("EXISTS", "other") == ":0", "released in the pipe")


def nothing_is_left(world):
    """After all of this no process is left"""
    await_true(lambda: not world.processes(), "all have ended")


main([frozen, frozen_politely, stopped_by_hand, killed_group, killed_at_random, frozen_at_random,
      guard_is_killed, guard_holds_nothing_open, strays, process_one, under_others, nothing_is_left],
     prepare)
