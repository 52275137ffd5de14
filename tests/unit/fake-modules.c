/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-modules.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>

#include "test.h"
#include "util/file.h"
#include "util/macro.h"

#define MODULES "lib/modules/" FAKE_RELEASE

enum { SECTION_STRTAB = 1, SECTION_SYMTAB, SECTION_MODINFO, SECTION_SHSTRTAB };

static void add_section(Elf *elf, size_t name, unsigned type, const void *bytes, size_t size, size_t entry,
                        unsigned link)
{
        Elf_Scn *section = elf_newscn(elf);
        Elf_Data *data = elf_newdata(section);
        Elf64_Shdr *header = elf64_getshdr(section);

        data->d_buf = (void *) bytes;
        data->d_size = size;
        data->d_align = 8;
        data->d_type = type == SHT_SYMTAB ? ELF_T_SYM : ELF_T_BYTE;
        header->sh_name = (Elf64_Word) name;
        header->sh_type = type;
        header->sh_entsize = entry;
        header->sh_link = link;
        header->sh_info = type == SHT_SYMTAB; /* the first that is not local */
        header->sh_flags = type == SHT_PROGBITS ? SHF_ALLOC : 0;
}

/* scripts/sign-file.c; kmod shows an unparsed signature for any type but PKCS#7. */
static void append_signature(struct fixture *f, const char *path)
{
        static const char magic[] = "~Module signature appended~\n";
        _cleanup_free_ char *bytes = NULL, *longer = NULL;
        struct {
                uint8_t algo, hash, id_type, signer_len, key_id_len, pad[3];
                uint32_t sig_len;
        } s = { .algo = 1, .hash = 4, .id_type = 1, .signer_len = 4, .key_id_len = 4, .sig_len = htonl(8) };
        size_t size, at;

        assert_ok(read_file_at(f->root.fd, path, FILE_MAX_SIZE, &bytes, &size));
        at = size;
        longer = calloc(1, size + 256);
        assert_non_null(longer);
        memcpy(longer, bytes, size);
        memcpy(longer + at,
               "me!!"
               "key!"
               "signatur",
               16);
        memcpy(longer + at + 16, &s, sizeof(s));
        memcpy(longer + at + 16 + sizeof(s), magic, strlen(magic));
        fixture_write_bytes(f, path, longer, at + 16 + sizeof(s) + strlen(magic));
}

void fake_module_write(struct fixture *f, const char *name, const char *const imports[], size_t n_imports,
                       bool is_signed)
{
        static const char section_names[] = "\0.strtab\0.symtab\0.modinfo\0.shstrtab";
        static const char modinfo[] = "license=GPL\0vermagic=" FAKE_RELEASE;
        _cleanup_close_ int fd = -EBADF;
        char path[256], strings[1024] = "";
        Elf64_Sym symbols[16] = {};
        size_t n = 1, end = 1;
        Elf64_Ehdr *header;
        Elf *elf;

        for (size_t i = 0; i < n_imports; i++, n++) {
                symbols[n].st_name = (Elf64_Word) end;
                symbols[n].st_info = ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE);
                end += (size_t) sprintf(strings + end, "%s", imports[i]) + 1;
        }

        snprintf(path, sizeof(path), MODULES "/kernel/%s.ko", name);
        fixture_write(f, path, "");
        fd = openat(f->root.fd, path, O_RDWR | O_TRUNC | O_CLOEXEC);
        assert_true(fd >= 0);
        elf_version(EV_CURRENT);
        elf = elf_begin(fd, ELF_C_WRITE, NULL);
        assert_non_null(elf);
        header = elf64_newehdr(elf);
        header->e_ident[EI_DATA] = ELFDATA2LSB;
        header->e_machine = EM_X86_64;
        header->e_type = ET_REL;
        header->e_version = EV_CURRENT;
        header->e_shstrndx = SECTION_SHSTRTAB;
        add_section(elf, 1, SHT_STRTAB, strings, end, 0, 0);
        add_section(elf, 9, SHT_SYMTAB, symbols, n * sizeof(*symbols), sizeof(*symbols), SECTION_STRTAB);
        add_section(elf, 17, SHT_PROGBITS, modinfo, sizeof(modinfo), 0, 0);
        add_section(elf, 26, SHT_STRTAB, section_names, sizeof(section_names), 0, 0);
        assert_true(elf_update(elf, ELF_C_WRITE) > 0);
        elf_end(elf);
        if (is_signed)
                append_signature(f, path);
}

void fake_modules_index(struct fixture *f)
{
        _cleanup_(names_done) struct names files = {};
        char dep[1024] = "";
        size_t n = 0;

        assert_ok(list_dir_at(f->root.fd, MODULES "/kernel", &files));
        for (size_t i = 0; i < files.n; i++)
                n += (size_t) snprintf(dep + n, sizeof(dep) - n, "kernel/%s: kernel/another.ko\n",
                                       files.names[i]);
        fixture_write(f, MODULES "/modules.dep", dep);
        fixture_write(f, MODULES "/modules.builtin", "");
}
