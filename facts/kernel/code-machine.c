/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "code-machine.h"

#include <errno.h>
#include <string.h>

#define STACK_BASE UINT64_C(0x7f0000000000) /* where neither the kernel nor the caller has anything */

int machine_take_code(struct machine *m, size_t size, uint64_t *ret)
{
        uint64_t value = 0;
        int r;

        if (m->rip < m->code_at || m->rip - m->code_at >= m->code_size) {
                r = m->world->fetch(m->world->userdata, m->rip, &m->code, &m->code_size);
                if (r < 0)
                        return r;
                m->code_at = m->rip;
        }
        if (m->code_size - (m->rip - m->code_at) < size)
                return -EOPNOTSUPP;
        memcpy(&value, m->code + (m->rip - m->code_at), size);
        m->rip += size;
        *ret = value;
        return 0;
}

bool machine_is_on_stack(uint64_t address, size_t size)
{
        return address >= STACK_BASE && address - STACK_BASE <= MACHINE_STACK_SIZE - size;
}

static int read_memory(const struct machine *m, const struct instruction *i, uint64_t address, size_t size,
                       uint64_t *ret)
{
        uint64_t value = 0;
        int r;

        if (i && i->per_cpu) { /* the stack's canary */
                *ret = 0;
                return 0;
        }
        if (machine_is_on_stack(address, size)) {
                memcpy(&value, m->stack + (address - STACK_BASE), size);
        } else {
                r = m->world->read(m->world->userdata, address, size, &value);
                if (r < 0)
                        return r;
        }
        *ret = value & mask_of(size);
        return 0;
}

static int write_memory(struct machine *m, uint64_t address, size_t size, uint64_t value)
{
        if (!machine_is_on_stack(address, size))
                return -EFAULT;
        memcpy(m->stack + (address - STACK_BASE), &value, size);
        return 0;
}

/* Without a REX prefix, the byte registers 4 to 7 are %ah, %ch, %dh and %bh. */
static bool is_high_byte(const struct instruction *i, unsigned number, size_t size)
{
        return size == 1 && !i->rex && number >= 4;
}

uint64_t machine_read_register(const struct machine *m, const struct instruction *i, unsigned number,
                               size_t size)
{
        if (is_high_byte(i, number, size))
                return m->r[number - 4] >> 8 & 0xff;
        return m->r[number] & mask_of(size);
}

void machine_write_register(struct machine *m, const struct instruction *i, unsigned number, size_t size,
                            uint64_t value)
{
        if (is_high_byte(i, number, size))
                m->r[number - 4] = (m->r[number - 4] & ~UINT64_C(0xff00)) | (value & 0xff) << 8;
        else if (size >= 4)
                m->r[number] = value & mask_of(size);
        else
                m->r[number] = (m->r[number] & ~mask_of(size)) | (value & mask_of(size));
}

int machine_read_operand(const struct machine *m, const struct instruction *i, size_t size, uint64_t *ret)
{
        if (!i->is_register)
                return read_memory(m, i, i->address, size, ret);
        *ret = machine_read_register(m, i, i->rm, size);
        return 0;
}

int machine_write_operand(struct machine *m, const struct instruction *i, size_t size, uint64_t value)
{
        if (!i->is_register)
                return i->per_cpu ? -EFAULT : write_memory(m, i->address, size, value);
        machine_write_register(m, i, i->rm, size, value);
        return 0;
}

void machine_reset_stack(struct machine *m)
{
        m->r[RSP] = STACK_BASE + MACHINE_STACK_SIZE;
}

int machine_push(struct machine *m, uint64_t value)
{
        m->r[RSP] -= 8;
        return write_memory(m, m->r[RSP], 8, value);
}

int machine_pop(struct machine *m, uint64_t *ret)
{
        int r;

        r = read_memory(m, NULL, m->r[RSP], 8, ret);
        m->r[RSP] += 8;
        return r;
}

/* The address that follows a SIB byte's base and index. */
static int decode_sib(struct machine *m, struct instruction *i, unsigned mod, bool *ret_no_base)
{
        uint64_t sib;
        unsigned base, index;
        int r;

        r = machine_take_code(m, 1, &sib);
        if (r < 0)
                return r;
        base = (sib & 7) | (i->rex & 1) << 3;
        index = (sib >> 3 & 7) | (i->rex & 2) << 2;
        *ret_no_base = (sib & 7) == 5 && mod == 0;
        i->address = *ret_no_base ? 0 : m->r[base];
        if (index != RSP)
                i->address += m->r[index] << (sib >> 6);
        return 0;
}

int machine_decode_operand(struct machine *m, struct instruction *i, size_t immediate)
{
        bool no_base = false;
        uint64_t modrm, offset = 0;
        unsigned mod;
        int r;

        r = machine_take_code(m, 1, &modrm);
        if (r < 0)
                return r;
        mod = (unsigned) modrm >> 6;
        i->reg = (modrm >> 3 & 7) | (i->rex & 4) << 1;
        i->rm = (modrm & 7) | (i->rex & 1) << 3;
        i->is_register = mod == 3;
        if (i->is_register)
                return 0;
        if ((modrm & 7) == 4) {
                r = decode_sib(m, i, mod, &no_base);
                if (r < 0)
                        return r;
        } else if (mod != 0 || (modrm & 7) != 5) {
                i->address = m->r[i->rm];
        } else { /* relative to the next instruction */
                r = machine_take_code(m, 4, &offset);
                i->address = m->rip + immediate + extend_sign(offset, 4);
                return r;
        }
        if (mod == 1) {
                r = machine_take_code(m, 1, &offset);
                i->address += extend_sign(offset, 1);
        } else if (mod == 2 || no_base) {
                r = machine_take_code(m, 4, &offset);
                i->address += extend_sign(offset, 4);
        }
        return r;
}
