/* viewhelp.c -- what --help prints about the subcommands that only look. */
#include "cli/viewhelp.h"

#include <stdio.h>
#include <string.h>

#include "cli/trust.h"

#define HELP_SERVERS                                                                               \
    "  --url URL            a server; repeat it for all of the set (default: REDLOCK_URL)\n"       \
    "  --password-file FILE\n"                                                                     \
    "                       its first line is the password, for URLs that have "                   \
    "none\n" REDLOCK_TRUST_HELP "  --key-prefix TEXT    the prefix that the locks are used with\n" \
    "  --timeout SECONDS    how long to wait for one server (default 1)\n"                         \
    "  -j, --json           one JSON object a line\n"

static const char help_status[] =
    "usage: redlock status [options] NAME\n"
    "\n"
    "Shows who holds the lock NAME: as the set decides, and as each server tells it.\n"
    "LEFT is what the key has left on that server, MARK the largest fence it remembers.\n"
    "Below stands who waits for it, in order.\n"
    "A server that says something else than the set is marked 'differs'.\n"
    "\n" HELP_SERVERS "  -q, --quiet          say nothing but usage errors\n"
    "\n"
    "Exit codes: 0 when a quorum answered, held or free; 69 when too few servers did.\n"
    "\n"
    "Examples:\n"
    "  redlock status nightly-backup\n"
    "  redlock status --json deploy | jq -r '.holder, .waiters[]'\n";

static const char help_ls[] =
    "usage: redlock ls [options] [PATTERN]\n"
    "\n"
    "Lists the locks that are held: keys with an expiry whose value looks like the token of a\n"
    "lock, or that have a mark of redlock beside them.  PATTERN is one of sh(1), quoted: 'job:*'.\n"
    "Servers are read by SCAN, which holds nobody up.  WAIT is how many wait for the\n"
    "lock, ON how many servers have the holder's token.\n"
    "\n" HELP_SERVERS
    "  -a, --all            also names that are free and were held within the last 7 days\n"
    "  -q, --quiet          say nothing but usage errors\n"
    "\n"
    "Exit codes: 0 when a quorum answered; 69 when too few servers did.\n"
    "\n"
    "Examples:\n"
    "  redlock ls 'job:*'\n"
    "  redlock ls --json | jq -r 'select(.left_ms < 5000) | .name'\n";

static const char help_top[] =
    "usage: redlock top [options] [PATTERN]\n"
    "\n"
    "Shows the locks live on the whole screen.  With --json it prints one object for each lock "
    "and\n"
    "round instead, and needs no terminal.\n"
    "\n" HELP_SERVERS "  -a, --all            also names that are free\n"
    "  -i, --interval SECONDS\n"
    "                       between two rounds (default 1; at least 0.1)\n"
    "  -n, --count N        end after N rounds\n"
    "  -s, --sort COLUMN    name, holder, left or fence\n"
    "  -q, --quiet          say nothing but usage errors\n"
    "\n"
    "Keys: q quits; / filters by a part of the name or holder, Esc forgets the filter; n h l f "
    "sort\n"
    "by name, holder, what is left, fence; r turns the order round; a shows free names too;\n"
    "j k, arrows, space and b move; Ctrl-L draws anew; Ctrl-Z stops.\n"
    "All names are searched for at most a tenth of the time; in between, those known are looked "
    "at.\n"
    "\n"
    "Examples:\n"
    "  redlock top\n"
    "  redlock top --sort left 'job:*'\n";

static const char help_doctor[] =
    "usage: redlock doctor [options]\n"
    "       redlock doctor --acl [--json] [--key-prefix TEXT] [PATTERN...]\n"
    "\n"
    "Checks for about 3 seconds whether the servers deserve the trust that locks put into them, "
    "and\n"
    "says of everything that is wrong why it matters and what to do.  Changes nothing: it writes "
    "no\n"
    "key, and asks for keys that are not there.\n"
    "\n" HELP_SERVERS
    "  --acl                ask no server: print the rights that a user there needs for names "
    "like\n"
    "                       these PATTERNs ('job:*'; default: all), a command for each purpose\n"
    "  --ttl-max SECONDS    the clients' ttl_max, which the restart guard waits for (default 60)\n"
    "  -q, --quiet          say nothing but usage errors, and only what is wrong\n"
    "\n"
    "Exit codes: 0 all is well; 1 something is worth a look; 2 something is wrong.\n"
    "\n"
    "Examples:\n"
    "  redlock doctor --url redis://a --url redis://b --url redis://c\n"
    "  redlock doctor --acl 'job:*'\n"
    "  redlock doctor --json | jq -r 'select(.level == \"fail\") | .what'\n";

bool redlock_help_print_view(const char *topic) {
    static const struct {
        const char *word;
        const char *text;
    } helps[] = {
        {"status", help_status}, {"ls", help_ls}, {"top", help_top}, {"doctor", help_doctor}};

    for (size_t i = 0; i < sizeof(helps) / sizeof(helps[0]); i++) {
        if (strcmp(topic, helps[i].word) == 0) {
            (void)fputs(helps[i].text, stdout);
            return true;
        }
    }
    return false;
}
