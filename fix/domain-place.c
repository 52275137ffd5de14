/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain-place.h"

#include <assert.h>

#include "facts/guest/facts-guest.h"
#include "facts/guest/xml.h"
#include "util/memory.h"

#define PATH_LENGTH_MAX 4

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

/* One element on the path to a value. Where siblings share its name, an attribute tells it from them. */
struct path_element {
        const char *name;
        const char *attribute; /* NULL: the name is enough */
        const char *value;     /* of that attribute */
};

/* How one domain leads to the value of a place. */
struct path {
        xmlNode *start;                                /* the domain, or the device */
        struct path_element elements[PATH_LENGTH_MAX]; /* each one in the one before */
        size_t length;
        bool in_qemu_namespace;      /* all elements are, else none */
        const char *value_attribute; /* of the last element; NULL: the value is its text */

        /* How the last element looks where we create it: */
        const char *type;         /* its attribute "type"; NULL: it has none */
        const char *follows;      /* the sibling behind which libvirt puts it; NULL: it comes last */
        const char *libvirt_adds; /* an attribute that libvirt gives it on its own; NULL: none */
};

/* What there is of a path. It is void after the next splice, as all nodes are. */
struct location {
        struct path path;
        xmlNode *element; /* the last one that is there: of the path, or else its start */
        size_t depth;     /* the number of elements of the path that are there */
        bool has_value;
        struct text_span span; /* of the value: inner and inner_end; of its attribute: start and end */
};

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

static struct path path_of_place(const struct domain_text *t, enum domain_place place, const char *key)
{
        switch (place) {
        case PLACE_EMULATOR: /* devices/emulator */
                return (struct path){
                        .start = domain_text_root(t),
                        .elements = { { "devices" }, { "emulator" } },
                        .length = 2,
                };
        case PLACE_PRELOAD: /* qemu:commandline/qemu:env[@name='LD_PRELOAD']/@value */
                return (struct path){
                        .start = domain_text_root(t),
                        .elements = { { "commandline" }, { "env", "name", "LD_PRELOAD" } },
                        .length = 2,
                        .in_qemu_namespace = true,
                        .value_attribute = "value",
                };
        case PLACE_ALIAS: /* of the device: alias/@name */
                return (struct path){
                        .start = find_device(t, key),
                        .elements = { { "alias" } },
                        .length = 1,
                        .value_attribute = "name",
                        .follows = "source",
                };
        case PLACE_IOMMUFD: /* of the device: driver/@iommufd */
                return (struct path){
                        .start = find_device(t, key),
                        .elements = { { "driver" } },
                        .length = 1,
                        .value_attribute = "iommufd",
                        .follows = "source", /* libvirt's schema has it nowhere behind the address */
                        .libvirt_adds = "name",
                };
        case PLACE_NO_MMAP:
                /* qemu:override/qemu:device[@alias=key]/qemu:frontend, and there
                 * qemu:property[@name='x-no-mmap']/@value */
                return (struct path){
                        .start = domain_text_root(t),
                        .elements = { { "override" },
                                      { "device", "alias", key },
                                      { "frontend" },
                                      { "property", "name", "x-no-mmap" } },
                        .length = 4,
                        .in_qemu_namespace = true,
                        .value_attribute = "value",
                        .type = "bool",
                };
        default:
                assert(false);
                return (struct path){};
        }
}

static bool is_path_element(xmlNode *node, const struct path_element *e, bool in_qemu_namespace)
{
        if (!xml_is(node, e->name))
                return false;
        if (in_qemu_namespace) {
                if (!node->ns || !streq((const char *) node->ns->href, QEMU_NAMESPACE))
                        return false;
        } else if (node->ns)
                return false;
        return !e->attribute || xml_attribute_is(node, e->attribute, e->value);
}

/* *ret is NULL where there is none. -EBADMSG: there are several, and either could be the one that counts. */
static int find_child(xmlNode *parent, const struct path_element *e, bool in_qemu_namespace, xmlNode **ret)
{
        xmlNode *found = NULL;

        xml_foreach (node, parent) {
                if (!is_path_element(node, e, in_qemu_namespace))
                        continue;
                if (found)
                        return -EBADMSG;
                found = node;
        }
        *ret = found;
        return 0;
}

/* Whether it holds text, or CDATA, and nothing else. */
static bool is_text(const xmlNode *element)
{
        for (const xmlNode *n = element->children; n; n = n->next)
                if (n->type == XML_ELEMENT_NODE)
                        return false;
        return element->children;
}

static int location_find(struct location *ret, const struct domain_text *t, enum domain_place place,
                         const char *key)
{
        struct location l = { .path = path_of_place(t, place, key) };
        const struct path *p = &l.path;
        int r;

        if (!p->start)
                return -ENODEV;

        for (l.element = p->start; l.depth < p->length; l.depth++) {
                xmlNode *child;

                r = find_child(l.element, &p->elements[l.depth], p->in_qemu_namespace, &child);
                if (r < 0)
                        return r;
                if (!child)
                        break;
                l.element = child;
        }

        if (l.depth == p->length) {
                if (p->value_attribute) {
                        l.has_value = domain_text_attribute(t, l.element, p->value_attribute, &l.span);
                } else {
                        if (!is_text(l.element))
                                return -EBADMSG;
                        l.span = *domain_text_span(t, l.element);
                        l.has_value = true;
                }
        }
        *ret = l;
        return 0;
}

static char *location_read_value(const struct location *l)
{
        _cleanup_xml_ xmlChar *content = NULL;

        if (l->path.value_attribute)
                content = xmlGetNoNsProp(l->element, (const xmlChar *) l->path.value_attribute);
        else
                content = xmlNodeGetContent(l->element);
        return content ? strdup((const char *) content) : NULL;
}

int domain_place_get(const struct domain_text *t, enum domain_place place, const char *key, char **ret_value,
                     char **ret_text)
{
        _cleanup_free_ char *value = NULL, *text = NULL;
        struct location l;
        int r;

        assert(t);
        assert(place >= 0 && place < _DOMAIN_PLACE_MAX);
        assert(key);
        assert(ret_value);
        assert(ret_text);

        r = location_find(&l, t, place, key);
        if (r < 0)
                return r;
        if (l.has_value) {
                value = location_read_value(&l);
                text = strndup(t->xml + l.span.inner, l.span.inner_end - l.span.inner);
                if (!value || !text)
                        return -ENOMEM;
        }
        *ret_value = TAKE_PTR(value);
        *ret_text = TAKE_PTR(text);
        return 0;
}

/* The prefix of the elements that are to be created: "qemu:", or "". *ret_declare: the first of them has to
 * declare it. */
static int find_prefix(const struct domain_text *t, const struct location *l, char **ret, bool *ret_declare)
{
        xmlNode *root = domain_text_root(t);
        const xmlNs *ns = NULL;
        char *prefix;

        if (l->depth > 0)
                ns = l->element->ns;
        else if (l->path.in_qemu_namespace)
                ns = xmlSearchNsByHref(root->doc, root, (const xmlChar *) QEMU_NAMESPACE);

        if (l->path.in_qemu_namespace && !ns) {
                prefix = strdup("qemu:");
                *ret_declare = true;
        } else {
                if (!ns || !ns->prefix)
                        prefix = strdup("");
                else if (asprintf(&prefix, "%s:", (const char *) ns->prefix) < 0)
                        prefix = NULL;
                *ret_declare = false;
        }
        if (!prefix)
                return -ENOMEM;
        *ret = prefix;
        return 0;
}

/* Writes the elements of the path from number i on, each one on lines of its own. text: the value. */
static int write_elements(FILE *file, const struct path *p, size_t i, const char *prefix, bool declare,
                          int indent, const char *text)
{
        const struct path_element *e = &p->elements[i];
        int r;

        fprintf(file, "\n%*s<%s%s", indent, "", prefix, e->name);
        if (declare)
                fprintf(file, " xmlns:qemu='%s'", QEMU_NAMESPACE);
        if (e->attribute) {
                _cleanup_free_ char *escaped = domain_text_escape(e->value);

                if (!escaped)
                        return -ENOMEM;
                fprintf(file, " %s='%s'", e->attribute, escaped);
        }

        if (i + 1 < p->length) {
                fputc('>', file);
                r = write_elements(file, p, i + 1, prefix, false, indent + 2, text);
                if (r < 0)
                        return r;
                fprintf(file, "\n%*s</%s%s>", indent, "", prefix, e->name);
                return 0;
        }

        if (p->type)
                fprintf(file, " type='%s'", p->type);
        if (p->value_attribute)
                fprintf(file, " %s='%s'/>", p->value_attribute, text);
        else
                fprintf(file, ">%s</%s%s>", text, prefix, e->name);
        return 0;
}

/* Creates the elements that the path lacks. */
static int create_elements(struct domain_text *t, const struct location *l, const char *text,
                           struct place_made *ret_made)
{
        _cleanup_free_ char *prefix = NULL, *elements = NULL;
        const xmlNode *sibling = l->path.follows ? xml_child(l->element, l->path.follows) : NULL;
        struct place_made made = { .n_elements = (unsigned) (l->path.length - l->depth) };
        bool declare;
        size_t size;
        FILE *file;
        int r;

        r = find_prefix(t, l, &prefix, &declare);
        if (r < 0)
                return r;
        file = open_memstream(&elements, &size);
        if (!file)
                return -ENOMEM;
        r = write_elements(file, &l->path, l->depth, prefix, declare, domain_text_indent(t, l->element) + 2,
                           text);
        if (memory_stream_close(file, &elements) < 0 || r < 0)
                return -ENOMEM;
        r = domain_text_insert(t, l->element, sibling, elements, &made.parent_opened);
        if (r < 0)
                return r;
        *ret_made = made;
        return 0;
}

static int add_attribute(struct domain_text *t, const xmlNode *element, const char *name, const char *text)
{
        _cleanup_free_ char *attribute = NULL;
        size_t at = domain_text_span(t, element)->start + 1 + domain_text_name_size(t, element);

        if (asprintf(&attribute, " %s='%s'", name, text) < 0) {
                attribute = NULL;
                return -ENOMEM;
        }
        return domain_text_splice(t, at, at, attribute);
}

int domain_place_set(struct domain_text *t, enum domain_place place, const char *key, const char *text,
                     struct place_made *ret_made)
{
        struct location l;
        int r;

        assert(t);
        assert(place >= 0 && place < _DOMAIN_PLACE_MAX);
        assert(key);
        assert(text);
        assert(ret_made);

        r = location_find(&l, t, place, key);
        if (r < 0)
                return r;
        if (l.depth < l.path.length)
                return create_elements(t, &l, text, ret_made);

        if (l.has_value)
                r = domain_text_splice(t, l.span.inner, l.span.inner_end, text);
        else
                r = add_attribute(t, l.element, l.path.value_attribute, text);
        if (r < 0)
                return r;
        *ret_made = (struct place_made){};
        return 0;
}

/* Whether the last element, which we have created, still holds what we and libvirt put there and no more. */
static bool is_as_created(const struct domain_text *t, const struct location *l)
{
        const struct path *p = &l->path;
        const char *known[] = { p->value_attribute, p->elements[p->length - 1].attribute,
                                p->type ? "type" : NULL, p->libvirt_adds };

        if (!p->value_attribute)
                return true;
        for (const xmlAttr *a = l->element->properties; a; a = a->next) {
                bool is_known = false;

                for (size_t i = 0; i < ELEMENTSOF(known); i++)
                        is_known = is_known || (known[i] && streq((const char *) a->name, known[i]));
                if (!is_known)
                        return false;
        }
        return domain_text_is_empty(t, l->element);
}

int domain_place_unset(struct domain_text *t, enum domain_place place, const char *key,
                       struct place_made made)
{
        struct location l;
        int r;

        assert(t);
        assert(place >= 0 && place < _DOMAIN_PLACE_MAX);
        assert(key);

        r = location_find(&l, t, place, key);
        if (r < 0)
                return r;
        if (!l.has_value)
                return 0;
        if (made.n_elements == 0 || !is_as_created(t, &l))
                return domain_text_splice(t, l.span.start, l.span.end, "");

        /* From the innermost element outwards, up to one that somebody else has put something into. */
        for (unsigned i = 0; i < made.n_elements; i++) {
                if (i > 0 && !domain_text_is_empty(t, l.element))
                        return 0;
                r = domain_text_remove(t, l.element);
                if (r < 0)
                        return r;
                r = location_find(&l, t, place, key);
                if (r < 0)
                        return r;
        }
        if (made.parent_opened && domain_text_is_empty(t, l.element))
                return domain_text_close(t, l.element);
        return 0;
}
