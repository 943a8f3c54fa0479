"""docs_test.py -- manual pages and completions say what the command does."""

import os
import re
import subprocess
import sys
from pathlib import Path

sys.dont_write_bytecode = True  # the source tree stays clean

from support import REDLOCK, expect, expect_equal, main

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = sorted((ROOT / "docs/man").glob("*.[157]"))


def lint(world):
    """mandoc finds nothing to complain about"""
    expect(len(PAGES) >= 6, PAGES)
    for page in PAGES:
        done = subprocess.run(["mandoc", "-T", "lint", str(page)], capture_output=True, text=True, check=False)
        # Whether pages that are referred to are installed on this machine is no matter; ours, see below.
        said = [line for line in (done.stdout + done.stderr).splitlines()
                if "referenced manual not found" not in line and "outdated mandoc.db" not in line]
        expect_equal(said, [], page.name)


def references(world):
    """Pages of redlock that are referred to are there"""
    there = {page.name for page in PAGES} | {"redlock-ls.1"}  # installed as a copy of redlock-status.1
    for page in PAGES:
        for name, section in re.findall(r"^\.Xr (redlock\S*) (\d)", page.read_text(encoding="utf-8"), re.M):
            expect(f"{name}.{section}" in there, f"{page.name} refers to {name}({section})")


def subcommands(world):
    return re.findall(r"^  redlock ([a-z]+) ", world.run("help")[1], re.M)


def options_are_described(world):
    """Every long option in the help is in a manual page"""
    pages = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for word in subcommands(world):
        if word != "help":
            for option in re.findall(r"^  (?:-\w, )?--([a-z-]+)", world.run(word, "--help")[1], re.M):
                expect(re.search(rf"Fl Fl {option}\b", pages), f"--{option} of {word} is in no page")


def completions(world):
    """The completions are those that the help gives"""
    env = dict(os.environ, REDLOCK_BIN_DIR=os.path.dirname(REDLOCK))
    done = subprocess.run([str(ROOT / "tools/completions"), "--check"], env=env, capture_output=True, text=True,
                          check=False)
    expect_equal((done.returncode, done.stderr), (0, ""))


def complete(*words):
    script = (f"source '{ROOT}/completions/redlock.bash'; COMP_WORDS=({' '.join(map(repr, words))}); "
              f"COMP_CWORD={len(words) - 1}; _redlock; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    expect_equal(done.stderr, "")
    return done.stdout.split()


def bash(world):
    """bash completes subcommands, options, their values, and the guarded command"""
    expect_equal(complete("redlock", "do"), ["doctor"])
    expect_equal(complete("redlock", "top", "--so"), ["--sort"])
    expect_equal(complete("redlock", "top", "--sort", "h"), ["holder"])
    expect_equal(complete("redlock", "local", "st"), ["start", "status", "stop"])
    expect_equal(complete("redlock", "ls", "--password-file", "READ"), ["README.md"])
    expect("true" in complete("redlock", "run", "name", "tru"), "commands")


if __name__ == "__main__":
    main([lint, references, options_are_described, completions, bash])
