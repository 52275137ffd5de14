/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transaction-group.h"

#include "test.h"

int setup(void **state)
{
        *state = fake_new();
        return 0;
}

int teardown(void **state)
{
        fake_delete(*state);
        return 0;
}

void add_group(struct fake_kernel *k)
{
        struct fake_function *f;

        fake_add(k, "0000:00:01.0", 0x0100, BRIDGE, 1, NULL);
        fake_add(k, A, FAKE_HOST_ID, NIC, 1, SERIAL);
        f = fake_add(k, B, FAKE_NOBODYS_ID, NIC, 1, NULL);
        fake_place(k, f, "", "");
        f = fake_add(k, C, FAKE_VARIANT_ID, NIC, 1, NULL);
        strcpy(f->autoprobe, "0");
        strcpy(f->d3cold_allowed, "0");
        fake_place(k, f, FAKE_SECOND, FAKE_SECOND);
        fake_add(k, OTHER, FAKE_HOST_ID, NIC, 2, NULL);
        fake_arm(k);
}

void assert_outcome_at(const struct fake_kernel *k, struct fake_result r, enum bind_outcome expected,
                       int line)
{
        if (*k->violation)
                fail_msg("line %d: %s", line, k->violation);
        if (r.signal || r.status || r.outcome != expected)
                fail_msg("line %d: %s, not %s; written: %s", line, fake_result_text(&r),
                         bind_outcome_to_string(expected), k->log);
}

void assert_driver(struct fake_kernel *k, const char *bdf, const char *driver, const char *override)
{
        assert_string_equal(fake_find(k, bdf)->driver, driver);
        assert_string_equal(fake_find(k, bdf)->override, override);
}
