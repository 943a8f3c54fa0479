"""checker_test.py -- histories that cannot be true, written by hand: the checker has to refuse each, and
to accept the good one that they are made from."""

import json
import os
import sys

sys.dont_write_bytecode = True  # the source tree stays clean
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__))))

from checker import check

MS = 1000


def granted(token, began, at, deadline, fence, who="1", name="job"):
    return {"do": "granted", "who": who, "name": name, "token": token, "fence": fence, "began": began * MS,
            "at": at * MS, "deadline": deadline * MS, "latest": (deadline + 1) * MS}


def told(what, token, at, yes=None):
    return {"do": what, "token": token, "at": at * MS, "yes": (at if yes is None else yes) * MS}


def write(token, at, fence, highest, taken=1):
    return {"do": "write", "at": at * MS, "name": "job", "token": token, "fence": fence, "highest": highest,
            "taken": taken}


def parent(do, who, at, **more):
    return {"do": do, "who": who, "at": at * MS, **more}


def renewed(token, at, deadline):
    return {"do": "renewed", "token": token, "at": at * MS, "deadline": deadline * MS,
            "latest": (deadline + 1) * MS}


def good():
    """Three hold one after the other: the first releases, the second loses, the third is killed."""
    return [
        granted("a", 0, 10, 500, 7), write("a", 20, 7, 0), renewed("a", 200, 700), told("released", "a", 600),
        granted("b", 5, 620, 900, 8, who="2"), parent("stop", "2", 700), granted("c", 800, 1000, 1500, 9, who="3"),
        write("c", 1010, 9, 7), parent("cont", "2", 3000), told("lost", "b", 3001, yes=690),
        {"do": "event", "token": "b", "at": 3002 * MS}, told("lost_fd", "b", 3003), write("b", 3010, 8, 9, taken=0),
        parent("kill", "3", 1200), {"do": "bye", "who": "1", "at": 4000 * MS, "leaked": 0},
        {"do": "bye", "who": "2", "at": 4000 * MS, "leaked": 0},
        {"do": "refused", "who": "1", "said": "TIMEOUT", "at": 2500 * MS, "began": 0, "wait": 2000},
    ]


def changed(index, **fields):
    lines = good()
    lines[index] = {**lines[index], **fields}
    return lines


def without(index):
    lines = good()
    del lines[index]
    return lines


def kinds(lines, world="p1"):
    text = [json.dumps({"do": "round", "world": world, "keeps": True, "at": 0})]
    text += [line if isinstance(line, str) else json.dumps(line) for line in lines]
    return {kind for kind, _ in check(text).problems}


# What is wrong, the history, the world, and what the checker has to say of it.
BAD = (
    ("nothing: the good history", good(), "p1", set()),
    ("two holders at a time", changed(4, at=590 * MS), "p1", {"double"}),
    ("two holders where clocks jump is no failure", changed(4, at=590 * MS), "hostile", set()),
    ("a renewed hold that another's lies inside of",
     good() + [granted("d", 100, 300, 650, 6, who="9"), told("released", "d", 310)], "p1", {"double", "fence"}),
    ("a killed worker still holds until its deadline",
     good() + [granted("d", 1150, 1300, 1400, 10, who="2"), told("released", "d", 1310)], "p1", {"double"}),
    ("an inversion", changed(6, fence=6), "hostile", {"fence"}),
    ("an inversion, without a guard", changed(6, fence=6), "noguard", set()),
    ("one fence twice", changed(4, fence=7), "hostile", {"fence"}),
    ("no fence", changed(0, fence=0), "hostile", {"fence"}),
    ("no fence, and none promised", [granted("a", 0, 10, 500, 0, name="plain-1"), told("released", "a", 20)], "p1", set()),
    ("a waiter that held later with a smaller fence", changed(4, fence=6), "p1", {"fence"}),
    ("a stale write is taken",
     changed(12, taken=1, highest=0), "p1", {"stale", "register"}),
    ("a write is refused without reason", changed(7, taken=0), "p1", {"register"}),
    ("yes behind the deadline", changed(3, yes=702 * MS), "p1", {"late"}),
    ("a loss is told late", changed(10, at=9000 * MS)[:11] + without(10)[11:], "hostile", {"late"}),
    ("a loss is told late without a freeze",
     [granted("a", 0, 10, 500, 7), told("lost", "a", 501, yes=480), told("lost_fd", "a", 2600)], "p1", {"late"}),
    ("a loss before the deadline, where servers keep everything",
     [granted("a", 0, 10, 500, 7), told("lost", "a", 400, yes=380), told("lost_fd", "a", 401)], "p1", {"denied"}),
    ("a release before the deadline that is told of a loss",
     [granted("a", 0, 10, 500, 7), told("released", "a", 400), {**told("freed", "a", 410), "said": "NOT_HELD"}],
     "p1", {"denied"}),
    ("the same where clocks jump",
     [granted("a", 0, 10, 500, 7), told("lost", "a", 400, yes=380), told("lost_fd", "a", 401)], "hostile", set()),
    ("a loss that the descriptor does not tell", changed(11, do="lost_fd_silent"), "p1", {"untold"}),
    ("a loss that nothing tells",
     [line for line in good() if line["do"] not in ("event", "lost_fd")], "p1", {"untold"}),
    ("a lost lock that is held again", good() + [told("held_again", "b", 3020)], "p1", {"undead"}),
    ("a hold that has no end", without(3), "p1", {"untold", "double"}),
    ("a worker that does not end", good() + [parent("stuck", "1", 5000)], "p1", {"stuck"}),
    ("a worker that crashes", good() + [parent("crash", "1", 5000, code=-11)], "p1", {"crash"}),
    ("a descriptor is leaked", changed(14, leaked=1), "p1", {"leak"}),
    ("an orphan", good() + [parent("left", "", 5000, server=1, key="job", what="a lock")], "hostile", {"orphan"}),
    ("nobody is served after the storm", good() + [parent("unserved", "", 5000, seconds=20)], "p1", {"unserved"}),
    ("an acquire takes longer than it says", changed(16, at=9700 * MS), "p1", {"overdue"}),
    ("a line that nobody understands", good() + ["{\"do\":\"gra"], "p1", {"unreadable"}),
    ("a write by nobody", good() + [write("z", 4000, 20, 9)], "p1", {"unreadable"}),
)


def main():
    failed = 0
    print(f"1..{len(BAD)}")
    for number, (name, lines, world, wanted) in enumerate(BAD, 1):
        found = kinds(lines, world)
        failed += found != wanted
        print(f"{'not ok' if found != wanted else 'ok'} {number} - {name}")
        if found != wanted:
            print(f"# the checker says {sorted(found)}, and ought to say {sorted(wanted)}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
