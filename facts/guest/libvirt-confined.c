/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can keep libvirt's daemon from running the hook that is installed. */
#include "libvirt-confined.h"

#include <assert.h>
#include <errno.h>

#include "libvirt-paths.h"
#include "util/file.h"
#include "util/macro.h"
#include "util/memory.h"

#define HOOKS "/etc/libvirt/hooks"
#define MOUNTS_MAX MIB(4)
#define ROOT_QUESTION "libvirt-daemon-root"
#define SELINUX "sys/fs/selinux/"

/* Whether a path of a rule covers our hook: all below HOOKS, or the file itself. */
static bool covers_hook(const char *path)
{
        const char *rest = startswith(path, HOOKS);

        return rest && (startswith(rest, "/**") || startswith(rest, "/{") || startswith(rest, "/qemu.d"));
}

static enum fact_value judge_rule(char *line)
{
        bool denies = false;
        char *save = NULL, *word = strtok_r(line, " \t", &save), *modes;

        while (word && (streq(word, "audit") || streq(word, "deny") || streq(word, "allow") ||
                        streq(word, "owner"))) {
                denies = denies || streq(word, "deny");
                word = strtok_r(NULL, " \t", &save);
        }
        if (!word || !covers_hook(word))
                return FACT_UNKNOWN;
        modes = strtok_r(NULL, " \t", &save);
        if (!modes || !strpbrk(modes, "xX"))
                return FACT_UNKNOWN;
        return denies ? FACT_NO : FACT_YES;
}

enum fact_value apparmor_allows_hook(char *text)
{
        enum fact_value sum = FACT_UNKNOWN;
        char *save = NULL;

        assert(text);

        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                enum fact_value rule = judge_rule(line);

                if (rule == FACT_NO)
                        return FACT_NO;
                if (rule == FACT_YES)
                        sum = FACT_YES;
        }
        return sum;
}

static struct fact judge_profiles(struct libvirt_facts *l, const struct root *root)
{
        static const char *const files[] = {
                "etc/apparmor.d/local/usr.sbin.libvirtd",
                "etc/apparmor.d/local/usr.sbin.virtqemud",
                "etc/apparmor.d/usr.sbin.libvirtd",
                "etc/apparmor.d/usr.sbin.virtqemud",
        };
        const bool modular = l->unit && startswith(l->unit, "virtqemud");
        struct fact f = fact_unknown("the AppArmor profile of libvirt's daemon does not name hooks");

        for (size_t i = modular; i < ELEMENTSOF(files); i += 2) {
                _cleanup_free_ char *text = NULL;
                enum fact_value value;

                if (grep_file_at(root->fd, files[i], (const char *const[]){ HOOKS, NULL }, &text) < 0)
                        continue;
                value = apparmor_allows_hook(text);
                if (value == FACT_NO) {
                        l->hook_obstacle = HOOK_OBSTACLE_APPARMOR;
                        f = fact_is(false, SOURCE_FILE);
                        f.why = "the AppArmor profile of libvirt's daemon denies it hooks";
                        return f;
                }
                if (value == FACT_YES)
                        f = fact_is(true, SOURCE_FILE);
        }
        return f;
}

/* "system_u:system_r:virtqemud_t:s0". The daemon of older policies, virtd_t, is not confined. */
static struct fact judge_selinux(struct libvirt_facts *l, const struct root *root, const char *label)
{
        _cleanup_free_ char *boolean = NULL;
        struct fact f = fact_is(true, SOURCE_SYSFS);

        if (label ? !strstr(label, ":virtqemud_t:")
                  : l->running.value != FACT_NO ||
                            !exists_at(root->fd, "etc/systemd/system/sockets.target.wants/virtqemud.socket"))
                return label ? f : fact_unknown("the SELinux domain of libvirt's daemon is not seen");
        if (read_line_at(root->fd, SELINUX "booleans/virt_hooks_unconfined", &boolean) < 0)
                return fact_unknown("what SELinux's policy allows hooks is not seen");
        /* Policies up to that of October 2024 allow it to virtnetworkd alone (virt.te). */
        if (*boolean != '0')
                return fact_unknown(
                        "virt_hooks_unconfined is on; not every policy lets virtqemud run hooks by "
                        "that (ausearch -m avc -c rpc-virtqemud)");
        l->hook_obstacle = HOOK_OBSTACLE_SELINUX;
        f.value = FACT_NO;
        f.why = "SELinux is enforcing, and virt_hooks_unconfined is off";
        return f;
}

/* The device and the directory of what is mounted at "/", of a process's mountinfo; and whether it has
 * mounts of its own in /etc/libvirt. */
static int read_root_mount(const struct root *root, int pid, char ret[static 512], bool *ret_own)
{
        _cleanup_free_ char *text = NULL;
        char path[sizeof("proc//mountinfo") + 11], *save = NULL;
        int r;

        snprintf(path, sizeof(path), "proc/%d/mountinfo", pid);
        r = read_file_at(root->fd, path, MOUNTS_MAX, &text, NULL);
        if (r < 0)
                return r;
        *ret = '\0';
        *ret_own = false;
        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                char device[64], directory[256], where[256];

                if (sscanf(line, "%*s %*s %63s %255s %255s", device, directory, where) != 3)
                        continue;
                if (streq(where, "/"))
                        snprintf(ret, 512, "%s %s", device, directory);
                *ret_own = *ret_own || startswith(where, "/etc/libvirt");
        }
        return *ret ? 0 : -ENODATA;
}

/* "host", "other", or "mounts": another one that has something mounted in /etc/libvirt. A record has only
 * the answer, because it keeps no mounts of containers. Unknown: NULL. The caller frees it. */
static char *read_daemon_root(const struct libvirt_facts *l, const struct root *root)
{
        char *answer = root_answer(root, ROOT_QUESTION);
        char host[512], daemon[512];
        const char *text = "host";
        bool own;

        if (answer || l->pid == 0 || read_root_mount(root, 1, host, &own) < 0 ||
            read_root_mount(root, l->pid, daemon, &own) < 0)
                return answer;
        if (!streq(host, daemon))
                text = own ? "mounts" : "other";
        root_note(root, ROOT_QUESTION, text);
        return memory_note(strdup(text));
}

static struct fact judge_label(struct libvirt_facts *l, const struct root *root)
{
        _cleanup_free_ char *enforce = NULL, *label = NULL;
        char path[sizeof("proc//attr/current") + 11];

        snprintf(path, sizeof(path), "proc/%d/attr/current", (int) l->pid);
        if (l->pid != 0)
                (void) read_line_at(root->fd, path, &label);
        if (read_line_at(root->fd, SELINUX "enforce", &enforce) >= 0)
                return streq(enforce, "1") ? judge_selinux(l, root, label) : fact_is(true, SOURCE_SYSFS);
        if (!label)
                return fact_unknown(l->pid == 0 ? "libvirt's daemon does not run"
                                                : "what confines libvirt's daemon is not seen");
        return strstr(label, "(enforce)") ? judge_profiles(l, root) : fact_is(true, SOURCE_PROC);
}

void libvirt_confined_read(struct libvirt_facts *l, const struct root *root)
{
        _cleanup_free_ char *where = NULL;

        assert(l);
        assert(root);

        l->hook_obstacle = HOOK_OBSTACLE_NONE;
        where = read_daemon_root(l, root);
        if (where && streq(where, "mounts")) {
                l->hook_allowed = fact_unknown(
                        "libvirt's daemon runs in a container that has something mounted "
                        "in /etc/libvirt");
                return;
        }
        if (where && streq(where, "other")) {
                l->hook_obstacle = HOOK_OBSTACLE_CONTAINER;
                l->hook_allowed = fact_is(false, SOURCE_PROC);
                l->hook_allowed.why = "libvirt's daemon runs in a container, and sees the hooks of that";
                return;
        }
        l->hook_allowed = judge_label(l, root);
}
