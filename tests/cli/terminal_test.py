"""terminal_test.py -- `redlock run` on a terminal: keys reach the command, Ctrl-C and Ctrl-Z work."""

import os
import pty
import select
import signal
import sys
import time

sys.dont_write_bytecode = True  # the source tree stays clean

from support import PATIENCE, REDLOCK, WAIT, expect, expect_equal, main


def prepare(world):
    world.url = world.server("one").url


class Terminal:
    """redlock as leader of a session on a terminal of its own, as a login shell would be."""

    def __init__(self, world, *words):
        self.text = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(REDLOCK, ["redlock", "run", *WAIT, *words], dict(world.env, REDLOCK_URL=world.url))

    def await_text(self, text):
        deadline = time.monotonic() + PATIENCE
        while text not in self.text:
            expect(time.monotonic() < deadline, f"no {text!r} in {self.text!r}")
            if select.select([self.fd], [], [], 0.1)[0]:
                try:
                    self.text += os.read(self.fd, 4096).decode()
                except OSError:
                    expect(text in self.text, f"no {text!r} in {self.text!r}")

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait(self, options=0):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            pid, status = os.waitpid(self.pid, options | os.WNOHANG)
            if pid != 0:
                return status
            if select.select([self.fd], [], [], 0.01)[0]:
                try:
                    self.text += os.read(self.fd, 4096).decode()
                except OSError:
                    pass
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)
        expect(False, f"redlock does not end: {self.text!r}")

    def end(self):
        status = self.wait()
        os.close(self.fd)
        return os.waitstatus_to_exitcode(status)


def reads_the_terminal(world):
    """The command reads from the terminal"""
    terminal = Terminal(world, "read", "-c", "read x; echo got $x")
    terminal.type("this\n")
    terminal.await_text("got this")
    expect_equal(terminal.end(), 0)


def interrupt_key(world):
    """Ctrl-C ends the command, exit 130"""
    terminal = Terminal(world, "int", "cat")
    terminal.type("echo\n")
    terminal.await_text("echo\r\necho\r\n")  # the terminal's, and cat's
    terminal.type("\x03")
    expect_equal(terminal.end(), 130)


def interrupt_key_while_waiting(world):
    """Ctrl-C ends the wait for the lock, exit 130"""
    world.servers[0].ask("SET", "held", "somebody", "PX", "60000")
    terminal = Terminal(world, "-v", "held", "true")
    terminal.await_text("waiting")
    terminal.type("\x03")
    expect_equal(terminal.end(), 130)


def suspend_key(world):
    """Ctrl-Z stops the command and redlock; continued, both go on"""
    terminal = Terminal(world, "susp", "-c", "echo ready; read x; echo got $x")
    terminal.await_text("ready")
    terminal.type("\x1a")
    expect(os.WIFSTOPPED(terminal.wait(os.WUNTRACED)), "redlock has stopped")
    os.kill(terminal.pid, signal.SIGCONT)
    terminal.type("more\n")
    terminal.await_text("got more")
    expect_equal(terminal.end(), 0)


def pipe_behind(world):
    """With a pipe behind it, the command gets the terminal when it reads from it"""
    terminal = Terminal(world, "outer", "--", "sh", "-c",
                        f"REDLOCK_URL={world.url} {REDLOCK} run inner -c 'read x </dev/tty; "
                        "echo got $x' | cat")
    terminal.type("keys\n")
    terminal.await_text("got keys")
    expect_equal(terminal.end(), 0)


def terminal_comes_back(world):
    """After the command has ended the terminal is the caller's again"""
    terminal = Terminal(world, "outer", "--", "sh", "-c",
                        f"REDLOCK_URL={world.url} {REDLOCK} run inner true; read x; echo got $x")
    terminal.type("mine\n")
    terminal.await_text("got mine")
    expect_equal(terminal.end(), 0)


main([reads_the_terminal, interrupt_key, interrupt_key_while_waiting, suspend_key, pipe_behind,
      terminal_comes_back], prepare)
