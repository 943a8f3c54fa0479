"""top_test.py -- `redlock top` in a real terminal, that of tmux, 80 columns and 24 lines."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True  # the source tree stays clean

from support import PATIENCE, REDLOCK, Failed, expect, expect_equal, main

TOKEN = "0123456789abcdef0123456789abcdef"


class Screen:
    """A shell in a tmux of its own."""

    def __init__(self, world):
        self.world = world
        self.socket = world.path(f"tmux{world.count}")
        env = dict(world.env, REDLOCK_URL=world.url, PS1="$ ", TERM="screen", SHELL="/bin/sh", ENV="")
        env.pop("NO_COLOR", None)
        env.pop("TMUX", None)
        subprocess.run(["tmux", "-S", self.socket, "-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24",
                        "bash", "--norc", "--noprofile", "-i"], env=env, check=True, timeout=PATIENCE)

    def tmux(self, *words):
        done = subprocess.run(["tmux", "-S", self.socket, *words], capture_output=True, text=True, check=True,
                              timeout=PATIENCE)
        return done.stdout

    def keys(self, *keys):
        self.tmux("send-keys", *keys)

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def line(self, text):
        self.type(text)
        self.keys("Enter")

    def text(self, *options):
        return self.tmux("capture-pane", "-p", *options)

    def await_text(self, pattern, is_there=True):
        deadline = time.monotonic() + PATIENCE
        text = ""
        while time.monotonic() < deadline:
            text = self.text()
            if (re.search(pattern, text, re.M) is not None) == is_there:
                return text
            time.sleep(0.05)
        raise Failed(f"waited in vain for {'' if is_there else 'the end of '}{pattern!r}:\n{text}")

    def start(self, *words):
        self.line(shlex.join([REDLOCK, "top", "--interval", "0.2", *words]))
        return self.await_text(r"^NAME ")

    def pid(self):
        shell = self.tmux("display-message", "-p", "#{pane_pid}").strip()
        found = subprocess.run(["pgrep", "-P", shell, "redlock"], capture_output=True, text=True, check=False)
        return int(found.stdout.split()[0])

    def expect_restored(self):
        """What was there before is there again, the shell echoes, the cursor is seen."""
        text = self.await_text(r"^before$")
        expect("redlock top  " not in text, text)
        self.line("stty -a | tr ';' '\\n' | grep -ow -e -echo -e -icanon -e -ixon; echo checked $((40 + 2))")
        text = self.await_text(r"^checked 42$")
        expect(not re.search(r"^-(echo|icanon|ixon)$", text, re.M), text)
        expect_equal(self.tmux("display-message", "-p", "#{cursor_flag}#{wrap_flag}#{alternate_on}").strip(), "110")

    def end(self):
        subprocess.run(["tmux", "-S", self.socket, "kill-server"], capture_output=True, check=False)


def await_rows(screen, order):
    """A frame may be caught half drawn, so what it has to become is waited for."""
    deadline = time.monotonic() + PATIENCE
    while rows(screen.text()) != order:
        expect(time.monotonic() < deadline, f"{order} is waited for in vain:\n{screen.text()}")
        time.sleep(0.05)


def on_screen(body):
    """A test with a screen that is ended whatever happens."""
    def run(world):
        screen = Screen(world)
        try:
            screen.await_text(r"^\$ ?$")
            screen.line("echo before")
            screen.await_text(r"^before$")
            body(world, screen)
        finally:
            screen.end()
    run.__doc__ = body.__doc__
    return run


def plant(world, name, label, ttl=600000, indexes=(0, 1, 2)):
    for index in indexes:
        world.nodes[index].ask("SET", name, f"{TOKEN}:{label}", "PX", str(ttl))


def prepare(world):
    world.nodes = [world.server(f"s{i}") for i in range(3)]
    world.url = " ".join(node.url for node in world.nodes)
    plant(world, "alpha", "web1/1", 900000)
    plant(world, "beta", "web3/3", 300000)
    plant(world, "gamma", "web2/2", 600000)


def rows(text):
    """The first word of each line of the table; [] when there is none."""
    lines = text.splitlines()
    begin = next((i for i, line in enumerate(lines) if line.startswith("NAME ")), len(lines))
    return [line.split()[0] for line in lines[begin + 1:-1] if line.strip()]


@on_screen
def shows(world, screen):
    """Shows the locks at 80x24, with all columns, and q restores the terminal"""
    text = screen.start()
    text = screen.await_text(r"^gamma ")
    expect_equal(rows(text), ["alpha", "beta", "gamma"])
    expect("3 held  3 of 3 servers answer" in text, text)
    expect(re.search(r"^NAME +HOLDER +LEFT FENCE +WAIT ON *$", text, re.M), text)
    expect(re.search(r"^alpha +web1/1 +1[45]m\d\ds - +- 3/3$", text, re.M), text)
    expect(max(map(len, text.splitlines())) <= 80 and len(text.splitlines()) == 24, text)
    screen.keys("q")
    screen.expect_restored()


@on_screen
def lives(world, screen):
    """A lock that comes is seen, and one that goes"""
    screen.start()
    plant(world, "newcomer", "web9/9")
    screen.await_text(r"^newcomer +web9/9 ")
    for node in world.nodes:
        node.ask("DEL", "newcomer")
    screen.await_text(r"^newcomer", is_there=False)
    screen.keys("q")


@on_screen
def sorts(world, screen):
    """Sorts by each column, and the other way round"""
    screen.start("--sort", "left")
    await_rows(screen, ["beta", "gamma", "alpha"])
    for key, order in (("h", ["alpha", "gamma", "beta"]), ("r", ["beta", "gamma", "alpha"]),
                       ("n", ["alpha", "beta", "gamma"])):
        screen.keys(key)
        await_rows(screen, order)
    screen.keys("q")


@on_screen
def filters(world, screen):
    """Filters by name or holder while typing; Escape forgets the filter"""
    screen.start()
    screen.keys("/")
    screen.type("web2")
    screen.await_text(r"^/web2_")
    await_rows(screen, ["gamma"])
    screen.keys("BSpace", "BSpace", "BSpace", "BSpace")
    screen.type("alp")
    screen.keys("Enter")
    screen.await_text(r"only 'alp'")
    await_rows(screen, ["alpha"])
    screen.keys("Escape")
    await_rows(screen, ["alpha", "beta", "gamma"])
    screen.keys("q")
    screen.expect_restored()


@on_screen
def resizes(world, screen):
    """A smaller window is filled anew, and a larger one"""
    screen.start()
    screen.tmux("resize-window", "-x", "50", "-y", "10")
    deadline = time.monotonic() + PATIENCE
    while not screen.text().splitlines()[9:10] or not screen.text().splitlines()[9].startswith("q quit"):
        expect(time.monotonic() < deadline, screen.text())
        time.sleep(0.05)
    await_rows(screen, ["alpha", "beta", "gamma"])
    expect(max(map(len, screen.text().splitlines())) <= 50, screen.text())
    screen.tmux("resize-window", "-x", "120", "-y", "40")
    screen.await_text(r"a free too$")
    screen.keys("q")


@on_screen
def server_down(world, screen):
    """A server that hangs is named, the keys still work, and it comes back"""
    timeout_s = 2
    screen.start("--timeout", str(timeout_s))
    world.nodes[2].signal(signal.SIGSTOP)
    try:
        text = screen.await_text(r"2 of 3 servers answer")
        expect(f"3 {world.nodes[2].url}: no answer in time" in text, text)
        expect(re.search(r"^alpha .* 2/3$", text, re.M), text)
        begin = time.monotonic()
        for word in ("holder", "name") * 3:
            screen.keys(word[0])
            screen.await_text(f"by {word}")
        took = time.monotonic() - begin  # with one round of questions for each key it were five at least
        expect(took < 5 * timeout_s, f"the keyboard does not wait for servers: {took:.1f} s")
    finally:
        world.nodes[2].signal(signal.SIGCONT)
    screen.await_text(r"3 of 3 servers answer")
    screen.keys("q")


@on_screen
def stops(world, screen):
    """Ctrl-Z gives the terminal back, and fg goes on"""
    screen.start()
    screen.keys("C-z")
    screen.await_text(r"Stopped")
    screen.expect_restored()
    screen.line("fg")
    screen.await_text(r"^gamma ")
    screen.keys("q")
    screen.expect_restored()


def ended_by(number, code):
    def run(world, screen):
        screen.line(f"{shlex.quote(REDLOCK)} top; echo ended $?")
        screen.await_text(r"^NAME ")
        os.kill(screen.pid(), number)
        screen.await_text(rf"^ended {code}$")
        screen.expect_restored()
    run.__doc__ = f"{signal.Signals(number).name} ends it with the terminal restored, exit {code}"
    return on_screen(run)


@on_screen
def interrupt_key(world, screen):
    """Ctrl-C ends it with the terminal restored"""
    screen.start()
    screen.keys("C-c")
    screen.expect_restored()


@on_screen
def many(world, screen):
    """More locks than lines: space, b and the arrows move"""
    script = "for i = 100, 199 do redis.call('SET', 'n' .. i, ARGV[1], 'PX', 600000) end"
    for node in world.nodes:
        node.ask("EVAL", script, "0", TOKEN + ":many/1")
    screen.start("n*")
    expect_equal(rows(screen.await_text(r"^1 to 19 of 100$"))[0], "n100")
    screen.keys("Space")
    expect_equal(rows(screen.await_text(r"^20 to 38 of 100$"))[0], "n119")
    screen.keys("Down", "Down", "Up")
    expect_equal(rows(screen.await_text(r"^21 to 39 of 100$"))[0], "n120")
    screen.keys("b", "b")
    screen.await_text(r"^1 to 19 of 100$")
    screen.keys("q")


@on_screen
def colors(world, screen):
    """A lock that not all servers have is coloured, and nothing is with NO_COLOR"""
    plant(world, "torn", "web7/7", indexes=(0, 1))
    screen.start("torn")
    screen.await_text(r"^torn .* 2/3$")
    expect(re.search(r"\033\[33m(\033\[49m)?torn", screen.text("-e")), repr(screen.text("-e")))
    screen.keys("q")
    screen.await_text(r"^NAME", is_there=False)
    screen.line("export NO_COLOR=1; clear")
    screen.start("torn")
    screen.await_text(r"^torn .* 2/3$")
    expect("\033[" not in screen.text("-e"), repr(screen.text("-e")))
    screen.keys("q")


if __name__ == "__main__":
    main([shows, lives, sorts, filters, resizes, server_down, stops, ended_by(signal.SIGTERM, 143),
          ended_by(signal.SIGHUP, 129), interrupt_key, many, colors], prepare)
