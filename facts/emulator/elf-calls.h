/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A view into the code of one ELF binary, stripped or not. The file may be hostile: time and memory are
 * bounded, and inconsistent parts are ignored. */
struct elf_image;

/* The descriptor stays the caller's, and must stay open as long as the image. Returns 0, -ENOEXEC for a
 * file that is broken or not ELF, -EPROTOTYPE for one that is neither for x86-64 nor for AArch64, or another
 * errno.
 */
int elf_image_open(int fd, struct elf_image **ret);

/* NULL is fine. */
void elf_image_close(struct elf_image *image);

/* The bytes of a function that the binary exports; they belong to the image, until the next call.
 * *ret_address is the run-time address, as the binary numbers it. Returns 0, -ENOENT where the binary
 * exports no such function, -ENOEXEC where its bytes cannot be read, or -ENOMEM. */
int elf_image_function(struct elf_image *image, const char *name, const uint8_t **ret_code, size_t *ret_size,
                       uint64_t *ret_address);

/* How many direct calls in the code go to the named function of a shared library, through the PLT or the
 * GOT. */
size_t elf_image_count_calls(struct elf_image *image, const uint8_t *code, size_t size, uint64_t address,
                             const char *import);

/* Whether the code has the number 1 GiB in an instruction. */
bool elf_image_loads_gib(const struct elf_image *image, const uint8_t *code, size_t size);

/* Whether the read-only data of the binary contain the text: 1, 0, or a negative errno where they cannot be
 * read. */
int elf_image_has_text(struct elf_image *image, const char *text);

/* The decimal number that follows the text, at the first place in the read-only data where one does. Returns
 * 1, 0 where there is no such place, or a negative errno. */
int elf_image_number_after(struct elf_image *image, const char *text, unsigned *ret);

/* Whether the dynamic loader of glibc starts the binary, which is what reads LD_PRELOAD. */
bool elf_image_loads_libraries(struct elf_image *image);

/* The linker's .note.gnu.build-id in hexadecimal, the caller's to free; unlike a version, it identifies the
 * build. Returns 0, -ENOENT where there is none, or -ENOMEM. */
int elf_image_build_id(struct elf_image *image, char **ret);
