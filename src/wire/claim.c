/* claim.c */
#include "wire/claim.h"

bool redlock_claim_is_awaited(const redlock_command *release) {
    return release->kind == REDLOCK_COMMAND_RELEASE && release->fenced &&
           release->hand_off_ms > 0 && release->place != REDLOCK_PLACE_STAY && !release->teach;
}

bool redlock_claim_suits(const redlock_command *release, const redlock_command *grant) {
    bool is_simple =
        !grant->teach && !grant->barge && grant->run_id.len == 0; /* a key of its own */

    return redlock_claim_is_awaited(release) && grant->kind == REDLOCK_COMMAND_GRANT &&
           grant->follows && is_simple && redlock_bytes_equal(release->name, grant->name);
}

redlock_claim redlock_claim_of(const redlock_command *grant) {
    return (redlock_claim){
        .token = grant->token, .ttl_ms = grant->ttl_ms, .not_after_ms = grant->not_after_ms};
}

redlock_answer redlock_claim_answer(redlock_answer *release) {
    redlock_answer grant = *release;

    switch (release->kind) {
    case REDLOCK_ANSWER_YES:
    case REDLOCK_ANSWER_NO:
    case REDLOCK_ANSWER_LATE:
        release->mark = 0;
        if (grant.mark > 0) {
            return grant;
        }
        grant.kind = REDLOCK_ANSWER_UNSEEN;
        grant.status = REDLOCK_REFUSED;
        return grant;
    case REDLOCK_ANSWER_HEALED:
    case REDLOCK_ANSWER_NOT_READY:
    case REDLOCK_ANSWER_CLOCK:
    case REDLOCK_ANSWER_FORGOT:
    case REDLOCK_ANSWER_UNSEEN:
    case REDLOCK_ANSWER_ERROR:
        return grant; /* for both: nothing was done */
    }
    return grant;
}
