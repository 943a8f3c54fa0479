"""local_test.py -- private servers: started, shared, restarted with their data, stopped."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # the source tree stays clean

from support import PATIENCE, TRIES, WAIT, Peer, await_true, expect, expect_equal, is_running, main


def prepare(world):
    world.env["XDG_RUNTIME_DIR"] = world.folder


def finish(world):
    world.run("local", "stop")


def pids(world, size):
    return [int(pid) for pid in re.findall(r"pid (\d+)", world.run("local", "status", str(size))[1])]


def await_connected(world, node):
    """Until somebody but this test is connected to a server."""
    peer = Peer(world.path(f"redlock/{node}/server.sock"))
    await_true(lambda: "connected_clients:1\r" not in peer.ask("INFO", "clients"), f"{node} has a client")


def nothing_yet(world):
    """Without any, status and stop say so"""
    expect_equal(world.run("local", "status")[:2], (0, "there are no local servers\n"))
    expect_equal(world.run("local", "stop")[0], 0)
    expect_equal(world.run("local", "status", "3")[0], 69)


def run_starts(world):
    """run --url local: starts a server, works at once, and says that it is local"""
    code, out, err = world.run("run", "--url", "local:", "n", "-c", "echo $REDLOCK_FENCE")
    expect_equal(code, 0, err)
    expect(int(out) > 0, out)
    expect("local" in err and err.count("\n") == 1, err)
    expect_equal(world.run("run", "-q", "--url", "local:", "n", "true")[2], "")
    first = pids(world, 1)
    expect_equal(len(first), 1)
    expect_equal(world.run("local", "start", "1")[0], 0)
    expect_equal(pids(world, 1), first, "the same server is used again")


def five(world):
    """local:5 is a quorum that works at once, also by REDLOCK_URL"""
    code, _, err = world.run("run", "n", "true", url="local:5")
    expect_equal(code, 0, err)
    code, out, _ = world.run("local", "status", "5")
    expect_equal((code, out.count(" up, pid ")), (0, 5))
    expect("unix://" in out, out)


def urls(world):
    """`redlock local urls` prints what REDLOCK_URL takes"""
    code, out, _ = world.run("local", "urls", "5")
    expect_equal((code, out.count("unix://"), out.count("\n")), (0, 5, 1))
    expect_equal(world.run("run", "n", "true", url=out)[0], 0)


def killed_one(world):
    """A killed server is started again with its data and votes at once"""
    before = pids(world, 5)
    for pid in before[:3]:
        os.kill(pid, signal.SIGKILL)
    await_true(lambda: not any(map(is_running, before[:3])), "they are dead")
    expect_equal(world.run("local", "status", "5")[0], 69)
    code, _, err = world.run("run", "n", "true", url="local:5")
    expect_equal(code, 0, err)
    expect_equal(world.run("local", "status", "5")[0], 0)
    expect_equal(pids(world, 5)[3:], before[3:], "the others go on")


def kill_loses_nothing(world):
    """A lock survives the kill of its server, and so does the fence"""
    holder = world.begin("run", "--url", "local:", "-t", "20", *WAIT, "keep", "-c",
                         "echo $REDLOCK_FENCE; read x", stdin=-1)
    fence = int(holder.first)
    pid = pids(world, 1)[0]
    os.kill(pid, signal.SIGKILL)
    await_true(lambda: not is_running(pid), "it is dead")
    expect_equal(world.run("run", "--url", "local:", "-n", "keep", "true")[0], 75)
    await_connected(world, "local-1/node-1")  # the holder is back, and can release
    holder.communicate("\n", timeout=PATIENCE)
    expect_equal(holder.returncode, 0)
    out = world.run("run", "--url", "local:", "keep", "-c", "echo $REDLOCK_FENCE")[1]
    expect(int(out) > fence, f"{out} after {fence}")


def stop_and_start(world):
    """stop ends all of a set, start brings it back ready"""
    before = pids(world, 5)
    code, out, err = world.run("local", "stop", "5")
    expect_equal((code, out.count("stopped")), (0, 5), err)
    expect(not any(map(is_running, before)), "all are gone")
    expect_equal(world.run("local", "start", "5")[0], 0)
    expect_equal(world.run("run", "n", "true", url="local:5")[0], 0)


def ten_at_once(world):
    """Ten calls at once start one set and share it"""
    script = f"cd {world.folder}; mkdir cs || echo overlap; sleep 0.01; rmdir cs; echo done"
    runs = [world.start("run", "-q", *WAIT, "--url", "local:3", "many", "-c", script) for _ in range(10)]
    for process in runs:
        out, err = process.communicate(timeout=PATIENCE)
        expect_equal((process.returncode, out), (0, "done\n"), err)
    expect_equal(len(set(pids(world, 3))), 3)
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    expect_equal(found.count(f"unixsocket:{world.folder}/redlock/local-3/"), 3, "servers")


def hung_one(world):
    """A hung server is not started twice, and the others do"""
    pid = pids(world, 3)[1]
    os.kill(pid, signal.SIGSTOP)
    try:
        code, _, err = world.run("run", "n", "true", url="local:3")
        expect_equal(code, 0, err)
        for _ in range(TRIES):
            code, out, _ = world.run("local", "status", "3")
            if out.count("does not answer") == 1:
                break  # else a healthy one was too slow as well
        expect_equal((code, out.count("does not answer")), (69, 1), out)
    finally:
        os.kill(pid, signal.SIGCONT)
    await_true(lambda: world.run("local", "status", "3")[0] == 0, "it answers again")
    expect(pid in pids(world, 3), "it is the same")


def descriptors_of(pid):
    """What they name; a server that begins opens and closes some while we look"""
    names = []
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        try:
            names.append(os.readlink(f"/proc/{pid}/fd/{descriptor}"))
        except FileNotFoundError:
            continue
    return names


def descriptors_are_not_kept(world):
    """Servers keep none of the caller's descriptors"""
    with open(world.path("held"), "w", encoding="ascii") as held:
        os.set_inheritable(held.fileno(), True)
        expect_equal(world.run("local", "start", "7", pass_fds=(held.fileno(),))[0], 0)
        for pid in pids(world, 7):
            names = descriptors_of(pid)
            expect(len(names) > 3 and world.path("held") not in names, names)
    world.run("local", "stop", "7")


def folders_are_checked(world):
    """A folder that others may use, or a symbolic link, is refused"""
    for prepare_folder in (lambda path: (os.mkdir(path), os.chmod(path, 0o755)),
                           lambda path: os.symlink(world.folder, path)):
        with tempfile.TemporaryDirectory(prefix="rl.", dir="/tmp") as folder:
            prepare_folder(folder + "/redlock")
            code, _, err = world.run("run", "n", "true", url="local:",
                                     env={"XDG_RUNTIME_DIR": folder})
            expect_equal(code, 69, err)
            expect("cannot be used" in err, err)


def folders_are_private(world):
    """Folders and sockets are for their owner alone"""
    for path in ("redlock", "redlock/local-3", "redlock/local-3/node-1",
                 "redlock/local-3/node-1/server.sock"):
        expect_equal(os.stat(world.path(path)).st_mode & 0o077, 0, path)


def odd_paths(world):
    """A runtime folder with odd characters works"""
    with tempfile.TemporaryDirectory(prefix="rl.%40 @,?", dir="/tmp") as folder:
        env = {"XDG_RUNTIME_DIR": folder}
        code, _, err = world.run("run", "n", "true", url="local:", env=env)
        expect_equal(code, 0, err)
        expect_equal(world.run("run", "n", "true", env=env,
                               url=world.run("local", "urls", env=env)[1])[0], 0)
        expect_equal(world.run("local", "stop", env=env)[0], 0)


def not_installed(world):
    """Without redis-server: 69, with the package's name"""
    code, _, err = world.run("run", "--url", "local:9", "n", "-c", "true",
                             env={"PATH": world.path("empty")})
    expect_equal(code, 69)
    expect("redis-server" in err and "valkey-server" in err, err)


def nothing_left(world):
    """After stop no process is left"""
    shutil.rmtree(world.path("redlock/local-9"), ignore_errors=True)
    code, out, err = world.run("local", "stop")
    expect_equal(code, 0, err)
    expect(out.count("stopped") == 9, out)
    found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    expect(f"unixsocket:{world.folder}/" not in found, found)


main([nothing_yet, run_starts, five, urls, killed_one, kill_loses_nothing, stop_and_start,
      ten_at_once, hung_one, descriptors_are_not_kept, folders_are_checked, folders_are_private,
      odd_paths, not_installed, nothing_left], prepare, finish)
