#include "sim/mutant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mutant.h"
#include "script/script.h"

typedef struct patch { /* the text `from` of a script becomes `to` */
    const char *name, *words;
    redlock_command_kind kind;
    const char *from, *to;
} patch;

static const patch patches[] = {
    {"RELEASE_OF_ANY_TOKEN", "RELEASE does not compare the token", REDLOCK_COMMAND_RELEASE,
     "local holds = holder == token", "local holds = holder"},
    {"PLAIN_RELEASE_OF_ANY_TOKEN", "a plain RELEASE does not compare the token",
     REDLOCK_COMMAND_RELEASE, "if holder_read() ~= token then", "if not holder_read() then"},
    {"RENEW_OF_ANY_TOKEN", "RENEW does not compare the token", REDLOCK_COMMAND_RENEW,
     "if holder and holder ~= token then", "if false then"},
    {"RAISE_OF_ANY_TOKEN", "RAISE does not compare the token", REDLOCK_COMMAND_RAISE,
     "if holder ~= token then", "if false then"},
    {"GRANT_OF_HELD", "GRANT takes what another token holds", REDLOCK_COMMAND_GRANT,
     "local is_taken = holder and holder ~= token", "local is_taken = false holder = nil"},
    {"GRANT_NOT_IDEMPOTENT", "asking again with the same token is a no", REDLOCK_COMMAND_GRANT,
     "if holder == token and (mark > 0 or fence == 0) then",
     "if holder == token then return answer(NO, mark, 1, holder, 0) end if false then"},
    {"GRANT_WITHOUT_END", "the key has no expiry", REDLOCK_COMMAND_GRANT,
     "redis.call('SET', KEYS[1], token, 'PX', digits(ttl_ms))",
     "redis.call('SET', KEYS[1], token)"},
    {"GRANT_LATE", "GRANT does not look at not-after", REDLOCK_COMMAND_GRANT,
     "if is_late(not_after_ms) then", "if false then"},
    {"RENEW_OF_A_LOWER_FENCE", "RENEW leaves the mark below the fence", REDLOCK_COMMAND_RENEW,
     "if mark < fence or is_new_hour then", "if is_new_hour then"},
    {"RENEW_LATE", "RENEW does not look at not-after", REDLOCK_COMMAND_RENEW,
     "if is_late(not_after_ms) then", "if false then"},
    {"GUARD_FORGOTTEN", "GRANT does not ask the guard", REDLOCK_COMMAND_GRANT,
     "local refusal = guard_refusal(KEYS[5], run, guard_ms)", "local refusal = nil"},
    {"GUARD_TOO_SHORT", "the silence is a tenth of what it should be", REDLOCK_COMMAND_GRANT,
     "now_ms < since + guard_ms then", "now_ms < since + guard_ms / 10 then"},
    {"MARK_IS_A_COUNTER", "marks only count: what clients propose is ignored",
     REDLOCK_COMMAND_GRANT, "mark = math.max(mark + 1, fence)", "mark = mark + 1"},
    {"MARK_FALLS", "the mark is what the client proposes", REDLOCK_COMMAND_GRANT,
     "mark = math.max(mark + 1, fence)", "mark = fence"},
    {"MARK_STAYS", "a grant may leave the mark as it is", REDLOCK_COMMAND_GRANT,
     "mark = math.max(mark + 1, fence)", "mark = math.max(mark, fence)"},
    {"RAISE_NOT_WRITTEN", "RAISE answers and writes nothing", REDLOCK_COMMAND_RAISE,
     "mark_write(mark)\nreturn", "return"},
    {"RENEW_SHORTENS", "a renewal may shorten what was promised", REDLOCK_COMMAND_RENEW,
     "if knows_gt and redis.call('PEXPIRE', lock, ttl, 'GT') == 1 then",
     "redis.call('PEXPIRE', lock, ttl) if true then"},
    {"RENEW_NOT_WRITTEN", "RENEW answers and lengthens nothing", REDLOCK_COMMAND_RENEW,
     "if knows_gt and redis.call('PEXPIRE', lock, ttl, 'GT') == 1 then", "if true then"},
    {"HAND_OFF_WITHOUT_MARK", "a hand-off leaves the mark as it is", REDLOCK_COMMAND_RELEASE,
     "mark = mark > 0 and mark + 1 or 0", "mark = mark > 0 and mark or 0"},
    {"HAND_OFF_TO_THE_LAST", "the last in the queue is served first", REDLOCK_COMMAND_RELEASE,
     "redis.call('ZPOPMIN', KEYS[3])", "redis.call('ZREVRANGE', KEYS[3], 0, 0, 'WITHSCORES')"},
    {"HAND_OFF_TO_THE_DEAD", "a waiter that nobody hears is handed the name",
     REDLOCK_COMMAND_RELEASE, "if heard then\nnext", "if heard ~= nil then\nnext"},
    {"HAND_OFF_TOO_LONG", "a hand-off lasts ten times as long", REDLOCK_COMMAND_RELEASE,
     "claim_ttl_ms or hand_off_ms)", "claim_ttl_ms or hand_off_ms * 10)"},
    {"CLAIM_TOO_LONG", "a claim is served for ten times as long", REDLOCK_COMMAND_RELEASE,
     "claim and claim_ttl_ms or", "claim and claim_ttl_ms * 10 or"},
    {"CLAIM_OVERTAKES", "a claim behind a release is served before those who wait for longer",
     REDLOCK_COMMAND_RELEASE, "if mark > 0 and first[1] == claim then",
     "first[1] = claim or first[1]\nif mark > 0 and first[1] == claim then"},
    {"CLAIM_NOT_GIVEN", "a claim is said to be served, and somebody else is",
     REDLOCK_COMMAND_RELEASE, "return answer(YES, 0, 0, next == claim and",
     "return answer(YES, 0, 0, claim and"},
    {"LEASE_IGNORED", "who has not asked for long is handed the name", REDLOCK_COMMAND_RELEASE,
     "if not until_ms or until_ms < now_ms then", "if not until_ms then"},
    {"LEAVER_KEEPS_THE_GRANT", "who leaves with a grant does not pass it on",
     REDLOCK_COMMAND_RELEASE, "if hands_over and not first[1] then",
     "if hands_over and (place == 'leave' or not first[1]) then"},
    {"RELEASED_WITHOUT_WAKE", "a release wakes nobody", REDLOCK_COMMAND_RELEASE,
     "queue_wake_before(stays and token or '')", "redis.call('TIME')"},
    {"NEWCOMERS_OVERTAKE", "a free name is given to whoever asks", REDLOCK_COMMAND_GRANT,
     "is_taken = queue_wake_before(token)", "is_taken = false"},
    {"HEAL_IS_A_YES", "a healed key is a vote at once", REDLOCK_COMMAND_RENEW,
     "return HEALED, mark, ''", "return YES, mark, ''"},
};

#define CORE_COUNT ((uint32_t)REDLOCK_MUTANT_COUNT - 1)
#define PATCH_COUNT ((uint32_t)(sizeof patches / sizeof patches[0]))

#ifdef REDLOCK_MUTANTS
int redlock_mutant;
#endif
static uint32_t chosen; /* one per process: it is what the program is */

uint32_t redlock_sim_mutant_count(void) {
    return CORE_COUNT + PATCH_COUNT;
}

static const struct {
    const char *name, *words;
} core_mutants[] = {
#define NAMED(name, words) {#name, words},
    REDLOCK_MUTANT_MAP(NAMED)
#undef NAMED
};

const char *redlock_sim_mutant_name(uint32_t mutant) {
    return mutant <= CORE_COUNT ? core_mutants[mutant - 1].name
                                : patches[mutant - CORE_COUNT - 1].name;
}

const char *redlock_sim_mutant_words(uint32_t mutant) {
    return mutant <= CORE_COUNT ? core_mutants[mutant - 1].words
                                : patches[mutant - CORE_COUNT - 1].words;
}

uint32_t redlock_sim_mutant_of(const char *name) {
    for (uint32_t i = 1; i <= redlock_sim_mutant_count(); i++) {
        if (strcmp(name, redlock_sim_mutant_name(i)) == 0) {
            return i;
        }
    }
    return 0;
}

bool redlock_sim_mutant_choose(uint32_t mutant) {
    chosen = mutant > CORE_COUNT ? mutant : 0;
#ifdef REDLOCK_MUTANTS
    redlock_mutant = mutant <= CORE_COUNT ? (int)mutant : 0;
    return true;
#else
    return mutant == 0 || mutant > CORE_COUNT;
#endif
}

void redlock_sim_mutant_patch(redlock_sim_server *server) {
    if (chosen == 0) {
        return;
    }
    const patch *is = &patches[chosen - CORE_COUNT - 1];
    const char *text = redlock_script_of(is->kind)->text;
    const char *at = strstr(text, is->from);
    if (at == NULL) {
        (void)fprintf(stderr, "sim: the mutant %s finds nothing to change in its script\n",
                      is->name);
        abort();
    }
    size_t size = strlen(text) + strlen(is->to) + 1;
    char *changed = redlock_sim_zeroed(1, size);
    (void)snprintf(changed, size, "%.*s%s%s", (int)(at - text), text, is->to,
                   at + strlen(is->from));
    redlock_sim_server_patch(server, is->kind, changed);
    free(changed);
}
