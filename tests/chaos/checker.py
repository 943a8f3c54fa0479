#!/usr/bin/python3
"""checker.py -- reads what the workers of a round wrote down, and says what cannot be true together.

usage: tests/chaos/checker.py [--world p1|hostile|noguard] HISTORY...

It knows nothing of how the locks are made, only what is promised (docs/guarantees.md).  The history is
JSON, an object a line, times in microseconds of one clock.  Lines of workers are described in worker.c;
those of the parent are: round (which world), kill, stop and cont (of a worker), and crash, stuck, left,
unserved, each of which is a failure by itself.

What is promised where:
  p1        everything; where servers keep their data ("keeps"), that nobody loses early, too
  hostile   clocks jump and keys are deleted: no exclusion, all else
  noguard   nodes forget and nothing guards against it: neither exclusion nor order
"""

import json
import sys
from collections import Counter, defaultdict

# How late a loss may be told on a busy machine, and how much longer than its bound a call may take.
# That a question is answered by the deadline is held to the microsecond.
TOLD_LATE_US = 2_000_000
CALL_LATE_US = 6_000_000
ATTEMPT_US = 1_600_000  # connect_timeout and three times the workers' node_timeout
WAITS_FOR_EVER = 10 ** 12  # milliseconds


class Hold:
    """One lock in somebody's hands, from what was said of its token."""

    def __init__(self, token):
        self.token, self.name, self.who, self.fence = token, "", "", 0
        self.began = self.granted = None
        self.deadline = self.latest = 0
        self.released = self.lost = self.event = self.told_by_fd = self.yes = None
        self.is_silent, self.denied = False, None

    def end(self):
        """When it did not hold any longer by its own words."""
        ends = [at for at in (self.released, self.lost, self.event) if at is not None]
        return min(ends + [self.deadline])

    def is_plain(self):
        """By its name: such locks promise no fence."""
        return self.name.startswith("plain-")

    def told(self):
        ends = [at for at in (self.event, self.told_by_fd) if at is not None]
        return min(ends) if ends else None

    def __str__(self):
        return (f"{self.name} by {self.who}, fence {self.fence}, token {self.token[:8]}, "
                f"from {self.granted} to {self.end()}")


class History:
    """The lines of a round, sorted into holds, writes and fates of processes."""

    def __init__(self, lines, world=None):
        self.world, self.problems, self.figures = world, [], Counter()
        self.keeps = False  # whether servers keep what they were told
        self.holds, self.writes, self.refusals = {}, [], []
        self.kills, self.frozen, self.byes = {}, defaultdict(list), set()
        for number, line in enumerate(lines, 1):
            try:
                said = json.loads(line)
                getattr(self, "read_" + said["do"])(said)
            except (ValueError, KeyError, TypeError, AttributeError) as problem:
                self.blame("unreadable", f"line {number}: {problem!r}: {line[:200]!r}")
        self.world = self.world or "p1"
        self.granted = [hold for hold in self.holds.values() if hold.granted is not None]
        self.figures["grants"] = len(self.granted)

    def blame(self, kind, text):
        self.problems.append((kind, text))

    def hold(self, said):
        return self.holds.setdefault(said["token"], Hold(said["token"]))

    # --- a reader for each kind of line

    def read_round(self, said):
        self.world, self.keeps = self.world or said["world"], said.get("keeps", False)

    def read_granted(self, said):
        hold = self.hold(said)
        hold.name, hold.who, hold.fence = said["name"], said["who"], said["fence"]
        hold.began, hold.granted = said["began"], said["at"]
        self.read_deadline(hold, said)

    def read_renewed(self, said):
        self.figures["renewals"] += 1
        self.read_deadline(self.hold(said), said)

    @staticmethod
    def read_deadline(hold, said):
        hold.deadline = max(hold.deadline, said["deadline"])
        hold.latest = max(hold.latest, said["latest"])

    def read_event(self, said):
        self.hold(said).event = said["at"]

    def read_lost(self, said):
        hold = self.hold(said)
        hold.lost, hold.yes = said["at"], said["yes"]

    def read_lost_fd(self, said):
        self.hold(said).told_by_fd = said["at"]

    def read_lost_fd_silent(self, said):
        self.hold(said).is_silent = True

    def read_held_again(self, said):
        self.blame("undead", f"lost, and held again: {self.hold(said)}")

    def read_released(self, said):
        hold = self.hold(said)
        hold.released, hold.yes = said["at"], said["yes"]

    def read_freed(self, said):
        self.figures["release " + said["said"]] += 1
        if said["said"] == "NOT_HELD":
            self.hold(said).denied = said["at"]

    def read_refused(self, said):
        self.figures["acquire " + said["said"]] += 1
        self.refusals.append(said)

    def read_write(self, said):
        self.writes.append(said)

    def read_kill(self, said):
        self.kills[said["who"]] = said["at"]

    def read_stop(self, said):
        self.frozen[said["who"]].append([said["at"], float("inf")])

    def read_cont(self, said):
        if self.frozen[said["who"]]:
            self.frozen[said["who"]][-1][1] = said["at"]

    def read_bye(self, said):
        self.byes.add(said["who"])
        if said["leaked"] != 0:
            self.blame("leak", f"worker {said['who']} has {said['leaked']} descriptors more than before")

    def read_crash(self, said):
        self.blame("crash", f"{said['who']} ended by itself: {said['code']}")

    def read_stuck(self, said):
        self.blame("stuck", f"worker {said['who']} did not end when it was told to")

    def read_left(self, said):
        self.blame("orphan", f"{said['key']} is left on server {said['server']}: {said['what']}")

    def read_unserved(self, said):
        self.blame("unserved", f"nothing was granted for {said['seconds']} s after the storm")

    # --- questions

    def frozen_us(self, who, start, end):
        """For how long the worker was frozen within this time, and what it takes to wake up."""
        return sum(min(end, thaw) - max(start, freeze) + TOLD_LATE_US
                   for freeze, thaw in self.frozen[who] if freeze < end and thaw > start)

    def by_name(self, holds):
        names = defaultdict(list)
        for hold in holds:
            names[hold.name].append(hold)
        return names.values()


def check_exclusion(history):
    """P1: at most one holder of a name."""
    for holds in history.by_name(hold for hold in history.granted if hold.granted < hold.end()):
        holds.sort(key=lambda hold: hold.granted)
        last = None
        for hold in holds:
            if last is not None and hold.granted < last.end():
                history.figures["double grants"] += 1
                if history.world == "p1":
                    overlap_us = min(last.end(), hold.end()) - hold.granted
                    history.blame("double", f"two holders for {overlap_us} us: {last}; and {hold}")
            if last is None or hold.end() > last.end():
                last = hold


def check_fences(history):
    """P2: whoever began behind another's success has a larger fence, and no two have the same."""
    if history.world == "noguard":
        return
    for holds in history.by_name(hold for hold in history.granted if not hold.is_plain()):
        owners = {}
        for hold in holds:
            if hold.fence == 0:
                history.blame("fence", f"no fence: {hold}")
            elif owners.setdefault(hold.fence, hold) is not hold:
                history.blame("fence", f"one fence twice: {owners[hold.fence]}; and {hold}")
        check_order(history, holds)
        if history.world == "p1":
            check_succession(history, holds)


def check_order(history, holds):
    ended = sorted(holds, key=lambda hold: hold.granted)
    largest, i = None, 0
    for hold in sorted(holds, key=lambda hold: hold.began):
        while i < len(ended) and ended[i].granted < hold.began:
            if largest is None or ended[i].fence > largest.fence:
                largest = ended[i]
            i += 1
        if largest is not None and hold.fence < largest.fence:
            history.figures["inversions"] += 1
            history.blame("fence", f"an inversion: {largest}; then {hold}, asked for at {hold.began}")


def check_succession(history, holds):
    """While locks exclude each other, fences follow the order of holding, also among those who waited."""
    last = None
    for hold in sorted((h for h in holds if h.granted < h.end()), key=lambda h: h.granted):
        if last is not None and last.end() <= hold.granted and hold.fence <= last.fence:
            history.figures["inversions"] += 1
            history.blame("fence", f"a successor with a smaller fence: {last}; then {hold}")
        last = hold


def check_losses(history):
    """P3: nobody is told yes behind the deadline, and every loss is told by then."""
    for hold in history.granted:
        killed = history.kills.get(hold.who)
        # What was renewed in the last moments of a killed worker may not have been written down.
        may_know_more = killed is not None and hold.yes is not None and killed < hold.yes + TOLD_LATE_US
        if hold.yes is not None and hold.yes > hold.latest and not may_know_more:
            history.blame("late", f"it was told yes {hold.yes - hold.latest} us behind its deadline: {hold}")
        if hold.lost is not None:
            check_loss(history, hold, killed)
        elif hold.released is None and killed is None:
            history.blame("untold", f"neither released nor lost nor killed: {hold}")


def check_loss(history, hold, killed):
    history.figures["losses"] += 1
    if hold.is_silent:
        history.blame("untold", f"the descriptor did not tell the loss: {hold}")
        return
    told = hold.told()
    if told is None:
        if killed is None:
            history.blame("untold", f"neither event nor descriptor: {hold}")
        return
    late_us = told - hold.latest
    frozen_us = history.frozen_us(hold.who, hold.latest, told)
    if late_us <= 0:
        history.figures["told early"] += 1
    if frozen_us == 0:
        history.figures["latest telling us"] = max(history.figures["latest telling us"], late_us)
    if late_us > TOLD_LATE_US + frozen_us:
        history.blame("late", f"told {late_us} us behind the deadline: {hold}")


def check_keeping(history):
    """Where servers keep what they were told and clocks keep to the margin, nobody loses before the deadline."""
    if history.world != "p1" or not history.keeps:
        return
    for hold in history.granted:
        if hold.denied is not None and hold.denied < hold.deadline:
            history.blame("denied", f"released {hold.deadline - hold.denied} us before its deadline, "
                          f"and told NOT_HELD: {hold}")
        told = [at for at in (hold.event, hold.lost) if at is not None]
        if told and min(told) < hold.deadline:
            history.blame("denied", f"lost {hold.deadline - min(told)} us before its deadline: {hold}")


def check_writes(history):
    """A resource that compares fences takes no write of a holder whose successor has written."""
    highest, youngest = defaultdict(int), {}
    for write in history.writes:
        hold = history.holds.get(write["token"])
        if hold is None or hold.granted is None:
            history.blame("unreadable", f"a write by nobody: {write}")
            continue
        if not write["taken"]:
            history.figures["stale writes refused"] += 1
            if write["fence"] >= write["highest"]:
                history.blame("register", f"refused without reason: {write}")
            continue
        history.figures["writes"] += 1
        last = youngest.get(hold.name)
        if last is not None and last.began > hold.granted and history.world != "noguard":
            history.blame("stale", f"taken from {hold}, after {last} had written")
        if write["fence"] < highest[hold.name]:
            history.blame("register", f"taken below {highest[hold.name]}: {write}")
        highest[hold.name] = max(highest[hold.name], write["fence"])
        if last is None or hold.began > last.began:
            youngest[hold.name] = hold


def check_calls(history):
    """No call takes longer than it says."""
    for said in history.refusals:
        if said["wait"] >= WAITS_FOR_EVER:
            continue
        bound_us = said["wait"] * 1000 + ATTEMPT_US + CALL_LATE_US
        took_us = said["at"] - said["began"]
        if took_us > bound_us + history.frozen_us(said["who"], said["began"], said["at"]):
            history.blame("overdue", f"{took_us} us for a wait of {said['wait']} ms: {said}")


def check(lines, world=None):
    history = History(lines, world)
    for one in (check_exclusion, check_fences, check_losses, check_keeping, check_writes, check_calls):
        one(history)
    return history


def check_file(path, world=None):
    with open(path, encoding="utf-8") as file:
        return check(file, world)


def main():
    words, world = sys.argv[1:], None
    if len(words) > 1 and words[0] == "--world":
        world, words = words[1], words[2:]
    if not words or words[0].startswith("-"):
        sys.exit(__doc__)
    failed = False
    for path in words:
        history = check_file(path, world)
        failed |= bool(history.problems)
        print(f"{path}: {history.world}, {dict(history.figures)}")
        for kind, text in history.problems:
            print(f"  {kind}: {text}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
