"""chaos_test.py -- a short chaos with sanitizers in the clients, and proof that the checker can fail."""

import os
import subprocess
import sys

sys.dont_write_bytecode = True  # the source tree stays clean
FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, FOLDER)

from hosts import die_with_parent

SECONDS_MAX = 65  # for one of them; a storm ends by itself long before
TESTS = (
    ("every promise is kept for 10 s", ["10"]),
    ("double grants are found when servers forget and nothing guards against it", ["--self-test"]),
)


def run(words):
    """Exit code and what was said.  It ends with this program, whatever ends that."""
    command = [sys.executable, os.path.join(FOLDER, "chaos.py"), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, preexec_fn=die_with_parent) as process:
        try:
            said, _ = process.communicate(timeout=SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            return 124, "it does not end"
        return process.returncode, said


def main():
    failed = 0
    print(f"1..{len(TESTS)}", flush=True)
    for number, (name, words) in enumerate(TESTS, 1):
        code, said = run(words)
        failed += code != 0
        print(f"{'ok' if code == 0 else 'not ok'} {number} - {name}", flush=True)
        for line in said.splitlines():
            print("# " + line, flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
