/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "elf-calls.h"

#include <assert.h>
#include <elf.h>
#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <sys/stat.h>

#include "util/macro.h"

/* Bounds on the work that a hostile file can cause. QEMU has 20 MB (250 MB with debug information), 35
 * sections, 7 MB of relocations, and 2 KB in the function. */
#define FILE_SIZE_MAX MIB(512)
#define SECTIONS_MAX 512
#define SEGMENTS_MAX 128
#define SECTION_MAX MIB(64)   /* of symbols, names or relocations */
#define LOADED_MAX MIB(256)   /* all of those together */
#define SEARCHED_MAX MIB(512) /* read-only data, piece by piece */
#define FUNCTION_MAX KIB(64)
#define BUILD_ID_MAX 64

/* libelf reads the headers and tables. Code and data are read in pieces and never mapped, because somebody
 * could truncate the file and end us with SIGBUS. */
struct elf_image {
        Elf *elf;
        int fd;
        bool arm; /* for AArch64, or else x86-64 */
        uint64_t file_size, loaded;
        uint8_t *code; /* of elf_image_function() */
};

DEFINE_TRIVIAL_CLEANUP(struct elf_image *, elf_image_close)

static int check_header(struct elf_image *image)
{
        GElf_Ehdr header;
        size_t n;

        if (elf_kind(image->elf) != ELF_K_ELF || !gelf_getehdr(image->elf, &header))
                return -ENOEXEC;
        if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
            (header.e_machine != EM_X86_64 && header.e_machine != EM_AARCH64))
                return -EPROTOTYPE;
        image->arm = header.e_machine == EM_AARCH64;
        if (elf_getshdrnum(image->elf, &n) < 0 || n > SECTIONS_MAX)
                return -ENOEXEC;
        return 0;
}

int elf_image_open(int fd, struct elf_image **ret)
{
        _cleanup_(elf_image_closep) struct elf_image *image = NULL;
        struct stat st;
        int r;

        assert(ret);

        if (elf_version(EV_CURRENT) == EV_NONE)
                return -ENOSYS;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || (uint64_t) st.st_size > FILE_SIZE_MAX)
                return -ENOEXEC;
        image = calloc(1, sizeof(*image));
        if (!image)
                return -ENOMEM;
        image->fd = fd;
        image->file_size = (uint64_t) st.st_size;
        image->elf = elf_begin(fd, ELF_C_READ, NULL);
        if (!image->elf)
                return -ENOEXEC;
        r = check_header(image);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(image);
        return 0;
}

void elf_image_close(struct elf_image *image)
{
        if (!image)
                return;
        elf_end(image->elf);
        free(image->code);
        free(image);
}

/* The next section of that type behind `after`, or the first. */
static Elf_Scn *next_section(struct elf_image *image, Elf_Scn *after, GElf_Word type, GElf_Shdr *ret)
{
        Elf_Scn *section = after;

        while ((section = elf_nextscn(image->elf, section)))
                if (gelf_getshdr(section, ret) && ret->sh_type == type &&
                    ret->sh_offset <= image->file_size && ret->sh_size <= image->file_size - ret->sh_offset)
                        return section;
        return NULL;
}

/* A table of the file, in memory; NULL where there is none or it is too large. Each call counts towards
 * LOADED_MAX, also for a table that is loaded already. */
static Elf_Data *load_table(struct elf_image *image, Elf_Scn *section)
{
        GElf_Shdr header;

        if (!section || !gelf_getshdr(section, &header) || header.sh_size > SECTION_MAX ||
            header.sh_size > LOADED_MAX - image->loaded)
                return NULL;
        image->loaded += header.sh_size;
        return elf_getdata(section, NULL);
}

struct symbols {
        Elf_Data *symbols, *strings;
};

static bool load_symbols(struct elf_image *image, Elf_Scn *section, struct symbols *ret)
{
        GElf_Shdr header;

        if (!section || !gelf_getshdr(section, &header))
                return false;
        ret->symbols = load_table(image, section);
        ret->strings = load_table(image, elf_getscn(image->elf, header.sh_link));
        return ret->symbols && ret->strings && ret->strings->d_buf;
}

/* Without elf_strptr(), which would look for the end of each name, however far. */
static bool is_named(const struct symbols *t, const GElf_Sym *symbol, const char *name)
{
        size_t size = strlen(name) + 1;

        return symbol->st_name < t->strings->d_size && t->strings->d_size - symbol->st_name >= size &&
               memcmp((const char *) t->strings->d_buf + symbol->st_name, name, size) == 0;
}

static bool read_bytes(struct elf_image *image, uint64_t offset, void *bytes, size_t size)
{
        for (size_t done = 0; done < size;) {
                ssize_t n = pread(image->fd, (char *) bytes + done, size - done, (off_t) (offset + done));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return false;
                done += (size_t) n;
        }
        return true;
}

/* Reads the `size` bytes at a run-time address; false where the file has no bytes there. */
static bool read_bytes_at(struct elf_image *image, uint64_t address, void *bytes, size_t size)
{
        Elf_Scn *section = NULL;
        GElf_Shdr header;

        while ((section = next_section(image, section, SHT_PROGBITS, &header))) {
                uint64_t offset = address - header.sh_addr;

                if (header.sh_flags & SHF_ALLOC && address >= header.sh_addr && offset < header.sh_size &&
                    header.sh_size - offset >= size)
                        return read_bytes(image, header.sh_offset + offset, bytes, size);
        }
        return false;
}

static int read_function(struct elf_image *image, const GElf_Sym *symbol)
{
        free(image->code);
        image->code = NULL;
        if (symbol->st_size == 0 || symbol->st_size > FUNCTION_MAX)
                return -ENOEXEC;
        image->code = malloc(symbol->st_size);
        if (!image->code)
                return -ENOMEM;
        return read_bytes_at(image, symbol->st_value, image->code, symbol->st_size) ? 0 : -ENOEXEC;
}

int elf_image_function(struct elf_image *image, const char *name, const uint8_t **ret_code, size_t *ret_size,
                       uint64_t *ret_address)
{
        GElf_Shdr header;
        Elf_Scn *section = next_section(image, NULL, SHT_DYNSYM, &header);
        struct symbols table;
        GElf_Sym symbol;

        if (!load_symbols(image, section, &table))
                return -ENOENT;
        for (int i = 0; gelf_getsym(table.symbols, i, &symbol); i++) {
                int r;

                if (!is_named(&table, &symbol, name) || GELF_ST_TYPE(symbol.st_info) != STT_FUNC ||
                    symbol.st_shndx == SHN_UNDEF)
                        continue;
                r = read_function(image, &symbol);
                if (r < 0)
                        return r;
                *ret_code = image->code;
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
        GElf_Shdr header;
        size_t n = 0;

        while ((section = next_section(image, section, SHT_RELA, &header))) {
                Elf_Data *data = load_table(image, section);
                struct symbols table;
                GElf_Rela rela;
                GElf_Sym symbol;

                if (!data || !load_symbols(image, elf_getscn(image->elf, header.sh_link), &table))
                        continue;
                for (int i = 0; n < SLOTS_MAX && gelf_getrela(data, i, &rela); i++)
                        if (GELF_R_SYM(rela.r_info) != STN_UNDEF && /* most, in position-independent code */
                            gelf_getsym(table.symbols, (int) GELF_R_SYM(rela.r_info), &symbol) &&
                            is_named(&table, &symbol, import))
                                slots[n++] = rela.r_offset;
        }
        return n;
}

static uint64_t relative_target(const uint8_t *displacement, uint64_t next)
{
        int32_t d;

        memcpy(&d, displacement, sizeof(d));
        return next + (uint64_t) (int64_t) d;
}

/* The slot through which an entry of the PLT jumps: "ff 25 rel32", perhaps behind endbr64 and a bnd prefix.
 * 0 where there is no such entry. */
static uint64_t plt_slot(struct elf_image *image, uint64_t address)
{
        uint8_t entry[16];

        if (!read_bytes_at(image, address, entry, sizeof(entry)))
                return 0;
        for (size_t i = 0; i + 6 <= sizeof(entry); i++)
                if (entry[i] == 0xff && entry[i + 1] == 0x25)
                        return relative_target(entry + i + 2, address + i + 6);
        return 0;
}

static uint32_t arm_word(const uint8_t *bytes)
{
        uint32_t word;

        memcpy(&word, bytes, sizeof(word));
        return le32toh(word);
}

/* The signed number of `bits` bits at the bottom of it. */
static uint64_t arm_signed(uint64_t value, unsigned bits)
{
        const uint64_t sign = UINT64_C(1) << (bits - 1);

        return ((value & ((sign << 1) - 1)) ^ sign) - sign;
}

/* The same on AArch64: "adrp x16, page; ldr x17, [x16, #offset]", perhaps behind "bti c". */
static uint64_t arm_plt_slot(struct elf_image *image, uint64_t address)
{
        uint8_t entry[16];

        if (!read_bytes_at(image, address, entry, sizeof(entry)))
                return 0;
        for (size_t i = 0; i + 8 <= sizeof(entry); i += 4) {
                uint32_t adrp = arm_word(entry + i), ldr = arm_word(entry + i + 4);
                uint64_t pages = arm_signed((uint64_t) (adrp >> 5 & 0x7ffff) << 2 | (adrp >> 29 & 3), 21);

                if ((adrp & 0x9f00001f) == 0x90000010 && (ldr & 0xffc003ff) == 0xf9400211)
                        return ((address + i) & ~UINT64_C(0xfff)) + (pages << 12) +
                               (uint64_t) (ldr >> 10 & 0xfff) * 8;
        }
        return 0;
}

/* The slot that a direct call at that place of the code goes through, or 0. */
static uint64_t call_slot(struct elf_image *image, const uint8_t *code, uint64_t address)
{
        if (image->arm) {
                uint32_t bl = arm_word(code);

                return (bl & 0xfc000000) == 0x94000000
                               ? arm_plt_slot(image, address + (arm_signed(bl & 0x3ffffff, 26) << 2))
                               : 0;
        }
        if (code[0] == 0xe8) /* call rel32 */
                return plt_slot(image, relative_target(code + 1, address + 5));
        if (code[0] == 0xff && code[1] == 0x15) /* call *rel32(%rip) */
                return relative_target(code + 2, address + 6);
        return 0;
}

size_t elf_image_count_calls(struct elf_image *image, const uint8_t *code, size_t size, uint64_t address,
                             const char *import)
{
        uint64_t slots[SLOTS_MAX];
        size_t n_slots = find_slots(image, import, slots), n = 0;
        const size_t step = image->arm ? 4 : 1, longest = image->arm ? 4 : 6;

        /* On x86 this scans bytes, not instructions. Other bytes are very unlikely to name the import's
         * slot. */
        for (size_t i = 0; n_slots > 0 && i + longest <= size; i += step) {
                uint64_t slot = call_slot(image, code + i, address + i);

                for (size_t k = 0; slot && k < n_slots; k++)
                        n += slot == slots[k];
        }
        return n;
}

/* "mov w0, #0x40000000", as movz or as orr, to any register of either width. */
static bool arm_loads_gib(uint32_t word)
{
        return (word & 0x7fffffe0) == 0x52a80000 || (word & 0xffffffe0) == 0x320203e0 ||
               (word & 0xffffffe0) == 0xb26203e0;
}

bool elf_image_loads_gib(const struct elf_image *image, const uint8_t *code, size_t size)
{
        const uint32_t gib = 1U << 30;

        assert(image);
        assert(code);

        if (!image->arm)
                return memmem(code, size, &gib, sizeof(gib));
        for (size_t i = 0; i + 4 <= size; i += 4)
                if (arm_loads_gib(arm_word(code + i)))
                        return true;
        return false;
}

#define DIGITS_MAX 4

/* The first place in the bytes where the text is and, if `number` is not NULL, a number follows. A number
 * that may go on behind the bytes does not count. */
static bool find_text(const char *bytes, size_t size, const char *text, unsigned *number)
{
        const size_t length = strlen(text);

        for (const char *end = bytes + size, *p = bytes; (p = memmem(p, (size_t) (end - p), text, length));
             p++) {
                const char *digit = p + length;
                unsigned n = 0;

                if (!number)
                        return true;
                while (digit < end && digit - p - length < DIGITS_MAX && *digit >= '0' && *digit <= '9')
                        n = 10 * n + (unsigned) (*digit++ - '0');
                if (digit == p + length || digit == end)
                        continue;
                *number = n;
                return true;
        }
        return false;
}

/* Is the text in that section, with a number if there is a place for one? 1, 0, or a negative errno. The
 * section is read in pieces of `size` bytes, which overlap so a text across the border of two is found. */
static int search_section(struct elf_image *image, const GElf_Shdr *header, const char *text,
                          unsigned *number, char *piece, size_t size)
{
        const size_t overlap = strlen(text) + (number ? DIGITS_MAX : 0);

        for (uint64_t done = 0; done < header->sh_size; done += size - overlap) {
                uint64_t left = header->sh_size - done;
                size_t n = left < size ? (size_t) left : size;

                if (!read_bytes(image, header->sh_offset + done, piece, n))
                        return -EIO;
                if (find_text(piece, n, text, number))
                        return 1;
        }
        return 0;
}

static int search_text(struct elf_image *image, const char *text, unsigned *number)
{
        const size_t size = KIB(256);
        _cleanup_free_ char *piece = malloc(size);
        Elf_Scn *section = NULL;
        uint64_t searched = 0;
        GElf_Shdr header;

        if (!piece)
                return -ENOMEM;
        while ((section = next_section(image, section, SHT_PROGBITS, &header))) {
                int r;

                if (!(header.sh_flags & SHF_ALLOC) || header.sh_flags & (SHF_WRITE | SHF_EXECINSTR))
                        continue;
                searched += header.sh_size;
                if (searched > SEARCHED_MAX)
                        return -EFBIG;
                r = search_section(image, &header, text, number, piece, size);
                if (r != 0)
                        return r;
        }
        return 0;
}

int elf_image_has_text(struct elf_image *image, const char *text)
{
        assert(image);
        assert(text && *text);

        return search_text(image, text, NULL);
}

int elf_image_number_after(struct elf_image *image, const char *text, unsigned *ret)
{
        assert(image);
        assert(text && *text);
        assert(ret);

        return search_text(image, text, ret);
}

bool elf_image_loads_libraries(struct elf_image *image)
{
        GElf_Phdr header;
        char path[64];
        size_t n;

        assert(image);

        if (elf_getphdrnum(image->elf, &n) < 0 || n > SEGMENTS_MAX)
                return false;
        for (size_t i = 0; i < n && gelf_getphdr(image->elf, (int) i, &header); i++) {
                if (header.p_type != PT_INTERP)
                        continue;
                if (header.p_filesz == 0 || header.p_filesz > sizeof(path) ||
                    !read_bytes(image, header.p_offset, path, header.p_filesz))
                        return false;
                path[header.p_filesz - 1] = '\0';
                return strstr(path, "/ld-linux");
        }
        return false;
}

int elf_image_build_id(struct elf_image *image, char **ret)
{
        Elf_Scn *section = NULL;
        GElf_Shdr header;

        assert(image);
        assert(ret);

        while ((section = next_section(image, section, SHT_NOTE, &header))) {
                Elf_Data *data = header.sh_size > KIB(64) ? NULL : load_table(image, section);
                size_t offset = 0, name, id;
                GElf_Nhdr note;

                while (data && (offset = gelf_getnote(data, offset, &note, &name, &id)) > 0) {
                        const char *bytes = data->d_buf;
                        char *text, *out;

                        if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != sizeof(ELF_NOTE_GNU) ||
                            memcmp(bytes + name, ELF_NOTE_GNU, sizeof(ELF_NOTE_GNU)) != 0 ||
                            note.n_descsz == 0 || note.n_descsz > BUILD_ID_MAX)
                                continue;
                        out = text = malloc(2 * note.n_descsz + 1);
                        if (!text)
                                return -ENOMEM;
                        for (size_t i = 0; i < note.n_descsz; i++)
                                out += sprintf(out, "%02x", (unsigned char) bytes[id + i]);
                        *ret = text;
                        return 0;
                }
        }
        return -ENOENT;
}
