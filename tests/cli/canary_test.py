"""canary_test.py -- a password that is planted in every place where one may stand shows up nowhere else."""

import glob
import json
import os
import re
import subprocess
import sys

sys.dont_write_bytecode = True  # the source tree stays clean

from support import WAIT, await_true, expect, expect_equal, main, proc_read

CANARY = "canary-83d1f0"
# What a program that is looked into keeps of freed memory, and of stacks, is not ours.
PLAIN_MEMORY = {"ASAN_OPTIONS": "detect_stack_use_after_return=0:quarantine_size_mb=0:thread_local_quarantine_size_kb=0"}


def prepare(world):
    world.node = world.server("locked", "--requirepass", CANARY)
    world.quorum = " ".join(f"unix://:{CANARY}@{world.server(f'q{i}', '--requirepass', CANARY).path}" for i in range(3))
    world.login = f"unix://:{CANARY}@{world.node.path}"
    expect_equal(world.run("init", url=world.quorum)[0], 0)
    world.password = write(world, "password", CANARY + "\n")
    world.private = write(world, "config", f"url = {world.login}\n")


def write(world, name, text, mode=0o600):
    path = world.path(name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)
    return path


def sources(world):
    """Each way to give the password: its name, options, and environment."""
    credentials = os.path.dirname(write(world, "credentials/redlock.password", CANARY + "\n", 0o400))
    plain = {"REDLOCK_URL": world.node.url}
    return (("--url", ("--url", world.login), {}),
            ("--password-file", ("--password-file", world.password), plain),
            ("REDLOCK_URL", (), {"REDLOCK_URL": world.login}),
            ("REDLOCK_PASSWORD", (), {**plain, "REDLOCK_PASSWORD": CANARY}),
            ("REDLOCK_PASSWORD_FILE", (), {**plain, "REDLOCK_PASSWORD_FILE": world.password}),
            ("a configuration", (), {"REDLOCK_CONFIG": world.private}),
            ("a credential", (), {**plain, "CREDENTIALS_DIRECTORY": credentials}))


def clean(what, *texts):
    for text in texts:
        data = text if isinstance(text, bytes) else str(text).encode()
        expect(CANARY.encode() not in data, f"{what} has the password in it: {data[-2000:]!r}")


def memory_count(pid):
    """How often it is in what the process can write to."""
    count = 0
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            match = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            begin, end = (int(match.group(i), 16) for i in (1, 2)) if match else (0, 0)
            if 0 < end - begin < 1 << 30:  # a sanitizer's shadow is larger
                try:
                    memory.seek(begin)
                    count += memory.read(end - begin).count(CANARY.encode())
                except OSError:
                    pass  # gone meanwhile
    return count


def each_source(world):
    """It is taken from each place, and no output or error has it"""
    for number, (what, options, env) in enumerate(sources(world)):
        for words in (("run", "-v", *options, "job", "env"), ("status", *options, "job"), ("ls", "--json", *options),
                      ("top", "--json", "--count", "1", *options), ("doctor", "--acl", *options),
                      ("wait", "-n", *options, "job"), *([("doctor", *options)] if number == 0 else [])):
            code, out, err = world.run(*words, env=env)
            expect(code in (0, 1, 2), f"{what}, {words[0]}: exit {code}: {err}")
            clean(f"{what}, {words[0]}", out, err)


def errors(world):
    """No error has it, whatever is wrong"""
    urls = {"dead": f"unix://:{CANARY}@{world.path('none.sock')}", "wrong": world.login.replace(CANARY, CANARY + "x"),
            "bad": f"redis://:{CANARY}@host:99999", "scheme": f"http://:{CANARY}@host", "tls": f"rediss://:{CANARY}@127.0.0.1:1",
            "user": world.login.replace("://", "://nobody"), "db": world.login + "?db=x", "open": f":{CANARY}@", "percent":
            f"redis://:{CANARY}%zz@host", "many": " ".join([world.login] * 16), "twice": f"redis://:{CANARY}@@h:{CANARY}@i"}
    public = write(world, "public", f"url = {world.login}\n", 0o644)
    broken = write(world, "broken", f"url = {world.login}\nurl : {world.login}\n")
    for words in (("run", "-v", "-n", "job", "true"), ("acquire", "-v", "-n", "job"), ("status", "job"), ("init",)):
        for what, url in urls.items():
            for how in ({"url": url}, None):
                code, out, err = world.run_once(words[0], *(() if how else ("--url", url)), *words[1:], **(how or {}))
                expect(code != 0 or what == "twice", f"{what} {words}: {out}{err}")
                clean(f"{what} {words}", out, err)
    clean("doctor", *world.run_once("doctor", url=f"{urls['dead']} {urls['wrong']}")[1:])
    for path in (public, broken):
        code, out, err = world.run("ls", env={"REDLOCK_CONFIG": path})
        expect_equal(code, 64, path)
        clean(path, out, err)
    write(world, "wide", CANARY + "\n", 0o644)
    for words in (("ls", "--password-file", world.path("wide")), ("ls", "--frobnicate", world.login), ("ls", world.login, world.login)):
        clean(words, *world.run(*words, url=world.node.url)[1:])


def family(world, pid):
    """The process, its guard, the command and what that started."""
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        for path in glob.glob(f"/proc/{one}/task/*/children"):
            with open(path, encoding="ascii") as file:
                todo += [int(word) for word in file.read().split()]
    return found


def processes(world):
    """No command line, environment or descriptor of any process has it"""
    for what, options, env in sources(world):
        process = world.begin("run", *WAIT, *options, "job", "--", "sh", "-c", "echo go; read line; env; cat /proc/$$/environ",
                              env=env, stdin=subprocess.PIPE)
        pids = family(world, process.pid)
        expect(len(pids) >= 2, pids)
        for pid in pids:
            clean(f"{what}: the arguments of {pid}", proc_read(pid, "cmdline"), proc_read(pid, "comm"))
            clean(f"{what}: the environment of {pid}", proc_read(pid, "environ"))
        out, err = process.communicate("\n")
        expect_equal(process.returncode, 0, err)
        clean(f"{what}: the command", out, err)


def memory(world):
    """In memory it is once for each connection, from wherever it came"""
    for what, options, env in sources(world):
        process = world.begin("run", *WAIT, *options, "job", "--", "sh", "-c", "echo go; read line", stdin=subprocess.PIPE,
                              env={**env, **PLAIN_MEMORY})
        counts = []
        # One for commands, one that would listen; and a sanitizer keeps the environment that it began with.
        most = 2 + (b"asan" in proc_read(process.pid, "maps") and CANARY in "".join(env.values()))

        def is_few(process=process, counts=counts, most=most):
            counts.append(memory_count(process.pid))
            return 1 <= counts[-1] <= most

        try:
            await_true(is_few, f"{what}: few copies")
        except Exception as problem:
            raise type(problem)(f"{what}: {counts[-1]} copies") from problem
        finally:
            process.communicate("\n")


def files(world):
    """No file that the command writes has it"""
    folder = world.path("metrics/")
    os.makedirs(folder, exist_ok=True)
    process = world.begin("run", *WAIT, "-v", "--metrics", folder, "job", "--", "sh", "-c", "echo go; read line", url=world.quorum,
                          stdin=subprocess.PIPE)
    await_true(lambda: os.listdir(folder), "numbers are written")
    err = process.communicate("\n")[1]
    expect("is held" in err, err)
    clean("what is said", err)
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as file:
            clean(name, file.read())


def tokens(world):
    """The token is in no listing, log or metric either: whoever has it can release the lock"""
    token = world.run("acquire", "job", url=world.login)[1].split()[0]
    secret = token.split(":")[0]
    expect_equal(len(secret), 32)
    for words in (("status", "job"), ("status", "--json", "job"), ("ls",), ("ls", "--json"), ("top", "--json", "--count", "1"),
                  ("run", "-v", "-n", "job", "true"), ("wait", "-n", "job")):
        out = "".join(world.run(*words, url=world.login)[1:])
        expect(secret not in out, f"{words}: {out}")
    told = json.loads(world.run("status", "--json", "job", url=world.login)[1])
    expect_equal(told["state"], "held")


if __name__ == "__main__":
    main([each_source, errors, processes, memory, files, tokens], prepare)
