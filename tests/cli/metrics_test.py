"""metrics_test.py -- what run, elect, hold and watch write for Prometheus, read by a strict reader."""

import os
import signal
import stat
import sys
import threading

sys.dont_write_bytecode = True  # the source tree stays clean

from exposition import Malformed, Page
from support import Failed, await_true, expect, expect_equal, main


def prepare(world):
    world.plain = world.server("plain")


def page_at(path):
    with open(path, "rb") as file:
        raw = file.read()
    try:
        return Page(raw)
    except (Malformed, UnicodeDecodeError) as problem:
        raise Failed(f"{path}: {problem}") from problem


def await_value(path, wanted, name, **labels):
    """Waits until the file says so; longer than the interval at which it is written."""
    await_true(lambda: os.path.exists(path) and wanted(page_at(path).value(name, **labels)), f"{name} in {path}")


def is_1(value):
    return value == 1


def run_once(world):
    """A run that goes well has exact numbers, for a reader of any user, and no secret"""
    path = world.path("once.prom")
    code, _, err = world.run("run", "--metrics", path, "once", "--", "sh", "-c", 'echo "$REDLOCK_TOKEN" > ' +
                             world.path("once.token"), url=world.plain.url, umask=0o077)
    expect_equal((code, err), (0, ""))
    page = page_at(path)
    expect_equal(page.label_values("name"), {"once"})
    expect_equal(page.label_values("subcommand"), {"run"})
    expect_equal(page.label_values("node"), {world.plain.url})
    for wanted, name, labels in ((1, "acquires_total", {"result": "ok"}), (0, "acquires_total", {"result": "held"}),
                                 (1, "releases_total", {"result": "ok"}), (0, "losses_total", {}),
                                 (1, "acquire_duration_seconds_count", {}), (1, "hold_duration_seconds_count", {}),
                                 (0, "wait_duration_seconds_count", {}), (0, "locks_held", {}), (0, "running", {}),
                                 (2, "node_commands_total", {}), (1, "node_connects_total", {}), (0, "node_up", {}),
                                 (2, "node_round_trip_seconds_count", {}), (0, "node_errors_total", {"error": "io"}),
                                 (1, "build_info", {})):
        expect_equal(page.value("redlock_" + name, **labels), wanted, name)
    expect_equal(stat.S_IMODE(os.stat(path).st_mode), 0o644)
    token = world.await_file("once.token").split(":")[0]
    expect(len(token) == 32 and token not in world.read("once.prom"), "the token")
    expect_equal([name for name in os.listdir(world.folder) if name.startswith("once.prom")], ["once.prom"])


def refused(world):
    """A refusal is counted, and its file is written as well"""
    path = world.path("busy.prom")
    holder = world.start("hold", "busy", url=world.plain.url)
    holder.stdout.readline()
    expect_equal(world.run("run", "-n", "--metrics", path, "busy", "true", url=world.plain.url)[0], 75)
    page = page_at(path)
    expect_equal([page.value("redlock_acquires_total", result=word) for word in ("ok", "held")], [0, 1])
    holder.terminate()
    holder.wait()


def handed_over(world):
    """Who waits in line is counted as waiting, and as handed over"""
    path = world.path("line.prom")
    holder = world.start("hold", "line", url=world.plain.url)
    holder.stdout.readline()
    waiter = world.start("run", "-v", "--metrics", path, "line", "true", url=world.plain.url)
    await_true(lambda: "place 1" in waiter.stderr.readline(), "it waits")
    # Once its subscription stands it is woken for certain.
    await_true(lambda: world.plain.lines("PUBSUB", "CHANNELS"), "it listens")
    holder.terminate()
    holder.wait()
    expect_equal(waiter.wait(20), 0)
    page = page_at(path)
    expect_equal([page.value("redlock_acquires_total", result=word) for word in ("ok", "held")], [1, 1])
    expect_equal(page.value("redlock_wait_duration_seconds_count"), 1)
    expect_equal(page.value("redlock_handovers_total"), 1)
    expect(page.value("redlock_node_wakes_total") >= 1, "woken")


def lost(world):
    """A server that stands still is a loss for hold; run stops its command and gives up before that"""
    server = world.server("mute")
    paths = {word: world.path(f"{word}.lost.prom") for word in ("run", "hold")}
    run = world.start("run", "-t", "1", "--metrics", paths["run"], "lost-by-run", "-c",
                      f"echo > {world.path('begun')}; sleep 60", url=server.url)
    hold = world.start("hold", "-t", "1", "--metrics", paths["hold"], "lost-by-hold", url=server.url)
    hold.stdout.readline()
    world.await_file("begun")
    server.signal(signal.SIGSTOP)
    expect_equal([process.wait(20) for process in (run, hold)], [79, 79])
    server.signal(signal.SIGCONT)
    for word, losses in (("run", 0), ("hold", 1)):
        page = page_at(paths[word])
        expect_equal(page.value("redlock_losses_total"), losses, word)
        expect_equal(page.value("redlock_hold_duration_seconds_count"), 1, word)
        expect_equal(page.value("redlock_releases_total", result="ok"), 0, word)
        expect(page.value("redlock_renewals_late_total") >= 1, "late renewals")
    expect_equal(page_at(paths["run"]).value("redlock_releases_total", result="unknown"), 1)


def kept_current(world):
    """hold and watch keep the file current, and say at the end that they have ended"""
    held, watched = world.path("held.prom"), world.path("watched.prom")
    holder = world.start("hold", "-t", "1", "--metrics", held, "held", url=world.plain.url)
    holder.stdout.readline()
    token, fence = world.run("acquire", "-t", "20", "watched", url=world.plain.url)[1].split()
    watcher = world.start("watch", "-t", "1", "--release", "--metrics", watched, "watched", url=world.plain.url,
                          env={"REDLOCK_TOKEN": token, "REDLOCK_FENCE": fence})
    for path in (held, watched):
        await_value(path, is_1, "redlock_locks_held")
        await_value(path, lambda value: value > 0, "redlock_renewals_total")
        expect_equal(page_at(path).value("redlock_running"), 1)
        expect_equal(page_at(path).value("redlock_node_up"), 1)
    for process in (holder, watcher):
        process.terminate()
        process.wait()
    for path in (held, watched):
        page = page_at(path)
        expect_equal([page.value("redlock_" + name) for name in ("running", "locks_held", "node_up")], [0, 0, 0], path)
        expect_equal(page.value("redlock_releases_total", result="ok"), 1)
    expect_equal(page_at(watched).value("redlock_adopts_total", result="ok"), 1)
    expect(token.split(":")[0] not in world.read("watched.prom"), "the token")


def elected(world):
    """elect counts over its terms"""
    path = world.path("elect.prom")
    process = world.start("elect", "--metrics", path, "leader", "-c", f"echo >> {world.path('terms')}",
                          url=world.plain.url)
    await_true(lambda: world.read("terms").count("\n") >= 2, "two terms")
    process.terminate()
    process.wait()
    page = page_at(path)
    expect(page.value("redlock_acquires_total", result="ok") >= 2, "two terms")
    expect_equal(page.value("redlock_hold_duration_seconds_count"), page.value("redlock_acquires_total", result="ok"))


def folder(world):
    """In a folder the file has a name made from subcommand and lock; by environment and configuration too"""
    place = world.path("prom")
    os.mkdir(place)
    with open(world.path("config"), "w", encoding="utf-8") as file:
        file.write(f"metrics = {place}/\n")
    for name, words, env in (("a/b c", ["--metrics", place], {}), ("env", [], {"REDLOCK_METRICS": place}),
                             ("conf", [], {"REDLOCK_CONFIG": world.path("config")}), ("n" * 512, ["--metrics", place], {}),
                             ("off", ["--metrics", ""], {"REDLOCK_METRICS": place})):
        expect_equal(world.run("run", *words, name, "true", url=world.plain.url, env=env)[0], 0, name)
    found = sorted(os.listdir(place))
    expect_equal(found[:3], ["redlock-run-a%2Fb%20c.prom", "redlock-run-conf.prom", "redlock-run-env.prom"])
    expect_equal(len(found), 4)
    expect(found[3].startswith("redlock-run-nnn") and found[3].endswith(".prom"), found[3])
    for name in found:
        page_at(os.path.join(place, name))


def strange_names(world):
    """Names of any bytes are labels that Prometheus takes"""
    path = world.path("strange.prom")
    for name, shown in ((b'a"b\\c\nd', 'a"b\\c\nd'), ("gr\u00fc\u00df \u20ac \U0001f512".encode(), "gr\u00fc\u00df \u20ac \U0001f512"),
                        (b"\xff\xc0\xaf.\xed\xa0\x80.\xe2\x82", "\ufffd\ufffd\ufffd.\ufffd\ufffd\ufffd.\ufffd\ufffd"),
                        (b"\x01\x7f", "\x01\x7f"), (b"{}=,#", "{}=,#")):
        expect_equal(world.run("run", "--metrics", path, os.fsdecode(name), "true", url=world.plain.url)[0], 0, name)
        expect_equal(page_at(path).label_values("name"), {shown})


def no_secret(world):
    """A password does not get into the file"""
    server = world.server("secret", "--requirepass", "sesame")
    path = world.path("secret.prom")
    url = server.url.replace("unix://", "unix://:sesame@")
    expect_equal(world.run("run", "--metrics", path, "quiet", "true", url=url)[0], 0)
    expect("sesame" not in world.read("secret.prom"), "the password")
    expect_equal(page_at(path).value("redlock_acquires_total", result="ok"), 1)


def cannot_be_written(world):
    """A file that cannot be written is told once, and changes nothing else"""
    code, _, err = world.run("run", "--metrics", world.path("no/such.prom"), "fine", "sh", "-c", "exit 7",
                             url=world.plain.url)
    expect_equal((code, err.count("the metrics cannot be written"), err.count("\n")), (7, 1, 1), err)
    os.mkdir(world.path("taken.prom"))
    os.mkdir(world.path("taken.prom/redlock-run-fine.prom"))  # rename fails
    expect_equal(world.run("run", "--metrics", world.path("taken.prom"), "fine", "true", url=world.plain.url)[0], 0)
    expect_equal(os.listdir(world.path("taken.prom")), ["redlock-run-fine.prom"])


def servers_are_gone(world):
    """Without servers the file says why"""
    path = world.path("gone.prom")
    expect_equal(world.run("run", "--metrics", path, "gone", "true", url="unix://" + world.path("nobody.sock"))[0], 69)
    page = page_at(path)
    expect_equal(page.value("redlock_acquires_total", result="no_quorum"), 1)
    expect_equal(page.value("redlock_node_errors_total", error="io"), 1)
    expect(page.value("redlock_node_connects_failed_total") >= 1, "attempts")


def never_half(world):
    """A reader never sees half of the file"""
    path = world.path("whole.prom")
    problems, over = [], threading.Event()

    def read_on():
        while not over.is_set():
            try:
                page_at(path)
            except FileNotFoundError:
                pass
            except Failed as problem:
                problems.append(str(problem))

    reader = threading.Thread(target=read_on)
    reader.start()
    try:
        for _ in range(20):
            expect_equal(world.run("run", "--metrics", path, "whole", "true", url=world.plain.url)[0], 0)
    finally:
        over.set()
        reader.join()
    expect_equal(problems, [])


def only_where_it_makes_sense(world):
    """Subcommands that end at once have no such option"""
    code, _, err = world.run("acquire", "--metrics", world.path("x.prom"), "x", url=world.plain.url)
    expect_equal(code, 64, err)
    expect_equal(world.run("acquire", "x", url=world.plain.url, env={"REDLOCK_METRICS": world.folder})[0], 0)


if __name__ == "__main__":
    main([run_once, refused, handed_over, lost, kept_current, elected, folder, strange_names, no_secret,
          cannot_be_written, servers_are_gone, never_half, only_where_it_makes_sense], prepare)
