/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A view into the code of one ELF binary, stripped or not. The file may be hostile: time and memory are
 * bounded, and what does not fit together is as if it were not there. */
struct elf_image;

/* The descriptor stays the caller's, and is needed as long as the image. Returns 0, -ENOEXEC for what is no
 * ELF file or a broken one, -EPROTOTYPE for one that is not 64-bit for x86-64, or another negative errno. */
int elf_image_open(int fd, struct elf_image **ret);
void elf_image_close(struct elf_image *image);

/* The bytes of a function that the binary exports. -ENOENT where it exports none of that name, -ENOEXEC
 * where its bytes are not to be had, -ENOMEM. They belong to the image until the next call; *ret_address is
 * where the function runs, as the binary numbers it. */
int elf_image_function(struct elf_image *image, const char *name, const uint8_t **ret_code, size_t *ret_size,
                       uint64_t *ret_address);

/* How many direct calls in the code go to the named function of a shared library, through the PLT or the
 * GOT. */
size_t elf_image_count_calls(struct elf_image *image, const uint8_t *code, size_t size, uint64_t address,
                             const char *import);

/* Whether the read-only data of the binary contain the text: 1, 0, or a negative errno where they cannot be
 * read. */
int elf_image_has_text(struct elf_image *image, const char *text);

/* What the linker wrote into .note.gnu.build-id, hexadecimal, the caller's to free; it names this build as
 * no version does. -ENOENT where there is none. */
int elf_image_build_id(struct elf_image *image, char **ret);
