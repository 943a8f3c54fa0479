"""doctor_test.py -- `redlock doctor`: green on a good set, and names each fault of a bad one."""

import json
import os
import re
import shutil
import signal
import socket
import sys
import tempfile

sys.dont_write_bytecode = True  # the source tree stays clean

from support import TRIES, Failed, await_true, expect, expect_equal, locker_rules, main

SHIM = os.environ.get("REDLOCK_CLOCK_SHIM", "")
GOOD = ("--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction")


def folder_for(world, name):
    """In memory where that is to be had: a disk that is busy with something else is slow to sync."""
    if not hasattr(world, "shm"):
        world.shm = tempfile.mkdtemp(prefix="rl.", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else world.folder)
    path = os.path.join(world.shm, name)
    os.mkdir(path)
    return path


def forget_folders(world):
    for node in world.servers:
        node.end()
    shutil.rmtree(world.shm, ignore_errors=True)


def server(world, name, *options):
    """Each with a folder of its own: append-only files would meet."""
    return world.server(name, "--dir", folder_for(world, name), *options)


def findings(world, url, *words, code, wanted=lambda told: True):
    """What it says; a machine that is busy with other tests may be slow once, which is no fault of the set."""
    for _ in range(TRIES):
        got, out, err = world.run("doctor", "--json", *(words or ("--timeout", "10")), url=url)
        told = [json.loads(line) for line in out.splitlines()]
        if got == code and "latency" not in {one["check"] for one in bad(told)} and wanted(told):
            break
    expect_equal(got, code, out + err)
    return told


def bad(told):
    return [one for one in told if one["level"] != "ok"]


def find(told, check, level, what, where=None):
    for one in told:
        if (one["check"], one["level"]) == (check, level) and what in one["what"] and (
                where is None or one.get("server") == where):
            expect(one["why"] and one["do"], one)
            return one
    raise Failed(f"no {level} about {check} with {what!r} in\n" + "\n".join(map(str, bad(told))))


def good(world):
    """A good set is green, exit 0"""
    nodes = [server(world, f"good{i}", *GOOD) for i in range(3)]
    world.good = " ".join(node.url for node in nodes)
    expect_equal(world.run("init", url=world.good)[0], 0)
    findings(world, world.good, code=0)
    for _ in range(TRIES):
        code, out, err = world.run("doctor", url=world.good)
        if "latency" not in "".join(re.findall(r"^(?:warn|fail) .*", out, re.M)):
            break
    expect_equal((code, err), (0, ""), out)
    expect(out.endswith("\nall is well\n"), out)
    expect(not re.search(r"^(warn|fail)", out, re.M) and "\033" not in out, out)
    for check in ("reach", "count", "distinct", "role", "version", "eviction", "memory", "persistence", "guard",
                  "rights", "privacy", "clock", "latency"):
        expect(f"\nok    {check} " in "\n" + out, check + out)
    for node in nodes:
        expect_equal(node.ask("DBSIZE"), ":1", "nothing but the guard's key is there")


def locker(world):
    """The user that docs/protocol.md describes lacks nothing; without publish and subscribe it is warned"""
    url = world.good.replace("unix://", "unix://locker:s3cret@")
    for node in world.servers[:3]:
        node.ask("ACL", "SETUSER", "locker", "on", ">s3cret", *locker_rules())
    told = findings(world, url, code=1)  # the doctor itself wants a key of its own
    expect_equal({one["do"] for one in bad(told)}, {"ACL SETUSER locker ~redlock:{redlock-doctor}:probe"})
    for node in world.servers[:3]:
        node.ask("ACL", "SETUSER", "locker", *locker_rules("doctor"))
    told = findings(world, url, code=0)
    expect("s3cret" not in json.dumps(told), "no password in the output")
    wake = ["+publish", "+subscribe", "&redlock:wake:*"]
    for node in world.servers[:3]:
        node.ask("ACL", "SETUSER", "locker", "resetchannels", "-publish", "-subscribe")
    for lacks in (wake[:2], wake[2:]):  # what a user may not say is told first, then where
        told = findings(world, url, code=1)
        expect_equal({one["check"] for one in bad(told)}, {"rights"}, bad(told))
        expect_equal({one["do"] for one in bad(told)}, {"ACL SETUSER locker " + " ".join(lacks)})
        for node in world.servers[:3]:
            node.ask(*bad(told)[0]["do"].split())
    findings(world, url, code=0)
    for node in world.servers[:3]:
        expect_equal(node.ask("DBSIZE"), ":1", "nothing was written")


def each_right(world):
    """Each right that the user is without is named"""
    node = world.servers[0]
    optional = ("+client|setname", "+script|exists")
    probed = [rule for rule in locker_rules() if rule[0] == "+" and rule not in optional]
    node.ask("ACL", "SETUSER", "locker", *("-" + rule[1:] for rule in probed))
    told = findings(world, node.url.replace("unix://", "unix://locker:s3cret@"), code=2)
    lacks = " ".join(one["do"] for one in told if one["check"] == "rights").split()
    expect_equal(sorted(set(probed) - set(lacks)), [], "not named")


def faults(world):
    """Each fault of a bad set is named, with what to do; exit 2"""
    one = server(world, "bad1", "--maxmemory-policy", "volatile-lru")
    two = server(world, "bad2", *GOOD)
    with socket.socket() as free:  # a replica is told of its master by a port
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    two.ask("CONFIG", "SET", "bind", "127.0.0.1")
    two.ask("CONFIG", "SET", "port", port)
    three = server(world, "bad3", *GOOD, "--replicaof", "127.0.0.1", port)
    await_true(lambda: "master_link_status:up" in three.ask("INFO", "replication"), "the replica is in step")
    two.ask("ACL", "SETUSER", "app", "on", ">s3cret", "~*", "&*", "+@all", "-eval")
    link = world.path("again.sock")
    os.symlink(one.path, link)
    app = two.url.replace("unix://", "unix://app:s3cret@")
    told = findings(world, f"{one.url} {app} {three.url} unix://{link}", code=2)
    find(told, "count", "fail", "4 servers")
    find(told, "distinct", "fail", one.url, "unix://" + link)
    find(told, "eviction", "fail", "volatile-lru", one.url)
    find(told, "persistence", "warn", "no append-only file", one.url)
    replica = find(told, "role", "fail", f"replica of 127.0.0.1:{port}", three.url)
    expect(two.url in replica["what"], replica)
    lacks = find(told, "rights", "fail", "the user app lacks +eval", two.url)
    expect_equal(lacks["do"], "ACL SETUSER app +eval")
    find(told, "guard", "warn", "new, or it lost its data", one.url)
    two.ask(*lacks["do"].split())  # what it says to do helps
    told = findings(world, f"{one.url} {app} {three.url}", code=2)
    expect(not [x for x in bad(told) if x["check"] in ("rights", "count", "distinct")], bad(told))
    code, out, _ = world.run("doctor", url=f"{one.url} {app} {three.url}")
    expect_equal(code, 2)
    expect("why " in out and "do  CONFIG SET maxmemory-policy noeviction" in out, out)
    expect(max(len(line) for line in out.splitlines() if "  do  " not in line) <= 80, out)


def clock(world):
    """A clock that is 5 s wrong is named, and how much"""
    expect(os.path.exists(SHIM), f"the shim {SHIM!r} is built by tests/CMakeLists.txt")
    os.environ["LD_PRELOAD"] = SHIM
    os.environ["CLOCK_SHIM_MS"] = "5000"
    try:
        ahead = server(world, "ahead", *GOOD)
        os.environ["CLOCK_SHIM_MS"] = "-5000"
        behind = server(world, "behind", *GOOD)
    finally:
        del os.environ["LD_PRELOAD"], os.environ["CLOCK_SHIM_MS"]
    right = server(world, "right", *GOOD)
    url = f"{ahead.url} {behind.url} {right.url}"
    expect_equal(world.run("init", url=url)[0], 0)
    told = findings(world, url, code=2)
    for node, word in ((ahead, "ahead of"), (behind, "behind")):
        what = find(told, "clock", "fail", word, node.url)["what"]
        wrong_s = float(re.search(r"[\d.]+(?= ?s)", what).group(0))
        expect(abs(wrong_s - 5) < 0.5, what)
    expect_equal(len(bad(told)), 2, bad(told))


def alone(world):
    """With one server there is no guard, so without an append-only file it fails"""
    node = server(world, "alone")
    find(findings(world, node.url, code=2), "persistence", "fail", "no append-only file")
    node.ask("CONFIG", "SET", "appendonly", "yes")
    find(findings(world, node.url, code=1), "persistence", "warn", "appendfsync is everysec")
    node.ask("CONFIG", "SET", "appendfsync", "always")
    findings(world, node.url, code=0)


def silent(world):
    """Servers that restarted are told to be silent, and for how long"""
    nodes = [server(world, f"silent{i}", *GOOD) for i in range(3)]
    url = " ".join(node.url for node in nodes)
    expect_equal(world.run("run", "-n", "x", "true", url=url)[0], 69)  # the guard begins
    told = findings(world, url, code=1)
    # The attempt ends when a quorum has said no, so one of the three may not have been asked yet.
    silent_ones = [one["what"] for one in told if one["check"] == "guard" and re.search(r"silent for (1m|[2-5]\ds)", one["what"])]
    expect(len(silent_ones) >= 2 and all("more" in what for what in silent_ones), told)


def dead(world):
    """A server that is down, one that hangs and one with a password are named, in bounded time"""
    hung = server(world, "hung", *GOOD)
    locked = server(world, "locked", *GOOD)
    locked.ask("CONFIG", "SET", "requirepass", "s3cret")
    hung.signal(signal.SIGSTOP)
    try:  # it ends while the server hangs, so the time is bounded
        told = findings(world, f"{hung.url} {locked.url} unix://{world.path('none.sock')}", "--timeout", "1", code=2,
                        wanted=lambda told: "NOAUTH" in json.dumps(told))
    finally:
        hung.signal(signal.SIGCONT)
    find(told, "reach", "fail", "no answer in time", hung.url)
    find(told, "reach", "fail", "NOAUTH", locked.url)
    find(told, "reach", "fail", "No such file", "unix://" + world.path("none.sock"))


def full(world):
    """A server that is full is named, and that it refuses to write"""
    node = server(world, "full", *GOOD)
    node.ask("EVAL", "redis.call('SET', 'fill', string.rep('x', 3000000))", "0")
    node.ask("CONFIG", "SET", "maxmemory", "1mb")
    told = findings(world, node.url, code=2)
    find(told, "memory", "fail", "% of maxmemory")
    find(told, "writes", "fail", "OOM")


def quiet(world):
    """-q prints only what is not well"""
    code, out, err = world.run("doctor", "-q", url=world.good)
    expect("ok " not in out and err == "" and (out == "") == (code == 0), out + err)


if __name__ == "__main__":
    main([good, locker, each_right, faults, clock, alone, silent, dead, full, quiet], finish=forget_folders)
