/* line.c -- a line of text for a terminal. */
#include "cli/line.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STYLE_BYTES_MAX = 8 }; /* room that text leaves, so that a colour can always be ended */

bool redlock_line_wants_color(int fd) {
    const char *no_color = getenv("NO_COLOR");
    const char *kind = getenv("TERM");

    return isatty(fd) == 1 && (no_color == NULL || no_color[0] == '\0') && kind != NULL &&
           strcmp(kind, "dumb") != 0;
}

void redlock_line_start(redlock_line *line, bool has_color) {
    line->len = 0;
    line->width = 0;
    line->width_max = sizeof(line->at);
    line->has_color = has_color;
    line->at[0] = '\0';
}

/* --- characters ------------------------------------------------------------------------------ */

typedef struct text_char {
    uint32_t code; /* '?' for what is not to be shown */
    size_t len;    /* bytes of the text */
    size_t width;  /* columns */
} text_char;

typedef struct code_range {
    uint32_t first, last;
} code_range;

static bool code_is_in(uint32_t code, const code_range *ranges, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (code >= ranges[i].first && code <= ranges[i].last) {
            return true;
        }
    }
    return false;
}

/* Characters that turn the direction of what follows, or join it, can make one name look like
 * another. */
static bool code_is_harmful(uint32_t code) {
    static const code_range harmful[] = {
        {0, 0x1f},        {0x7f, 0x9f},     {0x300, 0x36f},   {0x200b, 0x200f}, {0x2028, 0x202e},
        {0x2060, 0x206f}, {0xd800, 0xdfff}, {0xfe00, 0xfe0f}, {0xfeff, 0xfeff}, {0xe0000, 0x10ffff},
    };

    return code_is_in(code, harmful, sizeof(harmful) / sizeof(harmful[0]));
}

/* After Unicode's EastAsianWidth: blocks that terminals show two columns wide. */
static bool code_is_wide(uint32_t code) {
    static const code_range wide[] = {
        {0x1100, 0x115f}, {0x2e80, 0xa4cf},   {0xac00, 0xd7a3},
        {0xf900, 0xfaff}, {0xfe30, 0xfe6f},   {0xff00, 0xff60},
        {0xffe0, 0xffe6}, {0x1f300, 0x1faff}, {0x20000, 0x3fffd},
    };

    return code_is_in(code, wide, sizeof(wide) / sizeof(wide[0]));
}

/* How many bytes follow a first byte of UTF-8, and its bits; -1 when it is none. */
static int lead_read(unsigned char lead, uint32_t *ret_bits) {
    if (lead < 0x80) {
        *ret_bits = lead;
        return 0;
    }
    if (lead >= 0xc2 && lead < 0xe0) {
        *ret_bits = lead & 0x1fU;
        return 1;
    }
    if (lead >= 0xe0 && lead < 0xf0) {
        *ret_bits = lead & 0x0fU;
        return 2;
    }
    if (lead >= 0xf0 && lead < 0xf5) {
        *ret_bits = lead & 0x07U;
        return 3;
    }
    return -1;
}

static text_char char_read(const char *text, size_t len) {
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    const text_char unknown = {.code = '?', .len = 1, .width = 1};
    uint32_t code;
    int more = lead_read((unsigned char)text[0], &code);

    if (more < 0 || (size_t)more >= len) {
        return unknown;
    }
    for (int i = 1; i <= more; i++) {
        unsigned char byte = (unsigned char)text[i];

        if ((byte & 0xc0U) != 0x80) {
            return unknown;
        }
        code = code << 6 | (byte & 0x3fU);
    }
    if (code < least[more] || code_is_harmful(code)) {
        return (text_char){
            .code = '?', .len = code < least[more] ? 1 : (size_t)more + 1, .width = 1};
    }
    return (text_char){.code = code, .len = (size_t)more + 1, .width = code_is_wide(code) ? 2 : 1};
}

size_t redlock_text_width(const char *text, size_t len) {
    size_t width = 0;

    for (size_t i = 0; i < len;) {
        text_char one = char_read(text + i, len - i);

        width += one.width;
        i += one.len;
    }
    return width;
}

/* --- adding ---------------------------------------------------------------------------------- */

static void bytes_add(redlock_line *line, const char *bytes, size_t len, size_t width) {
    if (len < sizeof(line->at) - STYLE_BYTES_MAX - line->len &&
        width <= line->width_max - line->width) {
        memcpy(line->at + line->len, bytes, len);
        line->len += len;
        line->width += width;
        line->at[line->len] = '\0';
    }
}

/* Adds what fits into `width` columns. */
static void text_add(redlock_line *line, const char *text, size_t len, size_t width) {
    for (size_t i = 0; i < len;) {
        text_char one = char_read(text + i, len - i);

        if (one.width > width) {
            return;
        }
        bytes_add(line, one.code == '?' ? "?" : text + i, one.code == '?' ? 1 : one.len, one.width);
        width -= one.width;
        i += one.len;
    }
}

void redlock_line_add(redlock_line *line, const char *text) {
    text_add(line, text, strlen(text), sizeof(line->at));
}

void redlock_line_print(redlock_line *line, const char *format, ...) {
    char text[512];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args); /* cut is fine */
    va_end(args);
    redlock_line_add(line, text);
}

void redlock_line_pad(redlock_line *line, size_t column) {
    size_t end = column < line->width_max ? column : line->width_max;

    while (line->width < end && line->len < sizeof(line->at) - STYLE_BYTES_MAX - 2) {
        bytes_add(line, " ", 1, 1);
    }
}

void redlock_line_cell(redlock_line *line, const char *text, size_t len, size_t width) {
    size_t end = line->width + width;

    if (redlock_text_width(text, len) <= width) {
        text_add(line, text, len, width);
    } else if (width > 0) {
        text_add(line, text, len, width - 1);
        redlock_line_pad(line, end - 1);
        bytes_add(line, "~", 1, 1);
    }
    redlock_line_pad(line, end);
}

void redlock_line_cell_right(redlock_line *line, const char *text, size_t width) {
    size_t len = strlen(text);
    size_t taken = redlock_text_width(text, len);

    redlock_line_pad(line, line->width + (taken < width ? width - taken : 0));
    redlock_line_cell(line, text, len, taken < width ? taken : width);
}

static const char *style_code(redlock_style style) {
    switch (style) {
    case REDLOCK_STYLE_PLAIN:
        return "\033[0m";
    case REDLOCK_STYLE_BOLD:
        return "\033[1m";
    case REDLOCK_STYLE_DIM:
        return "\033[2m";
    case REDLOCK_STYLE_GOOD:
        return "\033[32m";
    case REDLOCK_STYLE_WARN:
        return "\033[33m";
    case REDLOCK_STYLE_BAD:
        return "\033[31m";
    case REDLOCK_STYLE_HEAD:
        return "\033[7m";
    }
    return "";
}

void redlock_line_style(redlock_line *line, redlock_style style) {
    const char *code = style_code(style);
    size_t len = strlen(code);

    if (line->has_color && len < sizeof(line->at) - line->len) {
        memcpy(line->at + line->len, code, len + 1);
        line->len += len;
    }
}

void redlock_line_put(redlock_line *line, FILE *out) {
    while (line->len > 0 && line->at[line->len - 1] == ' ') {
        line->len--;
    }
    (void)fwrite(line->at, 1, line->len, out);
    (void)fputc('\n', out); /* main looks at what could not be written */
}

/* --- lengths of time ------------------------------------------------------------------------- */

const char *redlock_length_text(int64_t ms, char out[REDLOCK_LENGTH_BYTES]) {
    long long s = ms / 1000;
    const size_t size = REDLOCK_LENGTH_BYTES;

    if (ms < 0) {
        (void)snprintf(out, size, "-");
    } else if (s < 1) {
        (void)snprintf(out, size, "%lldms", (long long)ms);
    } else if (s < 60) {
        (void)snprintf(out, size, "%lld.%llds", s, (long long)(ms % 1000 / 100));
    } else if (s < 3600) {
        (void)snprintf(out, size, "%lldm%02llds", s / 60, s % 60);
    } else if (s < 86400) {
        (void)snprintf(out, size, "%lldh%02lldm", s / 3600, s % 3600 / 60);
    } else {
        (void)snprintf(out, size, "%lldd%02lldh", s / 86400, s % 86400 / 3600);
    }
    return out;
}

const char *redlock_trip_text(int64_t us, char out[REDLOCK_LENGTH_BYTES]) {
    const size_t size = REDLOCK_LENGTH_BYTES;

    if (us < 1000) {
        (void)snprintf(out, size, "%lldus", (long long)us);
    } else if (us < 1000000) {
        (void)snprintf(out, size, "%lld.%lldms", (long long)(us / 1000),
                       (long long)(us % 1000 / 100));
    } else {
        (void)snprintf(out, size, "%lld.%02llds", (long long)(us / 1000000),
                       (long long)(us % 1000000 / 10000));
    }
    return out;
}
