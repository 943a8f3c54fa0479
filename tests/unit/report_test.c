/* report_test.c -- the sentence for people, whatever the nodes have said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/inside.h"
#include "stage.h"

#define GRANT REDLOCK_COMMAND_GRANT

static redlock_client client_of(uint32_t node_count) {
    redlock_client client = {.node_count = node_count, .quorum = node_count / 2 + 1};
    for (uint32_t i = 0; i < node_count; i++) {
        (void)snprintf(client.where[i], sizeof client.where[i], "redis://n%u:6379", i + 1);
    }
    return client;
}

/* Every node refuses for a reason of its own; says the status of the call. */
static redlock_report refused(uint32_t node_count, redlock_status first, redlock_status told) {
    redlock_core_config config = test_stage_config(node_count);
    redlock_client client = client_of(node_count);
    redlock_report report = REDLOCK_INIT(redlock_report);
    redlock_seek seek = test_stage_seek();
    test_stage *stage = test_stage_ready(&config);
    seek.wait = REDLOCK_NEVER;
    uint32_t slot = test_stage_acquire(stage, &seek);
    for (uint32_t i = 0; i < node_count; i++) {
        if (test_stage_open(stage, slot, i, GRANT) != NULL) {
            test_stage_error(stage, slot, i, GRANT, (redlock_status)((int)first - (int)i));
        }
    }
    redlock_report_fill(&report, &client, stage->core, slot, told);
    test_stage_end(stage);
    return report;
}

static void causes_are_counted_and_cut_when_they_are_many(void **state) {
    (void)state;
    redlock_report few = refused(3, REDLOCK_REFUSED, REDLOCK_NO_QUORUM);
    assert_non_null(strstr(few.sentence, "2 of 3 nodes are needed and 0 granted (1 REFUSED"));
    redlock_report many = refused(15, REDLOCK_AUTH, REDLOCK_NO_QUORUM);
    assert_non_null(strstr(many.sentence, "8 of 15 nodes are needed and 0 granted (1 AUTH, "));
    assert_true(strlen(many.sentence) < sizeof many.sentence);
}

static void certificate_that_is_not_trusted_is_told_in_the_nodes_words(void **state) {
    (void)state;
    redlock_report report = refused(1, REDLOCK_UNTRUSTED, REDLOCK_UNTRUSTED);
    assert_string_equal(report.sentence, "redis://n1:6379: the server's words");
    report = refused(1, REDLOCK_REFUSED, REDLOCK_UNTRUSTED); /* no node has any */
    assert_string_equal(report.sentence, redlock_status_text(REDLOCK_UNTRUSTED));
}

static void timeout_without_a_holder_says_what_a_timeout_is(void **state) {
    (void)state;
    redlock_report report = refused(1, REDLOCK_REFUSED, REDLOCK_TIMEOUT);
    assert_string_equal(report.sentence, redlock_status_text(REDLOCK_TIMEOUT));
}

static void report_that_is_none_or_too_small_is_left_alone(void **state) {
    redlock_report report;
    (void)state;
    memset(&report, 'x', sizeof report);
    report.struct_size = sizeof report - 1;
    assert_int_equal(redlock_report_refuse(&report, REDLOCK_INVALID, NULL), REDLOCK_INVALID);
    redlock_report_fill(&report, NULL, NULL, 0, REDLOCK_HELD);
    assert_int_equal(report.sentence[0], 'x');
    assert_int_equal(redlock_report_refuse(NULL, REDLOCK_INVALID, NULL), REDLOCK_INVALID);
    report.struct_size = sizeof report;
    assert_int_equal(redlock_report_refuse(&report, REDLOCK_INVALID, "why"), REDLOCK_INVALID);
    assert_string_equal(report.sentence, "why");
    assert_int_equal(report.status, REDLOCK_INVALID);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(causes_are_counted_and_cut_when_they_are_many),
        cmocka_unit_test(certificate_that_is_not_trusted_is_told_in_the_nodes_words),
        cmocka_unit_test(timeout_without_a_holder_says_what_a_timeout_is),
        cmocka_unit_test(report_that_is_none_or_too_small_is_left_alone),
    };

    return cmocka_run_group_tests_name("reports", tests, NULL, NULL);
}
