#!/usr/bin/python3
"""redis-py's Lock, doing what redlock-bench asks: redis_py.py CLIENT VERB SECONDS CONCURRENCY URL

Says "ready", waits for a line, works, and prints one line of "key value" pairs.
"""
import resource
import sys
import threading
import time

import redis

TTL_S = 30
LIMIT_S = 12  # as for redlock's own waiters


def connect(url):
    if url.startswith("unix://"):
        return redis.Redis(unix_socket_path=url[7:])
    return redis.Redis(host="127.0.0.1", port=int(url.rsplit(":", 1)[1]))


def latencies(prefix, values):
    values.sort()

    def part(at):
        return values[int((len(values) - 1) * at)] / 1e3 if values else 0
    return {prefix + "p50_us": part(0.5), prefix + "p99_us": part(0.99), prefix + "max_us": part(1)}


def in_threads(work, count):
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def cycles(client, seconds, concurrency):
    whole, acquires = [], []
    begin = time.monotonic_ns()
    until = begin + int(seconds * 1e9)

    def work(number):
        lock = client.lock(f"bench-{number:06d}", timeout=TTL_S, blocking=False)
        while (asked := time.monotonic_ns()) < until:
            lock.acquire()
            acquires.append(time.monotonic_ns() - asked)
            lock.release()
            whole.append(time.monotonic_ns() - asked)

    in_threads(work, concurrency)
    took = (time.monotonic_ns() - begin) / 1e9
    return {"cycles": len(whole), "cycles_per_s": len(whole) / took, **latencies("", whole),
            **latencies("acquire_", acquires)}


def handoff(client, waiters):
    turns = []
    begin = time.monotonic_ns()

    def work(_):
        lock = client.lock("bench", timeout=TTL_S, blocking_timeout=LIMIT_S)
        if lock.acquire():
            acquired = time.monotonic_ns()
            time.sleep(0.001)
            turns.append((acquired, time.monotonic_ns()))
            lock.release()

    in_threads(work, waiters)
    total = (time.monotonic_ns() - begin) / 1e6
    turns.sort()
    gaps = [after[0] - before[1] for before, after in zip(turns, turns[1:])]
    return {"cycles": len(turns), "served": len(turns), "total_ms": total, **latencies("handoff_", gaps)}


def main():
    verb, seconds, concurrency, url = sys.argv[2], float(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
    client = connect(url)
    threading.stack_size(256 * 1024)
    client.ping()
    if verb == "cycles":
        cycles(client, 0.2, concurrency)
    print("ready", flush=True)
    sys.stdin.readline()
    before = resource.getrusage(resource.RUSAGE_SELF)
    told = handoff(client, concurrency) if verb == "handoff" else cycles(client, seconds, concurrency)
    after = resource.getrusage(resource.RUSAGE_SELF)
    told["cpu_us"] = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e6
    told["voluntary"] = after.ru_nvcsw - before.ru_nvcsw
    told["involuntary"] = after.ru_nivcsw - before.ru_nivcsw
    print(" ".join(f"{key} {value}" for key, value in told.items()), flush=True)


main()
