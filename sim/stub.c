#include "sim/server.h"
void redlock_sim_server_subscribe(redlock_sim_server *s, uint32_t c, redlock_bytes ch) { (void)s; (void)c; (void)ch; }
void redlock_sim_server_unsubscribe(redlock_sim_server *s, uint32_t c) { (void)s; (void)c; }
bool redlock_sim_server_next_message(redlock_sim_server *s, uint32_t *c, redlock_bytes *ch, redlock_bytes *t) { (void)s; (void)c; (void)ch; (void)t; return false; }
uint32_t redlock_sim_server_subscribers(redlock_sim_server *s, redlock_bytes ch) { (void)s; (void)ch; return 0; }
bool redlock_sim_server_zset_at(redlock_sim_server *s, redlock_bytes k, size_t i, redlock_bytes *m) { (void)s; (void)k; (void)i; (void)m; return false; }
bool redlock_sim_server_hash_get(redlock_sim_server *s, redlock_bytes k, redlock_bytes f, redlock_bytes *v) { (void)s; (void)k; (void)f; (void)v; return false; }
