/* count.c -- counting what passes between the core and a node. */
#include "api/count.h"

#include <string.h>

void redlock_count_answer(redlock_answers answers, redlock_status status) {
    uint32_t index = status <= 0 ? 0u - (uint32_t)status : REDLOCK_ANSWERS;
    if (index < REDLOCK_ANSWERS) {
        answers[index]++;
    }
}

/* Not the ring: no time is read there before it was written, and pages that nobody touches cost nothing. */
void redlock_meter_init(redlock_meter *meter) {
    memset(meter, 0, offsetof(redlock_meter, sent));
}

/* --- the ring -------------------------------------------------------------------------------- */

static void meter_sent(redlock_meter *meter, redlock_ns now) {
    meter->commands++;
    if (meter->untimed > 0 || meter->timed == REDLOCK_SENT_MAX) {
        meter->untimed++;
        return;
    }
    meter->sent[(meter->first + meter->timed) % REDLOCK_SENT_MAX] = now;
    meter->timed++;
}

static void meter_answered(redlock_meter *meter, redlock_ns now) {
    meter->answers++;
    if (meter->timed > 0) {
        redlock_histogram_add(&meter->round_trip, redlock_ns_since(now, meter->sent[meter->first]));
        meter->first = (meter->first + 1) % REDLOCK_SENT_MAX;
        meter->timed--;
    } else if (meter->untimed > 0) {
        meter->untimed--;
    }
}

static void meter_cut(redlock_meter *meter) {
    meter->unanswered += meter->timed + meter->untimed;
    meter->timed = 0;
    meter->untimed = 0;
    if (meter->linked) {
        meter->disconnects++;
    } else {
        meter->connects_failed++;
    }
    meter->linked = false;
}

/* --- what passes ----------------------------------------------------------------------------- */

static void meter_tell(redlock_meter *meter, const redlock_wish *wish) {
    if (wish->as.tell.event == REDLOCK_TELL_NODE_UP) {
        meter->up = true;
    } else if (wish->as.tell.event == REDLOCK_TELL_NODE_DOWN) {
        meter->up = false;
        redlock_count_answer(meter->errors, wish->as.tell.status);
    }
}

void redlock_meter_wish(redlock_meter *meter, const redlock_wish *wish, redlock_ns now) {
    switch (wish->kind) {
    case REDLOCK_WISH_SEND:
        meter_sent(meter, now);
        return;
    case REDLOCK_WISH_HANG_UP:
        meter_cut(meter); /* no fact follows */
        return;
    case REDLOCK_WISH_TELL:
        meter_tell(meter, wish);
        return;
    case REDLOCK_WISH_CONNECT:
    case REDLOCK_WISH_SUBSCRIBE:
    case REDLOCK_WISH_UNSUBSCRIBE:
    case REDLOCK_WISH_TOKEN:
    case REDLOCK_WISH_GONE:
        return;
    }
}

/* LATE, FORGOT and UNSEEN are followed by the same command again, and no to a question is no error. */
static bool is_error(redlock_answer_kind kind) {
    return kind == REDLOCK_ANSWER_ERROR || kind == REDLOCK_ANSWER_NOT_READY ||
           kind == REDLOCK_ANSWER_CLOCK;
}

void redlock_meter_fact(redlock_meter *meter, const redlock_fact *fact, redlock_ns now) {
    switch (fact->kind) {
    case REDLOCK_FACT_REPLY:
        meter_answered(meter, now);
        if (is_error(fact->as.reply.answer.kind)) {
            redlock_count_answer(meter->errors, fact->as.reply.answer.status);
        }
        return;
    case REDLOCK_FACT_LINK_UP:
        meter->linked = true;
        meter->connects++;
        return;
    case REDLOCK_FACT_LINK_DOWN:
        meter_cut(meter);
        return;
    case REDLOCK_FACT_WAKE:
        meter->wakes++;
        return;
    case REDLOCK_FACT_ACQUIRE:
    case REDLOCK_FACT_ADOPT:
    case REDLOCK_FACT_LOOK:
    case REDLOCK_FACT_TOKEN:
    case REDLOCK_FACT_EXTEND:
    case REDLOCK_FACT_RELEASE:
    case REDLOCK_FACT_CANCEL:
    case REDLOCK_FACT_SUBSCRIBED:
    case REDLOCK_FACT_UNSUBSCRIBED:
    case REDLOCK_FACT_TIME:
        return;
    }
}
