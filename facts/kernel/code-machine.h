/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "code-run.h"

/* The machine that code_run() interprets a function on: its registers, its stack, and how an instruction of
 * x86-64 names its operands (Intel SDM, volume 2, chapter 2). Sizes are in bytes: 1, 2, 4 or 8. Functions
 * that return an int return 0, -EOPNOTSUPP for what is not known, -EFAULT for a write outside of the stack,
 * or what a callback of the world returned. */

#define MACHINE_STACK_SIZE 2048

enum { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, N_REGISTERS = 16 };

struct machine {
        const struct code_world *world;
        uint64_t r[N_REGISTERS], rip;
        bool carry, zero, sign, overflow;
        uint8_t stack[MACHINE_STACK_SIZE];
        const uint8_t *code; /* the piece that rip is in */
        uint64_t code_at;
        size_t code_size;
        uint64_t entry, tracer; /* of the function that was called last, and where it calls the tracer */
};

/* One instruction, as far as it is decoded. */
struct instruction {
        uint8_t rex;
        bool operand16, repeat, per_cpu;
        size_t size;      /* of the operands, in bytes */
        unsigned reg;     /* of ModRM, with REX.R */
        bool is_register; /* the other operand is register `rm`, or else memory at `address` */
        unsigned rm;
        uint64_t address;
};

static inline uint64_t mask_of(size_t size)
{
        return size == 8 ? UINT64_MAX : (UINT64_C(1) << (size * 8)) - 1;
}

static inline bool sign_of(uint64_t value, size_t size)
{
        return value >> (size * 8 - 1) & 1;
}

static inline uint64_t extend_sign(uint64_t value, size_t size)
{
        return sign_of(value, size) ? value | ~mask_of(size) : value & mask_of(size);
}

/* Takes the next `size` bytes of code. */
int machine_take_code(struct machine *m, size_t size, uint64_t *ret);

/* Decodes ModRM and what follows it. `immediate`: the bytes that come after it, from where %rip counts. */
int machine_decode_operand(struct machine *m, struct instruction *i, size_t immediate);

/* The operand that ModRM gives beside its register. */
int machine_read_operand(const struct machine *m, const struct instruction *i, size_t size, uint64_t *ret);
int machine_write_operand(struct machine *m, const struct instruction *i, size_t size, uint64_t value);

uint64_t machine_read_register(const struct machine *m, const struct instruction *i, unsigned number,
                               size_t size);
void machine_write_register(struct machine *m, const struct instruction *i, unsigned number, size_t size,
                            uint64_t value);

/* Puts the stack's pointer where the stack is empty. */
void machine_reset_stack(struct machine *m);
bool machine_is_on_stack(uint64_t address, size_t size);
int machine_push(struct machine *m, uint64_t value);
int machine_pop(struct machine *m, uint64_t *ret);
