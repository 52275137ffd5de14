/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kernel-release.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "util/macro.h"

bool kernel_release_is_valid(const char *s)
{
        assert(s);

        if (!isalnum((unsigned char) *s) || strlen(s) >= KERNEL_RELEASE_SIZE)
                return false;
        for (; *s; s++)
                if (!isalnum((unsigned char) *s) && !strchr("._+~-", *s))
                        return false;
        return true;
}

/* Before the end comes what marks a version that is not there yet; letters come before other characters. */
static int character_rank(const char *s)
{
        if (*s == '~' || startswith(s, "-rc"))
                return -1;
        if (!*s || isdigit((unsigned char) *s))
                return 0;
        return isalpha((unsigned char) *s) ? (unsigned char) *s : 256 + (unsigned char) *s;
}

static int compare_numbers(const char **a, const char **b)
{
        size_t n, m;
        int r;

        *a += strspn(*a, "0");
        *b += strspn(*b, "0");
        n = strspn(*a, "0123456789");
        m = strspn(*b, "0123456789");
        if (n != m)
                return n < m ? -1 : 1;
        r = strncmp(*a, *b, n);
        *a += n;
        *b += n;
        return r;
}

int kernel_release_compare(const char *a, const char *b)
{
        assert(a);
        assert(b);

        while (*a || *b) {
                int r;

                while ((*a && !isdigit((unsigned char) *a)) || (*b && !isdigit((unsigned char) *b))) {
                        r = character_rank(a) - character_rank(b);
                        if (r != 0)
                                return r;
                        a++;
                        b++;
                }
                r = compare_numbers(&a, &b);
                if (r != 0)
                        return r;
        }
        return 0;
}

/* Whether what follows a release belongs to another one's name: "-rt" does, "-advanced-UUID" does not. */
static bool goes_on(const char *end)
{
        if (*end == '-')
                return !startswith(end, "-advanced") && !startswith(end, "-recovery");
        if (*end == '.')
                return isdigit((unsigned char) end[1]);
        return *end && (isalnum((unsigned char) *end) || strchr("+~_", *end));
}

static bool names_release(const char *text, const char *release)
{
        for (const char *s = strstr(text, release); s; s = strstr(s + 1, release)) {
                const char *before = s > text ? s - 1 : NULL;

                if ((!before || (!isalnum((unsigned char) *before) && *before != '.')) &&
                    !goes_on(s + strlen(release)))
                        return true;
        }
        return false;
}

const char *kernel_release_find(const char *text, char *const releases[], size_t n)
{
        const char *found = NULL;

        assert(text);
        assert(releases || n == 0);

        for (size_t i = 0; i < n; i++)
                if ((!found || strlen(releases[i]) > strlen(found)) && names_release(text, releases[i]))
                        found = releases[i];
        return found;
}
