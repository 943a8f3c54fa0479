"""config_test.py -- flag, then environment, then files; and passwords that nobody else can read."""

import os
import subprocess
import sys

sys.dont_write_bytecode = True  # the source tree stays clean

from support import expect, expect_equal, main

TOKEN = "0123456789abcdef0123456789abcdef"


def prepare(world):
    world.one = world.server("one")
    world.two = world.server("two")
    world.safe = world.server("safe")
    world.safe.ask("ACL", "SETUSER", "app", "on", ">p@ss/w:rd%", "~*", "&*", "+@all")
    world.safe.ask("ACL", "SETUSER", "default", "off")
    for node, name in ((world.one, "in-one"), (world.two, "in-two")):
        node.ask("SET", name, TOKEN, "PX", "600000")
        node.ask("SET", "pre:" + name, TOKEN, "PX", "600000")
    os.makedirs(world.path("xdg/redlock"))
    del world.env["REDLOCK_CONFIG"]
    world.env["XDG_CONFIG_HOME"] = world.path("xdg")


def write(world, name, text, mode=0o600):
    with open(world.path(name), "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(world.path(name), mode)
    return world.path(name)


def config(world, text, mode=0o600):
    return write(world, "xdg/redlock/config", text, mode)


def ls(world, *words, **how):
    code, out, err = world.run("ls", *words, **how)
    expect_equal(code, 0, err)
    return [line.split()[0] for line in out.splitlines()[1:]]


def order(world):
    """A flag comes before the environment, and that before the file"""
    config(world, f"# mine\n\n  url = {world.one.url}\r\nkey-prefix=pre:\n")
    expect_equal(ls(world), ["in-one"])
    expect_equal(ls(world, "--key-prefix", ""), ["in-one", "pre:in-one"])
    expect_equal(ls(world, url=world.two.url), ["in-two"])
    expect_equal(ls(world, "--url", world.one.url, url=world.two.url), ["in-one"])
    expect_equal(ls(world, env={"REDLOCK_KEY_PREFIX": "pr"}), ["e:in-one"])


def other_file(world):
    """REDLOCK_CONFIG names the file, which has to be there"""
    path = write(world, "other", f"url = {world.two.url}\n")
    expect_equal(ls(world, env={"REDLOCK_CONFIG": path}), ["in-two", "pre:in-two"])
    code, _, err = world.run("ls", env={"REDLOCK_CONFIG": world.path("nothing")})
    expect(code == 64 and "nothing cannot be read" in err, err)


def home(world):
    """Without XDG_CONFIG_HOME it is ~/.config/redlock/config"""
    os.makedirs(world.path(".config/redlock"), exist_ok=True)
    write(world, ".config/redlock/config", f"url = {world.two.url}\n")
    expect_equal(ls(world, env={"XDG_CONFIG_HOME": "", "HOME": world.folder}), ["in-two", "pre:in-two"])


def for_run(world):
    """What takes, keeps and ends locks has url, key-prefix, label and ttl from it"""
    config(world, f"url = {world.one.url}\nkey-prefix = pre:\nlabel = me/1\nttl = 12\n")
    code, _, err = world.run("run", "job", "true")
    expect_equal(code, 0, err)
    process = world.begin("run", "job", "--", "sh", "-c", "echo go; exec sleep 600")
    expect(world.one.ask("GET", "pre:job").endswith(":me/1"), "label and prefix")
    expect(int(world.one.ask("PTTL", "pre:job")[1:]) <= 13001, "ttl")
    process.terminate()
    process.wait()
    code, out, err = world.run("acquire", "job")
    expect_equal(code, 0, err)
    expect(world.one.ask("GET", "pre:job").endswith(":me/1"), "acquire has label and prefix")
    token, fence = out.split()
    proof = {"REDLOCK_TOKEN": token, "REDLOCK_FENCE": fence}
    expect_equal(world.run("extend", "job", env=proof)[0], 0)
    expect(int(world.one.ask("PTTL", "pre:job")[1:]) <= 13001, "extend has the ttl")
    expect_equal(world.run("wait", "-n", "job")[0], 75)
    expect_equal(world.run("release", "job", env=proof)[0], 0)
    expect_equal(world.run("wait", "-n", "job")[0], 0)
    for words in (("hold", "job"), ("elect", "--once", "job", "true"), ("break", "--yes", "job")):
        expect_equal(world.run(*words, stdin=subprocess.PIPE)[0], 0, words)  # hold ends with its input


def wrong(world):
    """A line that cannot be understood is named, and help works all the same"""
    for text, word in (("url = x\nfrob = 1\n", "line 2: 'frob' is no key"), ("url x\n", "line 1"),
                       ("url\n", "line 1")):
        path = config(world, text)
        code, _, err = world.run("ls")
        expect_equal(code, 64, err)
        expect(path in err and word in err, err)
        expect_equal(world.run("help")[0], 0)
    config(world, "")
    expect_equal(world.run("ls")[0], 64)


def password_file(world):
    """A password file is used for URLs without a login, whatever is in it"""
    path = write(world, "password", "p@ss/w:rd%\nmore\n")
    config(world, f"url = {world.safe.url}\nuser = app\npassword-file = {path}\n")
    expect_equal(world.run("ls")[0], 0)
    expect_equal(world.run("run", "x", "true")[0], 0)
    config(world, f"url = {world.safe.url}\nuser = app\n")
    expect_equal(world.run("ls")[0], 77)
    expect_equal(world.run("ls", "--password-file", path)[0], 0)
    expect_equal(world.run("ls", env={"REDLOCK_PASSWORD_FILE": path})[0], 0)
    expect_equal(world.run("ls", env={"REDLOCK_PASSWORD": "p@ss/w:rd%"})[0], 0)
    expect_equal(world.run("ls", env={"REDLOCK_PASSWORD": "wrong"})[0], 77)
    own = world.safe.url.replace("unix://", "unix://app:wrong@")
    expect_equal(world.run("ls", url=own, env={"REDLOCK_PASSWORD": "p@ss/w:rd%"})[0], 77)


def password_file_everywhere(world):
    """Every subcommand that asks servers takes --password-file"""
    path = write(world, "everywhere", "p@ss/w:rd%\n")
    config(world, f"url = {world.safe.url}\nuser = app\n")
    world.run("acquire", "--password-file", path, "kept")
    token = world.run("acquire", "--password-file", path, "-t", "60", "held")[1].split()[0]
    for verb, *words in (("extend", "--token", token, "held"), ("release", "--token", token, "held"),
                         ("run", "x", "true"), ("elect", "--once", "x", "true"), ("acquire", "y"), ("hold", "z"),
                         ("wait", "-n", "x"), ("break", "--yes", "kept"), ("init",), ("status", "x"), ("ls",),
                         ("top", "--json", "--count", "1")):
        code, _, err = world.run(verb, "--password-file", path, *words, stdin=subprocess.PIPE)
        expect_equal(code, 0, f"{verb}: {err}")
        if verb != "top":  # it goes on, and hopes
            expect_equal(world.run(verb, *words)[0], 77, f"{verb} without it")
    expect("--password-file" in world.run("help", "watch")[1], "watch")
    expect("NOAUTH" not in world.run("doctor", "--password-file", path)[1], "doctor")


def password_file_refused(world):
    """A password file that others can read is refused, and never shown"""
    config(world, f"url = {world.safe.url}\nuser = app\n")
    for mode in (0o640, 0o604, 0o620):
        path = write(world, "open", "p@ss/w:rd%\n", mode)
        code, out, err = world.run("ls", "--password-file", path)
        expect_equal(code, 64)
        expect("chmod 600" in err and "w:rd" not in out + err, err)
    for path in (world.folder, world.path("absent"), write(world, "empty", "\n")):
        expect_equal(world.run("ls", "--password-file", path)[0], 64)


def secret_in_config(world):
    """A URL with a password in a file that others can read is refused"""
    text = f"url = {world.safe.url.replace('unix://', 'unix://app:p%40ss%2Fw%3Ard%25@')}\n"
    config(world, text, 0o644)
    code, out, err = world.run("ls")
    expect_equal(code, 64)
    expect("chmod 600" in err and "p%40ss" not in out + err, err)
    config(world, text, 0o600)
    expect_equal(world.run("ls")[0], 0)


def not_passed_on(world):
    """The command that run starts sees neither password nor configuration"""
    config(world, f"url = {world.safe.url}\nuser = app\n")
    code, out, _ = world.run("run", "x", "env", env={"REDLOCK_PASSWORD": "p@ss/w:rd%"})
    expect_equal(code, 0)
    expect("w:rd" not in out and "REDLOCK_PASSWORD" not in out, out)


if __name__ == "__main__":
    main([order, other_file, home, for_run, wrong, password_file, password_file_everywhere, password_file_refused, secret_in_config,
          not_passed_on], prepare)
