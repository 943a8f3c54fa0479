"""redis-py's Lock and the redlock command exclude each other on one server, both ways."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import redis
from redis.lock import Lock

REDLOCK = os.path.join(os.environ.get("REDLOCK_BIN_DIR", "build/release/bin"), "redlock")
BUSY = 75


class Server:
    """A redis-server of its own on a unix socket; ends with the test."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="rl-py.")
        self.socket = self.folder + "/s.sock"
        program = os.environ.get("REDLOCK_TEST_SERVER") or shutil.which("redis-server") or "valkey-server"
        self.process = subprocess.Popen(
            [program, "--port", "0", "--unixsocket", self.socket, "--save", "", "--dir", self.folder,
             "--maxmemory-policy", "noeviction"], stdout=subprocess.DEVNULL)
        self.client = redis.Redis(unix_socket_path=self.socket)
        for _ in range(6000):
            try:
                self.client.ping()
                return
            except redis.exceptions.ConnectionError:
                time.sleep(0.01)
        raise RuntimeError("redis-server did not start")

    def stop(self):
        self.client.close()
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder)


class Holder:
    """A `redlock run` that holds NAME until it is told to stop."""

    def __init__(self, server, name, *options):
        self.process = subprocess.Popen(
            [REDLOCK, "run", "--url", "unix://" + server.socket, "-w", "60", *options, name, "--",
             "sh", "-c", "echo held; cat >/dev/null"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if self.process.stdout.readline() != b"held\n":
            raise AssertionError("redlock run did not get the lock")

    def end(self):
        self.process.stdin.close()
        code = self.process.wait(timeout=60)
        self.process.stdout.close()
        return code

    def crash(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


def run_once(server, name, *options):
    """The exit code of `redlock run NAME true`."""
    done = subprocess.run([REDLOCK, "run", "--url", "unix://" + server.socket, *options, name, "--", "true"],
                          stderr=subprocess.PIPE, timeout=90, check=False)
    return done.returncode


def same(wanted, got, what):
    if wanted != got:
        raise AssertionError(f"{what}: wanted {wanted!r}, got {got!r}")


def redis_py_keeps_the_command_out(server):
    lock = Lock(server.client, "job", timeout=60)
    same(True, lock.acquire(blocking=False), "redis-py acquires")
    same(BUSY, run_once(server, "job", "-n"), "redlock run -n")
    same(BUSY, run_once(server, "job", "-w", "0.3"), "redlock run -w")
    same(0, run_once(server, "another", "-n"), "another name")
    same(True, lock.owned(), "redis-py still owns it")
    lock.release()
    same(0, run_once(server, "job", "-n"), "after its release")


def the_command_keeps_redis_py_out(server):
    holder = Holder(server, "job")
    same(False, Lock(server.client, "job", timeout=60).acquire(blocking=False), "redis-py acquires")
    same(True, Lock(server.client, "job", timeout=60).locked(), "redis-py sees it locked")
    same(0, holder.end(), "redlock run ends")
    lock = Lock(server.client, "job", timeout=60)
    same(True, lock.acquire(blocking=False), "redis-py acquires after the release")
    lock.release()


def a_ttl_of_redis_py_frees_the_name(server):
    same(True, Lock(server.client, "job", timeout=4).acquire(blocking=False), "redis-py acquires")
    same(BUSY, run_once(server, "job", "-n"), "at once")
    same(0, run_once(server, "job", "-w", "60"), "with a wait beyond the ttl")


def a_ttl_of_the_command_frees_the_name(server):
    holder = Holder(server, "job", "-t", "3")
    holder.crash()
    lock = Lock(server.client, "job", timeout=60)
    same(False, lock.acquire(blocking=False), "redis-py, right after the crash")
    same(True, lock.acquire(blocking=True, blocking_timeout=60), "redis-py, with a wait beyond the ttl")
    lock.release()


def the_command_waits_until_redis_py_releases(server):
    lock = Lock(server.client, "job", timeout=60)
    same(True, lock.acquire(blocking=False), "redis-py acquires")
    waiter = subprocess.Popen([REDLOCK, "run", "--url", "unix://" + server.socket, "-w", "60", "job", "--", "true"])
    time.sleep(0.3)
    same(None, waiter.poll(), "the command waits")
    lock.release()
    same(0, waiter.wait(timeout=60), "the command got it")


def redis_py_cannot_release_the_commands_lock(server):
    holder = Holder(server, "job")
    stranger = Lock(server.client, "job", timeout=60)
    stranger.local.token = b"not the token"
    try:
        stranger.release()
        raise AssertionError("redis-py released a lock that it did not own")
    except redis.exceptions.LockError:
        pass
    same(BUSY, run_once(server, "job", "-n"), "it is still held")
    same(0, holder.end(), "redlock run ends")


def an_extended_lock_of_redis_py_stays(server):
    lock = Lock(server.client, "job", timeout=2)
    same(True, lock.acquire(blocking=False), "redis-py acquires")
    lock.extend(60, replace_ttl=True)
    time.sleep(2.1)
    same(BUSY, run_once(server, "job", "-n"), "after the first ttl")
    lock.release()


def a_name_of_any_characters_is_the_same_key(server):
    name = "a name: {with} spaces/and-ünïcode"
    lock = Lock(server.client, name, timeout=60)
    same(True, lock.acquire(blocking=False), "redis-py acquires")
    same(BUSY, run_once(server, name, "-n"), "redlock run -n")
    lock.release()
    same(0, run_once(server, name, "-n"), "after its release")


TESTS = (redis_py_keeps_the_command_out, the_command_keeps_redis_py_out, a_ttl_of_redis_py_frees_the_name,
         a_ttl_of_the_command_frees_the_name, the_command_waits_until_redis_py_releases,
         redis_py_cannot_release_the_commands_lock, an_extended_lock_of_redis_py_stays,
         a_name_of_any_characters_is_the_same_key)


def main():
    failed = 0
    print(f"1..{len(TESTS)}")
    for number, test in enumerate(TESTS, 1):
        server = Server()
        try:
            test(server)
            print(f"ok {number} - {test.__name__}", flush=True)
        except Exception as error:  # a test that breaks in any way has failed, and the next one runs
            print(f"not ok {number} - {test.__name__}\n# {type(error).__name__}: {error}", flush=True)
            failed += 1
        finally:
            server.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
