"""faults.py -- what goes wrong in a storm.  Each function does one thing to a storm and returns what it was,
how it is undone (or None) and after how many seconds; or None where it is not possible at the moment.

KINDS lists them: what is needed for it, and how often it comes.  A plan allows some of them.
"""

import os
import signal

BRIEF_S, LONG_S = (0.03, 0.4), (0.4, 2.5)


def lasts(storm):
    """Mostly for a moment; sometimes for longer than any lock lives."""
    return storm.random.uniform(*(BRIEF_S if storm.random.random() < 0.6 else LONG_S))


# --- clients


def worker_kill(storm):
    worker = storm.random.choice(storm.workers)
    worker.kill()
    return "client killed", worker.start, storm.random.uniform(0, 0.3)


def worker_stop(storm):
    worker = storm.random.choice(storm.workers)
    if not worker.is_running() or worker.is_stopped:
        return None
    life = worker.who
    worker.stop()
    return "client frozen", lambda: worker.cont(life), lasts(storm)


def worker_clock(storm):
    worker = storm.random.choice(storm.workers)
    worker.clock.set(storm.random.randint(*storm.plan.client_clock_ms))
    return "client clock set", None, 0


# --- servers


def node_kill(storm):
    node = storm.pick_node()
    if node is None:
        return None
    node.kill()
    what = "server killed, data kept"
    if storm.plan.loses_data and storm.random.random() < 0.5:
        node.forget()
        what = "server killed, data lost"
    storm.node_is_down(node)

    def restart():
        node.start()
        storm.node_is_up(node)

    return what, restart, storm.random.uniform(0, 1.0)


def nodes_forget(storm):
    """All at once, and they are back at once: what was held a moment ago is free."""
    for node in storm.nodes:
        if node.is_running():
            node.kill()
            node.forget()
            node.start()
    return "all servers killed, data lost", None, 0


def node_stop(storm):
    node = storm.pick_node()
    if node is None or node.is_stopped:
        return None
    life = node.lives
    node.signal(signal.SIGSTOP)

    def cont():
        if node.is_running() and node.lives == life:
            node.signal(signal.SIGCONT)

    return "server frozen", cont, min(lasts(storm), 1.5)


def node_clock(storm):
    node = storm.random.choice(storm.nodes)
    node.clock.set(storm.random.randint(*storm.plan.node_clock_ms))
    return "server clock set", None, 0


def told(storm, what, *words):
    """One command to some server."""
    node = storm.random.choice(storm.nodes)
    return (what, None, 0) if node.ask(*words) is not None else None


def script_flush(storm):
    return told(storm, "SCRIPT FLUSH", "SCRIPT", "FLUSH")


def client_kill(storm):
    kind = storm.random.choice(["normal", "normal", "pubsub"])
    return told(storm, "CLIENT KILL", "CLIENT", "KILL", "TYPE", kind)


def client_pause(storm):
    return told(storm, "CLIENT PAUSE", "CLIENT", "PAUSE", storm.random.randint(20, 800),
                storm.random.choice(["WRITE", "ALL"]))


def flush_all(storm):
    node = storm.pick_node()
    if node is None or node.ask("FLUSHALL") is None:
        return None
    storm.node_is_silent(node)
    return "FLUSHALL", None, 0


def lock_delete(storm):
    """Somebody else's DEL, on some servers or all of them.  The mark stays."""
    name = f"job-{storm.random.randrange(storm.plan.names)}"
    for node in storm.nodes:
        if storm.random.random() < 0.8:
            node.ask("DEL", name)
    return "lock deleted", None, 0


def max_clients(storm):
    node = storm.pick_node()
    admin = node and node.admin()
    if not admin:
        return None
    try:
        admin.ask("CONFIG", "SET", "maxclients", storm.random.randint(1, 4))
        for kind in ("normal", "pubsub"):
            admin.ask("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
    except OSError:
        admin.close()
        return None

    def undo():
        try:
            admin.ask("CONFIG", "SET", "maxclients", 10000)
        except OSError:
            node.debts.append(("CONFIG", "SET", "maxclients", 10000))
        admin.close()

    return "maxclients", undo, storm.random.uniform(0.2, 1.5)


def disk_full(storm):
    """Every further write to the append only file fails, and the server refuses writes."""
    node = storm.pick_node()
    if node is None or not node.fill():
        return None
    return "disk full", node.make_room, storm.random.uniform(0.5, 2)


def misconf(storm):
    """A snapshot that cannot be written makes the server refuse writes (stop-writes-on-bgsave-error)."""
    node = storm.pick_node()
    if node is None:
        return None
    in_the_way = os.path.join(node.folder, "dump.rdb")
    if os.path.exists(in_the_way):
        return None
    os.mkdir(in_the_way)
    node.ask("CONFIG", "SET", "save", "3600 1000000")
    node.ask("BGSAVE")

    def undo():
        if os.path.isdir(in_the_way):
            os.rmdir(in_the_way)
        if node.ask("CONFIG", "SET", "save", "") is None:
            node.debts.append(("CONFIG", "SET", "save", ""))

    return "MISCONF", undo, storm.random.uniform(0.5, 2)


# --- networks


def relay_mode(mode, what):
    def fault(storm):
        node = storm.random.choice(storm.nodes)
        node.relay.tell(mode)
        return what, lambda: node.relay.tell("pass"), lasts(storm)

    return fault


def relay_cut(storm):
    storm.random.choice(storm.nodes).relay.tell("cut")
    return "relay: connections broken", None, 0


def relay_delay(storm):
    node = storm.random.choice(storm.nodes)
    node.relay.tell(f"delay {storm.random.randint(0, 120000)} {storm.random.randint(0, 120000)}")
    return "relay: slow", lambda: node.relay.tell("delay 0 0"), lasts(storm)


def net_answers_lost(storm):
    """What the server says to one host of clients vanishes; what it is asked still arrives."""
    node = storm.random.choice(storm.nodes)
    other = storm.random.choice(storm.client_addresses())
    node.host.lose(other)
    return "network: answers vanish", lambda: node.host.find(other), lasts(storm)


def net_server_cut(storm):
    host = storm.random.choice(storm.nodes).host
    host.plug(False)
    return "network: server cut off", lambda: host.plug(True), lasts(storm)


def net_clients_cut(storm):
    host = storm.random.choice(storm.hosts)
    host.plug(False)
    return "network: clients cut off", lambda: host.plug(True), lasts(storm)


# name: (function, weight, needs)
KINDS = {
    "worker_kill": (worker_kill, 30, ()),
    "worker_stop": (worker_stop, 32, ()),
    "worker_clock": (worker_clock, 3, ("client_clock",)),
    "node_kill": (node_kill, 9, ()),
    "nodes_forget": (nodes_forget, 60, ("unguarded_loss",)),
    "node_stop": (node_stop, 14, ()),
    "node_clock": (node_clock, 4, ("node_clock",)),
    "script_flush": (script_flush, 3, ()),
    "client_kill": (client_kill, 4, ()),
    "client_pause": (client_pause, 2, ()),
    "flush_all": (flush_all, 1, ("loses_data",)),
    "lock_delete": (lock_delete, 5, ("deletes",)),
    "max_clients": (max_clients, 3, ()),
    "disk_full": (disk_full, 7, ("loses_data",)),
    "misconf": (misconf, 3, ()),
    "relay_blackhole": (relay_mode("blackhole", "relay: black hole"), 3, ()),
    "relay_freeze": (relay_mode("freeze", "relay: frozen"), 3, ()),
    "relay_garble": (relay_mode("garble", "relay: garbled answers"), 2, ()),
    "relay_refuse": (relay_mode("refuse", "relay: refuses"), 2, ()),
    "relay_cut": (relay_cut, 4, ()),
    "relay_delay": (relay_delay, 5, ()),
    "net_answers_lost": (net_answers_lost, 5, ("network",)),
    "net_server_cut": (net_server_cut, 4, ("network",)),
    "net_clients_cut": (net_clients_cut, 3, ("network",)),
}


def kinds_for(plan, has_network):
    """What this plan allows, as functions and their weights."""
    has = {"network": has_network, "unguarded_loss": plan.loses_data and not plan.guard, "loses_data": plan.loses_data, "deletes": plan.deletes,
           "client_clock": any(plan.client_clock_ms), "node_clock": any(plan.node_clock_ms)}
    chosen = [(function, weight) for function, weight, needs in KINDS.values() if all(has[need] for need in needs)]
    return [function for function, _ in chosen], [weight for _, weight in chosen]
