/* heap_test.c -- the heap of deadlines, against a twin that looks at every slot. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/heap.h"
#include "base/prng.h"

#define SLOTS 64

typedef struct slow_heap { /* obviously right: one deadline per slot, and a loop */
    redlock_ns deadline[SLOTS];
    uint32_t count;
} slow_heap;

static void twin_init(slow_heap *twin, uint32_t count) {
    twin->count = count;
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        twin->deadline[slot] = REDLOCK_NEVER;
    }
}

static uint32_t twin_first(const slow_heap *twin) {
    uint32_t first = REDLOCK_HEAP_NONE;

    for (uint32_t slot = 0; slot < twin->count; slot++) {
        if (twin->deadline[slot] != REDLOCK_NEVER &&
            (first == REDLOCK_HEAP_NONE || twin->deadline[slot] < twin->deadline[first])) {
            first = slot;
        }
    }
    return first;
}

static void assert_agree(const redlock_heap *heap, const slow_heap *twin) {
    uint32_t first = twin_first(twin);

    assert_int_equal(redlock_heap_first(heap), first);
    assert_int_equal(redlock_heap_deadline(heap),
                     first == REDLOCK_HEAP_NONE ? REDLOCK_NEVER : twin->deadline[first]);
}

static void set_both(redlock_heap *heap, slow_heap *twin, uint32_t slot, redlock_ns deadline) {
    redlock_heap_set(heap, slot, deadline);
    twin->deadline[slot] = deadline;
    assert_agree(heap, twin);
}

static void empty_heap_has_no_deadline(void **state) {
    redlock_heap heap;
    redlock_heap_entry entries[2];
    uint32_t place[2];

    (void)state;
    redlock_heap_init(&heap, entries, place, 2);
    assert_int_equal(redlock_heap_deadline(&heap), REDLOCK_NEVER);
    assert_int_equal(redlock_heap_first(&heap), REDLOCK_HEAP_NONE);
    redlock_heap_set(&heap, 1, REDLOCK_NEVER);
    assert_int_equal(redlock_heap_first(&heap), REDLOCK_HEAP_NONE);
}

static void equal_deadlines_fire_by_slot(void **state) {
    redlock_heap heap;
    redlock_heap_entry entries[5];
    uint32_t place[5];
    static const uint32_t order[] = {3, 0, 4, 1, 2};

    (void)state;
    redlock_heap_init(&heap, entries, place, 5);
    for (uint32_t i = 0; i < 5; i++) {
        redlock_heap_set(&heap, order[i], 100);
    }
    for (uint32_t slot = 0; slot < 5; slot++) {
        assert_int_equal(redlock_heap_first(&heap), slot);
        redlock_heap_set(&heap, slot, REDLOCK_NEVER);
    }
    assert_int_equal(heap.count, 0);
}

static void heap_agrees_with_its_twin_whatever_is_set(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        redlock_heap heap;
        redlock_heap_entry entries[SLOTS];
        uint32_t place[SLOTS];
        redlock_prng prng;
        slow_heap twin;

        redlock_prng_init(&prng, seed);
        uint32_t slots = 1 + (uint32_t)redlock_prng_upto(&prng, SLOTS - 1);

        redlock_heap_init(&heap, entries, place, slots);
        twin_init(&twin, slots);
        for (int i = 0; i < 300; i++) {
            uint32_t slot = (uint32_t)redlock_prng_upto(&prng, slots - 1);
            bool is_removal = redlock_prng_upto(&prng, 3) == 0;

            set_both(&heap, &twin, slot, is_removal ? REDLOCK_NEVER : redlock_prng_upto(&prng, 20));
        }
        while (heap.count > 0) {
            set_both(&heap, &twin, redlock_heap_first(&heap), REDLOCK_NEVER);
        }
    }
}

static void heap_moves_to_larger_memory_with_all_it_holds(void **state) {
    redlock_heap heap = {.count = 0};
    redlock_heap_entry entries[3][8];
    uint32_t place[3][8];
    slow_heap twin;

    (void)state;
    twin_init(&twin, 8);
    redlock_heap_move(&heap, entries[0], place[0], 2);
    set_both(&heap, &twin, 1, 30);
    set_both(&heap, &twin, 0, 40);
    redlock_heap_move(&heap, entries[1], place[1], 5);
    assert_agree(&heap, &twin);
    set_both(&heap, &twin, 4, 10);
    set_both(&heap, &twin, 1, 50);
    redlock_heap_move(&heap, entries[2], place[2], 8);
    assert_agree(&heap, &twin);
    set_both(&heap, &twin, 7, 5);
    set_both(&heap, &twin, 7, REDLOCK_NEVER);
    set_both(&heap, &twin, 4, REDLOCK_NEVER);
    set_both(&heap, &twin, 0, REDLOCK_NEVER);
    set_both(&heap, &twin, 1, REDLOCK_NEVER);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_heap_has_no_deadline),
        cmocka_unit_test(equal_deadlines_fire_by_slot),
        cmocka_unit_test(heap_agrees_with_its_twin_whatever_is_set),
        cmocka_unit_test(heap_moves_to_larger_memory_with_all_it_holds),
    };

    return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
