/* ask.c -- plain questions to one node: what redlock/ask.h promises, on a connection of src/drive. */
#include <redlock/ask.h>

#include <stdlib.h>
#include <string.h>

#include "api/inside.h"
#include "base/assert.h"
#include "drive/ask.h"
#include "drive/clock.h"
#include "wire/step.h"

#define TIMEOUT_MS 1000
#define TIMEOUT_MS_LIMIT INT64_C(3600000)
#define WORDS_MAX 1024u
#define OUT_BYTES_MIN 4096u
#define OUT_BYTES_HELD 65536u /* more than this is sent at once */

struct redlock_ask {
    redlock_asker asker;
    redlock_tls *tls; /* NULL: plain */
    redlock_tls_facts tls_facts;
    redlock_buffer out; /* sent by the next receive */
    redlock_reply *replies;
    uint64_t due; /* sends without a receive */
    redlock_ns answer_timeout, sent_at;
    char where[REDLOCK_WHERE_BYTES];
};

/* --- reports --------------------------------------------------------------------------------- */

static int report_write(redlock_node_report *report, const redlock_ask *ask, redlock_status status,
                        const char *words) {
    if (report == NULL) {
        return status;
    }
    memset(report, 0, sizeof *report);
    report->status = status;
    if (ask != NULL) {
        memcpy(report->where, ask->where, sizeof report->where);
    }
    redlock_bytes_to_text(redlock_bytes_of(words), report->words, sizeof report->words);
    return status;
}

/* What the connection below said. */
static int report_asker(redlock_node_report *report, const redlock_ask *ask,
                        redlock_status status) {
    (void)report_write(report, ask, status, status == REDLOCK_OK ? "" : ask->asker.words);
    if (report != NULL && status != REDLOCK_OK) {
        report->sys_errno = ask->asker.sys_errno;
    }
    return status;
}

/* --- replies --------------------------------------------------------------------------------- */

static redlock_reply_kind kind_of(redlock_resp_kind kind) {
    switch (kind) {
    case REDLOCK_RESP_SIMPLE:
    case REDLOCK_RESP_BULK:
        return REDLOCK_REPLY_TEXT;
    case REDLOCK_RESP_ERROR:
        return REDLOCK_REPLY_ERROR;
    case REDLOCK_RESP_INTEGER:
        return REDLOCK_REPLY_INTEGER;
    case REDLOCK_RESP_NIL:
        return REDLOCK_REPLY_NIL;
    case REDLOCK_RESP_ARRAY:
        return REDLOCK_REPLY_ARRAY;
    }
    return REDLOCK_REPLY_NIL;
}

/* The text's CRLF is not needed any more, and a NUL in its place makes a string of it. */
static void reply_fill(redlock_reply *reply, const redlock_resp_value *value, uint8_t *data) {
    *reply = (redlock_reply){
        .kind = kind_of(value->kind), .integer = value->integer, .text = "", .status = REDLOCK_OK};
    redlock_bytes text = redlock_resp_text(value, data);
    if (text.at != NULL) {
        reply->text = (const char *)text.at;
        reply->text_len = text.len;
        data[value->at + value->len] = '\0';
    }
    if (value->kind == REDLOCK_RESP_ERROR) {
        reply->status = redlock_step_error_status(text);
    } else if (value->kind == REDLOCK_RESP_ARRAY) {
        reply->integer = value->count;
    }
}

/* From the list to the tree: `next` leads from one element to the one after all that is inside it.
 * The arrays that are open are kept as in the reader, outermost first. */
static const redlock_reply *reply_build(redlock_ask *ask) {
    const redlock_tree *tree = &ask->asker.tree;
    redlock_reply *open[REDLOCK_TREE_DEPTH_MAX];
    redlock_reply *last[REDLOCK_TREE_DEPTH_MAX];
    int64_t left[REDLOCK_TREE_DEPTH_MAX];
    size_t depth = 0;
    for (uint32_t i = 0; i < tree->value_count; i++) {
        redlock_reply *reply = &ask->replies[i];
        reply_fill(reply, &tree->values[i], ask->asker.in.at);
        while (depth > 0 && left[depth - 1] == 0) {
            depth--;
        }
        if (depth > 0) {
            redlock_reply **place = &last[depth - 1];
            if (*place == NULL) {
                open[depth - 1]->first = reply;
            } else {
                (*place)->next = reply;
            }
            *place = reply;
            left[depth - 1]--;
        }
        if (reply->kind == REDLOCK_REPLY_ARRAY && reply->integer > 0) {
            open[depth] = reply;
            last[depth] = NULL;
            left[depth] = reply->integer;
            depth++;
        }
    }
    return &ask->replies[0];
}

/* --- asking ---------------------------------------------------------------------------------- */

static redlock_status out_flush(redlock_ask *ask) {
    redlock_status status = REDLOCK_OK;
    if (ask->out.len > 0) {
        ask->sent_at = redlock_clock_now();
        redlock_ns deadline = redlock_ns_add(ask->sent_at, ask->answer_timeout);
        redlock_bytes bytes = {.at = ask->out.at, .len = ask->out.len};
        status = redlock_asker_write(&ask->asker, bytes, deadline);
        explicit_bzero(ask->out.at, ask->out.len); /* AUTH */
        ask->out.len = 0;
    }
    return status;
}

static size_t words_write(redlock_resp_writer *writer, const char *const *words,
                          const size_t *lengths, size_t count) {
    redlock_resp_write_header(writer, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        redlock_resp_write_bulk(
            writer, (redlock_bytes){.at = (const uint8_t *)words[i],
                                    .len = lengths != NULL ? lengths[i] : strlen(words[i])});
    }
    return writer->len;
}

int redlock_ask_send(redlock_ask *ask, const char *const *words, const size_t *lengths,
                     size_t count, redlock_node_report *report) {
    if (ask == NULL || words == NULL || count < 1 || count > WORDS_MAX) {
        return report_write(report, ask, REDLOCK_INVALID, "a command has 1 to 1,024 words");
    }
    if (ask->asker.fd < 0) {
        return report_write(report, ask, REDLOCK_CLOSED, "the connection was closed before");
    }
    redlock_resp_writer measure = {.at = NULL, .size = 0};
    size_t need = words_write(&measure, words, lengths, count);
    if (!redlock_buffer_reserve(&ask->out, need, OUT_BYTES_MIN)) {
        return report_write(report, ask, REDLOCK_NOMEM, "no memory for a command");
    }
    redlock_resp_writer writer = {.at = ask->out.at + ask->out.len, .size = need};
    ask->out.len += words_write(&writer, words, lengths, count);
    ask->due++;
    redlock_status status = ask->out.len > OUT_BYTES_HELD ? out_flush(ask) : REDLOCK_OK;
    return report_asker(report, ask, status);
}

int redlock_ask_receive(redlock_ask *ask, const redlock_reply **ret_reply,
                        redlock_node_report *report) {
    if (ask == NULL || ret_reply == NULL || ask->due == 0) {
        return report_write(report, ask, REDLOCK_INVALID, "there is nothing to receive");
    }
    redlock_status status = out_flush(ask);
    if (status == REDLOCK_OK) {
        status = redlock_asker_read(&ask->asker, redlock_ns_add(ask->sent_at, ask->answer_timeout));
    }
    ask->due = status == REDLOCK_OK ? ask->due - 1 : 0;
    (void)report_asker(report, ask, status);
    if (status == REDLOCK_OK) {
        *ret_reply = reply_build(ask);
    }
    if (status == REDLOCK_OK && report != NULL) {
        report->latency_us =
            (int64_t)(redlock_ns_since(redlock_clock_now(), ask->sent_at) / REDLOCK_NS_PER_US);
    }
    return status;
}

int redlock_ask_command(redlock_ask *ask, const char *const *words, const size_t *lengths,
                        size_t count, const redlock_reply **ret_reply,
                        redlock_node_report *report) {
    if (ask == NULL || ret_reply == NULL || ask->due > 0) {
        return report_write(report, ask, REDLOCK_INVALID, "another answer is due first");
    }
    int status = redlock_ask_send(ask, words, lengths, count, report);
    return status == REDLOCK_OK ? redlock_ask_receive(ask, ret_reply, report) : status;
}

/* --- opening --------------------------------------------------------------------------------- */

/* One command of the login; a refusal is the end of it. */
static int login_ask(redlock_ask *ask, const char *const *words, size_t count,
                     redlock_node_report *report) {
    const redlock_reply *reply = NULL;
    int status = redlock_ask_command(ask, words, NULL, count, &reply, report);
    REDLOCK_ASSERT(status != REDLOCK_OK || reply != NULL);
    if (status == REDLOCK_OK && reply->kind == REDLOCK_REPLY_ERROR) {
        status = report_write(report, ask, (redlock_status)reply->status, reply->text);
    }
    return status;
}

/* AUTH and SELECT, or TIME in their place: a server that wants a password, or is no Redis at all, is
 * known when the open returns.  TIME is what everybody who has locks may ask; PING is not. */
static int log_in(redlock_ask *ask, const redlock_url *url, redlock_node_report *report) {
    uint8_t digits[REDLOCK_DIGITS_MAX];
    char db[REDLOCK_DIGITS_MAX + 1];
    bool has_user = url->user[0] != '\0';
    const char *const user_words[] = {"AUTH", url->user, url->password};
    const char *const default_words[] = {"AUTH", url->password};
    const char *const time_words[] = {"TIME"};
    int status = REDLOCK_OK;
    if (url->password[0] != '\0') {
        status = has_user ? login_ask(ask, user_words, 3, report)
                          : login_ask(ask, default_words, 2, report);
    }
    redlock_bytes_to_text(redlock_bytes_from_u64(url->db, digits), db, sizeof db);
    const char *const select_words[] = {"SELECT", db};
    if (status == REDLOCK_OK && url->db != 0) {
        status = login_ask(ask, select_words, 2, report);
    }
    if (url->password[0] == '\0' && url->db == 0) {
        status = login_ask(ask, time_words, 1, report);
        /* A user that may do even less has logged in all the same. */
        status = status == REDLOCK_NO_PERMISSION ? REDLOCK_OK : status;
    }
    return status;
}

static int ask_make_tls(redlock_ask *ask, const redlock_url *url, const redlock_ask_options *given,
                        redlock_node_report *report) {
    const redlock_tls_config config = {
        .ca_file = given->tls_ca_file,
        .ca_dir = given->tls_ca_dir,
        .cert_file = given->tls_cert_file,
        .key_file = given->tls_key_file,
        .no_verify = (given->flags & REDLOCK_CLIENT_TLS_NO_VERIFY) != 0,
    };
    char words[REDLOCK_WORDS_BYTES];
    if (url->scheme != REDLOCK_URL_TLS) {
        return REDLOCK_OK;
    }
    redlock_status status = redlock_tls_create(&config, &ask->tls, words, sizeof words);
    return status == REDLOCK_OK ? REDLOCK_OK : report_write(report, ask, status, words);
}

static int ask_connect(redlock_ask *ask, const redlock_url *url, const redlock_ask_options *given,
                       redlock_node_report *report) {
    redlock_status status = redlock_asker_init(&ask->asker);
    ask->replies = calloc(REDLOCK_ASKER_VALUES_MAX, sizeof *ask->replies);
    if (status != REDLOCK_OK || ask->replies == NULL) {
        return report_write(report, ask, REDLOCK_NOMEM, "no memory for answers");
    }
    int result = ask_make_tls(ask, url, given, report);
    if (result != REDLOCK_OK) {
        return result;
    }
    redlock_ns deadline = redlock_ns_add(redlock_clock_now(),
                                         redlock_ns_from_ms((uint64_t)given->connect_timeout_ms));
    status = redlock_asker_connect(&ask->asker, url, ask->tls, deadline);
    if (status != REDLOCK_OK) {
        return report_asker(report, ask, status);
    }
    if (ask->tls != NULL) {
        ask->tls_facts = redlock_tls_link_facts(ask->asker.link);
    }
    /* Each step of the login has what the steps before it left. */
    redlock_ns answer_timeout = ask->answer_timeout;
    ask->answer_timeout = redlock_ns_since(deadline, redlock_clock_now());
    result = log_in(ask, url, report);
    ask->answer_timeout = answer_timeout;
    return result;
}

static bool options_take(redlock_ask_options *given) {
    if (given->connect_timeout_ms == 0) {
        given->connect_timeout_ms = TIMEOUT_MS;
    }
    if (given->answer_timeout_ms == 0) {
        given->answer_timeout_ms = TIMEOUT_MS;
    }
    return (given->flags & ~REDLOCK_CLIENT_TLS_NO_VERIFY) == 0 && given->connect_timeout_ms > 0 &&
           given->connect_timeout_ms <= TIMEOUT_MS_LIMIT && given->answer_timeout_ms > 0 &&
           given->answer_timeout_ms <= TIMEOUT_MS_LIMIT;
}

int redlock_ask_open(const char *url, const redlock_ask_options *options, redlock_ask **ret_ask,
                     redlock_node_report *report) {
    redlock_ask_options given;
    redlock_url parsed;
    redlock_url_error error = {0, ""};
    redlock_status status = redlock_options_read(&given, sizeof given, options);
    if (status != REDLOCK_OK || url == NULL || ret_ask == NULL || !options_take(&given)) {
        return report_write(report, NULL, status != REDLOCK_OK ? status : REDLOCK_INVALID,
                            "an argument is missing or an option out of its range");
    }
    status = redlock_url_parse(redlock_bytes_of(url), &parsed, &error);
    if (status != REDLOCK_OK) {
        return report_write(report, NULL, status, error.text);
    }
    redlock_ask *ask = calloc(1, sizeof *ask);
    if (ask == NULL) {
        explicit_bzero(&parsed, sizeof parsed);
        return report_write(report, NULL, REDLOCK_NOMEM, "no memory");
    }

    redlock_url_to_text(&parsed, ask->where, sizeof ask->where);
    ask->answer_timeout = redlock_ns_from_ms((uint64_t)given.answer_timeout_ms);
    int result = ask_connect(ask, &parsed, &given, report);
    explicit_bzero(&parsed, sizeof parsed); /* the password */
    if (result == REDLOCK_OK) {
        *ret_ask = ask;
    } else {
        redlock_ask_close(ask);
    }
    return result;
}

void redlock_ask_close(redlock_ask *ask) {
    if (ask != NULL) {
        redlock_asker_deinit(&ask->asker);
        redlock_tls_destroy(ask->tls); /* after its link */
        free(ask->out.at);
        free(ask->replies);
        free(ask);
    }
}

const char *redlock_ask_tls_version(const redlock_ask *ask) {
    return ask != NULL ? ask->tls_facts.version : "";
}

int64_t redlock_ask_tls_until_s(const redlock_ask *ask) {
    return ask != NULL ? ask->tls_facts.until_s : 0;
}
