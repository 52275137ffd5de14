/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "module-key.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>

#include "util/file.h"
#include "util/macro.h"

#define EFIVARS "sys/firmware/efi/efivars"
#define MOK_LIST_MAX (1U << 20)
#define SHIM_GUID "-605dab50-e046-4300-abb6-3dd810dd8b23" /* SHIM_LOCK_GUID */

#define ID_MAX 64 /* bytes of a key's identifier */
#define ID_MIN 8  /* shorter ones could be found in a certificate by chance */

static const char *const certificates[] = {
        "/var/lib/dkms/mok.pub",                /* dkms, Debian */
        "/var/lib/shim-signed/mok/MOK.der",     /* Ubuntu */
        "/etc/pki/akmods/certs/public_key.der", /* Fedora */
};

/* Parses "4B:C3:..." or "4bc3...", up to the first character that is not hex. Returns the number of bytes, 0
 * if there are none or too many. */
static size_t parse_id(const char *s, uint8_t id[static ID_MAX])
{
        size_t n = 0;

        while (isxdigit((unsigned char) s[0]) && isxdigit((unsigned char) s[1]) && n < ID_MAX) {
                (void) sscanf(s, "%2hhx", &id[n++]);
                s += 2;
                if (*s == ':' && isxdigit((unsigned char) s[1]))
                        s++;
        }
        return isxdigit((unsigned char) *s) ? 0 : n;
}

/* Parses one line of /proc/keys: where its subject starts, and its identifier. */
static bool parse_key(const char *line, const char **subject, uint8_t id[static ID_MAX], size_t *n)
{
        const char *type = strstr(line, " asymmetri "), *end = strstr(line, ": X509.");
        const char *colon = NULL;

        if (!type || !end)
                return false;
        *subject = type + strlen(" asymmetri ");
        for (const char *p = *subject; p < end; p++)
                if (p[0] == ':' && p[1] == ' ')
                        colon = p;
        if (!colon)
                return false;
        *n = parse_id(colon + 2, id);
        return *n > 0;
}

/* A certificate in DER has the serial number as an INTEGER (0x02), and the key's identifier as an OCTET
 * STRING (0x04). Both are long random numbers, so finding them is proof enough. */
static bool der_contains(const char *der, size_t size, uint8_t tag, const uint8_t id[], size_t n)
{
        uint8_t value[ID_MAX + 2] = { tag, (uint8_t) n };

        memcpy(value + 2, id, n);
        return memmem(der, size, value, n + 2);
}

struct search {
        uint8_t serial[ID_MAX];
        size_t n_serial;
        const char *signer;
        char *der; /* the certificate with that serial number, or NULL */
        const char *der_path;
        size_t der_size;
        bool any;   /* /proc/keys shows at least one key */
        bool named; /* one of them has the signer's name */
};

static void search_done(struct search *s)
{
        free(s->der);
}

static void find_certificate(struct search *s, const struct root *root)
{
        if (s->n_serial < ID_MIN)
                return;
        for (size_t i = 0; i < ELEMENTSOF(certificates); i++) {
                _cleanup_free_ char *der = NULL;
                size_t size;

                if (read_file_at(root->fd, certificates[i] + strlen("/"), 65536, &der, &size) < 0 ||
                    !der_contains(der, size, 0x02, s->serial, s->n_serial))
                        continue;
                s->der = TAKE_PTR(der);
                s->der_size = size;
                s->der_path = certificates[i];
                return;
        }
}

/* Whether the line of /proc/keys is the key that is searched for. */
static bool is_key(struct search *s, const char *line)
{
        uint8_t id[ID_MAX];
        const char *subject, *found;
        size_t n;

        if (!parse_key(line, &subject, id, &n))
                return false;
        s->any = true;
        found = *s->signer ? strstr(subject, s->signer) : NULL;
        s->named |= found && found < strstr(line, ": X509.");
        if (n == s->n_serial && memcmp(id, s->serial, n) == 0)
                return true;
        return s->der && n >= ID_MIN && der_contains(s->der, s->der_size, 0x04, id, n);
}

struct fact module_key_enrolled(const struct root *root, const char *sig_key, const char *signer)
{
        _cleanup_(search_done) struct search s = { .signer = signer };
        _cleanup_free_ char *keys = NULL;
        char *save = NULL;

        assert(root);
        assert(sig_key);
        assert(signer);

        s.n_serial = parse_id(sig_key, s.serial);
        if (s.n_serial == 0)
                return fact_unknown("the module does not name its key");
        if (grep_file_at(root->fd, "proc/keys", (const char *const[]){ " asymmetri ", NULL }, &keys) < 0)
                return fact_unknown("/proc/keys cannot be read");
        find_certificate(&s, root);
        for (char *line = strtok_r(keys, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
                if (is_key(&s, line))
                        return fact_is(true, SOURCE_PROC);
        if (!s.any)
                return fact_unknown("the kernel shows its keys to root only");
        if (s.named && !s.der)
                return fact_unknown(
                        "a key of the signer's name is enrolled; its certificate, to tell whether it is the "
                        "same, was not found");
        return fact_is(false, SOURCE_PROC);
}

/* Whether a list of shim's has a certificate with that serial number: it is a long random number, so finding
 * it is proof enough. */
static struct fact search_mok(const struct root *root, const char *name, const char *const paths[],
                              const struct search *s)
{
        _cleanup_free_ char *answer = NULL;
        struct fact f = fact_unknown("the lists of MOKs cannot be read");
        char question[64 + 2 * ID_MAX];
        int n;

        n = snprintf(question, sizeof(question), "mok %s ", name);
        for (size_t i = 0; i < s->n_serial; i++)
                n += snprintf(question + n, sizeof(question) - (size_t) n, "%02x", s->serial[i]);
        answer = root_answer(root, question);
        if (answer)
                return fact_is(streq(answer, "yes"), SOURCE_SYSFS);
        for (size_t i = 0; paths[i]; i++) {
                _cleanup_close_ int fd = open_regular_at(root->fd, paths[i], NULL);
                _cleanup_free_ char *list = NULL;
                size_t size;

                if (fd == -ENOENT && exists_at(root->fd, EFIVARS))
                        f = fact_is(false, SOURCE_SYSFS); /* without the variable, the list is empty */
                if (fd < 0 || read_fd(fd, MOK_LIST_MAX, &list, &size) < 0)
                        continue;
                f = fact_is(der_contains(list, size, 0x02, s->serial, s->n_serial), SOURCE_SYSFS);
                break;
        }
        if (f.value != FACT_UNKNOWN)
                root_note(root, question, f.value == FACT_YES ? "yes" : "no");
        return f;
}

void module_mok_read(struct module_mok *m, const struct root *root, const char *sig_key)
{
        static const char *const list[] = { "sys/firmware/efi/mok-variables/MokListRT",
                                            EFIVARS "/MokListRT" SHIM_GUID, NULL },
                                 *const new[] = { EFIVARS "/MokNew" SHIM_GUID, NULL };
        _cleanup_(search_done) struct search s = { .signer = "" };

        assert(m);
        assert(root);
        assert(sig_key);

        *m = (struct module_mok){};
        s.n_serial = parse_id(sig_key, s.serial);
        if (s.n_serial < ID_MIN)
                return;
        find_certificate(&s, root);
        m->certificate = s.der_path;
        m->listed = search_mok(root, "MokListRT", list, &s);
        m->pending = search_mok(root, "MokNew", new, &s);
}
