#include "bench.h"
void bench_quorum(const bench_options *options) {
    (void)options;
}
void bench_keep(const bench_options *options) {
    (void)options;
}
