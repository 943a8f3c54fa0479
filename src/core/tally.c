/* tally.c -- what the votes of a round say together, and the one word for why they fall short. */
#include "core/inside.h"

/* A cause that more waiting does not mend, or that says more than "no quorum". */
static bool status_is_telling(redlock_status status) {
    return status != REDLOCK_OK && status != REDLOCK_SILENT && status != REDLOCK_IO &&
           status != REDLOCK_CLOSED;
}

/* How many failed votes say the same as this one. */
static uint32_t count_same(const redlock_core *core, const redlock_slot *slot,
                           redlock_status status) {
    uint32_t same = 0;
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        const redlock_vote *vote = &slot->votes[i];
        same += vote->outcome == REDLOCK_OUTCOME_FAILED && vote->status == status;
    }
    return same;
}

redlock_tally redlock_tally_of(const redlock_core *core, const redlock_slot *slot) {
    redlock_tally tally = {.common = REDLOCK_OK};
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        const redlock_vote *vote = &slot->votes[i];
        tally.yes += vote->outcome == REDLOCK_OUTCOME_YES;
        tally.healed += vote->outcome == REDLOCK_OUTCOME_HEALED;
        tally.no += vote->outcome == REDLOCK_OUTCOME_NO;
        tally.open += vote->outcome == REDLOCK_OUTCOME_OPEN;
        if (vote->outcome == REDLOCK_OUTCOME_FAILED) {
            tally.failed++;
            tally.not_ready += vote->status == REDLOCK_NOT_READY;
            bool prevents =
                count_same(core, slot, vote->status) > core->config.node_count - core->quorum;
            tally.common = prevents ? vote->status : tally.common;
        }
    }
    return tally;
}

redlock_status redlock_tally_cause(const redlock_core *core, const redlock_tally *tally,
                                   redlock_status no) {
    REDLOCK_ASSERT(tally->yes + tally->no + tally->failed + tally->open + tally->healed <=
                   core->config.node_count);
    /* What is open was not waited for, because it could not change the outcome; it may well have said
     * the same. */
    uint32_t reached = tally->yes + tally->no + tally->open;
    if (tally->no > 0 && reached >= core->quorum) {
        return no;
    }
    if (tally->not_ready > 0 && reached + tally->not_ready >= core->quorum) {
        return REDLOCK_NOT_READY;
    }
    return status_is_telling(tally->common) ? tally->common : REDLOCK_NO_QUORUM;
}
