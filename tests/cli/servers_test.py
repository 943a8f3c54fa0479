"""servers_test.py -- servers that cannot be used: each cause has its code, and `redlock init`."""

import signal
import sys
import time

sys.dont_write_bytecode = True  # the source tree stays clean

from support import PATIENCE, WAIT, expect, expect_equal, main


def run(world, *words, **how):
    return world.run("run", *words, **how)


def nobody_there(world):
    """No server there gives 69 at once, and names it"""
    begin = time.monotonic()
    code, _, err = run(world, "n", "true", url="unix://" + world.path("nothing.sock"))
    expect_equal(code, 69, err)
    expect(time.monotonic() - begin < PATIENCE / 2, "at once")
    expect("nothing.sock" in err, err)
    expect_equal(run(world, "n", "true", url="redis://127.0.0.1:1")[0], 69)


def nobody_there_waiting(world):
    """With -w it goes on trying until the wait is over"""
    begin = time.monotonic()
    code, _, _ = world.run_once("run", "-w", "1.5", "n", "true", url="unix://" + world.path("nothing.sock"))
    expect_equal(code, 69)
    expect(1.4 < time.monotonic() - begin < PATIENCE / 2, f"it took {time.monotonic() - begin:.2f} s")


def comes_back(world):
    """With -w, a server that comes up meanwhile is used"""
    process = world.start("run", "-v", *WAIT, "n", "echo", "there",
                          url="unix://" + world.path("later.sock"))
    process.stderr.readline()
    world.server("later")
    expect_equal(process.communicate(timeout=PATIENCE)[0], "there\n")


def hung(world):
    """A hung server gives 69 in bounded time"""
    server = world.server("hung")
    server.signal(signal.SIGSTOP)
    begin = time.monotonic()
    code = world.run_once("run", "n", "true", url=server.url)[0]
    server.signal(signal.SIGCONT)
    expect_equal(code, 69)
    expect(time.monotonic() - begin < PATIENCE / 2, "bounded")


def minority_down(world):
    """Two of three are enough; one of three is not, and each failing one is named"""
    nodes = [world.server(f"maj{i}") for i in range(3)]
    url = ",".join(node.url for node in nodes)
    expect_equal(world.run("init", url=url)[0], 0)
    nodes[0].end()
    expect_equal(run(world, "n", "true", url=url)[0], 0)
    nodes[1].end()
    code, _, err = run(world, "n", "true", url=url)
    expect_equal(code, 69)
    expect("maj0.sock" in err and "maj1.sock" in err, err)


def init_makes_ready(world):
    """Three new servers are not ready (69) until `redlock init`"""
    nodes = [world.server(f"new{i}") for i in range(3)]
    urls = [word for node in nodes for word in ("--url", node.url)]
    code, _, err = world.run("run", *urls, "n", "true")
    expect_equal(code, 69, err)
    # The refused try was the first that these servers have seen of redlock.
    code, out, err = world.run("init", *urls, "--force")
    expect_equal(code, 0, out + err)
    expect_equal(out.count("ready"), 3, out)
    expect_equal(world.run("run", *urls, "n", "true")[0], 0)
    expect_equal(world.run("init", *urls, "-q")[1:], ("", ""))


def init_first(world):
    """`redlock init` on three new servers, then locks at once"""
    nodes = [world.server(f"first{i}") for i in range(3)]
    url = " ".join(node.url for node in nodes)
    code, out, err = world.run("init", url=url)
    expect_equal(code, 0, out + err)
    for node in nodes:
        expect(node.path in out, out)
    expect_equal(run(world, "n", "true", url=url)[0], 0)


def init_fails(world):
    """`redlock init` without servers gives 69 and says which"""
    code, out, err = world.run("init", "--url", "unix://" + world.path("nothing.sock"))
    expect_equal(code, 69)
    expect("nothing.sock" in out + err, out + err)
    expect_equal(world.run("init")[0], 64)


def password(world):
    """A password that is missing or wrong gives 77, the right one 0, and none is printed"""
    server = world.server("auth", "--requirepass", "s3cret")
    for login, wanted in (("", 77), (":wr0ng@", 77), (":s3cret@", 0)):
        for loudness in ((), ("-v",)):
            code, out, err = run(world, *loudness, "n", "true", url=f"unix://{login}{server.path}")
            expect_equal(code, wanted, err)
            expect("s3cret" not in out + err and "wr0ng" not in out + err, err)
    code, out, err = world.run("init", url=f"unix://:wr0ng@{server.path}")
    expect_equal(code, 77, err)
    expect("wr0ng" not in out + err, out + err)


def permission(world):
    """An ACL user who may do too little gives 77"""
    server = world.server("acl")
    server.ask("ACL", "SETUSER", "weak", "on", ">pw", "~*", "+ping", "+hello", "+auth", "+client",
               "+info", "+select")
    expect_equal(run(world, "n", "true", url=f"unix://weak:pw@{server.path}")[0], 77)


def replica(world):
    """A replica gives 78"""
    server = world.server("replica", "--replicaof", "127.0.0.1", "1")
    code, _, err = run(world, "n", "true", url=server.url)
    expect_equal(code, 78, err)
    expect("replica" in err, err)


def evicting(world):
    """A server that may evict keys gives 78"""
    server = world.server("evict", "--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru")
    code, _, err = run(world, "n", "true", url=server.url)
    expect_equal(code, 78, err)
    expect("noeviction" in err, err)


def same_twice(world):
    """The same server three times, and an even number, give 78"""
    server = world.server("same")
    expect_equal(run(world, "n", "true", url=" ".join([server.url] * 3))[0], 78)
    expect_equal(run(world, "n", "true", url=f"{server.url} unix://{world.path('x')}")[0], 78)


def no_redis(world):
    """What is no Redis at all gives 69 or 78, and no hang"""
    code = world.run("run", "n", "true", url="unix:///dev/null")[0]
    expect(code in (69, 78), code)


main([nobody_there, nobody_there_waiting, comes_back, hung, minority_down, init_makes_ready,
      init_first, init_fails, password, permission, replica, evicting, same_twice, no_redis])
