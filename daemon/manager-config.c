/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "manager-config.h"

#include <assert.h>

#include "manager-bind.h"
#include "manager-report.h"
#include "manager.h"
#include "util/escape.h"
#include "util/log.h"
#include "util/switch.h"

/* userdata: a char *: the first problem that is fatal. */
static void on_problem(const char *file, unsigned line, bool fatal, const char *what, void *userdata)
{
        char **first = userdata;
        _cleanup_free_ char *text = NULL;
        int r;

        r = line > 0 ? asprintf(&text, "/%s:%u: %s", file, line, what)
                     : asprintf(&text, "/%s: %s", file, what);
        if (r < 0) {
                text = NULL;
                return;
        }
        log_full(fatal ? LOG_ERR : LOG_WARNING, 0, "%s", text);
        /* It is shown where a name with a line break would be read as two lines. */
        if (fatal && !*first)
                *first = escape(text);
}

static int read_config(struct manager *m, struct config *ret)
{
        char *error = NULL;
        int r = config_read(ret, &m->root, on_problem, &error);

        free(m->config_error);
        m->config_error = error;
        manager_report_changed(m);
        if (r < 0 && !error)
                m->config_error = strdup(strerror(-r));
        return r;
}

int manager_config_start(struct manager *m)
{
        int r;

        assert(m);

        r = read_config(m, &m->config);
        if (r == -ENOMEM)
                return log_error(r, "Failed to read the configuration, not starting: %m");
        if (r == 0)
                return 0;
        m->config = config_default();
        m->observes_only = true;
        log_error(0,
                  "The configuration is rejected: vfioalignd changes nothing on its own until it is mended "
                  "and reloaded");
        return 0;
}

void manager_config_reload(struct manager *m)
{
        struct config config;

        assert(m);

        if (read_config(m, &config) < 0) {
                log_full(LOG_ERR, 0, "Failed to reload the configuration, %s",
                         m->observes_only ? "still only observing" : "keeping the previous one");
                return;
        }
        config_done(&m->config);
        m->config = config;
        m->observes_only = false;
        manager_boot_reset(m);
        log_info("Configuration reloaded");
}

const char *manager_restraint(const struct manager *m)
{
        const char *off;

        assert(m);

        off = switched_off(&m->root);
        if (off)
                return off;
        return m->observes_only ? "the configuration of vfioalignd, which is rejected" : NULL;
}
