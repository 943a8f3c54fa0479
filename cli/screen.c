/* screen.c -- the whole terminal, line by line.  The few sequences used are those of ECMA-48 and the
 * alternate screen of xterm, which every terminal of today has. */
#include "cli/screen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    ROW_OUT_BYTES = REDLOCK_LINE_BYTES_MAX + 32,
    WRITE_WAIT_MS = 200, /* a terminal that takes nothing for so long is left alone */
    COLUMNS_MAX = 500
};

static const char enter[] = "\033[?1049h\033[?25l\033[?7l\033[H\033[2J"; /* no cursor, no wrap */
static const char leave[] = "\033[0m\033[?7h\033[?25h\033[?1049l";

bool redlock_screen_init(redlock_screen *screen) {
    *screen = (redlock_screen){.has_color = redlock_line_wants_color(STDOUT_FILENO)};
    screen->fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    screen->lines = calloc(REDLOCK_SCREEN_ROWS_MAX, sizeof(screen->lines[0]));
    screen->shown = calloc(REDLOCK_SCREEN_ROWS_MAX, REDLOCK_LINE_BYTES_MAX);
    screen->out = malloc(REDLOCK_SCREEN_ROWS_MAX * (size_t)ROW_OUT_BYTES);
    if (screen->fd >= 0 && screen->lines != NULL && screen->shown != NULL && screen->out != NULL &&
        tcgetattr(screen->fd, &screen->before) == 0) {
        return true;
    }
    redlock_screen_deinit(screen);
    return false;
}

void redlock_screen_deinit(redlock_screen *screen) {
    int saved_errno = errno;

    redlock_screen_close(screen);
    if (screen->fd >= 0) {
        (void)close(screen->fd);
    }
    free(screen->lines);
    free(screen->shown);
    free(screen->out);
    *screen = (redlock_screen){.fd = -1};
    errno = saved_errno;
}

bool redlock_screen_is_ours(const redlock_screen *screen) {
    pid_t group = tcgetpgrp(screen->fd);

    return group == getpgrp() || group < 0; /* no terminal any more: reading will tell */
}

/* False when not all of it could be written soon. */
static bool bytes_write(const redlock_screen *screen, const char *bytes, size_t len) {
    struct pollfd room = {.fd = screen->fd, .events = POLLOUT};

    while (len > 0) {
        ssize_t written = write(screen->fd, bytes, len);

        if (written > 0) {
            bytes += written;
            len -= (size_t)written;
        } else if ((written < 0 && errno != EINTR && errno != EAGAIN) ||
                   poll(&room, 1, WRITE_WAIT_MS) == 0) {
            return false;
        }
    }
    return true;
}

void redlock_screen_open(redlock_screen *screen) {
    /* As it is now: whoever had the terminal since we left it may have changed it. */
    (void)tcgetattr(screen->fd, &screen->before);
    struct termios raw = screen->before;

    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | IEXTEN); /* ISIG stays: Ctrl-C and Ctrl-Z work */
    raw.c_iflag &= ~(tcflag_t)(IXON | ICRNL | INLCR);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    (void)tcsetattr(screen->fd, TCSADRAIN, &raw);
    (void)bytes_write(screen, enter, sizeof(enter) - 1);
    screen->is_open = true;
    redlock_screen_measure(screen);
}

void redlock_screen_close(redlock_screen *screen) {
    if (screen->is_open) {
        (void)bytes_write(screen, leave, sizeof(leave) - 1);
        /* Not TCSADRAIN: on a terminal that takes nothing it would wait for ever. */
        (void)tcsetattr(screen->fd, TCSANOW, &screen->before);
        screen->is_open = false;
    }
}

static void shown_forget(redlock_screen *screen) {
    for (size_t row = 0; row < REDLOCK_SCREEN_ROWS_MAX; row++) {
        char *shown = screen->shown + row * REDLOCK_LINE_BYTES_MAX;

        shown[0] = '\033'; /* no line of ours is this one alone */
        shown[1] = '\0';
    }
}

void redlock_screen_measure(redlock_screen *screen) {
    struct winsize size = {.ws_row = 24, .ws_col = 80};

    if (ioctl(screen->fd, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) {
        size.ws_row = 24;
        size.ws_col = 80;
    }
    screen->rows = size.ws_row < REDLOCK_SCREEN_ROWS_MAX ? size.ws_row : REDLOCK_SCREEN_ROWS_MAX;
    screen->columns = size.ws_col < COLUMNS_MAX ? size.ws_col : COLUMNS_MAX;
    shown_forget(screen);
}

void redlock_screen_start(redlock_screen *screen) {
    for (size_t row = 0; row < screen->rows; row++) {
        redlock_line_start(&screen->lines[row], screen->has_color);
        screen->lines[row].width_max = screen->columns;
    }
}

void redlock_screen_show(redlock_screen *screen) {
    size_t len = 0;

    for (size_t row = 0; row < screen->rows; row++) {
        const redlock_line *line = &screen->lines[row];
        char *shown = screen->shown + row * REDLOCK_LINE_BYTES_MAX;

        if (strcmp(shown, line->at) != 0) {
            int added = snprintf(screen->out + len, ROW_OUT_BYTES,
                                 "\033[%zu;1H\033[0m\033[K%s\033[0m", row + 1, line->at);

            len += added > 0 ? (size_t)added : 0;
            memcpy(shown, line->at, line->len + 1);
        }
    }
    if (!bytes_write(screen, screen->out, len)) {
        shown_forget(screen); /* nobody knows what is seen now */
    }
}

/* --- keys ------------------------------------------------------------------------------------ */

/* What follows an ESC, if anything does: a key's sequence comes in one piece. */
static redlock_input sequence_read(redlock_screen *screen) {
    char text[8] = "";
    ssize_t got = 0;

    while (got < 7 && read(screen->fd, text + got, 1) == 1) {
        char last = text[got++];

        if (got > 1 && (last == '~' || (last >= 'A' && last <= 'Z'))) {
            break;
        }
    }
    if (got == 0) {
        return REDLOCK_INPUT_ESCAPE;
    }
    if (strcmp(text, "[A") == 0 || strcmp(text, "OA") == 0) {
        return REDLOCK_INPUT_UP;
    }
    if (strcmp(text, "[B") == 0 || strcmp(text, "OB") == 0) {
        return REDLOCK_INPUT_DOWN;
    }
    if (strcmp(text, "[5~") == 0) {
        return REDLOCK_INPUT_PAGE_UP;
    }
    return strcmp(text, "[6~") == 0 ? REDLOCK_INPUT_PAGE_DOWN : REDLOCK_INPUT_CHAR;
}

redlock_input redlock_screen_read(redlock_screen *screen, char *ret_char) {
    char key;
    ssize_t got = read(screen->fd, &key, 1);

    *ret_char = '\0';
    if (got != 1) {
        bool is_quiet = got < 0 && (errno == EAGAIN || errno == EINTR);

        return is_quiet ? REDLOCK_INPUT_NONE : REDLOCK_INPUT_END;
    }
    switch (key) {
    case '\033':
        return sequence_read(screen);
    case '\r':
    case '\n':
        return REDLOCK_INPUT_ENTER;
    case '\b':
    case 0x7f:
        return REDLOCK_INPUT_BACKSPACE;
    case 0x0c:
        return REDLOCK_INPUT_REDRAW;
    default:
        *ret_char = key;
        return REDLOCK_INPUT_CHAR;
    }
}
