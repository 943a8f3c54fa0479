"""see_test.py -- `redlock status` and `redlock ls`: who holds what, as each server tells it."""

import json
import re
import signal
import sys

sys.dont_write_bytecode = True  # the source tree stays clean

from support import TRIES, WAIT, await_true, expect, expect_equal, main

TOKEN = "0123456789abcdef0123456789abcdef"


def prepare(world):
    world.nodes = [world.server(f"s{i}") for i in range(3)]
    world.url = " ".join(node.url for node in world.nodes)
    expect_equal(world.run("init", url=world.url)[0], 0)


def see(world, *words, **how):
    return world.run(*words, **{"url": world.url, **how})


def plant(world, name, value, indexes=(0, 1, 2), ttl="600000"):
    for index in indexes:
        world.nodes[index].ask("SET", name, value, "PX", ttl)


def names_of(text):
    return [line.split()[0] for line in text.splitlines()[1:]]


def await_everywhere(world, name, fence):
    """A server that missed the grant, or its raise, has it from the next renewal on, a third of the ttl later."""
    await_true(lambda: all(node.ask("EXISTS", name) == ":1" and
                           node.ask("GET", f"redlock:{{{name}}}:fence") == fence for node in world.nodes),
               f"{name} lies on all servers, with fence {fence}")


def hold(world, name, *words):
    """Holds a lock on all servers until the test ends; returns its fence."""
    process = world.begin("run", "-t", "9", *WAIT, *words, name, "--", "sh", "-c",
                          'echo "$REDLOCK_FENCE"; exec sleep 600', url=world.url)
    await_everywhere(world, name, process.first)
    return process.first


def free(world):
    """A name that nobody holds is free"""
    code, out, err = see(world, "status", "nobody")
    expect_equal((code, err), (0, ""))
    expect("'nobody' is free" in out, out)
    expect("on 0 of 3 servers; 2 make a quorum" in out, out)


def held(world):
    """A held name shows the holder's label, what is left, and its fence, on each server"""
    fence = hold(world, "deploy", "--label", "web1/4711")
    code, out, _ = see(world, "status", "deploy")
    expect_equal(code, 0)
    expect("'deploy' is held by web1/4711, for " in out and "unless renewed" in out, out)
    expect(f"fence {fence}, on 3 of 3 servers" in out, out)
    expect_equal(out.count("web1/4711"), 4, out)
    expect_equal(out.count(fence), 4, out)
    expect("\033" not in out, "no colours into a pipe")


def waiting(world):
    """Who waits is told in order, by labels and without their tokens"""
    hold(world, "queue", "--label", "first/1")
    for index, label in enumerate(("second/2", "third/3")):
        world.start("run", *WAIT, "--label", label, "queue", "true", url=world.url)
        await_true(lambda wanted=index + 1: [node.ask("ZCARD", "redlock:{queue}:queue") for node in world.nodes] ==
                   [f":{wanted}"] * 3, f"{label} waits")
    code, out, _ = see(world, "status", "queue")
    expect_equal(code, 0)
    expect("on 3 of 3 servers; 2 make a quorum; 2 wait\n" in out, out)
    expect(out.endswith("\nWAITING\n 1  second/2\n 2  third/3\n"), out)
    out = see(world, "status", "--json", "queue")[1]
    told = json.loads(out)
    expect_equal((told["waiting"], told["waiters"]), (2, ["second/2", "third/3"]))
    expect_equal([node["waiting"] for node in told["nodes"]], [2] * 3)
    for token in world.nodes[0].lines("ZRANGE", "redlock:{queue}:queue", "0", "-1"):
        expect(token.split(":")[0] not in out, "the tokens are secret")
    expect(re.search(r"^NAME +HOLDER +LEFT FENCE +WAIT ON$", see(world, "ls")[1], re.M), "a column")
    expect(see(world, "ls", "queue")[1].endswith("  2 3/3\n"), see(world, "ls", "queue")[1])
    expect_equal(json.loads(see(world, "ls", "--json", "queue")[1])["waiting"], 2)


def differs(world):
    """A server that says something else, and one that says nothing, are named"""
    plant(world, "torn", TOKEN + ":me/1", (0, 1))
    plant(world, "torn", "f" * 32 + ":you/2", (2,))
    world.nodes[1].signal(signal.SIGSTOP)
    try:  # it ends while the server hangs, so it is the timeout that ends it
        for _ in range(TRIES):
            code, out, _ = see(world, "status", "torn", "--timeout", "0.8")
            if out.count("no answer") == 1:
                break  # else a healthy one was too slow as well
    finally:
        world.nodes[1].signal(signal.SIGCONT)
    expect_equal(code, 0)
    expect("unclear: 2 of 3 servers answered" in out, out)
    lines = {line.split()[0]: line for line in out.splitlines() if line.startswith("unix:")}
    expect("no answer" in lines[world.nodes[1].url], out)
    code, out, _ = see(world, "status", "torn")
    expect("held by me/1" in out and "on 2 of 3" in out, out)
    expect_equal([line for line in out.splitlines() if "differs" in line][0].split()[2], "you/2", out)


def contested(world):
    """Tokens without a quorum are nobody's"""
    for index, who in enumerate("abc"):
        plant(world, "fight", who * 32 + f":{who}/1", (index,))
    code, out, _ = see(world, "status", "fight")
    expect_equal(code, 0)
    expect("held by nobody" in out, out)


def too_few(world):
    """Too few servers: what is known is shown, exit 69"""
    url = f"{world.nodes[0].url} unix:///tmp/none.a unix:///tmp/none.b"
    code, out, _ = see(world, "status", "deploy", url=url)
    expect_equal(code, 69)
    expect("unclear" in out and "No such file" in out, out)
    code, out, err = see(world, "ls", url=url)
    expect_equal(code, 69)
    expect("unix:///tmp/none.a: No such file" in err, err)


def as_json(world):
    """--json is one object a line, with no token in it"""
    code, out, _ = see(world, "status", "--json", "deploy")
    expect_equal(code, 0)
    told = json.loads(out)
    expect_equal((told["state"], told["holder"], told["held_on"]), ("held", "web1/4711", 3))
    expect(0 < told["left_ms"] <= 10000 and told["fence"] > 0, out)
    expect_equal([node["differs"] for node in told["nodes"]], [False] * 3)
    token = world.nodes[0].ask("GET", "deploy")
    expect(token.split(":")[0] not in out, "the token is secret")
    told = [json.loads(line) for line in see(world, "ls", "--json")[1].splitlines()]
    expect("deploy" in [one["name"] for one in told], told)


def odd_names(world):
    """Names and labels cannot steer the terminal, and JSON stays JSON"""
    for name in ("a\x1b[31mb\nc", "na\u00efve \u65e5\u672c", 'q"\\'):
        plant(world, name, TOKEN + ":x")
    world.nodes[0].ask("EVAL", "return redis.call('SET', 'bad\\255byte', ARGV[1], 'PX', 600000)", "0", TOKEN)
    _, out, _ = see(world, "ls")
    expect("\x1b" not in out and "a?[31mb?c" in out, out)
    expect("na\u00efve \u65e5\u672c" in out, out)
    expect("bad?byte" in out, out)
    told = [json.loads(line)["name"] for line in see(world, "ls", "--json")[1].splitlines()]
    for name in ("a\x1b[31mb\nc", "na\u00efve \u65e5\u672c", 'q"\\', "bad\ufffdbyte"):
        expect(name in told, told)
    for node in world.nodes:
        node.ask("FLUSHALL")


def only_locks(world):
    """ls leaves out what is no lock: other strings, other types, keys without an expiry"""
    plant(world, "lock", TOKEN + ":me/1")
    plant(world, "theirs", TOKEN)
    plant(world, "cache", "some text")
    plant(world, "big", "x" * 200000)
    for node in world.nodes:
        node.ask("SET", "forever", TOKEN)
        node.ask("HSET", "hash", "a", "b")
        node.ask("PEXPIRE", "hash", "600000")
        node.ask("SET", "redlock:{gone}:fence", "123", "PX", "600000")
    code, out, _ = see(world, "ls")
    expect_equal(code, 0)
    expect_equal(names_of(out), ["lock", "theirs"], out)
    expect_equal(names_of(see(world, "ls", "--all")[1]), ["gone", "lock", "theirs"])
    expect_equal(names_of(see(world, "ls", "-a", "g*")[1]), ["gone"])
    expect_equal(names_of(see(world, "ls", "l*")[1]), ["lock"])
    expect_equal(see(world, "ls", "none*")[1], "")


def own_token(world):
    """A holder with a token of its own is found by its mark"""
    plant(world, "mine", "my-own-token")
    for node in world.nodes:
        node.ask("SET", "redlock:{mine}:fence", "77", "PX", "600000")
    _, out, _ = see(world, "ls", "mine")
    expect("my-own-token" in out and "77" in out, out)


def prefixes(world):
    """--key-prefix takes only names behind it, and shows them without it"""
    plant(world, "p*:job", TOKEN + ":me/1")
    plant(world, "pq:job", TOKEN + ":me/1")
    code, out, _ = see(world, "ls", "--key-prefix", "p*:")
    expect_equal((code, names_of(out)), (0, ["job"]), out)
    expect("held by me/1" in see(world, "status", "--key-prefix", "p*:", "job")[1], "status, too")


def thousands(world):
    """Thousands of names come back whole, and KEYS was never used"""
    script = ("for i = 1, 5000 do redis.call('SET', 'n:' .. i, ARGV[1], 'PX', 600000) "
              "redis.call('SET', 'foreign:' .. i, 'x') end")
    for node in world.nodes:
        node.ask("EVAL", script, "0", TOKEN + ":me/1")
    code, out, _ = see(world, "ls", "n:*")
    expect_equal((code, len(names_of(out))), (0, 5000))
    expect(all(line.endswith("3/3") for line in out.splitlines()[1:]), "on all of them")
    for node in world.nodes:
        expect("cmdstat_keys" not in node.ask("INFO", "commandstats"), "KEYS was used")
        node.ask("FLUSHALL")


def rights(world):
    """A user that may not scan is told what was refused, exit 77"""
    for node in world.nodes:
        node.ask("ACL", "SETUSER", "viewer", "on", ">pw", "~*", "-@all", "+get", "+pttl", "+ping")
    url = world.url.replace("unix://", "unix://viewer:pw@")
    plant(world, "seen", TOKEN + ":me/1")
    code, out, _ = see(world, "status", "seen", url=url)
    expect_equal(code, 0)
    expect("held by me/1" in out, out)
    expect_equal(json.loads(see(world, "status", "--json", "seen", url=url)[1])["waiting"], None)
    code, _, err = see(world, "ls", url=url)
    expect_equal(code, 77)
    expect("scan" in err, err)
    expect("pw" not in err, "the password is not shown")


def usage(world):
    """Words and options that make no sense are usage errors"""
    for words in (("status",), ("status", "a", "b"), ("status", "redlock:{x}:fence"), ("ls", "a", "b"),
                  ("ls", "--frob"), ("ls", "--timeout", "soon"), ("top", "--sort", "size"), ("doctor", "x"),
                  ("ls", "--interval", "1"), ("top",)):
        code, _, err = see(world, *words)
        expect_equal(code, 64, f"{words}: {err}")
        expect("try 'redlock help" in err, err)
    for word in ("status", "ls", "top", "doctor"):
        code, out, _ = see(world, word, "--help")
        expect(code == 0 and out.startswith(f"usage: redlock {word} "), out)


def top_as_json(world):
    """top --json prints each lock in each round, without a terminal"""
    plant(world, "tick", TOKEN + ":me/1")
    code, out, _ = see(world, "top", "--json", "--count", "3", "--interval", "0.1", "tick")
    expect_equal(code, 0)
    told = [json.loads(line) for line in out.splitlines()]
    expect_equal([one["name"] for one in told], ["tick"] * 3)
    expect(told[0]["left_ms"] > told[2]["left_ms"], "time passes")


if __name__ == "__main__":
    main([free, held, waiting, differs, contested, too_few, as_json, odd_names, only_locks, own_token, prefixes,
          thousands, rights, usage, top_as_json], prepare)
