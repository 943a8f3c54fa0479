"""hosts.py -- the machines of a chaos run: servers, the networks between them and their clocks.

Where the kernel allows it, each server and some of the clients have a network of their own (a network
namespace with an address on a bridge), and cuts are real: packets vanish.  Everywhere, a relay can
stand in front of a server, and be slow, silent or broken.  Everything ends with this process.
"""

import ctypes
import os
import shutil
import signal
import socket
import struct
import subprocess
import time

SERVER = shutil.which("redis-server") or shutil.which("valkey-server")
START_PATIENCE_S = 20.0
ANSWER_S = 0.5
TMPFS_BYTES = 16 << 20
LIBC = ctypes.CDLL(None, use_errno=True)


class Trouble(Exception):
    """The run cannot be made; not a failure of what is tested."""


def die_with_parent():
    """Between fork and exec: what is started here does not outlive us, whatever ends us."""
    LIBC.prctl(1, signal.SIGKILL, 0, 0, 0)


def launch(words, log, **how):
    return subprocess.Popen(words, stderr=log, preexec_fn=die_with_parent,
                            **{"stdin": subprocess.DEVNULL, "stdout": log, **how})


def end_process(process):
    if process is not None and process.poll() is None:
        process.kill()
        process.wait()


def quiet(*words):
    return subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
                          stdin=subprocess.DEVNULL).returncode == 0


class Clock:
    """A wall clock that can be set while the program that lives by it runs."""

    def __init__(self, path, shim):
        self.path, self.shim, self.now_ms, self.furthest_ms = path, shim, 0, 0
        self.set(0)

    def set(self, ms):
        """In one write into the file that is mapped, so that nobody sees half a number."""
        self.now_ms, self.furthest_ms = ms, max(ms, self.furthest_ms)
        fd = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o644)
        os.pwrite(fd, struct.pack("=q", ms), 0)
        os.close(fd)

    def env(self):
        return {"LD_PRELOAD": self.shim, "CLOCK_SHIM_FILE": self.path}


class Host:
    """A network namespace with an address of its own, kept by a process that sleeps."""

    def __init__(self, network, number, log):
        self.number, self.address = number, f"10.99.0.{number}"
        self.process = launch(["unshare", "-n", "sleep", "infinity"], log)
        self.pid = str(self.process.pid)
        network.await_namespace(self.pid)
        inner, outer = f"in{number}", f"out{number}"
        for words in (["ip", "link", "add", outer, "type", "veth", "peer", "name", inner, "netns", self.pid],
                      ["ip", "link", "set", outer, "master", "bridge", "up"],
                      self.inside("ip", "link", "set", "lo", "up"),
                      self.inside("ip", "addr", "add", self.address + "/24", "dev", inner),
                      self.inside("ip", "link", "set", inner, "up")):
            if not quiet(*words):
                self.end()
                raise Trouble("no network of its own: " + " ".join(words))

    def inside(self, *words):
        return ["nsenter", "-t", self.pid, "-n", *words]

    def lose(self, other):
        """What this host sends to the other vanishes; what comes from there still arrives."""
        return quiet(*self.inside("ip", "route", "replace", "blackhole", other + "/32"))

    def find(self, other):
        quiet(*self.inside("ip", "route", "del", "blackhole", other + "/32"))

    def plug(self, is_in):
        """The cable: nothing goes in or out without it."""
        return quiet("ip", "link", "set", f"out{self.number}", "up" if is_in else "down")

    def end(self):
        """The kernel takes a namespace away when it has time; its name on the bridge is needed at once."""
        quiet("ip", "link", "del", f"out{self.number}")
        end_process(self.process)


class Network:
    """The bridge between hosts, in the namespace that this process has been given for it."""

    ADDRESS = "10.99.0.1"

    def __init__(self, log):
        self.log = log
        self.is_usable = bool(os.environ.get("REDLOCK_CHAOS_NAMESPACES")) and self.bridge() and self.works()

    def bridge(self):
        return (quiet("ip", "link", "set", "lo", "up") and quiet("ip", "link", "add", "bridge", "type", "bridge")
                and quiet("ip", "addr", "add", self.ADDRESS + "/24", "dev", "bridge")
                and quiet("ip", "link", "set", "bridge", "up"))

    def works(self):
        try:
            self.host(250).end()
            return True
        except Trouble:
            return False

    def host(self, number):
        return Host(self, number, self.log)

    @staticmethod
    def await_namespace(pid):
        ours, deadline = os.readlink("/proc/self/ns/net"), time.monotonic() + START_PATIENCE_S
        while time.monotonic() < deadline:
            try:
                with open(f"/proc/{pid}/comm", encoding="ascii") as comm:
                    if os.readlink(f"/proc/{pid}/ns/net") != ours and comm.read() == "sleep\n":
                        return
            except OSError:
                pass
            time.sleep(0.005)
        raise Trouble("there is no network namespace")


class Relay:
    """A bad network in front of a server."""

    def __init__(self, program, socket_path, log):
        self.process = launch([program, socket_path], log, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = f"redis://127.0.0.1:{int(self.process.stdout.readline())}"

    def tell(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except BrokenPipeError as problem:
            raise Trouble("a relay has ended by itself") from problem

    def end(self):
        end_process(self.process)
        self.process.stdin.close()
        self.process.stdout.close()


class Admin:
    """A connection of the operator, by the server's unix socket."""

    def __init__(self, path):
        self.link = socket.socket(socket.AF_UNIX)
        self.link.settimeout(ANSWER_S)
        try:
            self.link.connect(path)
        except OSError:
            self.link.close()
            raise
        self.answer = self.link.makefile("rb")

    def ask(self, *words):
        """One command and its answer; errors are strings that begin with '-'."""
        blobs = [word if isinstance(word, bytes) else str(word).encode() for word in words]
        self.link.sendall(b"*%d\r\n" % len(blobs) + b"".join(b"$%d\r\n%s\r\n" % (len(b), b) for b in blobs))
        return self.read()

    def read(self):
        line = self.answer.readline()
        if not line.endswith(b"\r\n"):
            raise OSError("the server has hung up")
        kind, rest = line[:1], line[1:-2]
        if kind == b"*":
            return [self.read() for _ in range(int(rest))]
        if kind == b"$":
            return self.answer.read(int(rest) + 2)[:-2] if int(rest) >= 0 else None
        return int(rest) if kind == b":" else (b"-" + rest if kind == b"-" else rest).decode()

    def close(self):
        self.answer.close()
        self.link.close()


class Node:
    """A server, with a folder, a clock, a relay and perhaps a host of its own."""

    def __init__(self, world, number):
        self.world, self.number = world, number
        self.folder = os.path.join(world.folder, f"n{number}")
        os.mkdir(self.folder)
        self.has_disk = world.network.is_usable and quiet(
            "mount", "-t", "tmpfs", "-o", f"size={TMPFS_BYTES}", "none", self.folder)
        self.filler = os.path.join(self.folder, "filler")
        self.socket = os.path.join(world.folder, f"s{number}")
        self.clock = Clock(os.path.join(world.folder, f"c{number}"), world.programs.clock)
        self.host = world.network.host(10 + number) if world.network.is_usable else None
        self.process, self.is_stopped, self.lives = None, False, 0
        self.debts = []  # commands that undo something and could not be given yet
        self.start()
        self.relay = Relay(world.programs.relay, self.socket, world.log)

    def start(self):
        self.make_room()
        words = [SERVER, "--unixsocket", self.socket, "--dir", self.folder, "--daemonize", "no", "--save", "",
                 "--appendonly", "yes", "--appendfsync", "no", "--port", "6379" if self.host else "0",
                 "--protected-mode", "no", "--enable-debug-command", "local", "--tcp-keepalive", "5"]
        if self.host:
            words = self.host.inside(*words)
        self.process = launch(words, self.world.log, env={**os.environ, **self.clock.env()})
        self.is_stopped, self.lives, self.debts = False, self.lives + 1, []
        deadline = time.monotonic() + START_PATIENCE_S
        while self.ask("PING") != "PONG":
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise Trouble(f"server {self.number} does not come up: see the log")
            time.sleep(0.01)

    def fill(self):
        """To the last byte; False: it was full already, or there is no disk of its own."""
        if not self.has_disk or os.path.exists(self.filler):
            return False
        with open(self.filler, "wb", buffering=0) as file:
            try:
                while file.write(bytes(1 << 20)):
                    pass
            except OSError:
                pass  # it is full
        return True

    def make_room(self):
        """Also before a start: a server may refuse to start on a full disk, as it should."""
        if os.path.exists(self.filler):
            os.unlink(self.filler)

    def is_running(self):
        return self.process is not None

    def urls(self):
        """For a client beside the bridge: by the bridge, the relay or the socket."""
        found = [self.relay.url, "unix://" + self.socket]
        return found + [f"redis://{self.host.address}:6379"] if self.host else found

    def admin(self):
        """None: it cannot be reached."""
        try:
            return Admin(self.socket)
        except OSError:
            return None

    def ask(self, *words):
        """None: no answer."""
        admin = self.admin()
        try:
            return admin.ask(*words) if admin else None
        except OSError:
            return None
        finally:
            if admin:
                admin.close()

    def pay_debts(self):
        while self.debts and not self.is_stopped and self.is_running() and self.ask(*self.debts[0]) == "OK":
            self.debts.pop(0)

    def signal(self, number):
        self.is_stopped = number == signal.SIGSTOP
        self.process.send_signal(number)

    def kill(self):
        """What it wrote is kept."""
        self.process.kill()
        self.process.wait()
        self.process, self.is_stopped = None, False

    def forget(self):
        """While it is dead: as if its disk were new."""
        for entry in os.listdir(self.folder):
            path = os.path.join(self.folder, entry)
            if os.path.isdir(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)

    def end(self):
        self.relay.end()
        end_process(self.process)
        if self.host:
            self.host.end()
        if self.has_disk:
            quiet("umount", "-l", self.folder)
