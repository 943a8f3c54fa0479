/* help_use.c -- what --help prints for the subcommands that take, keep and end locks. */
#include "cli/help_use.h"

#include <stddef.h>
#include <string.h>

#include "cli/trust.h"

#define HELP_URL                                                                                   \
    "  --url URL            a server: redis://[user:password@]host[:port], rediss:// for TLS,\n"   \
    "                       unix:///path, local: or local:N; repeat it for a quorum (default:\n"   \
    "                       REDLOCK_URL)\n"                                                        \
    "  --password-file FILE\n"                                                                     \
    "                       its first line is the password, for URLs that have "                   \
    "none\n" REDLOCK_TRUST_HELP
#define HELP_TTL                                                                                   \
    "  -t, --ttl SECONDS    after a crash, others wait this long (default 30; 0.1 to 60)\n"
#define HELP_WAIT                                                                                  \
    "  -n, --nonblock       do not wait when somebody else holds the lock\n"                       \
    "  -w, --wait SECONDS   wait no longer than this, also for servers to come back; who waits\n"  \
    "                       longest is next\n"
#define HELP_BUSY                                                                                  \
    "  -E, --conflict-exit-code CODE\n"                                                            \
    "                       exit code when the lock was not to be had in time (default 75)\n"
#define HELP_BUSY_OK "  -x                   the same as -E 0: a busy lock is a success\n"
#define HELP_STOP                                                                                  \
    "  --max-hold SECONDS   stop the command after so long, and exit with 124\n"                   \
    "  --grace SECONDS      from SIGTERM to SIGKILL (default: a fifth of the ttl, 5 at most)\n"    \
    "  --on-lost WHAT       when the lock cannot be kept: kill (default) or term, which leaves\n"  \
    "                       out SIGKILL, or ignore\n"
#define HELP_LOST "  --lost-exit-code CODE\n                       instead of 79\n"
#define HELP_PROOF                                                                                 \
    "  --token TOKEN        what acquire has printed (default: REDLOCK_TOKEN, which others\n"      \
    "                       cannot see)\n"                                                         \
    "  --fence FENCE        the fence that came with it (default: REDLOCK_FENCE)\n"
#define HELP_LABEL "  --label TEXT         who we are, for others to see (default: host/pid)\n"
#define HELP_PREFIX "  --key-prefix TEXT    goes in front of every key\n"
#define HELP_METRICS                                                                               \
    "  --metrics FILE       keep numbers for Prometheus there, every 10 seconds and at the end; "  \
    "in\n"                                                                                         \
    "                       a folder, under a name made from the lock's\n"
#define HELP_SAY                                                                                   \
    "  -v, --verbose        say what goes well, too\n"                                             \
    "  -q, --quiet          say nothing but usage errors\n"

static const char help_run[] =
    "usage: redlock run [options] NAME [--] COMMAND [ARGUMENT...]\n"
    "       redlock run [options] NAME -c 'STRING FOR SH'\n"
    "\n"
    "Waits for the lock NAME (first in, first out), runs the command under it, renews the lock\n"
    "meanwhile, and releases it at the end.  If the lock is about to be lost, the command is\n"
    "stopped before that.\n"
    "\n" HELP_URL HELP_TTL HELP_WAIT HELP_BUSY HELP_BUSY_OK
    "  -c, --command STRING run STRING by sh -c; before or after NAME\n"
    "  --min-hold SECONDS   keep the name for at least so long, even if the command ends "
    "sooner\n" HELP_STOP HELP_LOST HELP_LABEL HELP_METRICS HELP_PREFIX HELP_SAY "\n"
    "Options end at NAME.  A password is safer in REDLOCK_URL than in --url, where others may see\n"
    "it.  The command finds REDLOCK_NAME, REDLOCK_FENCE and REDLOCK_TOKEN in its environment, and\n"
    "no other variable whose name begins with REDLOCK_.\n"
    "\n"
    "Examples:\n"
    "  redlock run -n -x --min-hold 60 nightly-backup -- /usr/local/bin/backup --all\n"
    "  redlock run -w 10 -E 0 report -c 'make report && mail-it'\n"
    "  REDLOCK_URL='redis://a redis://b redis://c' redlock run deploy ./deploy.sh\n";

static const char help_acquire[] =
    "usage: redlock acquire [options] NAME\n"
    "\n"
    "Takes the lock NAME for a script and prints its token and its fence.  Nobody renews it: the\n"
    "script extends it in time, or has it kept by 'redlock watch', and releases it at the end.\n"
    "\n" HELP_URL
    "  -t, --ttl SECONDS    it ends after so long (default 30; 0.1 to 60)\n" HELP_WAIT HELP_BUSY
        HELP_BUSY_OK
    "  --export             print a line for eval: REDLOCK_NAME, REDLOCK_TOKEN, REDLOCK_FENCE\n"
    "  --label TEXT         who we are, for others to see (default: host/pid of the "
    "caller)\n" HELP_PREFIX HELP_SAY "\n"
    "Example:\n"
    "  line=$(redlock acquire --export -t 60 -w 10 deploy) && eval \"$line\" || exit\n"
    "  ./step-one && redlock extend -t 60 && ./step-two\n"
    "  redlock release\n";

static const char help_hold[] =
    "usage: redlock hold [options] NAME\n"
    "\n"
    "Takes the lock NAME, prints its token and its fence, and keeps it until a signal comes or "
    "its\n"
    "input ends.  Input that nobody can close, such as /dev/null, is not looked at.\n"
    "\n" HELP_URL HELP_TTL HELP_WAIT HELP_BUSY HELP_BUSY_OK
    "  --export             print a line for eval: REDLOCK_NAME, REDLOCK_TOKEN, "
    "REDLOCK_FENCE\n" HELP_LOST HELP_LABEL HELP_METRICS HELP_PREFIX HELP_SAY "\n"
    "Example (bash): the lock is held for as long as the script lives, however it ends\n"
    "  coproc redlock hold deploy\n"
    "  read -r token fence <&\"${COPROC[0]}\" || exit\n";

static const char help_extend[] =
    "usage: redlock extend [options] [NAME]\n"
    "\n"
    "Extends a lock that 'redlock acquire' took: it ends no sooner than --ttl from now.\n"
    "NAME is that of REDLOCK_NAME if it is left out.\n"
    "\n" HELP_URL HELP_PROOF
    "  -t, --ttl SECONDS    for so long from now (default 30; 0.1 to 60)\n" HELP_LOST HELP_PREFIX
        HELP_SAY "\n"
    "Example:\n"
    "  eval \"$(redlock acquire --export deploy)\"; ./step-one; redlock extend -t 60 || exit\n";

static const char help_release[] =
    "usage: redlock release [options] [NAME]\n"
    "\n"
    "Gives back a lock that 'redlock acquire' took.  Exit code 79: it was not held any more.\n"
    "NAME is that of REDLOCK_NAME if it is left out.\n"
    "\n" HELP_URL HELP_PROOF HELP_LOST HELP_PREFIX HELP_SAY "\n"
    "Example:\n"
    "  eval \"$(redlock acquire --export deploy)\"; trap 'redlock release' EXIT; ./deploy\n";

static const char help_elect[] =
    "usage: redlock elect [options] NAME [--] COMMAND [ARGUMENT...]\n"
    "       redlock elect [options] NAME -c 'STRING FOR SH'\n"
    "\n"
    "Stands for the lock NAME and runs the command as its leader, as 'redlock run' does.  When "
    "the\n"
    "command ends or the lock is lost, it steps down, pauses (0.5 to 30 seconds, longer each time\n"
    "and at random), and stands again, until a signal ends it.\n"
    "\n" HELP_URL HELP_TTL "  -c, --command STRING run STRING by sh -c; before or after NAME\n"
    "  --once               stand and lead only once, and exit with the command's code\n"
    "  --on-elected STRING  run STRING by sh first; if it fails, the command is not started\n"
    "  --on-deposed STRING  run STRING by sh after the command, before the lock is given "
    "back\n" HELP_STOP HELP_LOST HELP_LABEL HELP_METRICS HELP_PREFIX HELP_SAY "\n"
    "Example:\n"
    "  redlock elect -t 10 --on-elected 'ip-take 10.0.0.9' --on-deposed 'ip-drop 10.0.0.9' \\\n"
    "      scheduler -- /usr/local/bin/scheduler\n";

static const char help_watch[] =
    "usage: redlock watch [options] [NAME]\n"
    "\n"
    "Keeps a lock alive that 'redlock acquire' took, until a signal comes or the lock is lost\n"
    "(exit code 79).  NAME is that of REDLOCK_NAME if it is left out.\n"
    "\n" HELP_URL HELP_PROOF HELP_TTL
    "  --on-error STRING    run STRING by sh for each renewal that fails\n"
    "  --on-end STRING      run STRING by sh at the end\n"
    "  --release            on a signal, release the lock; else it ends with its ttl\n" HELP_LOST
        HELP_METRICS HELP_PREFIX HELP_SAY "\n"
    "The hooks find REDLOCK_STATUS, too: why the renewal failed, LOST, or CANCELED by a signal.\n"
    "Each may take 10 seconds.\n"
    "\n"
    "Example:\n"
    "  eval \"$(redlock acquire --export deploy)\"\n"
    "  redlock watch --on-end \"kill $$\" & ./deploy; kill $!; redlock release\n";

static const char help_wait[] =
    "usage: redlock wait [options] NAME\n"
    "\n"
    "Waits until nobody holds the lock NAME, without taking it.\n"
    "\n" HELP_URL "  -n, --nonblock       only look\n"
    "  -w, --wait SECONDS   wait no longer than this, also for servers to come back\n" HELP_BUSY
        HELP_PREFIX HELP_SAY "\n"
    "Example:\n"
    "  redlock wait -w 600 deploy && echo 'the deployment is over'\n";

static const char help_break[] =
    "usage: redlock break [options] NAME\n"
    "\n"
    "Throws out whoever holds the lock NAME, after saying who that is and asking.  The holder's\n"
    "renewals do not bring it back, but until the next of them it believes in its lock: two can\n"
    "work at once for so long.\n"
    "\n" HELP_URL "  -y, --yes            do not ask\n" HELP_PREFIX HELP_SAY "\n"
    "Example:\n"
    "  redlock break --yes deploy\n";

const char *redlock_help_use_text(const char *topic) {
    static const struct {
        const char *topic;
        const char *text;
    } texts[] = {
        {"run", help_run},       {"acquire", help_acquire}, {"hold", help_hold},
        {"extend", help_extend}, {"release", help_release}, {"elect", help_elect},
        {"watch", help_watch},   {"wait", help_wait},       {"break", help_break},
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (strcmp(topic, texts[i].topic) == 0) {
            return texts[i].text;
        }
    }
    return NULL;
}
