/* tree.c -- arrays are opened here; everything that is no array is left to the reader of resp.h. */
#include "wire/tree.h"

#include <stdbool.h>
#include <string.h>

#include "base/assert.h"

#define ARRAY_LINE_BYTES_MAX (1u + REDLOCK_DIGITS_MAX + 2u)

void redlock_tree_start(redlock_tree *tree) {
    tree->value_count = 0;
    tree->depth = 0;
    tree->at = 0;
    tree->complaint = NULL;
    redlock_resp_reader_init(&tree->reader);
}

static redlock_resp_status tree_bad(redlock_tree *tree, const char *complaint) {
    tree->complaint = complaint;
    return REDLOCK_RESP_BAD;
}

static redlock_resp_status value_push(redlock_tree *tree, redlock_resp_value value, size_t end) {
    REDLOCK_ASSERT(end <= UINT32_MAX);
    if (tree->value_count == tree->values_max) {
        return tree_bad(tree, "the server sent a reply of more values than were asked for");
    }
    tree->values[tree->value_count++] = value;
    tree->at = end;
    redlock_resp_reader_init(&tree->reader);
    return REDLOCK_RESP_DONE;
}

static redlock_resp_status scalar_read(redlock_tree *tree, const uint8_t *data, size_t len) {
    size_t used = 0;
    redlock_resp_status status =
        redlock_resp_read(&tree->reader, data + tree->at, len - tree->at, &used);

    if (status == REDLOCK_RESP_BAD) {
        return tree_bad(tree, redlock_resp_complaint(&tree->reader));
    }
    if (status == REDLOCK_RESP_MORE) {
        return status;
    }
    redlock_resp_value value = tree->reader.values[0];

    value.at += (uint32_t)tree->at;
    return value_push(tree, value, tree->at + used);
}

/* The number behind '*', and where its line ends. */
static redlock_resp_status count_read(redlock_tree *tree, const uint8_t *data, size_t len,
                                      redlock_bytes *ret_digits, size_t *ret_end) {
    size_t room = len - tree->at;
    const uint8_t *line = data + tree->at;
    const uint8_t *cr =
        memchr(line, '\r', room < ARRAY_LINE_BYTES_MAX ? room : ARRAY_LINE_BYTES_MAX);

    if (cr == NULL) {
        return room < ARRAY_LINE_BYTES_MAX
                   ? REDLOCK_RESP_MORE
                   : tree_bad(tree, "the server sent something else where a number belongs");
    }
    if ((size_t)(cr - data) + 1 >= len) {
        return REDLOCK_RESP_MORE;
    }
    if (cr[1] != '\n') {
        return tree_bad(tree, "the server sent something else where a number belongs");
    }
    *ret_digits = (redlock_bytes){.at = line + 1, .len = (size_t)(cr - line) - 1};
    *ret_end = (size_t)(cr - data) + 2;
    return REDLOCK_RESP_DONE;
}

static redlock_resp_status array_read(redlock_tree *tree, const uint8_t *data, size_t len) {
    redlock_bytes digits;
    size_t end;
    uint64_t count;
    redlock_resp_status status = count_read(tree, data, len, &digits, &end);

    if (status != REDLOCK_RESP_DONE) {
        return status;
    }
    if (redlock_bytes_equal(digits, redlock_bytes_of("-1"))) {
        return value_push(tree, (redlock_resp_value){.kind = REDLOCK_RESP_NIL}, end);
    }
    if (!redlock_bytes_to_u64(digits, UINT32_MAX, &count) || count > tree->values_max) {
        return tree_bad(tree, "the server sent a reply of more values than were asked for");
    }
    if (tree->depth == REDLOCK_TREE_DEPTH_MAX) {
        return tree_bad(tree, "the server sent arrays inside arrays, more than 8 deep");
    }
    redlock_resp_value value = {.kind = REDLOCK_RESP_ARRAY, .count = (uint32_t)count};

    status = value_push(tree, value, end);
    if (status == REDLOCK_RESP_DONE && count > 0) {
        tree->left[tree->depth++] = (uint32_t)count + 1; /* and itself, for value_close */
    }
    return status;
}

/* Counts the last value off the array that it is in, and that one off its own when it is full. */
static bool value_close(redlock_tree *tree) {
    while (tree->depth > 0 && --tree->left[tree->depth - 1] == 0) {
        tree->depth--;
    }
    return tree->depth == 0;
}

redlock_resp_status redlock_tree_read(redlock_tree *tree, const uint8_t *data, size_t len,
                                      size_t *ret_used) {
    while (tree->at < len) {
        redlock_resp_status status =
            data[tree->at] == '*' ? array_read(tree, data, len) : scalar_read(tree, data, len);

        if (status != REDLOCK_RESP_DONE) {
            return status;
        }
        if (value_close(tree)) {
            *ret_used = tree->at;
            return REDLOCK_RESP_DONE;
        }
    }
    return REDLOCK_RESP_MORE;
}
