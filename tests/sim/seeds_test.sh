#!/usr/bin/env bash
# The simulator's own tests: fixed and fresh seeds, and checkers that are seen to fail.  They end in the
# time given, so that a slow build (sanitizers) runs fewer seeds, not longer.
exec "${REDLOCK_BIN_DIR:?}/redlock-sim" --tap --seconds "${REDLOCK_SIM_SECONDS:-40}"
