/* entropy.h -- random bytes from the kernel, and nothing else. */
#ifndef REDLOCK_DRIVE_ENTROPY_H
#define REDLOCK_DRIVE_ENTROPY_H

#include <stdbool.h>
#include <stddef.h>

/* Fills all of it, or says false: there is no weaker source to fall back to. */
bool redlock_entropy_fill(void *out, size_t size);

#endif
