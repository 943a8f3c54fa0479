/* acl.c -- the rights that a user on the servers needs, a line for each purpose. */
#include "cli/acl.h"

#include <stdio.h>
#include <string.h>

#include "cli/config.h"
#include "cli/json.h"
#include "cli/key.h"

typedef struct acl_purpose {
    const char *word;  /* for programs */
    const char *what;  /* for people */
    const char *rules; /* beside the keys, which only the first line has */
} acl_purpose;

/* Each line adds to those above it, and most users need the first two. */
static const acl_purpose purposes[] = {
    {"lock", "acquire, renew, extend, release, break, adopt, init; status, wait",
     "+eval +evalsha +script|load +info +time +get +mget +set +del +exists +pttl +pexpire "
     "+zpopmin +zcard +zrange"},
    {"queue", "waiting in order, and names that others wait for",
     "+zadd +zrem +zrank +zrevrange +hget +hset +hdel"},
    {"wake", "being woken and waking others; without it who waits polls, in no order",
     "&redlock:wake:* +publish +subscribe"},
    {"comfort", "a name in CLIENT LIST; scripts that are sent once, not on each connection",
     "+client|setname +script|exists"},
    {"db", "URLs with a database other than 0", "+select"},
    {"list", "ls and top, which look at every key", "+scan +getrange"},
    {"doctor", "what only doctor asks", "+config|get +acl|whoami"},
};

/* Rules with the name of a command that the server does not have are refused, so these are in no line. */
static const char optional[] =
    "# optional, for plain locks: +delifeq (Valkey 9.0) or +delex (Redis 8.4); servers without the "
    "command refuse the rule\n";

typedef struct acl_line {
    char text[8192];
    size_t len;
    bool is_cut;
} acl_line;

static void text_add(acl_line *line, const char *text, size_t len) {
    if (len >= sizeof(line->text) - line->len) {
        line->is_cut = true;
        return;
    }
    memcpy(line->text + line->len, text, len);
    line->len += len;
    line->text[line->len] = '\0';
}

static void word_add(acl_line *line, const char *word) {
    text_add(line, word, strlen(word));
}

/* A rule is one word of a line: what would end or quote it there becomes '?', any one byte.  What is
 * literal, like the prefix, stands for itself. */
static void pattern_add(acl_line *line, const char *text, bool is_literal) {
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte <= ' ' || byte >= 127 || byte == '"' || byte == '\'') {
            text_add(line, "?", 1);
        } else {
            text_add(line, "\\", is_literal && strchr("*?[]\\", byte) != NULL ? 1 : 0);
            text_add(line, text, 1);
        }
    }
}

static void key_add(acl_line *line, const char *prefix, const char *before, const char *name,
                    const char *behind) {
    word_add(line, " ~");
    pattern_add(line, prefix, true);
    word_add(line, before);
    pattern_add(line, name, false);
    word_add(line, behind);
}

/* The lock itself, and its companions: of a name without and with a hash tag of its own. */
static void name_add(acl_line *line, const char *prefix, const char *name) {
    key_add(line, prefix, "", name, "");
    key_add(line, prefix, "redlock:{", name, "}:*");
    key_add(line, prefix, "redlock:=", name, ":*");
}

static void keys_add(acl_line *line, const redlock_view_options *options) {
    if (options->words[0] == NULL) {
        name_add(line, options->key_prefix, "*");
    }
    for (char **word = options->words; *word != NULL; word++) {
        name_add(line, options->key_prefix, *word);
    }
    key_add(line, options->key_prefix, "redlock:{boot}", "", "");
}

static void purpose_write(acl_line *line, size_t index, const char *user,
                          const redlock_view_options *options) {
    const char *word = purposes[index].word;

    *line = (acl_line){.len = 0};
    word_add(line, "ACL SETUSER ");
    pattern_add(line, user, false);
    if (index == 0) {
        word_add(line, " reset on >SECRET resetchannels");
        keys_add(line, options);
    } else if (strcmp(word, "doctor") == 0) {
        key_add(line, options->key_prefix, "redlock:{redlock-doctor}:probe", "", "");
    }
    word_add(line, " ");
    word_add(line, purposes[index].rules);
}

static void purpose_print(const acl_purpose *purpose, const acl_line *line, bool is_json) {
    redlock_json json = {.out = stdout};

    if (!is_json) {
        (void)printf("# %s: %s\n%s\n", purpose->word, purpose->what, line->text);
        return;
    }
    redlock_json_open(&json, NULL, '{');
    redlock_json_text(&json, "purpose", purpose->word);
    redlock_json_text(&json, "what", purpose->what);
    redlock_json_text(&json, "command", line->text);
    redlock_json_close(&json, '}');
    redlock_json_end_line(&json);
}

int redlock_acl_print(const redlock_view_options *options) {
    redlock_config config;
    int code = redlock_config_load(&config, "doctor");
    const char *user = redlock_config_environment("user");
    acl_line line;

    user = user != NULL ? user : redlock_config_value(&config, "user", 0);
    user = user != NULL ? user : "locker";
    for (size_t i = 0; code == 0 && i < sizeof(purposes) / sizeof(purposes[0]); i++) {
        purpose_write(&line, i, user, options);
        if (line.is_cut) {
            code = redlock_say_usage("doctor", "these are too many patterns for one line");
        } else {
            purpose_print(&purposes[i], &line, options->is_json);
        }
    }
    if (code == 0 && !options->is_json) {
        (void)fputs(optional, stdout);
    }
    redlock_config_deinit(&config);
    return code;
}
