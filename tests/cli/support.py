"""support.py -- what the tests of the command share: servers of their own, and results as TAP.

Everything lives in a temporary folder with a short path, because a socket's path has to fit into 107
bytes, and every process that is started here is ended here, by its number.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

REDLOCK = os.path.join(os.environ.get("REDLOCK_BIN_DIR", "build/release"), "redlock")
SERVER = os.environ.get("REDLOCK_TEST_SERVER") or shutil.which("redis-server") or shutil.which("valkey-server")
# Sanitizers and busy machines are slow: what has to happen is waited for so long, and no longer.
PATIENCE = 60.0
# For locks with a short ttl, whose servers have only a twentieth of it for an answer: who may wait for
# servers asks again.  It changes nothing once the lock is held.
WAIT = ("-w", "60")
# A file with access rules (./dev test --acl): who gives no user has these rights on every server of the
# tests and no others, which are all commands under test.  What the tests ask they ask as TESTER.
RIGHTS = os.environ.get("REDLOCK_TEST_RIGHTS")
TESTER = ("tester", "tests-only")
# How often a command is run anew that got no answer in time.
TRIES = 5
# A command for sh -c that ignores SIGTERM, and so does what it starts; each beat writes down when it
# was alive.  {0} is a path that begins with the folder of the test.
STUBBORN = ("trap '' TERM; "
            "(while :; do date +%s%N > {0}.inner.new; mv {0}.inner.new {0}.inner; sleep 0.01; done) & "
            "echo $! $$ > {0}.pids; "
            "while :; do date +%s%N > {0}.outer.new; mv {0}.outer.new {0}.outer; sleep 0.01; done")


class Failed(Exception):
    """What a test expected is not so."""


def expect(is_so, text):
    if not is_so:
        raise Failed(text)


def expect_equal(got, wanted, what=""):
    expect(got == wanted, f"{what}: got {got!r}, wanted {wanted!r}")


def await_true(question, what):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if question():
            return
        time.sleep(0.01)
    raise Failed(f"waited in vain: {what}")


def was_unheard(code, err):
    """Whether a command gave up because servers were too slow.  On a healthy one that is the machine's
    doing, and the right answer: a grant that takes too long is none."""
    return code == 69 and ("SILENT" in err or "in time" in err or "so slowly" in err)


def is_running(pid):
    """A zombie whose parent does not care has ended all the same."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] not in ("Z", "X")
    except (FileNotFoundError, ProcessLookupError):
        return False


def proc_read(pid, name):
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def locker_rules(*purposes):
    """What docs/protocol.md gives to the user that it describes for these purposes (most, if none are named), without the password."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/protocol.md"), encoding="utf-8") as file:
        block = file.read().split("    # lock: ", 1)[1].split("\n\n", 1)[0]
    rules = []
    for part in ("lock: " + block).split("    # "):
        if part.split(":")[0] in (purposes or ("lock", "queue", "wake", "comfort")):
            rules += [word for word in part.split("ACL SETUSER locker", 1)[1].split() if word[0] in "+~&"]
    return rules


def read_value(answer):
    line = answer.readline().decode().strip()
    if not line.startswith("$") or line == "$-1":
        return None if line == "$-1" else line
    value = answer.read(int(line[1:])).decode()
    answer.readline()
    return value


def read_lines(answer):
    """All that an answer consists of, however deep, one string each."""
    line = answer.readline().decode().strip()
    if line.startswith("$") and line != "$-1":
        value = answer.read(int(line[1:])).decode()
        answer.readline()
        return [value]
    if line.startswith("*"):
        return [word for _ in range(int(line[1:])) for word in read_lines(answer)]
    return [line]


class Peer:
    """Who answers on a unix socket."""

    def __init__(self, path):
        self.path = path
        self.user = None
        self.url = "unix://" + self.path

    def answers(self):
        try:
            return self.ask("PING") is not None
        except OSError:
            return False

    def asked(self, words, read):
        """One command; what `read` makes of the answer."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(PATIENCE)
            link.connect(self.path)
            with link.makefile("rb") as answer:
                for command in (("AUTH", *self.user), words) if self.user else (words,):
                    link.sendall(b"*%d\r\n" % len(command) +
                                 b"".join(b"$%d\r\n%s\r\n" % (len(w.encode()), w.encode()) for w in command))
                    told = read(answer) if command is words else answer.readline()
                return told

    def ask(self, *words):
        """One command; the answer's first line, or the string that it announces."""
        return self.asked(words, read_value)

    def lines(self, *words):
        """One command whose answer is a list of strings."""
        return self.asked(words, lambda answer: [read_value(answer) for _ in range(int(answer.readline()[1:]))])

    def await_renewal(self, name):
        """Waits until the key is to live for longer than it was."""
        least = [1 << 62]

        def is_longer():
            left = int(self.ask("PTTL", name)[1:])
            least[0] = min(least[0], left)
            return left > least[0] + 100

        await_true(is_longer, f"{name} is renewed")


class Server(Peer):
    """A redis-server on a unix socket."""

    def __init__(self, folder, name, *options):
        super().__init__(os.path.join(folder, name + ".sock"))
        if RIGHTS:
            options = (*options, "--aclfile", self.limit(options), "--masteruser", TESTER[0], "--masterauth", TESTER[1])
        self.process = subprocess.Popen(
            [SERVER, "--port", "0", "--unixsocket", self.path, "--save", "", "--daemonize", "no",
             "--dir", folder, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        await_true(lambda: self.answers(), f"server {name} comes up")

    def limit(self, options):
        """Writes the users: the default one has the few rights."""
        password = ">" + options[options.index("--requirepass") + 1] if "--requirepass" in options else "nopass"
        with open(RIGHTS, encoding="utf-8") as rights, open(self.path + ".users", "w", encoding="utf-8") as users:
            users.write(f"user default on {password} {rights.read().strip()}\n"
                        f"user {TESTER[0]} on >{TESTER[1]} ~* &* +@all\n")
        self.user = TESTER
        return self.path + ".users"

    def refused(self):
        """What the default user was refused for want of a right; wrong passwords are in the log, too."""
        try:
            log = self.asked(("ACL", "LOG"), read_lines)
        except OSError:  # it is not there any more
            return []
        starts = [i for i, word in enumerate(log) if word == "reason"] + [len(log)]
        entries = [dict(zip(log[a::2], log[a + 1:b:2])) for a, b in zip(starts, starts[1:])]
        return [one["object"] for one in entries if one["username"] == "default" and one["reason"] != "auth"]

    def signal(self, number):
        os.kill(self.process.pid, number)

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class World:
    """A temporary folder with the servers of one test program, and its results."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="rl.", dir="/tmp")
        self.servers = []
        self.started = []
        self.count = 0
        self.failures = 0
        self.env = {key: value for key, value in os.environ.items()
                    if not key.startswith("REDLOCK_") and key != "XDG_RUNTIME_DIR"}
        self.env["REDLOCK_CONFIG"] = "/dev/null"  # not the configuration of whoever runs this
        self.env["REDLOCK_TIMEOUT"] = "10"  # what looks at servers waits for slow ones

    def server(self, name, *options):
        server = Server(self.folder, name, *options)
        self.servers.append(server)
        return server

    def start(self, *words, url=None, env=(), **how):
        """Starts redlock in the background."""
        full = dict(self.env, **dict(env))
        if url is not None:
            full["REDLOCK_URL"] = url
        how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE,
               "text": True, **how}
        process = subprocess.Popen([REDLOCK, *words], env=full, **how)
        self.started.append(process)
        return process

    def run_once(self, *words, **how):
        """Runs redlock to its end: exit code, output, errors."""
        process = self.start(*words, **how)
        try:
            out, err = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired as problem:
            process.kill()
            raise Failed(f"redlock {' '.join(words)} does not end") from problem
        return process.returncode, out, err

    def run(self, *words, **how):
        """The same for servers that are well: when they were too slow it is run again."""
        for _ in range(TRIES):
            code, out, err = self.run_once(*words, **how)
            if not was_unheard(code, f"{out}{err}"):
                break
        return code, out, err

    def begin(self, *words, **how):
        """Starts redlock and waits for the first line of its command's output, likewise."""
        for _ in range(TRIES):
            process = self.start(*words, **how)
            process.first = process.stdout.readline().rstrip("\n")
            if process.first != "":
                return process
            err = process.communicate(timeout=PATIENCE)[1]
            expect(was_unheard(process.returncode, f"{err}"), f"redlock {' '.join(words)} has begun: {err}")
        raise Failed(f"redlock {' '.join(words)} is never heard")

    def path(self, name):
        return os.path.join(self.folder, name)

    def read(self, name):
        try:
            with open(self.path(name), encoding="utf-8") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def await_file(self, name):
        """Waits for a whole line in the file and returns it."""
        await_true(lambda: self.read(name).endswith("\n"), f"{name} is written")
        return self.read(name).strip()

    def pids_of(self, name):
        """The processes of a STUBBORN command."""
        return [int(word) for word in self.await_file(name + ".pids").split()]

    def last_beat_s(self, name):
        """When a STUBBORN command was alive for the last time; 0: never."""
        return max(int(self.read(f"{name}.{which}") or 0) for which in ("inner", "outer")) / 1e9

    def processes(self, marker=None):
        """Those that have the folder of the test (or the marker) in their arguments or environment,
        servers and this one aside: what was started for it and runs still."""
        servers = {server.process.pid for server in self.servers}
        found = []
        for word in os.listdir("/proc"):
            if word.isdigit() and int(word) not in servers | {os.getpid()} and is_running(int(word)):
                if (marker or self.folder).encode() in proc_read(word, "cmdline") + proc_read(word, "environ"):
                    found.append(int(word))
        return found

    def test(self, name, body):
        self.count += 1
        try:
            body(self)
            print(f"ok {self.count} - {name}", flush=True)
        except Exception as problem:  # one that breaks in any way has failed, and the next one runs
            self.failures += 1
            print(f"not ok {self.count} - {name}", flush=True)
            text = str(problem) if isinstance(problem, Failed) else traceback.format_exc()
            for line in text.splitlines():
                print(f"# {line}", flush=True)

    def end(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()
            for pipe in (process.stdout, process.stderr):
                if pipe:
                    pipe.close()
        for server in self.servers:
            try:
                server.signal(signal.SIGCONT)
            except ProcessLookupError:
                pass
            if RIGHTS and server.refused():
                print(f"# the rights do not suffice: {server.refused()}", flush=True)
                self.failures += 1
            server.end()
        shutil.rmtree(self.folder, ignore_errors=True)


def main(tests, prepare=lambda world: None, finish=lambda world: None):
    """Runs the functions; the first line of each one's doc string is its name."""
    print(f"1..{len(tests)}", flush=True)
    world = World()
    # Told to stop, for taking too long: the processes are ended all the same.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    try:
        prepare(world)
        for body in tests:
            world.test(body.__doc__.strip().splitlines()[0].rstrip("."), body)
    finally:
        finish(world)
        world.end()
    sys.exit(1 if world.failures else 0)
