/* commands.h -- the subcommands: each takes argv from its own name on and returns an exit code. */
#ifndef REDLOCK_CLI_COMMANDS_H
#define REDLOCK_CLI_COMMANDS_H

int redlock_run_main(int argc, char **argv);
int redlock_acquire_main(int argc, char **argv);
int redlock_hold_main(int argc, char **argv);
int redlock_extend_main(int argc, char **argv);
int redlock_release_main(int argc, char **argv);
int redlock_elect_main(int argc, char **argv);
int redlock_watch_main(int argc, char **argv);
int redlock_wait_main(int argc, char **argv);
int redlock_break_main(int argc, char **argv);
int redlock_init_main(int argc, char **argv);
int redlock_local_main(int argc, char **argv);
int redlock_status_main(int argc, char **argv);
int redlock_ls_main(int argc, char **argv);
int redlock_top_main(int argc, char **argv);
int redlock_doctor_main(int argc, char **argv);
int redlock_help_main(int argc, char **argv);

#endif
