/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain-place.h"

#include "facts/guest/facts-guest.h"
#include "facts/guest/xml.h"

#define STEPS_MAX 4

/* One element on the way to a value: of that name, and with that attribute. */
struct step {
        const char *name;
        const char *attribute; /* or NULL */
        const char *value;     /* NULL: the key */
};

static const struct way {
        bool of_device; /* begins at the device KEY, not at the domain */
        bool of_qemu;   /* in libvirt's namespace for QEMU */
        struct step steps[STEPS_MAX];
        const char *attribute;  /* of the last, with the value; NULL: its content */
        const char *more;       /* an attribute that it is made with, or that libvirt gives it */
        const char *more_value; /* NULL: it is not made with it */
        const char *behind;     /* where it is made, as libvirt does */
} ways[_DOMAIN_PLACE_MAX] = {
        [PLACE_EMULATOR] = {.steps = {{"devices"}, {"emulator"}}},
        [PLACE_PRELOAD] = {
                .of_qemu = true,
                .steps = {{"commandline"}, {"env", "name", "LD_PRELOAD"}},
                .attribute = "value",
        },
        [PLACE_ALIAS] = {.of_device = true, .steps = {{"alias"}}, .attribute = "name", .behind = "source"},
        [PLACE_IOMMUFD] = {.of_device = true, .steps = {{"driver"}}, .attribute = "iommufd", .more = "name"},
        [PLACE_NO_MMAP] = {
                .of_qemu = true,
                .steps = {{"override"}, {"device", "alias", NULL}, {"frontend"}, {"property", "name", "x-no-mmap"}},
                .attribute = "value",
                .more = "type",
                .more_value = "bool",
        },
};

/* clang-format off */
static const char *const domain_place_table[_DOMAIN_PLACE_MAX] = {
        [PLACE_EMULATOR] = "emulator",
        [PLACE_PRELOAD] = "preload",
        [PLACE_ALIAS] = "alias",
        [PLACE_IOMMUFD] = "iommufd",
        [PLACE_NO_MMAP] = "no-mmap",
};
/* clang-format on */
DEFINE_STRING_TABLE(domain_place, enum domain_place)

struct found {
        xmlNode *element;      /* the last on the way that is there */
        unsigned depth;        /* so many steps are */
        bool exists;           /* and the value is, too: */
        struct text_span span; /* inner, inner_end: of the value; start, end: of the attribute */
};

static unsigned n_steps(const struct way *way)
{
        unsigned n = 0;

        while (n < STEPS_MAX && way->steps[n].name)
                n++;
        return n;
}

static bool is_device(xmlNode *node, const char *key)
{
        xmlNode *address = xml_child(xml_child(node, "source"), "address");
        bdf_t bdf;

        if (!xml_is(node, "hostdev") && !xml_is(node, "interface"))
                return false;
        return xml_attribute_is(address, "uuid", key) ||
               (xml_pci_address(address, bdf) >= 0 && streq(bdf, key));
}

static xmlNode *find_device(const struct domain_text *t, const char *key)
{
        xml_foreach (node, xml_child(domain_text_root(t), "devices"))
                if (is_device(node, key))
                        return node;
        return NULL;
}

static bool is_step(xmlNode *node, const struct way *way, const struct step *step, const char *key)
{
        if (!xml_is(node, step->name) ||
            (way->of_qemu ? !node->ns || !streq((const char *) node->ns->href, QEMU_NAMESPACE)
                          : node->ns != NULL))
                return false;
        return !step->attribute || xml_attribute_is(node, step->attribute, step->value ?: key);
}

/* Text, or CDATA, and nothing else */
static bool is_text(const xmlNode *element)
{
        for (const xmlNode *n = element->children; n; n = n->next)
                if (n->type == XML_ELEMENT_NODE)
                        return false;
        return element->children;
}

static int find(const struct domain_text *t, const struct way *way, const char *key, struct found *ret)
{
        struct found f = { .element = way->of_device ? find_device(t, key) : domain_text_root(t) };
        unsigned n = n_steps(way);

        if (!f.element)
                return -ENODEV;
        for (; f.depth < n; f.depth++) {
                xmlNode *next = NULL;

                xml_foreach (node, f.element) {
                        if (!is_step(node, way, &way->steps[f.depth], key))
                                continue;
                        if (next)
                                return -EBADMSG;
                        next = node;
                }
                if (!next)
                        break;
                f.element = next;
        }
        if (f.depth == n && way->attribute)
                f.exists = domain_text_attribute(t, f.element, way->attribute, &f.span);
        else if (f.depth == n) {
                if (!is_text(f.element))
                        return -EBADMSG;
                f.span = *domain_text_span(t, f.element);
                f.exists = true;
        }
        *ret = f;
        return 0;
}

int domain_place_get(const struct domain_text *t, enum domain_place place, const char *key, char **ret_value,
                     char **ret_text)
{
        const struct way *way = &ways[place];
        _cleanup_free_ char *value = NULL, *text = NULL;
        struct found f;
        int r;

        r = find(t, way, key, &f);
        if (r < 0)
                return r;
        if (f.exists) {
                _cleanup_xml_ xmlChar *content = way->attribute
                                                         ? xmlGetNoNsProp(f.element,
                                                                          (const xmlChar *) way->attribute)
                                                         : xmlNodeGetContent(f.element);

                value = content ? strdup((const char *) content) : NULL;
                text = strndup(t->xml + f.span.inner, f.span.inner_end - f.span.inner);
                if (!value || !text)
                        return -ENOMEM;
        }
        *ret_value = TAKE_PTR(value);
        *ret_text = TAKE_PTR(text);
        return 0;
}

/* Of the elements to be made: "qemu:", or "". *ret_declare: it has to be declared first. */
static int prefix_for(const struct domain_text *t, const struct way *way, const struct found *f, char **ret,
                      bool *ret_declare)
{
        xmlNode *root = domain_text_root(t);
        const xmlNs *ns = f->depth > 0 ? f->element->ns
                          : way->of_qemu
                                  ? xmlSearchNsByHref(root->doc, root, (const xmlChar *) QEMU_NAMESPACE)
                                  : NULL;

        *ret_declare = way->of_qemu && !ns;
        if (*ret_declare)
                *ret = strdup("qemu:");
        else if (ns && ns->prefix)
                return asprintf(ret, "%s:", (const char *) ns->prefix) < 0 ? -ENOMEM : 0;
        else
                *ret = strdup("");
        return *ret ? 0 : -ENOMEM;
}

/* The element of step i, with those below it, on lines of their own. */
static void write_element(FILE *file, const struct way *way, unsigned i, const char *prefix, bool declare,
                          int indent, const char *key, const char *text)
{
        const struct step *step = &way->steps[i];
        bool last = i + 1 == n_steps(way);

        fprintf(file, "\n%*s<%s%s", indent, "", prefix, step->name);
        if (declare)
                fprintf(file, " xmlns:qemu='%s'", QEMU_NAMESPACE);
        if (step->attribute)
                fprintf(file, " %s='%s'", step->attribute, step->value ?: key);
        if (last && way->more_value)
                fprintf(file, " %s='%s'", way->more, way->more_value);
        if (last && way->attribute) {
                fprintf(file, " %s='%s'/>", way->attribute, text);
        } else if (last) {
                fprintf(file, ">%s</%s%s>", text, prefix, step->name);
        } else {
                fputc('>', file);
                write_element(file, way, i + 1, prefix, false, indent + 2, key, text);
                fprintf(file, "\n%*s</%s%s>", indent, "", prefix, step->name);
        }
}

static int make(struct domain_text *t, const struct way *way, const struct found *f, const char *key,
                const char *text, struct place_made *ret_made)
{
        _cleanup_free_ char *prefix = NULL, *elements = NULL, *escaped = domain_text_escape(key);
        const xmlNode *behind = way->behind ? xml_child(f->element, way->behind) : NULL;
        bool declare, opened;
        size_t size;
        FILE *file;
        int r;

        if (!escaped)
                return -ENOMEM;
        r = prefix_for(t, way, f, &prefix, &declare);
        if (r < 0)
                return r;
        file = open_memstream(&elements, &size);
        if (!file)
                return -ENOMEM;
        write_element(file, way, f->depth, prefix, declare, domain_text_indent(t, f->element) + 2, escaped,
                      text);
        if (fclose(file) != 0)
                return -ENOMEM;
        r = domain_text_insert(t, f->element, behind, elements, &opened);
        if (r >= 0)
                *ret_made = (struct place_made){ .elements = n_steps(way) - f->depth, .opened = opened };
        return r;
}

int domain_place_set(struct domain_text *t, enum domain_place place, const char *key, const char *text,
                     struct place_made *ret_made)
{
        const struct way *way = &ways[place];
        _cleanup_free_ char *attribute = NULL;
        struct place_made made = {};
        struct found f;
        size_t at;
        int r;

        r = find(t, way, key, &f);
        if (r < 0)
                return r;
        if (f.exists) {
                r = domain_text_splice(t, f.span.inner, f.span.inner_end, text);
        } else if (f.depth < n_steps(way)) {
                r = make(t, way, &f, key, text, &made);
        } else {
                if (asprintf(&attribute, " %s='%s'", way->attribute, text) < 0)
                        return -ENOMEM;
                at = domain_text_span(t, f.element)->start + 1 + domain_text_name_size(t, f.element);
                r = domain_text_splice(t, at, at, attribute);
        }
        if (r >= 0)
                *ret_made = made;
        return r;
}

/* An element that was made with the value, and that nobody has put more into since */
static bool is_as_made(const struct domain_text *t, const struct way *way, const xmlNode *element)
{
        const char *own = way->steps[n_steps(way) - 1].attribute;

        for (const xmlAttr *a = way->attribute ? element->properties : NULL; a; a = a->next) {
                const char *name = (const char *) a->name;

                if (!streq(name, way->attribute) && !(own && streq(name, own)) &&
                    !(way->more && streq(name, way->more)))
                        return false;
        }
        return !way->attribute || domain_text_is_empty(t, element);
}

int domain_place_unset(struct domain_text *t, enum domain_place place, const char *key,
                       struct place_made made)
{
        const struct way *way = &ways[place];
        struct found f;
        int r;

        r = find(t, way, key, &f);
        if (r < 0)
                return r;
        if (!f.exists)
                return 0;
        if (made.elements == 0 || !is_as_made(t, way, f.element))
                return domain_text_splice(t, f.span.start, f.span.end, "");
        for (unsigned i = 0; i < made.elements; i++) {
                if (i > 0 && !domain_text_is_empty(t, f.element))
                        return 0; /* somebody else's is in it by now */
                r = domain_text_remove(t, f.element);
                if (r >= 0)
                        r = find(t, way, key, &f);
                if (r < 0)
                        return r;
        }
        return made.opened && domain_text_is_empty(t, f.element) ? domain_text_close(t, f.element) : 0;
}
