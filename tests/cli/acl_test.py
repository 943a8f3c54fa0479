"""acl_test.py -- the user that docs/protocol.md describes can do all that locks are made of, and with less it cannot."""

import itertools
import json
import os
import sys
import time

sys.dont_write_bytecode = True  # the source tree stays clean

from support import TRIES, WAIT, await_true, expect, expect_equal, locker_rules, main

DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/protocol.md")
WAKE = ("+publish", "+subscribe", "&redlock:wake:*")


def prepare(world):
    world.nodes = [world.server(f"s{i}") for i in range(3)]
    for node in world.nodes:
        node.ask("ACL", "SETUSER", "locker", "on", ">s3cret", *locker_rules())
    url = " ".join(node.url for node in world.nodes).replace("unix://", "unix://locker:s3cret@")
    world.quorum, world.one = url, url.split()[0]


def succeed(world, url, *words):
    code, out, err = world.run(*words, url=url)
    expect_equal(code, 0, f"{words}: {err}")
    return out


def waiters(world, name, count):
    queues = [node.ask("ZCARD", f"redlock:{{{name}}}:queue") for node in world.nodes[:count]]
    return [int(one[1:]) for one in queues]


def hand_off(world, url, name):
    """Holds with renewals, lets two wait, and returns how long the first of them waited for the release."""
    nodes = len(url.split())
    holder = world.begin("run", "-v", "-t", "6", *WAIT, name, "--", "sh", "-c", "echo go; read line", url=url,
                         stdin=-1, cwd=world.folder)
    expect_equal(holder.first, "go")
    first = world.start("run", *WAIT, "--label", "first/1", name, "date", "+%s.%N", url=url)
    await_true(lambda: waiters(world, name, nodes) == [1] * nodes, "the first waits")
    second = world.start("run", *WAIT, "--label", "second/2", name, "true", url=url)
    await_true(lambda: waiters(world, name, nodes) == [2] * nodes, "the second waits")
    for node in world.nodes:
        node.ask("SCRIPT", "FLUSH")  # what is forgotten is sent again
    for node in world.nodes[:nodes]:
        node.await_renewal(name)
    begin = time.time()
    err = holder.communicate("\n")[1]
    expect_equal(holder.returncode, 0, err)
    had = float(first.communicate()[0])
    second.communicate()
    expect_equal((first.returncode, second.returncode), (0, 0))
    return had - begin


def fastest_hand_off(world, url, name, limit_s):
    """In seconds, of a few when they take long: a machine that is busy is slow at times, not always."""
    took = []
    while len(took) < TRIES and min(took, default=limit_s) >= limit_s:
        took.append(hand_off(world, url, name))
    return min(took)


def everything(world, url):
    succeed(world, url, "run", "job:a", "true")
    expect(fastest_hand_off(world, url, "job:a", 4) < 4, "the first is woken; its poll would have come later")
    token, fence = succeed(world, url, "acquire", "job:b").split()
    expect_equal(world.run("wait", "-n", "job:b", url=url)[0], 75)
    succeed(world, url, "extend", "--token", token, "--fence", fence, "job:b")
    expect_equal(world.run("run", "-w", "0.3", "job:b", "true", url=url)[0], 75)  # leaves the queue again
    succeed(world, url, "release", "--token", token, "--fence", fence, "job:b")
    succeed(world, url, "acquire", "job:c")
    succeed(world, url, "break", "--yes", "job:c")
    succeed(world, url, "wait", "-n", "job:c")


def denied(world):
    return [node.ask("ACL", "LOG") for node in world.nodes]


def quorum(world):
    """On three servers it acquires, renews, waits, is woken, extends, releases, breaks and looks"""
    succeed(world, world.quorum, "init")
    everything(world, world.quorum)
    expect_equal(denied(world), ["*0"] * 3, "refused")


def one(world):
    """On one server, too"""
    everything(world, world.one)
    expect_equal(denied(world), ["*0"] * 3, "refused")


def status(world):
    """status needs no more"""
    succeed(world, world.one, "acquire", "job:d")
    told = json.loads(succeed(world, world.one, "status", "--json", "job:d"))
    expect_equal((told["state"], told["waiting"]), ("held", 0))


def no_more(world):
    """No right of the line is without a use"""
    used = {line.split(":")[0].removeprefix("cmdstat_") for node in world.nodes
            for line in node.ask("INFO", "commandstats").splitlines()}
    given = {rule[1:] for rule in locker_rules() if rule[0] == "+"}
    expect_equal(sorted(given - used), [], "never used")


def without_wake(world):
    """Without publish and subscribe waiting is polling, and nothing else is missed"""
    rules = [rule for rule in locker_rules() if rule not in WAKE]
    for node in world.nodes:
        node.ask("ACL", "SETUSER", "locker", "reset", "on", ">s3cret", *rules)
    for url in (world.one, world.quorum):
        expect(fastest_hand_off(world, url, "job:e", 10) < 10, "the poll finds it")


# --- each right by itself -------------------------------------------------------------------------------
#
# An operation is run by the user whose rights are tried, on one server; what it needs beforehand is done by a
# user who may do everything.  It returns whether it did all that it does with all rights.

ALL = ("lock", "queue", "wake", "comfort", "db", "list", "doctor")
numbers = itertools.count(1)


def fresh():
    return f"job:each:{next(numbers)}"


def free(world, *words):
    """A subcommand of the user who may do everything."""
    return succeed(world, world.nodes[0].url, *words)


def held(world):
    """A name, and the options that prove who holds it."""
    name = fresh()
    token, fence = free(world, "acquire", "-t", "60", name).split()
    return name, ("--token", token, "--fence", fence, name)


def plant(world, name, until_ms):
    """A waiter whose process is gone: who wakes it is not heard."""
    node = world.nodes[0]
    node.ask("ZADD", f"redlock:{{{name}}}:queue", "1", "a" * 32)
    node.ask("HSET", f"redlock:{{{name}}}:alive", "a" * 32, f"{until_ms} {'b' * 32} 7")


def ended(world, code, *words):
    return world.run(*words, url=world.one)[0] == code


def acquires(world):
    return ended(world, 0, "acquire", fresh())


def acquires_a_tagged_name(world):
    return ended(world, 0, "acquire", f"job:{{each}}:{next(numbers)}")


def is_refused_a_taken_name(world):
    return ended(world, 75, "run", "-n", held(world)[0], "true")


def extends(world):
    return ended(world, 0, "extend", "-t", "50", *held(world)[1])


def is_gone(world, name):
    return world.nodes[0].ask("EXISTS", name) == ":0"


def releases(world):
    name, proof = held(world)
    return ended(world, 0, "release", *proof) and is_gone(world, name)


def releases_after_the_scripts_are_gone(world):
    name = fresh()
    process = world.begin("run", name, "--", "sh", "-c", "echo go; read line", url=world.one, stdin=-1)
    world.nodes[0].ask("SCRIPT", "FLUSH")
    process.communicate("\n")
    return process.returncode == 0 and is_gone(world, name)


def initializes(world):
    return ended(world, 0, "init", "--force")


def waits_in_the_queue(world):
    name = held(world)[0]
    return (ended(world, 75, "run", "-w", "0.3", name, "true") and
            world.nodes[0].ask("EXISTS", f"redlock:{{{name}}}:queue") == ":0")  # and has left it


def releases_past_a_silent_waiter(world):
    name, proof = held(world)
    plant(world, name, 1 << 42)
    return ended(world, 0, "release", *proof) and is_gone(world, name)


def releases_past_a_dead_waiter(world):
    name, proof = held(world)
    plant(world, name, 1)
    return ended(world, 0, "release", *proof) and is_gone(world, name)


def breaks_with_a_waiter(world):
    name = held(world)[0]
    plant(world, name, 1 << 42)
    return ended(world, 0, "break", "--yes", name)


def shows_who_waits(world):
    name = held(world)[0]
    plant(world, name, 1 << 42)
    code, out, _ = world.run("status", "--json", name, url=world.one)
    return code == 0 and json.loads(out)["waiting"] == 1 and len(json.loads(out)["waiters"]) == 1


def uses_another_db(world):
    return world.run("acquire", fresh(), url=world.one + "?db=3")[0] == 0


def lists(world):
    name = held(world)[0]
    code, out, _ = world.run("ls", "--json", name, url=world.one)
    return code == 0 and name in out


def examines(world):
    code, out, _ = world.run("doctor", "--json", url=world.one)
    told = [json.loads(line) for line in out.splitlines()]
    return code in (0, 1, 2) and all(one["level"] == "ok" for one in told if one["check"] == "rights")


# Which operation breaks without a right; False: it gets worse only, in the way that the docs say.
NEEDED = {
    "~job:*": (acquires, True), "~redlock:{job:*}:*": (acquires, True), "~redlock:=job:*:*": (acquires_a_tagged_name, True),
    "~redlock:{boot}": (initializes, True), "+eval": (releases_after_the_scripts_are_gone, True),
    "+evalsha": (acquires, True), "+script|load": (acquires, True), "+info": (acquires, True), "+time": (acquires, True),
    "+get": (acquires, True), "+mget": (extends, True), "+set": (acquires, True), "+del": (releases, True),
    "+exists": (acquires, True), "+pttl": (is_refused_a_taken_name, True), "+pexpire": (extends, True),
    "+zpopmin": (releases, True), "+zcard": (shows_who_waits, True), "+zrange": (shows_who_waits, True),
    "+zadd": (waits_in_the_queue, True), "+zrem": (waits_in_the_queue, True), "+zrank": (waits_in_the_queue, True),
    "+zrevrange": (waits_in_the_queue, True), "+hset": (waits_in_the_queue, True),
    "+hget": (releases_past_a_silent_waiter, True), "+hdel": (releases_past_a_dead_waiter, True),
    "&redlock:wake:*": (waits_in_the_queue, False), "+publish": (releases_past_a_silent_waiter, False),
    "+subscribe": (waits_in_the_queue, False), "+client|setname": (acquires, False), "+script|exists": (acquires, False),
    "+select": (uses_another_db, True), "+scan": (lists, True), "+getrange": (lists, True),
    "~redlock:{redlock-doctor}:probe": (examines, True), "+config|get": (examines, False),
    "+acl|whoami": (examines, False),
}


def user_set(world, rules):
    node = world.nodes[0]
    expect_equal(node.ask("ACL", "SETUSER", "locker", "reset", "on", ">s3cret", "resetchannels", *rules), "+OK")
    node.ask("SCRIPT", "FLUSH")  # so that they have to be sent
    node.ask("ACL", "LOG", "RESET")


def all_rights(world):
    """With all the rights every operation works, and nothing is refused"""
    user_set(world, locker_rules(*ALL))
    for operation in dict.fromkeys(pair[0] for pair in NEEDED.values()):
        expect(operation(world), f"{operation.__name__} works")
        expect_equal(world.nodes[0].ask("ACL", "LOG"), "*0", operation.__name__)


def every_right_is_known(world):
    """The table of what breaks has each right, and no other"""
    expect_equal(sorted(NEEDED), sorted(locker_rules(*ALL)))


def one_less(world):
    """Without any one right a named operation breaks"""
    wrong = []
    for rule, (operation, breaks) in NEEDED.items():
        user_set(world, [one for one in locker_rules(*ALL) if one != rule])
        works = operation(world)
        if world.nodes[0].ask("ACL", "LOG") == "*0":
            wrong.append(f"{rule}: {operation.__name__} does not miss it")
        elif works == breaks:
            wrong.append(f"{rule}: {operation.__name__} {'works' if works else 'breaks'} without it")
    expect_equal(wrong, [])


def only_locks(world):
    """The rights of the first line are enough for locks that nobody waits for"""
    user_set(world, locker_rules("lock"))
    world.nodes[0].ask("FLUSHALL")
    for operation in (initializes, acquires, acquires_a_tagged_name, is_refused_a_taken_name, extends, releases, shows_who_waits,
                      releases_after_the_scripts_are_gone):
        expect(operation(world), operation.__name__)


def other_names(world):
    """Names and companions that are not the user's are out of reach"""
    user_set(world, locker_rules(*ALL))
    for name in ("other", "xjob:a", "job", "{job:a}", "redlock:{other}:fence"):
        expect(not ended(world, 0, "acquire", name), f"acquires {name}")
    for key in ("redlock:{other}:fence", "redlock:{other}:queue", "redlock:=other:fence", "redlock:{boot}x"):
        answer = world.nodes[0].ask("ACL", "DRYRUN", "locker", "SET", key, "1")
        expect("no permissions" in answer.lower() or "access" in answer.lower(), f"{key}: {answer}")


def told(world):
    """doctor --acl prints what the docs say, without a server, for any prefix, user and pattern"""
    code, out, err = world.run("doctor", "--acl", "job:*")
    expect_equal((code, err), (0, ""))
    with open(DOCS, encoding="utf-8") as file:
        expect(" ".join(out.split()) in " ".join(file.read().split()), out)
    lines = [json.loads(line) for line in world.run("doctor", "--acl", "--json", "--key-prefix", "p*:", "a", "b c",
                                                    env={"REDLOCK_USER": "me"})[1].splitlines()]
    expect_equal([one["purpose"] for one in lines], list(ALL))
    words = lines[0]["command"].split()
    expect_equal(words[:7], ["ACL", "SETUSER", "me", "reset", "on", ">SECRET", "resetchannels"])
    expect_equal([word for word in words if word[0] == "~"],
                 [f"~p\\*:{key}" for name in ("a", "b?c") for key in (name, f"redlock:{{{name}}}:*", f"redlock:={name}:*")]
                 + ["~p\\*:redlock:{boot}"])
    expect_equal(world.run("doctor", "--acl", *["x" * 500] * 20)[0], 64)
    node = world.nodes[0]  # the server understands it, and it fits the prefix
    for one in lines:
        expect_equal(node.ask(*one["command"].replace(">SECRET", ">s3cret").split()), "+OK", one)
    url = node.url.replace("unix://", "unix://me:s3cret@")
    succeed(world, url, "run", "--key-prefix", "p*:", "b c", "true")
    expect(world.run("run", "--key-prefix", "px:", "a", "true", url=url)[0] != 0, "another prefix")


if __name__ == "__main__":
    main([quorum, one, status, no_more, without_wake, told, every_right_is_known, all_rights, one_less, only_locks,
          other_names], prepare)
