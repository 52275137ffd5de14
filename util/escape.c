/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "escape.h"

#include <assert.h>
#include <langinfo.h>

#include "macro.h"

#define ESCAPED_SIZE (sizeof("\\xNN") - 1)
#define CHARACTER_MAX 4 /* bytes */

/* The bytes of a character: the Unicode Standard, table 3-7. */
static const struct utf8_row {
        unsigned char first_min, first_max;
        unsigned char second_min, second_max; /* every later byte is 0x80 to 0xbf */
        size_t length;
} utf8_rows[] = {
        { 0x00, 0x7f, 0x00, 0x00, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
        { 0xe1, 0xec, 0x80, 0xbf, 3 }, { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
        { 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
};

size_t utf8_decode(const char *text, uint32_t *ret_code)
{
        const unsigned char *p = (const unsigned char *) text;
        const struct utf8_row *row = utf8_rows;
        uint32_t code;

        assert(text);
        assert(ret_code);

        while (p[0] > row->first_max)
                if (++row == utf8_rows + ELEMENTSOF(utf8_rows))
                        return 0;
        if (p[0] < row->first_min)
                return 0;
        if (row->length > 1 && (p[1] < row->second_min || p[1] > row->second_max))
                return 0;
        /* The first of n > 1 bytes begins with n ones and a zero. */
        code = row->length == 1 ? p[0] : p[0] & (0x7fU >> row->length);
        for (size_t i = 1; i < row->length; i++) {
                if (p[i] < 0x80 || p[i] > 0xbf)
                        return 0;
                code = code << 6 | (p[i] & 0x3f);
        }
        *ret_code = code;
        return row->length;
}

bool code_is_harmful(uint32_t code)
{
        static const struct {
                uint32_t first, last;
        } ranges[] = {
                { 0x00, 0x1f },     /* C0 */
                { 0x7f, 0x9f },     /* DEL, C1 */
                { 0x061c, 0x061c }, /* Arabic letter mark */
                { 0x200e, 0x200f }, /* left-to-right and right-to-left mark */
                { 0x2028, 0x202e }, /* line and paragraph separator; embeddings and overrides */
                { 0x2066, 0x2069 }, /* isolates */
        };

        for (size_t i = 0; i < ELEMENTSOF(ranges); i++)
                if (code >= ranges[i].first && code <= ranges[i].last)
                        return true;
        return false;
}

/* Returns the length of what is at p, which is not the end of the text. */
static size_t judge_character(const char *p, bool *ret_harmful)
{
        uint32_t code;
        size_t n = utf8_decode(p, &code);

        *ret_harmful = n == 0 || code_is_harmful(code);
        return n ?: 1;
}

bool escape_is_needed(const char *text)
{
        bool harmful = false;

        assert(text);

        while (*text && !harmful)
                text += judge_character(text, &harmful);
        return harmful;
}

static char *escape_into(char *buffer, size_t size, const char *text, const char *keep, bool ascii)
{
        char *to = buffer, *end = buffer + size - 1;

        while (*text) {
                char escaped[CHARACTER_MAX * ESCAPED_SIZE + 1];
                bool harmful;
                size_t n = judge_character(text, &harmful), n_out = n;
                const char *by = text;

                if ((harmful && !strchr(keep, *text)) || (ascii && (unsigned char) *text >= 0x80)) {
                        for (size_t i = 0; i < n; i++)
                                snprintf(escaped + i * ESCAPED_SIZE, sizeof(escaped) - i * ESCAPED_SIZE,
                                         "\\x%02x", (unsigned char) text[i]);
                        by = escaped;
                        n_out = n * ESCAPED_SIZE;
                }
                if (n_out > (size_t) (end - to))
                        break;
                to = mempcpy(to, by, n_out);
                text += n;
        }
        *to = '\0';
        return buffer;
}

char *escape_to(char *buffer, size_t size, const char *text, const char *keep)
{
        assert(buffer);
        assert(size > 0);
        assert(text);
        assert(keep);

        return escape_into(buffer, size, text, keep, false);
}

static char *escape_copy(const char *text, bool ascii)
{
        size_t size = strlen(text) * ESCAPED_SIZE + 1;
        char *escaped = malloc(size);

        return escaped ? escape_into(escaped, size, text, "", ascii) : NULL;
}

char *escape(const char *text)
{
        assert(text);

        return escape_copy(text, false);
}

char *escape_for_locale(const char *text)
{
        assert(text);

        return escape_copy(text, !streq(nl_langinfo(CODESET), "UTF-8"));
}
