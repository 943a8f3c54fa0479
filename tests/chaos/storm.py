"""storm.py -- one round: servers and clients, a storm over them, a calm behind it, and what is left then.

A plan says in which world it takes place: what may go wrong there, so that the promises that the checker
holds it to are promised (docs/guarantees.md).
"""

import dataclasses
import heapq
import itertools
import json
import os
import random
import signal
import time
from collections import Counter

from faults import kinds_for
from hosts import Clock, Node, Trouble, end_process, launch, quiet

TTL_MAX_MS = 1500
MARGIN_MS = 300  # node clocks of the p1 world jump by less
GUARD_S = (TTL_MAX_MS + 11_000) / 1000
FAULT_EVERY_S = 0.16
WAITERS_GO_S, BYE_S, SERVED_S = 15.0, 30.0, 30.0
WORKERS, TRIES_MAX = 8, 5
KILLS = ("client killed", "client frozen", "server killed, data kept", "server killed, data lost",
         "all servers killed, data lost", "server frozen")


@dataclasses.dataclass(frozen=True)
class Plan:
    name: str
    world: str  # of checker.py
    nodes: int
    guard: bool = False
    loses_data: bool = False
    deletes: bool = False
    node_clock_ms: tuple = (0, 0)
    client_clock_ms: tuple = (0, 0)
    names: int = 48
    long_percent: int = 2


# In p1 whatever keeps to the conditions of P1.  In the hostile ones P2 has conditions only where marks are
# lost: what the clients' clocks differ by, twice an attempt and the nodes' jumps are shorter than the guard.
PLANS = (
    Plan("guarded", "p1", 5, guard=True, loses_data=True, node_clock_ms=(-100, 100), client_clock_ms=(-1000, 1000)),
    Plan("jumps", "hostile", 3, deletes=True, node_clock_ms=(-600_000, 600_000),
         client_clock_ms=(-900_000, 900_000)),
    Plan("kept", "p1", 3, node_clock_ms=(-100, 100), client_clock_ms=(-900_000, 900_000)),
    Plan("lossy", "hostile", 5, guard=True, loses_data=True, deletes=True, node_clock_ms=(-2000, 2000),
         client_clock_ms=(-1500, 1500)),
    Plan("single", "p1", 1, node_clock_ms=(-100, 100), client_clock_ms=(-900_000, 900_000)),
)
# Nothing guards against servers that forget: here the checker has to find double grants.
NOGUARD = Plan("noguard", "noguard", 3, loses_data=True, names=3, long_percent=30)


class Worker:
    """A place for a client process: when one is killed, another takes it."""

    def __init__(self, storm, number):
        self.storm, self.number, self.lives = storm, number, 0
        self.clock = Clock(os.path.join(storm.folder, f"w{number}"), storm.programs.clock)
        # Every second one on a host of its own, where there are any.
        self.host = storm.hosts[number // 2 % len(storm.hosts)] if storm.hosts and number % 2 else None
        self.process, self.who, self.is_stopped = None, "", False
        self.start()

    def urls(self):
        if self.host:
            return [f"redis://{node.host.address}:6379" for node in self.storm.nodes]
        return [self.storm.random.choice(node.urls()) for node in self.storm.nodes]

    def start(self):
        if self.process is not None:
            return
        self.lives += 1
        self.who = f"{self.number}.{self.lives}"
        words = self.storm.worker_words(self.who, "--seed", self.storm.random.getrandbits(40), *self.urls())
        if self.host:
            words = self.host.inside(*words)
        self.is_stopped = False
        self.process = launch(words, self.storm.log, env=self.env())

    def env(self):
        env = {**os.environ, **self.clock.env()}
        # The shim stands in front of a sanitizer's library, which would rather be the first.
        env["ASAN_OPTIONS"] = ":".join(filter(None, [env.get("ASAN_OPTIONS"), "verify_asan_link_order=0"]))
        return env

    def is_running(self):
        return self.process is not None

    def kill(self):
        if self.process is not None:
            self.storm.note("kill", who=self.who)
            end_process(self.process)
            self.process, self.is_stopped = None, False

    def stop(self):
        self.storm.note("stop", who=self.who)
        self.process.send_signal(signal.SIGSTOP)
        self.is_stopped = True

    def cont(self, who):
        if self.process is not None and self.who == who and self.is_stopped:
            self.process.send_signal(signal.SIGCONT)
            self.storm.note("cont", who=who)
            self.is_stopped = False

    def look(self):
        """It is expected to run."""
        if self.process is not None and self.process.poll() is not None:
            self.storm.note("crash", who=self.who, code=self.process.returncode)
            self.process = None
            self.start()

    def bye(self, seconds):
        """It has been told to end."""
        try:
            code = self.process.wait(timeout=max(0.1, seconds))
            # Before its first steps SIGTERM ends it as any program.
            if code not in (0, -signal.SIGTERM):
                self.storm.note("crash", who=self.who, code=code)
        except Exception:  # pylint: disable=broad-except
            self.storm.note("stuck", who=self.who)
            end_process(self.process)
        self.process = None


class Storm:
    """One round."""

    def __init__(self, plan, folder, programs, network, log, seed):
        self.plan, self.folder, self.programs, self.network, self.log = plan, folder, programs, network, log
        self.random = random.Random(seed)
        self.history = os.path.join(folder, "history.jsonl")
        self.faults, self.silent_until, self.down = Counter(), {}, set()
        self.undos, self.serial = [], itertools.count()
        self.nodes, self.workers, self.hosts = [], [], []
        self.grants, self.read_bytes = 0, 0
        os.mkdir(folder)
        self.note("round", world=plan.world, plan=plan.name, seed=seed, keeps=not plan.loses_data)

    # --- before

    def set_up(self):
        if self.network.is_usable:
            self.hosts = [self.network.host(101), self.network.host(102)]
        for number in range(self.plan.nodes):
            self.nodes.append(Node(self, number))
        if self.plan.guard:
            self.declare_ready()
        self.workers = [Worker(self, number) for number in range(WORKERS)]

    def declare_ready(self):
        words = self.worker_words("init", "--init", *["unix://" + node.socket for node in self.nodes])
        if not any(quiet(*words) for _ in range(TRIES_MAX)):
            raise Trouble("the new servers are not declared ready")

    def worker_words(self, who, *more):
        return [self.programs.worker, "--who", who, "--history", self.history, "--folder", self.folder,
                "--names", str(self.plan.names), "--long", str(self.plan.long_percent),
                "--ttl-max", str(TTL_MAX_MS), "--margin", str(MARGIN_MS),
                *(["--guard"] if self.plan.guard else []), *map(str, more)]

    def note(self, what, **said):
        line = json.dumps({"at": time.monotonic_ns() // 1000, "do": what, **said}) + "\n"
        fd = os.open(self.history, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.write(fd, line.encode())
        os.close(fd)

    # --- which servers may go: mostly a majority is left, or nothing would ever be granted

    def lost_nodes(self):
        now = time.monotonic()
        return self.down | {n for n, until in self.silent_until.items() if until > now} | {
            node.number for node in self.nodes if node.is_stopped}

    def pick_node(self):
        node = self.random.choice(self.nodes)
        lost = self.lost_nodes() | {node.number}
        if self.plan.nodes == 1:
            chance = 0.5
        else:
            chance = 1 if len(lost) <= (self.plan.nodes - 1) // 2 else 0.08
        return node if node.is_running() and self.random.random() < chance else None

    def node_is_down(self, node):
        self.down.add(node.number)

    def node_is_up(self, node):
        self.down.discard(node.number)
        self.node_is_silent(node)

    def node_is_silent(self, node):
        if self.plan.guard:
            self.silent_until[node.number] = time.monotonic() + GUARD_S

    def client_addresses(self):
        return [self.network.ADDRESS] + [host.address for host in self.hosts]

    # --- the storm

    def rage(self, seconds, tick):
        functions, weights = kinds_for(self.plan, self.network.is_usable)
        until, next_fault = time.monotonic() + seconds, 0.0
        while time.monotonic() < until:
            if time.monotonic() >= next_fault:
                self.strike(self.random.choices(functions, weights)[0])
                next_fault = time.monotonic() + self.random.expovariate(1 / FAULT_EVERY_S)
            self.heal(time.monotonic())
            self.look()
            tick(self)
            time.sleep(max(0.002, min(0.05, next_fault - time.monotonic())))

    def strike(self, function):
        result = function(self)
        if result is None:
            return
        what, undo, seconds = result
        self.faults[what] += 1
        if undo is not None:
            heapq.heappush(self.undos, (time.monotonic() + seconds, next(self.serial), undo))

    def heal(self, until):
        while self.undos and self.undos[0][0] <= until:
            heapq.heappop(self.undos)[2]()
        for node in self.nodes:
            node.pay_debts()

    def look(self):
        for worker in self.workers:
            worker.look()
        for node in self.nodes:
            if node.is_running() and node.process.poll() is not None:
                self.note("crash", who=f"server {node.number}", code=node.process.returncode)
                node.process = None
                node.start()

    def count_grants(self):
        with open(self.history, "rb") as file:
            file.seek(self.read_bytes)
            lines = file.read()
        lines = lines[:lines.rfind(b"\n") + 1]
        self.read_bytes += len(lines)
        self.grants += lines.count(b'"do":"granted"')
        return self.grants

    def kills(self):
        return sum(self.faults[kind] for kind in KILLS)

    # --- the calm

    def calm(self):
        self.heal(float("inf"))
        for node in self.nodes:
            # Keys whose end was set while the clock was far ahead are due by that clock.
            node.clock.set(node.clock.furthest_ms)
        self.await_grant()
        for worker in self.workers:
            worker.process.terminate()
        deadline = time.monotonic() + BYE_S
        for worker in self.workers:
            worker.bye(deadline - time.monotonic())
        self.await_empty()

    def await_grant(self):
        """Somebody is served again, unless the guard keeps a majority silent."""
        if len(self.lost_nodes()) > (self.plan.nodes - 1) // 2:
            return
        before, deadline = self.count_grants(), time.monotonic() + SERVED_S
        while self.count_grants() == before:
            self.look()
            if time.monotonic() > deadline:
                self.note("unserved", seconds=SERVED_S)
                return
            time.sleep(0.02)

    def await_empty(self):
        """What killed clients have left runs out, locks and places in queues."""
        deadline = time.monotonic() + WAITERS_GO_S
        left = self.left()
        while left and time.monotonic() < deadline:
            time.sleep(0.1)
            left = self.left()
        for number, key, what in left:
            self.note("left", server=number, key=key, what=what)

    def left(self):
        found = []
        for node in self.nodes:
            keys = node.ask("KEYS", "*")
            if not isinstance(keys, list):
                found.append((node.number, "?", f"it does not answer: {keys}"))
                continue
            for key in keys:
                what = self.is_left(node, key)
                if what:
                    found.append((node.number, key.decode(errors="replace"), what))
        return found

    @staticmethod
    def is_left(node, key):
        """The boot key stays, and marks, which have an end of their own: docs/protocol.md, "Keys"."""
        if key == b"redlock:{boot}":
            return None
        ends_ms = node.ask("PTTL", key)
        if key.startswith(b"redlock:{") and key.endswith(b":fence"):
            return None if ends_ms != -1 else "a mark without an end"
        return f"ends in {ends_ms} ms"

    # --- behind it

    def end(self):
        for worker in self.workers:
            end_process(worker.process)
        for one in self.nodes + self.hosts:
            one.end()
