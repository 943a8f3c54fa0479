/* torture.h -- says which call is to fail, and counts what was called. */
#ifndef REDLOCK_TESTS_TORTURE_TORTURE_H
#define REDLOCK_TESTS_TORTURE_TORTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TORTURE_SEAM_ITSELF
#include "seam.h"

typedef enum torture_class {
    TORTURE_ALLOCATIONS = 0,
    TORTURE_SYSTEM,
    TORTURE_CLASSES
} torture_class;

/* Faults beside errno values. */
enum {
    TORTURE_END = -1,   /* recv, read: the end of the stream */
    TORTURE_SHORT = -2, /* read, write, send, recv, getrandom: one byte only */
    TORTURE_DONE = -3 /* connect: at once, though nothing was sent: it shows with the first write */
};

typedef struct torture_plan {
    torture_class which;
    const torture_site *site; /* NULL: any of the class */
    unsigned index;           /* the call that fails, from 0 on */
    bool for_ever;            /* and every one after it */
    int fault;                /* errno, EAI_*, or of the above; for allocations any */
    /* With cut_at other than SIZE_MAX: a connection ends when so many bytes came in, in all. */
    size_t cut_at;
    bool byte_by_byte; /* every recv gives one byte */
    /* For places that are reached only when something else has failed before. */
    bool fails_madvise;         /* always */
    bool no_openssl_after_open; /* OpenSSL gets no memory once a file was opened */
    unsigned no_openssl_from;   /* nor from its n-th allocation on; UINT32_MAX: never */
} torture_plan;

#define TORTURE_NOTHING                                                                            \
    { .index = UINT32_MAX, .cut_at = SIZE_MAX, .no_openssl_from = UINT32_MAX }

/* Before anything else of the program calls OpenSSL. */
void torture_take_openssl(void);

/* Counts anew, and fails what the plan says until torture_stop. */
void torture_start(const torture_plan *plan);
/* From here on nothing fails; the counts stay. */
void torture_stop(void);
/* Whether the plan's fault has struck since torture_start. */
bool torture_has_struck(void);
unsigned torture_openssl_count(void); /* allocations of OpenSSL since torture_start */
/* Calls of a class since torture_start. */
unsigned torture_count(torture_class which);
size_t torture_received_bytes(void);
/* Blocks that were allocated by the library and not freed. */
long torture_blocks(void);

torture_class torture_class_of(torture_call call);
/* The faults that matter for a call; at most 8, ended by 0. */
const int *torture_faults_of(torture_call call);

/* Whether nobody is to notice: what was interrupted is done again, what is best effort is done without. */
bool torture_is_harmless(torture_call call, int fault);

/* All calls of the library that can fail. */
size_t torture_site_count(void);
torture_site *torture_site_at(size_t index);

#endif
