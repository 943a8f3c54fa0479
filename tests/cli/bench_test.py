#!/usr/bin/python3
"""The benchmarks run, stop their servers, and their JSON has the documented keys.  What they measure on
a loaded machine, built with sanitizers, is no test's business."""
import json
import os
import subprocess
import tempfile

BENCH = os.environ["REDLOCK_BIN_DIR"] + "/redlock-bench"
COMMON = {"bench": str, "case": str, "contender": str, "rounds": int, "limit": str}
COSTS = ("client_cpu_us", "server_cpu_us", "server_commands", "scripts", "switches_voluntary",
         "switches_involuntary")
results = []


def check(name, problem):
    """`problem` is empty when all is well."""
    results.append(not problem)
    print(f"{'not ok' if problem else 'ok'} {len(results)} - {name}")
    if problem:
        print("# " + problem.replace("\n", "\n# "))


def run(*arguments):
    """The objects that a run prints, and a sentence when it did not go well."""
    with tempfile.TemporaryDirectory(prefix="rl-bench.", dir="/tmp") as folder:
        done = subprocess.run([BENCH, *arguments, "--rounds", "1", "--seconds", "0.2", "--json"],
                              capture_output=True, text=True, check=False, timeout=150,
                              env={**os.environ, "TMPDIR": folder})
        left = os.listdir(folder)
    if done.returncode != 0:
        return [], f"exit {done.returncode}: {done.stderr}"
    if left:
        return [], f"left behind: {left}"
    machine, *objects = [json.loads(line) for line in done.stdout.splitlines()]
    if any(key not in machine for key in ("redlock", "server", "system", "cores", "time")):
        return [], f"the first line does not tell machine and versions: {machine}"
    return objects, ""


def lacking(objects, keys):
    """A sentence for the first object that lacks a key or has it with the wrong type."""
    for one in objects:
        for key, kind in COMMON.items():
            if not isinstance(one.get(key), kind):
                return f"{key} is {one.get(key)!r} in {one}"
        if "ratio_to_limit" not in one or "failed" in one:
            return f"no ratio, or a failure: {one}"
        for key in keys:
            if not (one.get(key + "_min", 1) <= one.get(key, -1) <= one.get(key + "_max", -1)):
                return f"{key} has no median within its bounds in {one}"
    return "" if objects else "nothing was printed"


def test_solo():
    objects, problem = run("solo", "--case", "unix")
    cycle = ("cycles_per_s", "p50_us", "p99_us", "max_us") + COSTS
    check("solo prints an object for each contender", problem or lacking(objects, cycle))
    limits = [one["ratio_to_limit"] for one in objects if one["contender"] == one["limit"]]
    check("the limit is 1.0 of itself", "" if limits == [1] else f"{limits}")
    # A cycle is an acquire and a release, each of them one command from the client.
    counts = {one["contender"]: one["server_commands"] for one in objects}
    same = abs(counts.get("redlock-plain", 0) - counts.get("hiredis-plain", 1)) < 0.1
    check("the limit sends what the library sends", "" if same else f"{counts}")


def test_handoff():
    objects, problem = run("handoff", "--case", "16")
    keys = ("served", "total_ms", "handoff_p50_us", "round_trip_us", "client_commands") + COSTS
    ours = [one for one in objects if one.get("contender") == "redlock"]
    bare = [one for one in objects if one.get("contender") == "bare"]
    check(
        "handoff serves 16 waiters and tells their figures",
        problem or lacking(ours, keys) or lacking(bare, ("served", "total_ms", "handoff_p50_us")),
    )


def test_tls():
    objects, problem = run("solo", "--case", "1-tls")
    if "no such case" in problem:
        return  # a build without TLS
    check("one caller over TLS", problem or lacking(objects, ("cycles_per_s", "p99_us") + COSTS))


def test_curve():
    objects, problem = run("curves", "--case", "locks", "--locks", "10")
    told = [(one["bench"], one["case"], one["contender"]) for one in objects]
    wanted = [("locks", "10", "redlock"), ("locks", "10", "pipelined")]
    problem = problem or lacking(objects, ("renewals_per_s", "script_us", "server_cpu_us"))
    check("a curve is a row of points", problem or ("" if told == wanted else f"{told}"))


def test_wrong_use():
    done = subprocess.run([BENCH, "quick"], capture_output=True, text=True, check=False, timeout=150)
    check("what is not there is refused", "" if done.returncode == 64 else f"exit {done.returncode}")


test_solo()
test_handoff()
test_tls()
test_curve()
test_wrong_use()
print(f"1..{len(results)}")
raise SystemExit(0 if all(results) else 1)
