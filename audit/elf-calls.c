/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "elf-calls.h"

#include <elf.h>
#include <errno.h>
#include <gelf.h>
#include <libelf.h>

#include "util/macro.h"

struct elf_image {
        Elf *elf;
};

DEFINE_TRIVIAL_CLEANUP(struct elf_image *, elf_image_close)

int elf_image_open(int fd, struct elf_image **ret)
{
        _cleanup_(elf_image_closep) struct elf_image *image = NULL;
        GElf_Ehdr header;

        if (elf_version(EV_CURRENT) == EV_NONE)
                return -ENOSYS;
        image = calloc(1, sizeof(*image));
        if (!image)
                return -ENOMEM;
        image->elf = elf_begin(fd, ELF_C_READ_MMAP, NULL);
        if (!image->elf)
                return -ENOEXEC;
        if (elf_kind(image->elf) != ELF_K_ELF || !gelf_getehdr(image->elf, &header) ||
            header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != EM_X86_64)
                return -ENOEXEC;
        *ret = TAKE_PTR(image);
        return 0;
}

void elf_image_close(struct elf_image *image)
{
        if (!image)
                return;
        elf_end(image->elf);
        free(image);
}

/* The next section of that type behind `after`, or the first. */
static Elf_Scn *next_section(struct elf_image *image, Elf_Scn *after, GElf_Word type, GElf_Shdr *ret)
{
        Elf_Scn *section = after;

        while ((section = elf_nextscn(image->elf, section)))
                if (gelf_getshdr(section, ret) && ret->sh_type == type)
                        return section;
        return NULL;
}

/* The `size` bytes that stand at a run-time address, or NULL where the file holds none there. */
static const uint8_t *bytes_at(struct elf_image *image, uint64_t address, size_t size)
{
        Elf_Scn *section = NULL;
        GElf_Shdr header;

        while ((section = next_section(image, section, SHT_PROGBITS, &header))) {
                Elf_Data *data;

                if (!(header.sh_flags & SHF_ALLOC) || address < header.sh_addr ||
                    address - header.sh_addr >= header.sh_size || header.sh_size - (address - header.sh_addr) < size)
                        continue;
                data = elf_rawdata(section, NULL);
                if (!data || !data->d_buf || data->d_size < header.sh_size)
                        return NULL;
                return (const uint8_t *) data->d_buf + (address - header.sh_addr);
        }
        return NULL;
}

int elf_image_function(struct elf_image *image, const char *name, const uint8_t **ret_code, size_t *ret_size,
                       uint64_t *ret_address)
{
        GElf_Shdr header;
        Elf_Scn *section = next_section(image, NULL, SHT_DYNSYM, &header);
        Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;
        GElf_Sym symbol;

        for (int i = 0; data && gelf_getsym(data, i, &symbol); i++) {
                const char *s = elf_strptr(image->elf, header.sh_link, symbol.st_name);
                const uint8_t *code;

                if (!s || !streq(s, name) || GELF_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx == SHN_UNDEF)
                        continue;
                code = bytes_at(image, symbol.st_value, symbol.st_size);
                if (!code)
                        return -ENOEXEC;
                *ret_code = code;
                *ret_size = symbol.st_size;
                *ret_address = symbol.st_value;
                return 0;
        }
        return -ENOENT;
}

#define SLOTS_MAX 4 /* .got and .got.plt, with room to spare */

/* The slots of the GOT into which the dynamic loader writes the address of an imported function. */
static size_t find_slots(struct elf_image *image, const char *import, uint64_t slots[SLOTS_MAX])
{
        Elf_Scn *section = NULL;
        GElf_Shdr header, symbol_header;
        size_t n = 0;

        while ((section = next_section(image, section, SHT_RELA, &header))) {
                Elf_Data *data = elf_getdata(section, NULL), *symbol_data;
                Elf_Scn *symbols = elf_getscn(image->elf, header.sh_link);
                GElf_Rela rela;
                GElf_Sym symbol;

                symbol_data = symbols ? elf_getdata(symbols, NULL) : NULL;
                if (!data || !symbol_data || !gelf_getshdr(symbols, &symbol_header))
                        continue;
                for (int i = 0; n < SLOTS_MAX && gelf_getrela(data, i, &rela); i++) {
                        const char *name = NULL;

                        if (GELF_R_SYM(rela.r_info) == STN_UNDEF) /* most of a position-independent binary */
                                continue;
                        if (gelf_getsym(symbol_data, (int) GELF_R_SYM(rela.r_info), &symbol))
                                name = elf_strptr(image->elf, symbol_header.sh_link, symbol.st_name);
                        if (name && streq(name, import))
                                slots[n++] = rela.r_offset;
                }
        }
        return n;
}

static uint64_t relative(const uint8_t *displacement, uint64_t next)
{
        int32_t d;

        memcpy(&d, displacement, sizeof(d));
        return next + (uint64_t) (int64_t) d;
}

/* The slot through which an entry of the PLT jumps: "ff 25 rel32", perhaps behind endbr64 and a bnd prefix.
 * 0 where there is no such entry. */
static uint64_t plt_slot(struct elf_image *image, uint64_t address)
{
        const uint8_t *entry = bytes_at(image, address, 16);

        for (size_t i = 0; entry && i + 6 <= 16; i++)
                if (entry[i] == 0xff && entry[i + 1] == 0x25)
                        return relative(entry + i + 2, address + i + 6);
        return 0;
}

size_t elf_image_count_calls(struct elf_image *image, const uint8_t *code, size_t size, uint64_t address,
                             const char *import)
{
        uint64_t slots[SLOTS_MAX];
        size_t n_slots = find_slots(image, import, slots), n = 0;

        /* Scans bytes, not instructions: other bytes whose displacement names the import's slot are not met. */
        for (size_t i = 0; n_slots > 0 && i + 6 <= size; i++) {
                uint64_t slot = 0;

                if (code[i] == 0xe8) /* call rel32 */
                        slot = plt_slot(image, relative(code + i + 1, address + i + 5));
                else if (code[i] == 0xff && code[i + 1] == 0x15) /* call *rel32(%rip) */
                        slot = relative(code + i + 2, address + i + 6);
                for (size_t k = 0; slot && k < n_slots; k++)
                        n += slot == slots[k];
        }
        return n;
}

bool elf_image_has_text(struct elf_image *image, const char *text)
{
        Elf_Scn *section = NULL;
        GElf_Shdr header;

        while ((section = next_section(image, section, SHT_PROGBITS, &header))) {
                Elf_Data *data;

                if (!(header.sh_flags & SHF_ALLOC) || header.sh_flags & (SHF_WRITE | SHF_EXECINSTR))
                        continue;
                data = elf_rawdata(section, NULL);
                if (data && data->d_buf && memmem(data->d_buf, data->d_size, text, strlen(text)))
                        return true;
        }
        return false;
}
