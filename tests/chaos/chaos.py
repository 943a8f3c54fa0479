#!/usr/bin/python3
"""chaos.py -- real servers, real clients, and everything that goes wrong with them.

usage: ./dev chaos [SECONDS] [--seed S] [--plan NAME] [--self-test] [--keep]

  SECONDS      how long to go on (60), in rounds of half a minute, a plan each
  --seed S     which faults are drawn; what the machine makes of them differs from run to run
  --plan NAME  only this one: guarded, jumps, kept, lossy or single
  --self-test  servers forget and nothing guards against it: the checker must report double grants
  --keep       keeps the history of a good run too

Exit: 0 every promise was kept, 1 it was not (the history is kept), 2 it could not be tried.
docs/testing.md, "Chaos", tells what goes wrong and what must hold.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, namedtuple

sys.dont_write_bytecode = True  # the source tree stays clean
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from checker import check_file
from hosts import SERVER, Network, Trouble
from storm import NOGUARD, PLANS, Storm

ROUND_S, CALM_S, STORM_MIN_S = 30, 4, 2.5
PROGRESS_EVERY_S = 5
SELF_TEST_ROUNDS, SELF_TEST_S = 3, 3
TEMPORARY_BYTES_MAX = 40
PROBLEMS_SHOWN = 10
KEPT = ("history.jsonl", "log")
ISOLATED = "REDLOCK_CHAOS_NAMESPACES"

Programs = namedtuple("Programs", "worker relay clock")


def programs():
    folder = os.environ.get("REDLOCK_BIN_DIR", "build/chaos/bin")
    found = Programs(*(os.path.join(os.path.abspath(folder), "redlock-chaos-" + name)
                       for name in ("worker", "relay", "clock.so")))
    for path in found:
        if not os.path.exists(path):
            raise Trouble(f"{path} is not built")
    if SERVER is None:
        raise Trouble("there is no redis-server and no valkey-server")
    return found


def isolate():
    """Starts over in namespaces for networks and mounts of our own, where that is allowed: they vanish with
    us, and what is done in them touches nobody."""
    if ISOLATED in os.environ or not shutil.which("unshare") or not shutil.which("ip"):
        return
    for options in (["-n", "-m", "--propagation", "private"], ["-U", "-r", "-n", "-m", "--propagation", "private"]):
        words = ["unshare", *options]
        if subprocess.run([*words, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            os.environ[ISOLATED] = "1"
            os.execvp("unshare", [*words, sys.executable, os.path.abspath(__file__), *sys.argv[1:]])


class Run:
    """All rounds, and what they add up to."""

    def __init__(self, options):
        self.options, self.programs = options, programs()
        # Sockets live there, and their paths have to be short.
        room = tempfile.gettempdir() if len(tempfile.gettempdir()) <= TEMPORARY_BYTES_MAX else "/tmp"
        self.folder = tempfile.mkdtemp(prefix="rl-chaos.", dir=room)
        self.log = open(os.path.join(self.folder, "log"), "wb")  # pylint: disable=consider-using-with
        self.network = Network(self.log)
        self.began, self.told_at = time.monotonic(), 0.0
        self.faults, self.figures, self.rows, self.failures = Counter(), Counter(), [], 0
        self.kills = 0
        self.label = ""

    def tick(self, storm):
        if time.monotonic() >= self.told_at + PROGRESS_EVERY_S:
            self.told_at = time.monotonic()
            print(f"{time.monotonic() - self.began:5.0f} s  {self.label}: "
                  f"{self.figures['grants'] + storm.count_grants()} grants, {self.kills + storm.kills()} kills and "
                  f"stops, {sum((self.faults + storm.faults).values())} faults", flush=True)

    def round(self, number, plan, seconds):
        """One storm and its calm; the checker's verdict."""
        folder = os.path.join(self.folder, str(number))
        storm = Storm(plan, folder, self.programs, self.network, self.log, f"{self.options.seed}/{number}")
        try:
            storm.set_up()
            storm.rage(seconds, self.tick)
            storm.calm()
        finally:
            storm.end()
        verdict = check_file(storm.history)
        self.add(storm, verdict)
        return storm, verdict

    def add(self, storm, verdict):
        for key, value in verdict.figures.items():
            self.figures[key] = max(self.figures[key], value) if key.startswith("latest") else self.figures[key] + value
        self.faults += storm.faults
        self.kills += storm.kills()
        if not verdict.figures["grants"]:
            verdict.blame("idle", "nothing was granted at all")
        self.rows.append((storm.plan, storm.kills(), sum(storm.faults.values()), verdict))

    def complain(self, storm, verdict):
        self.failures += len(verdict.problems)
        print(f"FAILED: {storm.plan.name}, {os.path.relpath(storm.history, self.folder)} of the history below")
        for kind, text in verdict.problems[:PROBLEMS_SHOWN]:
            print(f"  {kind}: {text}")
        if len(verdict.problems) > PROBLEMS_SHOWN:
            print(f"  ... and {len(verdict.problems) - PROBLEMS_SHOWN} more")

    def rounds(self):
        plans = [plan for plan in PLANS if self.options.plan in (None, plan.name)]
        count = max(2, round(self.options.seconds / ROUND_S))
        for number in range(count):
            left_s = self.began + self.options.seconds - time.monotonic()
            seconds = max(STORM_MIN_S, left_s / (count - number) - CALM_S)
            plan = plans[number % len(plans)]
            self.label = f"round {number + 1}/{count}, {plan.name}"
            storm, verdict = self.round(number, plan, seconds)
            if verdict.problems:
                self.complain(storm, verdict)

    def self_test(self):
        """The same histories, judged as if exclusion had been promised, have to be refused."""
        for number in range(SELF_TEST_ROUNDS):
            self.label = f"self-test {number + 1}"
            storm, verdict = self.round(number, NOGUARD, SELF_TEST_S)
            if verdict.problems:
                self.complain(storm, verdict)
                return
            doubles = [text for kind, text in check_file(storm.history, "p1").problems if kind == "double"]
            if doubles:
                print(f"self-test: the checker reports {len(doubles)} double grants, as it has to; the first:\n"
                      f"  {doubles[0]}")
                return
        self.failures += 1
        print("FAILED: servers forgot everything without a guard, and the checker saw no double grant")

    def table(self):
        network = "network namespaces and relays" if self.network.is_usable else "relays only"
        print(f"\n{time.monotonic() - self.began:.0f} s, seed {self.options.seed}, {network}")
        print(f"{'plan':<9}{'world':<9}{'nodes':>5}{'grants':>8}{'kills':>7}{'faults':>8}{'doubles':>9}"
              f"{'inversions':>12}{'losses':>8}{'stale refused':>15}{'problems':>10}")
        for plan, kills, faults, verdict in self.rows:
            figures = verdict.figures
            print(f"{plan.name:<9}{plan.world:<9}{plan.nodes:>5}{figures['grants']:>8}{kills:>7}{faults:>8}"
                  f"{figures['double grants']:>9}{figures['inversions']:>12}{figures['losses']:>8}"
                  f"{figures['stale writes refused']:>15}{len(verdict.problems):>10}")
        for what, count in sorted(self.faults.items(), key=lambda item: -item[1]):
            print(f"{count:7}  {what}")
        answers = {key: value for key, value in sorted(self.figures.items()) if key.split()[0] in ("acquire", "release")}
        print("answers: " + ", ".join(f"{key} {value}" for key, value in answers.items()))
        self.sum()

    def sum(self):
        figures = self.figures
        exclusive = sum(verdict.figures["double grants"] for plan, _, _, verdict in self.rows if plan.world == "p1")
        kinds = Counter(kind for _, _, _, verdict in self.rows for kind, _ in verdict.problems)
        print(f"\n{self.kills} kills and stops, {figures['grants']} grants, {figures['renewals']} renewals, "
              f"{figures['writes']} writes\n"
              f"double grants {exclusive} where P1 holds ({figures['double grants']} in all), "
              f"fence inversions {figures['inversions']}, orphans {kinds['orphan']}\n"
              f"losses {figures['losses']}, {kinds['late'] + kinds['untold']} of them told too late or not at all; "
              f"the latest {figures['latest telling us'] / 1000:.1f} ms behind the deadline, "
              f"and no yes behind it")

    def end(self, is_good):
        self.log.close()
        if is_good and not self.options.keep:
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        place = os.path.join(os.path.dirname(os.path.dirname(self.programs.worker)), "chaos-history")
        place = os.path.join(place, time.strftime("%Y%m%d-%H%M%S"))
        try:
            shutil.copytree(self.folder, place, ignore=lambda folder, names: [
                name for name in names if not (name.isdigit() or name in KEPT or name.endswith(".register"))])
        except OSError:
            place = self.folder  # the build belongs to somebody else
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        print(f"history: {place}")


def parse():
    parser = argparse.ArgumentParser(add_help=False, usage=__doc__)
    parser.add_argument("seconds", nargs="?", type=float, default=60)
    parser.add_argument("--seed", default=str(int(time.time())))
    parser.add_argument("--plan", choices=[plan.name for plan in PLANS])
    for flag in ("--self-test", "--keep"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--help", "-h", action="store_true")
    options = parser.parse_args()
    if options.help:
        print(__doc__.strip())
        sys.exit(0)
    return options


def main():
    options = parse()
    isolate()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    run, is_good = None, False
    try:
        run = Run(options)
        if options.self_test:
            run.self_test()
        else:
            run.rounds()
        run.table()
        is_good = run.failures == 0
        print("the checker can fail" if is_good and options.self_test else
              "every promise was kept" if is_good else f"{run.failures} promises were broken")
    except KeyboardInterrupt:
        print("\ninterrupted")
        is_good = True
        sys.exit(130)
    except Trouble as trouble:
        print(f"chaos: {trouble}", file=sys.stderr)
        sys.exit(2)
    finally:
        if run is not None:
            run.end(is_good)
    sys.exit(0 if is_good else 1)


if __name__ == "__main__":
    main()
