/* help.c -- what --help prints. */
#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/exit.h"
#include "cli/help_use.h"
#include "cli/say.h"
#include "cli/trust.h"
#include "cli/viewhelp.h"

static const char help_all[] =
    "redlock: distributed locks on Redis or Valkey, for the shell\n"
    "\n"
    "  redlock run [options] NAME [--] COMMAND...   run a command while holding the lock NAME\n"
    "  redlock elect [options] NAME [--] COMMAND... run it as the leader, again and again\n"
    "  redlock acquire | extend | release           for scripts: by a token\n"
    "  redlock hold [options] NAME                  take a lock and keep it\n"
    "  redlock watch [options] [NAME]               keep a lock that was acquired elsewhere\n"
    "  redlock wait [options] NAME                  until nobody holds it\n"
    "  redlock break [options] NAME                 throw its holder out\n"
    "  redlock init [options]                       declare new, empty servers ready\n"
    "  redlock local start|status|urls|stop [N]     private servers on this machine\n"
    "  redlock status [options] NAME                who holds the lock NAME, server by server\n"
    "  redlock ls [options] [PATTERN]               the locks that are held\n"
    "  redlock top [options] [PATTERN]              the same, live on the whole screen\n"
    "  redlock doctor [options]                     do the servers deserve the trust?\n"
    "  redlock help [SUBCOMMAND]                    more about one of them\n"
    "  redlock --version\n"
    "\n"
    "Which servers: --url URL, repeated for a quorum, or REDLOCK_URL with several URLs separated "
    "by\n"
    "commas or spaces.  One server is a plain lock; 3 or 5 independent ones survive the loss of a\n"
    "minority.  --url local: or local:5 needs nothing else than redis-server on this machine.\n"
    "\n"
    "Try it:\n"
    "  redlock run --url local: hello -- sh -c 'echo my fence is $REDLOCK_FENCE'\n";

static const char help_init[] =
    "usage: redlock init [options]\n"
    "\n"
    "A set of three servers or more gives no vote for a while after a server is new or restarted,\n"
    "because it may have forgotten a lock.  This command declares new, empty servers ready at "
    "once.\n"
    "It refuses a server whose peers have been in use before.\n"
    "\n"
    "  --url URL            a server; repeat it for all of the set (default: REDLOCK_URL)\n"
    "  --password-file FILE\n"
    "                       its first line is the password, for URLs that have "
    "none\n" REDLOCK_TRUST_HELP
    "  --key-prefix TEXT    the prefix that the locks will be used with\n"
    "  --force              also when they have been in use: only while nobody holds a lock\n"
    "  -q, --quiet          say nothing but usage errors\n"
    "\n"
    "Example:\n"
    "  redlock init --url redis://a --url redis://b --url redis://c\n";

static const char help_local[] =
    "usage: redlock local start|status|urls|stop [N]\n"
    "\n"
    "Private servers of this user on this machine, on unix sockets: for trying out, for tests, and "
    "for\n"
    "locks that need to reach no other machine.  N is how many make the set: odd, 1 (default) to "
    "15.\n"
    "'redlock run --url local:N' starts them by itself; they go on running until they are "
    "stopped.\n"
    "\n"
    "  start   start what is not running, with the data it had\n"
    "  status  each server: its process, its URL and since when; exit code 0 when all are up\n"
    "          (without N: every set that there is)\n"
    "  urls    their URLs in one line, for REDLOCK_URL\n"
    "  stop    stop them; their data stays (without N: every set)\n"
    "\n"
    "They live in $XDG_RUNTIME_DIR/redlock, or else in /tmp/redlock-UID.\n"
    "\n"
    "Examples:\n"
    "  redlock run --url local: hello echo it works\n"
    "  REDLOCK_URL=$(redlock local urls 5) redlock run hello echo by a quorum\n";

int redlock_help_print(const char *topic) {
    const char *use = redlock_help_use_text(topic);

    if (use != NULL) {
        (void)fputs(use, stdout);
        (void)puts("\nExit codes, besides those of a command:");
        redlock_exit_print();
    } else if (strcmp(topic, "init") == 0) {
        (void)fputs(help_init, stdout);
    } else if (strcmp(topic, "local") == 0) {
        (void)fputs(help_local, stdout);
    } else if (topic[0] == '\0') {
        (void)fputs(help_all, stdout);
    } else if (!redlock_help_print_view(topic)) {
        return redlock_say_usage("", "there is no help about '%s'", topic);
    }
    return REDLOCK_EXIT_OK;
}

int redlock_help_main(int argc, char **argv) {
    return redlock_help_print(argc > 1 ? argv[1] : "");
}
