/* tree_fuzz.c -- any bytes as the large replies that tools ask for: in one piece, cut as the first
 * byte says, and into as many places as the second one says.  All three must say the same. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/assert.h"
#include "wire/tree.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define VALUES_MAX 256u

static void values_check(const redlock_tree *tree, size_t used) {
    uint64_t promised = 1; /* values that arrays have announced, and the first */

    REDLOCK_ASSERT(tree->value_count >= 1 && tree->value_count <= tree->values_max);
    for (uint32_t i = 0; i < tree->value_count; i++) {
        const redlock_resp_value *value = &tree->values[i];
        bool has_text = value->kind == REDLOCK_RESP_SIMPLE || value->kind == REDLOCK_RESP_ERROR ||
                        value->kind == REDLOCK_RESP_BULK;

        REDLOCK_ASSERT(!has_text || (size_t)value->at + value->len + 2 <= used);
        promised += value->kind == REDLOCK_RESP_ARRAY ? value->count : 0;
    }
    REDLOCK_ASSERT(promised == tree->value_count);
}

static redlock_resp_status read_cut(redlock_tree *tree, const uint8_t *data, size_t size,
                                    size_t step, size_t *ret_used) {
    redlock_resp_status status = REDLOCK_RESP_MORE;

    redlock_tree_start(tree);
    for (size_t len = 0; status == REDLOCK_RESP_MORE && len < size;) {
        len = size - len > step ? len + step : size;
        status = redlock_tree_read(tree, data, len, ret_used);
    }
    if (status == REDLOCK_RESP_DONE) {
        REDLOCK_ASSERT(*ret_used >= 1 && *ret_used <= size);
        values_check(tree, *ret_used);
    }
    if (status == REDLOCK_RESP_BAD) {
        REDLOCK_ASSERT(tree->complaint != NULL);
    }
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    redlock_resp_value values[VALUES_MAX], values_cut[VALUES_MAX];
    redlock_tree tree = {.values = values}, tree_cut = {.values = values_cut};
    size_t used = 0, used_cut = 0;

    if (size < 2) {
        return 0;
    }
    size_t step = (size_t)data[0] + 1;

    tree.values_max = tree_cut.values_max = 1 + data[1] % (VALUES_MAX - 1);
    data += 2;
    size -= 2;
    while (size > 0) {
        redlock_resp_status status = read_cut(&tree, data, size, size, &used);

        REDLOCK_ASSERT(read_cut(&tree_cut, data, size, step, &used_cut) == status);
        if (status != REDLOCK_RESP_DONE) {
            break;
        }
        REDLOCK_ASSERT(used == used_cut && tree.value_count == tree_cut.value_count);
        data += used;
        size -= used;
    }
    return 0;
}
