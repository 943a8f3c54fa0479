/* look.c -- one question to every node, answered by what each of them says: who holds, who may vote. */
#include "core/fence.h"
#include "core/inside.h"

void redlock_look_start(redlock_core *core, redlock_slot *slot, uint64_t wall_us) {
    redlock_slot_become(slot, REDLOCK_SLOT_LOOKING);
    slot->proposal = redlock_fence_propose(wall_us, 0); /* for BREAK */
    slot->attempt++;
    slot->attempt_limit = redlock_ns_add(
        core->now, redlock_ns_add(core->config.connect_timeout, 2 * slot->seek.node_timeout));
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        redlock_vote *vote = &slot->votes[i];
        vote->attempt = slot->attempt;
        vote->outcome = REDLOCK_OUTCOME_OPEN;
        vote->status = REDLOCK_SILENT;
        (void)redlock_node_ask(core, vote, slot->question);
    }
    redlock_slot_touch(core, slot);
}

void redlock_look_review(redlock_core *core, redlock_slot *slot) {
    redlock_tally tally = redlock_tally_of(core, slot);
    if (tally.open > 0 && core->now < slot->attempt_limit) {
        return;
    }
    for (uint32_t i = 0; i < core->config.node_count; i++) {
        redlock_node_unask(&slot->votes[i]);
    }
    bool quorum = tally.yes >= core->quorum;
    redlock_status status =
        quorum ? REDLOCK_OK : redlock_tally_cause(core, &tally, REDLOCK_NOT_HELD);
    redlock_slot_become(slot, REDLOCK_SLOT_CLOSING);
    redlock_slot_tell(core, slot, REDLOCK_TELL_LOOKED, status);
    redlock_slot_touch(core, slot);
}
