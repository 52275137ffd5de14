/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain-mark.h"

#include "domain-edit.h"
#include "facts/guest/xml.h"
#include "util/array.h"

#define ROOT_NAME "vfioalign:edits"
/* Far over what the longest way takes */
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
        e->fix = strdup(fix);
        e->place = domain_place_from_string(place);
        e->key = xml_attribute(node, "key");
        e->before = xml_attribute(node, "before");
        e->after = xml_attribute(node, "after");
        if (xmlHasProp(node, (const xmlChar *) "made") &&
            xml_attribute_u64(node, "made", MADE_MAX, &elements) < 0)
                return -EBADMSG;
        e->made = (struct place_made){
                .elements = (unsigned) elements,
                .opened = xml_attribute_is(node, "opened", "yes"),
        };
        return e->fix && e->place >= 0 && e->key && e->after ? 0 : -EBADMSG;
}

int domain_edits_read(struct domain_edits *edits, const struct domain_text *t)
{
        struct domain_edits all = {};

        xml_foreach (node, marks_of(t)) {
                _cleanup_free_ char *fix = xml_attribute(node, "id");
                int r = is_ours(node, "fix") && fix ? 0 : -EBADMSG;

                for (xmlNode *n = node->children; n && r >= 0; n = n->next)
                        if (n->type == XML_ELEMENT_NODE)
                                r = read_edit(&all, n, fix);
                if (r < 0) {
                        domain_edits_done(&all);
                        return r;
                }
        }
        *edits = all;
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

/* As libvirt writes metadata: by libxml2, two columns a level. */
static int write_fix(FILE *file, const char *prefix, const char *fix, const struct domain_edits *edits,
                     int indent)
{
        int r;

        fprintf(file, "\n%*s<%sfix", indent, "", prefix);
        r = write_attribute(file, "id", fix);
        fputc('>', file);
        for (size_t i = 0; i < edits->n && r >= 0; i++) {
                const struct domain_edit *e = &edits->edits[i];

                fprintf(file, "\n%*s<%sedit place=\"%s\"", indent + 2, "", prefix,
                        domain_place_to_string(e->place));
                r = write_attribute(file, "key", e->key);
                if (r >= 0 && e->before)
                        r = write_attribute(file, "before", e->before);
                if (r >= 0)
                        r = write_attribute(file, "after", e->after);
                if (e->made.elements > 0)
                        fprintf(file, " made=\"%u\"", e->made.elements);
                fprintf(file, "%s/>", e->made.opened ? " opened=\"yes\"" : "");
        }
        fprintf(file, "\n%*s</%sfix>", indent, "", prefix);
        return r;
}

/* Behind those with which libvirt begins a domain. */
static const xmlNode *before_metadata(const struct domain_text *t)
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

/* What is not there of <metadata> and our element in it, around the marks. The attribute `metadata` says
 * what was. */
static int write_marks(FILE *file, const struct domain_text *t, const char *fix,
                       const struct domain_edits *edits)
{
        const xmlNode *metadata = metadata_of(t), *marks = marks_of(t);
        int indent = domain_text_indent(t, domain_text_root(t)) + 2, r;

        if (marks) {
                _cleanup_free_ char *prefix = NULL;

                if (asprintf(&prefix, "%s%s", marks->ns->prefix ? (const char *) marks->ns->prefix : "",
                             marks->ns->prefix ? ":" : "") < 0)
                        return -ENOMEM;
                return write_fix(file, prefix, fix, edits, domain_text_indent(t, marks) + 2);
        }
        if (!metadata)
                fprintf(file, "\n%*s<metadata>", indent, "");
        else
                indent = domain_text_indent(t, metadata);
        fprintf(file, "\n%*s<" ROOT_NAME " xmlns:vfioalign=\"%s\"%s>", indent + 2, "", DOMAIN_EDIT_NAMESPACE,
                !metadata                ? " metadata=\"new\""
                : is_closed(t, metadata) ? " metadata=\"empty\""
                                         : "");
        r = write_fix(file, "vfioalign:", fix, edits, indent + 4);
        fprintf(file, "\n%*s</" ROOT_NAME ">", indent + 2, "");
        if (!metadata)
                fprintf(file, "\n%*s</metadata>", indent, "");
        return r;
}

int domain_edits_mark(struct domain_text *t, const char *fix, const struct domain_edits *edits)
{
        const xmlNode *marks = marks_of(t), *metadata = metadata_of(t);
        _cleanup_free_ char *text = NULL;
        bool opened;
        size_t size;
        FILE *file = open_memstream(&text, &size);
        int r;

        if (!file)
                return -ENOMEM;
        r = write_marks(file, t, fix, edits);
        if (fclose(file) != 0 || r < 0)
                return -ENOMEM;
        if (!marks && !metadata)
                return domain_text_insert(t, domain_text_root(t), before_metadata(t), text, &opened);
        return domain_text_insert(t, marks ?: metadata, NULL, text, &opened);
}

/* The first of that fix, or with NULL of any. */
static xmlNode *mark_of(const struct domain_text *t, const char *fix)
{
        xml_foreach (node, marks_of(t))
                if (!fix || xml_attribute_is(node, "id", fix))
                        return node;
        return NULL;
}

int domain_edits_unmark(struct domain_text *t, const char *fix)
{
        xmlNode *marks = marks_of(t);
        bool is_new = xml_attribute_is(marks, "metadata", "new"),
             was_empty = xml_attribute_is(marks, "metadata", "empty");
        int r = 0;

        for (xmlNode *mark; r >= 0 && (mark = mark_of(t, fix));)
                r = domain_text_remove(t, mark);
        marks = marks_of(t);
        if (r < 0 || !marks || !domain_text_is_empty(t, marks))
                return r;
        r = domain_text_remove(t, marks);
        if (r < 0 || !domain_text_is_empty(t, metadata_of(t)))
                return r;
        return is_new      ? domain_text_remove(t, metadata_of(t))
               : was_empty ? domain_text_close(t, metadata_of(t))
                           : 0;
}
