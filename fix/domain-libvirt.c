/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain-libvirt.h"

#include <assert.h>
#include <errno.h>
#include <libvirt/virterror.h>

#include "domain-edit.h"
#include "facts/guest/xml.h"
#include "util/macro.h"

DEFINE_TRIVIAL_CLEANUP(virDomainPtr, virDomainFree)

static void ignore_error(void *userdata, virErrorPtr error)
{
        (void) userdata, (void) error;
}

static int libvirt_failed(char **ret_why, const char *what)
{
        const char *message = virGetLastErrorMessage();

        if (asprintf(ret_why, "%s: %s", what, message) < 0)
                *ret_why = NULL;
        return -EIO;
}

static int refuse_with(char **ret_why, int error, const char *why)
{
        *ret_why = strdup(why);
        return error;
}

static int open_domain(struct domain *d, const char *uri, const char *name, bool writable, char **ret_why)
{
        uri = uri ?: "qemu:///system";
        d->connection = writable ? virConnectOpen(uri) : virConnectOpenReadOnly(uri);
        if (!d->connection)
                return libvirt_failed(ret_why, "Failed to connect to libvirt");
        d->domain = virDomainLookupByName(d->connection, name)
                            ?: virDomainLookupByUUIDString(d->connection, name);
        if (!d->domain) {
                if (asprintf(ret_why, "libvirt has no guest '%s'", name) < 0)
                        *ret_why = NULL;
                return -ENOENT;
        }
        if (virDomainIsPersistent(d->domain) == 0)
                return refuse_with(
                        ret_why, -EXDEV,
                        "This guest is transient: libvirt keeps nothing of it that could be edited. Edit "
                        "the XML that it is made of where that is kept");
        if (virConnectGetLibVersion(d->connection, &d->libvirt_version) < 0)
                d->libvirt_version = 0;
        d->running = virDomainIsActive(d->domain) > 0;
        d->managed_save = virDomainHasManagedSaveImage(d->domain, 0) > 0;
        return 0;
}

int domain_open(struct domain *d, const char *uri, const char *name, bool writable, char **ret_why)
{
        int r;

        assert(d);
        assert(name);
        assert(ret_why);

        *d = (struct domain){};
        /* By default, libvirt's library prints errors. Ours are in *ret_why. */
        virSetErrorFunc(NULL, ignore_error);
        r = open_domain(d, uri, name, writable, ret_why);
        if (r < 0)
                domain_close(d);
        return r;
}

void domain_close(struct domain *d)
{
        if (d->domain)
                virDomainFree(d->domain);
        if (d->connection)
                virConnectClose(d->connection);
        *d = (struct domain){};
}

int domain_read(const struct domain *d, bool secrets, char **ret, char **ret_why)
{
        char *xml;

        assert(d);
        assert(ret);
        assert(ret_why);

        xml = virDomainGetXMLDesc(d->domain,
                                  VIR_DOMAIN_XML_INACTIVE | (secrets ? VIR_DOMAIN_XML_SECURE : 0));
        if (!xml)
                return libvirt_failed(ret_why, "Failed to read the guest's XML");
        *ret = xml;
        return 0;
}

static int define_domain(const struct domain *d, const char *xml)
{
        _cleanup_(virDomainFreep) virDomainPtr defined = virDomainDefineXMLFlags(d->connection, xml,
                                                                                 VIR_DOMAIN_DEFINE_VALIDATE);

        return defined ? 0 : -EIO;
}

/* Says what has become of the old domain. The caller's to free; NULL: out of memory. */
static char *redefine_old(const struct domain *d, const char *old)
{
        _cleanup_free_ char *now = NULL;
        char *why = NULL;

        if (define_domain(d, old) < 0) {
                (void) libvirt_failed(&why, "and the old guest could not be defined again");
                return why;
        }
        if (domain_read(d, true, &now, &why) < 0)
                return why;
        if (!streq(now, old))
                return strdup("the old guest is defined again, as far as libvirt leaves it as it was");
        return strdup("the old guest is defined again");
}

/* The domain is defined, but not as it should be. */
static int put_back(const struct domain *d, const char *old, const char *wrong, char **ret_why)
{
        _cleanup_free_ char *why = redefine_old(d, old);

        if (asprintf(ret_why, "%s; %s", wrong, why ?: "") < 0)
                *ret_why = NULL;
        return -EBADE;
}

/* While a domain has an element of libvirt's namespace for QEMU, libvirt declares that in the first tag. */
static char *without_namespace(const char *xml)
{
        static const char declaration[] = " xmlns:qemu='" QEMU_NAMESPACE "'";
        const char *at = memmem(xml, strcspn(xml, ">"), declaration, strlen(declaration));
        char *text;

        if (!at)
                return strdup(xml);
        if (asprintf(&text, "%.*s%s", (int) (at - xml), xml, at + strlen(declaration)) < 0)
                return NULL;
        return text;
}

static bool is_same(const char *a, const char *b)
{
        _cleanup_free_ char *plain_a = without_namespace(a), *plain_b = without_namespace(b);

        return plain_a && plain_b && streq(plain_a, plain_b);
}

/* Checks what libvirt has made of our definition. NULL: it is as it should be. */
static const char *find_wrong(const char *old, const char *now, enum fix_action action, const char *fix)
{
        int state = domain_edit_state(now, strlen(now), fix);
        _cleanup_free_ char *back = NULL;

        if (state != (action == FIX_APPLY ? DOMAIN_EDIT_APPLIED : DOMAIN_EDIT_NONE))
                return "libvirt has not kept what was edited";
        if (action == FIX_REVERT)
                return NULL;
        if (domain_edit_revert(now, strlen(now), fix, &back) != 1)
                return "what libvirt has made of it could not be reverted";
        if (!is_same(back, old))
                return "libvirt has changed other parts of it on this occasion";
        return NULL;
}

int domain_define(const struct domain *d, const char *old, const char *new, enum fix_action action,
                  const char *fix, char **ret_why)
{
        _cleanup_free_ char *before = NULL, *after = NULL;
        const char *wrong;
        int r;

        assert(d);
        assert(old);
        assert(new);
        assert(ret_why);

        r = domain_read(d, true, &before, ret_why);
        if (r < 0)
                return r;
        if (!streq(before, old))
                return refuse_with(ret_why, -EAGAIN,
                                   "Somebody else has changed the guest in the meantime: try again");
        if (define_domain(d, new) < 0)
                return libvirt_failed(ret_why, "libvirt does not take the edited guest, which is as before");
        r = domain_read(d, true, &after, ret_why);
        if (r < 0)
                return r;
        wrong = find_wrong(old, after, action, fix);
        if (wrong)
                return put_back(d, old, wrong, ret_why);
        return 0;
}
