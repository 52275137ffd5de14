/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "code-run.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>

#include "code-machine.h"

#define STEPS_MAX 1000
#define RETURN_ADDRESS UINT64_C(0x7e0000000000) /* where neither the kernel nor the caller has anything */

/* The eight operations that share their encoding, by number (Intel SDM, volume 2, table A-2). */
enum alu { ALU_ADD, ALU_OR, ALU_ADC, ALU_SBB, ALU_AND, ALU_SUB, ALU_XOR, ALU_CMP };

static void set_result_flags(struct machine *m, uint64_t value, size_t size)
{
        m->zero = (value & mask_of(size)) == 0;
        m->sign = sign_of(value, size);
}

static uint64_t alu_compute(struct machine *m, enum alu alu, uint64_t a, uint64_t b, size_t size)
{
        const uint64_t carry = (alu == ALU_ADC || alu == ALU_SBB) && m->carry, mask = mask_of(size);
        uint64_t value;

        switch (alu) {
        case ALU_ADD:
        case ALU_ADC:
                value = (a + b + carry) & mask;
                m->carry = value < a || (carry && value == a);
                m->overflow = sign_of(~(a ^ b) & (a ^ value), size);
                break;
        case ALU_SUB:
        case ALU_CMP:
        case ALU_SBB:
                value = (a - b - carry) & mask;
                m->carry = a < b || (carry && a == b);
                m->overflow = sign_of((a ^ b) & (a ^ value), size);
                break;
        default:
                if (alu == ALU_XOR)
                        value = a ^ b;
                else
                        value = alu == ALU_OR ? a | b : a & b;
                m->carry = m->overflow = false;
        }
        set_result_flags(m, value, size);
        return value;
}

/* Whether the condition with that number, as in jcc, setcc and cmovcc, is met. */
static int condition_holds(const struct machine *m, unsigned number)
{
        bool holds;

        switch (number >> 1) {
        case 0:
                holds = m->overflow;
                break;
        case 1:
                holds = m->carry;
                break;
        case 2:
                holds = m->zero;
                break;
        case 3:
                holds = m->carry || m->zero;
                break;
        case 4:
                holds = m->sign;
                break;
        case 6:
                holds = m->sign != m->overflow;
                break;
        case 7:
                holds = m->zero || m->sign != m->overflow;
                break;
        default: /* parity */
                return -EOPNOTSUPP;
        }
        return holds != (number & 1);
}

static int take_signed(struct machine *m, size_t size, uint64_t *ret)
{
        int r;

        r = machine_take_code(m, size, ret);
        if (r < 0)
                return r;
        *ret = extend_sign(*ret, size);
        return 0;
}

/* 00 to 3b: one of the eight operations, between a register and an operand, or on %rax and a number. */
static int do_alu(struct machine *m, struct instruction *i, unsigned opcode)
{
        const enum alu alu = opcode >> 3;
        const bool is_immediate = opcode & 4, to_register = opcode & 2;
        uint64_t a, b, value;
        int r;

        i->size = opcode & 1 ? i->size : 1;
        if (is_immediate) {
                i->is_register = true;
                i->rm = RAX;
                r = take_signed(m, i->size < 4 ? i->size : 4, &b);
        } else {
                r = machine_decode_operand(m, i, 0);
                b = machine_read_register(m, i, i->reg, i->size);
        }
        if (r < 0)
                return r;
        r = machine_read_operand(m, i, i->size, &a);
        if (r < 0)
                return r;
        if (!is_immediate && to_register)
                value = alu_compute(m, alu, b, a, i->size);
        else
                value = alu_compute(m, alu, a, b & mask_of(i->size), i->size);
        if (alu == ALU_CMP)
                return 0;
        if (is_immediate || !to_register)
                return machine_write_operand(m, i, i->size, value);
        machine_write_register(m, i, i->reg, i->size, value);
        return 0;
}

/* 80, 81, 83: the same with an operand and a number. */
static int do_alu_immediate(struct machine *m, struct instruction *i, unsigned opcode)
{
        size_t immediate;
        uint64_t a, b, value;
        int r;

        i->size = opcode == 0x80 ? 1 : i->size;
        immediate = i->size < 4 ? i->size : 4;
        if (opcode == 0x83)
                immediate = 1;
        r = machine_decode_operand(m, i, immediate);
        if (r < 0)
                return r;
        r = take_signed(m, immediate, &b);
        if (r < 0)
                return r;
        r = machine_read_operand(m, i, i->size, &a);
        if (r < 0)
                return r;
        value = alu_compute(m, i->reg & 7, a, b & mask_of(i->size), i->size);
        return (i->reg & 7) == ALU_CMP ? 0 : machine_write_operand(m, i, i->size, value);
}

/* f6, f7: test, not, neg */
static int do_unary(struct machine *m, struct instruction *i, unsigned opcode)
{
        uint64_t a, b = 0;
        size_t immediate;
        int r;

        i->size = opcode & 1 ? i->size : 1;
        immediate = i->size < 4 ? i->size : 4;
        r = machine_decode_operand(
                m, i, immediate); /* only test has a number, and only it is given one of the kernel's */
        if (r < 0)
                return r;
        if ((i->reg & 7) == 0) {
                r = take_signed(m, immediate, &b);
                if (r < 0)
                        return r;
        } else if (!i->is_register && !machine_is_on_stack(i->address, i->size)) {
                return -EFAULT;
        }
        r = machine_read_operand(m, i, i->size, &a);
        if (r < 0)
                return r;
        switch (i->reg & 7) {
        case 0:
                (void) alu_compute(m, ALU_AND, a, b & mask_of(i->size), i->size);
                return 0;
        case 2:
                return machine_write_operand(m, i, i->size, ~a);
        case 3:
                return machine_write_operand(m, i, i->size, alu_compute(m, ALU_SUB, 0, a, i->size));
        default:
                return -EOPNOTSUPP;
        }
}

/* fe, ff: inc, dec. Calls and jumps through pointers are not followed. */
static int do_increment(struct machine *m, struct instruction *i, unsigned opcode)
{
        const bool carry = m->carry;
        uint64_t a;
        int r;

        i->size = opcode & 1 ? i->size : 1;
        r = machine_decode_operand(m, i, 0);
        if (r < 0)
                return r;
        if ((i->reg & 7) > 1)
                return -EOPNOTSUPP;
        r = machine_read_operand(m, i, i->size, &a);
        if (r < 0)
                return r;
        a = alu_compute(m, (i->reg & 7) == 0 ? ALU_ADD : ALU_SUB, a, 1, i->size);
        m->carry = carry;
        return machine_write_operand(m, i, i->size, a);
}

static int shift_value(struct machine *m, unsigned kind, uint64_t a, unsigned count, size_t size,
                       uint64_t *ret)
{
        const unsigned bits = (unsigned) size * 8;

        switch (kind) {
        case 0: /* rol, ror: flags other than carry and overflow stay */
        case 1:
                count %= bits;
                if (kind == 1)
                        count = (bits - count) % bits;
                *ret = count ? (a << count | a >> (bits - count)) & mask_of(size) : a;
                m->carry = kind == 0 ? *ret & 1 : sign_of(*ret, size);
                return 0;
        case 4:
        case 6:
                m->carry = count <= bits && a >> (bits - count) & 1;
                *ret = count < bits ? a << count & mask_of(size) : 0;
                break;
        case 5:
                m->carry = count <= bits && a >> (count - 1) & 1;
                *ret = count < bits ? a >> count : 0;
                break;
        case 7:
                a = extend_sign(a, size);
                m->carry = (uint64_t) ((int64_t) a >> (count - 1)) & 1;
                *ret = (uint64_t) ((int64_t) a >> count) & mask_of(size);
                break;
        default:
                return -EOPNOTSUPP;
        }
        m->overflow = false;
        set_result_flags(m, *ret, size);
        return 0;
}

/* c0, c1, d0 to d3 */
static int do_shift(struct machine *m, struct instruction *i, unsigned opcode)
{
        const bool by_number = opcode < 0xd0;
        uint64_t a, count = 1;
        int r;

        i->size = opcode & 1 ? i->size : 1;
        r = machine_decode_operand(m, i, by_number ? 1 : 0);
        if (r < 0)
                return r;
        if (by_number) {
                r = machine_take_code(m, 1, &count);
                if (r < 0)
                        return r;
        } else if (opcode >= 0xd2) {
                count = m->r[RCX];
        }
        count &= i->size == 8 ? 63 : 31;
        r = machine_read_operand(m, i, i->size, &a);
        if (r < 0)
                return r;
        if (count == 0) /* nothing but the upper half of a 32-bit register changes */
                return machine_write_operand(m, i, i->size, a);
        r = shift_value(m, i->reg & 7, a, (unsigned) count, i->size, &a);
        return r < 0 ? r : machine_write_operand(m, i, i->size, a);
}

/* 84, 85, 88 to 8b: test, mov */
static int do_move(struct machine *m, struct instruction *i, unsigned opcode)
{
        uint64_t a;
        int r;

        i->size = opcode & 1 ? i->size : 1;
        r = machine_decode_operand(m, i, 0);
        if (r < 0)
                return r;
        if (opcode == 0x88 || opcode == 0x89)
                return machine_write_operand(m, i, i->size, machine_read_register(m, i, i->reg, i->size));
        r = machine_read_operand(m, i, i->size, &a);
        if (r < 0)
                return r;
        if (opcode <= 0x85)
                (void) alu_compute(m, ALU_AND, a, machine_read_register(m, i, i->reg, i->size), i->size);
        else
                machine_write_register(m, i, i->reg, i->size, a);
        return 0;
}

/* c6, c7: mov of a number */
static int do_move_immediate(struct machine *m, struct instruction *i, unsigned opcode)
{
        size_t immediate;
        uint64_t a;
        int r;

        i->size = opcode & 1 ? i->size : 1;
        immediate = i->size < 4 ? i->size : 4;
        r = machine_decode_operand(m, i, immediate);
        if (r < 0)
                return r;
        r = take_signed(m, immediate, &a);
        return r < 0 ? r : machine_write_operand(m, i, i->size, a);
}

static int do_return(struct machine *m)
{
        return machine_pop(m, &m->rip);
}

static int do_jump(struct machine *m, uint64_t to)
{
        int r = 0;

        if (to < m->code_at || to - m->code_at >= m->code_size)
                r = m->world->returns(m->world->userdata, to);
        if (r < 0)
                return r;
        if (r > 0)
                return do_return(m);
        m->rip = to;
        return 0;
}

/* A call at the entry of a function, or after its endbr64, is the function tracer's. */
static int do_call(struct machine *m, uint64_t to)
{
        if (m->rip - 5 == m->tracer)
                return 0;
        m->entry = m->tracer = to;
        m->code_size = 0; /* fetched from its start */
        if (machine_push(m, m->rip) < 0)
                return -EFAULT;
        m->rip = to;
        return 0;
}

/* e8, e9, eb */
static int do_branch(struct machine *m, unsigned opcode)
{
        uint64_t offset;
        int r;

        r = take_signed(m, opcode == 0xeb ? 1 : 4, &offset);
        if (r < 0)
                return r;
        return opcode == 0xe8 ? do_call(m, m->rip + offset) : do_jump(m, m->rip + offset);
}

static int do_branch_if(struct machine *m, unsigned number, size_t size)
{
        uint64_t offset;
        int r;

        r = take_signed(m, size, &offset);
        if (r < 0)
                return r;
        r = condition_holds(m, number);
        if (r <= 0)
                return r;
        return do_jump(m, m->rip + offset);
}

/* 0f a3, ab, b3, bb, and 0f ba with a number: bt, bts, btr, btc */
static int do_bit(struct machine *m, struct instruction *i, unsigned opcode)
{
        uint64_t a, bit, mask;
        unsigned kind;
        int r;

        r = machine_decode_operand(m, i, opcode == 0xba ? 1 : 0);
        if (r < 0)
                return r;
        if (opcode == 0xba) {
                kind = i->reg & 3;
                r = (i->reg & 4) == 0 ? -EOPNOTSUPP : machine_take_code(m, 1, &bit);
                if (r < 0)
                        return r;
        } else {
                kind = opcode >> 3 & 3;
                bit = extend_sign(machine_read_register(m, i, i->reg, i->size), i->size);
                if (!i->is_register) /* memory is a string of bits */
                        i->address += (uint64_t) ((int64_t) bit >> (i->size == 8 ? 6 : 5)) * i->size;
        }
        if (i->size < 4)
                return -EOPNOTSUPP;
        mask = UINT64_C(1) << (bit & (i->size * 8 - 1));
        r = machine_read_operand(m, i, i->size, &a);
        if (r < 0)
                return r;
        m->carry = a & mask;
        switch (kind) {
        case 0:
                return 0;
        case 1:
                return machine_write_operand(m, i, i->size, a | mask);
        case 2:
                return machine_write_operand(m, i, i->size, a & ~mask);
        default:
                return machine_write_operand(m, i, i->size, a ^ mask);
        }
}

/* Decodes what says where the operand is, and reads it. */
static int take_operand(struct machine *m, struct instruction *i, size_t size, uint64_t *ret)
{
        int r = machine_decode_operand(m, i, 0);

        return r < 0 ? r : machine_read_operand(m, i, size, ret);
}

/* 0f bc, bd: bsf and bsr, tzcnt and lzcnt */
static int do_scan(struct machine *m, struct instruction *i, unsigned opcode)
{
        uint64_t a, value;
        int r;

        r = take_operand(m, i, i->size, &a);
        if (r < 0)
                return r;
        if (i->repeat && opcode == 0xbd)
                return -EOPNOTSUPP; /* lzcnt */
        m->zero = a == 0;
        if (a == 0) /* the register keeps its value, as compilers of the kernel rely on */
                return i->repeat ? -EOPNOTSUPP : 0;
        value = (uint64_t) (opcode == 0xbc ? __builtin_ctzll(a) : 63 - __builtin_clzll(a));
        machine_write_register(m, i, i->reg, i->size, value);
        return 0;
}

/* 0f b6, b7, be, bf: movzx, movsx */
static int do_extend(struct machine *m, struct instruction *i, unsigned opcode)
{
        const size_t from = opcode & 1 ? 2 : 1;
        uint64_t a;
        int r;

        r = take_operand(m, i, from, &a);
        if (r < 0)
                return r;
        machine_write_register(m, i, i->reg, i->size, opcode >= 0xbe ? extend_sign(a, from) : a);
        return 0;
}

static int do_move_if(struct machine *m, struct instruction *i, unsigned number)
{
        uint64_t a;
        int r;

        r = take_operand(m, i, i->size, &a);
        if (r < 0)
                return r;
        r = condition_holds(m, number);
        if (r < 0)
                return r;
        machine_write_register(m, i, i->reg, i->size, r ? a : machine_read_register(m, i, i->reg, i->size));
        return 0;
}

static int do_set_if(struct machine *m, struct instruction *i, unsigned number)
{
        int r;

        r = machine_decode_operand(m, i, 0);
        if (r < 0)
                return r;
        r = condition_holds(m, number);
        return r < 0 ? r : machine_write_operand(m, i, 1, (uint64_t) r);
}

static int do_two_byte(struct machine *m, struct instruction *i)
{
        uint64_t opcode;
        int r;

        r = machine_take_code(m, 1, &opcode);
        if (r < 0)
                return r;
        switch (opcode) {
        case 0x1e: /* endbr64 */
                if (m->rip - 3 == m->entry)
                        m->tracer = m->entry + 4;
                return machine_decode_operand(m, i, 0);
        case 0x1f: /* nop */
                return machine_decode_operand(m, i, 0);
        case 0x40 ... 0x4f:
                return do_move_if(m, i, opcode & 15);
        case 0x80 ... 0x8f:
                return do_branch_if(m, opcode & 15, 4);
        case 0x90 ... 0x9f:
                return do_set_if(m, i, opcode & 15);
        case 0xa3:
        case 0xab:
        case 0xb3:
        case 0xbb:
        case 0xba:
                return do_bit(m, i, (unsigned) opcode);
        case 0xbc:
        case 0xbd:
                return do_scan(m, i, (unsigned) opcode);
        case 0xb6:
        case 0xb7:
        case 0xbe:
        case 0xbf:
                return do_extend(m, i, (unsigned) opcode);
        default:
                return -EOPNOTSUPP;
        }
}

static int do_push_pop(struct machine *m, const struct instruction *i, unsigned opcode)
{
        const unsigned number = (opcode & 7) | (i->rex & 1) << 3;

        return opcode < 0x58 ? machine_push(m, m->r[number]) : machine_pop(m, &m->r[number]);
}

/* b0 to bf: mov of a number to a register */
static int do_load(struct machine *m, struct instruction *i, unsigned opcode)
{
        uint64_t a;
        int r;

        i->size = opcode >= 0xb8 ? i->size : 1;
        r = machine_take_code(m, i->size, &a);
        if (r < 0)
                return r;
        machine_write_register(m, i, (opcode & 7) | (i->rex & 1) << 3, i->size, a);
        return 0;
}

/* 63 and 8d: movslq, lea */
static int do_address(struct machine *m, struct instruction *i, unsigned opcode)
{
        uint64_t a;
        int r;

        r = machine_decode_operand(m, i, 0);
        if (r < 0)
                return r;
        if (opcode == 0x8d) {
                if (i->is_register)
                        return -EOPNOTSUPP;
                machine_write_register(m, i, i->reg, i->size, i->address);
                return 0;
        }
        r = machine_read_operand(m, i, 4, &a);
        if (r < 0)
                return r;
        machine_write_register(m, i, i->reg, i->size, extend_sign(a, 4));
        return 0;
}

/* a8, a9: test of %rax */
static int do_test_immediate(struct machine *m, struct instruction *i, unsigned opcode)
{
        uint64_t b;
        int r;

        i->size = opcode & 1 ? i->size : 1;
        r = take_signed(m, i->size < 4 ? i->size : 4, &b);
        if (r < 0)
                return r;
        (void) alu_compute(m, ALU_AND, m->r[RAX] & mask_of(i->size), b & mask_of(i->size), i->size);
        return 0;
}

static int do_one_byte(struct machine *m, struct instruction *i, unsigned opcode)
{
        switch (opcode) {
        case 0x0f:
                return do_two_byte(m, i);
        case 0x00 ... 0x05:
        case 0x08 ... 0x0d:
        case 0x10 ... 0x15:
        case 0x18 ... 0x1d:
        case 0x20 ... 0x25:
        case 0x28 ... 0x2d:
        case 0x30 ... 0x35:
        case 0x38 ... 0x3d:
                return do_alu(m, i, opcode);
        case 0x50 ... 0x5f:
                return do_push_pop(m, i, opcode);
        case 0x63:
        case 0x8d:
                return do_address(m, i, opcode);
        case 0x70 ... 0x7f:
                return do_branch_if(m, opcode & 15, 1);
        case 0x80:
        case 0x81:
        case 0x83:
                return do_alu_immediate(m, i, opcode);
        case 0x84:
        case 0x85:
        case 0x88 ... 0x8b:
                return do_move(m, i, opcode);
        case 0x90:
                return i->rex & 1 ? -EOPNOTSUPP : 0;
        case 0xa8:
        case 0xa9:
                return do_test_immediate(m, i, opcode);
        case 0xb0 ... 0xbf:
                return do_load(m, i, opcode);
        case 0xc0:
        case 0xc1:
        case 0xd0 ... 0xd3:
                return do_shift(m, i, opcode);
        case 0xc3:
                return do_return(m);
        case 0xc6:
        case 0xc7:
                return do_move_immediate(m, i, opcode);
        case 0xe8:
        case 0xe9:
        case 0xeb:
                return do_branch(m, opcode);
        case 0xf6:
        case 0xf7:
                return do_unary(m, i, opcode);
        case 0xfe:
        case 0xff:
                return do_increment(m, i, opcode);
        default:
                return -EOPNOTSUPP;
        }
}

static int run_instruction(struct machine *m)
{
        struct instruction i = {};
        uint64_t byte;
        int r;

        for (;;) {
                r = machine_take_code(m, 1, &byte);
                if (r < 0)
                        return r;
                if (byte == 0x66)
                        i.operand16 = true;
                else if (byte == 0xf3)
                        i.repeat = true;
                else if (byte == 0x65)
                        i.per_cpu = true;
                else if (byte != 0x2e && byte != 0x3e) /* these have no meaning, and pad */
                        break;
        }
        if ((byte & 0xf0) == 0x40) {
                i.rex = (uint8_t) byte;
                r = machine_take_code(m, 1, &byte);
                if (r < 0)
                        return r;
        }
        i.size = i.operand16 ? 2 : 4;
        if (i.rex & 8)
                i.size = 8;
        return do_one_byte(m, &i, (unsigned) byte);
}

int code_run(const struct code_world *world, uint64_t entry, const uint64_t arguments[static 4],
             uint64_t *ret)
{
        struct machine m = { .world = world, .rip = entry, .entry = entry, .tracer = entry };
        int r;

        assert(world);
        assert(arguments);
        assert(ret);

        m.r[RDI] = arguments[0];
        m.r[RSI] = arguments[1];
        m.r[RDX] = arguments[2];
        m.r[RCX] = arguments[3];
        machine_reset_stack(&m);
        r = machine_push(&m, RETURN_ADDRESS);
        if (r < 0)
                return r;
        for (unsigned n = 0; m.rip != RETURN_ADDRESS; n++) {
                if (n == STEPS_MAX)
                        return -ELOOP;
                r = run_instruction(&m);
                if (r < 0)
                        return r;
        }
        *ret = m.r[RAX];
        return 0;
}
