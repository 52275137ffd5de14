/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain-mark.h"

#include <assert.h>

#include "domain-edit.h"
#include "facts/guest/xml.h"
#include "util/array.h"
#include "util/memory.h"

#define ROOT_NAME "vfioalign:edits"
/* More than the longest path has elements. */
#define MADE_MAX 16
#define EDITS_MAX 4096

static void edit_done(struct domain_edit *e)
{
        free(e->fix);
        free(e->key);
        free(e->before);
        free(e->after);
        *e = (struct domain_edit){};
}

void domain_edits_done(struct domain_edits *edits)
{
        for (size_t i = 0; i < edits->n; i++)
                edit_done(&edits->edits[i]);
        free(edits->edits);
        *edits = (struct domain_edits){};
}

static bool is_ours(const xmlNode *node, const char *name)
{
        return xml_is(node, name) && node->ns && streq((const char *) node->ns->href, DOMAIN_EDIT_NAMESPACE);
}

static xmlNode *metadata_of(const struct domain_text *t)
{
        return xml_child(domain_text_root(t), "metadata");
}

static xmlNode *marks_of(const struct domain_text *t)
{
        xml_foreach (node, metadata_of(t))
                if (is_ours(node, "edits"))
                        return node;
        return NULL;
}

static int read_edit(struct domain_edits *edits, xmlNode *node, const char *fix)
{
        _cleanup_free_ char *place = xml_attribute(node, "place");
        struct domain_edit *e;
        uint64_t elements = 0;

        if (!is_ours(node, "edit") || edits->n == EDITS_MAX)
                return -EBADMSG;
        e = array_append(edits->edits, edits->n);
        if (!e)
                return -ENOMEM;
        e->fix = memory_note(strdup(fix));
        e->place = domain_place_from_string(place);
        e->key = xml_attribute(node, "key");
        e->before = xml_attribute(node, "before");
        e->after = xml_attribute(node, "after");
        if (xmlHasProp(node, (const xmlChar *) "made") &&
            xml_attribute_u64(node, "made", MADE_MAX, &elements) < 0)
                return -EBADMSG;
        e->made = (struct place_made){
                .n_elements = (unsigned) elements,
                .parent_opened = xml_attribute_is(node, "opened", "yes"),
        };
        if (!e->fix || e->place < 0 || !e->key || !e->after)
                return -EBADMSG;
        return 0;
}

static int read_fix(struct domain_edits *edits, xmlNode *node)
{
        _cleanup_free_ char *fix = xml_attribute(node, "id");

        if (!is_ours(node, "fix") || !fix)
                return -EBADMSG;
        xml_foreach (edit, node) {
                int r = read_edit(edits, edit, fix);

                if (r < 0)
                        return r;
        }
        return 0;
}

int domain_edits_read(struct domain_edits *edits, const struct domain_text *t)
{
        _cleanup_(domain_edits_done) struct domain_edits all = {};

        assert(edits);
        assert(t);

        xml_foreach (node, marks_of(t)) {
                int r = read_fix(&all, node);

                if (r < 0)
                        return r;
        }
        *edits = TAKE(all, (struct domain_edits){});
        return 0;
}

static int write_attribute(FILE *file, const char *name, const char *value)
{
        _cleanup_free_ char *escaped = domain_text_escape(value);

        if (!escaped)
                return -ENOMEM;
        fprintf(file, " %s=\"%s\"", name, escaped);
        return 0;
}

static int write_edit(FILE *file, const char *prefix, const struct domain_edit *e, int indent)
{
        int r;

        fprintf(file, "\n%*s<%sedit place=\"%s\"", indent, "", prefix, domain_place_to_string(e->place));
        r = write_attribute(file, "key", e->key);
        if (r < 0)
                return r;
        if (e->before) {
                r = write_attribute(file, "before", e->before);
                if (r < 0)
                        return r;
        }
        r = write_attribute(file, "after", e->after);
        if (r < 0)
                return r;
        if (e->made.n_elements > 0)
                fprintf(file, " made=\"%u\"", e->made.n_elements);
        fprintf(file, "%s/>", e->made.parent_opened ? " opened=\"yes\"" : "");
        return 0;
}

/* In the form in which libvirt writes metadata back, by libxml2: two columns a level. */
static int write_fix(FILE *file, const char *prefix, const char *fix, const struct domain_edits *edits,
                     int indent)
{
        int r;

        fprintf(file, "\n%*s<%sfix", indent, "", prefix);
        r = write_attribute(file, "id", fix);
        if (r < 0)
                return r;
        fputc('>', file);
        for (size_t i = 0; i < edits->n; i++) {
                r = write_edit(file, prefix, &edits->edits[i], indent + 2);
                if (r < 0)
                        return r;
        }
        fprintf(file, "\n%*s</%sfix>", indent, "", prefix);
        return 0;
}

/* The last of the elements with which libvirt begins a domain; <metadata> follows them. NULL: none is there.
 */
static const xmlNode *sibling_before_metadata(const struct domain_text *t)
{
        static const char *const names[] = { "name", "uuid", "genid", "hwuuid", "title", "description" };
        const xmlNode *last = NULL;

        xml_foreach (node, domain_text_root(t))
                for (size_t i = 0; i < ELEMENTSOF(names); i++)
                        if (xml_is(node, names[i]))
                                last = node;
        return last;
}

static bool is_closed(const struct domain_text *t, const xmlNode *element)
{
        return domain_text_span(t, element)->inner == domain_text_span(t, element)->end;
}

/* Our element in <metadata>, whose attribute `metadata` records what to leave behind when it goes. */
static void write_root(FILE *file, const xmlNode *metadata, bool metadata_is_closed, int indent)
{
        fprintf(file, "\n%*s<" ROOT_NAME " xmlns:vfioalign=\"%s\"", indent, "", DOMAIN_EDIT_NAMESPACE);
        if (!metadata)
                fputs(" metadata=\"new\"", file);
        else if (metadata_is_closed)
                fputs(" metadata=\"empty\"", file);
        fputc('>', file);
}

/* The marks of the fix, with <metadata> and our element in it around them where these are not there yet. */
static int write_marks(FILE *file, const struct domain_text *t, const char *fix,
                       const struct domain_edits *edits)
{
        const xmlNode *metadata = metadata_of(t), *marks = marks_of(t);
        int indent = domain_text_indent(t, domain_text_root(t)) + 2, r;

        if (marks) {
                _cleanup_free_ char *prefix = NULL;

                if (asprintf(&prefix, "%s%s", marks->ns->prefix ? (const char *) marks->ns->prefix : "",
                             marks->ns->prefix ? ":" : "") < 0) {
                        prefix = NULL;
                        return -ENOMEM;
                }
                return write_fix(file, prefix, fix, edits, domain_text_indent(t, marks) + 2);
        }
        if (!metadata)
                fprintf(file, "\n%*s<metadata>", indent, "");
        else
                indent = domain_text_indent(t, metadata);
        write_root(file, metadata, metadata && is_closed(t, metadata), indent + 2);
        r = write_fix(file, "vfioalign:", fix, edits, indent + 4);
        if (r < 0)
                return r;
        fprintf(file, "\n%*s</" ROOT_NAME ">", indent + 2, "");
        if (!metadata)
                fprintf(file, "\n%*s</metadata>", indent, "");
        return 0;
}

int domain_edits_mark(struct domain_text *t, const char *fix, const struct domain_edits *edits)
{
        const xmlNode *marks, *metadata;
        _cleanup_free_ char *text = NULL;
        bool opened;
        size_t size;
        FILE *file;
        int r;

        assert(t);
        assert(fix);
        assert(edits);

        marks = marks_of(t);
        metadata = metadata_of(t);
        file = open_memstream(&text, &size);
        if (!file)
                return -ENOMEM;
        r = write_marks(file, t, fix, edits);
        if (memory_stream_close(file, &text) < 0 || r < 0)
                return -ENOMEM;
        if (!marks && !metadata)
                return domain_text_insert(t, domain_text_root(t), sibling_before_metadata(t), text, &opened);
        return domain_text_insert(t, marks ?: metadata, NULL, text, &opened);
}

/* The first mark of that fix, or with NULL of any. */
static xmlNode *mark_of(const struct domain_text *t, const char *fix)
{
        xml_foreach (node, marks_of(t))
                if (!fix || xml_attribute_is(node, "id", fix))
                        return node;
        return NULL;
}

int domain_edits_unmark(struct domain_text *t, const char *fix)
{
        bool metadata_is_new, metadata_was_closed;
        xmlNode *marks;
        int r;

        assert(t);

        marks = marks_of(t);
        metadata_is_new = xml_attribute_is(marks, "metadata", "new");
        metadata_was_closed = xml_attribute_is(marks, "metadata", "empty");

        for (xmlNode *mark; (mark = mark_of(t, fix));) {
                r = domain_text_remove(t, mark);
                if (r < 0)
                        return r;
        }
        marks = marks_of(t);
        if (!marks || !domain_text_is_empty(t, marks))
                return 0;

        r = domain_text_remove(t, marks);
        if (r < 0)
                return r;
        if (!domain_text_is_empty(t, metadata_of(t)))
                return 0;
        if (metadata_is_new)
                return domain_text_remove(t, metadata_of(t));
        if (metadata_was_closed)
                return domain_text_close(t, metadata_of(t));
        return 0;
}
