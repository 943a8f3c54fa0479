/* socket.h -- opening sockets so that they never block, are never inherited, and don't signal. */
#ifndef REDLOCK_DRIVE_SOCKET_H
#define REDLOCK_DRIVE_SOCKET_H

#include <stdbool.h>
#include <sys/socket.h>

#include "drive/resolve.h"

/* 0: connected, or under way when *ret_fd polls writable later; else the errno, and no socket. */
int redlock_socket_connect(const struct sockaddr_storage *at, socklen_t len, int *ret_fd,
                           bool *ret_connected);
/* The address of a unix socket.  False: longer than this system's sockets can be named. */
bool redlock_socket_address(const char *path, redlock_addresses *ret);

#endif
