/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "terminal.h"

#include <assert.h>
#include <stdarg.h>
#include <sys/ioctl.h>

#include "memory.h"
#include "parse.h"
#include "print.h"

#define WIDTH_DEFAULT 80

static enum color_mode color_mode;
static unsigned kept_width; /* 0: it is asked for each time, as it can change */

bool terminal_is_there(void)
{
        static int there = -1;

        if (there < 0)
                there = isatty(STDOUT_FILENO);
        return there;
}

bool terminal_is_able(void)
{
        const char *term = getenv("TERM");

        return terminal_is_there() && term && *term && !streq(term, "dumb");
}

static unsigned width_of_terminal(void)
{
        const char *columns = getenv("COLUMNS");
        struct winsize size = {};
        uint64_t n;

        if (!terminal_is_there())
                return 0;
        if (columns && parse_u64(columns, 10, &n) >= 0 && n > 0 && n <= UINT16_MAX)
                return (unsigned) n;
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
                return WIDTH_DEFAULT;
        return size.ws_col;
}

unsigned terminal_width(void)
{
        return kept_width > 0 ? kept_width : width_of_terminal();
}

void terminal_keep_width(void)
{
        kept_width = width_of_terminal();
}

void terminal_set_color(enum color_mode mode)
{
        color_mode = mode;
}

static bool has_color(void)
{
        const char *no_color = getenv("NO_COLOR");

        if (color_mode != COLOR_AUTO)
                return color_mode == COLOR_ALWAYS;
        return terminal_is_able() && !(no_color && *no_color);
}

const char *style_begin(enum style style)
{
        static const char *const sequences[] = {
                [STYLE_ERROR] = "\033[0;1;31m",
                [STYLE_WARNING] = "\033[0;1;33m",
                [STYLE_STRONG] = "\033[0;1m",
                [STYLE_HEADING] = "\033[0;4m",
        };

        assert((size_t) style < ELEMENTSOF(sequences));

        return has_color() ? sequences[style] : "";
}

const char *style_end(void)
{
        return has_color() ? "\033[0m" : "";
}

void print_styled(FILE *out, enum style style, const char *format, ...)
{
        _cleanup_free_ char *text = NULL;
        va_list args;

        assert(out);
        assert(format);

        va_start(args, format);
        text = memory_vformat(format, args);
        va_end(args);
        if (!text)
                return;
        fputs(style_begin(style), out);
        print(out, "%s", text);
        fputs(style_end(), out);
}

static bool has_links(void)
{
        const char *setting = getenv("SYSTEMD_URLIFY");

        if (!terminal_is_able())
                return false;
        if (!setting || !*setting)
                return has_color();
        return !word_is_no(setting);
}

void print_link(FILE *out, const char *url, const char *text)
{
        assert(out);
        assert(url);
        assert(text);

        if (!has_links()) {
                print(out, "%s", text);
                return;
        }
        fprintf(out, "\033]8;;%s\033\\", url);
        print(out, "%s", text);
        fputs("\033]8;;\033\\", out);
}
